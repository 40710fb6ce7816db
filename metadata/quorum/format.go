package quorum

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"ottla/metadata"
	"ottla/protocol/record"
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
	Now     func() time.Time // nil: time.Now
}

// FreshRecords are the feature levels of a fresh format: metadata.version first, the others sorted.
func FreshRecords() []metadata.Record {
	records := []metadata.Record{&metadata.FeatureLevelRecord{Name: metadata.FeatureMetadataVersion, FeatureLevel: metadata.MaxVersion}}
	for _, f := range metadata.Features() {
		if f.Name != metadata.FeatureMetadataVersion {
			records = append(records, &metadata.FeatureLevelRecord{Name: f.Name, FeatureLevel: f.Fresh})
		}
	}
	return records
}

// Format writes bootstrap.checkpoint and, for a standalone voter, the first snapshot of __cluster_metadata-0 into a directory that has
// neither. meta.properties is the caller's, to be written last.
func Format(fsys vfs.FS, directory string, options FormatOptions) error {
	logDir := path.Join(directory, logDirectory)
	for _, name := range []string{path.Join(directory, bootstrapName), logDir} {
		if there, err := vfs.Exists(fsys, name); err != nil || there {
			return fmt.Errorf("format %s: %w", directory, errors.Join(err, fmt.Errorf("%s is there already", name)))
		}
	}
	records := options.Records
	if records == nil {
		records = FreshRecords()
	}
	now := time.Now
	if options.Now != nil {
		now = options.Now
	}
	level := int16(0)
	if f, ok := records[0].(*metadata.FeatureLevelRecord); ok && f.Name == metadata.FeatureMetadataVersion {
		level = f.FeatureLevel
	}
	if metadata.VersionName(level) == "" {
		return fmt.Errorf("format %s: the first record must be a known metadata.version", directory)
	}
	var bootstrap bytes.Buffer
	err := encodeSnapshot(snapshotHead{now: now().UnixMilli()}, records, level, snapshotBatchBytes, func(b record.Batch) error {
		_, err := bootstrap.Write(b)
		return err
	})
	if err == nil {
		err = replaceFile(fsys, directory, bootstrapName, bootstrap.Bytes())
	}
	if err != nil {
		return fmt.Errorf("format %s: %w", directory, err)
	}
	if options.StaticVoters {
		return nil
	}
	if err := makeLogDirectory(fsys, directory); err != nil {
		return fmt.Errorf("format %s: %w", directory, err)
	}
	head := snapshotHead{
		timestamp: now().UnixMilli(), now: now().UnixMilli(), kraftVersion: 1,
		voters: votersRecord(options.NodeID, options.DirectoryID, options.Endpoints),
	}
	if _, err := writeSnapshot(fsys, logDir, snapshotID{}.name(), head, nil, level); err != nil {
		return fmt.Errorf("format %s: %w", directory, err)
	}
	return nil
}

// makeLogDirectory makes the directory of the metadata log durable; it may be there.
func makeLogDirectory(fsys vfs.FS, directory string) error {
	err := fsys.Mkdir(path.Join(directory, logDirectory))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return fsys.SyncDir(directory)
}

// votersRecord is the set of the one voter.
func votersRecord(nodeID int32, directoryID [16]byte, endpoints []Endpoint) *metadata.VotersRecord {
	v := metadata.VotersRecordVoter{VoterID: nodeID, VoterDirectoryID: directoryID}
	for _, e := range endpoints {
		v.Endpoints = append(v.Endpoints, metadata.VotersRecordEndpoint{Name: e.Name, Host: e.Host, Port: e.Port})
	}
	v.KRaftVersionFeature.MaxSupportedVersion = 1
	return &metadata.VotersRecord{Voters: []metadata.VotersRecordVoter{v}}
}
