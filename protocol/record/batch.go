package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

// Where the fields of a batch are. Base offset and leader epoch are before the
// checksum and outside of it, so that a broker can set them.
const (
	baseOffsetAt      = 0
	lengthAt          = 8
	leaderEpochAt     = 12
	magicAt           = 16
	crcAt             = 17
	attributesAt      = 21
	lastOffsetDeltaAt = 23
	baseTimestampAt   = 27
	maxTimestampAt    = 35
	producerIDAt      = 43
	producerEpochAt   = 51
	baseSequenceAt    = 53
	recordCountAt     = 57
)

const (
	// BatchOverhead is the size of a batch's header, and of a batch without records.
	BatchOverhead = 61
	// LogOverhead is what precedes the bytes that the length of a batch counts.
	LogOverhead = 12

	headerUpToMagic      = 17
	smallestLegacy       = 14 // the overhead of a message of magic 0
	currentMagic    int8 = 2
)

// Attributes are the flags of a batch. Only the low byte is in use; Kafka
// ignores the other.
type Attributes int16

// The bits of Attributes; the low three are the Codec.
const (
	AttributeLogAppendTime Attributes = 1 << 3
	AttributeTransactional Attributes = 1 << 4
	AttributeControl       Attributes = 1 << 5
	AttributeDeleteHorizon Attributes = 1 << 6

	codecMask Attributes = 7
	usedMask  Attributes = 0x7f
)

// Codec is the compression that the attributes tell; it need not be a known one.
func (a Attributes) Codec() Codec { return Codec(a & codecMask) }

// TimestampType tells whether the timestamps are the producers' or the log's.
func (a Attributes) TimestampType() TimestampType {
	if a&AttributeLogAppendTime != 0 {
		return LogAppendTime
	}
	return CreateTime
}

// TimestampType is message.timestamp.type.
type TimestampType int8

// The timestamp types.
const (
	CreateTime    TimestampType = 0
	LogAppendTime TimestampType = 1
)

// String is the value of message.timestamp.type.
func (t TimestampType) String() string {
	switch t {
	case NoTimestampType:
		return "NoTimestampType"
	case LogAppendTime:
		return "LogAppendTime"
	}
	return "CreateTime"
}

// What stands for "none" in the fields of a batch.
const (
	NoTimestamp     int64 = -1
	NoProducerID    int64 = -1
	NoProducerEpoch int16 = -1
	NoSequence      int32 = -1
	NoLeaderEpoch   int32 = -1
)

var (
	// ErrIncomplete tells that there are fewer bytes than the batch has.
	ErrIncomplete = errors.New("record batch is not complete")
	// ErrCorrupt is wrapped by errors about bytes that are no batch.
	ErrCorrupt = errors.New("record batch is corrupt")
	// ErrLegacy tells that what comes is a message of magic 0 or 1. NextFrame walks over it.
	ErrLegacy = errors.New("message set of magic 0 or 1")
)

// corrupt is an ErrCorrupt with Kafka's sentence as its text.
type corrupt string

func (c corrupt) Error() string   { return string(c) }
func (corrupt) Is(err error) bool { return err == ErrCorrupt }

// Batch is exactly one whole record batch of magic 2. Its methods read and write
// the bytes in place; only what Next or a Builder returned may be used so.
type Batch []byte

// Next splits the first batch off b by its framing alone: neither checksum nor
// records are looked at. The error is ErrIncomplete, ErrLegacy or wraps ErrCorrupt.
func Next(b []byte) (batch Batch, rest []byte, err error) {
	frame, magic, rest, err := NextFrame(b)
	if err != nil {
		return nil, b, err
	}
	if magic < currentMagic {
		return nil, b, ErrLegacy
	}
	if len(frame) < BatchOverhead {
		return nil, b, tooSmall(len(frame))
	}
	return Batch(frame), rest, nil
}

// NextFrame splits the first entry of any magic off b: a batch of magic 2, that
// may be too short to be one, or a message of magic 0 or 1, which begins with its
// offset (of its last message, if it is compressed) too. The error is
// ErrIncomplete or wraps ErrCorrupt.
func NextFrame(b []byte) (frame []byte, magic int8, rest []byte, err error) {
	if len(b) < LogOverhead {
		return nil, 0, b, ErrIncomplete
	}
	length := int32(binary.BigEndian.Uint32(b[lengthAt:]))
	if length < smallestLegacy {
		return nil, 0, b, corrupt(fmt.Sprintf("Record size %d is less than the minimum record overhead (%d)", length, smallestLegacy))
	}
	if len(b) < headerUpToMagic {
		return nil, 0, b, ErrIncomplete
	}
	magic = int8(b[magicAt])
	if magic < 0 || magic > currentMagic {
		return nil, magic, b, corrupt(fmt.Sprintf("Invalid magic found in record: %d", magic))
	}
	size := int64(length) + LogOverhead
	if int64(len(b)) < size {
		return nil, magic, b, ErrIncomplete
	}
	return b[:size:size], magic, b[size:], nil
}

func tooSmall(size int) error {
	return corrupt(fmt.Sprintf("Record batch is corrupt (the size %d is smaller than the minimum allowed overhead %d)", size, BatchOverhead))
}

func (b Batch) int32(at int) int32 { return int32(binary.BigEndian.Uint32(b[at:])) }
func (b Batch) int64(at int) int64 { return int64(binary.BigEndian.Uint64(b[at:])) }

