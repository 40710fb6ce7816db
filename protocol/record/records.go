package record

import (
	"fmt"
	"io"
	"iter"
)

// Record is one record of a batch. Key, Value and the values of Headers are nil
// where they are null; else they point into the batch or what it decompressed to.
type Record struct {
	Attributes int8
	Timestamp  int64
	Offset     int64
	Key, Value []byte
	Headers    []Header
}

// Records gives the records of the batch one after the other. An error ends them:
// it is ErrTooLarge or wraps ErrCorrupt or ErrUnknownCodec. The checksum is not
// looked at.
func (b Batch) Records(limits Limits) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		c := cursor{b: b[BatchOverhead:]}
		if codec := b.Codec(); codec != CodecNone && b.RecordCount() != 0 {
			bytes, err := Decompress(nil, c.b, codec, limits)
			if err != nil {
				yield(Record{}, err)
				return
			}
			c.b = bytes
		}
		if b.RecordCount() < 0 {
			yield(Record{}, b.badCount())
			return
		}
		for i := range b.RecordCount() {
			var f fields
			tail, reason := c.record(&f)
			if reason == "" && i == b.RecordCount()-1 && !c.done() {
				reason = reasonRemaining
			}
			if reason != "" {
				yield(Record{}, corrupt(reason))
				return
			}
			r := Record{Attributes: f.attributes, Timestamp: b.timestamp(&f), Offset: b.BaseOffset() + int64(f.offsetDelta)}
			r.Key, r.Value, r.Headers = split(tail)
			if !yield(r, nil) {
				return
			}
		}
	}
}

// Timestamps visits the timestamp and offset of each record until visit returns
// false. It keeps no record, also where the batch is compressed. Errors are those of Records.
func (b Batch) Timestamps(limits Limits, visit func(timestamp, offset int64) bool) error {
	if b.RecordCount() < 0 {
		return b.badCount()
	}
	if b.RecordCount() == 0 {
		return nil
	}
	if b.Codec() != CodecNone {
		return b.streamTimestamps(limits, visit)
	}
	c := cursor{b: b[BatchOverhead:]}
	var f fields
	for range b.RecordCount() {
		if _, reason := c.record(&f); reason != "" {
			return corrupt(reason)
		}
		if !visit(b.timestamp(&f), b.BaseOffset()+int64(f.offsetDelta)) {
			return nil
		}
	}
	return nil
}

func (b Batch) streamTimestamps(limits Limits, visit func(timestamp, offset int64) bool) error {
	s, err := newStream(b.Codec(), b[BatchOverhead:], limits)
	if err != nil {
		return err
	}
	defer s.close()
	var f fields
	for range b.RecordCount() {
		if reason := s.record(&f); reason != "" {
			if s.err != nil && s.err != io.EOF {
				return s.err
			}
			return corrupt(reason)
		}
		if !visit(b.timestamp(&f), b.BaseOffset()+int64(f.offsetDelta)) {
			return nil
		}
	}
	return nil
}

// OffsetOfMaxTimestamp is the offset of the first record that has the batch's
// maximal timestamp; ok is false if none has. Errors are those of Records.
func (b Batch) OffsetOfMaxTimestamp(limits Limits) (offset int64, ok bool, err error) {
	greatest := b.MaxTimestamp()
	err = b.Timestamps(limits, func(timestamp, at int64) bool {
		if timestamp == greatest {
			offset, ok = at, true
		}
		return !ok
	})
	return offset, ok, err
}

func (b Batch) timestamp(f *fields) int64 {
	if b.TimestampType() == LogAppendTime {
		return b.MaxTimestamp()
	}
	return b.BaseTimestamp() + f.timestampDelta
}

func (b Batch) badCount() error {
	return corrupt(fmt.Sprintf("Found invalid record count %d in magic v%d batch", b.RecordCount(), b.Magic()))
}
