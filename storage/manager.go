package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// Manager owns all logs of all log directories, and what happens in the background.
type Manager struct {
	options     Options
	engine      *engine
	directories []*logDirectory
	scheduler   *scheduler // nil with NoBackground

	mu       sync.RWMutex
	logs     map[TopicPartition]*Log
	failed   map[TopicPartition]error
	creating map[TopicPartition]bool
	closed   bool
	defaults LogConfig
}

// logDirectory is a member of log.dirs.
type logDirectory struct {
	directory
	id       [16]byte
	lock     io.Closer
	contents DirectoryContents
	clean    bool
	epoch    int64 // of the broker that stopped cleanly, −1 if unknown
	counts   int   // logs placed here; guarded by Manager.mu

	checkpoints sync.Mutex                          // held while checkpoints are written
	written     map[string]map[TopicPartition]int64 // what each checkpoint file holds
	damaged     map[TopicPartition]bool             // logs that could not be loaded; guarded by checkpoints
}

// Log finds a log.
func (m *Manager) Log(tp TopicPartition) (*Log, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	l, ok := m.logs[tp]
	return l, ok
}

// Failed gives the reason why a log could not be loaded, nil if that is not so.
func (m *Manager) Failed(tp TopicPartition) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.failed[tp]
}

// Logs lists all logs, by name.
func (m *Manager) Logs() []*Log {
	m.mu.RLock()
	list := make([]*Log, 0, len(m.logs))
	for _, l := range m.logs {
		list = append(list, l)
	}
	m.mu.RUnlock()
	sort.Slice(list, func(i, j int) bool {
		a, b := list[i].tp, list[j].tp
		if a.Topic != b.Topic {
			return a.Topic < b.Topic
		}
		return a.Partition < b.Partition
	})
	return list
}

// Create makes a log in the directory with the fewest. ErrExists (with the log) if it is there.
func (m *Manager) Create(tp TopicPartition, topicID [16]byte, config LogConfig) (*Log, error) {
	return m.CreateIn(tp, topicID, config, [16]byte{}, nil)
}

// CreateIn makes a log in the directory with that directory.id; zero: in the one with the fewest, of those that cordoned (nil: none) does
// not keep new logs out of, unless it does so of all. ErrDirectoryOffline if no such directory is in use.
func (m *Manager) CreateIn(tp TopicPartition, topicID [16]byte, config LogConfig, id [16]byte, cordoned func(directory string) bool) (*Log, error) {
	d, l, err := m.reserve(tp, id, cordoned)
	if err != nil {
		return l, err
	}
	l, err = m.create(d, tp, topicID, config)
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.creating, tp)
	if err != nil {
		d.counts--
		return nil, err
	}
	m.logs[tp] = l
	m.engine.emit(Event{Kind: EventLogCreated, Log: tp, Directory: d.path})
	return l, nil
}

// reserve chooses the directory for a log and keeps others from making it too.
func (m *Manager) reserve(tp TopicPartition, id [16]byte, cordoned func(directory string) bool) (*logDirectory, *Log, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, nil, ErrClosed
	}
	if l := m.logs[tp]; l != nil {
		return nil, l, fmt.Errorf("create log %s: %w", tp, ErrExists)
	}
	if m.creating[tp] {
		return nil, nil, fmt.Errorf("create log %s: %w", tp, ErrExists)
	}
	if err := m.failed[tp]; err != nil {
		return nil, nil, fmt.Errorf("create log %s: %w", tp, err)
	}
	var best *logDirectory
	if id == [16]byte{} && cordoned != nil {
		best = m.choose(id, cordoned)
	}
	if best == nil {
		best = m.choose(id, nil)
	}
	if best == nil {
		return nil, nil, fmt.Errorf("create log %s: %w", tp, ErrDirectoryOffline)
	}
	best.counts++
	m.creating[tp] = true
	return best, nil, nil
}

// choose finds the directory for a new log, nil if there is none; mu is held.
func (m *Manager) choose(id [16]byte, cordoned func(directory string) bool) *logDirectory {
	var best *logDirectory
	for _, d := range m.directories {
		if d.failure() != nil || id != [16]byte{} && d.id != id || cordoned != nil && cordoned(d.path) {
			continue
		}
		if best == nil || d.counts < best.counts {
			best = d
		}
	}
	return best
}

