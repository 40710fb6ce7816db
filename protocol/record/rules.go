package record

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Origin is who wants to append a batch.
type Origin int8

// The origins. A coordinator may write what clients may not: control records.
const (
	OriginClient Origin = iota
	OriginCoordinator
)

// Rules are what a batch must obey to be appended to a partition: the topic's
// configuration, and what is known of the append.
type Rules struct {
	// Topic and Partition are named in messages.
	Topic     string
	Partition int32
	Origin    Origin
	// Now is the broker's time in ms.
	Now int64

	// MaxMessageBytes is max.message.bytes: of the whole batch, as it came and as it is stored.
	MaxMessageBytes int
	// Codec is compression.type; CodecProducer keeps the producer's.
	Codec Codec
	// The levels of compression.gzip.level and so on; 0 is the codec's default.
	GzipLevel, LZ4Level, ZstdLevel int
	TimestampType                  TimestampType
	// BeforeMaxMs and AfterMaxMs say how far a timestamp may be from Now.
	BeforeMaxMs, AfterMaxMs int64
	// Compacted tells that each record needs a key.
	Compacted bool
	// MaxDecompressedBytes bounds what the batch may decompress to; 0 means 64
	// times MaxMessageBytes, and not less than DefaultMaxDecompressedBytes.
	MaxDecompressedBytes int64
}

// DefaultRules are those of a topic without configuration, for a client.
func DefaultRules() Rules {
	return Rules{MaxMessageBytes: 1024*1024 + 12, Codec: CodecProducer, BeforeMaxMs: math.MaxInt64, AfterMaxMs: 3_600_000}
}

func (r *Rules) limits() Limits {
	if r.MaxDecompressedBytes > 0 {
		return Limits{MaxDecompressedBytes: r.MaxDecompressedBytes}
	}
	return Limits{MaxDecompressedBytes: max(64*int64(r.MaxMessageBytes), DefaultMaxDecompressedBytes)}
}

func (r *Rules) level(codec Codec) int {
	switch codec {
	case CodecGzip:
		return r.GzipLevel
	case CodecLZ4:
		return r.LZ4Level
	case CodecZstd:
		return r.ZstdLevel
	}
	return 0
}

// target is the codec that a batch is stored with. Control records are not
// compressed where they are not.
func (r *Rules) target(b Batch) Codec {
	if r.Codec == CodecProducer || b.Codec() == CodecNone && b.IsControl() {
		return b.Codec()
	}
	return r.Codec
}

func (r *Rules) partition() string { return fmt.Sprintf("%s-%d", r.Topic, r.Partition) }

// Info is what validation found out about a batch.
type Info struct {
	// LogAppendTime is the time that the records have now, or −1 where they keep the producer's.
	LogAppendTime int64
	MaxTimestamp  int64
	RecordCount   int32
	Codec         Codec
	// Rebuilt tells that the batch has other bytes than the producer's, in other memory.
	Rebuilt bool
}

// RecordError is what is wrong with one record of a batch.
type RecordError struct {
	Index   int
	Message string
}

// InvalidError tells why a batch is refused: the answer, in Kafka's words, and the
// records that are at fault, if it was records.
type InvalidError struct {
	Err     *kerr.Error
	Message string
	Records []RecordError
}

// Error has the answer's name and the message.
func (e *InvalidError) Error() string { return e.Err.Message + ": " + e.Message }

// Unwrap is the answer.
func (e *InvalidError) Unwrap() error { return e.Err }

func invalid(answer *kerr.Error, format string, arguments ...any) *InvalidError {
	return &InvalidError{Err: answer, Message: fmt.Sprintf(format, arguments...)}
}

// unreadable translates the errors of framing and decompression.
func unreadable(err error, r *Rules) *InvalidError {
	switch {
	case errors.Is(err, ErrTooLarge):
		return invalid(kerr.MessageTooLarge, "The records in the append to %s decompress to more than %d bytes",
			r.partition(), r.limits().MaxDecompressedBytes)
	case errors.Is(err, ErrUnknownCodec):
		return invalid(kerr.UnsupportedCompressionType, "%v", err)
	case errors.Is(err, ErrLegacy):
		return invalid(kerr.InvalidRecord, "Only record batches with magic version 2 are accepted")
	case errors.Is(err, ErrIncomplete):
		return invalid(kerr.InvalidRecord, "Record batch has no batches at all")
	}
	return invalid(kerr.CorruptMessage, "%v", err)
}

// recordErrors is the refusal of a batch for its records, nil if there are none.
func recordErrors(failed []RecordError, aboutTime bool) *InvalidError {
	if len(failed) == 0 {
		return nil
	}
	if aboutTime {
		return &InvalidError{
			Err: kerr.InvalidTimestamp, Message: "One or more records have been rejected due to invalid timestamp", Records: failed,
		}
	}
	shown := make([]string, 0, 3)
	for _, f := range failed[:min(len(failed), 3)] {
		shown = append(shown, fmt.Sprintf("RecordError(batchIndex=%d, message='%s')", f.Index, f.Message))
	}
	e := invalid(kerr.InvalidRecord, "One or more records have been rejected due to %d record errors in total, "+
		"and only showing the first three errors at most: [%s]", len(failed), strings.Join(shown, ", "))
	e.Records = failed
	return e
}

// CheckProduce says what Kafka says of the records of one partition before it
// looks at the partition: there is exactly one batch, it is of magic 2, and it has
// a codec that the version of the Produce request may have. The error is an
// *InvalidError.
func CheckProduce(records []byte, version int16) error {
	frame, magic, rest, err := NextFrame(records)
	switch {
	case errors.Is(err, ErrIncomplete):
		return invalid(kerr.InvalidRecord, "Produce requests with version %d must have at least one record batch per partition", version)
	case err != nil:
		return invalid(kerr.CorruptMessage, "%v", err)
	case magic != currentMagic:
		return invalid(kerr.InvalidRecord, "Produce requests with version %d are only allowed to contain record batches with magic version 2", version)
	case len(frame) < BatchOverhead:
		return invalid(kerr.CorruptMessage, "%v", tooSmall(len(frame)))
	}
	if codec := Batch(frame).Codec(); version < 7 && codec == CodecZstd {
		return invalid(kerr.UnsupportedCompressionType, "Produce requests with version %d are not allowed to use ZStandard compression", version)
	} else if version < 7 && !codec.Known() {
		return invalid(kerr.UnsupportedCompressionType, "%v: %d", ErrUnknownCodec, codec)
	}
	if _, _, _, err := NextFrame(rest); err == nil {
		return invalid(kerr.InvalidRecord, "Produce requests with version %d are only allowed to contain exactly one record batch per partition", version)
	} else if errors.Is(err, ErrCorrupt) {
		return invalid(kerr.CorruptMessage, "%v", err)
	}
	return nil
}
