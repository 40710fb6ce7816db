package record

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// zstdMaxWindow is the greatest window that zstd's own decoder accepts by default.
	zstdMaxWindow = 128 << 20
	// zstdMaxMemory is above every limit; what bounds is who reads.
	zstdMaxMemory = 1 << 40
)

type zstdDecoder struct {
	source bytes.Reader
	reader *zstd.Decoder
}

var zstdDecoders = sync.Pool{New: func() any { return new(zstdDecoder) }}

func newZstdDecoder() *zstdDecoder { return zstdDecoders.Get().(*zstdDecoder) }

// reset makes the decoder at its first use. With a concurrency of 1 it has no
// goroutine, so that it can be left to the garbage collector.
func (d *zstdDecoder) reset(src []byte) error {
	d.source.Reset(src)
	if d.reader == nil {
		reader, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(zstdMaxWindow), zstd.WithDecoderMaxMemory(zstdMaxMemory))
		if err != nil {
			return err
		}
		d.reader = reader
	}
	return d.reader.Reset(noBytes{&d.source})
}

func (d *zstdDecoder) Read(p []byte) (int, error) {
	n, err := d.reader.Read(p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errPremature
	}
	return n, err
}

func (d *zstdDecoder) release() {
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
