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

// home is the log directories of a node, understood and formatted.
type home struct {
	clusterID string
	// directories are log.dirs; metadata is where the metadata log is, one of them
	// or (apart) another one.
	directories []string
	metadata    string
	apart       bool
	directoryID uuid.UUID // of metadata
	// kraftVersion is 0 with static voters, else 1.
	kraftVersion int16
	// image is what the metadata on disk says, nil in a directory that has just
	// been formatted; found is all that was read there,
	// so that the metadata log is not read twice.
	image *metadata.Image
	found *quorum.Inspection
	// formatted tells that this start did it.
	formatted bool
}

// place is one directory as it was found.
type place struct {
	dir      string
	there    bool // it exists
	failed   error
	contents storage.DirectoryContents
	holds    storage.MetaProperties
}

// all are the directories, that of the metadata log first.
func (h *home) all() []string {
	others := slices.DeleteFunc(slices.Clone(h.directories), func(dir string) bool { return dir == h.metadata })
	return append([]string{h.metadata}, others...)
}

// prepareHome refuses log directories that hold what is not handled, before a
// byte of them changes, and formats empty ones as the file's keys say. While it
// looks and writes it holds the directories' locks, which storage takes next.
//
// The directory of the metadata log comes last when all are formatted: while it
// has no meta.properties, and no other holds partitions, the format has not come
// to its end and is taken up again. Once it has, every directory must have one: an
// empty one may be a disk that is not mounted.
func prepareHome(fsys vfs.FS, settings *config.Config, ports map[string]int) (prepared home, err error) {
	prepared.layOut(settings)
	var locks []io.Closer
	defer func() {
		for _, lock := range locks {
			err = errors.Join(err, lock.Close())
		}
	}()
	var places []place
	for _, dir := range prepared.all() {
		p, lock, err := look(fsys, dir)
		if lock != nil {
			locks = append(locks, lock)
		}
		if err != nil {
			return home{}, err
		}
		places = append(places, p)
	}
	if places[0].failed != nil {
		return home{}, fmt.Errorf("read log directory %s: %w", places[0].dir, places[0].failed)
	}
	if places[0].contents.MetaProperties {
		err = prepared.adopt(fsys, settings, places)
	} else {
		err = prepared.format(fsys, places, settings, ports, &locks)
	}
	return prepared, err
}

// layOut notes which directories there are.
func (h *home) layOut(settings *config.Config) {
	for _, dir := range settings.LogDirs {
		if dir = filepath.Clean(dir); !slices.Contains(h.directories, dir) {
			h.directories = append(h.directories, dir)
		}
	}
	h.metadata = filepath.Clean(settings.MetadataLogDir)
	h.apart = !slices.Contains(h.directories, h.metadata)
}

