package record

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// legacyGolden is a message or a batch that Apache Kafka's classes made, and what they read of it. How they are made
// anew stands in compat-tests/old-batches.
type legacyGolden struct {
	bytes   []byte
	header  string
	records []string
}

func readLegacyGolden(t testing.TB) []legacyGolden {
	t.Helper()
	file, err := os.Open("testdata/legacy.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var list []legacyGolden
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		kind, rest, _ := strings.Cut(lines.Text(), " ")
		switch kind {
		case "batch":
			list = append(list, legacyGolden{bytes: fromHex(t, rest)})
		case "header":
			_, list[len(list)-1].header, _ = strings.Cut(rest, " ") // without the position
		case "record":
			list[len(list)-1].records = append(list[len(list)-1].records, rest)
		}
	}
	if err := lines.Err(); err != nil || len(list) < 40 {
		t.Fatalf("%d messages: %v", len(list), err)
	}
	return list
}

func showWhole(field []byte) string {
	switch {
	case field == nil:
		return "null"
	case len(field) == 0:
		return "-"
	}
	return fmt.Sprintf("%x", field)
}

func TestLegacyGolden(t *testing.T) {
	wrappers := map[string]int{}
	for _, g := range readLegacyGolden(t) {
		frame, magic, rest, err := NextFrame(g.bytes)
		if err != nil || len(rest) != 0 {
			t.Fatalf("%s: %v", g.header, err)
		}
		if magic == currentMagic {
			continue
		}
		if _, _, err := Next(g.bytes); err != ErrLegacy {
			t.Errorf("%s: Next gives %v", g.header, err)
		}
		m := Legacy(frame)
		wrappers[fmt.Sprintf("%d %s %s", magic, m.Codec(), m.TimestampType())]++
		first, count, err := m.Span(Limits{})
		if err != nil || count != len(g.records) {
			t.Fatalf("%s: %d records, %v", g.header, count, err)
		}
		header := fmt.Sprintf("%d %d %d %s %s %d %d %t", first, m.Offset(), m.Magic(), m.Codec(), m.TimestampType(), m.Timestamp(), m.CRC(), m.CheckCRC())
		if header != g.header {
			t.Errorf("read %s, Apache Kafka reads %s", header, g.header)
		}
		i := 0
		for r, err := range m.Records(Limits{}) {
			if err != nil {
				t.Fatal(err)
			}
			line := fmt.Sprintf("%d %d %s %s %d %t", r.Offset, r.Timestamp, showWhole(r.Key), showWhole(r.Value), r.Message.CRC(), r.Message.CheckCRC())
			if line != g.records[i] {
				t.Errorf("read %s, Apache Kafka reads %s", line, g.records[i])
			}
			i++
		}
	}
	if len(wrappers) != 12 { // four codecs: magic 0, and magic 1 with both timestamp types
		t.Errorf("not all kinds of messages: %v", wrappers)
	}
}

// legacyMessage is what tests write messages from.
type legacyMessage struct {
	magic      int8
	codec      Codec
	appendTime bool
	offset     int64
	timestamp  int64
	key, value []byte
}

func (m legacyMessage) bytes() Legacy {
	b := make([]byte, legacyTimestampAt, 64)
	binary.BigEndian.PutUint64(b, uint64(m.offset))
	b[magicAt], b[legacyAttributesAt] = byte(m.magic), byte(m.codec)
	if m.appendTime {
		b[legacyAttributesAt] |= legacyAppendTime
	}
	if m.magic == 1 {
		b = binary.BigEndian.AppendUint64(b, uint64(m.timestamp))
	}
	for _, field := range [][]byte{m.key, m.value} {
		if field == nil {
			b = binary.BigEndian.AppendUint32(b, 1<<32-1)
			continue
		}
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(field))), field...)
	}
	binary.BigEndian.PutUint32(b[lengthAt:], uint32(len(b)-LogOverhead))
	binary.BigEndian.PutUint32(b[legacyCRCAt:], crc32.ChecksumIEEE(b[magicAt:]))
	return b
}

