package quorum

import (
	"ottla/metadata"
	"ottla/storage/vfs"
)

// FormatOptions say how to make a new metadata log.
type FormatOptions struct {
	NodeID      int32
	ClusterID   string
	DirectoryID [16]byte
	// StaticVoters: controller.quorum.voters is set, kraft.version is 0. Else the directory is a standalone voter's, kraft.version 1, and
	// Endpoints are the controller's listeners.
	StaticVoters bool
	Endpoints    []Endpoint
	// Records are written into bootstrap.checkpoint; nil: those of a fresh format of 4.3 (FreshRecords).
	Records []metadata.Record
}

// FreshRecords are the feature levels and configurations of a fresh format.
func FreshRecords() []metadata.Record { panic("BUG: not yet") }

// Format writes bootstrap.checkpoint and, for a standalone voter, the first snapshot of __cluster_metadata-0 into a directory that has
// neither. meta.properties is the caller's, to be written last.
func Format(fsys vfs.FS, directory string, options FormatOptions) error { panic("BUG: not yet") }

// Inspection is what lies in a metadata log directory.
type Inspection struct {
	Formatted     bool // bootstrap.checkpoint or __cluster_metadata-0 is there
	KRaftVersion  int16
	Image         *metadata.Image // everything that is on disk
	LeaderEpoch   int32
	LogEndOffset  int64
	TornTailBytes int64
}

// Inspect reads everything in the metadata log directory without changing a byte. The error names what is not understood: a record, a
// feature level above those of a fresh 4.3 format, a file, another voter.
func Inspect(fsys vfs.FS, directory string, nodeID int32, clusterID string) (*Inspection, error) {
	panic("BUG: not yet")
}