// look locks a directory and reads what is in it. A directory that cannot be read
// may have a disk that has failed: that is no error yet.
func look(fsys vfs.FS, dir string) (p place, lock io.Closer, err error) {
	p.dir = dir
	if p.there, p.failed = vfs.Exists(fsys, dir); p.failed != nil || !p.there {
		return p, nil, nil
	}
	if p.contents, p.failed = storage.ReadDirectory(fsys, dir); p.failed != nil {
		return p, nil, nil
	}
	if lock, err = lockDirectory(fsys, dir); err != nil {
		return p, nil, err
	}
	if len(p.contents.Unknown) > 0 {
		return p, lock, fmt.Errorf("log directory %s holds what Apache Kafka does not put there: %s; take it out if it is yours, and where another vendor's server wrote it, "+
			"copy the topics over the network; nothing was changed", dir, strings.Join(p.contents.Unknown, ", "))
	}
	if p.contents.MetaProperties {
		if p.holds, err = storage.ReadMetaProperties(fsys, dir); err != nil {
			return p, lock, fmt.Errorf("read %s: %w", filepath.Join(dir, "meta.properties"), err)
		}
	}
	return p, lock, nil
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

// checkOwner tells whether a meta.properties is this node's, and (where a cluster
// is known) this cluster's.
func (p *place) checkOwner(settings *config.Config, cluster string) error {
	switch file := filepath.Join(p.dir, "meta.properties"); {
	case p.holds.Version != 1:
		return fmt.Errorf("%s has version %d; version 1 (KRaft) is handled, the directory of a ZooKeeper broker is not; nothing was changed", file, p.holds.Version)
	case p.holds.NodeID != settings.NodeID:
		return fmt.Errorf("log directory %s belongs to node.id %d, not to %d; nothing was changed", p.dir, p.holds.NodeID, settings.NodeID)
	case cluster != "" && p.holds.ClusterID != cluster:
		return fmt.Errorf("log directory %s belongs to the cluster %s, others to %s; nothing was changed", p.dir, p.holds.ClusterID, cluster)
	}
	return nil
}

// adopt takes over formatted directories. It writes nothing, but for a directory id
// where there is none yet, as Kafka does at its start.
func (h *home) adopt(fsys vfs.FS, settings *config.Config, places []place) error {
	inspection, err := h.understand(fsys, settings, places)
	if err != nil {
		return err
	}
	for i := range places {
		if err := places[i].identify(fsys); err != nil {
			return err
		}
	}
	h.directoryID, h.kraftVersion = places[0].holds.DirectoryID, inspection.KRaftVersion
	h.found, h.image = inspection, inspection.Image
	return nil
}

// understand looks at formatted directories and changes nothing. With an error the
// metadata is told too, where it could be read.
func (h *home) understand(fsys vfs.FS, settings *config.Config, places []place) (*quorum.Inspection, error) {
	if err := h.checkPlaces(settings, places); err != nil {
		return nil, err
	}
	inspection, err := quorum.Inspect(fsys, h.metadata, settings.NodeID, h.clusterID)
	if err != nil {
		return nil, fmt.Errorf("log directory %s cannot be taken over: %w%s; nothing was changed", h.metadata, err, wayOut(err))
	}
	if !inspection.Formatted {
		return nil, fmt.Errorf("log directory %s has a meta.properties, but no metadata (%s or %s); nothing was changed", h.metadata, bootstrapFile, metadataDirectory)
	}
	if err := checkAdoption(fsys, inspection.Image, settings.NodeID, places); err != nil {
		return inspection, fmt.Errorf("log directory %s cannot be taken over: %w; nothing was changed", h.metadata, err)
	}
	return inspection, nil
}

// checkPlaces tells whether formatted directories belong to this node and together.
func (h *home) checkPlaces(settings *config.Config, places []place) error {
	if err := places[0].checkOwner(settings, ""); err != nil {
		return err
	}
	h.clusterID = places[0].holds.ClusterID
	ids := map[uuid.UUID]string{}
	for i := range places {
		p := &places[i]
		if p.failed != nil {
			continue // storage finds it so too, and its partitions are offline
		}
		if !p.contents.MetaProperties {
			return fmt.Errorf("log directory %s has no meta.properties, others have: format it with kafka-storage.sh, mount what belongs there, or take it out of log.dirs; nothing was changed", p.dir)
		}
		if err := p.checkOwner(settings, h.clusterID); err != nil {
			return err
		}
		if i > 0 && p.contents.MetadataLog {
			return fmt.Errorf("log directory %s holds %s, whose place is %s (metadata.log.dir); nothing was changed", p.dir, metadataDirectory, h.metadata)
		}
		if other, twice := ids[p.holds.DirectoryID]; twice && p.holds.DirectoryID != (uuid.UUID{}) {
			return fmt.Errorf("log directories %s and %s have the same directory.id; nothing was changed", other, p.dir)
		}
		ids[p.holds.DirectoryID] = p.dir
	}
	return nil
}

// identify gives a directory an id, where it has none.
func (p *place) identify(fsys vfs.FS) error {
	if p.failed != nil || p.holds.DirectoryID != (uuid.UUID{}) {
		return nil
	}
	p.holds.DirectoryID = uuid.New()
	return p.write(fsys)
}

func (p *place) write(fsys vfs.FS) error {
	if err := storage.WriteMetaProperties(fsys, p.dir, p.holds); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Join(p.dir, "meta.properties"), err)
	}
	return nil
}

