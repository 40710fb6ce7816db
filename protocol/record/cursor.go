package record

import "math/bits"

// What Kafka says of records that it cannot read.
const (
	reasonStructure  = "Found invalid record structure"
	reasonEOF        = "Incorrect declared batch size, premature EOF reached"
	reasonRemaining  = "Incorrect declared batch size, records still remaining in file"
	reasonSize       = "Invalid record size"
	reasonHeaders    = "Found invalid number of record headers"
	reasonHeaderKey  = "Invalid negative header key size"
	reasonNotInOrder = "Offsets of the records are not consecutive"
)

// fields are those of a record's head. Sizes below 0 mean null.
type fields struct {
	attributes     int8
	timestampDelta int64
	offsetDelta    int32
	keySize        int32
	valueSize      int32
}

// cursor reads records from memory. It allocates nothing.
type cursor struct {
	b        []byte
	position int
}

func (c *cursor) done() bool { return c.position == len(c.b) }

// varint reads as Java's ByteUtils does: at most 5 bytes, bits above 32 are dropped.
func (c *cursor) varint() (int32, bool) {
	if c.position < len(c.b) && c.b[c.position] < 0x80 {
		v := uint32(c.b[c.position])
		c.position++
		return int32(v>>1) ^ -int32(v&1), true
	}
	var v uint32
	for shift := 0; shift <= 28; shift += 7 {
		if c.position >= len(c.b) {
			return 0, false
		}
		x := c.b[c.position]
		c.position++
		v |= uint32(x&0x7f) << shift
		if x < 0x80 {
			return int32(v>>1) ^ -int32(v&1), true
		}
	}
	return 0, false
}

// varlong reads at most 10 bytes.
func (c *cursor) varlong() (int64, bool) {
	var v uint64
	for shift := 0; shift <= 63; shift += 7 {
		if c.position >= len(c.b) {
			return 0, false
		}
		x := c.b[c.position]
		c.position++
		v |= uint64(x&0x7f) << shift
		if x < 0x80 {
			return int64(v>>1) ^ -int64(v&1), true
		}
	}
	return 0, false
}

// bytes reads a field with its size in front; size < 0 is null.
func (c *cursor) bytes() (field []byte, size int32, ok bool) {
	size, ok = c.varint()
	if !ok || int(size) > len(c.b)-c.position {
		return nil, 0, false
	}
	if size < 0 {
		return nil, size, true
	}
	end := c.position + int(size)
	field = c.b[c.position:end:end]
	c.position = end
	return field, size, true
}

// record reads one record in full and returns the bytes from its key on, which
// hold key, value and headers. A reason that is not empty says what is wrong.
func (c *cursor) record(f *fields) (tail []byte, reason string) {
	size, ok := c.varint()
	if !ok {
		return nil, reasonEOF
	}
	if size <= 0 || int(size) > len(c.b)-c.position {
		return nil, reasonSize
	}
	start := c.position
	f.attributes = int8(c.b[c.position])
	c.position++
	if f.timestampDelta, ok = c.varlong(); !ok {
		return nil, reasonStructure
	}
	if f.offsetDelta, ok = c.varint(); !ok {
		return nil, reasonStructure
	}
	tailAt := c.position
	if _, f.keySize, ok = c.bytes(); !ok {
		return nil, reasonStructure
	}
	if _, f.valueSize, ok = c.bytes(); !ok {
		return nil, reasonStructure
	}
	count, ok := c.varint()
	if !ok {
		return nil, reasonStructure
	}
	if count < 0 || int(count) > len(c.b)-c.position {
		return nil, reasonHeaders
	}
	for range count {
		if _, size, ok := c.bytes(); !ok {
			return nil, reasonStructure
		} else if size < 0 {
			return nil, reasonHeaderKey
		}
		if _, _, ok := c.bytes(); !ok {
			return nil, reasonStructure
		}
	}
	if c.position-start != int(size) {
		return nil, reasonSize
	}
	return c.b[tailAt:c.position], ""
}

// split takes the tail of a record apart, which record found to be right.
func split(tail []byte) (key, value []byte, headers []Header) {
	c := cursor{b: tail}
	key, _, _ = c.bytes()
	value, _, _ = c.bytes()
	count, _ := c.varint()
	if count == 0 {
		return key, value, nil
	}
	headers = make([]Header, count)
	for i := range headers {
		name, _, _ := c.bytes()
		headers[i].Key = string(name)
		headers[i].Value, _, _ = c.bytes()
	}
	return key, value, headers
}

func zigzag32(v int32) uint32 { return uint32(v<<1) ^ uint32(v>>31) }
func zigzag64(v int64) uint64 { return uint64(v<<1) ^ uint64(v>>63) }

func appendUvarint(dst []byte, v uint64) []byte {
	for v >= 0x80 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}

func appendVarint(dst []byte, v int32) []byte  { return appendUvarint(dst, uint64(zigzag32(v))) }
func appendVarlong(dst []byte, v int64) []byte { return appendUvarint(dst, zigzag64(v)) }

func uvarintSize(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }
func varintSize(v int32) int   { return uvarintSize(uint64(zigzag32(v))) }
func varlongSize(v int64) int  { return uvarintSize(zigzag64(v)) }