func (m *Manager) create(d *logDirectory, tp TopicPartition, topicID [16]byte, config LogConfig) (*Log, error) {
	// A checkpoint may still name a deleted log of that name; its offsets must not be taken for this one's.
	if err := m.dropStale(d, tp); err != nil {
		return nil, d.failed(err)
	}
	l := newLog(m.engine, &d.directory, tp, d.path+"/"+tp.String(), config)
	l.persist = func(name string) error { return m.checkpoint(d, name) }
	if err := l.load(loadOptions{topicID: topicID}); err != nil {
		l.abandon(ErrClosed)
		err = d.failed(err)
		if d.failure() == nil {
			_ = m.engine.fs.RemoveAll(l.path) // it is empty; what stays is found at the next start
		}
		return nil, err
	}
	return l, nil
}

// Delete renames the log's directory so that the name is free at once; the files go after file.delete.delay.ms. ErrNotFound.
func (m *Manager) Delete(tp TopicPartition) error {
	path, l, err := m.detach(tp, "delete")
	if err != nil {
		return fmt.Errorf("delete log %s: %w", tp, err)
	}
	m.engine.emit(Event{Kind: EventLogDeleted, Log: tp, Directory: l.directory.path})
	m.removeLater(path, l.Config().FileDeleteDelayMs)
	return nil
}

// Stray renames the log's directory to -stray and forgets it: the metadata does not know it. Its files are never deleted.
func (m *Manager) Stray(tp TopicPartition) error {
	_, l, err := m.detach(tp, "stray")
	if err != nil {
		return fmt.Errorf("set aside log %s: %w", tp, err)
	}
	m.engine.emit(Event{Kind: EventStray, Log: tp, Directory: l.directory.path})
	return nil
}

func (m *Manager) removeLater(path string, delayMs int64) {
	m.engine.later(time.Duration(delayMs)*time.Millisecond, func() {
		_ = m.engine.fs.RemoveAll(path) // what stays goes after the next start
	})
}

// detach takes a log out of use and renames its directory.
func (m *Manager) detach(tp TopicPartition, suffix string) (string, *Log, error) {
	m.mu.Lock()
	l := m.logs[tp]
	if l == nil {
		m.mu.Unlock()
		return "", nil, ErrNotFound
	}
	delete(m.logs, tp)
	m.creating[tp] = true // the name is not free until the directory is renamed
	m.mu.Unlock()
	path := l.directory.path + "/" + renamedDirectory(tp, suffix)
	err := l.detach(path)
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.creating, tp)
	for _, d := range m.directories {
		if &d.directory == l.directory {
			d.counts--
		}
	}
	return path, l, err
}

// detach closes a log without writing anything and renames its directory.
func (l *Log) detach(path string) error {
	l.flusher.take()
	defer l.flusher.give()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed == nil {
		l.closed = ErrClosed
	}
	l.down.Store(true)
	l.forgetFiles()
	if err := l.directory.failure(); err != nil {
		return err
	}
	err := l.engine.fs.Rename(l.path, path)
	if err == nil {
		err = syncDir(l.engine.fs, l.directory.path)
	}
	return l.directory.failed(err)
}

// SetConfig puts a configuration in force for all logs of a topic.
func (m *Manager) SetConfig(topic string, config LogConfig) {
	var logs []*Log
	m.mu.RLock()
	for tp, l := range m.logs {
		if tp.Topic == topic {
			logs = append(logs, l)
		}
	}
	m.mu.RUnlock()
	for _, l := range logs { // not under the lock: a log's mutex comes before it
		l.SetConfig(config)
	}
}

// SetDefault changes the configuration of topics that have none of their own at creation.
func (m *Manager) SetDefault(config LogConfig) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.defaults = config
}

// SetProducerIDExpiration changes after how long an idle producer is forgotten.
func (m *Manager) SetProducerIDExpiration(idle time.Duration) { m.engine.setProducerExpiration(idle) }

// Default is the configuration of topics that have none of their own.
func (m *Manager) Default() LogConfig {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.defaults
}