// format makes empty directories a node's.
func (h *home) format(fsys vfs.FS, places []place, settings *config.Config, ports map[string]int, locks *[]io.Closer) error {
	if err := h.checkUnformatted(fsys, settings, places); err != nil {
		return err
	}
	h.formatted = true
	if h.clusterID == "" {
		h.clusterID = uuid.String(uuid.New())
	}
	if err := removeHalfFormatted(fsys, h.metadata, places[0].contents); err != nil {
		return err
	}
	for i := len(places) - 1; i >= 0; i-- {
		p := &places[i]
		if err := makeAll(fsys, p.dir); err != nil {
			return fmt.Errorf("make log directory %s: %w", p.dir, err)
		}
		if !p.there {
			lock, err := lockDirectory(fsys, p.dir)
			if err != nil {
				return err
			}
			*locks = append(*locks, lock)
		}
		if p.contents.MetaProperties {
			if err := p.checkOwner(settings, h.clusterID); err != nil {
				return err
			}
			if err := p.identify(fsys); err != nil {
				return err
			}
			continue
		}
		p.holds = storage.MetaProperties{Version: 1, NodeID: settings.NodeID, ClusterID: h.clusterID, DirectoryID: uuid.New()}
		if i == 0 {
			if err := h.formatMetadata(fsys, p.holds.DirectoryID, settings, ports); err != nil {
				return err
			}
		}
		if err := p.write(fsys); err != nil {
			return err
		}
	}
	return nil
}

// checkUnformatted tells what stands against a format, and changes nothing.
func (h *home) checkUnformatted(fsys vfs.FS, settings *config.Config, places []place) error {
	h.clusterID = settings.InitialClusterID
	for i := range places {
		p := &places[i]
		switch {
		case p.failed != nil:
			return fmt.Errorf("read log directory %s: %w", p.dir, p.failed)
		case len(p.contents.Logs)+len(p.contents.Stray) > 0 && p.contents.MetaProperties:
			return fmt.Errorf("log directory %s holds partitions, but %s no meta.properties and no metadata; nothing was changed", p.dir, h.metadata)
		case len(p.contents.Logs)+len(p.contents.Stray) > 0:
			return fmt.Errorf("log directory %s holds partitions, but no meta.properties that says whose they are; nothing was changed", p.dir)
		case i > 0 && p.contents.MetadataLog:
			return fmt.Errorf("log directory %s holds %s, whose place is %s (metadata.log.dir); nothing was changed", p.dir, metadataDirectory, h.metadata)
		case p.contents.MetaProperties:
			// A format that was cut off has come as far as here.
			if err := p.checkOwner(settings, ""); err != nil {
				return err
			}
			h.clusterID = p.holds.ClusterID
		}
	}
	return checkHalfFormatted(fsys, h.metadata, places[0].contents)
}

// formatMetadata writes what makes an empty directory that of the metadata log.
func (h *home) formatMetadata(fsys vfs.FS, id uuid.UUID, settings *config.Config, ports map[string]int) error {
	h.directoryID = id
	if len(settings.Quorum.Voters) == 0 {
		h.kraftVersion = 1
	}
	err := quorum.Format(fsys, h.metadata, quorum.FormatOptions{
		NodeID: settings.NodeID, ClusterID: h.clusterID, DirectoryID: id,
		StaticVoters: len(settings.Quorum.Voters) > 0, Endpoints: controllerEndpoints(settings, ports),
	})
	if err != nil {
		return fmt.Errorf("format log directory %s: %w", h.metadata, err)
	}
	return nil
}

// checkHalfFormatted tells whether a metadata directory may be what a format left
// that was cut off. One with a log in it is not that.
func checkHalfFormatted(fsys vfs.FS, dir string, contents storage.DirectoryContents) error {
	if !contents.MetadataLog {
		return nil
	}
	entries, err := fsys.ReadDir(filepath.Join(dir, metadataDirectory))
	if err != nil {
		return fmt.Errorf("read log directory %s: %w", dir, err)
	}
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name, ".log") {
			return fmt.Errorf("log directory %s holds a metadata log, but no meta.properties that says whose it is; nothing was changed", dir)
		}
	}
	return nil
}

// removeHalfFormatted removes what a format left that was cut off.
func removeHalfFormatted(fsys vfs.FS, dir string, contents storage.DirectoryContents) error {
	if !contents.MetadataLog && !slices.Contains(contents.Files, bootstrapFile) {
		return nil
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
