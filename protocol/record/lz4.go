package record

import (
	"encoding/binary"
	"io"
	"math/bits"
	"sync"

	"github.com/pierrec/lz4/v4"
)

// The LZ4 frame, as far as Kafka knows it: independent blocks, checksums of the
// header and, if wanted, of the blocks; a content size and a checksum of the
// content are skipped.
const (
	lz4Magic         = 0x184D2204
	lz4BlockSize     = 64 << 10
	lz4Stored        = 1 << 31
	lz4FlagsWritten  = 1<<6 | 1<<5 // version 1, independent blocks
	lz4SizesWritten  = 4 << 4      // blocks of 64 KiB
	lz4DefaultLevel  = 9
	lz4GreatestRatio = 255
	// lz4UsualRatio is what records seldom compress by. Many clients ask for blocks of 4 MB, whatever they send.
	lz4UsualRatio = 8
)

// keepBlock is the greatest memory for a block that a pooled decoder keeps.
const keepBlock = 4 << 20

const (
	errLZ4Magic     = corrupt("Stream unsupported (invalid magic bytes)")
	errLZ4Header    = corrupt("Stream frame descriptor corrupted")
	errLZ4Dependent = corrupt("Dependent block stream is unsupported")
	errLZ4Block     = corrupt("LZ4 block is corrupt")
	errLZ4Checksum  = corrupt("Block checksum mismatch")
)

type lz4Decoder struct {
	src           []byte
	blockSize     int
	blockChecksum bool
	finished      bool
	block         []byte
	out           []byte
}

var lz4Decoders = sync.Pool{New: func() any { return new(lz4Decoder) }}

func newLZ4Decoder() *lz4Decoder { return lz4Decoders.Get().(*lz4Decoder) }

func (d *lz4Decoder) release() {
	d.src, d.out = nil, nil
	if cap(d.block) > keepBlock {
		d.block = nil
	}
	lz4Decoders.Put(d)
}

func (d *lz4Decoder) reset(src []byte, _ int64) error {
	d.src, d.out, d.finished = nil, nil, false
	if len(src) < 7 {
		return errPremature
	}
	if binary.LittleEndian.Uint32(src) != lz4Magic {
		return errLZ4Magic
	}
	flags, sizes := src[4], src[5]
	if flags&3 != 0 || flags>>6 != 1 || sizes&0x8f != 0 || sizes>>4 < 4 {
		return errLZ4Header
	}
	if flags&(1<<5) == 0 {
		return errLZ4Dependent
	}
	end := 6
	if flags&(1<<3) != 0 { // content size
		end += 8
	}
	if len(src) <= end {
		return errPremature
	}
	if src[end] != byte(xxhash32(src[4:end])>>8) {
		return errLZ4Header
	}
	d.blockChecksum = flags&(1<<4) != 0
	d.blockSize = 1 << (2*(sizes>>4) + 8)
	d.src = src[end+1:]
	return nil
}

func (d *lz4Decoder) Read(p []byte) (int, error) {
	for len(d.out) == 0 {
		if d.finished {
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

// next decodes the next block. What follows the end mark is not looked at.
func (d *lz4Decoder) next() error {
	if len(d.src) < 4 {
		return errPremature
	}
	head := binary.LittleEndian.Uint32(d.src)
	d.src = d.src[4:]
	size := int(head &^ lz4Stored)
	if size == 0 {
		d.finished = true
		return nil
	}
	if size > d.blockSize {
		return errLZ4Block
	}
	after := size
	if d.blockChecksum {
		after += 4
	}
	if len(d.src) < after {
		return errPremature
	}
	block := d.src[:size]
	if d.blockChecksum && xxhash32(block) != binary.LittleEndian.Uint32(d.src[size:]) {
		return errLZ4Checksum
	}
	d.src = d.src[after:]
	if head&lz4Stored != 0 {
		d.out = block
		return nil
	}
	for _, ratio := range []int{lz4UsualRatio, lz4GreatestRatio} {
		want := min(d.blockSize, size*ratio)
		if cap(d.block) < want {
			d.block = make([]byte, max(want, lz4BlockSize))
		}
		n, err := lz4.UncompressBlock(block, d.block[:min(d.blockSize, cap(d.block))])
		if err == nil {
			d.out = d.block[:n]
			return nil
		}
		if cap(d.block) >= min(d.blockSize, size*lz4GreatestRatio) {
			break // it was not for want of room
		}
	}
	return errLZ4Block
}

func appendLZ4(dst, src []byte, level int) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, lz4Magic)
	dst = append(dst, lz4FlagsWritten, lz4SizesWritten)
	dst = append(dst, byte(xxhash32(dst[len(dst)-2:])>>8))
	compress := lz4Compressor(level)
	for len(src) > 0 {
		block := src[:min(len(src), lz4BlockSize)]
		src = src[len(block):]
		at := len(dst)
		dst = append(dst, make([]byte, 4+lz4.CompressBlockBound(len(block)))...)
		n, err := compress(block, dst[at+4:])
		if err != nil {
			panic("BUG: lz4 to memory: " + err.Error())
		}
		if n == 0 || n >= len(block) {
			binary.LittleEndian.PutUint32(dst[at:], uint32(len(block))|lz4Stored)
			n = copy(dst[at+4:], block)
		} else {
			binary.LittleEndian.PutUint32(dst[at:], uint32(n))
		}
		dst = dst[:at+4+n]
	}
	return binary.LittleEndian.AppendUint32(dst, 0)
}

// lz4Compressor gives the compressor of a level. As in Kafka the default level is
// the fast one, every other a slow one.
func lz4Compressor(level int) func(src, dst []byte) (int, error) {
	if level <= 0 || level == lz4DefaultLevel {
		return new(lz4.Compressor).CompressBlock
	}
	return (&lz4.CompressorHC{Level: lz4.Level1 << (min(level, 9) - 1)}).CompressBlock
}

// xxhash32 is the checksum of LZ4 frames, with seed 0.
func xxhash32(b []byte) uint32 {
	const p1, p2, p3, p4, p5 uint32 = 2654435761, 2246822519, 3266489917, 668265263, 374761393
	h := p5
	n := uint32(len(b))
	if len(b) >= 16 {
		v := [4]uint32{0, p2, 0, 0}
		v[0] = p1
		v[0] += p2
		v[3] -= p1
		for ; len(b) >= 16; b = b[16:] {
			for i := range v {
				v[i] = bits.RotateLeft32(v[i]+binary.LittleEndian.Uint32(b[4*i:])*p2, 13) * p1
			}
		}
		h = bits.RotateLeft32(v[0], 1) + bits.RotateLeft32(v[1], 7) + bits.RotateLeft32(v[2], 12) + bits.RotateLeft32(v[3], 18)
	}
	h += n
	for ; len(b) >= 4; b = b[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(b)*p3, 17) * p4
	}
	for _, x := range b {
		h = bits.RotateLeft32(h+uint32(x)*p5, 11) * p1
	}
	h ^= h >> 15
	h *= p2
	h ^= h >> 13
	h *= p3
	return h ^ h>>16
}
