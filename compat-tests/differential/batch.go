package differential

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// batch describes a record batch to be sent; the zero value with some values is a plain one.
type batch struct {
	values, keys   []string
	time           int64
	producerID     int64 // 0 stands for none; use noProducer for an explicit one
	epoch          int16
	sequence       int32
	attributes     int16
	baseOffset     int64
	change         func(raw []byte) []byte
	lastDelta      int32 // added to what is right
	count          int32 // added to what is right
	badCRC         bool
	nullKeys       bool
	idempotentFrom bool
}

// bytes encodes the batch, by kmsg and the layout of the format alone.
func (b batch) bytes() []byte {
	time := b.time
	if time == 0 {
		time = now
	}
	var records []byte
	for i, value := range b.values {
		record := kmsg.NewRecord()
		record.OffsetDelta = int32(i)
		record.TimestampDelta64 = int64(i)
		record.Value = []byte(value)
		if i < len(b.keys) && !b.nullKeys {
			record.Key = []byte(b.keys[i])
		}
		record.Length = int32(len(record.AppendTo(nil)) - 1)
		body := record.AppendTo(nil)
		// The length is a zigzag varint before the body, so its own size is taken out again.
		record.Length = int32(len(body) - varintSize(record.Length))
		for varintSize(record.Length) != len(record.AppendTo(nil))-int(record.Length) {
			record.Length = int32(len(record.AppendTo(nil)) - varintSize(record.Length))
		}
		records = record.AppendTo(records)
	}
	producerID, epoch, sequence := int64(-1), int16(-1), int32(-1)
	if b.idempotentFrom {
		producerID, epoch, sequence = b.producerID, b.epoch, b.sequence
	}
	n := int32(len(b.values))
	raw := binary.BigEndian.AppendUint64(nil, uint64(b.baseOffset))
	raw = binary.BigEndian.AppendUint32(raw, uint32(49+len(records)))
	raw = binary.BigEndian.AppendUint32(raw, 0xffffffff)
	raw = append(raw, 2)
	raw = binary.BigEndian.AppendUint32(raw, 0)
	raw = binary.BigEndian.AppendUint16(raw, uint16(b.attributes))
	raw = binary.BigEndian.AppendUint32(raw, uint32(n-1+b.lastDelta))
	raw = binary.BigEndian.AppendUint64(raw, uint64(time))
	raw = binary.BigEndian.AppendUint64(raw, uint64(time+int64(max(n-1, 0))))
	raw = binary.BigEndian.AppendUint64(raw, uint64(producerID))
	raw = binary.BigEndian.AppendUint16(raw, uint16(epoch))
	raw = binary.BigEndian.AppendUint32(raw, uint32(sequence))
	raw = binary.BigEndian.AppendUint32(raw, uint32(n+b.count))
	raw = append(raw, records...)
	seal(raw)
	if b.badCRC {
		raw[17] ^= 0xff
	}
	if b.change != nil {
		raw = b.change(raw)
	}
	return raw
}

// seal sets the CRC.
func seal(raw []byte) {
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
}

func varintSize(v int32) int {
	return len(binary.AppendVarint(nil, int64(v)))
}
