package storage

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ottla/protocol/record"
	"ottla/storage/vfs"
)

// The segments under testdata/old-batches hold messages of magic 0 and 1, and record batches behind them. They and their indexes were
// written by Apache Kafka's own classes, which is how compat-tests/old-batches makes them anew, with index.interval.bytes=200.

const oldDirectory = "/data/old-0"

// oldFiles is what lies in the directory.
func oldFiles(t testing.TB) map[string][]byte {
	t.Helper()
	m := vfs.NewMemory()
	copyIn(t, m, "testdata/old-batches", "/g")
	return files(t, m, "/g")
}

// oldRecord is a record of them as Apache Kafka reads it.
type oldRecord struct {
	offset, timestamp int64
	base, last        int64 // of the batch
	magic             int8
}

func oldRecords(t testing.TB) []oldRecord {
	t.Helper()
	file, err := os.Open("../protocol/record/testdata/legacy.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var all []oldRecord
	var batch, r oldRecord
	var position int
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if _, err := fmt.Sscanf(line, "header %d %d %d %d ", &position, &batch.base, &batch.last, &batch.magic); err == nil {
			continue
		}
		if _, err := fmt.Sscanf(line, "record %d %d ", &r.offset, &r.timestamp); err == nil {
			all = append(all, oldRecord{r.offset, r.timestamp, batch.base, batch.last, batch.magic})
		}
	}
	if len(all) < 100 {
		t.Fatalf("%d records: %v", len(all), lines.Err())
	}
	return all
}

// placeOld puts the segments into a file system. derived: with their indexes.
func placeOld(t testing.TB, derived bool) *vfs.Memory {
	t.Helper()
	m := vfs.NewMemory()
	m.SetTime(1_400_000_000_000)
	if err := m.Mkdir("/data"); err != nil {
		t.Fatal(err)
	}
	copyIn(t, m, "testdata/old-batches", oldDirectory)
	for name := range oldFiles(t) {
		if !derived && filepath.Ext(name) != logSuffix {
			if err := m.Remove(oldDirectory + "/" + name); err != nil {
				t.Fatal(err)
			}
		}
	}
	return m
}

func tryOld(m vfs.FS, clean bool, recoveryPoint int64, config LogConfig) (*Log, error) {
	return OpenLog(LogOptions{
		FS: m, Directory: oldDirectory, TopicPartition: TopicPartition{"old", 0}, Config: config, Clean: clean, RecoveryPoint: recoveryPoint,
		Manager: &Options{Now: goldenNow},
	})
}

