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

// RecoveryPoint is the end of what is known to be on disk.
func (l *Log) RecoveryPoint() int64 { return l.flusher.recoveryPoint.Load() }

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

// flushOnce syncs all that is appended now. The caller holds the flusher.
func (l *Log) flushOnce() error {
	if l.down.Load() {
		return ErrClosed
	}
	began := l.engine.now()
	target := l.end.Load()
	if target <= l.flusher.recoveryPoint.Load() {
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
	segments := l.segmentList()
	names := l.namesDirty.Swap(false)
	err := l.syncSegments(segments)
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

func (l *Log) syncSegments(segments []*segment) error {
	first := max(floorSegment(segments, l.flusher.recoveryPoint.Load()), 0)
	for i, s := range segments[first:] {
		err := l.syncSegment(s)
		if err == nil && first+i < len(segments)-1 {
			err = l.syncIndexes(s)
			if err == nil {
				err = syncFile(l.engine.fs, l.snapshotPath(segments[first+i+1].base))
			}
		}
		if err != nil && !s.gone.Load() {
			return err
		}
	}
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
