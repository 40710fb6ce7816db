package record

import (
	"bufio"
	"bytes"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
)

// golden is a batch that Apache Kafka made, and what it reads of it.
type golden struct {
	name  string
	bytes []byte
	lines []string
	input []byte // what LogValidator made the batch of
	max   int64
}

func readGolden(t testing.TB) []golden {
	t.Helper()
	file, err := os.Open("testdata/batches.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var list []golden
	var next golden
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		words := strings.Split(lines.Text(), " ")
		switch words[0] {
		case "input":
			next.input = fromHex(t, words[1])
		case "max":
			next.max, _ = strconv.ParseInt(words[1], 10, 64)
		case "batch":
			next.name, next.bytes = words[1], fromHex(t, words[2])
			list = append(list, next)
			next = golden{}
		case "header", "record":
			list[len(list)-1].lines = append(list[len(list)-1].lines, lines.Text())
		}
	}
	if err := lines.Err(); err != nil || len(list) < 30 {
		t.Fatalf("%d batches: %v", len(list), err)
	}
	return list
}

func named(t testing.TB, name string) Batch {
	for _, g := range readGolden(t) {
		if g.name == name {
			return g.bytes
		}
	}
	t.Fatalf("no batch %s", name)
	return nil
}

func show(field []byte) string {
	switch {
	case field == nil:
		return "null"
	case len(field) == 0:
		return "-"
	case len(field) > 64:
		return fmt.Sprintf("len%d:%x", len(field), crc32.Checksum(field, crc32.MakeTable(crc32.Castagnoli)))
	}
	return fmt.Sprintf("%x", field)
}

// describe writes what this package reads of a batch in the golden file's form.
func describe(t *testing.T, b Batch) []string {
	offset, ok, err := b.OffsetOfMaxTimestamp(Limits{})
	if err != nil || !ok {
		t.Fatalf("offset of the maximal timestamp: %v", err)
	}
	lines := []string{fmt.Sprintf("header %d %d %d %s %s %d %d %d %d %d %d %t %t %d", b.BaseOffset(), b.LastOffset(), b.PartitionLeaderEpoch(),
		b.Codec(), b.TimestampType(), b.MaxTimestamp(), b.ProducerID(), b.ProducerEpoch(), b.BaseSequence(), b.LastSequence(),
		b.RecordCount(), b.IsTransactional(), b.IsControl(), offset)}
	for r, err := range b.Records(Limits{}) {
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("record %d %d %s %s", r.Offset, r.Timestamp, show(r.Key), show(r.Value))
		for _, h := range r.Headers {
			line += " " + show([]byte(h.Key)) + "=" + show(h.Value)
		}
		lines = append(lines, line)
	}
	return lines
}

func TestReadsWhatKafkaWrote(t *testing.T) {
	for _, g := range readGolden(t) {
		t.Run(g.name, func(t *testing.T) {
			b, rest, err := Next(g.bytes)
			if err != nil || len(rest) != 0 || !b.CheckCRC() {
				t.Fatalf("not one whole batch: %v", err)
			}
			got := describe(t, b)
			if strings.Join(got, "\n") != strings.Join(g.lines, "\n") {
				t.Fatalf("read\n%s\nKafka read\n%s", strings.Join(got, "\n"), strings.Join(g.lines, "\n"))
			}
		})
	}
}

func few(b *Builder) Batch {
	b.Append(1700000000000, []byte("key"), []byte("value"), Header{"a", []byte("x")}, Header{"null", nil}, Header{"", []byte{}})
	b.Append(1700000000007, nil, []byte("no key"))
	b.Append(1699999999999, []byte("no value"), nil)
	b.Append(1700000000007, []byte{}, []byte{})
	return b.Build()
}

func TestWritesWhatKafkaWrites(t *testing.T) {
	options := plain(CodecNone)
	options.BaseOffset, options.LeaderEpoch = 42, 5
	stamped := options
	stamped.TimestampType, stamped.LogAppendTime = LogAppendTime, 1750000000000
	transactional := options
	transactional.BaseOffset, transactional.ProducerID, transactional.ProducerEpoch = 7, 1234567890123, 3
	transactional.BaseSequence, transactional.Transactional = math.MaxInt32-1, true
	marker := func(commit bool, epoch int32) Batch {
		b := EndTxnBatch(1700000000000, 4711, 2, commit, EndTxnMarker{CoordinatorEpoch: epoch})
		b.SetBaseOffset(9)
		b.SetPartitionLeaderEpoch(5)
		return b
	}
	for name, got := range map[string]Batch{
		"few-none": few(NewBuilder(options)), "append-time": few(NewBuilder(stamped)),
		"transactional": few(NewBuilder(transactional)), "commit": marker(true, 13), "abort": marker(false, 0),
	} {
		if want := named(t, name); !bytes.Equal(got, want) {
			t.Errorf("%s:\n%x\nKafka wrote\n%x", name, []byte(got), []byte(want))
		}
	}
}

func TestFramesOfCodecs(t *testing.T) {
	for _, codec := range []Codec{CodecSnappy, CodecLZ4} {
		kafka := named(t, "few-"+codec.Name())[BatchOverhead:]
		n := map[Codec]int{CodecSnappy: xerialHeader, CodecLZ4: 7}[codec]
		if ours := Compress(nil, []byte("abc"), codec, 0); !bytes.Equal(ours[:n], kafka[:n]) {
			t.Errorf("%s begins with %x, Kafka's with %x", codec, ours[:n], kafka[:n])
		}
	}
}

