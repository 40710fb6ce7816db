package storage

import (
	"slices"
	"sort"
)

// How far before the first recovered segment the batches that producers had in flight are looked for: so many bytes or so many batches,
// whichever is more, in so many segments. That is enough for several dozen clients that send batches of the default size all at once, or a
// dozen with batches as large as they may be, of which the headers alone are read.
const (
	recallBytes    = 4 << 20
	recallBatches  = 64
	recallSegments = 16
)

// recall gives producers that come from a snapshot, which holds the last batch of each alone, the batches before it, from the end of the
// segments that lie below the recovered ones: a client whose answers a crash has cut off repeats all that it had in flight, and some of
// that may lie before a roll. What cannot be read is left out and is no error: the snapshot suffices for all but such repetitions.
func (l *Log) recall(byID map[int64]*producer, segments []*segment) {
	segments = segments[max(len(segments)-recallSegments, 0):]
	if len(segments) == 0 || !lacksBatches(byID, segments[0].base) {
		return
	}
	seen := map[int64]*producer{}
	for _, part := range l.lastParts(segments) {
		err := l.eachHeader(part.segment, part.position, func(h *header, _ int64) error {
			if byID[h.producerID] == nil {
				return nil
			}
			p := seen[h.producerID]
			if p == nil {
				p = new(producer)
				*p = emptyProducer()
				seen[h.producerID] = p
			}
			p.setEpoch(h.producerEpoch)
			if !h.control() {
				p.push(batchOf(h))
			}
			return nil
		})
		if err != nil {
			clear(seen) // what comes behind the gap counts
		}
	}
	remember(byID, seen)
}

// part is a segment from a batch on.
type part struct {
	segment  *segment
	position int64
}

// lastParts are the ends of the segments in which recall looks, in their order.
func (l *Log) lastParts(segments []*segment) []part {
	var parts []part
	bytes, batches := int64(recallBytes), recallBatches
	for _, s := range slices.Backward(segments) {
		size, err := l.sizeOf(s)
		if err != nil {
			break
		}
		x := &segmentIndex{} // as it is in the file, which is not made anew for this
		if b, err := readFile(l.engine.fs, l.segmentPath(s.base, offsetIndexSuffix)); err == nil {
			x.offsets, _ = parseOffsetIndex(trimZeroes(b, offsetEntrySize), size)
		}
		if len(x.offsets) == 0 && size > max(bytes, int64(l.config.IndexIntervalBytes)) {
			break
		}
		position := x.at(size - bytes)
		if n := len(x.offsets); batches > 0 && batches <= n {
			position = min(position, int64(x.offsets[n-batches].position))
		} else if batches > n {
			position = 0
		}
		parts = append(parts, part{s, position})
		bytes, batches = bytes-size, batches-len(x.offsets)
		if position > 0 || bytes <= 0 && batches <= 0 {
			break
		}
	}
	slices.Reverse(parts)
	return parts
}

// lacksBatches tells whether a producer wrote at or behind an offset and fewer batches of it are known than are kept.
func lacksBatches(byID map[int64]*producer, offset int64) bool {
	for _, p := range byID {
		if p.count < batchesKept && p.lastOffset() >= offset {
			return true
		}
	}
	return false
}

// remember gives producers the batches before their last one, if seen has more of them up to that same batch.
func remember(byID, seen map[int64]*producer) {
	for id, p := range byID {
		other := seen[id]
		if other == nil || other.epoch != p.epoch || p.count == 0 || other.count <= p.count ||
			other.lastOffset() != p.lastOffset() || other.lastSequence() != p.lastSequence() {
			continue
		}
		p.batches, p.count = other.batches, other.count
	}
}

// at is the position of the last entry at or before one in the segment's file, 0 if there is none.
func (x *segmentIndex) at(position int64) int64 {
	i := sort.Search(len(x.offsets), func(i int) bool { return int64(x.offsets[i].position) > position })
	if i == 0 {
		return 0
	}
	return int64(x.offsets[i-1].position)
}
