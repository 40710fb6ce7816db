package storage

import (
	"io"

	"ottla/storage/vfs"
)

// MetaProperties is the content of meta.properties. Version 0 (of the ZooKeeper era) names the node broker.id and may lack the cluster
// id; version 1 has both. Keys that are not known are kept.
type MetaProperties struct {
	Version     int
	NodeID      int32 // −1 if absent
	ClusterID   string
	DirectoryID [16]byte // zero if absent
	Unknown     map[string]string
}

// ReadMetaProperties reads dir/meta.properties; the error wraps fs.ErrNotExist if there is none.
func ReadMetaProperties(fsys vfs.FS, dir string) (MetaProperties, error) { panic("BUG: not yet") }

// WriteMetaProperties replaces dir/meta.properties atomically and durably.
func WriteMetaProperties(fsys vfs.FS, dir string, properties MetaProperties) error {
	panic("BUG: not yet")
}

// LockDirectory takes dir/.lock as Apache Kafka does; vfs.ErrLocked if another process has it. Close of the result releases the lock
// and leaves the file.
func LockDirectory(fsys vfs.FS, dir string) (io.Closer, error) { panic("BUG: not yet") }

// DirectoryContents is what lies in a log directory, read without changing a byte.
type DirectoryContents struct {
	MetaProperties bool // meta.properties is there
	CleanShutdown  bool // .kafka_cleanshutdown is there
	Logs           []TopicPartition
	Deleted        []string // <topic>-<p>.<uuid>-delete
	Stray          []string // …-stray
	Future         []string // …-future
	MetadataLog    bool     // __cluster_metadata-0 is there
	Files          []string // plain files, known to Kafka
	Unknown        []string // files and directories that Kafka does not put there
}

// ReadDirectory lists what lies in a log directory.
func ReadDirectory(fsys vfs.FS, dir string) (DirectoryContents, error) { panic("BUG: not yet") }

// ParseLogDirectoryName splits the name of a log's directory; ok is false if it is not one. Suffix is "", "delete", "stray" or "future".
func ParseLogDirectoryName(name string) (tp TopicPartition, suffix string, ok bool) {
	panic("BUG: not yet")
}
