package server

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"ottla/config"
	"ottla/internal/uuid"
	"ottla/metadata"
	"ottla/metadata/quorum"
	"ottla/storage"
	"ottla/storage/vfs"
)

const (
	bootstrapFile     = "bootstrap.checkpoint"
	metadataDirectory = "__cluster_metadata-0"
)

// home is the log directory of a node, understood and formatted.
type home struct {
	clusterID   string
	directoryID uuid.UUID
	// kraftVersion is 0 with static voters, else 1.
	kraftVersion int16
	// image is what the metadata on disk says, nil in a directory that has just
	// been formatted.
	image *metadata.Image
	// formatted tells that this start did it.
	formatted bool
}

// prepareHome refuses a log directory that holds what is not handled, before a
// byte of it changes, and formats an empty one as the file's keys say. While it
// looks and writes it holds the directory's lock, which storage takes next.
func prepareHome(fsys vfs.FS, settings *config.Config, ports map[string]int) (prepared home, err error) {
	dir := settings.LogDirs[0]
	if settings.MetadataLogDir != dir {
		return home{}, fmt.Errorf("metadata.log.dir=%s: another directory than log.dirs=%s is not handled", settings.MetadataLogDir, dir)
	}
	if err := makeAll(fsys, dir); err != nil {
		return home{}, fmt.Errorf("make log directory %s: %w", dir, err)
	}
	lock, err := lockDirectory(fsys, dir)
	if err != nil {
		return home{}, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	contents, err := storage.ReadDirectory(fsys, dir)
	if err != nil {
		return home{}, fmt.Errorf("read log directory %s: %w", dir, err)
	}
	if unknown := slices.Concat(contents.Unknown, contents.Future); len(unknown) > 0 {
		return home{}, fmt.Errorf("log directory %s holds what is not handled: %s; nothing was changed", dir, strings.Join(unknown, ", "))
	}
	if !contents.MetaProperties {
		return format(fsys, dir, contents, settings, ports)
	}
	return adopt(fsys, dir, settings)
}

func lockDirectory(fsys vfs.FS, dir string) (io.Closer, error) {
	lock, err := storage.LockDirectory(fsys, dir)
	if errors.Is(err, vfs.ErrLocked) {
		return nil, fmt.Errorf("log directory %s is in use by another process, which holds %s: %w", dir, filepath.Join(dir, ".lock"), err)
	}
	if err != nil {
		return nil, fmt.Errorf("lock log directory %s: %w", dir, err)
	}
	return lock, nil
}

// makeAll makes a directory and those above it.
func makeAll(fsys vfs.FS, dir string) error {
	there, err := vfs.Exists(fsys, dir)
	if there || err != nil {
		return err
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := makeAll(fsys, parent); err != nil {
			return err
		}
	}
	if err := fsys.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// adopt looks at a formatted directory. It writes nothing, but for a directory
// id where there is none yet, as Kafka does at its start.
func adopt(fsys vfs.FS, dir string, settings *config.Config) (home, error) {
	properties, err := storage.ReadMetaProperties(fsys, dir)
	if err != nil {
		return home{}, fmt.Errorf("read %s: %w", filepath.Join(dir, "meta.properties"), err)
	}
	switch {
	case properties.Version != 1:
		return home{}, fmt.Errorf("%s has version %d; version 1 (KRaft) is handled, the directory of a ZooKeeper broker is not; nothing was changed", filepath.Join(dir, "meta.properties"), properties.Version)
	case properties.NodeID != settings.NodeID:
		return home{}, fmt.Errorf("log directory %s belongs to node.id %d, not to %d; nothing was changed", dir, properties.NodeID, settings.NodeID)
	}
	inspection, err := quorum.Inspect(fsys, dir, settings.NodeID, properties.ClusterID)
	if err != nil {
		return home{}, fmt.Errorf("log directory %s cannot be taken over: %w; nothing was changed", dir, err)
	}
	if !inspection.Formatted {
		return home{}, fmt.Errorf("log directory %s has a meta.properties, but no metadata (%s or %s); nothing was changed", dir, bootstrapFile, metadataDirectory)
	}
	if properties.DirectoryID == (uuid.UUID{}) {
		properties.DirectoryID = uuid.New()
		if err := storage.WriteMetaProperties(fsys, dir, properties); err != nil {
			return home{}, fmt.Errorf("write %s: %w", filepath.Join(dir, "meta.properties"), err)
		}
	}
	return home{clusterID: properties.ClusterID, directoryID: properties.DirectoryID, kraftVersion: inspection.KRaftVersion, image: inspection.Image}, nil
}

// format makes an empty directory a node's. meta.properties comes last: a
// directory without it was not formatted whole, and is formatted again.
func format(fsys vfs.FS, dir string, contents storage.DirectoryContents, settings *config.Config, ports map[string]int) (home, error) {
	if len(contents.Logs) > 0 || len(contents.Stray) > 0 {
		return home{}, fmt.Errorf("log directory %s holds partitions, but no meta.properties that says whose they are; nothing was changed", dir)
	}
	if err := removeHalfFormatted(fsys, dir, contents); err != nil {
		return home{}, err
	}
	prepared := home{clusterID: settings.InitialClusterID, directoryID: uuid.New(), formatted: true}
	if prepared.clusterID == "" {
		prepared.clusterID = uuid.String(uuid.New())
	}
	if len(settings.Quorum.Voters) == 0 {
		prepared.kraftVersion = 1
	}
	err := quorum.Format(fsys, dir, quorum.FormatOptions{
		NodeID: settings.NodeID, ClusterID: prepared.clusterID, DirectoryID: prepared.directoryID,
		StaticVoters: len(settings.Quorum.Voters) > 0, Endpoints: controllerEndpoints(settings, ports),
	})
	if err != nil {
		return home{}, fmt.Errorf("format log directory %s: %w", dir, err)
	}
	err = storage.WriteMetaProperties(fsys, dir, storage.MetaProperties{
		Version: 1, NodeID: settings.NodeID, ClusterID: prepared.clusterID, DirectoryID: prepared.directoryID,
	})
	if err != nil {
		return home{}, fmt.Errorf("write %s: %w", filepath.Join(dir, "meta.properties"), err)
	}
	return prepared, nil
}

// removeHalfFormatted removes what a format left that was cut off. A metadata
// directory with a log in it is not that.
func removeHalfFormatted(fsys vfs.FS, dir string, contents storage.DirectoryContents) error {
	if !contents.MetadataLog && !slices.Contains(contents.Files, bootstrapFile) {
		return nil
	}
	if contents.MetadataLog {
		entries, err := fsys.ReadDir(filepath.Join(dir, metadataDirectory))
		if err != nil {
			return fmt.Errorf("read log directory %s: %w", dir, err)
		}
		for _, entry := range entries {
			if strings.HasSuffix(entry.Name, ".log") {
				return fmt.Errorf("log directory %s holds a metadata log, but no meta.properties that says whose it is; nothing was changed", dir)
			}
		}
	}
	for _, name := range []string{bootstrapFile, metadataDirectory} {
		if err := fsys.RemoveAll(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("remove %s, left by a format that was cut off: %w", filepath.Join(dir, name), err)
		}
	}
	return nil
}

// controllerEndpoints are the controller's listeners as other voters would dial
// them; ports are those that the system chose.
func controllerEndpoints(settings *config.Config, ports map[string]int) []quorum.Endpoint {
	var endpoints []quorum.Endpoint
	for _, l := range settings.Listeners {
		if l.Controller {
			endpoints = append(endpoints, quorum.Endpoint{Name: l.Name, Host: l.AdvertisedHost, Port: uint16(advertisedPort(l, ports))})
		}
	}
	return endpoints
}
