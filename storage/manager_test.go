package storage

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"ottla/storage/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type recorder struct {
	mu     sync.Mutex
	events []Event
}

func (r *recorder) record(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *recorder) count(kind EventKind) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func openManager(t testing.TB, fsys vfs.FS, change func(*Options)) *Manager {
	t.Helper()
	o := Options{FS: fsys, Directories: []string{"/d"}, Default: smallConfig(), NoBackground: true, Now: func() time.Time { return time.UnixMilli(5000) }}
	if change != nil {
		change(&o)
	}
	m, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func memoryDirectories(t testing.TB, dirs ...string) *vfs.Memory {
	t.Helper()
	m := vfs.NewMemory()
	for i, dir := range dirs {
		if err := m.Mkdir(dir); err != nil {
			t.Fatal(err)
		}
		if err := WriteMetaProperties(m, dir, MetaProperties{Version: 1, NodeID: 1, ClusterID: "c", DirectoryID: [16]byte{byte(i + 1)}}); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func create(t testing.TB, m *Manager, topic string, partition int32) *Log {
	t.Helper()
	l, err := m.Create(TopicPartition{topic, partition}, [16]byte{9}, smallConfig())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func stop(t testing.TB, m *Manager) {
	t.Helper()
	if err := m.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestCleanStopAndStart(t *testing.T) {
	memory := memoryDirectories(t, "/d")
	m := openManager(t, memory, func(o *Options) { o.BrokerEpoch = func() int64 { return 42 } })
	l := create(t, m, "a", 0)
	create(t, m, "b", 3)
	for i := range 30 {
		mustAppend(t, l, numbered(i, 2), OriginClient)
	}
	l.SetHighWatermark(55)
	if err := l.DeleteRecordsBefore(17); err != nil {
		t.Fatal(err)
	}
	if _, err := openMore(memory); !errors.Is(err, vfs.ErrLocked) {
		t.Fatalf("a second manager of the same directory: %v", err)
	}
	stop(t, m)
	all := files(t, memory, "/d")
	want := map[string]string{
		cleanShutdownFile: `{"version":0,"brokerEpoch":42}`,
		recoveryPointFile: "0\n2\na 0 60\nb 3 0\n",
		startOffsetFile:   "0\n1\na 0 17\n",
		highWatermarkFile: "0\n2\na 0 55\nb 3 0\n",
	}
	for name, content := range want {
		if string(all[name]) != content {
			t.Errorf("%s is %q, want %q", name, all[name], content)
		}
	}
	if _, there := all[lockFile]; there {
		t.Error(".lock is left after a clean stop")
	}
	m = openManager(t, memory, nil)
	if m.CleanShutdownEpoch() != 42 {
		t.Errorf("broker epoch %d of the last stop, want 42", m.CleanShutdownEpoch())
	}
	if _, there := files(t, memory, "/d")[cleanShutdownFile]; there {
		t.Error("the clean marker is still there after the start")
	}
	l, _ = m.Log(TopicPartition{"a", 0})
	if l.StartOffset() != 17 || l.EndOffset() != 60 || l.HighWatermark() != 55 || l.TopicID() != [16]byte{9} {
		t.Errorf("log is [%d, %d), high watermark %d, id %x", l.StartOffset(), l.EndOffset(), l.HighWatermark(), l.TopicID())
	}
	if id := m.DirectoryID(TopicPartition{"b", 3}); id != [16]byte{1} {
		t.Errorf("directory id %x", id)
	}
	stop(t, m)
}

func openMore(fsys vfs.FS) (*Manager, error) {
	return Open(context.Background(), Options{FS: fsys, Directories: []string{"/d"}, NoBackground: true})
}

func TestUnknownDirectoryIsRefusedBeforeAnyChange(t *testing.T) {
	memory := memoryDirectories(t, "/d")
	if err := memory.Mkdir("/d/data"); err != nil {
		t.Fatal(err)
	}
	if err := writeCleanShutdown(memory, "/d", 1); err != nil {
		t.Fatal(err)
	}
	if _, err := openMore(memory); !errors.Is(err, ErrUnknownDirectory) || !strings.Contains(err.Error(), "/d/data") {
		t.Fatalf("open: %v", err)
	}
	if clean, _, _ := readCleanShutdown(memory, "/d"); !clean {
		t.Error("the clean marker is gone")
	}
}

func TestEmptyMarkerOfOlderKafkaIsClean(t *testing.T) {
	memory := memoryDirectories(t, "/d")
	m := openManager(t, memory, nil)
	create(t, m, "a", 0)
	stop(t, m)
	if err := writeFile(memory, "/d/"+cleanShutdownFile, nil, true); err != nil {
		t.Fatal(err)
	}
	var r recorder
	m = openManager(t, memory, func(o *Options) { o.Events = r.record })
	if r.count(EventUncleanShutdown) != 0 || m.CleanShutdownEpoch() != -1 {
		t.Errorf("unclean %d times, epoch %d", r.count(EventUncleanShutdown), m.CleanShutdownEpoch())
	}
	stop(t, m)
}

func TestPlacementAndOfflineDirectory(t *testing.T) {
	memory := memoryDirectories(t, "/d", "/e")
	fault := vfs.NewFault(memory, nil)
	m := openManager(t, fault, func(o *Options) { o.Directories = []string{"/d", "/e/"} })
	counts := map[string]int{}
	for i := range int32(6) {
		counts[create(t, m, "t", i).Directory()]++
	}
	if counts["/d"] != 3 || counts["/e"] != 3 {
		t.Fatalf("placed %v", counts)
	}
	fault.Set(func(op vfs.Op) error {
		if op.Kind == vfs.OpWrite && strings.HasPrefix(op.Name, "/d/") {
			return syscall.EIO
		}
		return nil
	})
	for _, l := range m.Logs() {
		_, err := l.Append(numbered(0, 1).bytes(), AppendOptions{})
		if failed := errors.Is(err, ErrDirectoryOffline); failed != (l.Directory() == "/d") || (err != nil && !failed) {
			t.Errorf("append to %s in %s: %v", l.TopicPartition(), l.Directory(), err)
		}
	}
	if live := m.LiveDirectories(); len(live) != 1 || live[0] != "/e" || len(m.OfflineDirectories()) != 1 || len(m.DirectoryIDs()) != 1 {
		t.Errorf("live %v, offline %v", live, m.OfflineDirectories())
	}
	if l := create(t, m, "new", 0); l.Directory() != "/e" {
		t.Errorf("placed in %s", l.Directory())
	}
	_ = m.Close(context.Background())
	for dir, want := range map[string]bool{"/d": false, "/e": true} {
		if clean, _, _ := readCleanShutdown(memory, dir); clean != want {
			t.Errorf("clean marker in %s: %v", dir, clean)
		}
	}
}

func TestDeleteStrayAndCreateAgain(t *testing.T) {
	memory := memoryDirectories(t, "/d")
	m := openManager(t, memory, func(o *Options) { o.NoBackground = false })
	tp := TopicPartition{strings.Repeat("x", 249), 0}
	l, err := m.Create(tp, [16]byte{9}, smallConfig())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		mustAppend(t, l, numbered(i, 3), OriginClient)
	}
	region, err := l.Read(0, 1<<20, true, l.EndOffset())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Create(tp, [16]byte{9}, smallConfig()); !errors.Is(err, ErrExists) {
		t.Errorf("create twice: %v", err)
	}
	if err := l.Flush(l.EndOffset()); err != nil {
		t.Fatal(err)
	}
	if err := m.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if err := m.Delete(tp); err != nil {
		t.Fatal(err)
	}
	if err := region.ReadAll(make([]byte, region.Len())); err != nil {
		t.Errorf("a pinned region of a deleted log: %v", err)
	}
	region.Release()
	if _, err := l.Append(numbered(0, 1).bytes(), AppendOptions{}); !errors.Is(err, ErrClosed) {
		t.Errorf("append to a deleted log: %v", err)
	}
	if err := m.Delete(tp); !errors.Is(err, ErrNotFound) {
		t.Errorf("delete twice: %v", err)
	}
	if l, err = m.Create(tp, [16]byte{10}, smallConfig()); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, numbered(0, 1), OriginClient)
	create(t, m, "s", 1)
	if err := m.Stray(TopicPartition{"s", 1}); err != nil {
		t.Fatal(err)
	}
	c, err := ReadDirectory(memory, "/d")
	if err != nil || len(c.Deleted) != 1 || len(c.Stray) != 1 || len(c.Logs) != 1 || len(c.Unknown) != 0 {
		t.Fatalf("contents %+v, %v", c, err)
	}
	if len(c.Deleted[0]) != 255 || !strings.HasSuffix(c.Deleted[0], "-delete") {
		t.Errorf("deleted directory %q has %d characters", c.Deleted[0], len(c.Deleted[0]))
	}
	// A power cut now must not take the old log's recovery point for the new one's.
	again := openManager(t, memory.CrashClone(nil), nil)
	if err := again.Failed(tp); err != nil {
		t.Errorf("the log of the same name: %v", err)
	}
	_ = again.Close(context.Background())
	stop(t, m)
}

// TestDamagedLogStaysOfflineAlone: others load, and its recovery point is kept, so that the next start sees the damage too.
func TestDamagedLogStaysOfflineAlone(t *testing.T) {
	memory := memoryDirectories(t, "/d")
	m := openManager(t, memory, nil)
	bad := create(t, m, "bad", 0)
	create(t, m, "good", 0)
	for i := range 5 {
		mustAppend(t, bad, numbered(i, 1), OriginClient)
	}
	if err := bad.Flush(5); err != nil {
		t.Fatal(err)
	}
	if err := m.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	memory = memory.CrashClone(nil)
	path := "/d/bad-0/00000000000000000000.log"
	b, _ := readFile(memory, path)
	b[100] ^= 1
	if err := writeFile(memory, path, b, true); err != nil {
		t.Fatal(err)
	}
	for range 2 { // also after what would have been a clean stop
		var r recorder
		m = openManager(t, memory, func(o *Options) { o.Events = r.record })
		if err := m.Failed(TopicPartition{"bad", 0}); !errors.Is(err, ErrCorruptLog) || r.count(EventLogLoadFailed) != 1 {
			t.Fatalf("damaged log: %v", err)
		}
		if _, ok := m.Log(TopicPartition{"good", 0}); !ok {
			t.Fatal("the other log is not there")
		}
		if _, err := m.Create(TopicPartition{"bad", 0}, [16]byte{9}, smallConfig()); !errors.Is(err, ErrCorruptLog) {
			t.Fatalf("create over the damaged log: %v", err)
		}
		stop(t, m)
	}
}

func TestRetention(t *testing.T) {
	for _, c := range []struct {
		name      string
		config    func(*LogConfig)
		high      int64 // 0: all
		wantStart int64
		wantEmpty bool
	}{
		{"time, all expired: the active segment rolls", func(c *LogConfig) { c.RetentionMs = 1000 }, 0, 40, true},
		{"time, bounded by the high watermark", func(c *LogConfig) { c.RetentionMs = 1000 }, 13, 7, false},
		{"time, none expired", func(c *LogConfig) { c.RetentionMs = 100000 }, 0, 0, false},
		{"size", func(c *LogConfig) { c.RetentionBytes = 1300 }, 0, 21, false},
		{"size 0 keeps the rest that is less than a segment", func(c *LogConfig) { c.RetentionBytes = 0 }, 0, 40, true},
		{"compacted only", func(c *LogConfig) { c.RetentionMs, c.Delete, c.Compact = 1, false, true }, 0, 0, false},
	} {
		memory := memoryDirectories(t, "/d")
		m := openManager(t, memory, nil)
		config := smallConfig()
		c.config(&config)
		l, err := m.Create(TopicPartition{"t", 0}, [16]byte{9}, config)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 40 {
			mustAppend(t, l, numbered(i, 1), OriginClient)
		}
		high := c.high
		if high == 0 {
			high = l.EndOffset()
		}
		l.SetHighWatermark(high)
		m.ApplyRetention()
		if l.StartOffset() != c.wantStart {
			t.Errorf("%s: start offset %d, want %d; segments %v", c.name, l.StartOffset(), c.wantStart, l.SegmentBases())
		}
		size, err := l.Size()
		if err != nil || (size == 0) != c.wantEmpty {
			t.Errorf("%s: %d bytes left, %v", c.name, size, err)
		}
		for name := range files(t, memory, "/d/t-0") {
			if strings.HasSuffix(name, deletedSuffix) {
				t.Errorf("%s: %s is left", c.name, name)
			}
		}
		mustAppend(t, l, numbered(0, 1), OriginClient)
		stop(t, m)
	}
}

// TestFlushByTime: FlushMs moves the recovery point without anybody asking.
func TestFlushByTime(t *testing.T) {
	m := openManager(t, memoryDirectories(t, "/d"), func(o *Options) { o.NoBackground = false })
	config := smallConfig()
	config.FlushMs = 1
	l, err := m.Create(TopicPartition{"t", 0}, [16]byte{9}, config)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		mustAppend(t, l, numbered(i, 1), OriginClient)
		for l.RecoveryPoint() < l.EndOffset() {
			time.Sleep(time.Millisecond)
		}
	}
	stop(t, m)
}

// TestConcurrentUse has writers, readers, retention and configuration meet; the race detector looks on.
func TestConcurrentUse(t *testing.T) {
	m := openManager(t, memoryDirectories(t, "/d"), func(o *Options) {
		o.NoBackground, o.MaxOpenFiles = false, 4
		o.RetentionInterval, o.InitialTaskDelay, o.HighWatermarkInterval = time.Millisecond, time.Millisecond, time.Millisecond
	})
	config := smallConfig()
	config.FlushMessages, config.RetentionBytes = 3, 5000
	l, err := m.Create(TopicPartition{"t", 0}, [16]byte{9}, config)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for i := range 200 {
				if _, err := l.Append(numbered(i, 1+w).bytes(), AppendOptions{}); err != nil {
					t.Error(err)
					return
				}
				l.SetHighWatermark(l.EndOffset())
				l.LastStableOffset()
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			buffer := make([]byte, 1<<16)
			for range 300 {
				offset := l.StartOffset()
				r, err := l.Read(offset, 2000, true, l.HighWatermark())
				if errors.Is(err, ErrOffsetOutOfRange) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if err := r.ReadAll(buffer); err != nil {
					t.Error(err)
				}
				if r.Len() > 0 {
					if h, err := parseHeader(buffer[:r.Len()]); err != nil || h.lastOffset < offset {
						t.Errorf("read %d: %+v, %v", offset, h, err)
					}
				}
				r.Release()
				_, _ = l.OffsetForTimestamp(1100)
				_, _ = l.MaxTimestamp()
				_, _ = l.Size()
				m.SetConfig("t", config)
			}
		})
	}
	wg.Wait()
	stop(t, m)
}

