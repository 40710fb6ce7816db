package storage

import (
	"fmt"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"ottla/storage/vfs"
)

// LogOptions open one log alone (the metadata log), outside any Manager.
type LogOptions struct {
	FS             vfs.FS // nil: the real one
	Directory      string // the partition's directory itself
	TopicPartition TopicPartition
	TopicID        [16]byte // written to partition.metadata if the file is absent and this is not zero
	Config         LogConfig
	Manager        *Options // clocks, limits and events; Directories are not used; nil: defaults
	// Clean: the last stop was clean; no recovery. Else RecoveryPoint says from where.
	Clean         bool
	RecoveryPoint int64
	StartOffset   int64
}

// Log is one partition on disk. All methods may be called by any goroutine.
type Log struct {
	engine    *engine
	directory *directory
	tp        TopicPartition
	path      string // of the partition's directory
	number    int64  // in the directory, for directory.syncNames; 0: its name is durable
	// persist, if set, writes one of the directory's checkpoints: the recovery points before the log is cut below the one that stands
	// there, the start offsets before several segments are deleted.
	persist func(checkpoint string) error

	// mu serialises everything that changes the log. It is held over file calls, but never over an fsync of records.
	mu             sync.Mutex
	topicID        [16]byte
	topicIDPending bool // partition.metadata is not written yet
	config         LogConfig
	closed         error // why it may not be used any more
	producer       producers
	epochsPending  bool // leader-epoch-checkpoint is to be written before the next record
	append         appendScratch
	dirty          bool // a flush by time is scheduled

	// state guards what readers look at. It is a leaf: nothing is waited for under it.
	state    sync.RWMutex
	segments []*segment // by base offset, never empty
	epochs   epochCache
	sealed   []sealedSegment // closed, but their indexes and snapshots are not synced
	recent   *recentAppends  // nil until the first append since the start

	active        atomic.Pointer[segment]
	start         atomic.Int64
	end           atomic.Int64 // written under state, so that it and the active segment's size are seen together
	highWatermark atomic.Int64
	firstUnstable atomic.Int64 // −1: none
	interval      atomic.Int32 // index.interval.bytes, for readers
	namesDirty    atomic.Bool  // the directory has entries that are not synced
	down          atomic.Bool  // closed is set

	flusher flusher
}

// recentAppends remembers where the last appends begin, so that a reader at the tail needs no search.
type recentAppends struct {
	at      [64]recentAppend
	next    int
	segment *segment
}

type recentAppend struct{ offset, position int64 }

func (r *recentAppends) add(s *segment, offset, position int64) {
	if r.segment != s { // also of a new one
		*r = recentAppends{segment: s}
		for i := range r.at {
			r.at[i].offset = -1
		}
	}
	r.at[r.next] = recentAppend{offset, position}
	r.next = (r.next + 1) % len(r.at)
}

// find gives the position of the append that begins at offset.
func (r *recentAppends) find(s *segment, offset int64) (int64, bool) {
	if r == nil || r.segment != s {
		return 0, false
	}
	for i := 1; i <= len(r.at); i++ {
		a := &r.at[(r.next-i+len(r.at))%len(r.at)]
		if a.offset == offset {
			return a.position, true
		}
		if a.offset < offset {
			break
		}
	}
	return 0, false
}

func newLog(e *engine, d *directory, tp TopicPartition, path string, config LogConfig) *Log {
	l := &Log{engine: e, directory: d, tp: tp, path: path, config: config}
	l.producer.byID = map[int64]*producer{}
	l.firstUnstable.Store(-1)
	l.interval.Store(config.IndexIntervalBytes)
	l.flusher.cond.L = &l.flusher.mu
	return l
}

func (l *Log) emit(event Event) {
	event.Log, event.Directory = l.tp, l.directory.path
	l.engine.emit(event)
}

// usable tells why the log may not be changed now. The mutex is held.
func (l *Log) usable() error {
	if l.closed != nil {
		return l.closed
	}
	return l.directory.failure()
}

// TopicPartition names the log.
func (l *Log) TopicPartition() TopicPartition { return l.tp }

// TopicID is the id in partition.metadata; zero if there is none.
func (l *Log) TopicID() [16]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.topicID
}

