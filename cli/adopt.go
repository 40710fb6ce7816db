package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"ottla/config"
	"ottla/internal/uuid"
	"ottla/metadata"
	"ottla/server"
	"ottla/storage"
	"ottla/storage/vfs"
)

const adoptUsage = `Usage: ottla adopt --dry-run FILE [options]

Says what a start with the properties of FILE would find in the log directories
and what it would do. It changes nothing: not a byte is written, and no lock is
taken that is not there. The exit status is 0 where a start would go ahead, 1
where it would refuse.

  --override KEY=VALUE  a property that wins over the file's; may be given again
  --env                 take KAFKA_* variables too

A start adopts by itself: there is no other step.
`

// mostNamed is how many names a line of the report holds.
const mostNamed = 5

// adopt reports on the log directories of a file.
func adopt(environment Environment, arguments []string) int {
	dry := slices.Contains(arguments, "--dry-run")
	parsed, err := parseStart(slices.DeleteFunc(slices.Clone(arguments), func(a string) bool { return a == "--dry-run" }), environment.Variables)
	switch {
	case err != nil:
	case parsed.help:
		fmt.Fprint(environment.Stdout, adoptUsage)
		return exitDone
	case !dry:
		err = fmt.Errorf("--dry-run is needed: a start adopts by itself")
	case !parsed.heardFile:
		err = fmt.Errorf("a file is needed")
	case parsed.pidFile != "":
		err = fmt.Errorf("unknown option --pid-file")
	}
	if err != nil {
		fmt.Fprintf(environment.Stderr, "ottla adopt: %v\n\n%s", err, adoptUsage)
		return exitMisuse
	}
	settings, warnings, err := config.Load(parsed.options)
	if err != nil {
		fmt.Fprintf(environment.Stderr, "ottla adopt: a start would refuse the file: %v\n", err)
		return exitFailed
	}
	report := adoption{out: environment.Stdout, node: settings.NodeID}
	for _, warning := range warnings {
		report.line("%s, line %d: %s", parsed.options.File, warning.Line, warning.Message)
	}
	found, refusal := server.InspectDirectories(vfs.OS{}, settings)
	report.found = found
	report.directories()
	if found.Metadata != nil {
		report.metadata()
		report.partitions()
	}
	if refusal != nil {
		report.line("A start would be refused: %v", refusal)
		return exitFailed
	}
	report.plan()
	return exitDone
}

// adoption prints a report.
type adoption struct {
	out   io.Writer
	node  int32
	found server.Adoption
}

func (a *adoption) line(format string, values ...any) { fmt.Fprintf(a.out, format+"\n", values...) }

// directories tells of each log directory.
func (a *adoption) directories() {
	for _, d := range a.found.Directories {
		a.line("log directory %s", d.Path)
		switch {
		case d.Missing:
			a.line("  is not there")
			continue
		case d.Err != nil:
			a.line("  cannot be read: %v", d.Err)
			continue
		case d.Contents.MetaProperties && d.Properties.ClusterID != "":
			id := "without a directory.id"
			if d.Properties.DirectoryID != (uuid.UUID{}) {
				id = "directory.id " + uuid.String(d.Properties.DirectoryID)
			}
			a.line("  belongs to node %d of cluster %s, %s", d.Properties.NodeID, d.Properties.ClusterID, id)
			stop := "the last stop was not clean"
			if d.Contents.CleanShutdown {
				stop = "the last stop was clean"
			}
			a.line("  %s", stop)
		case !d.Contents.MetaProperties:
			a.line("  has no meta.properties")
		}
		a.line("  holds folders of %d partitions, %d to be deleted, %d set aside as stray", len(d.Contents.Logs), len(d.Contents.Deleted), len(d.Contents.Stray))
		if len(d.Contents.Future) > 0 {
			a.line("  a move of %d partitions to it is under way", len(d.Contents.Future))
		}
	}
}

