package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ottla/config"
	"ottla/internal/uuid"
	"ottla/metadata"
	"ottla/storage"
	"ottla/storage/vfs"
)

const storageProgram = "kafka-storage"

// storageCommands are the sub-commands of kafka-storage.
func storageCommands() []subcommand {
	file := argument{name: "--config", short: "-c", value: "CONFIG", required: true, help: "the server.properties to use"}
	release := argument{name: "--release-version", short: "-r", value: "RELEASE_VERSION", help: "the release whose features are meant, from 3.3 on; 4.3-IV0 if not given"}
	feature := argument{name: "--feature", short: "-f", value: "FEATURE", help: "a feature and its level, as kraft.version=1; may be given again"}
	demanded := feature
	demanded.required = true
	return []subcommand{
		{"info", "show the log directories of a node", []argument{file}},
		{"format", "make the log directories of a node", []argument{
			file,
			{name: "--cluster-id", short: "-t", value: "CLUSTER_ID", required: true, help: "the id of the cluster; random-uuid makes one"},
			{name: "--add-scram", short: "-S", value: "ADD_SCRAM", help: "a credential to begin with, SCRAM-SHA-256=[name=alice,password=secret]; may be given again"},
			{name: "--ignore-formatted", short: "-g", help: "leave directories alone that are formatted"},
			release, feature,
			{name: "--standalone", short: "-s", group: 1, help: "the controller is a quorum of one"},
			{name: "--no-initial-controllers", short: "-N", group: 1, help: "the controller joins others"},
			{name: "--initial-controllers", short: "-I", value: "INITIAL_CONTROLLERS", group: 1, help: "the controllers, id@host:port:directory.id,..."},
		}},
		{"version-mapping", "print the features of a release", []argument{release}},
		{"feature-dependencies", "print what a level of a feature depends on", []argument{demanded}},
		{"random-uuid", "print a random id", nil},
	}
}

// storageVerb formats log directories and tells what is in them.
func storageVerb(environment Environment, arguments []string) int {
	t := newTool(environment, arguments)
	err := t.storage(arguments)
	var wrong *misused
	if errors.As(err, &wrong) {
		t.complain(wrong.usage + "\n" + storageProgram + ": error: " + wrong.message + "\n")
		return exitFailed
	}
	return t.finish(err)
}

func (t *tool) storage(words []string) error {
	commands := storageCommands()
	var names []string
	for _, c := range commands {
		names = append(names, c.name)
	}
	usage := "usage: " + storageProgram + " [-h]\n                     {" + strings.Join(names, ",") + "}\n                     ..."
	if len(words) == 0 {
		return &misused{usage, "too few arguments"}
	}
	if words[0] == "-h" || words[0] == "--help" {
		t.println(usage + "\n\npositional arguments:")
		for _, c := range commands {
			t.printf("  %-22s %s\n", c.name, c.help)
		}
		return nil
	}
	i := slices.Index(names, words[0])
	switch {
	case i < 0 && strings.HasPrefix(words[0], "-"):
		return &misused{usage, "unrecognized arguments: '" + words[0] + "'"}
	case i < 0:
		return &misused{usage, "invalid choice: '" + words[0] + "' (choose from '" + strings.Join(names, "', '") + "')"}
	}
	parsed, help, err := commands[i].parse(words[1:], commands[i].usage(storageProgram))
	switch {
	case err != nil:
		return err
	case help:
		t.printf("%s", commands[i].fullHelp(storageProgram))
		return nil
	}
	switch names[i] {
	case "info":
		return t.storageInfo(parsed)
	case "format":
		return t.storageFormat(parsed)
	case "version-mapping":
		return t.versionMapping(parsed)
	case "feature-dependencies":
		return t.featureDependencies(parsed)
	}
	t.println(uuid.String(uuid.New()))
	return nil
}

// loadSettings loads a server.properties.
func (t *tool) loadSettings(path string) (*config.Config, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, &exception{"java.nio.file.NoSuchFileException", path}
	}
	settings, _, err := config.Load(config.Options{File: path, Environment: t.environment.Variables})
	return settings, err
}

// storageDirectories are log.dirs and metadata.log.dir, sorted.
func storageDirectories(settings *config.Config) []string {
	var all []string
	for _, dir := range append(slices.Clone(settings.LogDirs), settings.MetadataLogDir) {
		if !slices.Contains(all, dir) {
			all = append(all, dir)
		}
	}
	slices.Sort(all)
	return all
}

func (t *tool) storageInfo(parsed parsedArguments) error {
	settings, err := t.loadSettings(parsed.text("--config"))
	if err != nil {
		return err
	}
	var problems, found []string
	var first *storage.MetaProperties
	for _, dir := range storageDirectories(settings) {
		info, err := os.Stat(dir)
		switch {
		case err != nil:
			problems = append(problems, dir+" does not exist")
			continue
		case !info.IsDir():
			problems = append(problems, dir+" is not a directory")
			continue
		}
		found = append(found, dir)
		file := filepath.Join(dir, "meta.properties")
		if _, err := os.Stat(file); err != nil {
			problems = append(problems, dir+" is not formatted.")
			continue
		}
		properties, err := storage.ReadMetaProperties(vfs.OS{}, dir)
		switch {
		case err != nil:
			problems = append(problems, fmt.Sprintf("Error loading %s: %v", file, err))
		case first == nil:
			first = &properties
		case first.ClusterID != properties.ClusterID:
			problems = append(problems, "Mismatched cluster IDs between storage directories.")
		case first.NodeID != properties.NodeID:
			problems = append(problems, "Mismatched node IDs between storage directories.")
		}
	}
	if first != nil && first.Version == 0 {
		problems = append(problems, "The kafka configuration file appears to be for a cluster in KRaft mode, but the directories are formatted for legacy mode.")
	}
	return t.printInfo(found, first, problems)
}

