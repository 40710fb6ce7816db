package record

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"iter"
)

// NoTimestampType is the timestamp type of messages of magic 0, which have no timestamp.
const NoTimestampType TimestampType = -1

// Where the fields of a message of magic 0 or 1 are. The checksum covers all that is behind it.
const (
	legacyCRCAt        = 12
	legacyAttributesAt = 17
	legacyTimestampAt  = 18 // of magic 1; in magic 0 the key's size is here
	legacyKeyAt        = 26 // the key's size in magic 1

	legacyAppendTime = 1 << 3
)

// What is wrong with a compressed message.
const (
	errLegacyField      = corrupt("Found a key or a value that is longer than its message")
	errLegacyNull       = corrupt("Found invalid compressed record set with null value")
	errLegacyEmpty      = corrupt("Found invalid compressed record set with no inner records")
	errLegacyCompressed = corrupt("Inner messages must not be compressed")
	errLegacyCodec      = corrupt("Invalid wrapper compressionType found in legacy deep record iterator")
)

// Legacy is exactly one whole message of magic 0 or 1 with its offset and length in
// front, as NextFrame returned it: what logs were made of before there were record
// batches. A compressed message is a wrapper: its value holds messages that are not
// compressed, its offset is that of the last of them, and its timestamp is their
// greatest, or the time of their append.
type Legacy []byte

// NextLegacy splits the first message of magic 0 or 1 off b, where Next told ErrLegacy.
// The error is ErrIncomplete or wraps ErrCorrupt.
func NextLegacy(b []byte) (message Legacy, rest []byte, err error) {
	frame, magic, rest, err := NextFrame(b)
	if err == nil && magic >= currentMagic {
		err = corrupt(fmt.Sprintf("Invalid magic found in record: %d", magic))
	}
	if err != nil {
		return nil, b, err
	}
	return Legacy(frame), rest, nil
}

// Offset is that of the message, or of the last one within.
func (m Legacy) Offset() int64 { return int64(binary.BigEndian.Uint64(m)) }

// Magic is 0 or 1.
func (m Legacy) Magic() int8 { return int8(m[magicAt]) }

// CRC is the stored checksum, a CRC-32 (of IEEE 802.3) of all that is behind it.
func (m Legacy) CRC() uint32 { return binary.BigEndian.Uint32(m[legacyCRCAt:]) }

// CheckCRC tells whether the stored checksum is that of the bytes.
func (m Legacy) CheckCRC() bool { return m.CRC() == crc32.ChecksumIEEE(m[magicAt:]) }

// Codec is how the messages within are compressed; CodecNone: there are none. It need
// not be a known one.
func (m Legacy) Codec() Codec { return Codec(m[legacyAttributesAt] & byte(codecMask)) }

// TimestampType tells whose the timestamp is.
func (m Legacy) TimestampType() TimestampType {
	switch {
	case m.Magic() == 0:
		return NoTimestampType
	case m[legacyAttributesAt]&legacyAppendTime != 0:
		return LogAppendTime
	}
	return CreateTime
}

// Timestamp is −1 for magic 0.
func (m Legacy) Timestamp() int64 {
	if m.Magic() == 0 || len(m) < legacyKeyAt {
		return NoTimestamp
	}
	return int64(binary.BigEndian.Uint64(m[legacyTimestampAt:]))
}

// LegacyRecord is one record of a Legacy message: the message itself, or one of those
// that are compressed within. Headers there are none.
type LegacyRecord struct {
	Record
	// Message is what stands there, with the offset and the timestamp that it was given
	// when it was written, which for one of many need not be those of the record.
	Message Legacy
}

