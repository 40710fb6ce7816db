package record

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// zstdWindow is the greatest window that is decompressed as a stream: the
	// decoder allocates it at once, whatever comes. Only level 20 and above ask for more.
	zstdWindow = 8 << 20
	// zstdMaxWindow is the greatest window that zstd's own decoder accepts by default.
	zstdMaxWindow = 128 << 20
	// zstdMaxMemory is above every limit; what bounds is who reads.
	zstdMaxMemory = 1 << 40
	// zstdGreatestRatio is what a block of 4 bytes can expand to, 128 KiB, for each of them.
	zstdGreatestRatio = 32 << 10
)

type zstdDecoder struct {
	source bytes.Reader
	reader *zstd.Decoder
	wide   bool
	out    []byte // where wide: what was not read yet
}

var zstdDecoders = sync.Pool{New: func() any { return new(zstdDecoder) }}

func newZstdDecoder() *zstdDecoder { return zstdDecoders.Get().(*zstdDecoder) }

func zstdOptions(window uint64) []zstd.DOption {
	return []zstd.DOption{
		zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window), zstd.WithDecoderMaxMemory(zstdMaxMemory),
	}
}

// reset makes the decoder at its first use. With a concurrency of 1 it has no
// goroutine, so that it can be left to the garbage collector.
func (d *zstdDecoder) reset(src []byte, bound int64) error {
	var header zstd.Header
	if err := header.Decode(src); err == nil && !header.Skippable {
		if header.WindowSize > zstdWindow || header.SingleSegment && header.FrameContentSize > zstdWindow {
			return d.unpack(src, &header, bound)
		}
	}
	d.wide = false
	d.source.Reset(src)
	if d.reader == nil {
		reader, err := zstd.NewReader(nil, zstdOptions(zstdWindow)...)
		if err != nil {
			return err
		}
		d.reader = reader
	}
	return d.reader.Reset(noBytes{&d.source})
}

// unpack decompresses a frame of a great window all at once, in memory that grows
// until it is enough or beyond the bound.
func (d *zstdDecoder) unpack(src []byte, header *zstd.Header, bound int64) error {
	if header.HasFCS && header.FrameContentSize > zstdGreatestRatio*uint64(len(src)) {
		return errPremature
	}
	reader, err := zstd.NewReader(nil, append(zstdOptions(zstdMaxWindow), zstd.WithDecodeAllCapLimit(true))...)
	if err != nil {
		return err
	}
	defer reader.Close()
	for size := int64(1 << 20); ; size *= 2 {
		size = min(size, bound+1)
		out, err := reader.DecodeAll(src, make([]byte, 0, size))
		if !errors.Is(err, zstd.ErrDecoderSizeExceeded) {
			d.wide, d.out = true, out
			return err
		}
		if size > bound {
			return ErrTooLarge
		}
	}
}

func (d *zstdDecoder) Read(p []byte) (int, error) {
	if d.wide {
		if len(d.out) == 0 {
			return 0, io.EOF
		}
		n := copy(p, d.out)
		d.out = d.out[n:]
		return n, nil
	}
	n, err := d.reader.Read(p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errPremature
	}
	return n, err
}

func (d *zstdDecoder) release() {
	d.out = nil
	d.source.Reset(nil)
	if d.reader != nil {
		_ = d.reader.Reset(nil)
	}
	zstdDecoders.Put(d)
}

// noBytes hides from the decoder that its source is in memory: it would
// decompress all at once, as much as a frame claims.
type noBytes struct{ io.Reader }

// zstdEncoders has a pool for each of the encoder's levels.
var zstdEncoders [zstd.SpeedBestCompression + 1]sync.Pool

func appendZstd(dst, src []byte, level int) []byte {
	speed := zstd.SpeedDefault
	if level != 0 {
		speed = zstd.EncoderLevelFromZstd(level)
	}
	encoder, _ := zstdEncoders[speed].Get().(*zstd.Encoder)
	if encoder == nil {
		var err error
		encoder, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(speed), zstd.WithEncoderConcurrency(1),
			zstd.WithEncoderCRC(false), zstd.WithZeroFrames(true))
		if err != nil {
			panic("BUG: zstd encoder: " + err.Error())
		}
	}
	dst = encoder.EncodeAll(src, dst)
	zstdEncoders[speed].Put(encoder)
	return dst
}
