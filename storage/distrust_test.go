package storage

import (
	"testing"
	"time"

	"ottla/storage/vfs"
)

// misled is a log whose active segment has an index in which an entry leads into a batch; reads counts what is read of its segment, and
// rebuilds how often an index was made anew.
func misled(t *testing.T) (l *Log, want []byte, reads, rebuilds *int) {
	t.Helper()
	m := vfs.NewMemory()
	if err := m.Mkdir("/d"); err != nil {
		t.Fatal(err)
	}
	config := DefaultLogConfig()
	config.IndexIntervalBytes, config.SegmentIndexBytes = 100, 4800
	l = reopenMemory(t, m, config, LogOptions{Clean: true})
	for i := range 60 {
		mustAppend(t, l, numbered(i, 1+i%3), OriginClient)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	all := files(t, m, "/d/t-0")
	const name = "00000000000000000000.index"
	index := all[name]
	index[offsetEntrySize*20+7]++ // the position of the 21st entry
	if err := writeFile(m, "/d/t-0/"+name, index, true); err != nil {
		t.Fatal(err)
	}
	reads, rebuilds = new(int), new(int)
	observed := vfs.NewFault(m, func(op vfs.Op) error {
		if op.Kind == vfs.OpRead && op.Name == "/d/t-0/00000000000000000000.log" {
			*reads++
		}
		return nil
	})
	l, err := OpenLog(LogOptions{
		FS: observed, Directory: "/d/t-0", TopicPartition: TopicPartition{"t", 0}, Config: config, Clean: true,
		Manager: &Options{Now: func() time.Time { return time.UnixMilli(5000) }, Events: func(e Event) {
			if e.Kind == EventIndexRebuilt {
				*rebuilds++
			}
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if *rebuilds != 0 {
		t.Fatal("the start looked at the entry that is wrong: this test needs one that it does not look at")
	}
	return l, logBytes(all), reads, rebuilds
}

// wrong is the offset of the entry that is wrong.
func wrong(l *Log) int64 { return int64(l.active.Load().index.Load().offsets[20].relative) }

func TestTheActiveSegmentsIndexIsRebuiltOnce(t *testing.T) {
	l, want, reads, rebuilds := misled(t)
	offset := wrong(l)
	for round := range 3 {
		*reads = 0
		r, err := l.Read(offset, 1, true, l.EndOffset())
		if err != nil {
			t.Fatal(err)
		}
		if r.FirstOffset > offset || r.Len() == 0 {
			t.Errorf("a read at %d begins at %d", offset, r.FirstOffset)
		}
		r.Release()
		if round > 0 && *reads > 1 {
			t.Errorf("read %d looked %d times at the segment", round, *reads)
		}
	}
	if *rebuilds != 1 {
		t.Errorf("the index was made anew %d times", *rebuilds)
	}
	readEverything(t, l, want)
	mustAppend(t, l, numbered(60, 1), OriginClient)
	rebuilt := l.active.Load().index.Load()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := readFile(l.engine.fs, l.segmentPath(0, offsetIndexSuffix))
	if err != nil {
		t.Fatal(err)
	}
	stored, err := parseOffsetIndex(b, l.active.Load().size.Load())
	if err != nil || len(stored) != len(rebuilt.offsets) || stored[20] != rebuilt.offsets[20] {
		t.Errorf("the file holds %d entries, the index %d: %v", len(stored), len(rebuilt.offsets), err)
	}
}

func TestSearchesAndCutsDoNotTrustTheActiveSegmentsIndex(t *testing.T) {
	for ahead := range int64(2) { // the place of the cut is found with the entry, or behind it
		l, _, _, rebuilds := misled(t)
		offset := wrong(l) + ahead
		if err := l.TruncateTo(offset); err != nil {
			t.Fatal(err)
		}
		if end := l.EndOffset(); end > offset || end < offset-2 || *rebuilds != 1 {
			t.Errorf("cut to %d, not to %d; %d indexes were made anew", end, offset, *rebuilds)
		}
	}
	l, _, _, rebuilds := misled(t)
	all, err := l.MaxTimestamp()
	if err != nil {
		t.Fatal(err)
	}
	for timestamp := int64(0); timestamp <= all.Timestamp; timestamp++ {
		if _, err := l.OffsetForTimestamp(timestamp); err != nil {
			t.Fatalf("timestamp %d: %v", timestamp, err)
		}
	}
	if *rebuilds != 1 {
		t.Errorf("%d indexes were made anew", *rebuilds)
	}
}