func TestMetaProperties(t *testing.T) {
	golden, err := os.ReadFile("testdata/golden/meta.properties")
	if err != nil {
		t.Fatal(err)
	}
	p, err := parseMetaProperties(golden)
	if err != nil || p.Version != 1 || p.NodeID != 1 || p.ClusterID != "U8qgK6tNSt-CM7mOV0qQ2Q" || p.DirectoryID == [16]byte{} || p.Unknown != nil {
		t.Fatalf("%+v, %v", p, err)
	}
	memory := memoryDirectories(t, "/d")
	for _, want := range []MetaProperties{
		p,
		{Version: 0, NodeID: 3, Unknown: map[string]string{"zk key": " é:=#!\\\n\t\U0001F600 "}},
		{Version: 0, NodeID: -1, ClusterID: "x"},
	} {
		if err := WriteMetaProperties(memory, "/d", want); err != nil {
			t.Fatal(err)
		}
		got, err := ReadMetaProperties(memory, "/d")
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(want)
		if err != nil || string(a) != string(b) {
			t.Errorf("%s, %v; want %s", a, err, b)
		}
	}
	for _, bad := range []string{"version=2\nnode.id=1\ncluster.id=c", "version=1\nnode.id=1", "version=1\ncluster.id=c", "version=1\nnode.id=x\ncluster.id=c",
		"version=1\nnode.id=1\ncluster.id=c\ndirectory.id=short"} {
		if p, err := parseMetaProperties([]byte(bad)); err == nil {
			t.Errorf("%q gives %+v", bad, p)
		}
	}
}