// SetTopicID writes partition.metadata of a log that has none; another id than the one there is an error.
func (l *Log) SetTopicID(id [16]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.topicID == id {
		return nil
	}
	if l.topicID != [16]byte{} {
		return fmt.Errorf("log %s has another topic id", l.tp)
	}
	if err := l.usable(); err != nil {
		return err
	}
	l.topicIDPending = true
	if err := l.storeTopicIDAs(id); err != nil {
		l.topicIDPending = false
		return l.directory.failed(err)
	}
	l.topicID = id
	return nil
}

// storeTopicID writes partition.metadata if that is still to be done. The mutex is held.
func (l *Log) storeTopicID() error { return l.storeTopicIDAs(l.topicID) }

func (l *Log) storeTopicIDAs(id [16]byte) error {
	if !l.topicIDPending {
		return nil
	}
	if err := writePartitionMetadata(l.engine.fs, l.path, id); err != nil {
		return fmt.Errorf("write topic id of %s: %w", l.tp, err)
	}
	l.topicIDPending = false
	l.namesDirty.Store(true)
	return nil
}

// Config is the configuration in force.
func (l *Log) Config() LogConfig {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.config
}

// SetConfig puts a configuration in force.
func (l *Log) SetConfig(config LogConfig) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.config = config
	l.interval.Store(config.IndexIntervalBytes)
}

// Directory is the log directory (a member of log.dirs) it lives in.
func (l *Log) Directory() string { return l.directory.path }

// Offline is why the log's directory is not used any more; nil while it is.
func (l *Log) Offline() error { return l.directory.failure() }

// StartOffset is the log start offset.
func (l *Log) StartOffset() int64 { return l.start.Load() }

// EndOffset is the log end offset: that of the next record.
func (l *Log) EndOffset() int64 { return l.end.Load() }

// HighWatermark is what SetHighWatermark told last (at load: the checkpoint's, bounded by the log).
func (l *Log) HighWatermark() int64 { return l.highWatermark.Load() }

// SetHighWatermark tells what is committed; bounded by start and end offset. It bounds retention and the last stable offset.
func (l *Log) SetHighWatermark(offset int64) {
	l.state.Lock()
	defer l.state.Unlock()
	l.setHighWatermark(offset)
}

// setHighWatermark is SetHighWatermark under the state lock.
func (l *Log) setHighWatermark(offset int64) {
	offset = min(max(offset, l.start.Load()), l.end.Load())
	l.highWatermark.Store(offset)
	if len(l.producer.unreplicated) > 0 {
		l.producer.replicated(offset)
		l.updateFirstUnstable()
	}
}

// updateFirstUnstable follows the sets of transactions. The state lock is held.
func (l *Log) updateFirstUnstable() {
	first := l.producer.firstUnstable()
	if first >= 0 {
		first = max(first, l.start.Load())
	}
	l.firstUnstable.Store(first)
}

// FirstUnstableOffset is the first offset of the earliest transaction that is not decided, or decided by a marker at or above the high
// watermark; ok is false if there is none.
func (l *Log) FirstUnstableOffset() (offset int64, ok bool) {
	first := l.firstUnstable.Load()
	return first, first >= 0
}

// LastStableOffset is where a read_committed reader must stop: the first unstable offset, at most the high watermark.
func (l *Log) LastStableOffset() int64 {
	first, highWatermark := l.firstUnstable.Load(), l.highWatermark.Load()
	if first >= 0 && first < highWatermark {
		return first
	}
	return highWatermark
}

// EndOffsetForEpoch tells where a leader epoch ends (OffsetForLeaderEpoch): the end offset for the latest epoch, else the start of the
// next one.
func (l *Log) EndOffsetForEpoch(epoch int32) EpochEnd {
	l.state.RLock()
	defer l.state.RUnlock()
	return l.epochs.end(epoch, l.end.Load())
}

// LatestEpoch is the last epoch in the cache; ok is false if it is empty.
func (l *Log) LatestEpoch() (epoch int32, ok bool) {
	l.state.RLock()
	defer l.state.RUnlock()
	if len(l.epochs) == 0 {
		return 0, false
	}
	return l.epochs[len(l.epochs)-1].epoch, true
}

// EpochForOffset is the leader epoch of the record at offset; ok is false if unknown.
func (l *Log) EpochForOffset(offset int64) (epoch int32, ok bool) {
	l.state.RLock()
	defer l.state.RUnlock()
	return l.epochs.forOffset(offset)
}

