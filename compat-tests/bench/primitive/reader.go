// Package primitive reads the primitive types of Kafka's flexible protocol versions where decoding a whole message would
// cost more than what is measured: in the answers that the load generator checks and in the requests that the floor
// serves. A slice that it returns points into what it was given.
package primitive

import "encoding/binary"

// Reader reads from the front of Rest. Once Rest is too short for what is asked, Short is set and all that follows is zero.
type Reader struct {
	Rest  []byte
	Short bool
}

// Take returns the next n bytes.
func (r *Reader) Take(n int) []byte {
	if n < 0 || n > len(r.Rest) {
		r.Short, r.Rest = true, nil
		return nil
	}
	taken := r.Rest[:n]
	r.Rest = r.Rest[n:]
	return taken
}

// Int16 reads an INT16.
func (r *Reader) Int16() int16 {
	if b := r.Take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

// Int32 reads an INT32.
func (r *Reader) Int32() int32 {
	if b := r.Take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

// Int64 reads an INT64.
func (r *Reader) Int64() int64 {
	if b := r.Take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// Uvarint reads an UNSIGNED_VARINT that fits a length.
func (r *Reader) Uvarint() int {
	n, size := binary.Uvarint(r.Rest)
	if size <= 0 || n > 1<<31 {
		r.Short, r.Rest = true, nil
		return 0
	}
	r.Rest = r.Rest[size:]
	return int(n)
}

// Count reads the length of a compact array, string or bytes; null is as good as empty. It is never more than what is
// left, as each element has at least a byte.
func (r *Reader) Count() int {
	n := max(r.Uvarint()-1, 0)
	if n > len(r.Rest) {
		r.Short, r.Rest = true, nil
		return 0
	}
	return n
}

// Tags skips tagged fields.
func (r *Reader) Tags() {
	for n := r.Uvarint(); n > 0 && !r.Short; n-- {
		r.Uvarint()
		r.Take(r.Uvarint())
	}
}
