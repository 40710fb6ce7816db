package record

import (
	"errors"
	"fmt"
	"io"
)

// Codec is the compression of a batch's records, as its attributes have it.
type Codec int8

// The codecs.
const (
	// CodecProducer stands in Rules for the codec that the producer used.
	CodecProducer Codec = -1
	CodecNone     Codec = 0
	CodecGzip     Codec = 1
	CodecSnappy   Codec = 2
	CodecLZ4      Codec = 3
	CodecZstd     Codec = 4
)

// Known tells whether a batch may have the codec.
func (c Codec) Known() bool { return c >= CodecNone && c <= CodecZstd }

// Name is Kafka's name of the codec, as clients have it in their compression.type.
func (c Codec) Name() string {
	switch c {
	case CodecProducer:
		return "producer"
	case CodecNone:
		return "none"
	case CodecGzip:
		return "gzip"
	case CodecSnappy:
		return "snappy"
	case CodecLZ4:
		return "lz4"
	case CodecZstd:
		return "zstd"
	}
	return fmt.Sprintf("unknown(%d)", int8(c))
}

// String is Name.
func (c Codec) String() string { return c.Name() }

// CodecByName finds a codec by a value of compression.type, of topics ("producer",
// "uncompressed") or of clients ("none").
func CodecByName(name string) (Codec, bool) {
	if name == "uncompressed" {
		return CodecNone, true
	}
	for c := CodecProducer; c <= CodecZstd; c++ {
		if c.Name() == name {
			return c, true
		}
	}
	return CodecNone, false
}

// DefaultMaxDecompressedBytes is the bound where a caller gives none.
const DefaultMaxDecompressedBytes = 64 << 20

// Limits bound what reading records may cost.
type Limits struct {
	// MaxDecompressedBytes is how many bytes the records of one batch may
	// decompress to; 0 or less means DefaultMaxDecompressedBytes.
	MaxDecompressedBytes int64
}

func (l Limits) decompressed() int64 {
	if l.MaxDecompressedBytes <= 0 {
		return DefaultMaxDecompressedBytes
	}
	return l.MaxDecompressedBytes
}

// ErrTooLarge tells that records decompress to more than the limit.
var ErrTooLarge = errors.New("records decompress to more bytes than the limit")

// ErrUnknownCodec tells of a codec that no batch may have.
var ErrUnknownCodec = errors.New("unknown compression type id")

// errPremature tells that compressed bytes end before they should.
var errPremature = corrupt("Stream ended prematurely")

// decoder decompresses what it was reset to. Read gives io.EOF only where the
// compressed bytes end as they should.
type decoder interface {
	io.Reader
	// reset starts with src; more than bound bytes will not be asked for.
	reset(src []byte, bound int64) error
	// release gives the decoder back to its pool; it must not be used after.
	release()
}

// newDecoder takes a decoder from its pool. The error is ErrTooLarge, or wraps
// ErrUnknownCodec or ErrCorrupt.
func newDecoder(codec Codec, src []byte, bound int64) (decoder, error) {
	var d decoder
	switch codec {
	case CodecGzip:
		d = newGzipDecoder()
	case CodecSnappy:
		d = newSnappyDecoder()
	case CodecLZ4:
		d = newLZ4Decoder()
	case CodecZstd:
		d = newZstdDecoder()
	default:
		return nil, fmt.Errorf("%w: %d", ErrUnknownCodec, codec)
	}
	if err := d.reset(src, bound); err != nil {
		d.release()
		return nil, corruptly(err)
	}
	return d, nil
}

// corruptly makes any error of a decoder but ErrTooLarge wrap ErrCorrupt.
func corruptly(err error) error {
	if errors.Is(err, ErrCorrupt) || err == ErrTooLarge {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// Compress appends the compressed src to dst, as Kafka's own clients compress:
// snappy in Java's framing, lz4 in independent blocks of 64 KiB. Level 0 is the
// codec's default. An unknown codec is a bug.
func Compress(dst, src []byte, codec Codec, level int) []byte {
	switch codec {
	case CodecNone:
		return append(dst, src...)
	case CodecGzip:
		return appendGzip(dst, src, level)
	case CodecSnappy:
		return appendSnappy(dst, src)
	case CodecLZ4:
		return appendLZ4(dst, src, level)
	case CodecZstd:
		return appendZstd(dst, src, level)
	}
	panic(fmt.Sprintf("BUG: compress with codec %d", codec))
}

// Decompress appends the decompressed src to dst. It allocates as bytes come out,
// not as a length in src claims. The error is ErrTooLarge, or wraps ErrCorrupt or
// ErrUnknownCodec; dst then has what came out before.
func Decompress(dst, src []byte, codec Codec, limits Limits) ([]byte, error) {
	bound := limits.decompressed()
	if codec == CodecNone {
		if int64(len(src)) > bound {
			return dst, ErrTooLarge
		}
		return append(dst, src...), nil
	}
	d, err := newDecoder(codec, src, bound)
	if err != nil {
		return dst, err
	}
	defer d.release()
	start := len(dst)
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := d.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if int64(len(dst)-start) > bound {
			return dst, ErrTooLarge
		}
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, corruptly(err)
		}
	}
}
