package server

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"ottla/config"
	"ottla/metadata"
	"ottla/metadata/quorum"
	"ottla/storage"
	"ottla/storage/vfs"
)

// Adoption is what lies in the log directories before a start, and what the start
// would do with them.
type Adoption struct {
	// Directories are log.dirs and metadata.log.dir, that of the metadata log first.
	Directories []AdoptedDirectory
	// ClusterID is the cluster's, "" where a start would draw one.
	ClusterID string
	// Metadata is what the metadata log says, nil in directories that a start would
	// format and where it cannot be read.
	Metadata *quorum.Inspection
	// Unclaimed are the partitions with a folder that the metadata does not know: a
	// start sets such a folder aside as -stray. Absent are those without a folder: a
	// start makes an empty one.
	Unclaimed, Absent []storage.TopicPartition
}

// AdoptedDirectory is one directory of an Adoption.
type AdoptedDirectory struct {
	Path    string
	Missing bool
	Err     error // it cannot be read
	// Contents are the names in it, Properties those of its meta.properties.
	Contents   storage.DirectoryContents
	Properties storage.MetaProperties
}

// looking is a file system for looking only: where there is no lock file, nobody
// runs on the directory, and none is made.
type looking struct{ vfs.FS }

type nothing struct{}

func (nothing) Close() error { return nil }

// Lock implements vfs.FS.
func (l looking) Lock(name string) (io.Closer, error) {
	there, err := vfs.Exists(l.FS, name)
	if err != nil || !there {
		return nothing{}, err
	}
	return l.FS.Lock(name)
}

// InspectDirectories looks at the log directories of a configuration without
// changing a byte. The error is the one with which a start would refuse them; what
// was seen until then is told all the same.
func InspectDirectories(fsys vfs.FS, settings *config.Config) (found Adoption, err error) {
	var h home
	h.layOut(settings)
	var places []place
	for _, dir := range h.all() {
		p, lock, err := look(looking{fsys}, dir)
		if lock != nil {
			defer lock.Close()
		}
		found.Directories = append(found.Directories, AdoptedDirectory{p.dir, p.failed == nil && !p.there, p.failed, p.contents, p.holds})
		if err != nil {
			return found, err
		}
		places = append(places, p)
	}
	if places[0].failed != nil {
		return found, fmt.Errorf("read log directory %s: %w", places[0].dir, places[0].failed)
	}
	if !places[0].contents.MetaProperties {
		err = h.checkUnformatted(fsys, settings, places)
		found.ClusterID = h.clusterID
		return found, err
	}
	found.Metadata, err = h.understand(fsys, settings, places)
	found.ClusterID = h.clusterID
	if found.Metadata != nil {
		found.compareFolders(settings.NodeID)
	}
	return found, err
}

// compareFolders holds the folders against the metadata.
func (a *Adoption) compareFolders(nodeID int32) {
	folders := map[storage.TopicPartition]bool{}
	for _, directory := range a.Directories {
		for _, tp := range directory.Contents.Logs {
			folders[tp] = true
		}
	}
	known := map[storage.TopicPartition]bool{}
	for topic := range a.Metadata.Image.Topics() {
		for i := range topic.Partitions {
			tp := storage.TopicPartition{Topic: topic.Name, Partition: int32(i)}
			known[tp] = true
			if slices.Contains(topic.Partitions[i].Replicas, nodeID) && !folders[tp] {
				a.Absent = append(a.Absent, tp)
			}
		}
	}
	for _, directory := range a.Directories {
		for _, tp := range directory.Contents.Logs {
			if !known[tp] {
				a.Unclaimed = append(a.Unclaimed, tp)
			}
		}
	}
}

// wayOut is what can be done about a metadata log that is not understood, where its
// error does not say so itself.
func wayOut(err error) string {
	var unknown *metadata.UnknownRecordError
	if errors.As(err, &unknown) {
		return "; a newer server wrote it: go on with that one"
	}
	return ""
}

