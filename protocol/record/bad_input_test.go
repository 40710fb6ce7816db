package record

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

type badInput struct {
	row    int
	input  string
	bytes  []byte
	rules  func(*Rules)
	answer *kerr.Error // nil: accepted
	text   string
	errors int // records at fault
}

// put gives a good batch another 4 bytes somewhere.
func put(at int, v int32) Batch {
	return fix(two(CodecNone), func(b Batch) { binary.BigEndian.PutUint32(b[at:], uint32(v)) })
}

func uncheckedPut(b Batch, at int, v int32) Batch {
	b = append(Batch{}, b...)
	binary.BigEndian.PutUint32(b[at:], uint32(v))
	return b
}

func badHeaders() []badInput {
	v := two(CodecNone)
	magic := func(m int8) Batch {
		return fix(v, func(b Batch) { b[magicAt] = byte(m) })
	}
	short := func(size int) []byte { return uncheckedPut(v, lengthAt, int32(size-LogOverhead))[:size] }
	return []badInput{
		{64, "records = null", nil, nil, kerr.InvalidRecord, "", 0},
		{65, "records length 0 (no batch), v≥3", []byte{}, nil, kerr.InvalidRecord, "", 0},
		{66, "two batches in one partition", append(append(Batch{}, v...), v...), nil, kerr.InvalidRecord, "", 0},
		{67, "magic 0/1 in v≥3", magic(1), nil, kerr.InvalidRecord, "", 0},
		{67, "magic 0/1 in v≥3", magic(0), nil, kerr.InvalidRecord, "", 0},
		{68, "magic 3 or −1", magic(3), nil, kerr.CorruptMessage, "Invalid magic found in record: 3", 0},
		{68, "magic 3 or −1", magic(-1), nil, kerr.CorruptMessage, "Invalid magic found in record: -1", 0},
		{69, "batch length 13 (<14) or negative", uncheckedPut(v, lengthAt, 13), nil, kerr.CorruptMessage, "Record size 13 is less than the minimum record overhead (14)", 0},
		{69, "batch length 13 (<14) or negative", uncheckedPut(v, lengthAt, -1), nil, kerr.CorruptMessage, "Record size -1", 0},
		{70, "batch length > bytes present", uncheckedPut(v, lengthAt, 1<<20), nil, kerr.InvalidRecord, "", 0},
		{71, "batch of 26 bytes, magic 2", short(26), nil, kerr.CorruptMessage, "", 0},
		{72, "batch of 27–60 bytes", short(27), nil, kerr.CorruptMessage, "", 0},
		{72, "batch of 27–60 bytes", short(60), nil, kerr.CorruptMessage, "", 0},
		{73, "wrong CRC32C", uncheckedPut(v, crcAt, 1), nil, kerr.CorruptMessage, "Record is corrupt (stored crc = 1)", 0},
		{74, "batch > max.message.bytes", uncheckedPut(v, crcAt, 1), func(r *Rules) { r.MaxMessageBytes = len(v) - 1 }, kerr.MessageTooLarge, "", 0},
		{76, "baseOffset ≠ 0", uncheckedPut(v, baseOffsetAt+4, 5), nil, kerr.InvalidRecord, "should be 0, but it is 5", 0},
		{77, "lastOffsetDelta −1", put(lastOffsetDeltaAt, -1), nil, kerr.InvalidRecord, "invalid offset range: [0, -1]", 0},
		{78, "record count 0 or −1", put(recordCountAt, 0), nil, kerr.InvalidRecord, "Invalid reported count for record batch: 0", 0},
		{78, "record count 0 or −1", put(recordCountAt, -1), nil, kerr.InvalidRecord, "Invalid reported count for record batch: -1", 0},
		{79, "count ≠ lastOffsetDelta+1", put(recordCountAt, 1), nil, kerr.InvalidRecord, "Inconsistent batch offset range [0, 1] and count of records 1", 0},
		{80, "control bit set by client", attribute(v, AttributeControl), nil, kerr.InvalidRecord, "Clients are not allowed to write control records", 0},
		{81, "compression id 5, 6, 7", attribute(v, 5), nil, kerr.UnsupportedCompressionType, "", 0},
		{81, "compression id 5, 6, 7", attribute(v, 6), nil, kerr.UnsupportedCompressionType, "", 0},
		{81, "compression id 5, 6, 7", attribute(v, 7), nil, kerr.UnsupportedCompressionType, "", 0},
		{83, "attribute bits 7–15 set", attribute(v, -128), nil, nil, "", 0},
		{84, "delete-horizon bit 6 set by client", attribute(v, AttributeDeleteHorizon), nil, kerr.InvalidRecord, "", 0},
		{88, "producerId ≥ 0 with baseSequence −1", fix(v, func(b Batch) { copy(b[producerIDAt:], make([]byte, 10)) }), nil, kerr.InvalidRecord, "Invalid sequence number -1", 0},
		{97, "non-transactional batch during open txn of same pid", attribute(v, AttributeTransactional), nil, nil, "", 0},
	}
}

