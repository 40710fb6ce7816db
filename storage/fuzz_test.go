package storage

import (
	"bytes"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ottla/storage/vfs"
)

// seedGolden gives a fuzz target the files of Kafka's directories with that suffix.
func seedGolden(f *testing.F, suffix string) {
	f.Helper()
	err := filepath.WalkDir("testdata/golden", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, suffix) {
			return err
		}
		b, err := os.ReadFile(path)
		f.Add(b)
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{})
	f.Add([]byte("0\n1\n"))
}

func FuzzSnapshot(f *testing.F) {
	seedGolden(f, snapshotSuffix)
	table := crc32.MakeTable(crc32.Castagnoli)
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := decodeSnapshot(b, table); err != nil {
			b = withSnapshotChecksum(b)
		}
		byID, err := decodeSnapshot(b, table)
		if err != nil {
			return
		}
		again, err := decodeSnapshot(encodeSnapshot(byID, table), table)
		if err != nil || len(again) != len(byID) {
			t.Fatalf("%d producers, then %d, %v", len(byID), len(again), err)
		}
	})
}

func FuzzTextFiles(f *testing.F) {
	for _, suffix := range []string{"checkpoint", partitionMetadataFile, metaPropertiesFile, cleanShutdownFile} {
		seedGolden(f, suffix)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if offsets, err := parseOffsets(b); err == nil {
			if again, err := parseOffsets(encodeOffsets(offsets)); err != nil || !equalOffsets(again, offsets) {
				t.Fatalf("%v, then %v, %v", offsets, again, err)
			}
		}
		if epochs, err := parseEpochs(b); err == nil {
			again, err := parseEpochs(epochs.encode())
			if err != nil || len(again) != len(epochs) {
				t.Fatalf("%v, then %v, %v", epochs, again, err)
			}
			for i := 1; i < len(epochs); i++ {
				if epochs[i].epoch <= epochs[i-1].epoch || epochs[i].start <= epochs[i-1].start {
					t.Fatalf("epochs do not rise: %v", epochs)
				}
			}
		}
		if id, err := parsePartitionMetadata(b); err == nil && id == [16]byte{} {
			t.Fatal("a zero topic id")
		}
		if p, err := parseMetaProperties(b); err == nil {
			values := encodeJavaProperties(p.Unknown)
			if again := parseJavaProperties(values); len(again) != len(p.Unknown) {
				t.Fatalf("%q, then %q", p.Unknown, again)
			}
		}
		parseCleanShutdown(b)
	})
}

func FuzzIndexes(f *testing.F) {
	seedGolden(f, "index")
	f.Fuzz(func(t *testing.T, b []byte) {
		if entries, err := parseOffsetIndex(trimZeroes(b, offsetEntrySize), 1<<20); err == nil {
			x := segmentIndex{offsets: entries}
			for i, e := range entries {
				if e.position < 0 || x.floor(int64(e.relative)) != int64(e.position) {
					t.Fatalf("entry %d: %+v", i, e)
				}
			}
		}
		if entries, err := parseTimeIndex(trimZeroes(b, timeEntrySize)); err == nil {
			x := segmentIndex{times: entries}
			for i, e := range entries {
				if x.floorTime(e.timestamp) != e {
					t.Fatalf("entry %d: %+v", i, e)
				}
			}
		}
		if entries, err := parseTransactionIndex(b, 0); err == nil && !bytes.Equal(appendAbortedEntries(nil, entries), b) {
			t.Fatal("aborted transactions change when they are written")
		}
	})
}

// FuzzRecovery opens a log whose files hold anything: it loads and can be read, or says that it is corrupt.
func FuzzRecovery(f *testing.F) {
	log, _ := os.ReadFile("testdata/golden/golden-txn-0/00000000000000000000.log")
	index, _ := os.ReadFile("testdata/golden/golden-txn-0/00000000000000000000.index")
	for _, clean := range []bool{true, false} {
		f.Add(log, index, index[:8], clean, int64(0))
		f.Add(log[:500], index, []byte{}, clean, int64(3))
		f.Add(append(log[:700:700], make([]byte, 99)...), []byte{}, []byte{}, clean, int64(0))
	}
	f.Fuzz(func(t *testing.T, log, index, times []byte, clean bool, point int64) {
		m := vfs.NewMemory()
		for _, dir := range []string{"/d", "/d/t-0"} {
			if err := m.Mkdir(dir); err != nil {
				t.Fatal(err)
			}
		}
		for suffix, b := range map[string][]byte{logSuffix: log, offsetIndexSuffix: index, timeIndexSuffix: times, txnIndexSuffix: times} {
			if err := writeFile(m, "/d/t-0/00000000000000000000"+suffix, b, true); err != nil {
				t.Fatal(err)
			}
		}
		l, err := OpenLog(LogOptions{
			FS: m, Directory: "/d/t-0", TopicPartition: TopicPartition{"t", 0}, Config: smallConfig(), Clean: clean, RecoveryPoint: max(point, 0),
			Manager: &Options{Now: func() time.Time { return time.UnixMilli(5000) }},
		})
		if err != nil {
			if !errors.Is(err, ErrCorruptLog) {
				t.Fatal(err)
			}
			return
		}
		for offset := l.StartOffset(); offset < min(l.EndOffset(), l.StartOffset()+100); offset++ {
			r, err := l.Read(offset, 1000, true, l.EndOffset())
			if err != nil && !errors.Is(err, ErrCorruptLog) && !errors.Is(err, errNoBatch) {
				t.Fatal(err)
			}
			r.Release()
		}
		_, _ = l.OffsetForTimestamp(1)
		_, _ = l.MaxTimestamp()
		_, _ = l.AbortedTransactions(0, l.EndOffset())
		if _, err := l.Append(testBatch{}.bytes(), AppendOptions{}); err != nil && l.EndOffset() < 1<<62 {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
