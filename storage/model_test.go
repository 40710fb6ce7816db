package storage

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"ottla/storage/vfs"
	"pgregory.net/rapid"
)

// naive is the log as a list of batches.
type naive struct {
	batches []naiveBatch
	start   int64
	end     int64
	epochs  map[int32]int64
	window  map[int64][]naiveBatch // last five batches of a producer
	epoch   int32
}

type naiveBatch struct {
	base, last int64
	bytes      []byte
	timestamps []int64
	sequence   int32
	kind       transactionKind
}

// transactionKind is what a batch is to the one transactional producer of a test.
type transactionKind int8

const (
	notTransactional transactionKind = iota
	inTransaction
	commits
	aborts
)

// machine drives a Log and a naive log with the same operations.
type machine struct {
	memory *vfs.Memory
	log    *Log
	config LogConfig
	model  naive
	now    int64
	number int
	next   map[int64]int32 // sequence
}

func (m *machine) open(t *rapid.T, clean bool, recoveryPoint, start int64) {
	l, err := OpenLog(LogOptions{
		FS: m.memory, Directory: "/d/t-0", TopicPartition: TopicPartition{"t", 0}, Config: m.config, Clean: clean,
		RecoveryPoint: recoveryPoint, StartOffset: start, Manager: &Options{Now: func() time.Time { return time.UnixMilli(m.now) }, MaxOpenFiles: 3},
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	m.log = l
}

func newMachine(t *rapid.T) *machine {
	m := &machine{memory: vfs.NewMemory(), now: 1_000_000, next: map[int64]int32{}}
	m.model.epochs, m.model.window = map[int32]int64{}, map[int64][]naiveBatch{}
	m.config = DefaultLogConfig()
	m.config.SegmentBytes = int32(rapid.SampledFrom([]int{300, 1000, 5000}).Draw(t, "segment.bytes"))
	m.config.IndexIntervalBytes = int32(rapid.SampledFrom([]int{0, 100, 1000}).Draw(t, "index.interval.bytes"))
	m.config.SegmentIndexBytes = int32(rapid.SampledFrom([]int{48, 400, 4096}).Draw(t, "segment.index.bytes"))
	m.config.SegmentMs = int64(rapid.SampledFrom([]int{500, 1 << 40}).Draw(t, "segment.ms"))
	m.config.RetentionMs = -1
	m.config.Preallocate = rapid.Bool().Draw(t, "preallocate")
	if err := m.memory.Mkdir("/d"); err != nil {
		t.Fatal(err)
	}
	m.open(t, true, 0, 0)
	return m
}

func (m *machine) Append(t *rapid.T) {
	m.now += rapid.Int64Range(0, 300).Draw(t, "ms")
	var all []byte
	var batches []naiveBatch
	offset := m.model.end
	for range rapid.IntRange(1, 3).Draw(t, "batches") {
		n := rapid.IntRange(1, 4).Draw(t, "records")
		m.number++
		b := numbered(m.number, n)
		for i := range b.timestamps {
			b.timestamps[i] = m.now - rapid.Int64Range(0, 200).Draw(t, "age")
		}
		b.leaderEpoch = m.model.epoch
		placed := b
		placed.offset = offset
		all = append(all, b.bytes()...)
		batches = append(batches, naiveBatch{base: offset, last: offset + int64(n) - 1, bytes: placed.bytes(), timestamps: b.timestamps})
		offset += int64(n)
	}
	info, err := m.log.Append(all, AppendOptions{LeaderEpoch: m.model.epoch})
	if len(all) > int(m.config.SegmentBytes) {
		if !errors.Is(err, ErrRecordBatchTooLarge) {
			t.Fatalf("append of %d bytes: %v", len(all), err)
		}
		return
	}
	if err != nil || info.BaseOffset != m.model.end || info.LastOffset != offset-1 {
		t.Fatalf("append at %d: %+v, %v", m.model.end, info, err)
	}
	if _, known := m.model.epochs[m.model.epoch]; !known {
		m.model.epochs[m.model.epoch] = m.model.end
	}
	m.model.batches, m.model.end = append(m.model.batches, batches...), offset
}

func (m *machine) AppendIdempotent(t *rapid.T) {
	id := rapid.Int64Range(1, 3).Draw(t, "producer")
	window := m.model.window[id]
	if len(window) > 0 && rapid.Bool().Draw(t, "repeat") {
		old := rapid.SampledFrom(window).Draw(t, "which")
		b := testBatch{timestamps: old.timestamps, value: "x", producerID: id, sequence: old.sequence}
		info, err := m.log.Append(b.bytes(), AppendOptions{LeaderEpoch: m.model.epoch})
		if err != nil || !info.Duplicate || info.BaseOffset != old.base || info.LastOffset != old.last {
			t.Fatalf("repeat %d: %+v, %v", old.sequence, info, err)
		}
		return
	}
	sequence := m.next[id]
	gap := len(window) > 0 && rapid.IntRange(0, 4).Draw(t, "gap") == 0
	if gap {
		sequence += 7
	}
	n := rapid.IntRange(1, 3).Draw(t, "records")
	b := numbered(m.number, n)
	b.producerID, b.sequence, b.leaderEpoch = id, sequence, m.model.epoch
	for i := range b.timestamps {
		b.timestamps[i] = m.now
	}
	info, err := m.log.Append(b.bytes(), AppendOptions{LeaderEpoch: m.model.epoch})
	if gap {
		if !errors.Is(err, ErrOutOfOrderSequence) {
			t.Fatalf("gap: %+v, %v", info, err)
		}
		return
	}
	if err != nil || info.Duplicate || info.BaseOffset != m.model.end {
		t.Fatalf("append sequence %d: %+v, %v", sequence, info, err)
	}
	b.offset = m.model.end
	made := naiveBatch{base: b.offset, last: b.offset + int64(n) - 1, bytes: b.bytes(), timestamps: b.timestamps, sequence: sequence}
	m.next[id] = sequence + int32(n)
	if _, known := m.model.epochs[m.model.epoch]; !known {
		m.model.epochs[m.model.epoch] = m.model.end
	}
	m.model.batches, m.model.end = append(m.model.batches, made), made.last+1
	window = append(window, made)
	m.model.window[id] = window[max(0, len(window)-5):]
}

func (m *machine) NewEpoch(t *rapid.T) {
	m.model.epoch++
	if err := m.log.SetLeaderEpoch(m.model.epoch); err != nil {
		t.Fatal(err)
	}
	for epoch, start := range m.model.epochs {
		if start == m.model.end {
			delete(m.model.epochs, epoch)
		}
	}
	m.model.epochs[m.model.epoch] = m.model.end
}

func (m *machine) Roll(t *rapid.T) {
	if err := m.log.Roll(); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) Flush(t *rapid.T) {
	if err := m.log.flushSealed(); err != nil || m.log.RecoveryPoint() != m.log.EndOffset() {
		t.Fatal(err)
	}
}

func (m *machine) DeleteRecords(t *rapid.T) {
	m.log.SetHighWatermark(m.log.EndOffset())
	to := rapid.Int64Range(m.model.start, m.model.end).Draw(t, "to")
	if err := m.log.DeleteRecordsBefore(to); err != nil {
		t.Fatal(err)
	}
	if _, err := m.log.DeleteOldSegments(); err != nil {
		t.Fatal(err)
	}
	m.model.start = to
}

// Reopen stops cleanly or like a killed process (everything written is there) and opens again.
func (m *machine) Reopen(t *rapid.T) {
	clean := rapid.Bool().Draw(t, "clean")
	point, start := m.log.RecoveryPoint(), m.log.StartOffset()
	if clean {
		if err := m.log.Close(); err != nil {
			t.Fatal(err)
		}
	} else {
		m.memory = m.memory.CrashClone(nil)
	}
	m.open(t, clean, point, start)
	// Only the last batch of each producer survives a stop, but for those that are replayed.
	if clean {
		for id, window := range m.model.window {
			m.model.window[id] = window[len(window)-1:]
		}
	} else {
		for id, window := range m.model.window {
			m.model.window[id] = window[len(window)-1:]
		}
	}
	for epoch, begin := range m.model.epochs {
		if begin >= m.model.end {
			delete(m.model.epochs, epoch)
		}
	}
}

func (m *machine) Check(t *rapid.T) {
	if m.log.EndOffset() != m.model.end || m.log.StartOffset() != m.model.start {
		t.Fatalf("log is [%d, %d), want [%d, %d)", m.log.StartOffset(), m.log.EndOffset(), m.model.start, m.model.end)
	}
	if m.model.end == m.model.start {
		return
	}
	offset := rapid.Int64Range(m.model.start, m.model.end-1).Draw(t, "offset")
	end := rapid.SampledFrom([]int64{m.model.end, m.model.end, offset, offset + 1}).Draw(t, "end")
	limit := rapid.SampledFrom([]int{1, 200, 1 << 20}).Draw(t, "limit")
	m.checkRead(t, offset, end, limit)
	m.checkTimestamp(t)
}

// checkRead compares a read with a linear scan over the model.
func (m *machine) checkRead(t *rapid.T, offset, end int64, limit int) {
	r, err := m.log.Read(offset, limit, true, end)
	if err != nil {
		t.Fatalf("read %d: %v", offset, err)
	}
	defer r.Release()
	got := make([]byte, r.Len())
	if err := r.ReadAll(got); err != nil {
		t.Fatal(err)
	}
	var want []byte
	first := -1
	for i, b := range m.model.batches {
		if b.last >= offset && b.last < end {
			if first < 0 {
				first = i
			}
			want = append(want, b.bytes...)
		}
	}
	if first < 0 {
		if len(got) != 0 {
			t.Fatalf("read [%d, %d): %d bytes, want none", offset, end, len(got))
		}
		return
	}
	b := m.model.batches[first]
	if r.FirstOffset != b.base || !bytes.HasPrefix(want, got) || len(got) < len(b.bytes) || len(got) > max(limit, len(b.bytes)) {
		t.Fatalf("read [%d, %d) limit %d: %d bytes from %d, want from %d", offset, end, limit, len(got), r.FirstOffset, b.base)
	}
}

func (m *machine) checkTimestamp(t *rapid.T) {
	target := rapid.Int64Range(m.now-2000, m.now+10).Draw(t, "timestamp")
	want, largest := TimestampOffset{-1, -1, -1}, TimestampOffset{-1, -1, -1}
	for _, b := range m.model.batches {
		for i, timestamp := range b.timestamps {
			offset := b.base + int64(i)
			if timestamp >= target && want.Offset < 0 && offset >= m.model.start {
				want.Timestamp, want.Offset = timestamp, offset
			}
			if timestamp > largest.Timestamp && offset >= m.log.firstBase() {
				largest.Timestamp, largest.Offset = timestamp, offset
			}
		}
	}
	got, err := m.log.OffsetForTimestamp(target)
	if err != nil || got.Offset != want.Offset || got.Timestamp != want.Timestamp {
		t.Fatalf("timestamp %d: %+v, %v; want %+v", target, got, err, want)
	}
	got, err = m.log.MaxTimestamp()
	if err != nil || got.Offset != largest.Offset || got.Timestamp != largest.Timestamp {
		t.Fatalf("max timestamp: %+v, %v; want %+v", got, err, largest)
	}
	m.checkEpochs(t)
}

func (m *machine) checkEpochs(t *rapid.T) {
	epoch := rapid.Int32Range(0, m.model.epoch+1).Draw(t, "epoch")
	latest, floor, next := int32(-1), int32(-1), int64(math.MaxInt64)
	for e, start := range m.model.epochs {
		latest = max(latest, e)
		if e <= epoch {
			floor = max(floor, e)
		} else {
			next = min(next, start)
		}
	}
	if floor < 0 || next < m.model.start {
		return // the cache may have been cut at its start
	}
	want := EpochEnd{floor, next}
	if epoch == latest {
		want = EpochEnd{epoch, m.model.end}
	} else if next == math.MaxInt64 {
		want = EpochEnd{-1, -1}
	}
	got := m.log.EndOffsetForEpoch(epoch)
	if got.EndOffset != want.EndOffset && !(m.model.start > 0) {
		t.Fatalf("epoch %d ends %+v, want %+v (%v)", epoch, got, want, m.model.epochs)
	}
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t)
		t.Repeat(map[string]func(*rapid.T){
			"append": m.Append, "appendMore": m.Append, "idempotent": m.AppendIdempotent, "epoch": m.NewEpoch, "roll": m.Roll, "flush": m.Flush,
			"deleteRecords": m.DeleteRecords, "reopen": m.Reopen, "": m.Check,
		})
	})
}

func TestTruncateTo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t)
		for range rapid.IntRange(1, 30).Draw(t, "appends") {
			m.Append(t)
		}
		if rapid.Bool().Draw(t, "flushed") {
			m.Flush(t)
		}
		to := rapid.Int64Range(0, m.model.end+1).Draw(t, "to")
		if err := m.log.TruncateTo(to); err != nil {
			t.Fatal(err)
		}
		kept := m.model.batches[:0:0]
		m.model.end = 0
		for _, b := range m.model.batches {
			if b.last < to {
				kept, m.model.end = append(kept, b), b.last+1
			}
		}
		m.model.batches = kept
		m.model.epochs = map[int32]int64{}
		if point := m.log.RecoveryPoint(); point > m.model.end {
			t.Fatalf("recovery point %d is beyond the end %d", point, m.model.end)
		}
		m.Check(t)
		for range 5 {
			m.Append(t)
		}
		m.Check(t)
		m.Reopen(t)
		m.Check(t)
	})
}

// Example of the names, so that a failing seed can be read.
func (b naiveBatch) String() string {
	return fmt.Sprintf("[%d, %d] %d bytes", b.base, b.last, len(b.bytes))
}
