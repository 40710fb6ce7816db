package storage

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// OpenLog opens, or makes, one log. The caller flushes and closes it; nothing runs in the background.
func OpenLog(options LogOptions) (*Log, error) {
	shared := Options{}
	if options.Manager != nil {
		shared = *options.Manager
	}
	if options.FS != nil {
		shared.FS = options.FS
	}
	e := newEngine(&shared)
	path := strings.TrimRight(options.Directory, "/")
	parent := "."
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		parent = path[:i]
	}
	l := newLog(e, &directory{path: parent, engine: e}, options.TopicPartition, path, options.Config)
	if err := l.load(loadOptions{options.Clean, options.RecoveryPoint, options.StartOffset, options.TopicID}); err != nil {
		l.abandon(err)
		return nil, err
	}
	return l, nil
}

type loadOptions struct {
	clean         bool
	recoveryPoint int64
	start         int64
	topicID       [16]byte
}

// load reads what is in the log's directory, or makes it, and recovers it if the last stop was not clean.
func (l *Log) load(o loadOptions) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	names, made, err := l.listDirectory()
	if err != nil {
		return fmt.Errorf("open log %s: %w", l.tp, err)
	}
	if names, err = l.clearTemporary(names); err != nil {
		return fmt.Errorf("open log %s: %w", l.tp, err)
	}
	if err := l.loadNames(names); err != nil {
		return fmt.Errorf("open log %s: %w", l.tp, err)
	}
	if err := l.loadEpochs(names); err != nil {
		return fmt.Errorf("open log %s: %w", l.tp, err)
	}
	if err := l.loadSegments(o); err != nil {
		return fmt.Errorf("open log %s: %w", l.tp, err)
	}
	if err := l.loadTopicID(names, o.topicID); err != nil {
		return fmt.Errorf("open log %s: %w", l.tp, err)
	}
	if made || !o.clean {
		l.namesDirty.Store(true)
		l.number = l.directory.born.Add(1)
	}
	return nil
}

func (l *Log) listDirectory() (names []string, made bool, err error) {
	entries, err := l.engine.fs.ReadDir(l.path)
	if isNotExist(err) {
		return nil, true, l.engine.fs.Mkdir(l.path)
	}
	for _, e := range entries {
		if !e.Dir {
			names = append(names, e.Name)
		}
	}
	return names, false, err
}

// fileOffset is the offset in front of a file name's first dot.
func fileOffset(name string) (int64, bool) {
	digits, _, ok := strings.Cut(name, ".")
	if !ok || len(digits) != 20 {
		return 0, false
	}
	offset, err := strconv.ParseInt(digits, 10, 64)
	return offset, err == nil && offset >= 0
}

const (
	cleanedSuffix         = ".cleaned"
	swapSuffix            = ".swap"
	deletedSnapshotSuffix = ".checkpoint.deleted"
)

// clearTemporary finishes what a stop interrupted: deleted files go, a compaction that had not replaced anything yet is undone, one that
// had is completed. It returns the names that are left.
func (l *Log) clearTemporary(names []string) ([]string, error) {
	minCleaned := int64(math.MaxInt64)
	for _, name := range names {
		if offset, ok := fileOffset(name); ok && strings.HasSuffix(name, cleanedSuffix) {
			minCleaned = min(minCleaned, offset)
		}
	}
	var left, swaps []string
	for _, name := range names {
		offset, numbered := fileOffset(name)
		swap := numbered && strings.HasSuffix(name, swapSuffix)
		switch {
		case strings.HasSuffix(name, deletedSuffix) && !strings.HasSuffix(name, deletedSnapshotSuffix),
			numbered && strings.HasSuffix(name, cleanedSuffix), swap && offset >= minCleaned:
			if err := removeFile(l.engine.fs, l.path+"/"+name); err != nil {
				return nil, err
			}
		case swap:
			swaps = append(swaps, name)
		default:
			left = append(left, name)
		}
	}
	if len(swaps) == 0 {
		return left, nil
	}
	return l.completeSwap(left, swaps)
}

// completeSwap lets the .swap files take the place of the segments they were made from.
func (l *Log) completeSwap(names, swaps []string) ([]string, error) {
	from, to := int64(math.MaxInt64), int64(math.MinInt64)
	for _, name := range swaps {
		offset, _ := fileOffset(name)
		if !strings.HasSuffix(name, logSuffix+swapSuffix) {
			continue
		}
		s := l.openSegment(offset)
		s.handle = newHandle(l.path + "/" + name)
		size, err := l.sizeOf(s)
		if err != nil {
			return nil, err
		}
		t, err := l.scanTail(s, &segmentIndex{}, size)
		l.engine.files.forget(s.handle)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCorruptLog, err)
		}
		from, to = min(from, offset), max(to, t.end)
	}
	var left []string
	for _, name := range names {
		if offset, ok := fileOffset(name); ok && offset >= from && offset < to {
			if err := removeFile(l.engine.fs, l.path+"/"+name); err != nil {
				return nil, err
			}
			continue
		}
		left = append(left, name)
	}
	for _, name := range swaps {
		target := strings.TrimSuffix(name, swapSuffix)
		if err := l.engine.fs.Rename(l.path+"/"+name, l.path+"/"+target); err != nil {
			return nil, err
		}
		left = append(left, target)
	}
	return left, syncDir(l.engine.fs, l.path)
}

