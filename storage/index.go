package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
)

const (
	offsetEntrySize  = 8
	timeEntrySize    = 12
	abortedEntrySize = 34
)

var errCorruptIndex = errors.New("index is corrupt")

// offsetEntry says where the batch with that last offset (relative to the segment's base) begins.
type offsetEntry struct{ relative, position int32 }

// timeEntry says that no record up to the offset has a larger timestamp.
type timeEntry struct {
	timestamp int64
	relative  int32
}

// segmentIndex is what the index files of a segment hold. That of the active segment grows under the log's state lock; others never
// change.
type segmentIndex struct {
	offsets []offsetEntry
	times   []timeEntry
	aborted []AbortedTransaction
}

// floor is the position of the last entry with an offset ≤ the one given, 0 if there is none.
func (x *segmentIndex) floor(relative int64) int64 {
	i := sort.Search(len(x.offsets), func(i int) bool { return int64(x.offsets[i].relative) > relative })
	if i == 0 {
		return 0
	}
	return int64(x.offsets[i-1].position)
}

// floorTime is the last entry with a timestamp ≤ the one given; (−1, base) if there is none.
func (x *segmentIndex) floorTime(timestamp int64) timeEntry {
	i := sort.Search(len(x.times), func(i int) bool { return x.times[i].timestamp > timestamp })
	if i == 0 {
		return timeEntry{timestamp: -1}
	}
	return x.times[i-1]
}

// lastTime is the last time entry; (−1, base) if there is none.
func (x *segmentIndex) lastTime() timeEntry {
	if len(x.times) == 0 {
		return timeEntry{timestamp: -1}
	}
	return x.times[len(x.times)-1]
}

// addOffset appends an entry for a batch.
func (x *segmentIndex) addOffset(relative, position int64) {
	x.offsets = append(x.offsets, offsetEntry{int32(relative), int32(position)})
}

// addTime appends an entry if its timestamp is larger than the last one's.
func (x *segmentIndex) addTime(timestamp, relative int64) {
	if timestamp > x.lastTime().timestamp {
		x.times = append(x.times, timeEntry{timestamp, int32(relative)})
	}
}

// truncate drops what points at or beyond an offset, with Kafka's edges.
func (x *segmentIndex) truncate(relative int64) {
	n := sort.Search(len(x.offsets), func(i int) bool { return int64(x.offsets[i].relative) >= relative })
	x.offsets = x.offsets[:n]
	n = sort.Search(len(x.times), func(i int) bool { return int64(x.times[i].relative) >= relative })
	x.times = x.times[:n]
}

func (x *segmentIndex) truncateAborted(offset int64) {
	n := sort.Search(len(x.aborted), func(i int) bool { return x.aborted[i].LastOffset >= offset })
	x.aborted = x.aborted[:n]
}

// maxEntries is how many entries an index of that many bytes has room for.
func maxEntries(bytes int32, entrySize int) int { return int(bytes) / entrySize }

func appendOffsetEntries(b []byte, entries []offsetEntry) []byte {
	for _, e := range entries {
		b = binary.BigEndian.AppendUint32(b, uint32(e.relative))
		b = binary.BigEndian.AppendUint32(b, uint32(e.position))
	}
	return b
}

func appendTimeEntries(b []byte, entries []timeEntry) []byte {
	for _, e := range entries {
		b = binary.BigEndian.AppendUint64(b, uint64(e.timestamp))
		b = binary.BigEndian.AppendUint32(b, uint32(e.relative))
	}
	return b
}

func appendAbortedEntries(b []byte, entries []AbortedTransaction) []byte {
	for _, e := range entries {
		b = binary.BigEndian.AppendUint16(b, 0)
		b = binary.BigEndian.AppendUint64(b, uint64(e.ProducerID))
		b = binary.BigEndian.AppendUint64(b, uint64(e.FirstOffset))
		b = binary.BigEndian.AppendUint64(b, uint64(e.LastOffset))
		b = binary.BigEndian.AppendUint64(b, uint64(e.LastStableOffset))
	}
	return b
}