// CleanShutdownEpoch is the broker epoch in the clean marker of the previous run (of the first directory), −1 if the last stop was not
// clean or wrote none.
func (m *Manager) CleanShutdownEpoch() int64 {
	epoch := int64(-1)
	for _, d := range m.directories {
		if !d.clean {
			return -1
		}
		if epoch < 0 {
			epoch = d.epoch
		}
	}
	return epoch
}

// DirectoryID is the directory.id of the log directory that holds the log; zero if there is no such log.
func (m *Manager) DirectoryID(tp TopicPartition) [16]byte {
	if l, ok := m.Log(tp); ok {
		for _, d := range m.directories {
			if &d.directory == l.directory {
				return d.id
			}
		}
	}
	return [16]byte{}
}

// IDOf is the id of the log directory at a path; zero if there is none.
func (m *Manager) IDOf(path string) [16]byte {
	for _, d := range m.directories {
		if d.path == cleanPath(path) {
			return d.id
		}
	}
	return [16]byte{}
}

// DirectoryIDs lists the id of each live directory.
func (m *Manager) DirectoryIDs() [][16]byte {
	var ids [][16]byte
	for _, d := range m.directories {
		if d.failure() == nil {
			ids = append(ids, d.id)
		}
	}
	return ids
}

// OfflineDirectories lists the log directories that failed, and why.
func (m *Manager) OfflineDirectories() map[string]error {
	offline := map[string]error{}
	for _, d := range m.directories {
		if err := d.failure(); err != nil {
			offline[d.path] = err
		}
	}
	return offline
}

// LiveDirectories lists the log directories in use.
func (m *Manager) LiveDirectories() []string {
	var live []string
	for _, d := range m.directories {
		if d.failure() == nil {
			live = append(live, d.path)
		}
	}
	return live
}

// ApplyRetention runs retention on every log once. A log without space, closed or in a failed directory is passed over: that was told.
func (m *Manager) ApplyRetention() {
	for _, l := range m.Logs() {
		_, err := l.DeleteOldSegments()
		if err != nil && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrNoSpace) && l.directory.failure() == nil {
			l.emit(Event{Kind: EventRetentionFailed, Err: err})
		}
	}
}

// ExpireProducers forgets idle producers in every log.
func (m *Manager) ExpireProducers() {
	for _, l := range m.Logs() {
		l.ExpireProducers()
	}
}

// Close is a clean stop: the scheduler ends first, then every log is flushed and closed, the checkpoints and the clean marker are
// written, and the locks go. A directory that failed gets no marker. The context bounds the wait for background work.
func (m *Manager) Close(ctx context.Context) error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	m.mu.Unlock()
	var busy error // background work that did not end may still change files: no clean marker then
	if m.scheduler != nil {
		busy = m.scheduler.close(ctx)
	}
	errs := []error{busy}
	unclean := m.closeLogs(&errs)
	for _, d := range m.directories {
		errs = append(errs, m.closeDirectory(d, unclean[d.path] || busy != nil))
	}
	return errors.Join(errs...)
}

// closeWorkers close the logs of one directory: they wait for fsyncs, which file systems serve together.
const closeWorkers = 8

// closeLogs closes all logs and tells in which directories one failed.
func (m *Manager) closeLogs(errs *[]error) map[string]bool {
	unclean := map[string]bool{}
	logs := m.Logs()
	var mu sync.Mutex
	var wg sync.WaitGroup
	work := make(chan *Log)
	workers := closeWorkers * len(m.directories)
	if m.options.NoBackground {
		workers = 1 // so that a trace of a stop can be repeated
	}
	for range workers {
		wg.Go(func() {
			for l := range work {
				if err := l.Close(); err != nil {
					mu.Lock()
					unclean[l.directory.path] = true
					*errs = append(*errs, fmt.Errorf("close log %s: %w", l.tp, err))
					mu.Unlock()
				}
			}
		})
	}
	for _, l := range logs {
		work <- l
	}
	close(work)
	wg.Wait()
	return unclean
}