// loadNames makes the lists of segments and snapshots from the names in the directory, and deletes indexes without a segment.
func (l *Log) loadNames(names []string) error {
	var segments []*segment
	for _, name := range names {
		offset, ok := fileOffset(name)
		if !ok {
			continue
		}
		switch name[20:] {
		case logSuffix:
			s := l.openSegment(offset)
			s.quiet.Store(true)
			segments = append(segments, s)
		case snapshotSuffix:
			l.producer.snapshots = append(l.producer.snapshots, offset)
		}
	}
	slices.SortFunc(segments, func(a, b *segment) int { return cmp.Compare(a.base, b.base) })
	slices.Sort(l.producer.snapshots)
	for _, name := range names { // in their order, so that a trace of a start can be repeated
		offset, ok := fileOffset(name)
		if !ok || !isIndex(name[20:]) {
			continue
		}
		i := floorSegment(segments, offset)
		if i >= 0 && segments[i].base == offset {
			if name[20:] == txnIndexSuffix {
				segments[i].quiet.Store(false)
			}
			continue
		}
		if err := removeFile(l.engine.fs, l.path+"/"+name); err != nil {
			return err
		}
	}
	l.setSegments(segments)
	return nil
}

func isIndex(suffix string) bool {
	return suffix == offsetIndexSuffix || suffix == timeIndexSuffix || suffix == txnIndexSuffix
}

// loadTopicID reads partition.metadata, or sees to it that it is written.
func (l *Log) loadTopicID(names []string, topicID [16]byte) error {
	if !slices.Contains(names, partitionMetadataFile) {
		if topicID == ([16]byte{}) {
			return nil
		}
		l.topicID, l.topicIDPending = topicID, true
		if l.engine.background == nil {
			return l.storeTopicID()
		}
		// Its fsync keeps nobody waiting: until it is written, a start finds a log without a topic id and is told it again.
		l.engine.background(0, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.usable() == nil {
				_ = l.directory.failed(l.storeTopicID()) // told, or tried again by the first append
			}
		})
		return nil
	}
	id, err := readPartitionMetadata(l.engine.fs, l.path)
	if err != nil {
		return err
	}
	if topicID != id && topicID != ([16]byte{}) {
		return fmt.Errorf("%s has another topic id", l.tp)
	}
	l.topicID = id
	return nil
}

// loadEpochs reads the leader epochs; a file that cannot be read is made anew from the batches.
func (l *Log) loadEpochs(names []string) error {
	if !slices.Contains(names, leaderEpochFile) {
		return nil
	}
	b, err := readFile(l.engine.fs, l.path+"/"+leaderEpochFile)
	if err != nil {
		return err
	}
	l.epochs, err = parseEpochs(b)
	if err == nil {
		return nil
	}
	l.emit(Event{Kind: EventCheckpointDiscarded, File: leaderEpochFile, Err: err})
	cache, err := l.scanEpochs()
	if err != nil {
		return err
	}
	return l.storeEpochs(cache)
}

