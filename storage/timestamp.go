package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// OffsetForTimestamp finds the first record with a timestamp ≥ the one given, exactly, inside compressed batches too; (−1, −1) if there
// is none. For a segment whose records have no timestamps that of its file stands, as in Apache Kafka: where it is not before the one
// asked for, the search ends there, and there is none.
func (l *Log) OffsetForTimestamp(timestamp int64) (TimestampOffset, error) {
	v := l.view()
	for i := range v.segments {
		s := v.segments[i]
		if i+1 < len(v.segments) && v.segments[i+1].base <= v.start {
			continue
		}
		largest, timeless, err := l.timeOf(s)
		if err != nil {
			return TimestampOffset{}, err
		}
		if largest < timestamp {
			continue
		}
		if timeless {
			break
		}
		found, ok, err := l.searchTimestamp(&v, i, timestamp)
		if err != nil || ok {
			return found, err
		}
	}
	return TimestampOffset{-1, -1, -1}, nil
}

func (l *Log) searchTimestamp(v *view, i int, timestamp int64) (TimestampOffset, bool, error) {
	s := v.segments[i]
	size, err := l.sizeIn(v, i)
	if err != nil {
		return TimestampOffset{}, false, err
	}
	x, err := l.indexOf(s)
	if err != nil {
		return TimestampOffset{}, false, err
	}
	return l.firstIndexed(s, x, size, func(x *segmentIndex) int64 { return max(int64(x.floorTime(timestamp).relative), v.start-s.base) },
		func(h *header) bool { return h.maxTimestamp >= timestamp },
		func(t, offset int64) bool { return t >= timestamp && offset >= v.start })
}

// firstIndexed is firstRecord from where the index has the offset (relative to the segment's base) that from gives.
func (l *Log) firstIndexed(s *segment, x *segmentIndex, size int64, from func(*segmentIndex) int64, batch func(*header) bool,
	record func(timestamp, offset int64) bool) (found TimestampOffset, ok bool, err error) {
	for attempt := 0; ; attempt++ {
		l.state.RLock()
		position := min(x.floor(from(x)), size)
		l.state.RUnlock()
		found, ok, err = l.firstRecord(s, position, size, batch, record)
		if attempt > 0 || position == 0 || !errors.Is(err, errNoBatch) {
			return found, ok, err
		}
		if x, err = l.distrust(s, x, err, withoutMutex); err != nil {
			return found, false, err
		}
	}
}

// firstRecord walks from a position over the batches that may hold a record and finds the first one that does.
func (l *Log) firstRecord(s *segment, position, size int64, batch func(*header) bool, record func(timestamp, offset int64) bool) (found TimestampOffset, ok bool, err error) {
	f, err := l.engine.files.acquire(s.handle)
	if err != nil {
		return found, false, err
	}
	defer l.engine.files.release(s.handle)
	b := l.engine.buffer()
	defer l.engine.buffers.Put(b)
	scan := newScanner(f, *b, position, size)
	for {
		h, at, err := scan.next()
		if errors.Is(err, io.EOF) {
			return found, false, nil
		}
		if err != nil {
			return found, false, fmt.Errorf("search segment %020d of %s at position %d: %w", s.base, l.tp, at, err)
		}
		if !batch(&h) {
			continue
		}
		bytes := make([]byte, h.size)
		if err := readFull(f, bytes, at); err != nil {
			return found, false, err
		}
		err = eachRecord(&h, bytes, func(timestamp, offset int64) bool {
			if !record(timestamp, offset) {
				return true
			}
			found, ok = TimestampOffset{timestamp, offset, h.leaderEpoch}, true
			return false
		})
		if err != nil || ok {
			return found, ok, err
		}
	}
}

// MaxTimestamp finds the record with the largest timestamp, the first if several have it; (−1, −1) if there is none. Where no record has
// one it is the first record, with −1, unless that is of magic 0.
func (l *Log) MaxTimestamp() (TimestampOffset, error) {
	v := l.view()
	best, largest, last := -1, int64(-1), int64(0)
	for i, s := range v.segments {
		timestamp, offset, err := l.largestTimestamp(s)
		if err != nil {
			return TimestampOffset{}, err
		}
		if timestamp > largest {
			best, largest, last = i, timestamp, offset
		}
	}
	none := TimestampOffset{-1, -1, -1}
	if best < 0 {
		best, last = 0, v.segments[0].base
		if h, err := l.firstHeader(v.segments[0]); err != nil || h.magic == 0 {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return none, err
		}
	}
	s := v.segments[best]
	size, err := l.sizeIn(&v, best)
	if err != nil {
		return none, err
	}
	x, err := l.indexOf(s)
	if err != nil {
		return none, err
	}
	found, ok, err := l.firstIndexed(s, x, size, func(*segmentIndex) int64 { return last - s.base },
		func(h *header) bool { return h.maxTimestamp == largest }, func(t, _ int64) bool { return t == largest })
	if err != nil || !ok {
		return none, err
	}
	return found, nil
}

var errBadRecords = errors.New("records of the batch are malformed")

// eachRecord gives the timestamp and offset of each record until fn returns false.
func eachRecord(h *header, batch []byte, fn func(timestamp, offset int64) bool) error {
	if h.magic < 2 {
		return eachOld(h, batch, fn)
	}
	if h.attributes&7 != 0 {
		return eachCompressed(h, batch, fn)
	}
	base := int64(binary.BigEndian.Uint64(batch[baseTimestampAt:]))
	b := batch[headerSize:]
	for range h.recordCount {
		length, n := binary.Varint(b)
		if n <= 0 || length < 3 || length > int64(len(b)-n) {
			return fmt.Errorf("%w: offset %d", errBadRecords, h.baseOffset)
		}
		record := b[n+1 : n+int(length)] // without the attributes
		b = b[n+int(length):]
		timestamp, n := binary.Varint(record)
		if n <= 0 {
			return fmt.Errorf("%w: offset %d", errBadRecords, h.baseOffset)
		}
		delta, n := binary.Varint(record[n:])
		if n <= 0 {
			return fmt.Errorf("%w: offset %d", errBadRecords, h.baseOffset)
		}
		timestamp += base
		if h.attributes&attributeLogAppendTime != 0 {
			timestamp = h.maxTimestamp
		}
		if !fn(timestamp, h.baseOffset+delta) {
			return nil
		}
	}
	return nil
}
