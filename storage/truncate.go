package storage

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// TruncateTo cuts the log so that its end offset is at most offset. What a batch holds beyond it goes with the whole batch.
func (l *Log) TruncateTo(offset int64) error {
	return l.cut(offset, func() error {
		switch {
		case offset >= l.end.Load():
			return nil
		case offset < l.segments[0].base:
			return l.restartAt(offset)
		}
		return l.truncate(offset)
	})
}

// TruncateFullyAndStartAt empties the log and lets it begin at offset.
func (l *Log) TruncateFullyAndStartAt(offset int64) error {
	return l.cut(offset, func() error { return l.restartAt(offset) })
}

// cut runs what cuts the log at an offset, while there is neither an append nor an fsync.
func (l *Log) cut(offset int64, how func() error) error {
	l.flusher.take()
	defer l.flusher.give()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	if offset < 0 {
		return fmt.Errorf("%w: truncate %s to %d", ErrOffsetOutOfRange, l.tp, offset)
	}
	return l.directory.failed(how())
}

// lowerRecoveryPoint makes sure that a later start does not take what is about to be cut for lost. The flusher is held.
func (l *Log) lowerRecoveryPoint(offset int64) error {
	if l.flusher.recoveryPoint.Load() <= offset {
		return nil
	}
	l.flusher.recoveryPoint.Store(offset)
	if l.persist != nil {
		return l.persist(recoveryPointFile)
	}
	return nil
}

func (l *Log) truncate(offset int64) error {
	if err := l.lowerRecoveryPoint(offset); err != nil {
		return err
	}
	keep := floorSegment(l.segments, offset) + 1
	gone := l.segments[keep:]
	s := l.segments[keep-1]
	l.state.Lock()
	l.setSegments(append([]*segment(nil), l.segments[:keep]...))
	l.sealed = slices.DeleteFunc(slices.Clone(l.sealed), func(s sealedSegment) bool { return s.next > l.segments[keep-1].base })
	l.recent = nil
	l.state.Unlock()
	for i := len(gone) - 1; i >= 0; i-- {
		if err := l.deleteSegments(gone[i:i+1], "truncated"); err != nil {
			return err
		}
	}
	if len(gone) > 0 {
		if err := syncDir(l.engine.fs, l.path); err != nil {
			return err
		}
	}
	end, err := l.cutSegment(s, offset)
	if err != nil {
		return err
	}
	if cache, changed := l.epochs.truncateEnd(end); changed {
		if err := l.storeEpochs(cache); err != nil {
			return err
		}
	}
	l.state.Lock()
	l.end.Store(end)
	l.start.Store(min(l.start.Load(), end))
	l.highWatermark.Store(min(l.highWatermark.Load(), end))
	l.state.Unlock()
	// The recovery point stays at or below the end.
	l.flusher.recoveryPoint.Store(min(l.flusher.recoveryPoint.Load(), end))
	return l.rebuildProducers(l.segments, end, false)
}

// cutSegment cuts a segment, which is or becomes the active one, before the batch that contains offset, and gives the new end offset.
func (l *Log) cutSegment(s *segment, offset int64) (int64, error) {
	size, err := l.sizeOf(s)
	if err != nil {
		return 0, err
	}
	position := size
	if p, err := l.locate(s, size, offset, withMutex); err == nil {
		position = p.position
	} else if !errors.Is(err, io.EOF) {
		return 0, err
	}
	cut, tail, err := l.cutIndex(s, offset, position)
	if err != nil {
		return 0, err
	}
	f, err := l.engine.files.acquire(s.handle)
	if err != nil {
		return 0, err
	}
	defer l.engine.files.release(s.handle)
	if err := f.Truncate(position); err != nil {
		return 0, err
	}
	if err := syncError(f.Sync()); err != nil {
		return 0, err
	}
	if err := l.storeIndexes(s, cut, false); err != nil {
		return 0, err
	}
	s.writtenOffsets, s.writtenTimes, s.writtenAborted = len(cut.offsets), len(cut.times), len(cut.aborted)
	s.sized, s.bytesSinceEntry = false, 0
	if position == 0 {
		s.firstKnown, s.created = false, l.engine.nowMs()
	}
	l.state.Lock()
	s.size.Store(position)
	s.index.Store(cut)
	s.maxKnown, s.maxTimestamp, s.maxOffset = true, tail.maxTimestamp, tail.maxOffset
	l.state.Unlock()
	return tail.end, nil
}

