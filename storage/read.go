package storage

import (
	"errors"
	"fmt"
	"io"

	"ottla/storage/vfs"
)

// Region is a piece of a segment's file; its bytes stay until Release even if the segment is deleted. The zero Region is empty.
type Region struct {
	FirstOffset int64 // base offset of the first batch
	position    int64
	length      int
	file        vfs.File
	handle      *handle
	files       *fileCache
}

// Len is the number of bytes.
func (r *Region) Len() int { return r.length }

// Position is where the region begins in its File.
func (r *Region) Position() int64 { return r.position }

// File is the segment's file, for sendfile; nil for an empty region.
func (r *Region) File() vfs.File { return r.file }

// ReadAll reads the whole region into b, which must be at least Len() long.
func (r *Region) ReadAll(b []byte) error {
	if r.length == 0 {
		return nil
	}
	return readFull(r.file, b[:r.length], r.position)
}

// ReadAt reads from a place within the region.
func (r *Region) ReadAt(b []byte, offset int64) (int, error) {
	if offset < 0 || offset >= int64(r.length) {
		return 0, io.EOF
	}
	short := int64(len(b)) > int64(r.length)-offset
	if short {
		b = b[:int64(r.length)-offset]
	}
	n, err := r.file.ReadAt(b, r.position+offset)
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

// Release unpins the segment. It may be called more than once.
func (r *Region) Release() {
	if r.handle != nil {
		r.files.release(r.handle)
		r.handle, r.file, r.length = nil, nil, 0
	}
}

// view is what a reader sees of the log at one moment.
type view struct {
	segments   []*segment
	activeSize int64
	start, end int64
}

func (l *Log) view() view {
	l.state.RLock()
	defer l.state.RUnlock()
	return view{l.segments, l.segments[len(l.segments)-1].size.Load(), l.start.Load(), l.end.Load()}
}

func (l *Log) sizeIn(v *view, i int) (int64, error) {
	if i == len(v.segments)-1 {
		return v.activeSize, nil
	}
	return l.sizeOf(v.segments[i])
}

// Read gives the bytes from the batch that contains offset up to maxBytes, none of them of a batch at or beyond end (exclusive). With
// minOneMessage the first batch is whole even if larger than maxBytes; the last one may be cut. An empty region (Len 0) needs no Release
// but allows it. ErrOffsetOutOfRange if offset is below StartOffset or above EndOffset.
func (l *Log) Read(offset int64, maxBytes int, minOneMessage bool, end int64) (Region, error) {
	for attempt := 0; ; attempt++ {
		if l.down.Load() {
			return Region{}, ErrClosed
		}
		v := l.view()
		if offset < v.start || offset > v.end {
			return Region{}, fmt.Errorf("%w: %d, %s has [%d, %d)", ErrOffsetOutOfRange, offset, l.tp, v.start, v.end)
		}
		region, err := l.readView(&v, offset, maxBytes, minOneMessage, min(end, v.end))
		if err != nil && attempt < 10 && (l.changedSince(&v) || l.down.Load()) {
			continue // a segment was deleted under us
		}
		if err != nil {
			return Region{}, err
		}
		return region, nil
	}
}

// changedSince tells whether a segment of the view is gone.
func (l *Log) changedSince(v *view) bool {
	now := l.segmentList()
	return len(now) == 0 || now[0] != v.segments[0] || len(now) < len(v.segments)
}

func (l *Log) readView(v *view, offset int64, maxBytes int, minOneMessage bool, end int64) (Region, error) {
	if offset >= end {
		return Region{}, nil
	}
	for i := max(floorSegment(v.segments, offset), 0); i < len(v.segments); i++ {
		s := v.segments[i]
		size, err := l.sizeIn(v, i)
		if err != nil {
			return Region{}, err
		}
		place, err := l.locate(s, size, offset, withoutMutex)
		if errors.Is(err, io.EOF) {
			continue // the records up to the next segment were compacted away
		}
		if err != nil {
			return Region{}, err
		}
		if place.base >= end {
			return Region{}, nil
		}
		limit, err := l.limit(v, i, size, end)
		if err != nil {
			return Region{}, err
		}
		return l.region(s, place, limit, maxBytes, minOneMessage)
	}
	return Region{}, nil
}

// limit is where the batches at or beyond end begin in segment i.
func (l *Log) limit(v *view, i int, size, end int64) (int64, error) {
	if end >= v.end || (i+1 < len(v.segments) && v.segments[i+1].base <= end) {
		return size, nil
	}
	place, err := l.locate(v.segments[i], size, end, withoutMutex)
	if errors.Is(err, io.EOF) {
		return size, nil
	}
	return place.position, err
}

func (l *Log) region(s *segment, p place, limit int64, maxBytes int, minOneMessage bool) (Region, error) {
	length := limit - p.position
	if length > int64(maxBytes) {
		length = int64(max(maxBytes, 0))
		if minOneMessage && p.size == 0 {
			// The place came from memory: how long the batch is stands in its header.
			q, err := l.header(s, p.position, limit)
			if err != nil {
				return Region{}, err
			}
			p.size = q.size
		}
		if minOneMessage {
			length = max(length, int64(p.size))
		}
	}
	if length <= 0 {
		return Region{}, nil
	}
	f, err := l.engine.files.acquire(s.handle)
	if err != nil {
		return Region{}, err
	}
	return Region{p.base, p.position, int(length), f, s.handle, &l.engine.files}, nil
}

func (l *Log) header(s *segment, position, end int64) (header, error) {
	f, err := l.engine.files.acquire(s.handle)
	if err != nil {
		return header{}, err
	}
	defer l.engine.files.release(s.handle)
	b := l.engine.buffer()
	defer l.engine.buffers.Put(b)
	scan := newScanner(f, (*b)[:headerSize], position, end)
	h, _, err := scan.next()
	return h, err
}

// place is a batch in a segment; its size is 0 where only its position is known.
type place struct {
	base     int64
	position int64
	size     int
}

// locate finds the first batch with a last offset ≥ offset; io.EOF if the segment has none.
func (l *Log) locate(s *segment, size, offset int64, as holder) (place, error) {
	l.state.RLock()
	position, ok := l.recent.find(s, offset)
	l.state.RUnlock()
	if ok && position < size {
		return place{base: offset, position: position}, nil
	}
	x, err := l.indexOf(s)
	if err != nil {
		return place{}, err
	}
	for attempt := 0; ; attempt++ {
		l.state.RLock()
		position := x.floor(offset - s.base)
		l.state.RUnlock()
		p, err := l.scanTo(s, min(position, size), size, offset)
		if err == nil || errors.Is(err, io.EOF) || attempt > 0 {
			return p, err
		}
		if !errors.Is(err, errNoBatch) || position == 0 {
			return p, err
		}
		// The index led to what is no batch: it is not to be trusted.
		if x, err = l.distrust(s, x, err, as); err != nil {
			return place{}, err
		}
	}
}

// holder tells whether the caller holds the log's mutex, which guards the index of the active segment against those who append.
type holder int8

const (
	withoutMutex holder = iota
	withMutex
	perhapsWithMutex
)

// distrust makes the index of a segment anew, once for all who found that x, which may have come from a file, led them astray. Who
// cannot tell whether it holds the mutex gets an empty one for the active segment: it scans from the start.
func (l *Log) distrust(s *segment, x *segmentIndex, why error, as holder) (*segmentIndex, error) {
	if s == l.active.Load() {
		if as == perhapsWithMutex {
			return &segmentIndex{}, nil
		}
		if as == withoutMutex {
			l.mu.Lock()
			defer l.mu.Unlock()
		}
		if s == l.active.Load() {
			return l.rebuildActive(s, x, why)
		}
	}
	s.load.Lock()
	defer s.load.Unlock()
	if now := s.index.Load(); now != nil && now != x {
		return now, nil
	}
	x, err := l.rebuildIndexes(s, why)
	if err == nil {
		s.index.Store(x)
	}
	return x, err
}

// searchBufferSize is read at once to find a batch: about as much as lies between two index entries.
const searchBufferSize = 4 << 10

func (l *Log) scanTo(s *segment, position, size, offset int64) (place, error) {
	f, err := l.engine.files.acquire(s.handle)
	if err != nil {
		return place{}, err
	}
	defer l.engine.files.release(s.handle)
	b := l.engine.buffer()
	defer l.engine.buffers.Put(b)
	scan := newScanner(f, (*b)[:searchBufferSize], position, size)
	first := true
	for {
		h, at, err := scan.next()
		if err != nil {
			return place{}, err
		}
		if h.lastOffset >= offset {
			if first && position > 0 && h.baseOffset > offset && !holdsOld(f, &h, at, offset) {
				return place{}, fmt.Errorf("%w: the index leads to offset %d, beyond %d", errNoBatch, h.baseOffset, offset)
			}
			return place{h.baseOffset, at, h.size}, nil
		}
		first = false
	}
}

// AbortedTransactions lists those that overlap [from, to), in the order of their markers.
func (l *Log) AbortedTransactions(from, to int64) ([]AbortedTransaction, error) {
	v := l.view()
	var list []AbortedTransaction
	for i := max(floorSegment(v.segments, from), 0); i < len(v.segments); i++ {
		x, err := l.indexOf(v.segments[i])
		if err != nil {
			return nil, err
		}
		l.state.RLock()
		aborted := x.aborted
		l.state.RUnlock()
		for _, t := range aborted {
			if t.LastOffset >= from && t.FirstOffset < to {
				list = append(list, t)
			}
			if t.LastStableOffset >= to {
				return list, nil
			}
		}
	}
	return list, nil
}