func (m *Manager) closeDirectory(d *logDirectory, unclean bool) error {
	if d.lock == nil {
		return nil
	}
	var err error
	if d.failure() == nil {
		for _, name := range []string{recoveryPointFile, startOffsetFile, highWatermarkFile} {
			err = errors.Join(err, m.checkpoint(d, name))
		}
		if err == nil && !unclean && len(d.damaged) == 0 {
			epoch := int64(-1)
			if m.options.BrokerEpoch != nil {
				epoch = m.options.BrokerEpoch()
			}
			err = writeCleanShutdown(m.engine.fs, d.path, epoch)
		}
		err = errors.Join(err, m.engine.fs.Remove(d.path+"/"+lockFile))
	}
	return errors.Join(err, d.lock.Close())
}

// Checkpoint writes the checkpoints of every directory now.
func (m *Manager) Checkpoint() error {
	var errs []error
	for _, name := range []string{recoveryPointFile, startOffsetFile, highWatermarkFile} {
		errs = append(errs, m.checkpointAll(name))
	}
	return errors.Join(errs...)
}

func (m *Manager) checkpointAll(name string) error {
	var errs []error
	for _, d := range m.directories {
		if d.failure() == nil {
			errs = append(errs, d.failed(m.checkpoint(d, name)))
		}
	}
	return errors.Join(errs...)
}

// checkpoint writes one checkpoint of a directory, if it would change. Logs that could not be loaded keep their entries, so that they
// are judged by them again at the next start.
func (m *Manager) checkpoint(d *logDirectory, name string) error {
	d.checkpoints.Lock()
	defer d.checkpoints.Unlock()
	offsets := map[TopicPartition]int64{}
	for tp := range d.damaged {
		if offset, ok := d.written[name][tp]; ok {
			offsets[tp] = offset
		}
	}
	m.mu.RLock()
	for tp, l := range m.logs {
		if l.directory != &d.directory {
			continue
		}
		switch name {
		case recoveryPointFile:
			offsets[tp] = l.RecoveryPoint()
		case startOffsetFile:
			if start := l.StartOffset(); start > l.firstBase() || (start > 0 && l.namesDirty.Load()) {
				offsets[tp] = start
			}
		case highWatermarkFile:
			offsets[tp] = l.HighWatermark()
		}
	}
	m.mu.RUnlock()
	return m.storeOffsets(d, name, offsets)
}

func (l *Log) firstBase() int64 { return l.segmentList()[0].base }

// storeOffsets writes a checkpoint file that differs from what is on disk. The directory's checkpoint mutex is held.
func (m *Manager) storeOffsets(d *logDirectory, name string, offsets map[TopicPartition]int64) error {
	if old := d.written[name]; old != nil && equalOffsets(old, offsets) {
		return nil
	}
	if err := replaceFile(m.engine.fs, d.path, name, encodeOffsets(offsets)); err != nil {
		return fmt.Errorf("write %s of %s: %w", name, d.path, err)
	}
	d.written[name] = offsets
	return nil
}

func equalOffsets(a, b map[TopicPartition]int64) bool {
	if len(a) != len(b) {
		return false
	}
	for tp, offset := range a {
		if other, ok := b[tp]; !ok || other != offset {
			return false
		}
	}
	return true
}

// dropStale takes a log's name off all checkpoints of a directory.
func (m *Manager) dropStale(d *logDirectory, tp TopicPartition) error {
	d.checkpoints.Lock()
	defer d.checkpoints.Unlock()
	for _, name := range []string{recoveryPointFile, startOffsetFile, highWatermarkFile, cleanerOffsetFile} {
		if _, stale := d.written[name][tp]; !stale {
			continue
		}
		offsets := make(map[TopicPartition]int64, len(d.written[name]))
		for other, offset := range d.written[name] {
			if other != tp {
				offsets[other] = offset
			}
		}
		if err := m.storeOffsets(d, name, offsets); err != nil {
			return err
		}
	}
	return nil
}

// removeLock undoes an Open that failed.
func (m *Manager) unlock() {
	for _, d := range m.directories {
		if d.lock != nil {
			d.lock.Close()
		}
	}
}

func cleanPath(path string) string {
	if trimmed := strings.TrimRight(path, "/"); trimmed != "" {
		return trimmed
	}
	return "/"
}

// uniqueDirectories are the configured directories without repetition.
func uniqueDirectories(paths []string) []string {
	var unique []string
	for _, path := range paths {
		if path = cleanPath(path); !slices.Contains(unique, path) {
			unique = append(unique, path)
		}
	}
	return unique
}