func openOld(t testing.TB, m vfs.FS, clean bool, recoveryPoint int64) *Log {
	t.Helper()
	l, err := tryOld(m, clean, recoveryPoint, goldenConfig())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// compareOld compares the segments and their indexes with Apache Kafka's; a start adds files of its own.
func compareOld(t *testing.T, m vfs.FS) {
	t.Helper()
	want, got := oldFiles(t), files(t, m, oldDirectory)
	for name := range got {
		if _, ok := want[name]; !ok && (strings.HasSuffix(name, snapshotSuffix) || name == leaderEpochFile) {
			delete(got, name)
		}
	}
	compareFiles(t, got, want)
}

func TestOldBatchesAreReadAndLeftAsTheyAre(t *testing.T) {
	m := placeOld(t, true)
	l := openOld(t, m, true, 0)
	readEverything(t, l, logBytes(oldFiles(t)))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	compareOld(t, m)
}

// TestOldBatchesRecovery lets recovery make the indexes, which are Apache Kafka's byte for byte. Nothing of this touches producers.
func TestOldBatchesRecovery(t *testing.T) {
	m := placeOld(t, false)
	l := openOld(t, m, false, 0)
	readEverything(t, l, logBytes(oldFiles(t)))
	if producers := l.ProducerStates(); len(producers) != 0 {
		t.Errorf("producers: %+v", producers)
	}
	if epoch, ok := l.EpochForOffset(0); ok {
		t.Errorf("the first record has leader epoch %d", epoch)
	}
	records := oldRecords(t)
	for _, r := range records {
		if epoch, ok := l.EpochForOffset(r.offset); r.magic == 2 && (!ok || epoch != 0) {
			t.Errorf("offset %d: leader epoch %d, %t", r.offset, epoch, ok)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	compareOld(t, m)
}

// TestOldBatchesIndexesAreRebuilt lacks the indexes of closed segments after a clean stop.
func TestOldBatchesIndexesAreRebuilt(t *testing.T) {
	m := placeOld(t, false)
	l := openOld(t, m, true, 0)
	readEverything(t, l, logBytes(oldFiles(t)))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	compareOld(t, m)
}

// TestOldBatchesTimestamps looks up every time, within wrappers too, against a scan of all records.
func TestOldBatchesTimestamps(t *testing.T) {
	records := oldRecords(t)
	stamp := func(r oldRecord) TimestampOffset {
		if r.magic < 2 {
			return TimestampOffset{r.timestamp, r.offset, -1}
		}
		return TimestampOffset{r.timestamp, r.offset, 0}
	}
	asked := []int64{0, 1_400_000_000_000, 1_400_000_000_001}
	for _, r := range records {
		if r.timestamp >= 0 {
			asked = append(asked, r.timestamp, r.timestamp+1)
		}
	}
	for _, derived := range []bool{true, false} {
		l := openOld(t, placeOld(t, derived), derived, 0)
		for _, start := range []int64{0, 17, 97, 117, 186} {
			l.SetHighWatermark(l.EndOffset())
			if err := l.DeleteRecordsBefore(start); err != nil {
				t.Fatal(err)
			}
			for _, at := range asked {
				want := TimestampOffset{-1, -1, -1}
				for _, r := range records {
					if r.timestamp >= at && r.offset >= start {
						want = stamp(r)
						break
					}
				}
				if at <= 1_400_000_000_000 && start < 80 { // the time of the file, which stands for those that its records lack
					want = TimestampOffset{-1, -1, -1}
				}
				if got, err := l.OffsetForTimestamp(at); err != nil || got != want {
					t.Fatalf("from %d on, timestamp %d: %+v, %v; want %+v", start, at, got, err, want)
				}
			}
		}
		largest := TimestampOffset{-1, -1, -1}
		for _, r := range records {
			if r.timestamp > largest.Timestamp {
				largest = stamp(r)
			}
		}
		if got, err := l.MaxTimestamp(); err != nil || got != largest {
			t.Fatalf("max timestamp: %+v, %v; want %+v", got, err, largest)
		}
	}
}

// TestOldBatchesTruncation cuts at every offset: what a wrapper holds goes with it.
func TestOldBatchesTruncation(t *testing.T) {
	records := oldRecords(t)
	for _, cut := range records {
		l := openOld(t, placeOld(t, true), true, 0)
		if err := l.TruncateTo(cut.offset); err != nil {
			t.Fatalf("truncate to %d: %v", cut.offset, err)
		}
		last := int64(-1)
		for _, r := range records {
			if r.last < cut.offset {
				last = r.last
			}
		}
		bases := l.SegmentBases()
		if want := max(last+1, bases[len(bases)-1]); l.EndOffset() != want {
			t.Fatalf("truncate to %d: the end is %d, want %d", cut.offset, l.EndOffset(), want)
		}
		if last >= 0 {
			r, err := l.Read(last, 1, true, l.EndOffset())
			if err != nil || r.Len() == 0 {
				t.Fatalf("truncate to %d: read %d: %d bytes, %v", cut.offset, last, r.Len(), err)
			}
			r.Release()
		}
		info := mustAppend(t, l, numbered(1, 3), OriginClient)
		if info.BaseOffset != max(last+1, bases[len(bases)-1]) {
			t.Fatalf("truncate to %d: appended at %d", cut.offset, info.BaseOffset)
		}
	}
}

// TestOldBatchesTornTail cuts the last segment anywhere and starts after a stop that was not clean: the torn message goes, or, where it
// was flushed, the log is not opened.
func TestOldBatchesTornTail(t *testing.T) {
	for _, base := range []int64{0, 80} {
		name := fmt.Sprintf("%020d%s", base, logSuffix)
		whole := oldFiles(t)[name]
		ends := map[int]int64{0: base} // where a message ends → the offset behind it
		at := 0
		eachBatch(t, whole, func(h header, batch []byte) {
			at += len(batch)
			ends[at] = h.lastOffset + 1
		})
		end, valid := base, 0
		for size := range whole {
			if next, ok := ends[size]; ok {
				end, valid = next, size
			}
			m := vfs.NewMemory()
			for _, dir := range []string{"/data", oldDirectory} {
				if err := m.Mkdir(dir); err != nil {
					t.Fatal(err)
				}
			}
			if err := writeFile(m, oldDirectory+"/"+name, whole[:size], true); err != nil {
				t.Fatal(err)
			}
			if _, err := tryOld(m, false, end+1, goldenConfig()); !errors.Is(err, ErrCorruptLog) {
				t.Fatalf("%d bytes are left of flushed data: %v", size, err)
			}
			l := openOld(t, m, false, 0)
			content := files(t, m, oldDirectory)[name]
			if l.EndOffset() != end || len(content) != valid {
				t.Fatalf("%d bytes: the end is %d after %d bytes, want %d after %d", size, l.EndOffset(), len(content), end, valid)
			}
		}
	}
}

// TestOldBatchesDamage changes a byte of every message: its checksum tells.
func TestOldBatchesDamage(t *testing.T) {
	all := oldFiles(t)
	for name, whole := range all {
		if filepath.Ext(name) != logSuffix {
			continue
		}
		at := 0
		eachBatch(t, whole, func(h header, batch []byte) {
			damaged := append([]byte(nil), whole...)
			damaged[at+len(batch)-1] ^= 0x40
			m := placeOld(t, false)
			if err := writeFile(m, oldDirectory+"/"+name, damaged, true); err != nil {
				t.Fatal(err)
			}
			if _, err := tryOld(m, false, h.lastOffset+1, goldenConfig()); !errors.Is(err, ErrCorruptLog) {
				t.Fatalf("flushed message at offset %d is damaged: %v", h.lastOffset, err)
			}
			l := openOld(t, m, false, 0)
			if l.EndOffset() > h.lastOffset {
				t.Fatalf("message at offset %d is damaged, the end is %d", h.lastOffset, l.EndOffset())
			}
			at += len(batch)
		})
	}
}

// TestOldBatchesBrokenWithin has a wrapper whose checksum is right and whose content cannot be decompressed. Apache Kafka keeps it.
func TestOldBatchesBrokenWithin(t *testing.T) {
	m := vfs.NewMemory()
	for _, dir := range []string{"/data", oldDirectory} {
		if err := m.Mkdir(dir); err != nil {
			t.Fatal(err)
		}
	}
	broken := oldMessage{magic: 1, codec: record.CodecGzip, offset: 4, timestamp: 50, value: []byte("no gzip")}.bytes()
	whole := append(broken, oldMessage{magic: 1, offset: 5, timestamp: 60, value: []byte("behind")}.bytes()...)
	if err := writeFile(m, oldDirectory+"/00000000000000000000.log", whole, true); err != nil {
		t.Fatal(err)
	}
	l := openOld(t, m, false, 0)
	if l.EndOffset() != 6 {
		t.Fatalf("the end is %d", l.EndOffset())
	}
	r, err := l.Read(2, 1<<20, true, 6)
	if err != nil || r.Len() != len(whole) {
		t.Fatalf("read %d bytes, %v", r.Len(), err)
	}
	r.Release()
	if found, err := l.OffsetForTimestamp(55); err != nil || found.Offset != 5 {
		t.Errorf("timestamp 55: %+v, %v", found, err)
	}
	if _, err := l.OffsetForTimestamp(40); !errors.Is(err, errBadRecords) {
		t.Errorf("timestamp 40: %v", err)
	}
}

// TestOldBatchesRetention: where no record has a timestamp it is the file's time that counts.
func TestOldBatchesRetention(t *testing.T) {
	const written = 1_400_000_000_000 // after the greatest timestamp of none, before those of magic 1
	for _, c := range []struct {
		age  time.Duration
		want int
	}{{time.Minute, 3}, {30 * 24 * time.Hour, 3}} {
		config := goldenConfig()
		config.RetentionMs = c.age.Milliseconds()
		l, err := OpenLog(LogOptions{
			FS: placeOld(t, true), Directory: oldDirectory, TopicPartition: TopicPartition{"old", 0}, Config: config, Clean: true,
			Manager: &Options{Now: func() time.Time { return time.UnixMilli(written).Add(c.age) }},
		})
		if err != nil {
			t.Fatal(err)
		}
		l.SetHighWatermark(l.EndOffset())
		if n, err := l.DeleteOldSegments(); err != nil || n != 0 || len(l.SegmentBases()) != c.want {
			t.Fatalf("age %v: %d segments deleted, %v", c.age, n, err)
		}
		config.RetentionMs--
		l.SetConfig(config)
		if n, err := l.DeleteOldSegments(); err != nil || n != 1 || l.StartOffset() != 80 {
			t.Fatalf("age %v: %d segments deleted, the start is %d, %v", c.age, n, l.StartOffset(), err)
		}
	}
}

// TestOldBatchesRoll appends behind old messages: the segment's age is that of its first message, or that of the file's opening where it
// has no timestamp.
func TestOldBatchesRoll(t *testing.T) {
	l := openOld(t, placeOld(t, true), true, 0)
	end := l.EndOffset()
	for i := range 20 {
		mustAppend(t, l, numbered(i, 10), OriginClient)
	}
	if bases := l.SegmentBases(); len(bases) < 4 || bases[0] != 0 || bases[1] != 80 {
		t.Fatalf("segments %v", bases)
	}
	if l.EndOffset() != end+200 {
		t.Fatalf("the end is %d", l.EndOffset())
	}
	if _, err := l.Append(oldMessage{magic: 1, value: []byte("new")}.bytes(), AppendOptions{Origin: OriginClient}); !errors.Is(err, errNoBatch) {
		t.Fatalf("a message of magic 1 was appended: %v", err)
	}
}

// TestGreatestTimestampOfNone asks logs without any timestamp for the record with the greatest one.
func TestGreatestTimestampOfNone(t *testing.T) {
	timeless := testBatch{timestamps: []int64{-1, -1}}
	for _, c := range []struct {
		name    string
		segment []byte
		want    TimestampOffset
	}{
		{"nothing", nil, TimestampOffset{-1, -1, -1}},
		{"magic 0", append(oldMessage{magic: 0, value: []byte("a")}.bytes(), oldMessage{magic: 1, offset: 1, timestamp: -1}.bytes()...), TimestampOffset{-1, -1, -1}},
		{"magic 1", oldWrapper(record.CodecGzip, false, []oldMessage{{magic: 1, offset: 3, timestamp: -1}, {magic: 1, offset: 4, timestamp: -1}}), TimestampOffset{-1, 3, -1}},
		{"magic 2", timeless.bytes(), TimestampOffset{-1, 0, 0}},
	} {
		m := vfs.NewMemory()
		for _, dir := range []string{"/data", oldDirectory} {
			if err := m.Mkdir(dir); err != nil {
				t.Fatal(err)
			}
		}
		if err := writeFile(m, oldDirectory+"/00000000000000000000.log", c.segment, true); err != nil {
			t.Fatal(err)
		}
		l := openOld(t, m, false, 0)
		if got, err := l.MaxTimestamp(); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
}

// TestOldIndexesByFirstOffset has indexes as Kafka wrote them before 0.10.1: a wrapper stands in them with its first offset. They are used as
// they are.
func TestOldIndexesByFirstOffset(t *testing.T) {
	m := placeOld(t, true)
	all := oldFiles(t)
	for _, base := range []int64{0, 80} {
		var entries []offsetEntry
		position := 0
		eachBatch(t, all[fmt.Sprintf("%020d%s", base, logSuffix)], func(h header, batch []byte) {
			if h.unfoldOld(batch); position > 0 {
				entries = append(entries, offsetEntry{int32(h.baseOffset - base), int32(position)})
			}
			position += len(batch)
		})
		if err := writeFile(m, fmt.Sprintf("%s/%020d%s", oldDirectory, base, offsetIndexSuffix), appendOffsetEntries(nil, entries), true); err != nil {
			t.Fatal(err)
		}
	}
	want := files(t, m, oldDirectory)
	l, err := OpenLog(LogOptions{
		FS: m, Directory: oldDirectory, TopicPartition: TopicPartition{"old", 0}, Config: goldenConfig(), Clean: true,
		Manager: &Options{Now: goldenNow, Events: func(e Event) {
			if e.Kind == EventIndexRebuilt {
				t.Errorf("the index of segment %d was made anew: %v", e.Offset, e.Err)
			}
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	readEverything(t, l, logBytes(all))
	for _, r := range oldRecords(t) {
		region, err := l.Read(r.offset, 1, true, l.EndOffset())
		if err != nil {
			t.Fatal(err)
		}
		content := make([]byte, region.Len())
		if err := region.ReadAll(content); err != nil {
			t.Fatal(err)
		}
		region.Release()
		if h, err := parseHeader(content); err != nil || h.lastOffset != r.last {
			t.Fatalf("offset %d: the batch ends at %d, want %d, %v", r.offset, h.lastOffset, r.last, err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got := files(t, m, oldDirectory)
	for name := range want {
		if string(got[name]) != string(want[name]) {
			t.Errorf("%s has changed", name)
		}
	}
}
