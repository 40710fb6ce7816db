package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"ottla/storage/vfs"
)

// The places of what storage needs in a record batch's header.
const (
	lengthAt          = 8
	leaderEpochAt     = 12
	magicAt           = 16
	attributesAt      = 21
	lastOffsetDeltaAt = 23
	maxTimestampAt    = 35
	producerIDAt      = 43
	producerEpochAt   = 51
	baseSequenceAt    = 53
	recordCountAt     = 57
	headerSize        = 61
	overhead          = 12 // base offset and length, in front of what the length counts
	oldHeaderSize     = 26 // what a magic 0 or 1 message has at least up to its timestamp
)

const (
	attributeTransactional = 1 << 4
	attributeControl       = 1 << 5
	attributeLogAppendTime = 1 << 3
)

// header is what a batch says of itself. Of a message of magic 0 or 1 (of an old directory) the fields of producers are as without one, and
// where it is compressed its base offset is that of its last record: the first one's lies within, and the record count is 0.
type header struct {
	baseOffset   int64
	lastOffset   int64
	maxTimestamp int64
	size         int // of the whole batch
	magic        int8
	leaderEpoch  int32

	attributes    int16
	producerID    int64
	producerEpoch int16
	baseSequence  int32
	recordCount   int32
}

func (h *header) transactional() bool { return h.attributes&attributeTransactional != 0 }
func (h *header) control() bool       { return h.attributes&attributeControl != 0 }

// lastSequence wraps as Kafka's sequences do: after the largest int32 comes 0.
func (h *header) lastSequence() int32 {
	if h.baseSequence < 0 {
		return -1
	}
	return addSequence(h.baseSequence, int32(h.lastOffset-h.baseOffset))
}

func addSequence(sequence, delta int32) int32 {
	if sequence > 1<<31-1-delta {
		return delta - (1<<31 - 1 - sequence) - 1
	}
	return sequence + delta
}

var errNoBatch = errors.New("not a record batch")

// parseHeader reads the header at the start of b, which holds at least headerSize bytes or all there is.
func parseHeader(b []byte) (h header, err error) {
	if len(b) < oldHeaderSize {
		return h, fmt.Errorf("%w: %d bytes left", errNoBatch, len(b))
	}
	h.baseOffset = int64(binary.BigEndian.Uint64(b))
	length := int32(binary.BigEndian.Uint32(b[lengthAt:]))
	h.magic = int8(b[magicAt])
	h.size = int(length) + overhead
	minimum := headerSize
	if h.magic == 0 || h.magic == 1 {
		minimum = oldHeaderSize
	}
	if length < 0 || h.size < minimum || h.baseOffset < 0 || h.magic < 0 || h.magic > 2 {
		return h, fmt.Errorf("%w: offset %d, length %d, magic %d", errNoBatch, h.baseOffset, length, h.magic)
	}
	if h.magic < 2 {
		h.parseOld(b)
		return h, nil
	}
	if len(b) < headerSize {
		return h, fmt.Errorf("%w: %d bytes left", errNoBatch, len(b))
	}
	h.leaderEpoch = int32(binary.BigEndian.Uint32(b[leaderEpochAt:]))
	h.attributes = int16(binary.BigEndian.Uint16(b[attributesAt:]))
	delta := int32(binary.BigEndian.Uint32(b[lastOffsetDeltaAt:]))
	h.lastOffset = h.baseOffset + int64(delta)
	h.maxTimestamp = int64(binary.BigEndian.Uint64(b[maxTimestampAt:]))
	h.producerID = int64(binary.BigEndian.Uint64(b[producerIDAt:]))
	h.producerEpoch = int16(binary.BigEndian.Uint16(b[producerEpochAt:]))
	h.baseSequence = int32(binary.BigEndian.Uint32(b[baseSequenceAt:]))
	h.recordCount = int32(binary.BigEndian.Uint32(b[recordCountAt:]))
	if delta < 0 || h.lastOffset < h.baseOffset {
		return h, fmt.Errorf("%w: last offset delta %d", errNoBatch, delta)
	}
	return h, nil
}

// scanner walks over the headers of the batches in a file, reading little.
type scanner struct {
	file     vfs.File
	buffer   []byte // of the engine's pool
	start    int64  // position of buffer[0]
	filled   int
	position int64 // of the next batch
	end      int64
	large    bool // the last batch was larger than the buffer
}

func newScanner(f vfs.File, buffer []byte, position, end int64) scanner {
	return scanner{file: f, buffer: buffer, start: position, position: position, end: end}
}

// next gives the header of the next batch and its position. io.EOF at the end, errNoBatch (wrapped) where the bytes are no batch or the
// batch does not end before end.
func (s *scanner) next() (h header, position int64, err error) {
	if s.position >= s.end {
		return h, s.position, io.EOF
	}
	want := min(int64(headerSize), s.end-s.position)
	if s.position < s.start || s.position+want > s.start+int64(s.filled) {
		n := int(min(int64(len(s.buffer)), s.end-s.position))
		if s.large {
			n = int(want) // the next header is unlikely to lie within the same buffer
		}
		if err := readFull(s.file, s.buffer[:n], s.position); err != nil {
			return h, s.position, err
		}
		s.start, s.filled = s.position, n
	}
	at := int(s.position - s.start)
	h, err = parseHeader(s.buffer[at : at+int(want)])
	if err != nil {
		return h, s.position, err
	}
	if s.position+int64(h.size) > s.end {
		return h, s.position, fmt.Errorf("%w: batch of %d bytes, %d left", errNoBatch, h.size, s.end-s.position)
	}
	s.large = h.size > len(s.buffer)
	position = s.position
	s.position += int64(h.size)
	return h, position, nil
}

// buffer takes a scan buffer from the pool; give it back with e.buffers.Put.
func (e *engine) buffer() *[]byte { return e.buffers.Get().(*[]byte) }
