package record

import (
	"io"
	"sync"
)

// streamWindow is how much of decompressed records is looked at at once.
const streamWindow = 16 << 10

// stream reads the records of a compressed batch without holding them. Where a
// method says false, err tells whether the compressed bytes are at fault (then it
// is ErrTooLarge or wraps ErrCorrupt) or the records ended too early (io.EOF).
type stream struct {
	decoder  decoder
	window   [streamWindow]byte
	from, to int
	left     int64 // of the limit
	err      error
}

var streams = sync.Pool{New: func() any { return new(stream) }}

// newStream starts to decompress; close must be called.
func newStream(codec Codec, src []byte, limits Limits) (*stream, error) {
	d, err := newDecoder(codec, src, limits.decompressed())
	if err != nil {
		return nil, err
	}
	s := streams.Get().(*stream)
	s.decoder, s.from, s.to, s.left, s.err = d, 0, 0, limits.decompressed(), nil
	return s, nil
}

func (s *stream) close() {
	s.decoder.release()
	s.decoder = nil
	streams.Put(s)
}

// fill decompresses more when the window is read up.
func (s *stream) fill() bool {
	for s.from == s.to {
		if s.err != nil {
			return false
		}
		n, err := s.decoder.Read(s.window[:])
		s.from, s.to = 0, n
		s.left -= int64(n)
		switch {
		case s.left < 0:
			s.from, s.to, s.err = 0, 0, ErrTooLarge
		case err == io.EOF:
			s.err = io.EOF
		case err != nil:
			s.err = corruptly(err)
		}
	}
	return true
}

func (s *stream) byte() (byte, bool) {
	if s.from == s.to && !s.fill() {
		return 0, false
	}
	x := s.window[s.from]
	s.from++
	return x, true
}

func (s *stream) varint() (int32, bool) {
	var v uint32
	for shift := 0; shift <= 28; shift += 7 {
		x, ok := s.byte()
		if !ok {
			return 0, false
		}
		v |= uint32(x&0x7f) << shift
		if x < 0x80 {
			return int32(v>>1) ^ -int32(v&1), true
		}
	}
	return 0, false
}

func (s *stream) varlong() (int64, bool) {
	var v uint64
	for shift := 0; shift <= 63; shift += 7 {
		x, ok := s.byte()
		if !ok {
			return 0, false
		}
		v |= uint64(x&0x7f) << shift
		if x < 0x80 {
			return int64(v>>1) ^ -int64(v&1), true
		}
	}
	return 0, false
}

// skip reads over n bytes; none if n is below 0.
func (s *stream) skip(n int32) bool {
	for n > 0 {
		if s.from == s.to && !s.fill() {
			return false
		}
		step := min(int(n), s.to-s.from)
		s.from += step
		n -= int32(step)
	}
	return true
}

// field reads over a field with its size in front, which is below 0 for null.
func (s *stream) field() (size int32, ok bool) {
	size, ok = s.varint()
	return size, ok && s.skip(size)
}

// record reads over one record as Kafka does where it keeps the batch as it is:
// the record's size is read but not held against what the record has.
func (s *stream) record(f *fields) (reason string) {
	if _, ok := s.varint(); !ok {
		return reasonEOF
	}
	attributes, ok := s.byte()
	if !ok {
		return reasonStructure
	}
	f.attributes = int8(attributes)
	if f.timestampDelta, ok = s.varlong(); !ok {
		return reasonStructure
	}
	if f.offsetDelta, ok = s.varint(); !ok {
		return reasonStructure
	}
	if f.keySize, ok = s.field(); !ok {
		return reasonStructure
	}
	if f.valueSize, ok = s.field(); !ok {
		return reasonStructure
	}
	count, ok := s.varint()
	if !ok {
		return reasonStructure
	}
	if count < 0 {
		return reasonHeaders
	}
	for range count {
		if size, ok := s.field(); !ok {
			return reasonStructure
		} else if size < 0 {
			return reasonHeaderKey
		}
		if _, ok := s.field(); !ok {
			return reasonStructure
		}
	}
	return ""
}

// done tells whether nothing is left; err tells whether that is for the limit or
// a fault of the compressed bytes.
func (s *stream) done() bool { return s.from == s.to && !s.fill() }