// wrap makes a wrapper around messages whose offsets are absolute.
func wrap(magic int8, codec Codec, appendTime bool, timestamp int64, messages []legacyMessage) Legacy {
	var inner []byte
	base := messages[0].offset
	for _, m := range messages {
		m.magic = magic
		if magic == 1 {
			m.offset -= base
		}
		inner = append(inner, m.bytes()...)
	}
	value := Compress(nil, inner, codec, 0)
	if codec == CodecLZ4 && magic == 0 {
		value[6] ^= 0x55 // nobody wrote it right
	}
	return legacyMessage{magic: magic, codec: codec, appendTime: appendTime, offset: messages[len(messages)-1].offset, timestamp: timestamp, value: value}.bytes()
}

// What a writer of the test makes is read back, whatever it holds.
func TestLegacyProperties(t *testing.T) {
	field := rapid.Custom(func(t *rapid.T) []byte {
		if rapid.Bool().Draw(t, "null") {
			return nil
		}
		return rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes")
	})
	rapid.Check(t, func(t *rapid.T) {
		magic := int8(rapid.IntRange(0, 1).Draw(t, "magic"))
		codec := Codec(rapid.IntRange(0, 3).Draw(t, "codec"))
		appendTime := magic == 1 && rapid.Bool().Draw(t, "append time")
		offset := rapid.Int64Range(1, 1<<40).Draw(t, "offset")
		greatest := int64(-1)
		var messages []legacyMessage
		for range rapid.IntRange(1, 20).Draw(t, "messages") {
			m := legacyMessage{magic: magic, appendTime: appendTime, offset: offset, timestamp: rapid.Int64Range(-1, 1<<41).Draw(t, "timestamp"), key: field.Draw(t, "key"), value: field.Draw(t, "value")}
			greatest = max(greatest, m.timestamp)
			messages = append(messages, m)
			offset += rapid.Int64Range(1, 3).Draw(t, "step")
			if codec == CodecNone {
				break
			}
		}
		b := messages[0].bytes()
		if codec != CodecNone {
			b = wrap(magic, codec, appendTime, greatest, messages)
		}
		if !b.CheckCRC() {
			t.Fatal("the checksum is not right")
		}
		i := 0
		for r, err := range b.Records(Limits{}) {
			want := messages[i]
			switch {
			case err != nil:
				t.Fatal(err)
			case magic == 0:
				want.timestamp = -1
			case appendTime && codec != CodecNone:
				want.timestamp = greatest
			}
			if r.Offset != want.offset || r.Timestamp != want.timestamp || showWhole(r.Key) != showWhole(want.key) || showWhole(r.Value) != showWhole(want.value) {
				t.Fatalf("record %d is %+v, want %+v", i, r, want)
			}
			i++
		}
		if i != len(messages) {
			t.Fatalf("%d of %d records", i, len(messages))
		}
		// A changed byte anywhere behind the checksum is seen.
		at := rapid.IntRange(magicAt, len(b)-1).Draw(t, "place")
		b[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "change"))
		if b.CheckCRC() {
			t.Fatal("a change is not seen")
		}
	})
}

