package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// endMarker is the record of a control batch that ends a transaction.
type endMarker struct {
	timestamp        int64
	coordinatorEpoch int32
	aborted          bool
}

var errBadMarker = errors.New("control batch holds no end marker")

const baseTimestampAt = 27

// parseEndMarker reads the one record of a control batch of a producer: key {version, type}, value {version, coordinator epoch}.
func parseEndMarker(h *header, batch []byte) (endMarker, error) {
	bad := func() (endMarker, error) {
		return endMarker{}, fmt.Errorf("%w: offset %d", errBadMarker, h.baseOffset)
	}
	if h.attributes&7 != 0 || len(batch) < headerSize {
		return bad()
	}
	b := batch[headerSize:]
	varint := func() int64 {
		v, n := binary.Varint(b)
		if n <= 0 {
			b = nil
			return -1
		}
		b = b[n:]
		return v
	}
	field := func() []byte {
		n := varint()
		if n < 0 || n > int64(len(b)) {
			b = nil
			return nil
		}
		f := b[:n]
		b = b[n:]
		return f
	}
	varint() // length
	if len(b) == 0 {
		return bad()
	}
	b = b[1:] // attributes
	timestamp := int64(binary.BigEndian.Uint64(batch[baseTimestampAt:])) + varint()
	varint() // offset delta
	key, value := field(), field()
	if len(key) < 4 || len(value) < 6 {
		return bad()
	}
	kind := int16(binary.BigEndian.Uint16(key[2:]))
	if kind != 0 && kind != 1 {
		return bad()
	}
	if h.attributes&attributeLogAppendTime != 0 {
		timestamp = h.maxTimestamp
	}
	return endMarker{timestamp, int32(binary.BigEndian.Uint32(value[2:])), kind == 0}, nil
}
