package storage

import (
	"errors"
	"io/fs"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// flusher lets concurrent appends share fsyncs: one is in flight, all who come meanwhile wait for the next one together.
type flusher struct {
	mu            sync.Mutex
	cond          sync.Cond
	busy          bool
	recoveryPoint atomic.Int64 // all below is on disk; written by who holds busy
}

// take waits until no fsync is in flight and keeps it so until give.
func (f *flusher) take() {
	f.mu.Lock()
	for f.busy {
		f.cond.Wait()
	}
	f.busy = true
	f.mu.Unlock()
}

func (f *flusher) give() {
	f.mu.Lock()
	f.busy = false
	f.mu.Unlock()
	f.cond.Broadcast()
}

// sealedSegment is a closed segment and the base offset of the one behind it. Until its indexes are synced, a recovery must look at it: an
// aborted transaction that is missing from an index cannot be noticed later.
type sealedSegment struct {
	*segment
	next int64
}

// RecoveryPoint is the end of what is known to be on disk, with all that is derived from it.
func (l *Log) RecoveryPoint() int64 {
	l.state.RLock()
	defer l.state.RUnlock()
	point := l.flusher.recoveryPoint.Load()
	if len(l.sealed) > 0 {
		point = min(point, l.sealed[0].next-1)
	}
	return point
}

// Flush returns when everything below end is on disk. Concurrent calls share one fsync.
func (l *Log) Flush(end int64) error {
	f := &l.flusher
	for {
		if min(end, l.end.Load()) <= f.recoveryPoint.Load() {
			return nil
		}
		if err := l.directory.failure(); err != nil {
			return err
		}
		if l.down.Load() {
			return ErrClosed
		}
		f.mu.Lock()
		if f.busy {
			f.cond.Wait()
			f.mu.Unlock()
			continue
		}
		f.busy = true
		f.mu.Unlock()
		err := l.flushOnce()
		f.give()
		if err != nil {
			return err
		}
	}
}

// flushSealed syncs the indexes of segments that were closed, and the records with them.
func (l *Log) flushSealed() error {
	l.flusher.take()
	defer l.flusher.give()
	if err := l.directory.failure(); err != nil {
		return err
	}
	return l.flushOnce()
}

// flushOnce syncs all that is appended now. The caller holds the flusher.
func (l *Log) flushOnce() error {
	if l.down.Load() {
		return ErrClosed
	}
	began := l.engine.now()
	target := l.end.Load()
	if target <= l.RecoveryPoint() {
		return nil
	}
	if err := l.syncRecords(); err != nil {
		return l.directory.failed(err)
	}
	l.flusher.recoveryPoint.Store(target)
	if d := l.engine.now().Sub(began); d > time.Second {
		l.emit(Event{Kind: EventFlushSlow, Duration: d})
	}
	return nil
}

// syncRecords syncs the segments from the recovery point on, the indexes of those that are closed, and the names of new files.
func (l *Log) syncRecords() error {
	names := l.namesDirty.Swap(false)
	err := l.syncSegments()
	if err == nil && names {
		err = syncDir(l.engine.fs, l.path)
	}
	if err == nil {
		err = l.directory.syncNames(l.number)
	}
	if err != nil && names {
		l.namesDirty.Store(true)
	}
	return err
}

func (l *Log) syncSegments() error {
	l.state.RLock()
	segments, sealed := l.segments, l.sealed
	l.state.RUnlock()
	if point := l.flusher.recoveryPoint.Load(); point < l.end.Load() {
		for _, s := range segments[max(floorSegment(segments, point), 0):] {
			if err := l.syncSegment(s); err != nil && !s.gone.Load() {
				return err
			}
		}
	}
	for _, s := range sealed {
		err := l.syncIndexes(s.segment)
		if err == nil {
			err = syncFile(l.engine.fs, l.snapshotPath(s.next))
		}
		if err != nil && !s.gone.Load() {
			return err
		}
	}
	l.state.Lock()
	l.sealed = l.sealed[len(sealed):] // others may have been closed meanwhile
	l.state.Unlock()
	return nil
}

func (l *Log) syncSegment(s *segment) error {
	f, err := l.engine.files.acquire(s.handle)
	if err != nil {
		return err
	}
	defer l.engine.files.release(s.handle)
	return syncError(f.Sync())
}

func (l *Log) syncIndexes(s *segment) error {
	for _, suffix := range []string{offsetIndexSuffix, timeIndexSuffix, txnIndexSuffix} {
		if err := syncFile(l.engine.fs, l.segmentPath(s.base, suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// scheduleFlush sees to it that what was appended is on disk FlushMs from now. The mutex is held.
func (l *Log) scheduleFlush() {
	if l.dirty || l.config.FlushMs <= 0 || l.config.FlushMs >= math.MaxInt64/int64(time.Millisecond) || l.engine.background == nil {
		return
	}
	l.dirty = true
	l.engine.background(max(time.Duration(l.config.FlushMs)*time.Millisecond, l.engine.flushInterval), func() {
		l.mu.Lock()
		l.dirty = false
		l.mu.Unlock()
		// A failure has taken the directory offline, which was told; no space is met again by the next flush.
		_ = l.Flush(l.EndOffset())
	})
}
