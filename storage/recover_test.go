package storage

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"ottla/storage/vfs"
)

// TestStaleEpochsYieldToTheRecords: a power cut may bring back the epochs of before a truncation, under records of the same epoch that
// were written after it at lower offsets.
func TestStaleEpochsYieldToTheRecords(t *testing.T) {
	m := vfs.NewMemory()
	if err := m.Mkdir("/d"); err != nil {
		t.Fatal(err)
	}
	l := reopenMemory(t, m, smallConfig(), LogOptions{Clean: true})
	for i, epoch := range []int32{0, 0, 1, 1} {
		if _, err := l.Append(numbered(i, 1).bytes(), AppendOptions{LeaderEpoch: epoch}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, stale := range []string{"0\n2\n0 0\n1 3\n", "0\n1\n0 0\n", "0\n2\n0 0\n2 1\n", "0\n1\n1 0\n"} {
		clone := m.CrashClone(nil)
		if err := writeFile(clone, "/d/t-0/"+leaderEpochFile, []byte(stale), true); err != nil {
			t.Fatal(err)
		}
		for range 2 { // and the file is what was found
			l := reopenMemory(t, clone, smallConfig(), LogOptions{})
			if want := (epochCache{{0, 0}, {1, 2}}); fmt.Sprint(l.epochs) != fmt.Sprint(want) {
				t.Errorf("%q: the epochs are %v, want %v", stale, l.epochs, want)
			}
		}
		b, err := readFile(clone, "/d/t-0/"+leaderEpochFile)
		if err != nil || string(b) != "0\n2\n0 0\n1 2\n" {
			t.Errorf("%q: the file holds %q, %v", stale, b, err)
		}
	}
}

// TestSnapshotBeforeTheFirstSegmentIsStale: a power cut may bring back a deleted segment without its producer snapshot, and a snapshot of
// one that is gone. The transaction that was open there has ended since, where nobody can see it any more.
func TestSnapshotBeforeTheFirstSegmentIsStale(t *testing.T) {
	m := vfs.NewMemory()
	if err := m.Mkdir("/d"); err != nil {
		t.Fatal(err)
	}
	l := reopenMemory(t, m, smallConfig(), LogOptions{Clean: true})
	roll := func() int64 {
		if err := l.Roll(); err != nil {
			t.Fatal(err)
		}
		return l.EndOffset()
	}
	mustAppend(t, l, testBatch{producerID: 1, transactional: true}, OriginClient)
	open := roll()
	mustAppend(t, l, testBatch{producerID: 1, marker: &endMarker{}}, OriginCoordinator)
	first := roll()
	mustAppend(t, l, numbered(7, 1), OriginClient)
	roll()
	mustAppend(t, l, numbered(8, 1), OriginClient)
	end := l.EndOffset()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for name := range files(t, m, "/d/t-0") {
		offset, ok := fileOffset(name)
		if ok && offset < first && !strings.HasSuffix(name, fmt.Sprintf("%d%s", open, snapshotSuffix)) || ok && offset >= first && strings.HasSuffix(name, snapshotSuffix) {
			if err := m.Remove("/d/t-0/" + name); err != nil {
				t.Fatal(err)
			}
		}
	}
	l = reopenMemory(t, m, smallConfig(), LogOptions{})
	l.SetHighWatermark(end)
	if l.StartOffset() != first || l.EndOffset() != end || l.LastStableOffset() != end {
		t.Errorf("the log is [%d, %d), stable up to %d; want [%d, %d), stable to its end", l.StartOffset(), l.EndOffset(), l.LastStableOffset(), first, end)
	}
	if states := l.ProducerStates(); len(states) > 0 {
		t.Errorf("producers %+v", states)
	}
}

// TestDeletionsBecomeDurableInOrder: a power cut may keep what retention did last and lose what it did before. No gap may come of that in
// which flushed records lie.
func TestDeletionsBecomeDurableInOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	memory := memoryDirectories(t, "/d")
	if err := memory.SyncDir("/"); err != nil {
		t.Fatal(err)
	}
	var flushed int64
	trace := vfs.NewTrace(memory, func(op vfs.Op, _ error) {
		if flushed == 0 {
			return
		}
		for range 40 {
			m, err := openCrash(memory.CrashClone(random), smallConfig())
			if err != nil {
				t.Fatal(err)
			}
			l, ok := m.Log(crashLog)
			if !ok || l.EndOffset() < flushed {
				t.Fatalf("after %s: there %v, %d was flushed; %v", op, ok, flushed, m.Failed(crashLog))
			}
		}
	})
	m, err := openCrash(trace, smallConfig())
	if err != nil {
		t.Fatal(err)
	}
	l, err := m.Create(crashLog, [16]byte{1}, smallConfig())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		mustAppend(t, l, numbered(i, 1), OriginClient)
		if err := l.Roll(); err != nil {
			t.Fatal(err)
		}
	}
	mustAppend(t, l, numbered(6, 1), OriginClient)
	if err := l.Flush(l.EndOffset()); err != nil {
		t.Fatal(err)
	}
	l.SetHighWatermark(l.EndOffset())
	flushed = l.EndOffset()
	for _, base := range []int64{3, 4, 5} {
		if err := l.DeleteRecordsBefore(base); err != nil {
			t.Fatal(err)
		}
		if n, err := l.DeleteOldSegments(); err != nil || n == 0 {
			t.Fatal(n, err)
		}
	}
}
