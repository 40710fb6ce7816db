package api

import (
	"encoding/binary"
	"hash/crc32"
)

// testTime is the timestamp of the first record of a test's batches.
const testTime = 1_700_000_000_000

// testBatch is a record batch that need not be a good one. The zero value of
// each pointer means what is right.
type testBatch struct {
	baseOffset      int64
	magic           int8 // 0 means 2
	attributes      int16
	lastOffsetDelta *int32
	timestamp       int64 // 0 means testTime
	producerID      int64 // 0 means −1
	producerEpoch   int16
	sequence        int32
	count           *int32
	keys            []string // "" is a null key
	values          []string
	body            []byte // in place of the records
	length          *int32
	badCRC          bool
}

func values(values ...string) testBatch {
	keys := make([]string, len(values))
	for i := range keys {
		keys[i] = "k"
	}
	return testBatch{keys: keys, values: values}
}

func (b testBatch) with(change func(*testBatch)) testBatch {
	change(&b)
	return b
}

// idempotent gives the batch a producer.
func (b testBatch) idempotent(producer int64, epoch int16, sequence int32) testBatch {
	b.producerID, b.producerEpoch, b.sequence = producer, epoch, sequence
	return b
}

func orElse[T any](value *T, otherwise T) T {
	if value != nil {
		return *value
	}
	return otherwise
}

func (b testBatch) bytes() []byte {
	n := int32(len(b.values))
	body := b.body
	if body == nil {
		for i := range b.values {
			body = append(body, testRecord(int64(i), int64(i), b.keys[i], b.values[i])...)
		}
	}
	if b.timestamp == 0 {
		b.timestamp = testTime
	}
	if b.magic == 0 {
		b.magic = 2
	}
	epoch, sequence := b.producerEpoch, b.sequence
	if b.producerID == 0 {
		b.producerID, epoch, sequence = -1, -1, -1
	}
	out := binary.BigEndian.AppendUint64(nil, uint64(b.baseOffset))
	out = binary.BigEndian.AppendUint32(out, uint32(orElse(b.length, int32(49+len(body)))))
	out = binary.BigEndian.AppendUint32(out, 0xffffffff)
	out = append(out, byte(b.magic), 0, 0, 0, 0)
	out = binary.BigEndian.AppendUint16(out, uint16(b.attributes))
	out = binary.BigEndian.AppendUint32(out, uint32(orElse(b.lastOffsetDelta, n-1)))
	out = binary.BigEndian.AppendUint64(out, uint64(b.timestamp))
	out = binary.BigEndian.AppendUint64(out, uint64(b.timestamp+int64(n)-1))
	out = binary.BigEndian.AppendUint64(out, uint64(b.producerID))
	out = binary.BigEndian.AppendUint16(out, uint16(epoch))
	out = binary.BigEndian.AppendUint32(out, uint32(sequence))
	out = binary.BigEndian.AppendUint32(out, uint32(orElse(b.count, n)))
	out = append(out, body...)
	sum := crc32.Checksum(out[21:], crc32.MakeTable(crc32.Castagnoli))
	if b.badCRC {
		sum++
	}
	binary.BigEndian.PutUint32(out[17:], sum)
	return out
}

// testRecord is one record of a batch.
func testRecord(timestampDelta, offsetDelta int64, key, value string) []byte {
	fields := []byte{0}
	fields = binary.AppendVarint(fields, timestampDelta)
	fields = binary.AppendVarint(fields, offsetDelta)
	if key == "" {
		fields = binary.AppendVarint(fields, -1)
	} else {
		fields = append(binary.AppendVarint(fields, int64(len(key))), key...)
	}
	fields = append(binary.AppendVarint(fields, int64(len(value))), value...)
	fields = binary.AppendVarint(fields, 0)
	return append(binary.AppendVarint(nil, int64(len(fields))), fields...)
}
