package storage

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"ottla/storage/vfs"
)

// withSnapshotChecksum makes bytes a producer snapshot as far as version and checksum go, so that what is fuzzed gets past them.
func withSnapshotChecksum(b []byte) []byte {
	if len(b) < snapshotHeader {
		return b
	}
	b = slices.Clone(b)
	binary.BigEndian.PutUint16(b, snapshotVersion)
	binary.BigEndian.PutUint32(b[2:], crc32.Checksum(b[snapshotCRCFrom:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// written is a log of several segments with producers and transactions, and its records.
func written(t testing.TB) (*vfs.Memory, []byte, int64) {
	t.Helper()
	m := vfs.NewMemory()
	if err := m.Mkdir("/d"); err != nil {
		t.Fatal(err)
	}
	l := reopenMemory(t, m, smallConfig(), LogOptions{Clean: true})
	for i := range int32(10) {
		b := numbered(int(i), 1)
		b.producerID, b.sequence = 7, i
		mustAppend(t, l, b, OriginClient)
		mustAppend(t, l, testBatch{producerID: 8, sequence: i, transactional: true, value: strings.Repeat("x", 90)}, OriginClient)
		mustAppend(t, l, testBatch{producerID: 8, marker: &endMarker{aborted: i%2 == 0}}, OriginCoordinator)
	}
	mustAppend(t, l, testBatch{producerID: 9, transactional: true}, OriginClient)
	end := l.EndOffset()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return m, logBytes(files(t, m, "/d/t-0")), end
}

// FuzzDerivedFiles puts anything in the place of what recovery derives from the records, in a closed segment and in the active one: the log
// loads, every record is read, and it can be appended to. partition.metadata alone may refuse it.
func FuzzDerivedFiles(f *testing.F) {
	base, want, end := written(f)
	all := files(f, base, "/d/t-0")
	names := logNames(all)
	bases := []string{names[0][:20], names[1][:20], names[len(names)-1][:20]}
	epochs, topic := []byte("0\n1\n0 0\n"), []byte("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ\n")
	for _, clean := range []bool{true, false} {
		for _, b := range bases {
			f.Add(all[b+offsetIndexSuffix], all[b+timeIndexSuffix], all[b+txnIndexSuffix], all[b+snapshotSuffix], epochs, topic, clean, int64(3))
		}
		f.Add([]byte{}, []byte{}, []byte{}, []byte{}, []byte{}, []byte{}, clean, end)
	}
	f.Fuzz(func(t *testing.T, index, times, aborted, snapshot, epochs, topic []byte, clean bool, point int64) {
		m := base.CrashClone(nil)
		put := func(name string, b []byte) {
			if err := writeFile(m, "/d/t-0/"+name, b, true); err != nil {
				t.Fatal(err)
			}
		}
		for _, b := range bases {
			put(b+offsetIndexSuffix, index)
			put(b+timeIndexSuffix, times)
			put(b+txnIndexSuffix, aborted)
			put(b+snapshotSuffix, withSnapshotChecksum(snapshot))
		}
		put(leaderEpochFile, epochs)
		_, refused := parsePartitionMetadata(topic)
		put(partitionMetadataFile, topic)
		point = min(max(point, 0), end)
		l, err := OpenLog(LogOptions{
			FS: m, Directory: "/d/t-0", TopicPartition: TopicPartition{"t", 0}, Config: smallConfig(), Clean: clean, RecoveryPoint: point,
		})
		if (err != nil) != (refused != nil) {
			t.Fatalf("load: %v; partition.metadata: %v", err, refused)
		}
		if err != nil {
			return
		}
		readEverything(t, l, want)
		l.SetHighWatermark(end)
		if stable := l.LastStableOffset(); stable > end {
			t.Fatalf("last stable offset %d, the log ends at %d", stable, end)
		}
		_, _ = l.OffsetForTimestamp(1)
		_, _ = l.MaxTimestamp()
		_, _ = l.AbortedTransactions(0, end)
		if info, err := l.Append(testBatch{}.bytes(), AppendOptions{LeaderEpoch: math.MaxInt32}); err != nil || info.BaseOffset != end {
			t.Fatalf("append: %+v, %v", info, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzDirectory puts anything in the place of the files of a log directory. It is refused, or the log is there from where its start offset
// says, or it is offline because the files tell that records are missing; and what is found once is found again.
func FuzzDirectory(f *testing.F) {
	base := memoryDirectories(f, "/d")
	m, err := openCrash(base, smallConfig())
	if err != nil {
		f.Fatal(err)
	}
	l, err := m.Create(crashLog, [16]byte{1}, smallConfig())
	if err != nil {
		f.Fatal(err)
	}
	for i := range 20 {
		mustAppend(f, l, numbered(i, 1), OriginClient)
	}
	want, end := logBytes(files(f, base, "/d/crash-0")), l.EndOffset()
	checkpoint := encodeOffsets(map[TopicPartition]int64{crashLog: 12})
	meta, err := os.ReadFile("testdata/golden/meta.properties")
	if err != nil {
		f.Fatal(err)
	}
	for _, clean := range []bool{true, false} {
		f.Add(checkpoint, checkpoint, checkpoint, checkpoint, meta, []byte(`{"version":0,"brokerEpoch":7}`), clean)
		f.Add([]byte("0\n1\n"), []byte("0\n1\ncrash 0 30\n"), []byte("1\n"), []byte{}, []byte("version=1\n"), []byte("{"), clean)
		f.Add([]byte("0\n1\ncrash 0 99\n"), []byte{}, []byte{}, []byte{}, []byte{}, []byte{}, clean)
	}
	f.Fuzz(func(t *testing.T, recovery, start, watermark, cleaner, meta, marker []byte, clean bool) {
		disk := base.CrashClone(nil)
		for name, b := range map[string][]byte{
			recoveryPointFile: recovery, startOffsetFile: start, highWatermarkFile: watermark, cleanerOffsetFile: cleaner,
			metaPropertiesFile: meta, cleanShutdownFile: marker,
		} {
			if name == cleanShutdownFile && !clean {
				continue
			}
			if err := writeFile(disk, "/d/"+name, b, true); err != nil {
				t.Fatal(err)
			}
		}
		_, _ = ReadMetaProperties(disk, "/d")
		first, points := startOf(start), startOf(recovery)
		for range 2 {
			m, err := Open(t.Context(), Options{FS: disk, Directories: []string{"/d"}, Default: smallConfig(), NoBackground: true, RecoveryThreads: 1})
			if err != nil {
				return
			}
			l, ok := m.Log(crashLog)
			if failed := m.Failed(crashLog); !ok && (!errors.Is(failed, ErrCorruptLog) || points <= end) {
				t.Fatalf("the log is not there, flushed to %d of %d: %v", points, end, failed)
			}
			if ok && l.StartOffset() != first || ok && l.EndOffset() != max(end, first) {
				t.Fatalf("the log is [%d, %d), want [%d, %d)", l.StartOffset(), l.EndOffset(), first, max(end, first))
			}
			if ok && first < end {
				readTail(t, l, want)
			}
			if err := m.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// startOf is what a checkpoint says of the log; one that cannot be read says nothing.
func startOf(b []byte) int64 {
	offsets, err := parseOffsets(b)
	if err != nil {
		return 0
	}
	return max(offsets[crashLog], 0)
}

// readTail demands the batches from the log start offset on.
func readTail(t *testing.T, l *Log, all []byte) {
	t.Helper()
	eachBatch(t, all, func(h header, batch []byte) {
		if h.lastOffset < l.StartOffset() {
			return
		}
		r, err := l.Read(max(h.baseOffset, l.StartOffset()), 1, true, l.EndOffset())
		if err != nil || r.FirstOffset != h.baseOffset || r.Len() != len(batch) {
			t.Fatalf("read %d: %+v, %v", h.baseOffset, r, err)
		}
		r.Release()
	})
}