func (t *tool) printInfo(found []string, first *storage.MetaProperties, problems []string) error {
	section := func(one, several string, lines []string) {
		if len(lines) == 0 {
			return
		}
		if len(lines) > 1 {
			one = several
		}
		t.println(one)
		for _, line := range lines {
			t.println("  " + line)
		}
		t.println("")
	}
	section("Found log directory:", "Found log directories:", found)
	if first != nil {
		values := maps.Clone(first.Unknown)
		if values == nil {
			values = map[string]string{}
		}
		values["version"], values["cluster.id"] = strconv.Itoa(first.Version), first.ClusterID
		if first.Version == 0 {
			values["broker.id"] = strconv.Itoa(int(first.NodeID))
		} else {
			values["node.id"] = strconv.Itoa(int(first.NodeID))
		}
		if first.DirectoryID != [16]byte{} {
			values["directory.id"] = uuid.String(first.DirectoryID)
		}
		var words []string
		for _, key := range slices.Sorted(maps.Keys(values)) {
			words = append(words, key+"="+values[key])
		}
		t.println("Found metadata: {" + strings.Join(words, ", ") + "}\n")
	}
	section("Found problem:", "Found problems:", problems)
	if problems != nil {
		return errSilent
	}
	return nil
}

// release returns the level of metadata.version that is asked for.
func release(parsed parsedArguments) (level int16, name string, err error) {
	name = metadata.VersionName(metadata.MaxVersion)
	if parsed.has("--release-version") {
		name = parsed.text("--release-version")
	}
	level, err = metadata.ParseVersion(name)
	return level, name, err
}

// featureRule is a feature with the level of metadata.version from which it has one by default, and the first that it needs.
type featureRule struct {
	name                  string
	standard, since, last int16
	needs                 int16
}

// featureRules are in the order in which the stock tool lists them.
func featureRules() []featureRule {
	return []featureRule{
		{metadata.FeatureKRaftVersion, 1, 21, 1, 0},
		{metadata.FeatureTransaction, 2, 24, 2, 0},
		{metadata.FeatureGroup, 1, 22, 1, 0},
		{metadata.FeatureEligibleLeaderReplicas, 1, 26, 1, 23},
		{metadata.FeatureShare, 1, 28, 1, 0},
		{metadata.FeatureStreams, 1, 29, 1, 0},
	}
}

// levelAt is a feature's level by default at a level of metadata.version.
func (f featureRule) levelAt(version int16) int16 {
	if version < f.since {
		return 0
	}
	return f.standard
}

func (t *tool) versionMapping(parsed parsedArguments) error {
	level, name, err := release(parsed)
	if err != nil {
		return err
	}
	t.printf("metadata.version=%d (%s)\n", level, name)
	for _, feature := range featureRules() {
		t.printf("%s=%d\n", feature.name, feature.levelAt(level))
	}
	return nil
}

func (t *tool) featureDependencies(parsed parsedArguments) error {
	for _, word := range parsed["--feature"] {
		name, text, ok := strings.Cut(word, "=")
		name, text = strings.TrimSpace(name), strings.TrimSpace(text)
		if !ok {
			return fmt.Errorf("Invalid feature format: %s. Expected format: 'feature=version' (e.g. 'group.version=1')", word) //nolint:staticcheck // the stock tool's words
		}
		number, err := strconv.ParseInt(text, 10, 16)
		if err != nil {
			return fmt.Errorf("Invalid version format: %s for feature %s", text, name) //nolint:staticcheck // the stock tool's words
		}
		level := int16(number)
		if name == metadata.FeatureMetadataVersion {
			if metadata.VersionName(level) == "" {
				return fmt.Errorf("Unknown metadata.version %d", level) //nolint:staticcheck // the stock tool's words
			}
			t.printf("%s=%d (%s) has no dependencies.\n", name, level, metadata.VersionName(level))
			continue
		}
		rules := featureRules()
		i := slices.IndexFunc(rules, func(f featureRule) bool { return f.name == name })
		switch {
		case i < 0:
			return fmt.Errorf("Unknown feature: %s", name) //nolint:staticcheck // the stock tool's words
		case level < 0 || level > rules[i].last:
			return fmt.Errorf("Feature level %d is not supported for feature %s", level, name) //nolint:staticcheck // the stock tool's words
		case level > 0 && rules[i].needs > 0:
			t.printf("%s=%d requires:\n    metadata.version=%d (%s)\n", name, level, rules[i].needs, metadata.VersionName(rules[i].needs))
		default:
			t.printf("%s=%d has no dependencies.\n", name, level)
		}
	}
	return nil
}
