package record

import (
	"math/rand/v2"
	"testing"
)

// payload is a batch of 64 records of 1 KB, half of it text that compresses.
func payload(codec Codec) Batch {
	random := rand.New(rand.NewPCG(1, 2))
	builder := NewBuilder(plain(codec))
	value := make([]byte, 1024)
	for i := range 64 {
		for j := range value {
			value[j] = "the quick brown fox "[j%20]
			if j%2 == 0 {
				value[j] = byte(random.Uint32())
			}
		}
		builder.Append(testTime+int64(i), []byte{byte(i)}, value)
	}
	return builder.Build()
}

func TestValidateAllocations(t *testing.T) {
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