// scanEpochs makes the epoch cache anew from the batches, up to the first bytes that are none.
func (l *Log) scanEpochs() (epochCache, error) {
	var cache epochCache
	for _, s := range l.segments {
		err := l.eachHeader(s, 0, func(h *header, _ int64) error {
			if n := len(cache); h.leaderEpoch >= 0 && (n == 0 || h.leaderEpoch > cache[n-1].epoch) {
				cache, _ = cache.assign(h.leaderEpoch, h.baseOffset)
			}
			return nil
		})
		if errors.Is(err, errNoBatch) || errors.Is(err, io.ErrUnexpectedEOF) {
			return cache, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return cache, nil
}

// eachHeader walks over the batches of a segment from a position.
func (l *Log) eachHeader(s *segment, position int64, fn func(h *header, position int64) error) error {
	size, err := l.sizeOf(s)
	if err != nil || position >= size {
		return err
	}
	f, err := l.engine.files.acquire(s.handle)
	if err != nil {
		return err
	}
	defer l.engine.files.release(s.handle)
	b := l.engine.buffer()
	defer l.engine.buffers.Put(b)
	scan := newScanner(f, *b, position, size)
	for scan.position < size {
		h, at, err := scan.next()
		if err == nil {
			err = fn(&h, at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// loadSegments opens the segments, recovers them if need be, and brings everything derived in line with what they hold.
func (l *Log) loadSegments(o loadOptions) error {
	if err := l.dropDeleted(o.start); err != nil {
		return err
	}
	var recovered map[int64]*producer
	if !o.clean {
		var err error
		if recovered, err = l.recover(&o); err != nil {
			return err
		}
	}
	end := o.start
	if len(l.segments) > 0 {
		var err error
		if end, err = l.openActive(); err != nil {
			return err
		}
		if end < o.start { // all that is left was deleted by a raised start offset
			if err := l.discardAll(); err != nil {
				return err
			}
		}
	}
	if len(l.segments) == 0 {
		s, err := l.createSegment(o.start)
		if err != nil {
			return err
		}
		l.setSegments([]*segment{s})
		l.namesDirty.Store(true)
		end = o.start
	}
	start := max(o.start, l.segments[0].base)
	l.start.Store(start)
	l.end.Store(end)
	l.highWatermark.Store(start)
	if o.clean {
		l.flusher.recoveryPoint.Store(end)
	} else {
		l.flusher.recoveryPoint.Store(min(o.recoveryPoint, end))
		for i := max(floorSegment(l.segments, o.recoveryPoint), 0); i+1 < len(l.segments); i++ {
			l.sealed = append(l.sealed, sealedSegment{l.segments[i], l.segments[i+1].base})
		}
	}
	if err := l.trimEpochs(start, end); err != nil {
		return err
	}
	bases := make([]int64, 0, len(l.segments))
	for _, s := range l.segments {
		bases = append(bases, s.base)
	}
	if err := l.removeStraySnapshots(&l.producer, bases); err != nil {
		return err
	}
	if err := l.rebuildProducers(l.segments, end, o.clean); err != nil {
		return err
	}
	l.state.Lock()
	defer l.state.Unlock()
	remember(l.producer.byID, recovered)
	return nil
}

// dropDeleted deletes the segments that lie wholly below the start offset: a deletion that was interrupted, or was still to come.
func (l *Log) dropDeleted(start int64) error {
	n := 0
	for n+1 < len(l.segments) && l.segments[n+1].base <= start {
		n++
	}
	for _, s := range l.segments[:n] {
		l.engine.files.forget(s.handle)
		for _, suffix := range []string{logSuffix, offsetIndexSuffix, timeIndexSuffix, txnIndexSuffix} {
			if err := removeFile(l.engine.fs, l.segmentPath(s.base, suffix)); err != nil {
				return err
			}
		}
	}
	if n > 0 {
		l.setSegments(append([]*segment(nil), l.segments[n:]...))
	}
	return nil
}

// openActive reads what is needed of the last segment and gives the end offset.
func (l *Log) openActive() (int64, error) {
	s := l.active.Load()
	x, err := l.indexOf(s)
	if err != nil {
		return 0, err
	}
	size, err := l.sizeOf(s)
	if err != nil {
		return 0, err
	}
	t, err := l.scanTail(s, x, size)
	if errors.Is(err, errNoBatch) && len(x.offsets) > 0 {
		// Perhaps it is the index that is wrong.
		if x, err = l.rebuildIndexes(s, err); err != nil {
			return 0, err
		}
		t, err = l.scanTail(s, x, size)
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrCorruptLog, err)
	}
	s.index.Store(x)
	s.writtenOffsets, s.writtenTimes, s.writtenAborted = len(x.offsets), len(x.times), len(x.aborted)
	s.maxKnown, s.maxTimestamp, s.maxOffset = true, t.maxTimestamp, t.maxOffset
	return t.end, nil
}

func (l *Log) discardAll() error {
	for _, s := range l.segments {
		l.engine.files.forget(s.handle)
		for _, suffix := range []string{logSuffix, offsetIndexSuffix, timeIndexSuffix, txnIndexSuffix} {
			if err := removeFile(l.engine.fs, l.segmentPath(s.base, suffix)); err != nil {
				return err
			}
		}
	}
	for len(l.producer.snapshots) > 0 {
		if err := l.removeSnapshot(&l.producer, l.producer.snapshots[0]); err != nil {
			return err
		}
	}
	l.setSegments(nil)
	return l.storeEpochs(nil)
}

func (l *Log) trimEpochs(start, end int64) error {
	cache, changedEnd := l.epochs.truncateEnd(end)
	cache, changedStart := cache.truncateStart(start)
	if changedStart {
		return l.storeEpochs(cache)
	}
	if changedEnd {
		l.deferEpochs(cache)
	}
	return nil
}
