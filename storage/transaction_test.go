package storage

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"ottla/storage/vfs"
)

func memoryLog(t testing.TB, config LogConfig) *Log {
	t.Helper()
	m := vfs.NewMemory()
	if err := m.Mkdir("/d"); err != nil {
		t.Fatal(err)
	}
	return reopenMemory(t, m, config, LogOptions{Clean: true})
}

func reopenMemory(t testing.TB, m *vfs.Memory, config LogConfig, o LogOptions) *Log {
	t.Helper()
	o.FS, o.Directory, o.TopicPartition, o.Config = m, "/d/t-0", TopicPartition{"t", 0}, config
	o.Manager = &Options{Now: func() time.Time { return time.UnixMilli(5000) }}
	l, err := OpenLog(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func smallConfig() LogConfig {
	c := DefaultLogConfig()
	c.SegmentBytes, c.IndexIntervalBytes, c.SegmentIndexBytes, c.RetentionMs = 600, 100, 480, -1
	return c
}

func mustAppend(t testing.TB, l *Log, b testBatch, origin Origin) AppendInfo {
	t.Helper()
	info, err := l.Append(b.bytes(), AppendOptions{Origin: origin})
	if err != nil {
		t.Fatalf("append %+v: %v", b, err)
	}
	return info
}

func TestLastStableOffset(t *testing.T) {
	l := memoryLog(t, smallConfig())
	expect := func(what string, unstable, stable int64) {
		t.Helper()
		first, ok := l.FirstUnstableOffset()
		if !ok {
			first = -1
		}
		if first != unstable || l.LastStableOffset() != stable {
			t.Fatalf("%s: first unstable %d, last stable %d; want %d, %d", what, first, l.LastStableOffset(), unstable, stable)
		}
	}
	committed := func() { l.SetHighWatermark(l.EndOffset()) }
	mustAppend(t, l, testBatch{}, OriginClient) // 0
	committed()
	expect("no transaction", -1, 1)
	mustAppend(t, l, testBatch{producerID: 1, transactional: true}, OriginClient) // 1
	committed()
	expect("one open", 1, 1)
	mustAppend(t, l, testBatch{producerID: 2, transactional: true}, OriginClient) // 2
	mustAppend(t, l, testBatch{producerID: 1, sequence: 1, transactional: true}, OriginClient)
	committed()
	mustAppend(t, l, testBatch{producerID: 1, marker: &endMarker{coordinatorEpoch: 3}}, OriginCoordinator) // 4
	expect("ended, not replicated", 1, 1)
	committed()
	expect("the second is open", 2, 2)
	mustAppend(t, l, testBatch{producerID: 2, marker: &endMarker{coordinatorEpoch: 3, aborted: true}}, OriginCoordinator) // 5
	committed()
	expect("all ended", -1, 6)
	aborted, err := l.AbortedTransactions(0, 6)
	if err != nil || !slices.Equal(aborted, []AbortedTransaction{{2, 2, 5, 6}}) {
		t.Fatalf("aborted: %+v, %v", aborted, err)
	}
	if aborted, err = l.AbortedTransactions(0, 2); err != nil || len(aborted) != 0 {
		t.Fatalf("aborted below 2: %+v, %v", aborted, err)
	}
	_, err = l.Append(testBatch{producerID: 1, marker: &endMarker{coordinatorEpoch: 2}}.bytes(), AppendOptions{Origin: OriginCoordinator})
	if !errors.Is(err, ErrTransactionCoordinatorFenced) {
		t.Fatalf("marker of an older coordinator: %v", err)
	}
	_, err = l.Append(testBatch{producerID: 1, epoch: 0, marker: &endMarker{coordinatorEpoch: 3}}.bytes(),
		AppendOptions{Origin: OriginCoordinator, TransactionVersion: 2})
	if err != nil { // nothing is open: the marker was sent again
		t.Fatalf("marker of version 2 again: %v", err)
	}
	mustAppend(t, l, testBatch{producerID: 1, sequence: 2, transactional: true}, OriginClient)
	_, err = l.Append(testBatch{producerID: 1, epoch: 0, marker: &endMarker{coordinatorEpoch: 3}}.bytes(),
		AppendOptions{Origin: OriginCoordinator, TransactionVersion: 2})
	if !errors.Is(err, ErrInvalidProducerEpoch) {
		t.Fatalf("marker of version 2 without a new epoch: %v", err)
	}
}

// TestTransactionsSurvive: open transactions and aborted ones are known after a stop of either kind, also without the .txnindex.
func TestTransactionsSurvive(t *testing.T) {
	for _, c := range []struct {
		name          string
		clean, remove bool
	}{{"clean", true, false}, {"killed", false, false}, {"killed, indexes gone", false, true}, {"clean, indexes gone", true, true}} {
		t.Run(c.name, func(t *testing.T) {
			m := vfs.NewMemory()
			if err := m.Mkdir("/d"); err != nil {
				t.Fatal(err)
			}
			l := reopenMemory(t, m, smallConfig(), LogOptions{Clean: true})
			for i := range 12 {
				id := int64(i%3 + 1)
				mustAppend(t, l, testBatch{producerID: id, sequence: int32(i / 3), transactional: true, value: "abcdefghijklmnop"}, OriginClient)
				if i%3 == 2 {
					mustAppend(t, l, testBatch{producerID: 1, marker: &endMarker{aborted: true, timestamp: 1}}, OriginCoordinator)
					mustAppend(t, l, testBatch{producerID: 2, marker: &endMarker{timestamp: 1}}, OriginCoordinator)
				}
			}
			l.SetHighWatermark(l.EndOffset())
			want, err := l.AbortedTransactions(0, l.EndOffset())
			if err != nil || len(want) != 4 {
				t.Fatalf("aborted: %+v, %v", want, err)
			}
			first, _ := l.FirstUnstableOffset()
			states := l.ProducerStates()
			if c.clean {
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
			}
			m = m.CrashClone(nil)
			if c.remove {
				for name := range files(t, m, "/d/t-0") {
					if suffix := name[20:]; name[0] == '0' && (suffix == offsetIndexSuffix || suffix == txnIndexSuffix || suffix == timeIndexSuffix) {
						if err := m.Remove("/d/t-0/" + name); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			l = reopenMemory(t, m, smallConfig(), LogOptions{Clean: c.clean})
			l.SetHighWatermark(l.EndOffset())
			got, err := l.AbortedTransactions(0, l.EndOffset())
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("aborted: %+v, %v; want %+v", got, err, want)
			}
			if now, ok := l.FirstUnstableOffset(); !ok || now != first {
				t.Errorf("first unstable offset %d, want %d", now, first)
			}
			if now := l.ProducerStates(); !slices.Equal(now, states) {
				t.Errorf("producers %+v, want %+v", now, states)
			}
		})
	}
}

// TestBadInputRows are the rows of bad input that the log itself refuses, by their number.
func TestBadInputRows(t *testing.T) {
	idempotent := func(sequence int32, epoch int16) testBatch {
		return testBatch{producerID: 9, sequence: sequence, epoch: epoch}
	}
	for _, c := range []struct {
		row   int
		input string
		first []testBatch
		bad   testBatch
		want  error
	}{
		{75, "batch > segment.bytes", nil, testBatch{value: string(make([]byte, 700))}, ErrRecordBatchTooLarge},
		{90, "sequence gap", []testBatch{idempotent(0, 0)}, idempotent(2, 0), ErrOutOfOrderSequence},
		{90, "duplicate older than 5", []testBatch{idempotent(0, 0), idempotent(1, 0), idempotent(2, 0), idempotent(3, 0), idempotent(4, 0), idempotent(5, 0)},
			idempotent(0, 0), ErrOutOfOrderSequence},
		{91, "new epoch, first sequence ≠ 0", []testBatch{idempotent(0, 0)}, idempotent(1, 1), ErrOutOfOrderSequence},
		{92, "old epoch", []testBatch{idempotent(0, 1)}, idempotent(1, 0), ErrInvalidProducerEpoch},
		{93, "unknown producer id, any sequence", nil, idempotent(17, 0), nil},
		{94, "sequence wrap 2^31−1 → 0", []testBatch{idempotent(math.MaxInt32, 0)}, idempotent(0, 0), nil},
		{97, "non-transactional batch during open txn of same pid", []testBatch{{producerID: 9, transactional: true}}, idempotent(1, 0), ErrInvalidTxnState},
	} {
		l := memoryLog(t, smallConfig())
		for _, b := range c.first {
			mustAppend(t, l, b, OriginClient)
		}
		end, states := l.EndOffset(), l.ProducerStates()
		_, err := l.Append(c.bad.bytes(), AppendOptions{})
		if !errors.Is(err, c.want) {
			t.Errorf("row %d, %s: %v, want %v", c.row, c.input, err, c.want)
		}
		if c.want != nil && (l.EndOffset() != end || !slices.Equal(l.ProducerStates(), states)) {
			t.Errorf("row %d, %s: the log changed", c.row, c.input)
		}
	}
	l := memoryLog(t, smallConfig())
	for i := range int32(7) {
		mustAppend(t, l, idempotent(i, 0), OriginClient)
	}
	for i := int32(2); i < 7; i++ {
		if info := mustAppend(t, l, idempotent(i, 0), OriginClient); !info.Duplicate || info.BaseOffset != int64(i) {
			t.Errorf("row 89, exact duplicate of one of last 5 batches: %+v for sequence %d", info, i)
		}
	}
	if err := l.DeleteRecordsBefore(1); !errors.Is(err, ErrOffsetOutOfRange) {
		t.Errorf("row 49, DeleteRecords offset > HW: %v", err)
	}
}
