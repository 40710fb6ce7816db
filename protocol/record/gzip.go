package record

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
)

type gzipDecoder struct {
	source bytes.Reader
	reader *gzip.Reader
}

var gzipDecoders = sync.Pool{New: func() any { return new(gzipDecoder) }}

func newGzipDecoder() *gzipDecoder { return gzipDecoders.Get().(*gzipDecoder) }

func (d *gzipDecoder) reset(src []byte, _ int64) error {
	d.source.Reset(src)
	if d.reader == nil {
		reader, err := gzip.NewReader(&d.source)
		if err != nil {
			return noEOF(err)
		}
		d.reader = reader
		return nil
	}
	return noEOF(d.reader.Reset(&d.source))
}

// Read goes on with the next member after the first, and takes what follows the
// last and is none for the end, as Java does.
func (d *gzipDecoder) Read(p []byte) (int, error) {
	n, err := d.reader.Read(p)
	if err == gzip.ErrHeader {
		err = io.EOF
	}
	return n, err
}

func (d *gzipDecoder) release() {
	d.source.Reset(nil)
	gzipDecoders.Put(d)
}

// noEOF makes an end that comes too early another error than a proper end.
func noEOF(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return errPremature
	}
	return err
}

// gzipWriters has a pool for each level from 1 to 9, and the default's at 0.
var gzipWriters [gzip.BestCompression + 1]sync.Pool

func appendGzip(dst, src []byte, level int) []byte {
	if level < gzip.BestSpeed || level > gzip.BestCompression {
		level = 0
	}
	out := bytes.NewBuffer(dst)
	writer, _ := gzipWriters[level].Get().(*gzip.Writer)
	if writer == nil {
		effective := level
		if effective == 0 {
			effective = gzip.DefaultCompression
		}
		writer, _ = gzip.NewWriterLevel(out, effective)
	} else {
		writer.Reset(out)
	}
	_, err := writer.Write(src)
	if err == nil {
		err = writer.Close()
	}
	if err != nil {
		panic("BUG: gzip to memory: " + err.Error())
	}
	writer.Reset(io.Discard)
	gzipWriters[level].Put(writer)
	return out.Bytes()
}