// Records gives the records of the message one after the other. An error ends them:
// it is ErrTooLarge or wraps ErrCorrupt or ErrUnknownCodec; of a wrapper that is broken
// anywhere there is no record at all. The checksums are not looked at.
func (m Legacy) Records(limits Limits) iter.Seq2[LegacyRecord, error] {
	return func(yield func(LegacyRecord, error) bool) {
		if m.Codec() == CodecNone {
			yield(m.record(m.Offset(), m.Timestamp()))
			return
		}
		inner, shift, err := m.unwrap(limits)
		if err != nil {
			yield(LegacyRecord{}, err)
			return
		}
		for len(inner) > 0 {
			message, rest, _ := nextInner(inner)
			if message == nil {
				return
			}
			inner = rest
			timestamp := message.Timestamp()
			if m.TimestampType() == LogAppendTime && message.Magic() == 1 {
				timestamp = m.Timestamp()
			}
			r, err := message.record(message.Offset()+shift, timestamp)
			if err == nil && message.Codec() != CodecNone {
				err = errLegacyCompressed
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// Span tells the offset of the first record and how many there are. Errors are those
// of Records.
func (m Legacy) Span(limits Limits) (first int64, count int, err error) {
	for r, err := range m.Records(limits) {
		if err != nil {
			return 0, 0, err
		}
		if count == 0 {
			first = r.Offset
		}
		count++
	}
	return first, count, nil
}

// record is the message as a record.
func (m Legacy) record(offset, timestamp int64) (LegacyRecord, error) {
	key, value, ok := m.fields()
	if !ok {
		return LegacyRecord{}, errLegacyField
	}
	return LegacyRecord{Record{Timestamp: timestamp, Offset: offset, Key: key, Value: value}, m}, nil
}

// fields are the key and the value; nil where they are null.
func (m Legacy) fields() (key, value []byte, ok bool) {
	at := legacyTimestampAt
	if m.Magic() != 0 {
		at = legacyKeyAt
	}
	if key, at, ok = m.field(at); !ok {
		return nil, nil, false
	}
	value, _, ok = m.field(at)
	return key, value, ok
}

// field reads a size and as many bytes; a size below 0 is null.
func (m Legacy) field(at int) (field []byte, next int, ok bool) {
	if at+4 > len(m) {
		return nil, at, false
	}
	size := int(int32(binary.BigEndian.Uint32(m[at:])))
	at += 4
	if size < 0 {
		return nil, at, true
	}
	if size > len(m)-at {
		return nil, at, false
	}
	return m[at : at+size : at+size], at + size, true
}

// unwrap decompresses the messages within and tells what is to be added to their
// offsets: in magic 1 they count from the first message that the wrapper was made with.
func (m Legacy) unwrap(limits Limits) (inner []byte, shift int64, err error) {
	_, value, ok := m.fields()
	switch {
	case !ok:
		return nil, 0, errLegacyField
	case value == nil:
		return nil, 0, errLegacyNull
	case m.Codec() == CodecZstd:
		return nil, 0, errLegacyCodec
	case m.Codec() == CodecLZ4 && m.Magic() == 0:
		value = withLZ4Checksum(value)
	}
	if inner, err = Decompress(nil, value, m.Codec(), limits); err != nil {
		return nil, 0, err
	}
	last := Legacy(nil)
	for rest := inner; len(rest) > 0; {
		var message Legacy
		if message, rest, err = nextInner(rest); err != nil {
			return nil, 0, err
		}
		if message == nil {
			break
		}
		last = message
	}
	switch {
	case last == nil:
		return nil, 0, errLegacyEmpty
	case m.Magic() == 0, m.Offset() == 0: // some producers left the wrapper's offset 0
		return inner, 0, nil
	case m.Offset() < last.Offset():
		return nil, 0, corrupt(fmt.Sprintf("Found invalid wrapper offset in compressed v1 message set, wrapper offset '%d' is less than the last inner message offset '%d' and it is not zero.",
			m.Offset(), last.Offset()))
	}
	return inner, m.Offset() - last.Offset(), nil
}

// nextInner splits the first message off what a wrapper holds; nil where only a part
// of one is left, which Kafka leaves out without a word.
func nextInner(b []byte) (message Legacy, rest []byte, err error) {
	if len(b) < LogOverhead {
		return nil, nil, nil
	}
	length := int32(binary.BigEndian.Uint32(b[lengthAt:]))
	if length < smallestLegacy {
		return nil, nil, corrupt(fmt.Sprintf("Record size is less than the minimum record overhead (%d)", smallestLegacy))
	}
	size := int64(length) + LogOverhead
	if int64(len(b)) < size {
		return nil, nil, nil
	}
	message = Legacy(b[:size:size])
	if magic := message.Magic(); magic != 0 && magic != 1 {
		return nil, nil, corrupt(fmt.Sprintf("Invalid magic found in record: %d", magic))
	}
	return message, b[size:], nil
}

// withLZ4Checksum sets the checksum of an LZ4 frame's header right. Producers of the
// time of magic 0 computed it over the frame's magic too, so that nobody can check it.
func withLZ4Checksum(frame []byte) []byte {
	const flagsAt, sizeBit = 4, 1 << 3
	at := flagsAt + 2
	if len(frame) > flagsAt && frame[flagsAt]&sizeBit != 0 {
		at += 8
	}
	if at >= len(frame) {
		return frame
	}
	right := append([]byte(nil), frame...)
	right[at] = byte(xxhash32(right[flagsAt:at]) >> 8)
	return right
}
