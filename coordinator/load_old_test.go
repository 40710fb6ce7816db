package coordinator

import (
	"encoding/binary"
	"hash/crc32"
	"testing"
	"testing/synctest"

	"ottla/protocol/record"
)

// oldLog has messages of magic 1 in front of its batches.
type oldLog struct {
	*memoryLog
	old []byte
	end int64
}

func (l *oldLog) Read(offset int64, maxBytes int) ([]byte, error) {
	bytes, err := l.memoryLog.Read(offset, maxBytes)
	if offset < l.end {
		bytes = append(append([]byte(nil), l.old...), bytes...)
	}
	return bytes, err
}

// oldMessage makes a message of magic 1.
func oldMessage(offset int64, codec record.Codec, key, value []byte) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(offset))
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, 1, byte(codec))
	b = binary.BigEndian.AppendUint64(b, 1000)
	for _, field := range [][]byte{key, value} {
		if field == nil {
			b = binary.BigEndian.AppendUint32(b, 1<<32-1)
			continue
		}
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(field))), field...)
	}
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-record.LogOverhead))
	binary.BigEndian.PutUint32(b[12:], crc32.ChecksumIEEE(b[16:]))
	return b
}

// TestLoadingOldMessages loads a log that begins before there were record batches: a group's offsets may still lie in
// such messages, since a compaction keeps the form of what it keeps.
func TestLoadingOldMessages(t *testing.T) {
	in(t, nil, func(r *rig, log *memoryLog) {
		var inner []byte
		for i, text := range []string{"b", "c", "a"} {
			inner = append(inner, oldMessage(int64(i), 0, []byte(text), []byte("2"))...)
		}
		log.start, log.end = 1, 6
		old := &oldLog{memoryLog: log, end: 6}
		old.old = append(old.old, oldMessage(0, 0, []byte("gone"), []byte("0"))...) // below the start
		old.old = append(old.old, oldMessage(1, 0, []byte("a"), []byte("1"))...)
		old.old = append(old.old, oldMessage(4, record.CodecGzip, nil, record.Compress(nil, inner, record.CodecGzip, 0))...)
		old.old = append(old.old, oldMessage(5, record.CodecGzip, nil, []byte("broken"))...)
		log.put(foreign(record.BuilderOptions{}, records("c=3", "d=4")...))
		r.runtime.Start(0, 1, old)
		synctest.Wait()
		r.get("all")
		r.expect("all: a=2 b=2 c=3 d=4")
		loaded := r.kinds(Loaded)
		if len(loaded) != 1 || loaded[0].Records != 6 || loaded[0].Skipped != 1 || loaded[0].Offset != log.end {
			t.Fatalf("%+v", loaded)
		}
		r.put("more", "e=5")
		r.expect("more: done")
	})
}
