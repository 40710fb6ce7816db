package storage

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"testing"
	"time"

	"ottla/protocol/record"
	"ottla/storage/vfs"
)

// oldMessage makes messages of magic 0 and 1 for tests.
type oldMessage struct {
	magic      int8
	codec      record.Codec
	appendTime bool
	offset     int64
	timestamp  int64
	key, value []byte
}

func (m oldMessage) bytes() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(m.offset))
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, byte(m.magic), byte(m.codec))
	if m.appendTime {
		b[oldAttributesAt] |= attributeLogAppendTime
	}
	if m.magic == 1 {
		b = binary.BigEndian.AppendUint64(b, uint64(m.timestamp))
	}
	for _, field := range [][]byte{m.key, m.value} {
		size := int32(len(field))
		if field == nil {
			size = -1
		}
		b = append(binary.BigEndian.AppendUint32(b, uint32(size)), field...)
	}
	binary.BigEndian.PutUint32(b[lengthAt:], uint32(len(b)-overhead))
	binary.BigEndian.PutUint32(b[oldCRCAt:], crc32.ChecksumIEEE(b[magicAt:]))
	return b
}

// oldWrapper compresses messages together.
func oldWrapper(codec record.Codec, appendTime bool, messages []oldMessage) []byte {
	var inner []byte
	largest, base := int64(-1), messages[0].offset
	for _, m := range messages {
		largest = max(largest, m.timestamp)
		if m.magic == 1 {
			m.offset -= base
		}
		inner = append(inner, m.bytes()...)
	}
	wrapper := oldMessage{magic: messages[0].magic, codec: codec, appendTime: appendTime, offset: messages[len(messages)-1].offset, timestamp: largest}
	wrapper.value = record.Compress(nil, inner, codec, 0)
	return wrapper.bytes()
}

// randomOld makes a segment of random messages and says what is in it.
func randomOld(random *rand.Rand) (segment []byte, records []oldRecord) {
	offset := int64(random.IntN(3))
	for range 1 + random.IntN(40) {
		magic, codec, appendTime := int8(random.IntN(3)), record.Codec(random.IntN(4)), random.IntN(3) == 0
		var messages []oldMessage
		for range 1 + random.IntN(6) {
			m := oldMessage{magic: magic, offset: offset, timestamp: 1_000_000 + random.Int64N(5000), value: make([]byte, random.IntN(80))}
			if magic == 1 && random.IntN(10) == 0 {
				m.timestamp = -1
			}
			messages = append(messages, m)
			offset += 1 + int64(random.IntN(8)/7)
		}
		last := messages[len(messages)-1].offset
		switch {
		case magic == 2:
			var timestamps []int64
			for i := range messages {
				timestamps = append(timestamps, messages[i].timestamp)
				records = append(records, oldRecord{messages[0].offset + int64(i), messages[i].timestamp, messages[0].offset, messages[0].offset + int64(len(messages)-1), 2})
			}
			segment = append(segment, testBatch{timestamps: timestamps, offset: messages[0].offset, value: "new"}.bytes()...)
		case codec == record.CodecNone:
			for _, m := range messages {
				timestamp := m.timestamp
				if magic == 0 {
					timestamp = -1
				}
				segment = append(segment, m.bytes()...)
				records = append(records, oldRecord{m.offset, timestamp, m.offset, m.offset, magic})
			}
		default:
			segment = append(segment, oldWrapper(codec, appendTime, messages)...)
			largest := int64(-1)
			for _, m := range messages {
				largest = max(largest, m.timestamp)
			}
			for _, m := range messages {
				timestamp := m.timestamp
				if magic == 0 {
					timestamp = -1
				} else if appendTime {
					timestamp = largest
				}
				records = append(records, oldRecord{m.offset, timestamp, messages[0].offset, last, magic})
			}
		}
	}
	return segment, records
}