func badTimes() []badInput {
	v := two(CodecNone)
	gzip := two(CodecGzip)
	appendTime := func(r *Rules) { r.TimestampType = LogAppendTime }
	noTime := attribute(withBody(CodecNone, 1, []byte{12, 0, 0, 0, 0, 0, 0}), AttributeLogAppendTime)
	noTime = fix(noTime, func(b Batch) { copy(b[maxTimestampAt:], bytes.Repeat([]byte{0xff}, 8)) })
	null := NewBuilder(plain(CodecNone))
	null.Append(testTime, []byte("k"), nil)
	null.Append(testTime, nil, []byte("v"))
	compacted := func(r *Rules) { r.Compacted = true }
	return []badInput{
		{85, "timestamp-type bit set, topic LogAppendTime", attribute(v, AttributeLogAppendTime), appendTime, kerr.InvalidTimestamp,
			"One or more records have been rejected due to invalid timestamp", 2},
		{85, "timestamp-type bit set, topic LogAppendTime", attribute(gzip, AttributeLogAppendTime), appendTime, kerr.InvalidTimestamp, "", 2},
		{85, "timestamp-type bit set, ts −1", noTime, nil, kerr.InvalidTimestamp, "", 1},
		{85, "timestamp-type bit set, else bit rewritten", attribute(v, AttributeLogAppendTime), nil, nil, "", 0},
		{86, "timestamp outside before/after max", v, func(r *Rules) { r.Now += 1000; r.BeforeMaxMs = 999 }, kerr.InvalidTimestamp, "", 1},
		{86, "timestamp outside before/after max", gzip, func(r *Rules) { r.Now -= 1000; r.AfterMaxMs = 999 }, kerr.InvalidTimestamp, "", 2},
		{87, "null key on compacted topic", null.Build(), compacted, kerr.InvalidRecord,
			"due to 1 record errors in total, and only showing the first three errors at most: [RecordError(batchIndex=1, " +
				"message='Compacted topic cannot accept message without key in topic partition t-0')]", 1},
	}
}

