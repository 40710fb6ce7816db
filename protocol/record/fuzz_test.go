package record

import (
	"bytes"
	"errors"
	"runtime"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

const fuzzLimit = 1 << 20

// codecMemory is what the decoders may allocate at their first use and for a
// window, apart from what comes out.
const codecMemory = 2*zstdWindow + 32<<20

func boundedMemory(t *testing.T, do func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > codecMemory+8*fuzzLimit {
		t.Fatalf("%d bytes allocated", used)
	}
}

func seedBatches(f *testing.F) []Batch {
	seeds := []Batch{withBody(CodecNone, 1, []byte{12, 0, 0, 0, 1, 1, 0})}
	for _, codec := range codecs() {
		seeds = append(seeds, two(codec), withBody(codec, 40, truncated(codec)), attribute(two(codec), AttributeLogAppendTime))
	}
	for _, g := range readGolden(f) {
		if len(g.bytes) < 2000 {
			seeds = append(seeds, Batch(g.bytes))
		}
	}
	return seeds
}

func FuzzValidate(f *testing.F) {
	for i, b := range seedBatches(f) {
		f.Add([]byte(b), int8(i%6-1), i%2 == 0, true)
	}
	f.Fuzz(func(t *testing.T, input []byte, target int8, appendTime, fixCRC bool) {
		rules := testRules()
		rules.MaxDecompressedBytes = fuzzLimit
		if codec := Codec(target); codec.Known() {
			rules.Codec = codec
		}
		if appendTime {
			rules.TimestampType = LogAppendTime
		}
		input = bytes.Clone(input)
		if b, _, err := Next(input); err == nil && fixCRC {
			copy(input, fix(b, func(Batch) {}))
		}
		_ = CheckProduce(input, 9)
		_ = CheckProduce(input, 9)
		// Where the producer has set LogAppendTime, the greatest timestamp is his until the bit is cleared.
		stamped := len(input) >= BatchOverhead && Batch(input).TimestampType() == LogAppendTime
		boundedMemory(t, func() {
			valid, _, err := Validate(input, rules)
			if err != nil {
				var bad *InvalidError
				if !errors.As(err, &bad) || bad.Err == nil || bad.Err == kerr.UnknownServerError {
					t.Fatalf("error %v", err)
				}
				return
			}
			if next, rest, err := Next(valid); err != nil || len(rest) != 0 || len(next) != len(valid) || !valid.CheckCRC() {
				t.Fatalf("what is valid is no batch: %v", err)
			}
			if again, _, err := Validate(bytes.Clone(valid), rules); err == nil && !stamped && !bytes.Equal(again, valid) {
				t.Fatal("a second validation changes the batch")
			}
		})
	})
}

func FuzzRecords(f *testing.F) {
	for _, b := range seedBatches(f) {
		f.Add([]byte(b))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		limits := Limits{MaxDecompressedBytes: fuzzLimit}
		for len(input) > 0 {
			b, rest, err := Next(input)
			if err != nil {
				return
			}
			input = rest
			boundedMemory(t, func() {
				for r, err := range b.Records(limits) {
					if err != nil {
						if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrUnknownCodec) {
							t.Fatalf("error %v", err)
						}
						break
					}
					_, _ = DecodeControlKey(r.Key)
					_, _ = DecodeEndTxnMarker(r.Value)
				}
				_, _, _ = b.OffsetOfMaxTimestamp(limits)
			})
		}
	})
}

func FuzzDecompress(f *testing.F) {
	for _, b := range seedBatches(f) {
		f.Add([]byte(b[BatchOverhead:]), int8(b.Codec()))
	}
	f.Fuzz(func(t *testing.T, input []byte, codec int8) {
		boundedMemory(t, func() {
			out, err := Decompress(nil, input, Codec(codec), Limits{MaxDecompressedBytes: fuzzLimit})
			if err == nil && len(out) > fuzzLimit {
				t.Fatalf("%d bytes came out", len(out))
			}
			if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrUnknownCodec) {
				t.Fatalf("error %v", err)
			}
		})
	})
}
