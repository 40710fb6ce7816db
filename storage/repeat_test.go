package storage

import (
	"fmt"
	"strings"
	"syscall"
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

// inFlight writes batches of other producers, five of each of some, rolls, and has the disk as a crash leaves it.
func inFlight(t *testing.T, before int32, producers int64, value string) (*vfs.Memory, int64) {
	t.Helper()
	m := vfs.NewMemory()
	if err := m.Mkdir("/d"); err != nil {
		t.Fatal(err)
	}
	l := reopenMemory(t, m, DefaultLogConfig(), LogOptions{Clean: true})
	for i := range before {
		mustAppend(t, l, testBatch{producerID: 1000, sequence: i, value: value}, OriginClient)
	}
	for i := range int32(batchesKept) {
		for id := range producers {
			mustAppend(t, l, testBatch{producerID: 1 + id, sequence: i, value: value}, OriginClient)
		}
	}
	if err := l.Roll(); err != nil {
		t.Fatal(err)
	}
	return m.CrashClone(nil), l.EndOffset()
}

// again opens the log, counts the reads of segments and has all repeat what they sent.
func again(t *testing.T, m *vfs.Memory, end, producers int64, value string) (reads int) {
	t.Helper()
	counting := vfs.NewFault(m, func(op vfs.Op) error {
		if op.Kind == vfs.OpRead && strings.HasSuffix(op.Name, logSuffix) {
			reads++
		}
		return nil
	})
	l, err := OpenLog(LogOptions{
		FS: counting, Directory: "/d/t-0", TopicPartition: TopicPartition{"t", 0}, Config: DefaultLogConfig(), RecoveryPoint: end,
		Manager: &Options{Now: func() time.Time { return time.UnixMilli(5000) }},
	})
	if err != nil {
		t.Fatal(err)
	}
	most := reads
	for i := range int32(batchesKept) {
		for id := range producers {
			if info, err := l.Append(testBatch{producerID: 1 + id, sequence: i, value: value}.bytes(), AppendOptions{}); err != nil || !info.Duplicate {
				t.Errorf("producer %d, sequence %d again: %+v, %v", 1+id, i, info, err)
			}
		}
	}
	return most
}

// TestRepeatsBehindMuch: in a large segment the index leads to its last part, which is enough for what was in flight.
func TestRepeatsBehindMuch(t *testing.T) {
	for _, test := range []struct {
		name              string
		size              int
		before, producers int64
		reads             int
	}{
		{"batches of 64 KB", 64 << 10, 200, 3, recallBatches + 8},
		{"as large as they may be", 900 << 10, 30, 12, recallBatches + 8},
		{"small ones", 200, 50000, 3, recallBytes/(16<<10) + 8},
	} {
		t.Run(test.name, func(t *testing.T) {
			value := strings.Repeat("x", test.size)
			m, end := inFlight(t, int32(test.before), test.producers, value)
			if reads := again(t, m, end, test.producers, value); reads == 0 || reads > test.reads {
				t.Errorf("%d reads at the start, at most %d are wanted", reads, test.reads)
			}
		})
	}
}

// TestRepeatsAreNoReasonToFail: what stands below the recovery point and cannot be read costs no more than the memory of what was in
// flight.
func TestRepeatsAreNoReasonToFail(t *testing.T) {
	value := strings.Repeat("x", 1000)
	open := func(t *testing.T, m *vfs.Memory, end int64, fault func(vfs.Op) error) {
		t.Helper()
		l, err := OpenLog(LogOptions{
			FS: vfs.NewFault(m, fault), Directory: "/d/t-0", TopicPartition: TopicPartition{"t", 0}, Config: DefaultLogConfig(), RecoveryPoint: end,
			Manager: &Options{Now: func() time.Time { return time.UnixMilli(5000) }},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := l.EndOffset(); got != end {
			t.Errorf("the end is %d, was %d", got, end)
		}
	}
	first := fmt.Sprintf("%020d", 0)
	t.Run("read error", func(t *testing.T) {
		m, end := inFlight(t, 10, 2, value)
		open(t, m, end, func(op vfs.Op) error {
			if op.Kind == vfs.OpRead && strings.HasSuffix(op.Name, first+logSuffix) {
				return syscall.EIO
			}
			return nil
		})
	})
	t.Run("no index and a broken batch", func(t *testing.T) {
		m, end := inFlight(t, 10, 2, value)
		if err := m.Remove("/d/t-0/" + first + offsetIndexSuffix); err != nil {
			t.Fatal(err)
		}
		f, err := m.Open("/d/t-0/" + first + logSuffix)
		if err == nil {
			_, err = f.WriteAt(make([]byte, 20), 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		open(t, m, end, func(vfs.Op) error { return nil })
	})
}

// TestRepeatsInManySegments: the number of files that are looked into is bounded.
func TestRepeatsInManySegments(t *testing.T) {
	m := vfs.NewMemory()
	if err := m.Mkdir("/d"); err != nil {
		t.Fatal(err)
	}
	l := reopenMemory(t, m, smallConfig(), LogOptions{Clean: true})
	for i := range int32(200) {
		mustAppend(t, l, testBatch{producerID: 1, sequence: i}, OriginClient)
		if err := l.Roll(); err != nil {
			t.Fatal(err)
		}
	}
	end := l.EndOffset()
	for i := range int32(batchesKept) {
		if reads := again(t, m.CrashClone(nil), end, 0, ""); reads > recallSegments+4 {
			t.Errorf("%d reads", reads)
		}
		l := reopenMemory(t, m.CrashClone(nil), smallConfig(), LogOptions{RecoveryPoint: end})
		if info := mustAppend(t, l, testBatch{producerID: 1, sequence: 199 - i}, OriginClient); !info.Duplicate {
			t.Errorf("sequence %d again: %+v", 199-i, info)
		}
	}
}