// BaseOffset is the offset of the first record (of the first that there was, after compaction).
func (b Batch) BaseOffset() int64 { return b.int64(baseOffsetAt) }

// LastOffset is the offset of the last record.
func (b Batch) LastOffset() int64 { return b.BaseOffset() + int64(b.LastOffsetDelta()) }

// NextOffset is the offset after the last record.
func (b Batch) NextOffset() int64 { return b.LastOffset() + 1 }

// LastOffsetDelta is LastOffset − BaseOffset.
func (b Batch) LastOffsetDelta() int32 { return b.int32(lastOffsetDeltaAt) }

// PartitionLeaderEpoch is the epoch of the leader that appended the batch.
func (b Batch) PartitionLeaderEpoch() int32 { return b.int32(leaderEpochAt) }

// Magic is 2.
func (b Batch) Magic() int8 { return int8(b[magicAt]) }

// CRC is the stored checksum, a CRC-32C of all from the attributes to the end.
func (b Batch) CRC() uint32 { return binary.BigEndian.Uint32(b[crcAt:]) }

// CheckCRC tells whether the stored checksum is that of the bytes.
func (b Batch) CheckCRC() bool { return b.CRC() == checksum(b) }

// Attributes are the flags of the batch.
func (b Batch) Attributes() Attributes {
	return Attributes(binary.BigEndian.Uint16(b[attributesAt:]))
}

// Codec is the compression of the records; it need not be a known one.
func (b Batch) Codec() Codec { return b.Attributes().Codec() }

// TimestampType tells whose the timestamps are.
func (b Batch) TimestampType() TimestampType { return b.Attributes().TimestampType() }

// IsTransactional tells whether the batch is part of a transaction.
func (b Batch) IsTransactional() bool { return b.Attributes()&AttributeTransactional != 0 }

// IsControl tells whether the records are control records.
func (b Batch) IsControl() bool { return b.Attributes()&AttributeControl != 0 }

// DeleteHorizon is the time in ms from which on tombstones and markers may go, if
// the cleaner has set one. The base timestamp holds it then.
func (b Batch) DeleteHorizon() (ms int64, ok bool) {
	if b.Attributes()&AttributeDeleteHorizon == 0 {
		return NoTimestamp, false
	}
	return b.BaseTimestamp(), true
}

// BaseTimestamp is what the records' timestamp deltas are added to.
func (b Batch) BaseTimestamp() int64 { return b.int64(baseTimestampAt) }

// MaxTimestamp is the greatest timestamp of the records, or the log append time.
func (b Batch) MaxTimestamp() int64 { return b.int64(maxTimestampAt) }

// ProducerID is −1 if the producer is not idempotent.
func (b Batch) ProducerID() int64 { return b.int64(producerIDAt) }

// ProducerEpoch is −1 if the producer is not idempotent.
func (b Batch) ProducerEpoch() int16 {
	return int16(binary.BigEndian.Uint16(b[producerEpochAt:]))
}

// BaseSequence is the sequence number of the first record, or −1.
func (b Batch) BaseSequence() int32 { return b.int32(baseSequenceAt) }

// LastSequence is the sequence number of the last record, or −1. Sequences go on with 0 after 2^31−1.
func (b Batch) LastSequence() int32 {
	if b.BaseSequence() == NoSequence {
		return NoSequence
	}
	return IncrementSequence(b.BaseSequence(), b.LastOffsetDelta())
}

// RecordCount is the number of records that the header claims.
func (b Batch) RecordCount() int32 { return b.int32(recordCountAt) }

// SetBaseOffset moves the batch to an offset. The checksum stays right.
func (b Batch) SetBaseOffset(offset int64) {
	binary.BigEndian.PutUint64(b[baseOffsetAt:], uint64(offset))
}

// SetPartitionLeaderEpoch sets the leader epoch. The checksum stays right.
func (b Batch) SetPartitionLeaderEpoch(epoch int32) {
	binary.BigEndian.PutUint32(b[leaderEpochAt:], uint32(epoch))
}

// setMaxTimestamp sets the timestamp type and the maximum, and the checksum if
// one of them was another. The attributes that are not in use are cleared then,
// as Kafka clears them.
func (b Batch) setMaxTimestamp(kind TimestampType, timestamp int64) bool {
	if b.TimestampType() == kind && b.MaxTimestamp() == timestamp {
		return false
	}
	attributes := b.Attributes() & usedMask &^ AttributeLogAppendTime
	if kind == LogAppendTime {
		attributes |= AttributeLogAppendTime
	}
	binary.BigEndian.PutUint16(b[attributesAt:], uint16(attributes))
	binary.BigEndian.PutUint64(b[maxTimestampAt:], uint64(timestamp))
	binary.BigEndian.PutUint32(b[crcAt:], checksum(b))
	return true
}

// IncrementSequence adds to a sequence number, which goes on with 0 after 2^31−1.
func IncrementSequence(sequence, increment int32) int32 {
	sum := int64(sequence) + int64(increment)
	if sum > math.MaxInt32 {
		sum -= math.MaxInt32 + 1
	}
	return int32(sum)
}

func checksum(b Batch) uint32 {
	return crc32.Checksum(b[attributesAt:], crc32.MakeTable(crc32.Castagnoli))
}