// checkAdoption refuses what this server cannot act upon, in one line.
func checkAdoption(fsys vfs.FS, image *metadata.Image, nodeID int32, places []place) error {
	err := checkImage(image, nodeID)
	for i := range places {
		if places[i].failed == nil {
			err = errors.Join(err, checkPartitionFiles(fsys, places[i].dir, places[i].contents.Logs))
		}
	}
	if err != nil {
		return errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return nil
}

// checkImage refuses metadata that a node alone, which knows no rights, must not
// act upon.
func checkImage(image *metadata.Image, nodeID int32) error {
	var refusals []error
	acls := 0
	for range image.ACLs() {
		acls++
	}
	if acls > 0 {
		refusals = append(refusals, fmt.Errorf("it holds %d ACLs, and without an authorizer everybody could do everything; "+
			"remove them with kafka-acls.sh under Apache Kafka first, if that is what is wanted", acls))
	}
	for broker := range image.Brokers() {
		if broker.ID != nodeID && !broker.Fenced {
			refusals = append(refusals, fmt.Errorf("broker %d is registered too and not fenced: this is one node of a cluster, and one node alone is handled; "+
				"stop it and remove it with kafka-cluster.sh unregister --id %d under Apache Kafka first", broker.ID, broker.ID))
		}
	}
	return errors.Join(append(refusals, checkTopics(image, nodeID)...)...)
}

// checkTopics refuses partitions that are not this node's alone, and data that is
// elsewhere; one topic stands for all in the message.
func checkTopics(image *metadata.Image, nodeID int32) []error {
	var refusals []error
	elsewhere, remote := 0, 0
	var firstElsewhere, firstRemote string
	for topic := range image.Topics() {
		for i := range topic.Partitions {
			if replicas := topic.Partitions[i].Replicas; len(replicas) != 1 || replicas[0] != nodeID {
				if elsewhere++; elsewhere == 1 {
					firstElsewhere = fmt.Sprintf("%s-%d has the replicas %d", topic.Name, i, replicas)
				}
			}
		}
		if image.Config(metadata.ConfigResource{Type: metadata.ResourceTopic, Name: topic.Name})["remote.storage.enable"] == "true" {
			if remote++; remote == 1 {
				firstRemote = topic.Name
			}
		}
	}
	if elsewhere > 0 {
		refusals = append(refusals, fmt.Errorf("%d partitions are not this node's alone (%s); move them to node %d alone with kafka-reassign-partitions.sh under Apache Kafka first",
			elsewhere, firstElsewhere, nodeID))
	}
	if remote > 0 {
		refusals = append(refusals, fmt.Errorf("%d topics have remote.storage.enable=true (%s), so a part of their records is in tiered storage, which is not handled", remote, firstRemote))
	}
	return refusals
}

// checkPartitionFiles refuses files in the partitions' folders that Apache Kafka
// does not put there: those of another layout.
func checkPartitionFiles(fsys vfs.FS, dir string, logs []storage.TopicPartition) error {
	for _, tp := range logs {
		name := fmt.Sprintf("%s-%d", tp.Topic, tp.Partition)
		entries, err := fsys.ReadDir(filepath.Join(dir, name))
		if err != nil {
			continue // storage finds it so too, and the partition is offline
		}
		for _, entry := range entries {
			if entry.Dir || !kafkaFile(entry.Name) {
				return fmt.Errorf("%s is not a file of Apache Kafka's; where another vendor's server wrote the directory, copy its topics over the network instead", filepath.Join(name, entry.Name))
			}
		}
	}
	return nil
}

// kafkaFile tells whether Apache Kafka has files of such a name in a partition's
// folder.
func kafkaFile(name string) bool {
	for _, suffix := range []string{".deleted", ".cleaned", ".swap", ".tmp"} {
		name = strings.TrimSuffix(name, suffix)
	}
	switch name {
	case "leader-epoch-checkpoint", "partition.metadata":
		return true
	}
	digits, extension, _ := strings.Cut(name, ".")
	if len(digits) != 20 || strings.Trim(digits, "0123456789") != "" {
		return false
	}
	return slices.Contains([]string{"log", "index", "timeindex", "txnindex", "snapshot"}, extension)
}