// cutIndex is the index of a segment that is cut at an offset, which is at that position, and what is behind its last entry then.
func (l *Log) cutIndex(s *segment, offset, position int64) (*segmentIndex, tail, error) {
	for attempt := 0; ; attempt++ {
		x, err := l.indexOf(s)
		if err != nil {
			return nil, tail{}, err
		}
		cut := &segmentIndex{offsets: slices.Clone(x.offsets), times: slices.Clone(x.times), aborted: slices.Clone(x.aborted)}
		cut.truncate(offset - s.base)
		cut.truncateAborted(offset)
		t, err := l.scanTail(s, cut, position)
		if attempt > 0 || len(cut.offsets) == 0 || !errors.Is(err, errNoBatch) {
			return cut, t, err
		}
		if _, err := l.distrust(s, x, err, withMutex); err != nil { // the index led to what is no batch
			return nil, tail{}, err
		}
	}
}

// tail is what the batches from the last index entry on tell.
type tail struct {
	end          int64 // next offset
	maxTimestamp int64
	maxOffset    int64
}

// scanTail walks over the batches behind the last index entry of a segment of that size.
func (l *Log) scanTail(s *segment, x *segmentIndex, size int64) (tail, error) {
	last := x.lastTime()
	t := tail{s.base, last.timestamp, s.base + int64(last.relative)}
	position := int64(0)
	if n := len(x.offsets); n > 0 {
		position = int64(x.offsets[n-1].position)
	}
	if size == 0 {
		return t, nil
	}
	f, err := l.engine.files.acquire(s.handle)
	if err != nil {
		return t, err
	}
	defer l.engine.files.release(s.handle)
	b := l.engine.buffer()
	defer l.engine.buffers.Put(b)
	scan := newScanner(f, *b, position, size)
	for scan.position < size {
		h, at, err := scan.next()
		if err != nil {
			return t, fmt.Errorf("segment %020d of %s at position %d: %w", s.base, l.tp, at, err)
		}
		t.end = h.lastOffset + 1
		if h.maxTimestamp > t.maxTimestamp {
			t.maxTimestamp, t.maxOffset = h.maxTimestamp, h.lastOffset
		}
	}
	return t, nil
}

// restartAt deletes all segments and begins an empty one at offset.
func (l *Log) restartAt(offset int64) error {
	if err := l.lowerRecoveryPoint(min(offset, l.start.Load())); err != nil { // for a while there is no segment at all
		return err
	}
	gone := l.segments
	for i := len(gone) - 1; i >= 0; i-- {
		if err := l.deleteSegments(gone[i:i+1], "truncated"); err != nil {
			return err
		}
	}
	for len(l.producer.snapshots) > 0 {
		if err := l.removeSnapshot(&l.producer, l.producer.snapshots[0]); err != nil {
			return err
		}
	}
	if len(l.epochs) > 0 {
		if err := l.storeEpochs(nil); err != nil {
			return err
		}
	}
	s, err := l.createSegment(offset)
	if err != nil {
		return err
	}
	l.namesDirty.Store(true)
	l.state.Lock()
	defer l.state.Unlock()
	l.setSegments([]*segment{s})
	l.sealed, l.recent = nil, nil
	l.producer.clear()
	l.producer.mapEnd, l.producer.lastSnapshot = offset, 0
	l.start.Store(offset)
	l.end.Store(offset)
	l.highWatermark.Store(offset)
	l.flusher.recoveryPoint.Store(offset)
	l.updateFirstUnstable()
	return nil
}
