package storage

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ottla/storage/vfs"
)

// TestRepeatsAfterACrash: all that a client may have had in flight when the process died is recognised when it comes again, though the
// snapshots that a recovery writes hold only the last batch.
func TestRepeatsAfterACrash(t *testing.T) {
	m := vfs.NewMemory()
	if err := m.Mkdir("/d"); err != nil {
		t.Fatal(err)
	}
	l := reopenMemory(t, m, smallConfig(), LogOptions{Clean: true})
	batch := func(i int32) testBatch { return testBatch{producerID: 9, epoch: 1, sequence: i} }
	for i := range int32(7) {
		mustAppend(t, l, batch(i), OriginClient)
	}
	l = reopenMemory(t, m.CrashClone(nil), smallConfig(), LogOptions{})
	for i := int32(2); i < 7; i++ {
		if info := mustAppend(t, l, batch(i), OriginClient); !info.Duplicate || info.BaseOffset != int64(i) {
			t.Errorf("sequence %d again: %+v", i, info)
		}
	}
	if info := mustAppend(t, l, batch(7), OriginClient); info.Duplicate || info.BaseOffset != 7 {
		t.Errorf("the next batch: %+v", info)
	}
}

// TestRepeatsBeforeARoll: some of what was in flight may lie in segments below the recovery point, which are not recovered. Another
// producer's batches lie between.
func TestRepeatsBeforeARoll(t *testing.T) {
	for rolls := range 5 {
		for rolled := range int32(7) {
			for last := range int32(8) {
				t.Run(fmt.Sprint(rolls, rolled, last), func(t *testing.T) { repeatsBeforeARoll(t, rolls, rolled, last) })
			}
		}
	}
}

// repeatsBeforeARoll rolls so many times, the first time before batch rolled, one before each that follows; the recovery point is that of
// before batch last.
func repeatsBeforeARoll(t *testing.T, rolls int, rolled, last int32) {
	m := vfs.NewMemory()
	if err := m.Mkdir("/d"); err != nil {
		t.Fatal(err)
	}
	config := smallConfig()
	config.SegmentBytes = 1 << 20
	l := reopenMemory(t, m, config, LogOptions{Clean: true})
	batch := func(i int32) testBatch { return testBatch{producerID: 9, epoch: 1, sequence: i} }
	var recoveryPoint int64
	var offsets []int64
	for i := range int32(8) {
		if i >= rolled && i < rolled+int32(rolls) {
			if err := l.Roll(); err != nil {
				t.Fatal(err)
			}
		}
		if i == last {
			recoveryPoint = l.EndOffset()
		}
		if i < 7 {
			mustAppend(t, l, testBatch{producerID: 10, epoch: 3, sequence: i}, OriginClient)
			offsets = append(offsets, mustAppend(t, l, batch(i), OriginClient).BaseOffset)
		}
	}
	l = reopenMemory(t, m.CrashClone(nil), config, LogOptions{RecoveryPoint: recoveryPoint})
	for i := int32(2); i < 7; i++ {
		if info := mustAppend(t, l, batch(i), OriginClient); !info.Duplicate || info.BaseOffset != offsets[i] {
			t.Errorf("sequence %d again: %+v", i, info)
		}
	}
	if info := mustAppend(t, l, batch(7), OriginClient); info.Duplicate {
		t.Errorf("the next batch: %+v", info)
	}
}

// TestRepeatsBehindMuch: in a large segment the index leads to its last part, which is enough for what was in flight.
func TestRepeatsBehindMuch(t *testing.T) {
	m := vfs.NewMemory()
	if err := m.Mkdir("/d"); err != nil {
		t.Fatal(err)
	}
	l := reopenMemory(t, m, DefaultLogConfig(), LogOptions{Clean: true})
	much := strings.Repeat("x", 64<<10)
	for i := range int32(3 * recallSize / (64 << 10)) {
		mustAppend(t, l, testBatch{producerID: 10, sequence: i, value: much}, OriginClient)
	}
	for i := range int32(5) {
		mustAppend(t, l, testBatch{producerID: 9, sequence: i, value: much}, OriginClient)
	}
	if err := l.Roll(); err != nil {
		t.Fatal(err)
	}
	var read int
	trace := vfs.NewTrace(m.CrashClone(nil), func(op vfs.Op, _ error) {
		if op.Kind == vfs.OpRead && strings.HasSuffix(op.Name, logSuffix) {
			read++
		}
	})
	end := l.EndOffset()
	l, err := OpenLog(LogOptions{
		FS: trace, Directory: "/d/t-0", TopicPartition: TopicPartition{"t", 0}, Config: DefaultLogConfig(), RecoveryPoint: end,
		Manager: &Options{Now: func() time.Time { return time.UnixMilli(5000) }},
	})
	if err != nil {
		t.Fatal(err)
	}
	if most := recallSize/(64<<10) + 20; read > most {
		t.Errorf("%d reads at the start, more than %d", read, most)
	}
	for i := range int32(5) {
		if info := mustAppend(t, l, testBatch{producerID: 9, sequence: i, value: much}, OriginClient); !info.Duplicate {
			t.Errorf("sequence %d again: %+v", i, info)
		}
	}
}
