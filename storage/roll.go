package storage

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// maybeRoll begins a new segment if the next append demands one. The mutex is held.
func (l *Log) maybeRoll(bytes int, in *incoming) error {
	s := l.active.Load()
	size := s.size.Load()
	x := s.index.Load()
	roll := size > int64(l.config.SegmentBytes)-int64(bytes) ||
		len(x.offsets) >= maxEntries(l.config.SegmentIndexBytes, offsetEntrySize) ||
		len(x.times) >= maxEntries(l.config.SegmentIndexBytes, timeEntrySize)-1 ||
		in.lastOffset-s.base > math.MaxInt32
	if !roll && size > 0 {
		waited, err := l.timeWaited(s, in.maxTimestamp)
		if err != nil {
			return err
		}
		roll = waited > l.config.SegmentMs-s.jitter
	}
	if !roll {
		return nil
	}
	return l.roll(in.firstOffset)
}

// timeWaited is how long the segment is open, in the time of its records if they have one.
func (l *Log) timeWaited(s *segment, timestamp int64) (int64, error) {
	if !s.firstKnown {
		first, err := l.firstHeader(s)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if err == nil {
			s.firstKnown, s.firstTimestamp = true, first.maxTimestamp
		}
	}
	if s.firstKnown && s.firstTimestamp >= 0 {
		return timestamp - s.firstTimestamp, nil
	}
	return l.engine.nowMs() - s.created, nil
}

// firstHeader reads the header of a segment's first batch; io.EOF if it is empty.
func (l *Log) firstHeader(s *segment) (header, error) {
	size, err := l.sizeOf(s)
	if err != nil {
		return header{}, err
	}
	f, err := l.engine.files.acquire(s.handle)
	if err != nil {
		return header{}, err
	}
	defer l.engine.files.release(s.handle)
	scan := newScanner(f, make([]byte, headerSize), 0, size)
	h, _, err := scan.next()
	return h, err
}

// Roll closes the active segment and begins a new one at the end offset; nothing happens if the active one is empty.
func (l *Log) Roll() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	return l.roll(l.end.Load())
}

// roll begins a segment at base. Without space nothing changes, and it may be tried again. The mutex is held.
func (l *Log) roll(base int64) error {
	began := l.engine.now()
	old := l.active.Load()
	base = max(base, l.end.Load())
	if base == old.base {
		return nil
	}
	if err := l.seal(old); err != nil {
		return l.directory.failed(err)
	}
	l.producer.mapEnd = base
	if err := l.takeSnapshot(&l.producer, false); err != nil {
		return l.directory.failed(err)
	}
	// A power cut must not leave the new segment without the one before it. Its name is durable long since, but for rolls in quick
	// succession.
	if l.namesDirty.Load() {
		if err := syncDir(l.engine.fs, l.path); err != nil {
			return l.directory.failed(err)
		}
		l.namesDirty.Store(false)
	}
	if err := l.leaveSegment(old, base); err != nil {
		return l.directory.failed(err)
	}
	s, err := l.createSegment(base)
	if err != nil {
		return l.directory.failed(err)
	}
	l.namesDirty.Store(true)
	l.state.Lock()
	l.setSegments(append(l.segments, s))
	l.state.Unlock()
	l.emit(Event{Kind: EventSegmentRolled, Offset: base, Duration: l.engine.now().Sub(began)})
	if l.engine.background != nil {
		// What was written to the old segment becomes durable soon, so that a recovery has little to do. A failure was told.
		l.engine.background(0, func() { _ = l.flushSealed() })
	}
	return nil
}

// leaveSegment sees to it that a recovery looks at a segment until its indexes are durable, from before the next one exists. The recovery
// point is held back for it; where one is on disk already that says it need not be looked at, they are synced here and now.
func (l *Log) leaveSegment(s *segment, next int64) error {
	l.state.Lock()
	flushed := l.flusher.recoveryPoint.Load() >= next
	if n := len(l.sealed); !flushed && (n == 0 || l.sealed[n-1].segment != s) {
		l.sealed = append(l.sealed, sealedSegment{s, next})
	}
	l.state.Unlock()
	if !flushed {
		return nil
	}
	if err := l.syncIndexes(s); err != nil {
		return err
	}
	if err := syncFile(l.engine.fs, l.snapshotPath(next)); err != nil {
		return err
	}
	return syncDir(l.engine.fs, l.path)
}

// DeleteOldSegments applies retention by time, size and start offset now, and returns the number of segments deleted. Nothing at or
// above the high watermark goes. If all segments are due, a new one is begun first.
func (l *Log) DeleteOldSegments() (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return 0, err
	}
	rules := []func() (func(*segment, *segment) (bool, error), error){l.startOffsetRule}
	if l.config.Delete {
		rules = append(rules, l.sizeRule, l.timeRule)
	}
	deleted := 0
	for i, rule := range rules {
		due, err := rule()
		if err != nil {
			return deleted, err
		}
		n, err := l.deleteWhile(due, []string{"start offset", "size", "time"}[i])
		deleted += n
		if err != nil {
			return deleted, err
		}
	}
	return deleted, nil
}

func (l *Log) startOffsetRule() (func(s, next *segment) (bool, error), error) {
	start := l.start.Load()
	return func(_, next *segment) (bool, error) { return next != nil && next.base <= start, nil }, nil
}

