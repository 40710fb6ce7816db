package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"sync"
	"sync/atomic"
)

// The suffixes of a segment's files.
const (
	logSuffix         = ".log"
	offsetIndexSuffix = ".index"
	timeIndexSuffix   = ".timeindex"
	txnIndexSuffix    = ".txnindex"
	deletedSuffix     = ".deleted"
)

// pendingEntries is how many index entries may wait in memory before they are written to the file.
const pendingEntries = 128

// segment is one .log file and its indexes. Only the last segment of a log, the active one, changes; what changes is guarded as noted.
type segment struct {
	base   int64
	handle *handle
	size   atomic.Int64                 // −1: not looked up yet; written under the log's state lock while active
	index  atomic.Pointer[segmentIndex] // nil: not loaded; the active segment's content is guarded by the state lock
	load   sync.Mutex                   // held while the index is loaded
	gone   atomic.Bool                  // its files were renamed for deletion
	quiet  atomic.Bool                  // it has no .txnindex, as far as the directory was listed
	// maxTimestamp and the last offset of the first batch that has it; guarded by the state lock.
	maxKnown     bool
	maxTimestamp int64
	maxOffset    int64

	// Guarded by the log's mutex.
	created         int64 // ms
	jitter          int64
	firstKnown      bool
	firstTimestamp  int64 // the max timestamp of the first batch
	bytesSinceEntry int
	writtenOffsets  int // entries that are in the files
	writtenTimes    int
	writtenAborted  int
	sized           bool // the index files have their length while active
	rebuilt         bool // the index was made anew while active
}

func (l *Log) segmentPath(base int64, suffix string) string {
	return fmt.Sprintf("%s/%020d%s", l.path, base, suffix)
}

// openSegment is a segment that is on disk already.
func (l *Log) openSegment(base int64) *segment {
	s := &segment{base: base, handle: newHandle(l.segmentPath(base, logSuffix)), created: l.engine.nowMs(), jitter: l.newJitter()}
	s.size.Store(-1)
	s.handle.evict = func() {
		if s != l.active.Load() {
			s.index.Store(nil)
		}
	}
	return s
}

func (l *Log) newJitter() int64 {
	if limit := min(l.config.SegmentJitterMs, l.config.SegmentMs); limit > 0 {
		return l.engine.jitter(limit)
	}
	return 0
}

// createSegment makes the files of a new, empty segment. What a crash left under these names goes. On error nothing is left.
func (l *Log) createSegment(base int64) (*segment, error) {
	s := l.openSegment(base)
	s.size.Store(0)
	s.index.Store(&segmentIndex{})
	s.maxKnown, s.maxTimestamp, s.maxOffset = true, -1, base
	f, err := l.engine.fs.Create(s.handle.path)
	if err == nil && l.config.Preallocate {
		err = f.Truncate(int64(l.config.SegmentBytes))
	}
	if err == nil {
		err = removeFile(l.engine.fs, l.segmentPath(base, txnIndexSuffix))
	}
	if err == nil {
		err = l.sizeIndexes(s)
	}
	if err != nil {
		if f != nil {
			f.Close()
		}
		for _, suffix := range []string{logSuffix, offsetIndexSuffix, timeIndexSuffix} {
			removeFile(l.engine.fs, l.segmentPath(base, suffix))
		}
		return nil, fmt.Errorf("create segment %020d of %s: %w", base, l.tp, err)
	}
	l.engine.files.adopt(s.handle, f)
	return s, nil
}

// sizeIndexes gives the active segment's index files the length that Kafka preallocates; the blocks are not there until written.
func (l *Log) sizeIndexes(s *segment) error {
	if s.sized {
		return nil
	}
	x := s.index.Load()
	for _, file := range []struct {
		suffix string
		entry  int
		empty  bool
	}{{offsetIndexSuffix, offsetEntrySize, len(x.offsets) == 0}, {timeIndexSuffix, timeEntrySize, len(x.times) == 0}} {
		open := l.engine.fs.Open
		if file.empty {
			open = l.engine.fs.Create
		}
		f, err := open(l.segmentPath(s.base, file.suffix))
		if err != nil {
			return err
		}
		err = f.Truncate(int64(maxEntries(l.config.SegmentIndexBytes, file.entry) * file.entry))
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return err
		}
	}
	s.sized = true
	return nil
}

// writeIndexes writes the entries that are only in memory; final also cuts the files to their entries.
func (l *Log) writeIndexes(s *segment, final bool) error {
	x := s.index.Load()
	if n := len(x.offsets); n > s.writtenOffsets || (final && s.sized) {
		b := appendOffsetEntries(nil, x.offsets[s.writtenOffsets:])
		if err := l.writeIndex(s, offsetIndexSuffix, b, s.writtenOffsets*offsetEntrySize, final); err != nil {
			return err
		}
		s.writtenOffsets = n
	}
	if n := len(x.times); n > s.writtenTimes || (final && s.sized) {
		b := appendTimeEntries(nil, x.times[s.writtenTimes:])
		if err := l.writeIndex(s, timeIndexSuffix, b, s.writtenTimes*timeEntrySize, final); err != nil {
			return err
		}
		s.writtenTimes = n
	}
	if final {
		s.sized = false
	}
	return l.writeTransactionIndex(s)
}

