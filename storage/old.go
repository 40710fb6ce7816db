package storage

import (
	"encoding/binary"
	"fmt"

	"ottla/protocol/record"
	"ottla/storage/vfs"
)

// Messages of magic 0 and 1 lie in old directories. They are kept as they are, read and recovered; none is ever made.

// The places of what storage needs in such a message.
const (
	oldCRCAt        = 12
	oldAttributesAt = 17
	oldTimestampAt  = 18 // of magic 1
	oldAttributes   = 0x0f
)

// old tells whether this is a message of magic 0 or 1.
func (h *header) old() bool { return h.magic < 2 }

// compressed tells whether the records are.
func (h *header) compressed() bool { return h.attributes&7 != 0 }

// parseOld takes what such a message says of itself; base offset, size and magic are there already.
func (h *header) parseOld(b []byte) {
	h.lastOffset, h.maxTimestamp, h.leaderEpoch = h.baseOffset, -1, -1
	h.producerID, h.producerEpoch, h.baseSequence = -1, -1, -1
	h.attributes = int16(b[oldAttributesAt] & oldAttributes)
	if h.magic == 1 {
		h.maxTimestamp = int64(binary.BigEndian.Uint64(b[oldTimestampAt:]))
	}
	if !h.compressed() {
		h.recordCount = 1
	}
}

// unfoldOld looks into a compressed message for its first offset and its number of records. A message that cannot be decompressed stays as
// it is: it is kept for its checksum, as Apache Kafka keeps it, and only who reads its records meets the error.
func (h *header) unfoldOld(message []byte) {
	first, count, err := record.Legacy(message).Span(record.Limits{})
	if err == nil && first <= h.lastOffset {
		h.baseOffset, h.recordCount = first, int32(count)
	}
}

// holdsOld tells whether the message at a position holds an offset below its last. An index from the time of magic 0 and 1 names a wrapper by
// its first offset, and leads to it for the others within.
func holdsOld(f vfs.File, h *header, position, offset int64) bool {
	if !h.old() || !h.compressed() {
		return false
	}
	message := make([]byte, h.size)
	if readFull(f, message, position) != nil {
		return false
	}
	first, _, err := record.Legacy(message).Span(record.Limits{})
	return err == nil && first <= offset
}

// eachOld is eachRecord for a message of magic 0 or 1.
func eachOld(h *header, message []byte, fn func(timestamp, offset int64) bool) error {
	if !h.compressed() {
		fn(h.maxTimestamp, h.lastOffset)
		return nil
	}
	for r, err := range record.Legacy(message).Records(record.Limits{}) {
		if err != nil {
			return fmt.Errorf("%w: offset %d: %w", errBadRecords, h.baseOffset, err)
		}
		if !fn(r.Timestamp, r.Offset) {
			return nil
		}
	}
	return nil
}

// timeOf is the largest timestamp of a segment; timeless: no record has one, and it is the time of the file.
func (l *Log) timeOf(s *segment) (timestamp int64, timeless bool, err error) {
	timestamp, _, err = l.largestTimestamp(s)
	if err != nil || timestamp >= 0 {
		return timestamp, false, err
	}
	info, err := l.engine.fs.Stat(s.handle.path)
	return info.ModTime, true, err
}
