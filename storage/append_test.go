package storage

import (
	"errors"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ottla/storage/vfs"
	"pgregory.net/rapid"
)

// TestReplicatedAppend: offsets and epochs that come with the batches are kept, gaps too; what does not rise is refused and changes nothing.
func TestReplicatedAppend(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := vfs.NewMemory()
		if err := m.Mkdir("/d"); err != nil {
			t.Fatal(err)
		}
		l, err := OpenLog(LogOptions{FS: m, Directory: "/d/t-0", TopicPartition: TopicPartition{"t", 0}, Config: smallConfig(), Clean: true})
		if err != nil {
			t.Fatal(err)
		}
		var model []naiveBatch
		epoch := int32(0)
		for range rapid.IntRange(1, 40).Draw(t, "appends") {
			end := l.EndOffset()
			offset := end + rapid.SampledFrom([]int64{0, 0, 0, 1, 5, -1, math.MaxInt32 + 3}).Draw(t, "gap")
			epoch += int32(rapid.IntRange(0, 8).Draw(t, "epoch") / 8)
			b := numbered(len(model), rapid.IntRange(1, 3).Draw(t, "records"))
			b.offset, b.leaderEpoch = max(offset, 0), epoch
			bytes := b.bytes()
			info, err := l.Append(slices.Clone(bytes), AppendOptions{Origin: OriginReplication, LeaderEpoch: epoch})
			if b.offset < end {
				if !errors.Is(err, ErrUnexpectedAppendOffset) || l.EndOffset() != end {
					t.Fatalf("append at %d below %d: %v", b.offset, end, err)
				}
				continue
			}
			if err != nil || info.BaseOffset != b.offset {
				t.Fatalf("append at %d: %+v, %v", b.offset, info, err)
			}
			model = append(model, naiveBatch{base: b.offset, last: info.LastOffset, bytes: bytes})
			if latest, ok := l.LatestEpoch(); !ok || latest != epoch {
				t.Fatalf("latest epoch %d, want %d", latest, epoch)
			}
		}
		for i, b := range model {
			offset := b.base
			if i > 0 {
				offset = rapid.Int64Range(model[i-1].last+1, b.last).Draw(t, "offset") // also within the gap before it
			}
			r, err := l.Read(offset, 1, true, l.EndOffset())
			got := make([]byte, r.Len())
			if err != nil || r.ReadAll(got) != nil || !slices.Equal(got, b.bytes) {
				t.Fatalf("read %d: %d bytes, %v", offset, len(got), err)
			}
			r.Release()
		}
	})
}

// TestFailedIndexWrite: when an index cannot be written for want of space, the records are there, once, and the entries come later.
func TestFailedIndexWrite(t *testing.T) {
	m := vfs.NewMemory()
	if err := m.Mkdir("/d"); err != nil {
		t.Fatal(err)
	}
	var full atomic.Bool
	fault := vfs.NewFault(m, func(op vfs.Op) error {
		if full.Load() && op.Kind == vfs.OpWrite && strings.HasSuffix(op.Name, txnIndexSuffix) {
			return syscall.ENOSPC
		}
		return nil
	})
	l, err := OpenLog(LogOptions{FS: fault, Directory: "/d/t-0", TopicPartition: TopicPartition{"t", 0}, Config: smallConfig(), Clean: true})
	if err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	mustAppend(t, l, testBatch{producerID: 1, transactional: true}, OriginClient)
	mustAppend(t, l, testBatch{producerID: 1, marker: &endMarker{aborted: true}}, OriginCoordinator)
	if info := mustAppend(t, l, testBatch{}, OriginClient); info.BaseOffset != 2 {
		t.Errorf("next offset %d, want 2", info.BaseOffset)
	}
	if err := l.Roll(); !errors.Is(err, ErrNoSpace) {
		t.Errorf("roll without space: %v", err)
	}
	full.Store(false)
	if err := l.Roll(); err != nil {
		t.Errorf("roll when space is back: %v", err)
	}
	if b := files(t, m, "/d/t-0")["00000000000000000000.txnindex"]; len(b) != abortedEntrySize {
		t.Errorf(".txnindex has %d bytes", len(b))
	}
	if aborted, err := l.AbortedTransactions(0, 3); err != nil || len(aborted) != 1 {
		t.Errorf("aborted: %+v, %v", aborted, err)
	}
}