// What Apache Kafka refuses of wrappers is refused here.
func TestLegacyRefusals(t *testing.T) {
	two := []legacyMessage{{offset: 5, value: []byte("a")}, {offset: 6, value: []byte("b")}}
	compressed := two[0]
	compressed.codec = CodecGzip
	whole := wrap(0, CodecGzip, false, 0, two)
	_, packed, _ := whole.fields()
	inner, err := Decompress(nil, packed, CodecGzip, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	gzipped := func(b []byte) []byte { return Compress(nil, b, CodecGzip, 0) }
	wrapper := func(magic int8, codec Codec, offset int64, value []byte) Legacy {
		return legacyMessage{magic: magic, codec: codec, offset: offset, value: value}.bytes()
	}
	short := append([]byte(nil), inner...)
	binary.BigEndian.PutUint32(short[lengthAt:], 13)
	strange := append([]byte(nil), inner...)
	strange[magicAt] = 2
	beyond := legacyMessage{value: []byte("value")}.bytes()
	binary.BigEndian.PutUint32(beyond[len(beyond)-9:], 6)
	for _, c := range []struct {
		name    string
		message Legacy
		want    error
	}{
		{"null value", wrapper(0, CodecGzip, 6, nil), errLegacyNull},
		{"nothing within", wrapper(1, CodecGzip, 6, gzipped(nil)), errLegacyEmpty},
		{"a part of a message within", wrapper(0, CodecGzip, 6, gzipped(inner[:20])), errLegacyEmpty},
		{"compressed within", wrap(0, CodecSnappy, false, 0, []legacyMessage{compressed}), errLegacyCompressed},
		{"zstd", wrapper(1, CodecZstd, 6, Compress(nil, inner, CodecZstd, 0)), errLegacyCodec},
		{"an unknown codec", wrapper(1, 5, 6, inner), ErrUnknownCodec},
		{"no gzip", wrapper(1, CodecGzip, 6, inner), ErrCorrupt},
		{"a wrong checksum of lz4 in magic 1", wrapper(1, CodecLZ4, 6, func() []byte {
			b := Compress(nil, inner, CodecLZ4, 0)
			b[6] ^= 1
			return b
		}()), errLZ4Header},
		{"a wrapper's offset below the last within", wrapper(1, CodecGzip, 4, gzipped(inner)), ErrCorrupt},
		{"a length within that is too small", wrapper(0, CodecGzip, 6, gzipped(short)), ErrCorrupt},
		{"a strange magic within", wrapper(0, CodecGzip, 6, gzipped(strange)), ErrCorrupt},
		{"a value beyond the end", beyond, errLegacyField},
		{"too large", wrapper(0, CodecGzip, 6, gzipped(bytes.Repeat(inner, 100))), ErrTooLarge},
	} {
		limits := Limits{}
		if c.want == ErrTooLarge {
			limits.MaxDecompressedBytes = 99
		}
		records := 0
		var failed error
		for _, err := range c.message.Records(limits) {
			if failed = err; err == nil {
				records++
			}
		}
		if !errors.Is(failed, c.want) || records != 0 {
			t.Errorf("%s: %d records, %v", c.name, records, failed)
		}
	}
}

// A last message within that is cut short is left out, and a wrapper of offset 0 leaves the offsets as they stand.
func TestLegacyLeniency(t *testing.T) {
	inner := append(legacyMessage{magic: 1, offset: 3, timestamp: 9}.bytes(), legacyMessage{magic: 1, offset: 4, timestamp: 8}.bytes()...)
	packed := Compress(nil, inner[:len(inner)-1], CodecGzip, 0)
	for _, c := range []struct{ wrapper, want int64 }{{0, 3}, {100, 100}} {
		m := legacyMessage{magic: 1, codec: CodecGzip, offset: c.wrapper, timestamp: 9, value: packed}.bytes()
		if first, count, err := m.Span(Limits{}); first != c.want || count != 1 || err != nil {
			t.Errorf("wrapper %d: %d records from %d on, %v", c.wrapper, count, first, err)
		}
	}
}

func FuzzLegacy(f *testing.F) {
	for _, g := range readLegacyGolden(f) {
		f.Add(g.bytes)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		for len(input) > 0 {
			frame, magic, rest, err := NextFrame(input)
			if err != nil {
				return
			}
			input = rest
			if magic == currentMagic {
				continue
			}
			m := Legacy(frame)
			_, _, _ = m.CheckCRC(), m.Timestamp(), m.TimestampType()
			boundedMemory(t, func() {
				for r, err := range m.Records(Limits{MaxDecompressedBytes: fuzzLimit}) {
					if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrUnknownCodec) {
						t.Fatalf("error %v", err)
					}
					if err == nil && r.Message.Codec() != CodecNone {
						t.Fatal("a record that is compressed")
					}
				}
			})
		}
	})
}
