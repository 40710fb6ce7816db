package record

import (
	"encoding/binary"
	"fmt"
)

// Header is a header of a record. A nil Value is null.
type Header struct {
	Key   string
	Value []byte
}

// BuilderOptions describe the batch to build. −1 means none, as on the wire.
type BuilderOptions struct {
	BaseOffset  int64
	LeaderEpoch int32
	Codec       Codec
	// Level is the codec's own; 0 is its default.
	Level         int
	TimestampType TimestampType
	// LogAppendTime is the batch's maximal timestamp where TimestampType is LogAppendTime.
	LogAppendTime int64
	ProducerID    int64
	ProducerEpoch int16
	BaseSequence  int32
	Transactional bool
	Control       bool
	// Memory is what the batch is built in, as far as it reaches; nil: new memory.
	Memory []byte
}

// Builder builds one batch. It is not safe for concurrent use.
type Builder struct {
	options       BuilderOptions
	count         int32
	baseTimestamp int64
	maxTimestamp  int64
	bytes         []byte // a header yet to be filled in, and the records
}

// NewBuilder starts a batch. A codec that is not known is a bug.
func NewBuilder(options BuilderOptions) *Builder {
	if !options.Codec.Known() {
		panic(fmt.Sprintf("BUG: record batch with codec %d", options.Codec))
	}
	b := &Builder{options: options, baseTimestamp: NoTimestamp, maxTimestamp: NoTimestamp}
	if cap(options.Memory) < BatchOverhead {
		b.bytes = make([]byte, BatchOverhead)
		return b
	}
	b.bytes = options.Memory[:BatchOverhead]
	clear(b.bytes)
	return b
}

// Append adds a record with the next offset. A nil key or value is null.
func (b *Builder) Append(timestamp int64, key, value []byte, headers ...Header) {
	size := fieldSize(key) + fieldSize(value) + varintSize(int32(len(headers)))
	for _, h := range headers {
		size += varintSize(int32(len(h.Key))) + len(h.Key) + fieldSize(h.Value)
	}
	b.head(timestamp, b.count, 0, size)
	b.bytes = appendField(b.bytes, key)
	b.bytes = appendField(b.bytes, value)
	b.bytes = appendVarint(b.bytes, int32(len(headers)))
	for _, h := range headers {
		b.bytes = appendVarint(b.bytes, int32(len(h.Key)))
		b.bytes = append(b.bytes, h.Key...)
		b.bytes = appendField(b.bytes, h.Value)
	}
}

// appendTail adds a record whose key, value and headers are encoded already.
func (b *Builder) appendTail(timestamp int64, tail []byte) {
	b.head(timestamp, b.count, 0, len(tail))
	b.bytes = append(b.bytes, tail...)
}

// head writes all of a record that precedes its key.
func (b *Builder) head(timestamp int64, offsetDelta int32, attributes int8, tail int) {
	if b.count == 0 {
		b.baseTimestamp = timestamp
	}
	b.count++
	b.maxTimestamp = max(b.maxTimestamp, timestamp)
	delta := timestamp - b.baseTimestamp
	b.bytes = appendVarint(b.bytes, int32(1+varlongSize(delta)+varintSize(offsetDelta)+tail))
	b.bytes = append(b.bytes, byte(attributes))
	b.bytes = appendVarlong(b.bytes, delta)
	b.bytes = appendVarint(b.bytes, offsetDelta)
}

// Count is the number of records.
func (b *Builder) Count() int { return int(b.count) }

// Size is that of the batch without compression.
func (b *Builder) Size() int { return len(b.bytes) }

// Build gives the batch. The builder must not be used after it.
func (b *Builder) Build() Batch {
	o := b.options
	batch := Batch(b.bytes)
	if o.Codec != CodecNone {
		head := make([]byte, BatchOverhead, BatchOverhead+len(b.bytes)/2)
		batch = Compress(head, b.bytes[BatchOverhead:], o.Codec, o.Level)
	}
	attributes := Attributes(o.Codec)
	maxTimestamp := b.maxTimestamp
	if o.TimestampType == LogAppendTime {
		attributes |= AttributeLogAppendTime
		maxTimestamp = o.LogAppendTime
	}
	if o.Transactional {
		attributes |= AttributeTransactional
	}
	if o.Control {
		attributes |= AttributeControl
	}
	put32 := func(at int, v int32) { binary.BigEndian.PutUint32(batch[at:], uint32(v)) }
	put64 := func(at int, v int64) { binary.BigEndian.PutUint64(batch[at:], uint64(v)) }
	put64(baseOffsetAt, o.BaseOffset)
	put32(lengthAt, int32(len(batch)-LogOverhead))
	put32(leaderEpochAt, o.LeaderEpoch)
	batch[magicAt] = byte(currentMagic)
	binary.BigEndian.PutUint16(batch[attributesAt:], uint16(attributes))
	put32(lastOffsetDeltaAt, max(b.count-1, 0))
	put64(baseTimestampAt, b.baseTimestamp)
	put64(maxTimestampAt, maxTimestamp)
	put64(producerIDAt, o.ProducerID)
	binary.BigEndian.PutUint16(batch[producerEpochAt:], uint16(o.ProducerEpoch))
	put32(baseSequenceAt, o.BaseSequence)
	put32(recordCountAt, b.count)
	binary.BigEndian.PutUint32(batch[crcAt:], checksum(batch))
	return batch
}

func fieldSize(field []byte) int {
	if field == nil {
		return 1
	}
	return varintSize(int32(len(field))) + len(field)
}

func appendField(dst, field []byte) []byte {
	if field == nil {
		return appendVarint(dst, -1)
	}
	return append(appendVarint(dst, int32(len(field))), field...)
}