func TestControlRecords(t *testing.T) {
	for name, want := range map[string]EndTxnMarker{"commit": {CoordinatorEpoch: 13}, "abort": {}} {
		for r, err := range named(t, name).Records(Limits{}) {
			if err != nil {
				t.Fatal(err)
			}
			kind, err := DecodeControlKey(r.Key)
			if err != nil || (kind == ControlCommit) != (name == "commit") {
				t.Errorf("%s: type %d, %v", name, kind, err)
			}
			marker, err := DecodeEndTxnMarker(r.Value)
			if err != nil || marker != want {
				t.Errorf("%s: %+v, %v", name, marker, err)
			}
		}
	}
	for _, key := range [][]byte{nil, {0, 0, 0}, {0xff, 0xff, 0, 0}} {
		if _, err := DecodeControlKey(key); err == nil {
			t.Errorf("key %x is read", key)
		}
	}
	if kind, err := DecodeControlKey([]byte{0, 9, 0, 6, 1}); err != nil || kind != ControlKRaftVoters {
		t.Errorf("a later version: %d, %v", kind, err)
	}
	for _, value := range [][]byte{nil, {0, 0, 0, 0, 1}, {0xff, 0xff, 0, 0, 0, 0}} {
		if _, err := DecodeEndTxnMarker(value); err == nil {
			t.Errorf("marker %x is read", value)
		}
	}
}

// Validate makes of a batch what LogValidator makes of it.
func TestValidatesAsKafka(t *testing.T) {
	validated := 0
	for _, g := range readGolden(t) {
		if g.input == nil {
			continue
		}
		validated++
		words := strings.Split(g.name, "-") // validate, codec, target, timestamp type
		rules := testRules()
		rules.Now, rules.AfterMaxMs = 1800000000000, math.MaxInt64
		if words[2] == "none" {
			rules.Codec = CodecNone
		}
		if words[3] == "LogAppendTime" {
			rules.TimestampType = LogAppendTime
		}
		got, info, err := Validate(g.input, rules)
		if err != nil {
			t.Errorf("%s: %v", g.name, err)
			continue
		}
		got.SetBaseOffset(100)
		got.SetPartitionLeaderEpoch(7)
		if !bytes.Equal(got, g.bytes) || info.MaxTimestamp != g.max || info.RecordCount != 4 || info.Rebuilt != (words[2] != "same") {
			t.Errorf("%s: %+v\n%x\nKafka made\n%x", g.name, info, []byte(got), g.bytes)
		}
	}
	if validated < 15 {
		t.Errorf("%d batches validated", validated)
	}
}

func TestBareSnappyAndConcatenatedStreams(t *testing.T) {
	src := bytes.Repeat([]byte("snappy"), 1000)
	stream := appendSnappy(nil, src)
	if out, err := Decompress(nil, append(bytes.Clone(stream), stream...), CodecSnappy, Limits{}); err != nil || !bytes.Equal(out, append(bytes.Clone(src), src...)) {
		t.Errorf("two streams: %d bytes, %v", len(out), err)
	}
	bare := stream[xerialHeader+4:]
	if out, err := Decompress(nil, bare, CodecSnappy, Limits{}); err != nil || !bytes.Equal(out, src) {
		t.Errorf("bare block: %d bytes, %v", len(out), err)
	}
	// A literal of 4 bytes, a copy of 4 from 4 back, and one from 0 back: the last is no snappy.
	repeat := []byte{12, 3 << 2, 'a', 'b', 'c', 'd', 1, 4, 1, 0}
	if out, err := Decompress(nil, repeat, CodecSnappy, Limits{}); err == nil {
		t.Errorf("a copy from 0 back: %q", out)
	}
	if out, err := Decompress(nil, append([]byte{8}, repeat[1:8]...), CodecSnappy, Limits{}); err != nil || string(out) != "abcdabcd" {
		t.Errorf("a copy from 4 back: %q, %v", out, err)
	}
	packed := appendGzip(nil, src, 0)
	if out, err := Decompress(nil, append(append(bytes.Clone(packed), packed...), "garbage behind it"...), CodecGzip, Limits{}); err != nil || len(out) != 2*len(src) {
		t.Errorf("two gzip members: %d bytes, %v", len(out), err)
	}
}

// TestWriteForKafka writes batches of every codec and level to the file that
// RECORD_BATCHES names, one a line: name, bytes, number of records, sum of the
// values' CRC-32C. Kafka's classes can then be held against them.
func TestWriteForKafka(t *testing.T) {
	name := os.Getenv("RECORD_BATCHES")
	if name == "" {
		t.Skip("RECORD_BATCHES is not set")
	}
	var out bytes.Buffer
	for _, codec := range codecs() {
		for level := range 18 {
			for _, count := range []int{1, 3, 300} {
				options := plain(codec)
				options.Level = level
				b := NewBuilder(options)
				var sum int64
				for i := range count {
					value := bytes.Repeat([]byte(strconv.Itoa(i*i*7919)), 1+i)
					sum += int64(crc32.Checksum(value, crc32.MakeTable(crc32.Castagnoli)))
					b.Append(testTime, nil, value, Header{Key: "h", Value: value[:1]})
				}
				fmt.Fprintf(&out, "%s-%d-%d %x %d %d\n", codec, level, count, []byte(b.Build()), count, sum)
			}
		}
	}
	if err := os.WriteFile(name, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
