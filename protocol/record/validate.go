package record

import (
	"errors"
	"fmt"
	"io"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Validate holds the one batch in records against the rules, as Kafka's leader
// does, and gives what is to be appended: the same bytes, in which timestamp type
// and maximal timestamp were set if the topic demands it, or a new batch where the
// codec is to be another. Bytes behind the batch that are no whole batch are left
// away. Base offset and leader epoch are not touched.
//
// It allocates nothing for an uncompressed batch that stays as it is, and decodes
// no key and no value. The error is an *InvalidError.
func Validate(records []byte, rules Rules) (Batch, Info, error) {
	batch, rest, err := Next(records)
	if err != nil {
		return nil, Info{}, unreadable(err, &rules)
	}
	if len(rest) > 0 {
		if _, _, _, err := NextFrame(rest); err == nil {
			return nil, Info{}, invalid(kerr.InvalidRecord, "Compressed outer record has more than one batch")
		} else if errors.Is(err, ErrCorrupt) {
			return nil, Info{}, unreadable(err, &rules)
		}
	}
	if bad := rules.checkBatch(batch); bad != nil {
		return nil, Info{}, bad
	}
	target := rules.target(batch)
	check := checker{rules: rules, batch: batch, maxTimestamp: NoTimestamp}
	if target != batch.Codec() {
		return check.rebuild(target)
	}
	var bad *InvalidError
	if target == CodecNone {
		bad = check.walk()
	} else {
		bad = check.stream()
	}
	if bad != nil {
		return nil, Info{}, bad
	}
	info := Info{LogAppendTime: NoTimestamp, MaxTimestamp: check.maxTimestamp, RecordCount: batch.RecordCount(), Codec: target}
	if rules.TimestampType == LogAppendTime {
		info.LogAppendTime, info.MaxTimestamp = rules.Now, rules.Now
	}
	batch.setMaxTimestamp(rules.TimestampType, info.MaxTimestamp)
	return batch, info, nil
}

// checkBatch looks at the header, in Kafka's order: what is too large is not read for its checksum.
func (r *Rules) checkBatch(b Batch) *InvalidError {
	client := r.Origin == OriginClient
	if client && b.BaseOffset() != 0 {
		return invalid(kerr.InvalidRecord, "The baseOffset of the record batch in the append to %s should be 0, but it is %d", r.partition(), b.BaseOffset())
	}
	if len(b) > r.MaxMessageBytes {
		return invalid(kerr.MessageTooLarge, "The record batch size in the append to %s is %d bytes which exceeds the maximum configured value of %d).",
			r.partition(), len(b), r.MaxMessageBytes)
	}
	if !b.CheckCRC() {
		return invalid(kerr.CorruptMessage, "Record is corrupt (stored crc = %d) in topic partition %s.", b.CRC(), r.partition())
	}
	if !b.Codec().Known() {
		return invalid(kerr.UnsupportedCompressionType, "%v: %d", ErrUnknownCodec, b.Codec())
	}
	if client {
		return r.checkClientBatch(b)
	}
	if b.RecordCount() < 0 {
		return invalid(kerr.InvalidRecord, "%v", b.badCount())
	}
	return nil
}

func (r *Rules) checkClientBatch(b Batch) *InvalidError {
	fromOffsets := int64(b.LastOffsetDelta()) + 1
	switch {
	case fromOffsets <= 0:
		return invalid(kerr.InvalidRecord, "Batch has an invalid offset range: [%d, %d] in topic partition %s", b.BaseOffset(), b.LastOffset(), r.partition())
	case b.RecordCount() <= 0:
		return invalid(kerr.InvalidRecord, "Invalid reported count for record batch: %d in topic partition %s", b.RecordCount(), r.partition())
	case fromOffsets != int64(b.RecordCount()):
		return invalid(kerr.InvalidRecord, "Inconsistent batch offset range [%d, %d] and count of records %d in topic partition %s",
			b.BaseOffset(), b.LastOffset(), b.RecordCount(), r.partition())
	case b.IsControl():
		return invalid(kerr.InvalidRecord, "Clients are not allowed to write control records in topic partition %s", r.partition())
	case b.Attributes()&AttributeDeleteHorizon != 0:
		// Kafka lets it pass, and its cleaner then takes the producer's timestamp for a horizon.
		return invalid(kerr.InvalidRecord, "Clients are not allowed to set a delete horizon in topic partition %s", r.partition())
	case b.ProducerID() > NoProducerID && b.BaseSequence() < 0:
		return invalid(kerr.InvalidRecord, "Invalid sequence number %d in record batch with producerId %d in topic partition %s",
			b.BaseSequence(), b.ProducerID(), r.partition())
	}
	return nil
}

// checker holds the records of one batch against the rules.
type checker struct {
	rules        Rules // a copy, so that a pointer to it need not leave the stack
	batch        Batch
	maxTimestamp int64
	failed       []RecordError
	aboutTime    bool
}

// record looks at what the rules say of one record.
func (c *checker) record(index int, f *fields, kind string) {
	timestamp := c.batch.timestamp(f)
	c.maxTimestamp = max(c.maxTimestamp, timestamp)
	r := &c.rules
	if r.Compacted && f.keySize < 0 {
		c.fail(index, "Compacted topic cannot accept message without key in topic partition "+r.partition())
		return
	}
	if r.TimestampType == CreateTime && timestamp != NoTimestamp {
		if age := r.Now - timestamp; age > r.BeforeMaxMs || -age > r.AfterMaxMs {
			c.aboutTime = true
			c.fail(index, fmt.Sprintf("Timestamp %d of message with offset %d is out of range. The timestamp should be within [%d, %d]",
				timestamp, c.batch.BaseOffset()+int64(f.offsetDelta), r.Now-r.BeforeMaxMs, r.Now+r.AfterMaxMs))
		}
		return
	}
	if c.batch.TimestampType() == LogAppendTime {
		c.aboutTime = true
		key, value := f.keySize, f.valueSize
		if kind == wholeRecord {
			key, value = max(key, 0), max(value, 0)
		}
		c.fail(index, fmt.Sprintf("Invalid timestamp type in message %s(offset=%d, timestamp=%d, key=%d bytes, value=%d bytes). "+
			"Producer should not set timestamp type to LogAppendTime.", kind, c.batch.BaseOffset()+int64(f.offsetDelta), timestamp, key, value))
	}
}

// How Kafka's messages call records that were read in full, and those of which key and value were skipped.
const (
	wholeRecord   = "DefaultRecord"
	partialRecord = "PartialDefaultRecord"
)

func (c *checker) fail(index int, message string) {
	c.failed = append(c.failed, RecordError{Index: index, Message: message})
}

// walk checks the records of an uncompressed batch in place.
func (c *checker) walk() *InvalidError {
	records := cursor{b: c.batch[BatchOverhead:]}
	count := int(c.batch.RecordCount())
	var f fields
	for i := range count {
		if _, reason := records.record(&f); reason != "" {
			return c.malformed(reason)
		}
		c.record(i, &f, wholeRecord)
	}
	if count > 0 && !records.done() {
		return c.malformed(reasonRemaining)
	}
	return recordErrors(c.failed, c.aboutTime)
}

// stream checks the records of a compressed batch that stays as it is.
func (c *checker) stream() *InvalidError {
	count := int(c.batch.RecordCount())
	if count == 0 {
		return nil
	}
	s, err := newStream(c.batch.Codec(), c.batch[BatchOverhead:], c.rules.limits())
	if err != nil {
		return unreadable(err, &c.rules)
	}
	defer s.close()
	inOrder := true
	var f fields
	for i := range count {
		if reason := s.record(&f); reason != "" {
			if s.err != nil && s.err != io.EOF {
				return unreadable(s.err, &c.rules)
			}
			return c.malformed(reason)
		}
		inOrder = inOrder && int(f.offsetDelta) == i
		c.record(i, &f, partialRecord)
	}
	if !s.done() {
		return c.malformed(reasonRemaining)
	}
	if s.err != io.EOF {
		return unreadable(s.err, &c.rules)
	}
	if bad := recordErrors(c.failed, c.aboutTime); bad != nil {
		return bad
	}
	if !inOrder {
		return c.malformed(reasonNotInOrder)
	}
	return nil
}

// rebuild checks the records and builds the batch anew with another codec.
func (c *checker) rebuild(target Codec) (Batch, Info, error) {
	r, b := &c.rules, c.batch
	bytes := []byte(b[BatchOverhead:])
	if b.Codec() != CodecNone {
		var err error
		if bytes, err = Decompress(nil, bytes, b.Codec(), r.limits()); err != nil {
			return nil, Info{}, unreadable(err, r)
		}
	}
	builder := NewBuilder(BuilderOptions{
		BaseOffset: b.BaseOffset(), LeaderEpoch: b.PartitionLeaderEpoch(), Codec: target, Level: r.level(target),
		TimestampType: r.TimestampType, LogAppendTime: r.Now, ProducerID: b.ProducerID(), ProducerEpoch: b.ProducerEpoch(),
		BaseSequence: b.BaseSequence(), Transactional: b.IsTransactional(), Control: b.IsControl(),
	})
	builder.bytes = append(make([]byte, 0, BatchOverhead+len(bytes)+len(bytes)/32), builder.bytes...)
	records := cursor{b: bytes}
	count := int(b.RecordCount())
	var f fields
	for i := range count {
		tail, reason := records.record(&f)
		if reason != "" {
			return nil, Info{}, c.malformed(reason)
		}
		c.record(i, &f, wholeRecord)
		if timestamp := b.timestamp(&f); timestamp < NoTimestamp && len(c.failed) == 0 {
			return nil, Info{}, invalid(kerr.InvalidTimestamp, "Invalid negative timestamp %d", timestamp)
		} else if len(c.failed) == 0 {
			builder.appendTail(timestamp, tail)
		}
	}
	if count > 0 && !records.done() {
		return nil, Info{}, c.malformed(reasonRemaining)
	}
	if bad := recordErrors(c.failed, c.aboutTime); bad != nil {
		return nil, Info{}, bad
	}
	built := builder.Build()
	if len(built) > r.MaxMessageBytes {
		return nil, Info{}, invalid(kerr.MessageTooLarge, "Message batch size is %d bytes in append to partition %s which exceeds the maximum configured size of %d.",
			len(built), r.partition(), r.MaxMessageBytes)
	}
	info := Info{LogAppendTime: NoTimestamp, MaxTimestamp: built.MaxTimestamp(), RecordCount: built.RecordCount(), Codec: target, Rebuilt: true}
	if r.TimestampType == LogAppendTime {
		info.LogAppendTime = r.Now
	}
	return built, info, nil
}

func (c *checker) malformed(reason string) *InvalidError {
	return invalid(kerr.InvalidRecord, "%s in topic partition %s", reason, c.rules.partition())
}