// TestRandomOldBatches recovers logs of random messages and holds what the log tells against what was written.
func TestRandomOldBatches(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	for run := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, run))
		segment, records := randomOld(random)
		m := vfs.NewMemory()
		for _, dir := range []string{"/data", oldDirectory} {
			if err := m.Mkdir(dir); err != nil {
				t.Fatal(err)
			}
		}
		if err := writeFile(m, oldDirectory+"/00000000000000000000.log", segment, true); err != nil {
			t.Fatal(err)
		}
		config := smallConfig()
		config.IndexIntervalBytes, config.SegmentIndexBytes, config.SegmentBytes = int32(50+random.IntN(400)), 1<<16, 1<<20
		l, err := tryOld(m, false, 0, config)
		if err != nil {
			t.Fatalf("seed %d, run %d: %v", seed, run, err)
		}
		checkOld(t, l, records, seed, run)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if l, err = tryOld(m, true, 0, config); err != nil {
			t.Fatalf("seed %d, run %d: %v", seed, run, err)
		}
		checkOld(t, l, records, seed, run)
	}
}

func checkOld(t *testing.T, l *Log, records []oldRecord, seed, run uint64) {
	t.Helper()
	if end := records[len(records)-1].last + 1; l.EndOffset() != end {
		t.Fatalf("seed %d, run %d: the end is %d, want %d", seed, run, l.EndOffset(), end)
	}
	for _, r := range records {
		region, err := l.Read(r.offset, 1, true, l.EndOffset())
		if err != nil {
			t.Fatalf("seed %d, run %d: read %d: %v", seed, run, r.offset, err)
		}
		bytes := make([]byte, region.Len())
		if err := region.ReadAll(bytes); err != nil {
			t.Fatal(err)
		}
		region.Release()
		h, err := parseHeader(bytes)
		if err != nil || h.lastOffset != r.last || h.size != len(bytes) {
			t.Fatalf("seed %d, run %d: offset %d is in [%d, %d], read %+v, %v", seed, run, r.offset, r.base, r.last, h, err)
		}
		want := TimestampOffset{-1, -1, -1}
		for _, at := range records {
			if at.timestamp >= r.timestamp {
				want = TimestampOffset{at.timestamp, at.offset, -1}
				if at.magic == 2 {
					want.LeaderEpoch = 0
				}
				break
			}
		}
		if r.timestamp < 0 {
			continue
		}
		if got, err := l.OffsetForTimestamp(r.timestamp); err != nil || got != want {
			t.Fatalf("seed %d, run %d: timestamp %d: %+v, %v; want %+v", seed, run, r.timestamp, got, err, want)
		}
	}
}

// FuzzOldRecovery opens logs of old messages that were changed anywhere; where the checksum is set right again, what lies within is strange.
func FuzzOldRecovery(f *testing.F) {
	for seed := range uint64(6) {
		segment, _ := randomOld(rand.New(rand.NewPCG(seed, 1)))
		f.Add(segment[:min(len(segment), 2000)], seed%2 == 0)
	}
	for name, b := range oldFiles(f) {
		if name[20:] == logSuffix {
			f.Add(b, true)
		}
	}
	f.Fuzz(func(t *testing.T, log []byte, fix bool) {
		if fix {
			log = append([]byte(nil), log...)
			for b := log; len(b) > 0; {
				h, err := parseHeader(b)
				if err != nil || h.size > len(b) {
					break
				}
				if h.old() {
					binary.BigEndian.PutUint32(b[oldCRCAt:], crc32.ChecksumIEEE(b[magicAt:h.size]))
				}
				b = b[h.size:]
			}
		}
		m := vfs.NewMemory()
		for _, dir := range []string{"/data", oldDirectory} {
			if err := m.Mkdir(dir); err != nil {
				t.Fatal(err)
			}
		}
		if err := writeFile(m, oldDirectory+"/00000000000000000000.log", log, true); err != nil {
			t.Fatal(err)
		}
		l, err := tryOld(m, false, 0, smallConfig())
		if err != nil {
			if !errors.Is(err, ErrCorruptLog) {
				t.Fatal(err)
			}
			return
		}
		for offset := l.StartOffset(); offset < min(l.EndOffset(), l.StartOffset()+100); offset++ {
			r, err := l.Read(offset, 1000, true, l.EndOffset())
			if err != nil {
				t.Fatalf("read %d of what was recovered: %v", offset, err)
			}
			r.Release()
		}
		for _, at := range []int64{0, 1_002_000, 1_500_000_005_000} {
			if _, err := l.OffsetForTimestamp(at); err != nil && !errors.Is(err, errBadRecords) {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
