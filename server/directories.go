package server

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"ottla/metadata"
	"ottla/metadata/controller"
	"ottla/storage"
)

// directoryKeeper tells the controller where partitions are, which log
// directories work, and which of them take no new partitions. Storage and the
// metadata wake it; its one goroutine, ended by close, asks the controller, as
// neither of them may. mu guards the fields below it.
type directoryKeeper struct {
	server  *Server
	wake    chan struct{}
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	placed  []controller.Placement
	changed bool // of the directories, what works or is cordoned may have changed
}

func newDirectoryKeeper(s *Server) *directoryKeeper {
	return &directoryKeeper{server: s, wake: make(chan struct{}, 1)}
}

// start starts the goroutine.
func (k *directoryKeeper) start() {
	ctx, cancel := context.WithCancel(context.Background())
	k.cancel = cancel
	k.running.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-k.wake:
				if err := k.settle(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, controller.ErrClosed) {
					k.server.log.Error().Err(err).Msg("the metadata cannot be told about log directories")
				}
			}
		}
	})
}

func (k *directoryKeeper) close(context.Context) error {
	k.cancel()
	k.running.Wait()
	return nil
}

func (k *directoryKeeper) note(placed []controller.Placement, changed bool) {
	if len(placed) == 0 && !changed {
		return
	}
	k.mu.Lock()
	k.placed, k.changed = append(k.placed, placed...), k.changed || changed
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// settle tells the controller what has been noted.
func (k *directoryKeeper) settle(ctx context.Context) error {
	k.mu.Lock()
	placed, changed := k.placed, k.changed
	k.placed, k.changed = nil, false
	k.mu.Unlock()
	err := k.server.controller.AssignDirectories(ctx, placed)
	if changed && err == nil {
		err = k.server.controller.SetDirectories(ctx, k.server.storage.DirectoryIDs(), k.server.cordonedIDs())
	}
	return err
}

// follow notes what a change of the metadata has to do with directories. A nil
// delta is the start.
func (k *directoryKeeper) follow(delta *metadata.Delta, image *metadata.Image) {
	if image.MetadataVersion() < 17 {
		return // before directory ids
	}
	var placed []controller.Placement
	look := func(topic *metadata.Topic, partitions []int32) {
		for _, i := range partitions {
			if p, ok := k.misplaced(topic, i); ok {
				placed = append(placed, p)
			}
		}
	}
	if delta == nil {
		for topic := range image.Topics() {
			for i := range topic.Partitions {
				look(topic, []int32{int32(i)})
			}
		}
		k.note(placed, false)
		return
	}
	for _, topic := range delta.ChangedTopics() {
		look(topic, delta.ChangedPartitions(topic.ID))
	}
	configured := slices.ContainsFunc(delta.ChangedConfigs(), func(r metadata.ConfigResource) bool { return r.Type == metadata.ResourceBroker })
	k.note(placed, configured)
}

// misplaced tells where a partition is, if the metadata has it elsewhere.
func (k *directoryKeeper) misplaced(topic *metadata.Topic, partition int32) (controller.Placement, bool) {
	state := &topic.Partitions[partition]
	at := slices.Index(state.Replicas, k.server.settings.NodeID)
	id := k.server.storage.DirectoryID(storage.TopicPartition{Topic: topic.Name, Partition: partition})
	if at < 0 || id == ([16]byte{}) || at < len(state.Directories) && state.Directories[at] == id {
		return controller.Placement{}, false
	}
	return controller.Placement{TopicID: topic.ID, Partition: partition, Directory: id}, true
}

// cordonedIDs are the ids of the directories that take no new partitions.
func (s *Server) cordonedIDs() [][16]byte {
	ids := [][16]byte{}
	for _, dir := range s.home.directories {
		if id := s.storage.IDOf(dir); s.cordoned(dir) && id != ([16]byte{}) {
			ids = append(ids, id)
		}
	}
	return ids
}

// storageEvent tells of an event, and acts where a log directory has failed. It is
// called under locks of storage, so it only notes. The end has come, as for
// Kafka's server, with the last directory, or that of the metadata log.
func (s *Server) storageEvent(event storage.Event) {
	s.events.storage(event)
	if event.Kind != storage.EventDirectoryOffline {
		return
	}
	s.lostMu.Lock()
	if s.lost == nil {
		s.lost = map[string]bool{}
	}
	s.lost[filepath.Clean(event.Directory)] = true
	all, first := len(s.lost) == len(s.home.directories), s.lost[s.home.metadata]
	s.lostMu.Unlock()
	if all || first {
		s.fail(fmt.Errorf("log directory %s has failed: %w", event.Directory, event.Err))
		return
	}
	s.directories.note(nil, true)
}