// parseOffsetIndex reads a .index file of a segment of that size. Every entry is checked: offsets and positions rise, none lies outside
// the segment.
func parseOffsetIndex(b []byte, segmentSize int64) ([]offsetEntry, error) {
	if len(b)%offsetEntrySize != 0 {
		return nil, fmt.Errorf("%w: %d bytes", errCorruptIndex, len(b))
	}
	entries := make([]offsetEntry, 0, len(b)/offsetEntrySize)
	last := offsetEntry{-1, 0}
	for ; len(b) > 0; b = b[offsetEntrySize:] {
		e := offsetEntry{int32(binary.BigEndian.Uint32(b)), int32(binary.BigEndian.Uint32(b[4:]))}
		if e.relative <= last.relative || e.position <= last.position || int64(e.position) >= segmentSize {
			return nil, fmt.Errorf("%w: entry %d says offset +%d is at %d", errCorruptIndex, len(entries), e.relative, e.position)
		}
		entries, last = append(entries, e), e
	}
	return entries, nil
}

// parseTimeIndex reads a .timeindex file; timestamps rise, offsets do not fall.
func parseTimeIndex(b []byte) ([]timeEntry, error) {
	if len(b)%timeEntrySize != 0 {
		return nil, fmt.Errorf("%w: %d bytes", errCorruptIndex, len(b))
	}
	entries := make([]timeEntry, 0, len(b)/timeEntrySize)
	last := timeEntry{-1, 0}
	for ; len(b) > 0; b = b[timeEntrySize:] {
		e := timeEntry{int64(binary.BigEndian.Uint64(b)), int32(binary.BigEndian.Uint32(b[8:]))}
		if e.timestamp <= last.timestamp || e.relative < last.relative {
			return nil, fmt.Errorf("%w: entry %d says timestamp %d is at offset +%d", errCorruptIndex, len(entries), e.timestamp, e.relative)
		}
		entries, last = append(entries, e), e
	}
	return entries, nil
}

// parseTransactionIndex reads a .txnindex file of a segment with that base offset.
func parseTransactionIndex(b []byte, base int64) ([]AbortedTransaction, error) {
	if len(b)%abortedEntrySize != 0 {
		return nil, fmt.Errorf("%w: %d bytes", errCorruptIndex, len(b))
	}
	entries := make([]AbortedTransaction, 0, len(b)/abortedEntrySize)
	last := base - 1
	for ; len(b) > 0; b = b[abortedEntrySize:] {
		if version := int16(binary.BigEndian.Uint16(b)); version != 0 {
			return nil, fmt.Errorf("%w: aborted transaction of version %d", errCorruptIndex, version)
		}
		e := AbortedTransaction{
			ProducerID:       int64(binary.BigEndian.Uint64(b[2:])),
			FirstOffset:      int64(binary.BigEndian.Uint64(b[10:])),
			LastOffset:       int64(binary.BigEndian.Uint64(b[18:])),
			LastStableOffset: int64(binary.BigEndian.Uint64(b[26:])),
		}
		if e.LastOffset <= last || e.FirstOffset >= e.LastOffset || e.FirstOffset < 0 { // the marker follows the records
			return nil, fmt.Errorf("%w: aborted transaction %d spans [%d, %d]", errCorruptIndex, len(entries), e.FirstOffset, e.LastOffset)
		}
		entries, last = append(entries, e), e.LastOffset
	}
	return entries, nil
}

// trimZeroes cuts the zeroes that preallocation left at the end of an index that was not trimmed.
func trimZeroes(b []byte, entrySize int) []byte {
	n := len(b)
	for n > 0 && b[n-1] == 0 {
		n--
	}
	n = (n + entrySize - 1) / entrySize * entrySize
	return b[:min(n, len(b))]
}