func TestParseLogDirectoryName(t *testing.T) {
	for name, want := range map[string]string{
		"a-0": "a 0 ", "a-b.c-12": "a-b.c 12 ", "x-1.0123456789abcdef0123456789abcdef-delete": "x 1 delete", "x-1.ab-stray": "x 1 stray",
		"x-1.ab-future": "x 1 future", "data": "", "-1": "", "a-": "", "a-x": "", "x-delete": "", "a-99999999999": "", "a--1": "a- 1 ",
	} {
		tp, suffix, ok := ParseLogDirectoryName(name)
		got := ""
		if ok {
			got = strings.Join([]string{tp.Topic, strings.TrimPrefix(tp.String(), tp.Topic+"-"), suffix}, " ")
		}
		if got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}

// TestRealDisk runs once over the real file system, with its lock.
func TestRealDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	options := Options{Directories: []string{dir}, Default: smallConfig()}
	for round := range 3 {
		m, err := Open(context.Background(), options)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(context.Background(), options); !errors.Is(err, vfs.ErrLocked) {
			t.Fatalf("a second manager: %v", err)
		}
		if round == 0 {
			create(t, m, "t", 0)
		}
		l, ok := m.Log(TopicPartition{"t", 0})
		if !ok || l.EndOffset() != int64(round*50) {
			t.Fatalf("round %d: log is there: %v", round, ok)
		}
		for i := range 50 {
			mustAppend(t, l, numbered(i, 1), OriginClient)
		}
		if err := l.Flush(l.EndOffset()); err != nil {
			t.Fatal(err)
		}
		stop(t, m)
	}
}