// metadata tells what the metadata log says.
func (a *adoption) metadata() {
	m := a.found.Metadata
	image := m.Image
	name := metadata.VersionName(image.MetadataVersion())
	if name == "" {
		name = "not set yet"
	}
	a.line("metadata log")
	a.line("  ends at offset %d, leader epoch %d, kraft.version %d", m.LogEndOffset, m.LeaderEpoch, m.KRaftVersion)
	if m.TornTailBytes > 0 {
		a.line("  ends in %d bytes that are no whole batch", m.TornTailBytes)
	}
	a.line("  metadata.version %d (%s)", image.MetadataVersion(), name)
	for feature, level := range image.Features() {
		if feature != metadata.FeatureMetadataVersion {
			a.line("  %s %d", feature, level)
		}
	}
	quotas, users, tokens, acls := 0, 0, 0, 0
	for range image.Quotas() {
		quotas++
	}
	for range image.ScramCredentials() {
		users++
	}
	for range image.DelegationTokens() {
		tokens++
	}
	for range image.ACLs() {
		acls++
	}
	a.line("  %d client quotas, %d SCRAM credentials, %d delegation tokens, %d ACLs", quotas, users, tokens, acls)
}

// partitions holds the folders against the metadata.
func (a *adoption) partitions() {
	topics, partitions, leaderless := 0, 0, 0
	for topic := range a.found.Metadata.Image.Topics() {
		topics++
		partitions += len(topic.Partitions)
		for i := range topic.Partitions {
			if topic.Partitions[i].Leader == metadata.NoLeader {
				leaderless++
			}
		}
	}
	a.line("  %d topics with %d partitions, %d of them without a leader, as a clean stop leaves them", topics, partitions, leaderless)
}

// plan tells what a start would do.
func (a *adoption) plan() {
	a.line("A start would")
	if a.found.Metadata == nil {
		id := a.found.ClusterID
		if id == "" {
			id = "with a new id"
		}
		a.line("  format the directories for node %d of the cluster %s", a.node, id)
		return
	}
	unclean := false
	for _, d := range a.found.Directories {
		if d.Err == nil && d.Properties.DirectoryID == (uuid.UUID{}) {
			a.line("  write a directory.id into the meta.properties of %s", d.Path)
		}
		unclean = unclean || !d.Contents.CleanShutdown
		if len(d.Contents.Deleted) > 0 {
			a.line("  delete %d folders of deleted partitions in %s", len(d.Contents.Deleted), d.Path)
		}
	}
	for _, d := range a.found.Directories {
		a.named("leave to Apache Kafka, in "+d.Path+", the unfinished move of", moved(d.Contents))
	}
	if unclean {
		a.line("  look through what was written since the recovery points, and cut off what is not whole")
	}
	a.named("set aside as -stray the folder of", a.found.Unclaimed)
	a.named("make an empty folder for", a.found.Absent)
	a.idle()
	a.line("  raise no feature level, and write no record above the levels that stand")
	a.line("  begin leader epoch %d, elect leaders, and serve", a.found.Metadata.LeaderEpoch+1)
}

// idle tells of what a start would keep and not act upon.
func (a *adoption) idle() {
	image := a.found.Metadata.Image
	compacted, guards := 0, 0
	for topic := range image.Topics() {
		if strings.Contains(image.Config(metadata.ConfigResource{Type: metadata.ResourceTopic, Name: topic.Name})["cleanup.policy"], "compact") {
			compacted++
		}
	}
	if compacted > 0 {
		a.line("  compact nothing: %d topics with cleanup.policy=compact would grow until Apache Kafka has them again", compacted)
	}
	for range image.Quotas() {
		guards++
	}
	for range image.ScramCredentials() {
		guards++
	}
	for range image.DelegationTokens() {
		guards++
	}
	if guards > 0 {
		a.line("  keep quotas, users and tokens for Apache Kafka, and not act upon them")
	}
}

// moved are the partitions that are being moved to a directory.
func moved(contents storage.DirectoryContents) []storage.TopicPartition {
	var all []storage.TopicPartition
	for _, name := range contents.Future {
		if tp, _, ok := storage.ParseLogDirectoryName(name); ok {
			all = append(all, tp)
		}
	}
	return all
}

// named tells what a start would do to some partitions.
func (a *adoption) named(what string, partitions []storage.TopicPartition) {
	if len(partitions) == 0 {
		return
	}
	var names []string
	for _, tp := range partitions[:min(len(partitions), mostNamed)] {
		names = append(names, fmt.Sprintf("%s-%d", tp.Topic, tp.Partition))
	}
	if more := len(partitions) - mostNamed; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	a.line("  %s %s", what, strings.Join(names, ", "))
}
