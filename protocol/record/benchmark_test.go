package record

import (
	"math/rand/v2"
	"runtime/debug"
	"strconv"
	"testing"
)

// payload is a batch of 64 records of 1 KB, of words that compress to a third.
func payload(codec Codec) Batch {
	random := rand.New(rand.NewPCG(1, 2))
	words := make([]string, 300)
	for i := range words {
		words[i] = strconv.FormatUint(random.Uint64N(1<<40), 36) + " "
	}
	builder := NewBuilder(plain(codec))
	for i := range 64 {
		var value []byte
		for len(value) < 1024 {
			value = append(value, words[random.IntN(len(words))]...)
		}
		builder.Append(testTime+int64(i), []byte{byte(i)}, value[:1024])
	}
	return builder.Build()
}

func TestValidateAllocations(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the pools
	rules := testRules()
	batch := payload(CodecNone)
	if n := testing.AllocsPerRun(100, func() {
		if _, _, err := Validate(batch, rules); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for an uncompressed batch", n)
	}
	for _, codec := range codecs()[1:] {
		batch := payload(codec)
		if n := testing.AllocsPerRun(100, func() {
			if _, _, err := Validate(batch, rules); err != nil {
				t.Fatal(err)
			}
		}); n > 16 {
			t.Errorf("%v allocations for 64 records with %s", n, codec)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	for _, codec := range codecs() {
		b.Run(codec.Name(), func(b *testing.B) {
			rules := testRules()
			batch := payload(codec)
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

func BenchmarkRebuild(b *testing.B) {
	for _, codec := range codecs()[1:] {
		b.Run(codec.Name(), func(b *testing.B) {
			rules := testRules()
			rules.Codec = codec
			batch := payload(CodecNone)
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