func badRecords() []badInput {
	// attributes, timestamp delta, offset delta, key −1, value −1, headers 0
	good := []byte{12, 0, 0, 0, 1, 1, 0}
	body := func(b ...byte) Batch { return withBody(CodecNone, 1, b) }
	packed := func(codec Codec, b ...byte) Batch { return withBody(codec, 1, Compress(nil, b, codec, 0)) }
	rest := append(append([]byte{}, good...), 0)
	huge := []byte{0xfe, 0xff, 0xff, 0xff, 0x0f}
	list := []badInput{
		{0, "the smallest record", body(good...), nil, nil, "", 0},
		{99, "record body size varint lies (short)", body(10, 0, 0, 0, 1, 1, 0), nil, kerr.InvalidRecord, reasonSize, 0},
		{99, "record body size varint lies (long)", body(14, 0, 0, 0, 1, 1, 0, 0), nil, kerr.InvalidRecord, reasonSize, 0},
		{99, "record body size varint lies (beyond the batch)", body(40, 0, 0, 0, 1, 1, 0), nil, kerr.InvalidRecord, reasonSize, 0},
		{99, "record body size varint lies (negative)", body(11, 0, 0, 0, 1, 1, 0), nil, kerr.InvalidRecord, reasonSize, 0},
		{100, "record varint of 6 bytes (inside)", body(22, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 1, 1, 0), nil, kerr.InvalidRecord, reasonStructure, 0},
		{100, "record varint of 6 bytes (the size itself)", body(0x80, 0x80, 0x80, 0x80, 0x80, 0), nil, kerr.InvalidRecord, reasonEOF, 0},
		{101, "header count 2^31−1", body(append([]byte{20, 0, 0, 0, 1, 1}, huge...)...), nil, kerr.InvalidRecord, reasonHeaders, 0},
		{101, "header count negative", body(12, 0, 0, 0, 1, 1, 1), nil, kerr.InvalidRecord, reasonHeaders, 0},
		{101, "header key −1", body(16, 0, 0, 0, 1, 1, 2, 1, 1), nil, kerr.InvalidRecord, reasonHeaderKey, 0},
		{102, "bytes left after last record", body(rest...), nil, kerr.InvalidRecord, reasonRemaining, 0},
		{107, "re-compressing topic + record size 2^31−1", packed(CodecZstd, huge...), func(r *Rules) { r.Codec = CodecLZ4 }, kerr.InvalidRecord, reasonSize, 0},
		{108, "inner records with compression attribute", body(12, 1, 0, 0, 1, 1, 0), nil, nil, "", 0},
	}
	for _, codec := range codecs()[1:] {
		list = append(list,
			badInput{0, "the smallest record", packed(codec, good...), nil, nil, "", 0},
			badInput{100, "record varint of 6 bytes", packed(codec, 22, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 1, 1, 0), nil, kerr.InvalidRecord, "", 0},
			badInput{100, "record varint of 6 bytes", packed(codec, 0x80, 0x80, 0x80, 0x80, 0x80, 0), nil, kerr.InvalidRecord, "", 0},
			badInput{101, "header count 2^31−1", packed(codec, append([]byte{20, 0, 0, 0, 1, 1}, huge...)...), nil, kerr.InvalidRecord, "", 0},
			badInput{101, "header key −1", packed(codec, 16, 0, 0, 0, 1, 1, 2, 1, 1), nil, kerr.InvalidRecord, "", 0},
			badInput{102, "bytes left after last record", packed(codec, rest...), nil, kerr.InvalidRecord, reasonRemaining, 0},
			badInput{102, "fewer records than said", withBody(codec, 2, Compress(nil, good, codec, 0)), nil, kerr.InvalidRecord, "", 0},
			badInput{102, "offset deltas not consecutive", packed(codec, 12, 0, 0, 2, 1, 1, 0), nil, kerr.InvalidRecord, reasonNotInOrder, 0},
			badInput{103, "garbage compressed payload", withBody(codec, 1, []byte("this is garbage, of course")), nil, kerr.CorruptMessage, "", 0},
			badInput{103, "empty compressed payload", withBody(codec, 1, nil), nil, nil, "any", 0},
			badInput{103, "truncated compressed payload", withBody(codec, 40, truncated(codec)), nil, kerr.CorruptMessage, "", 0},
		)
	}
	return list
}

// truncated is the first half of 40 records' compressed bytes.
func truncated(codec Codec) []byte {
	b := NewBuilder(plain(codec))
	for i := range 40 {
		b.Append(testTime, []byte{byte(i)}, bytes.Repeat([]byte{byte(i), byte(i * 7)}, 50+i))
	}
	records := b.Build()[BatchOverhead:]
	return records[:len(records)/2]
}

