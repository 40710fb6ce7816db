package record

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"
)

func drawField(t *rapid.T, name string) []byte {
	if rapid.Bool().Draw(t, name+" null") {
		return nil
	}
	b := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, name)
	if repeat := rapid.IntRange(0, 300).Draw(t, name+" repeat"); repeat > 0 {
		b = bytes.Repeat(b, repeat)
	}
	if b == nil {
		b = []byte{}
	}
	return b
}

func drawRecords(t *rapid.T) []Record {
	list := make([]Record, rapid.IntRange(1, 20).Draw(t, "count"))
	for i := range list {
		r := &list[i]
		r.Timestamp = rapid.Int64Range(-1, 1<<50).Draw(t, "timestamp")
		r.Key, r.Value = drawField(t, "key"), drawField(t, "value")
		for range rapid.IntRange(0, 3).Draw(t, "headers") {
			r.Headers = append(r.Headers, Header{Key: rapid.String().Draw(t, "name"), Value: drawField(t, "header")})
		}
	}
	return list
}

func sameField(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

func sameRecord(a, b Record) bool {
	if !sameField(a.Key, b.Key) || !sameField(a.Value, b.Value) || a.Timestamp != b.Timestamp || a.Offset != b.Offset || len(a.Headers) != len(b.Headers) {
		return false
	}
	for i := range a.Headers {
		if a.Headers[i].Key != b.Headers[i].Key || !sameField(a.Headers[i].Value, b.Headers[i].Value) {
			return false
		}
	}
	return true
}

func holds(t *rapid.T, b Batch, want []Record) {
	i := 0
	for r, err := range b.Records(Limits{}) {
		if err != nil {
			t.Fatal(err)
		}
		if i >= len(want) || !sameRecord(r, want[i]) {
			t.Fatalf("record %d: %+v, want %+v", i, r, want[i])
		}
		i++
	}
	if i != len(want) {
		t.Fatalf("%d records, want %d", i, len(want))
	}
}

// What was built is read back, is valid, and survives every change of codec.
func TestBuildReadValidate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		codec := rapid.SampledFrom(codecs()).Draw(t, "codec")
		options := plain(codec)
		options.Level = rapid.IntRange(0, 12).Draw(t, "level")
		options.ProducerID = rapid.Int64Range(-1, 1<<40).Draw(t, "producer")
		options.BaseSequence = rapid.Int32Range(0, 1<<31-1).Draw(t, "sequence")
		options.Transactional = rapid.Bool().Draw(t, "transactional")
		records := drawRecords(t)
		builder := NewBuilder(options)
		greatest := NoTimestamp
		for i := range records {
			records[i].Offset = int64(i)
			builder.Append(records[i].Timestamp, records[i].Key, records[i].Value, records[i].Headers...)
			greatest = max(greatest, records[i].Timestamp)
		}
		batch := builder.Build()
		next, rest, err := Next(append(bytes.Clone(batch), 1, 2, 3))
		if err != nil || !bytes.Equal(next, batch) || len(rest) != 3 || !batch.CheckCRC() || batch.MaxTimestamp() != greatest {
			t.Fatalf("Next: %v", err)
		}
		holds(t, batch, records)

		rules := testRules()
		rules.AfterMaxMs, rules.MaxMessageBytes = 1<<60, 1<<30
		rules.Codec = rapid.SampledFrom(append(codecs(), CodecProducer)).Draw(t, "target")
		valid, info, err := Validate(bytes.Clone(batch), rules)
		if err != nil {
			t.Fatal(err)
		}
		if rules.Codec == CodecProducer && !bytes.Equal(valid, batch) {
			t.Fatal("the producer's bytes changed")
		}
		if rules.Codec != CodecProducer && valid.Codec() != rules.Codec {
			t.Fatalf("codec %s, want %s", valid.Codec(), rules.Codec)
		}
		if !valid.CheckCRC() || info.MaxTimestamp != greatest || valid.ProducerID() != batch.ProducerID() ||
			valid.BaseSequence() != batch.BaseSequence() || valid.IsTransactional() != batch.IsTransactional() || valid.LastSequence() != batch.LastSequence() {
			t.Fatal("header changed")
		}
		holds(t, valid, records)
		valid.SetBaseOffset(1 << 40)
		valid.SetPartitionLeaderEpoch(9)
		if !valid.CheckCRC() || valid.NextOffset() != 1<<40+int64(len(records)) || valid.PartitionLeaderEpoch() != 9 {
			t.Fatal("patching the header")
		}
	})
}