func (l *Log) writeIndex(s *segment, suffix string, b []byte, position int, final bool) error {
	f, err := l.engine.fs.Open(l.segmentPath(s.base, suffix))
	if err != nil {
		return err
	}
	if len(b) > 0 {
		_, err = f.WriteAt(b, int64(position))
	}
	if err == nil && final {
		err = f.Truncate(int64(position + len(b)))
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("write %s of segment %020d of %s: %w", suffix, s.base, l.tp, err)
	}
	return nil
}

// writeTransactionIndex writes the aborted transactions that are only in memory; the file is made with the first of them.
func (l *Log) writeTransactionIndex(s *segment) error {
	x := s.index.Load()
	if len(x.aborted) == s.writtenAborted {
		return nil
	}
	s.quiet.Store(false)
	path := l.segmentPath(s.base, txnIndexSuffix)
	f, err := l.engine.fs.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = l.engine.fs.Create(path)
		l.namesDirty.Store(true)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteAt(appendAbortedEntries(nil, x.aborted[s.writtenAborted:]), int64(s.writtenAborted*abortedEntrySize))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("write %s of segment %020d of %s: %w", txnIndexSuffix, s.base, l.tp, err)
	}
	s.writtenAborted = len(x.aborted)
	return nil
}

// seal makes the active segment like a closed one: a last time index entry, indexes cut to their entries.
func (l *Log) seal(s *segment) error {
	l.state.Lock()
	s.index.Load().addTime(s.maxTimestamp, s.maxOffset-s.base)
	l.state.Unlock()
	if err := l.writeIndexes(s, true); err != nil {
		return err
	}
	if !l.config.Preallocate {
		return nil
	}
	f, err := l.engine.files.acquire(s.handle)
	if err != nil {
		return err
	}
	defer l.engine.files.release(s.handle)
	return f.Truncate(s.size.Load())
}

// sizeOf is the size of any segment's .log file.
func (l *Log) sizeOf(s *segment) (int64, error) {
	if size := s.size.Load(); size >= 0 {
		return size, nil
	}
	info, err := l.engine.fs.Stat(s.handle.path)
	if err != nil {
		return 0, err
	}
	if info.Size > math.MaxInt32 {
		return 0, fmt.Errorf("%w: segment %020d of %s has %d bytes", ErrCorruptLog, s.base, l.tp, info.Size)
	}
	s.size.CompareAndSwap(-1, info.Size)
	return s.size.Load(), nil
}

// indexOf is the index of any segment, read from its files if it is not in memory and rebuilt from the batches if the files are not
// what they should be.
func (l *Log) indexOf(s *segment) (*segmentIndex, error) {
	if x := s.index.Load(); x != nil {
		return x, nil
	}
	s.load.Lock()
	defer s.load.Unlock()
	if x := s.index.Load(); x != nil {
		return x, nil
	}
	x, err := l.readIndexes(s)
	if errors.Is(err, errCorruptIndex) || errors.Is(err, fs.ErrNotExist) {
		x, err = l.rebuildIndexes(s, err)
	}
	if err != nil {
		return nil, err
	}
	s.index.Store(x)
	return x, nil
}

func (l *Log) readIndexes(s *segment) (*segmentIndex, error) {
	size, err := l.sizeOf(s)
	if err != nil {
		return nil, err
	}
	x := &segmentIndex{}
	b, err := readFile(l.engine.fs, l.segmentPath(s.base, offsetIndexSuffix))
	if err == nil {
		x.offsets, err = parseOffsetIndex(trimZeroes(b, offsetEntrySize), size)
	}
	if err != nil {
		return nil, err
	}
	b, err = readFile(l.engine.fs, l.segmentPath(s.base, timeIndexSuffix))
	if err == nil {
		x.times, err = parseTimeIndex(trimZeroes(b, timeEntrySize))
	}
	if err != nil {
		return nil, err
	}
	if s.quiet.Load() {
		return x, nil
	}
	b, err = readFile(l.engine.fs, l.segmentPath(s.base, txnIndexSuffix))
	if errors.Is(err, fs.ErrNotExist) {
		return x, nil
	}
	if err == nil {
		x.aborted, err = parseTransactionIndex(b, s.base)
	}
	return x, err
}

// rebuildIndexes makes the indexes of a segment that nothing is appended to anew from its batches and writes them.
func (l *Log) rebuildIndexes(s *segment, why error) (*segmentIndex, error) {
	builder, err := l.scanIndex(s, why)
	if err != nil {
		return nil, err
	}
	x := builder.index
	x.addTime(builder.maxTimestamp, builder.maxOffset-s.base)
	if err := l.storeIndexes(s, x, true); err != nil && !isNoSpace(err) {
		return nil, l.directory.failed(err)
	}
	return x, nil
}

