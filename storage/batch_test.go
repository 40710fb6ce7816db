package storage

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// testBatch makes record batches for tests; zero values mean one record of a client without a producer id.
type testBatch struct {
	timestamps    []int64 // one a record; nil: one of 1000
	value         string
	producerID    int64 // 0: none
	epoch         int16
	sequence      int32
	transactional bool
	marker        *endMarker // makes it a control batch
	offset        int64      // for replicated batches
	leaderEpoch   int32
}

func (t testBatch) bytes() []byte {
	timestamps := t.timestamps
	if timestamps == nil {
		timestamps = []int64{1000}
	}
	base, largest := timestamps[0], timestamps[0]
	var records []byte
	for i, timestamp := range timestamps {
		largest = max(largest, timestamp)
		key, value := []byte(nil), []byte(t.value)
		if t.marker != nil {
			key, value = []byte{0, 0, 0, 1}, binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(t.marker.coordinatorEpoch))
			if t.marker.aborted {
				key[3] = 0
			}
		}
		r := []byte{0}
		r = binary.AppendVarint(r, timestamp-base)
		r = binary.AppendVarint(r, int64(i))
		if key == nil {
			r = binary.AppendVarint(r, -1)
		} else {
			r = append(binary.AppendVarint(r, int64(len(key))), key...)
		}
		r = append(binary.AppendVarint(r, int64(len(value))), value...)
		r = binary.AppendVarint(r, 0)
		records = append(binary.AppendVarint(records, int64(len(r))), r...)
	}
	b := make([]byte, headerSize, headerSize+len(records))
	binary.BigEndian.PutUint64(b, uint64(t.offset))
	binary.BigEndian.PutUint32(b[lengthAt:], uint32(headerSize-overhead+len(records)))
	binary.BigEndian.PutUint32(b[leaderEpochAt:], uint32(t.leaderEpoch))
	b[magicAt] = 2
	var attributes uint16
	if t.transactional {
		attributes |= attributeTransactional
	}
	if t.marker != nil {
		attributes |= attributeTransactional | attributeControl
	}
	binary.BigEndian.PutUint16(b[attributesAt:], attributes)
	binary.BigEndian.PutUint32(b[lastOffsetDeltaAt:], uint32(len(timestamps)-1))
	binary.BigEndian.PutUint64(b[baseTimestampAt:], uint64(base))
	binary.BigEndian.PutUint64(b[maxTimestampAt:], uint64(largest))
	id, epoch, sequence := t.producerID, t.epoch, t.sequence
	if id == 0 {
		id, epoch, sequence = -1, -1, -1
	}
	if t.marker != nil {
		sequence = -1
	}
	binary.BigEndian.PutUint64(b[producerIDAt:], uint64(id))
	binary.BigEndian.PutUint16(b[producerEpochAt:], uint16(epoch))
	binary.BigEndian.PutUint32(b[baseSequenceAt:], uint32(sequence))
	binary.BigEndian.PutUint32(b[recordCountAt:], uint32(len(timestamps)))
	b = append(b, records...)
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[attributesAt:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// numbered is a batch of n records that carries a number, to tell batches apart.
func numbered(number, n int) testBatch {
	timestamps := make([]int64, n)
	for i := range timestamps {
		timestamps[i] = int64(1000 + number)
	}
	return testBatch{timestamps: timestamps, value: fmt.Sprintf("batch %06d", number)}
}