func badCompressed(t *testing.T) []badInput {
	record := NewBuilder(plain(CodecNone))
	record.Append(testTime, nil, make([]byte, 8<<20))
	bomb := []byte(record.Build()[BatchOverhead:])
	small := func(r *Rules) { r.MaxDecompressedBytes = 1 << 20 }
	list := []badInput{
		{105, "snappy xerial chunk header 0x7fffffff", withBody(CodecSnappy, 1, append([]byte(xerialMagic), 0, 0, 0, 1, 0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff)), nil, kerr.CorruptMessage, "", 0},
		{105, "snappy block that claims 2 GiB", withBody(CodecSnappy, 1, []byte{0xff, 0xff, 0xff, 0xff, 0x07, 0, 0}), nil, kerr.CorruptMessage, "", 0},
		{106, "lz4 frame with bad header checksum", withBody(CodecLZ4, 1, fromHex(t, "04224d186040830000000000")), nil, kerr.CorruptMessage, "descriptor corrupted", 0},
		{106, "lz4 frame with dependent blocks", withBody(CodecLZ4, 1, fromHex(t, "04224d184040c00000000000")), nil, kerr.CorruptMessage, "Dependent block", 0},
		{106, "lz4 frame with content size 2^60", withBody(CodecLZ4, 1, fromHex(t, "04224d186840000000000000001000000000000000")), nil, kerr.CorruptMessage, "descriptor corrupted", 0},
	}
	for _, codec := range codecs()[1:] {
		packed := withBody(codec, 1, Compress(nil, bomb, codec, 0))
		list = append(list,
			badInput{104, "bomb of one record", packed, small, kerr.MessageTooLarge, "decompress to more than 1048576 bytes", 0},
			badInput{104, "bomb of one record, re-compressing", packed, func(r *Rules) { small(r); r.Codec = CodecNone }, kerr.MessageTooLarge, "", 0})
	}
	return list
}

func TestBadInput(t *testing.T) {
	var list []badInput
	for _, part := range [][]badInput{badHeaders(), badTimes(), badRecords(), badCompressed(t)} {
		list = append(list, part...)
	}
	for _, row := range list {
		rules := testRules()
		if row.rules != nil {
			row.rules(&rules)
		}
		before := bytes.Clone(row.bytes)
		_, _, err := Validate(bytes.Clone(row.bytes), rules)
		if !bytes.Equal(before, row.bytes) {
			t.Fatalf("row %d: the test's own bytes changed", row.row)
		}
		if row.text == "any" {
			if err == nil {
				t.Errorf("row %d %s: accepted", row.row, row.input)
			}
			continue
		}
		if row.answer == nil {
			if err != nil {
				t.Errorf("row %d %s: %v", row.row, row.input, err)
			}
			continue
		}
		t.Run(strings.ReplaceAll(row.input, " ", "_"), func(t *testing.T) {
			bad := wantInvalid(t, err, row.answer, row.text)
			if len(bad.Records) != row.errors {
				t.Errorf("row %d: %d records at fault, want %d", row.row, len(bad.Records), row.errors)
			}
		})
	}
}

func TestBadInputBeforeThePartition(t *testing.T) {
	v := two(CodecNone)
	for _, row := range []struct {
		row     int
		bytes   []byte
		version int16
		answer  *kerr.Error
	}{
		{64, nil, 9, kerr.InvalidRecord},
		{65, []byte{}, 9, kerr.InvalidRecord},
		{66, append(append(Batch{}, v...), v...), 9, kerr.InvalidRecord},
		{67, fix(v, func(b Batch) { b[magicAt] = 1 }), 9, kerr.InvalidRecord},
		{68, fix(v, func(b Batch) { b[magicAt] = 3 }), 9, kerr.CorruptMessage},
		{69, uncheckedPut(v, lengthAt, 13), 9, kerr.CorruptMessage},
		{70, uncheckedPut(v, lengthAt, 1<<20), 9, kerr.InvalidRecord},
		{71, uncheckedPut(v, lengthAt, 14)[:26], 9, kerr.CorruptMessage},
		{81, attribute(v, 5), 6, kerr.UnsupportedCompressionType},
		{82, two(CodecZstd), 6, kerr.UnsupportedCompressionType},
	} {
		wantInvalid(t, CheckProduce(row.bytes, row.version), row.answer, "")
	}
	for version, batch := range map[int16]Batch{3: v, 7: two(CodecZstd), 13: two(CodecLZ4)} {
		if err := CheckProduce(batch, version); err != nil {
			t.Errorf("version %d: %v", version, err)
		}
	}
}
