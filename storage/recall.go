package storage

import (
	"errors"
	"sort"
)

// recallSize is how much of the log before the first recovered segment is looked at for the batches that producers had in flight:
// several dozen clients that send batches of their default size all at once.
const recallSize = 4 << 20

// recall gives producers that come from a snapshot, which holds the last batch of each alone, the batches before it, from the end of the
// segments that lie below the recovered ones: a client whose answers a crash has cut off repeats all that it had in flight, and some of
// that may lie before a roll. Damage there ends the search and is no error: the snapshot suffices for all but such repetitions.
func (l *Log) recall(byID map[int64]*producer, segments []*segment) error {
	first, left := len(segments), int64(recallSize)
	for first > 0 && left > 0 {
		size, err := l.sizeOf(segments[first-1])
		if err != nil {
			return err
		}
		left -= size
		first--
	}
	if segments = segments[first:]; len(segments) == 0 || !lacksBatches(byID, segments[0].base) {
		return nil
	}
	seen := map[int64]*producer{}
	for i, s := range segments {
		position := int64(0)
		if i == 0 && left < 0 {
			x, err := l.indexOf(s)
			if err != nil {
				return err
			}
			position = x.at(-left)
		}
		err := l.eachHeader(s, position, func(h *header, _ int64) error {
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
		if errors.Is(err, errNoBatch) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	remember(byID, seen)
	return nil
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