// SetLeaderEpoch records that a leader's epoch begins at the end offset; an older or equal epoch changes nothing. The epoch cache is written
// in the background, at the latest with the first record of the epoch.
func (l *Log) SetLeaderEpoch(epoch int32) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	if n := len(l.epochs); n > 0 && l.epochs[n-1].epoch >= epoch {
		return nil
	}
	if cache, changed := l.epochs.assign(epoch, l.end.Load()); changed {
		l.deferEpochs(cache)
		if l.engine.background != nil {
			delay := deferredEpochsDelay
			if l.end.Load() > l.start.Load() {
				delay = laterEpochsDelay
			}
			l.engine.background(delay, l.storeDeferredEpochs)
		}
	}
	return nil
}

// assignEpoch notes the epoch of records at an offset. The mutex is held.
func (l *Log) assignEpoch(epoch int32, start int64) error {
	cache, changed := l.epochs.assign(epoch, start)
	if !changed {
		return nil
	}
	return l.directory.failed(l.storeEpochs(cache))
}

// ProducerStates lists the producers known to the log, by id.
func (l *Log) ProducerStates() []ProducerState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.producer.list()
}

// ExpireProducers forgets the producers that were idle longer than producer.id.expiration.ms and have no transaction open.
func (l *Log) ExpireProducers() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.producer.expire(l.engine.nowMs(), l.engine.producerExpirationMs.Load())
}

// Size is the bytes of all .log files.
func (l *Log) Size() (int64, error) {
	var sum int64
	for _, s := range l.segmentList() {
		size, err := l.sizeOf(s)
		if err != nil {
			if s.gone.Load() {
				continue
			}
			return 0, err
		}
		sum += size
	}
	return sum, nil
}

// SegmentBases lists the base offset of each segment.
func (l *Log) SegmentBases() []int64 {
	var bases []int64
	for _, s := range l.segmentList() {
		bases = append(bases, s.base)
	}
	return bases
}

func (l *Log) segmentList() []*segment {
	l.state.RLock()
	defer l.state.RUnlock()
	return l.segments
}

// floorSegment is the index of the last segment with a base ≤ offset, −1 if there is none.
func floorSegment(segments []*segment, offset int64) int {
	return sort.Search(len(segments), func(i int) bool { return segments[i].base > offset }) - 1
}

// setSegments replaces the list; lists that were handed out stay as they are. The state lock is held.
func (l *Log) setSegments(segments []*segment) {
	l.segments = slices.Clip(segments)
	if len(segments) > 0 {
		l.active.Store(segments[len(segments)-1])
	}
}

// Close flushes and closes the log as a clean stop does: indexes trimmed, last time index entry, producer snapshot.
func (l *Log) Close() error {
	l.flusher.take()
	defer l.flusher.give()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed != nil {
		return nil
	}
	err := l.directory.failure()
	if err == nil {
		err = l.directory.failed(l.closeFiles())
	}
	l.closed = ErrClosed
	l.down.Store(true)
	l.forgetFiles()
	return err
}

func (l *Log) closeFiles() error {
	if err := l.storeTopicID(); err != nil {
		return err
	}
	end := l.end.Load()
	if end > l.RecoveryPoint() {
		if err := l.syncSegments(); err != nil {
			return err
		}
	}
	snapshot := l.producer.lastSnapshot
	if err := l.takeSnapshot(&l.producer, true); err != nil {
		return err
	}
	if s := l.active.Load(); s.sized { // else nothing was appended since it was opened: its files are trimmed
		if err := l.seal(s); err != nil {
			return err
		}
		if s.size.Load() > 0 { // an index without entries needs no fsync: of many idle logs that would be a long stop
			if err := l.syncIndexes(s); err != nil {
				return err
			}
		}
	}
	if l.namesDirty.Swap(false) || snapshot != l.producer.lastSnapshot {
		if err := syncDir(l.engine.fs, l.path); err != nil {
			return err
		}
	}
	if err := l.directory.syncNames(l.number); err != nil {
		return err
	}
	l.flusher.recoveryPoint.Store(end)
	return nil
}

// abandon makes the log unusable without writing anything.
func (l *Log) abandon(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed == nil {
		l.closed = why
	}
	l.down.Store(true)
	l.forgetFiles()
}

func (l *Log) forgetFiles() {
	for _, s := range l.segments {
		l.engine.files.forget(s.handle)
	}
}