// rebuildActive makes the index of the active segment anew, unless that was done since x was taken for it. It is done once: what is still
// wrong then are the batches. The mutex is held.
func (l *Log) rebuildActive(s *segment, x *segmentIndex, why error) (*segmentIndex, error) {
	if now := s.index.Load(); now != x {
		return now, nil
	}
	if err := l.usable(); err != nil {
		return nil, err
	}
	if s.rebuilt {
		return nil, fmt.Errorf("%w: segment %020d of %s: %w", ErrCorruptLog, s.base, l.tp, why)
	}
	s.rebuilt = true
	builder, err := l.scanIndex(s, why)
	if err != nil {
		return nil, err
	}
	x = builder.index
	if err := l.storeIndexes(s, x, true); err != nil && !isNoSpace(err) {
		return nil, l.directory.failed(err)
	} else if err != nil {
		s.rebuilt = false
		return x, nil // for this read; the files, and those who append, keep the other
	}
	s.writtenOffsets, s.writtenTimes, s.writtenAborted = len(x.offsets), len(x.times), len(x.aborted)
	s.sized, s.bytesSinceEntry = false, builder.since
	l.state.Lock()
	defer l.state.Unlock()
	s.maxTimestamp, s.maxOffset = builder.maxTimestamp, builder.maxOffset
	s.index.Store(x)
	return x, nil
}

// scanIndex makes an index from the batches of a segment, without the entry that a closed segment's time index ends in.
func (l *Log) scanIndex(s *segment, why error) (*indexBuilder, error) {
	l.emit(Event{Kind: EventIndexRebuilt, Offset: s.base, Err: why})
	size, err := l.sizeOf(s)
	if err != nil {
		return nil, err
	}
	f, err := l.engine.files.acquire(s.handle)
	if err != nil {
		return nil, err
	}
	defer l.engine.files.release(s.handle)
	b := l.engine.buffer()
	defer l.engine.buffers.Put(b)
	x := &segmentIndex{}
	builder := &indexBuilder{interval: int(l.interval.Load()), base: s.base, index: x, maxTimestamp: -1, maxOffset: s.base}
	scan := newScanner(f, *b, 0, size)
	for scan.position < size {
		h, position, err := scan.next()
		if err != nil {
			return nil, fmt.Errorf("%w: segment %020d of %s at position %d: %w", ErrCorruptLog, s.base, l.tp, position, err)
		}
		builder.add(&h, position)
	}
	x.aborted, err = l.rebuildAborted(s)
	return builder, err
}

// storeIndexes replaces the index files of a segment that is not active. With sync, the transaction index is durable before the others are
// touched: as long as one of those is missing or wrong, the segment is looked at again.
func (l *Log) storeIndexes(s *segment, x *segmentIndex, sync bool) error {
	path := l.segmentPath(s.base, txnIndexSuffix)
	s.quiet.Store(len(x.aborted) == 0)
	if len(x.aborted) == 0 {
		if err := removeFile(l.engine.fs, path); err != nil {
			return err
		}
	} else if err := writeFile(l.engine.fs, path, appendAbortedEntries(nil, x.aborted), sync); err != nil {
		return err
	}
	if sync {
		if err := syncDir(l.engine.fs, l.path); err != nil {
			return err
		}
	}
	err := writeFile(l.engine.fs, l.segmentPath(s.base, offsetIndexSuffix), appendOffsetEntries(nil, x.offsets), sync)
	if err != nil {
		return err
	}
	return writeFile(l.engine.fs, l.segmentPath(s.base, timeIndexSuffix), appendTimeEntries(nil, x.times), sync)
}

// indexBuilder decides which batches get entries, as an append and as a recovery does.
type indexBuilder struct {
	interval     int
	base         int64
	since        int // bytes since the last entry
	index        *segmentIndex
	maxTimestamp int64
	maxOffset    int64
}

func (b *indexBuilder) add(h *header, position int64) {
	if h.maxTimestamp > b.maxTimestamp {
		b.maxTimestamp, b.maxOffset = h.maxTimestamp, h.lastOffset
	}
	if b.since > b.interval {
		b.index.addOffset(h.lastOffset-b.base, position)
		b.index.addTime(b.maxTimestamp, b.maxOffset-b.base)
		b.since = 0
	}
	b.since += h.size
}

// largestTimestamp is the max timestamp of any segment and the last offset of the first batch that has it; −1 if no batch has one.
func (l *Log) largestTimestamp(s *segment) (timestamp, offset int64, err error) {
	l.state.RLock()
	known, timestamp, offset := s.maxKnown, s.maxTimestamp, s.maxOffset
	l.state.RUnlock()
	if known {
		return timestamp, offset, nil
	}
	x, err := l.indexOf(s)
	if err != nil {
		return 0, 0, err
	}
	l.state.Lock()
	defer l.state.Unlock()
	if !s.maxKnown {
		last := x.lastTime()
		s.maxKnown, s.maxTimestamp, s.maxOffset = true, last.timestamp, s.base+int64(last.relative)
	}
	return s.maxTimestamp, s.maxOffset, nil
}