func (l *Log) sizeRule() (func(s, next *segment) (bool, error), error) {
	surplus, err := l.Size()
	if err != nil {
		return nil, err
	}
	surplus -= l.config.RetentionBytes
	return func(s, _ *segment) (bool, error) {
		size, err := l.sizeOf(s)
		if err != nil || l.config.RetentionBytes < 0 || surplus < size {
			return false, err
		}
		surplus -= size
		return true, nil
	}, nil
}

func (l *Log) timeRule() (func(s, next *segment) (bool, error), error) {
	now := l.engine.nowMs()
	return func(s, _ *segment) (bool, error) {
		if l.config.RetentionMs < 0 {
			return false, nil
		}
		timestamp, _, err := l.timeOf(s)
		return err == nil && now-timestamp > l.config.RetentionMs, err
	}, nil
}

// deleteWhile deletes segments from the oldest on as long as they are due. The mutex is held.
func (l *Log) deleteWhile(due func(s, next *segment) (bool, error), reason string) (int, error) {
	n, highWatermark := 0, l.highWatermark.Load()
	for ; n < len(l.segments); n++ {
		s, upper := l.segments[n], l.end.Load()
		var next *segment
		if n+1 < len(l.segments) {
			next = l.segments[n+1]
			upper = next.base
		} else if s.size.Load() == 0 {
			break
		}
		if highWatermark < upper {
			break
		}
		yes, err := due(s, next)
		if err != nil {
			return 0, err
		}
		if !yes {
			break
		}
	}
	if n == 0 {
		return 0, nil
	}
	if n == len(l.segments) {
		if err := l.roll(l.end.Load()); err != nil {
			return 0, err
		}
	}
	gone := l.segments[:n]
	if err := l.moveStart(l.segments[n].base, reason); err != nil {
		return 0, err
	}
	if err := l.prepareDeletion(n); err != nil {
		return 0, l.directory.failed(err)
	}
	l.state.Lock()
	l.setSegments(append([]*segment(nil), l.segments[n:]...))
	l.state.Unlock()
	return n, l.deleteSegments(gone, reason)
}

// prepareDeletion makes durable what must be before the first n segments go: the producer snapshot that holds what they told, the names
// that an earlier deletion took away, and, where several go, the start offset, so that a power cut which keeps one segment and loses a
// later one does not look like damage.
func (l *Log) prepareDeletion(n int) error {
	first := l.segments[n].base
	if l.RecoveryPoint() < first {
		if err := syncFile(l.engine.fs, l.snapshotPath(first)); err != nil {
			return err
		}
	}
	if err := syncDir(l.engine.fs, l.path); err != nil {
		return err
	}
	l.namesDirty.Store(true)
	if n > 1 && l.persist != nil {
		return l.persist(startOffsetFile)
	}
	return nil
}

// deleteSegments takes the files of segments that are no longer in the list out of the way and deletes them later.
func (l *Log) deleteSegments(gone []*segment, reason string) error {
	var paths []string
	for _, s := range gone {
		s.gone.Store(true)
		size, _ := l.sizeOf(s)
		renamed, err := l.renameDeleted(s.base)
		paths = append(paths, renamed...)
		l.engine.files.forget(s.handle)
		if err != nil {
			return l.directory.failed(fmt.Errorf("delete segment %020d of %s: %w", s.base, l.tp, err))
		}
		l.emit(Event{Kind: EventSegmentDeleted, Offset: s.base, Bytes: size, Reason: reason})
	}
	l.engine.later(time.Duration(l.config.FileDeleteDelayMs)*time.Millisecond, func() {
		for _, path := range paths {
			// What stays goes at the next start.
			_ = removeFile(l.engine.fs, path)
		}
	})
	return nil
}

// renameDeleted renames the files of a segment to .deleted; its snapshot goes with it.
func (l *Log) renameDeleted(base int64) ([]string, error) {
	var renamed []string
	suffixes := []string{logSuffix, offsetIndexSuffix, timeIndexSuffix, txnIndexSuffix}
	if l.producer.forget(base) {
		suffixes = append(suffixes, snapshotSuffix)
	}
	for _, suffix := range suffixes {
		path := l.segmentPath(base, suffix)
		err := l.engine.fs.Rename(path, path+deletedSuffix)
		if isNotExist(err) {
			continue
		}
		if err != nil {
			return renamed, err
		}
		renamed = append(renamed, path+deletedSuffix)
	}
	return renamed, nil
}

// DeleteRecordsBefore moves the log start offset up (DeleteRecords); ErrOffsetOutOfRange above the high watermark. Segments that are
// wholly below it go at the next retention run.
func (l *Log) DeleteRecordsBefore(offset int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	if offset > l.highWatermark.Load() {
		return fmt.Errorf("%w: %d is above the high watermark %d of %s", ErrOffsetOutOfRange, offset, l.highWatermark.Load(), l.tp)
	}
	return l.moveStart(offset, "records deleted")
}

// moveStart raises the log start offset. The mutex is held.
func (l *Log) moveStart(offset int64, reason string) error {
	if offset <= l.start.Load() {
		return nil
	}
	if cache, changed := l.epochs.truncateStart(offset); changed {
		if err := l.storeEpochs(cache); err != nil {
			return l.directory.failed(err)
		}
	}
	l.state.Lock()
	l.start.Store(offset)
	l.producer.replicated(offset)
	l.producer.mapEnd = max(l.producer.mapEnd, offset)
	l.updateFirstUnstable()
	if l.highWatermark.Load() < offset {
		l.setHighWatermark(offset)
	}
	l.state.Unlock()
	l.emit(Event{Kind: EventStartOffsetMoved, Offset: offset, Reason: reason})
	return nil
}