// TestNoSpace: a full disk refuses appends without a trace and is served again when space returns; the events say both.
func TestNoSpace(t *testing.T) {
	m := vfs.NewMemory()
	if err := m.Mkdir("/d"); err != nil {
		t.Fatal(err)
	}
	var full atomic.Bool
	var events recorder
	fault := vfs.NewFault(m, func(op vfs.Op) error {
		if full.Load() && op.Kind == vfs.OpWrite {
			return &vfs.ShortWriteError{Length: 30, Err: syscall.ENOSPC}
		}
		return nil
	})
	l, err := OpenLog(LogOptions{
		FS: fault, Directory: "/d/t-0", TopicPartition: TopicPartition{"t", 0}, Config: smallConfig(), Clean: true, Manager: &Options{Events: events.record},
	})
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, numbered(0, 2), OriginClient)
	for range 3 {
		before := files(t, m, "/d/t-0")["00000000000000000000.log"]
		full.Store(true)
		for range 2 {
			if _, err := l.Append(numbered(1, 1).bytes(), AppendOptions{}); !errors.Is(err, ErrNoSpace) {
				t.Fatalf("append to a full disk: %v", err)
			}
		}
		latest, _ := l.LatestEpoch()
		if _, err := l.Append(numbered(1, 1).bytes(), AppendOptions{LeaderEpoch: latest + 1}); !errors.Is(err, ErrNoSpace) {
			t.Fatalf("new epoch on a full disk: %v", err)
		}
		if now, _ := l.LatestEpoch(); now != latest {
			t.Fatalf("latest epoch %d, want %d", now, latest)
		}
		full.Store(false)
		if after := files(t, m, "/d/t-0")["00000000000000000000.log"]; !slices.Equal(before, after) {
			t.Fatalf("%d bytes, then %d", len(before), len(after))
		}
		end := l.EndOffset()
		if info := mustAppend(t, l, numbered(2, 1), OriginClient); info.BaseOffset != end {
			t.Fatalf("appended at %d, want %d", info.BaseOffset, end)
		}
	}
	if events.count(EventNoSpace) != 3 || events.count(EventSpaceReturned) != 3 || events.count(EventDirectoryOffline) != 0 {
		t.Errorf("events %+v", events.events)
	}
}

// TestClockJumpsBack: an hour back, nothing rolls, expires or goes that would not have.
func TestClockJumpsBack(t *testing.T) {
	m := vfs.NewMemory()
	if err := m.Mkdir("/d"); err != nil {
		t.Fatal(err)
	}
	now := time.UnixMilli(10_000_000)
	config := smallConfig()
	config.SegmentBytes, config.SegmentMs, config.RetentionMs = 1<<20, 1000, 1000
	l, err := OpenLog(LogOptions{
		FS: m, Directory: "/d/t-0", TopicPartition: TopicPartition{"t", 0}, Config: config, Clean: true, Manager: &Options{Now: func() time.Time { return now }},
	})
	if err != nil {
		t.Fatal(err)
	}
	at := func(sequence int32) {
		mustAppend(t, l, testBatch{timestamps: []int64{now.UnixMilli()}, producerID: 1, sequence: sequence}, OriginClient)
	}
	at(0)
	now = now.Add(-time.Hour)
	at(1)
	l.SetHighWatermark(2)
	l.ExpireProducers()
	if n, err := l.DeleteOldSegments(); n != 0 || err != nil || len(l.SegmentBases()) != 1 || len(l.ProducerStates()) != 1 {
		t.Errorf("%d segments deleted, %v; segments %v, producers %v", n, err, l.SegmentBases(), l.ProducerStates())
	}
	now = now.Add(2 * time.Hour)
	at(2)
	if bases := l.SegmentBases(); !slices.Equal(bases, []int64{0, 2}) {
		t.Errorf("segments %v", bases)
	}
}

// TestRollRules are Kafka's reasons to begin a segment, one by one.
func TestRollRules(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*LogConfig)
		times  []int64 // of one-record batches
		sizes  []int   // of their values
		want   []int64
	}{
		{"size, exactly full is allowed", func(c *LogConfig) { c.SegmentBytes = 2 * 69 }, []int64{1, 1, 1}, []int{0, 0, 0}, []int64{0, 2}},
		{"time of the records", func(c *LogConfig) { c.SegmentMs = 10 }, []int64{100, 110, 111}, []int{0, 0, 0}, []int64{0, 2}},
		{"offset index full", func(c *LogConfig) { c.SegmentIndexBytes, c.IndexIntervalBytes = 24, 0 }, []int64{-1, -1, -1, -1, -1}, []int{0, 0, 0, 0, 0}, []int64{0, 4}},
		{"time index full but for one", func(c *LogConfig) { c.SegmentIndexBytes, c.IndexIntervalBytes = 40, 0 }, []int64{1, 2, 3, 4, 5}, []int{0, 0, 0, 0, 0}, []int64{0, 3}},
	} {
		config := DefaultLogConfig()
		c.change(&config)
		l := memoryLog(t, config)
		for i, timestamp := range c.times {
			mustAppend(t, l, testBatch{timestamps: []int64{timestamp}, value: strings.Repeat("x", c.sizes[i])}, OriginClient)
		}
		if bases := l.SegmentBases(); !slices.Equal(bases, c.want) {
			t.Errorf("%s: segments at %v, want %v", c.name, bases, c.want)
		}
	}
	config := DefaultLogConfig()
	config.SegmentMs, config.SegmentJitterMs = 1000, 5000
	l := memoryLog(t, config)
	l.engine.jitter = func(limit int64) int64 { return limit - 1 }
	if jitter := l.newJitter(); jitter != 999 {
		t.Errorf("jitter %d is not bounded by segment.ms", jitter)
	}
}