// The streaming walk and the one in memory say the same of the same records.
func TestWalksAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		builder := NewBuilder(plain(CodecNone))
		for _, r := range drawRecords(t) {
			builder.Append(r.Timestamp, r.Key, r.Value, r.Headers...)
		}
		body := bytes.Clone(builder.Build()[BatchOverhead:])
		if rapid.Bool().Draw(t, "spoil") {
			body[rapid.IntRange(0, len(body)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		codec := rapid.SampledFrom(codecs()[1:]).Draw(t, "codec")
		s, err := newStream(codec, Compress(nil, body, codec, 0), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		c := cursor{b: body}
		for !c.done() {
			var a, b fields
			if _, reason := c.record(&a); reason != "" {
				return // the stream is laxer about sizes
			}
			if reason := s.record(&b); reason != "" || a != b {
				t.Fatalf("%+v and %+v %s", a, b, reason)
			}
		}
		if !s.done() || s.err != io.EOF {
			t.Fatalf("the stream goes on: %v", s.err)
		}
	})
}

func TestDecompressBound(t *testing.T) {
	for _, codec := range codecs() {
		src := bytes.Repeat([]byte("abcdefgh"), 100_000)
		packed := Compress(nil, src, codec, 0)
		if out, err := Decompress([]byte("x"), packed, codec, Limits{MaxDecompressedBytes: int64(len(src))}); err != nil || !bytes.Equal(out[1:], src) {
			t.Errorf("%s: %v", codec, err)
		}
		if _, err := Decompress(nil, packed, codec, Limits{MaxDecompressedBytes: int64(len(src)) - 1}); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", codec, err)
		}
		if codec == CodecNone {
			continue
		}
		if _, err := Decompress(nil, packed[:len(packed)-5], codec, Limits{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s cut: %v", codec, err)
		}
	}
}

func TestCodecNames(t *testing.T) {
	for _, codec := range append(codecs(), CodecProducer) {
		if got, ok := CodecByName(codec.Name()); !ok || got != codec {
			t.Errorf("%s: %d", codec, got)
		}
	}
	if got, ok := CodecByName("uncompressed"); !ok || got != CodecNone {
		t.Errorf("uncompressed: %d", got)
	}
	if _, ok := CodecByName("lzma"); ok {
		t.Error("lzma is a codec")
	}
	if Codec(6).Known() || CodecProducer.Known() {
		t.Error("unknown codecs are known")
	}
}

func TestSequenceWraps(t *testing.T) {
	for _, c := range [][3]int32{{0, 0, 0}, {5, 3, 8}, {1<<31 - 1, 1, 0}, {1<<31 - 2, 3, 1}} {
		if got := IncrementSequence(c[0], c[1]); got != c[2] {
			t.Errorf("%d + %d: %d, want %d", c[0], c[1], got, c[2])
		}
	}
}

// A frame that asks for a window of 128 MiB does not get it for its few bytes.
func TestGreatWindowCostsWhatComesOut(t *testing.T) {
	frame := fromHex(t, "28b52ffd00880900007a")
	claim := fromHex(t, "28b52ffda0000000040900007a") // 64 MiB of content in one segment
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	out, err := Decompress(nil, frame, CodecZstd, Limits{})
	if err != nil || string(out) != "z" {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := Decompress(nil, claim, CodecZstd, Limits{}); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("%d bytes allocated", used)
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithWindowSize(32<<20), zstd.WithSingleSegment(false))
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Close()
	src := bytes.Repeat([]byte("0123456789abcdef"), 20<<16)
	packed := encoder.EncodeAll(src, nil)
	if out, err := Decompress(nil, packed, CodecZstd, Limits{}); err != nil || !bytes.Equal(out, src) {
		t.Errorf("%d of %d bytes: %v", len(out), len(src), err)
	}
	if _, err := Decompress(nil, packed, CodecZstd, Limits{MaxDecompressedBytes: 3 << 20}); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}
