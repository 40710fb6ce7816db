package record

import (
	"encoding/binary"
	"io"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/snappy"
)

// Java's snappy stream (xerial): this magic, a version and the least compatible
// version, then blocks with their sizes in front. librdkafka and others write a
// bare block instead.
const (
	xerialMagic     = "\x82SNAPPY\x00"
	xerialHeader    = len(xerialMagic) + 8
	xerialVersion   = 1
	xerialBlockSize = 32 << 10
	// snappyRatio is more than a block can expand by: a copy of 64 bytes takes 3.
	snappyRatio = 64
)

const (
	errSnappyBlock  = corrupt("Snappy block is corrupt")
	errSnappyHeader = corrupt("Snappy stream has an unsupported version")
	errSnappyEmpty  = corrupt("Cannot decompress empty stream")
)

type snappyDecoder struct {
	src   []byte // compressed, what is left of it
	bare  bool
	block []byte // memory for one decoded block
	out   []byte // of the block, what was not read yet
}

var snappyDecoders = sync.Pool{New: func() any { return new(snappyDecoder) }}

func newSnappyDecoder() *snappyDecoder { return snappyDecoders.Get().(*snappyDecoder) }

func (d *snappyDecoder) release() {
	d.src, d.out = nil, nil
	if cap(d.block) > keepBlock {
		d.block = nil
	}
	snappyDecoders.Put(d)
}

func (d *snappyDecoder) reset(src []byte, _ int64) error {
	d.src, d.out, d.bare = src, nil, true
	if len(src) == 0 {
		return errSnappyEmpty
	}
	if len(src) >= xerialHeader && string(src[:len(xerialMagic)]) == xerialMagic {
		d.bare = false
		return d.header()
	}
	return nil
}

// header reads a stream's header; one stream may follow the other.
func (d *snappyDecoder) header() error {
	if len(d.src) < xerialHeader {
		return errPremature
	}
	if version := int32(binary.BigEndian.Uint32(d.src[len(xerialMagic):])); version < xerialVersion {
		return errSnappyHeader
	}
	d.src = d.src[xerialHeader:]
	return nil
}

func (d *snappyDecoder) Read(p []byte) (int, error) {
	for len(d.out) == 0 {
		if len(d.src) == 0 {
			return 0, io.EOF
		}
		if err := d.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, d.out)
	d.out = d.out[n:]
	return n, nil
}

// next decodes the next block.
func (d *snappyDecoder) next() error {
	block := d.src
	if d.bare {
		d.src = nil
		return d.decode(block)
	}
	if len(d.src) < 4 {
		return errPremature
	}
	if string(d.src[:4]) == xerialMagic[:4] {
		if len(d.src) < len(xerialMagic) || string(d.src[:len(xerialMagic)]) != xerialMagic {
			return errSnappyBlock
		}
		return d.header()
	}
	size := binary.BigEndian.Uint32(d.src)
	d.src = d.src[4:]
	if uint64(size) > uint64(len(d.src)) {
		return errPremature
	}
	block, d.src = d.src[:size], d.src[size:]
	return d.decode(block)
}

// decode allocates no more than what a block of this size can hold.
func (d *snappyDecoder) decode(block []byte) error {
	size, err := snappy.DecodedLen(block)
	if err != nil || size > snappyRatio*len(block) || repeats(block) {
		return errSnappyBlock
	}
	if size > cap(d.block) {
		d.block = make([]byte, max(size, xerialBlockSize))
	}
	d.out, err = snappy.Decode(d.block[:cap(d.block)], block)
	if err != nil {
		d.out = nil
		return errSnappyBlock
	}
	return nil
}

// snappySteps is how far it is from a tag to the next one, 0 for a literal with its length behind the tag.
var snappySteps = func() (steps [256]uint8) {
	for tag := range steps {
		switch tag & 3 {
		case 0:
			if tag>>2 < 60 {
				steps[tag] = uint8(tag>>2) + 2
			}
		case 1:
			steps[tag] = 2
		case 2:
			steps[tag] = 3
		case 3:
			steps[tag] = 5
		}
	}
	return steps
}()

// repeats tells whether a block has copies from the offset 0. The decoder takes
// them for an extension of its own, but no consumer's does. Tags come as they
// like, so no branch but the loop's depends on them.
func repeats(block []byte) bool {
	_, at := binary.Uvarint(block)
	for at >= 0 && at+1 < len(block) {
		if binary.LittleEndian.Uint16(block[at:])&0xffe3 == 1 {
			return true
		}
		tag := block[at]
		if step := snappySteps[tag]; step > 0 {
			at += int(step)
			continue
		}
		extra := int(tag>>2) - 59
		if at++; at+extra > len(block) {
			return false
		}
		length := 0
		for i := extra - 1; i >= 0; i-- {
			length = length<<8 | int(block[at+i])
		}
		at += extra + length + 1
	}
	return false
}

func appendSnappy(dst, src []byte) []byte {
	dst = append(dst, xerialMagic...)
	dst = binary.BigEndian.AppendUint32(dst, xerialVersion)
	dst = binary.BigEndian.AppendUint32(dst, xerialVersion)
	for len(src) > 0 {
		block := src[:min(len(src), xerialBlockSize)]
		src = src[len(block):]
		at := len(dst)
		dst = append(dst, make([]byte, 4+s2.MaxEncodedLen(len(block)))...)
		encoded := s2.EncodeSnappy(dst[at+4:], block)
		binary.BigEndian.PutUint32(dst[at:], uint32(len(encoded)))
		dst = dst[:at+4+len(encoded)]
	}
	return dst
}
