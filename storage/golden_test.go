package storage

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sort"
	"testing"
	"time"

	"ottla/storage/vfs"
)

// The directories under testdata/golden were written and cleanly closed by Apache Kafka 4.3.1, with small segments and index intervals.

func goldenConfig() LogConfig {
	c := DefaultLogConfig()
	c.SegmentBytes, c.IndexIntervalBytes, c.SegmentIndexBytes, c.RetentionMs = 2500, 200, 4096, -1
	return c
}

func goldenNow() time.Time { return time.UnixMilli(1795885500000) } // when they were written

var goldenLogs = []string{"golden-plain", "golden-codecs", "golden-txn", "golden-appendtime", "golden-empty"}

// copyIn puts a directory of the real disk into a file system.
func copyIn(t testing.TB, fsys vfs.FS, from, to string) {
	t.Helper()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := fsys.Mkdir(to); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err == nil {
			err = writeFile(fsys, to+"/"+e.Name(), b, true)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// files is what lies in a directory.
func files(t testing.TB, fsys vfs.FS, dir string) map[string][]byte {
	t.Helper()
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, e := range entries {
		if !e.Dir {
			if all[e.Name], err = readFile(fsys, dir+"/"+e.Name); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}

func goldenFiles(t testing.TB, topic string) map[string][]byte {
	t.Helper()
	m := vfs.NewMemory()
	copyIn(t, m, "testdata/golden/"+topic+"-0", "/g")
	return files(t, m, "/g")
}

// logBytes is all records of a directory, in order.
func logBytes(all map[string][]byte) []byte {
	var names []string
	for name := range all {
		if filepath.Ext(name) == logSuffix {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	var b []byte
	for _, name := range names {
		b = append(b, all[name]...)
	}
	return b
}

func eachBatch(t testing.TB, b []byte, fn func(h header, batch []byte)) {
	t.Helper()
	for len(b) > 0 {
		h, err := parseHeader(b)
		if err != nil {
			t.Fatal(err)
		}
		fn(h, b[:h.size])
		b = b[h.size:]
	}
}

func compareFiles(t *testing.T, got, want map[string][]byte) {
	t.Helper()
	for name, content := range want {
		mine, ok := got[name]
		switch {
		case !ok:
			t.Errorf("%s is missing", name)
		case !bytes.Equal(mine, content):
			t.Errorf("%s differs:\n%x\nwant\n%x", name, mine, content)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is not in Kafka's directory", name)
		}
	}
}

func openGolden(t testing.TB, fsys vfs.FS, topic string, clean bool) *Log {
	t.Helper()
	l, err := OpenLog(LogOptions{
		FS: fsys, Directory: "/data/" + topic + "-0", TopicPartition: TopicPartition{topic, 0}, Config: goldenConfig(), Clean: clean,
		Manager: &Options{Now: goldenNow},
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestGoldenDirectoryIsReadAndLeftAsItIs(t *testing.T) {
	for _, topic := range goldenLogs {
		t.Run(topic, func(t *testing.T) {
			want := goldenFiles(t, topic)
			m := vfs.NewMemory()
			if err := m.Mkdir("/data"); err != nil {
				t.Fatal(err)
			}
			copyIn(t, m, "testdata/golden/"+topic+"-0", "/data/"+topic+"-0")
			l := openGolden(t, m, topic, true)
			readEverything(t, l, logBytes(want))
			if l.TopicID() == [16]byte{} {
				t.Error("no topic id")
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			got := files(t, m, "/data/"+topic+"-0")
			if topic == "golden-empty" {
				// Kafka drops an epoch without records when it loads the log, and so is its file when it writes it next.
				delete(got, leaderEpochFile)
				delete(want, leaderEpochFile)
			}
			compareFiles(t, got, want)
		})
	}
}

// readEverything reads the log from each offset and compares with the records it should hold.
func readEverything(t testing.TB, l *Log, want []byte) {
	t.Helper()
	var next int64
	position := 0
	eachBatch(t, want, func(h header, batch []byte) {
		for offset := max(h.baseOffset, l.StartOffset()); offset <= h.lastOffset; offset++ {
			r, err := l.Read(offset, 1, true, l.EndOffset())
			if err != nil {
				t.Fatalf("read %d: %v", offset, err)
			}
			got := make([]byte, r.Len())
			if err := r.ReadAll(got); err != nil {
				t.Fatal(err)
			}
			if r.FirstOffset != h.baseOffset || !bytes.Equal(got, batch) {
				t.Fatalf("read %d: batch at %d, %d bytes; want %d, %d bytes", offset, r.FirstOffset, len(got), h.baseOffset, len(batch))
			}
			r.Release()
		}
		position += len(batch)
		next = h.lastOffset + 1
	})
	if end := l.EndOffset(); len(want) > 0 && end != next {
		t.Fatalf("end offset %d, want %d", end, next)
	}
	r, err := l.Read(l.EndOffset(), 100, true, l.EndOffset())
	if err != nil || r.Len() != 0 {
		t.Fatalf("read at the end: %d bytes, %v", r.Len(), err)
	}
	if _, err := l.Read(l.EndOffset()+1, 100, true, l.EndOffset()+1); !errors.Is(err, ErrOffsetOutOfRange) {
		t.Fatalf("read behind the end: %v", err)
	}
}

func TestGoldenBytesAreWritten(t *testing.T) {
	for _, topic := range goldenLogs {
		t.Run(topic, func(t *testing.T) {
			want := goldenFiles(t, topic)
			id, err := parsePartitionMetadata(want[partitionMetadataFile])
			if err != nil {
				t.Fatal(err)
			}
			m := vfs.NewMemory()
			if err := m.Mkdir("/data"); err != nil {
				t.Fatal(err)
			}
			l := openGolden(t, m, topic, true)
			if err := l.SetTopicID(id); err != nil {
				t.Fatal(err)
			}
			if err := l.SetLeaderEpoch(0); err != nil {
				t.Fatal(err)
			}
			eachBatch(t, logBytes(want), func(h header, batch []byte) {
				options := AppendOptions{Origin: OriginClient, TransactionVersion: 0}
				if h.control() {
					options.Origin = OriginCoordinator
				}
				info, err := l.Append(append([]byte(nil), batch...), options)
				if err != nil || info.BaseOffset != h.baseOffset || info.LastOffset != h.lastOffset || info.Duplicate {
					t.Fatalf("append batch %d: %+v, %v", h.baseOffset, info, err)
				}
				l.SetHighWatermark(l.EndOffset())
			})
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if topic == "golden-empty" {
				delete(want, leaderEpochFile) // an epoch without records is dropped by the next start; it is not written
			}
			compareFiles(t, files(t, m, "/data/"+topic+"-0"), want)
		})
	}
}

// TestGoldenRecovery deletes all that is derived, recovers, and expects Kafka's indexes and snapshots again.
func TestGoldenRecovery(t *testing.T) {
	for _, topic := range goldenLogs {
		t.Run(topic, func(t *testing.T) {
			want := goldenFiles(t, topic)
			m := vfs.NewMemory()
			if err := m.Mkdir("/data"); err != nil {
				t.Fatal(err)
			}
			dir := "/data/" + topic + "-0"
			copyIn(t, m, "testdata/golden/"+topic+"-0", dir)
			for name := range want {
				if filepath.Ext(name) != logSuffix && name != partitionMetadataFile {
					if err := m.Remove(dir + "/" + name); err != nil {
						t.Fatal(err)
					}
				}
			}
			l := openGolden(t, m, topic, false)
			readEverything(t, l, logBytes(want))
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if topic == "golden-empty" {
				delete(want, leaderEpochFile)
			}
			compareFiles(t, files(t, m, dir), want)
		})
	}
}
