//go:build !race

package record

import (
	"bytes"
	"encoding/binary"
	"runtime/debug"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/pierrec/lz4/v4"
)

// foreign is payload as clients other than Kafka's own compress it: lz4 in blocks of up to 4 MB, snappy in one bare block.
func foreign(t testing.TB, codec Codec) Batch {
	plain := payload(CodecNone)
	var body bytes.Buffer
	switch codec {
	case CodecLZ4:
		w := lz4.NewWriter(&body)
		if err := w.Apply(lz4.BlockSizeOption(lz4.Block4Mb), lz4.ConcurrencyOption(1)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(plain[BatchOverhead:]); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	case CodecSnappy:
		body.Write(s2.EncodeSnappy(nil, plain[BatchOverhead:]))
	}
	batch := append(bytes.Clone(plain[:BatchOverhead]), body.Bytes()...)
	binary.BigEndian.PutUint32(batch[lengthAt:], uint32(len(batch)-LogOverhead))
	binary.BigEndian.PutUint16(batch[attributesAt:], uint16(codec))
	binary.BigEndian.PutUint32(batch[crcAt:], checksum(batch))
	return batch
}

// TestValidateAllocatesNothing holds for each codec but zstd, whose decoder wants its source behind an interface. The pools of a race
// detector's build forget at random.
func TestValidateAllocatesNothing(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the pools
	rules := testRules()
	for _, c := range []struct {
		name  string
		batch Batch
		most  float64
	}{
		{"none", payload(CodecNone), 0}, {"gzip", payload(CodecGzip), 0}, {"snappy", payload(CodecSnappy), 0}, {"lz4", payload(CodecLZ4), 0},
		{"zstd", payload(CodecZstd), 1}, {"lz4 in large blocks", foreign(t, CodecLZ4), 0}, {"snappy in one block", foreign(t, CodecSnappy), 0},
	} {
		if n := testing.AllocsPerRun(100, func() {
			if _, _, err := Validate(c.batch, rules); err != nil {
				t.Fatal(err)
			}
		}); n > c.most {
			t.Errorf("%s: %v allocations for 64 records", c.name, n)
		}
	}
}

func BenchmarkValidateForeign(b *testing.B) {
	for _, codec := range []Codec{CodecSnappy, CodecLZ4} {
		b.Run(codec.Name(), func(b *testing.B) {
			rules := testRules()
			batch := foreign(b, codec)
			b.SetBytes(64 * 1024)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := Validate(batch, rules); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
