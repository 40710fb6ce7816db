package quorum

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ottla/metadata"
	"ottla/storage"
	"ottla/storage/vfs"
)

const (
	testDir     = "/data"
	testCluster = "cluster"
)

// testDisk is a directory formatted in memory.
func testDisk(t testing.TB, static bool) *vfs.Memory {
	t.Helper()
	disk := vfs.NewMemory()
	if err := disk.Mkdir(testDir); err != nil {
		t.Fatal(err)
	}
	if err := disk.SyncDir("/"); err != nil {
		t.Fatal(err)
	}
	err := Format(disk, testDir, FormatOptions{
		NodeID: 1, ClusterID: testCluster, DirectoryID: [16]byte{9}, StaticVoters: static, Endpoints: testEndpoints(), Now: testNow,
	})
	if err != nil {
		t.Fatal(err)
	}
	return disk
}

func testNow() time.Time        { return time.UnixMilli(1_700_000_000_000) }
func testEndpoints() []Endpoint { return []Endpoint{{"CONTROLLER", "localhost", 9093}} }
func testOptions(fs vfs.FS) Options {
	return Options{
		FS: fs, Directory: testDir, NodeID: 1, ClusterID: testCluster, DirectoryID: [16]byte{9}, Endpoints: testEndpoints(), Now: testNow,
		RetentionAge: -1, indexBytes: 4096,
	}
}

func open(t testing.TB, options Options) *Quorum {
	t.Helper()
	q, err := Open(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func closeQuorum(t testing.TB, q *Quorum) {
	t.Helper()
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
}

func topicRecord(n int) *metadata.TopicRecord {
	return &metadata.TopicRecord{Name: fmt.Sprintf("topic-%04d", n), TopicID: [16]byte{0: 1, 12: byte(n >> 16), 13: byte(n >> 8), 14: byte(n), 15: 7}}
}

// apply is what the controller does with what it appended.
func apply(t testing.TB, image *metadata.Image, records []metadata.Record, last int64, epoch int32) *metadata.Image {
	t.Helper()
	delta := metadata.NewDelta(image)
	for _, r := range records {
		if err := delta.Replay(r); err != nil {
			t.Fatal(err)
		}
	}
	return delta.Apply(last, epoch)
}

// Each start raises the epoch, and everything committed is in its image.
func TestRestarts(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, static := range []bool{true, false} {
		disk := testDisk(t, static)
		var image *metadata.Image
		for start := range 4 {
			q := open(t, testOptions(disk))
			if q.Epoch() != int32(start+1) {
				t.Fatalf("epoch %d at start %d", q.Epoch(), start)
			}
			if image != nil && !bytes.Equal(imageBytes(t, q.Image()), imageBytes(t, image)) {
				t.Fatal("another image after a restart")
			}
			if image = q.Image(); image.MetadataVersion() != 30 || image.Offset()+1 != q.Committed() || image.Epoch() != q.Epoch() {
				t.Fatalf("image at offset %d, level %d; committed %d", image.Offset(), image.MetadataVersion(), q.Committed())
			}
			if image.Config(metadata.ConfigResource{Type: metadata.ResourceBroker})["min.insync.replicas"] != "1" {
				t.Fatal("no default of min.insync.replicas")
			}
			records := []metadata.Record{topicRecord(start), topicRecord(start + 100)}
			first, last, err := q.Append(records)
			if err != nil {
				t.Fatal(err)
			}
			if first != image.Offset()+1 || last != first+1 {
				t.Fatalf("offsets %d to %d behind %d", first, last, image.Offset())
			}
			if err := q.WaitCommitted(context.Background(), last); err != nil {
				t.Fatal(err)
			}
			if q.Committed() != last+1 {
				t.Fatalf("committed %d, want %d", q.Committed(), last+1)
			}
			image = apply(t, image, records, last, q.Epoch())
			closeQuorum(t, q)
			if _, _, err := q.Append(records); !errors.Is(err, ErrClosed) {
				t.Fatalf("append to a closed log: %v", err)
			}
			closeQuorum(t, q) // a second time changes nothing
		}
		checkState(t, disk, static, 4)
	}
}

func checkState(t *testing.T, disk vfs.FS, static bool, epoch int) {
	t.Helper()
	got, err := readFile(disk, path.Join(testDir, logDirectory, stateName), 1000)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"leaderId":1,"leaderEpoch":%d,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}`, epoch)
	if static {
		want = fmt.Sprintf(`{"clusterId":"","leaderId":1,"leaderEpoch":%d,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}`, epoch)
	}
	if string(got) != want {
		t.Fatalf("quorum-state %s, want %s", got, want)
	}
}

// What does not fit into one batch is a transaction: all of it or nothing.
func TestLargeAppendIsATransaction(t *testing.T) {
	disk := testDisk(t, false)
	options := testOptions(disk)
	options.MaxBatchBytes = 1000
	q := open(t, options)
	var records []metadata.Record
	for n := range 200 {
		records = append(records, topicRecord(n))
	}
	first, last, err := q.Append(records)
	if err != nil {
		t.Fatal(err)
	}
	if first != q.Image().Offset()+3 || last != first+200 {
		t.Fatalf("offsets %d to %d behind %d", first, last, q.Image().Offset())
	}
	want := imageBytes(t, apply(t, q.Image(), records, last, q.Epoch()))
	before := imageBytes(t, q.Image())
	closeQuorum(t, q)
	found, err := Inspect(disk, testDir, 1, testCluster)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(imageBytes(t, found.Image), want) {
		t.Fatal("the transaction is not in the image")
	}
	name := path.Join(testDir, logDirectory, fmt.Sprintf("%020d.log", 0))
	whole, err := readFile(disk, name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	// Cut the last batch: the transaction does not end, and the next start aborts it.
	if err := writeFile(disk, name, whole[:len(whole)-1]); err != nil {
		t.Fatal(err)
	}
	q = open(t, options)
	if !bytes.Equal(imageBytes(t, q.Image()), before) {
		t.Fatal("half a transaction is in the image")
	}
	if _, _, err := q.Append(records[:1]); err != nil {
		t.Fatal(err)
	}
	closeQuorum(t, q)
	found, err = Inspect(disk, testDir, 1, testCluster)
	if err != nil || found.Image.TopicCount() != 1 {
		t.Fatalf("%v, %d topics", err, found.Image.TopicCount())
	}
}

// Records are written at the versions of the level in the log, which a record of it changes at once.
func TestLevelOfTheLog(t *testing.T) {
	disk := vfs.NewMemory()
	if err := disk.Mkdir(testDir); err != nil {
		t.Fatal(err)
	}
	options := FormatOptions{
		NodeID: 1, ClusterID: testCluster, StaticVoters: true,
		Records: []metadata.Record{&metadata.FeatureLevelRecord{Name: metadata.FeatureMetadataVersion, FeatureLevel: 7}},
	}
	if err := Format(disk, testDir, options); err != nil {
		t.Fatal(err)
	}
	open7 := testOptions(disk)
	open7.MaxBatchBytes = 300
	q := open(t, open7)
	if q.Image().MetadataVersion() != 7 || q.Image().Config(metadata.ConfigResource{Type: metadata.ResourceBroker}) != nil {
		t.Fatalf("level %d", q.Image().MetadataVersion())
	}
	scram := &metadata.UserScramCredentialRecord{Name: "u", Mechanism: 1}
	if _, _, err := q.Append([]metadata.Record{scram}); err == nil || !strings.Contains(err.Error(), "3.5-IV2") {
		t.Fatalf("a record above the level: %v", err)
	}
	var many []metadata.Record
	for n := range 20 {
		many = append(many, topicRecord(n))
	}
	if _, _, err := q.Append(many); err == nil || !strings.Contains(err.Error(), "no transactions") {
		t.Fatalf("a transaction above the level: %v", err)
	}
	up := &metadata.FeatureLevelRecord{Name: metadata.FeatureMetadataVersion, FeatureLevel: 13}
	if _, _, err := q.Append([]metadata.Record{up, scram}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := q.Append(many); err != nil {
		t.Fatal(err)
	}
	closeQuorum(t, q)
	found, err := Inspect(disk, testDir, 1, testCluster)
	if err != nil || found.Image.MetadataVersion() != 13 || found.Image.TopicCount() != 20 {
		t.Fatalf("%v: %+v", err, found)
	}
}

// slowLog is a log whose syncs wait.
type slowLog struct {
	log
	syncs            atomic.Int32
	entered, release chan struct{}
}

func (l *slowLog) Flush(end int64) error {
	l.syncs.Add(1)
	l.entered <- struct{}{}
	<-l.release
	return l.log.Flush(end)
}

// Appends that queue while one is synced share the next sync.
func TestAppendsShareASync(t *testing.T) {
	disk := testDisk(t, true)
	slow := &slowLog{entered: make(chan struct{}, 100), release: make(chan struct{})}
	q := open(t, testOptions(disk))
	slow.log, q.log = q.log, slow
	_, last, err := q.Append([]metadata.Record{topicRecord(0)})
	if err != nil {
		t.Fatal(err)
	}
	<-slow.entered
	for n := range 50 {
		if _, last, err = q.Append([]metadata.Record{topicRecord(n + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	close(slow.release)
	if err := q.WaitCommitted(context.Background(), last); err != nil {
		t.Fatal(err)
	}
	if n := slow.syncs.Load(); n != 2 {
		t.Errorf("%d syncs for 51 appends, want 2", n)
	}
	closeQuorum(t, q)
}

// A failed sync is not tried again: nothing is committed any more, and everybody is told.
func TestFailedSync(t *testing.T) {
	disk := testDisk(t, true)
	var failing atomic.Bool
	broken := errors.New("broken")
	fault := vfs.NewFault(disk, func(op vfs.Op) error {
		if failing.Load() && strings.Contains(op.String(), "sync ") {
			return broken
		}
		return nil
	})
	q := open(t, testOptions(fault))
	failing.Store(true)
	_, last, err := q.Append([]metadata.Record{topicRecord(0)})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.WaitCommitted(context.Background(), last); !errors.Is(err, broken) && !errors.Is(err, storage.ErrDirectoryOffline) {
		t.Fatalf("wait: %v", err)
	}
	if _, _, err := q.Append([]metadata.Record{topicRecord(1)}); err == nil {
		t.Fatal("an append after the failure")
	}
	if q.Committed() > last {
		t.Fatal("committed")
	}
	_ = q.Close()
}

func TestWaitCommittedEndsWithItsContext(t *testing.T) {
	q := open(t, testOptions(testDisk(t, true)))
	defer closeQuorum(t, q)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := q.WaitCommitted(ctx, q.Committed()); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// With kraft.version 1 the voters stand in the log from the first epoch on, and again when the endpoints are others. Open takes what
// Inspect found before.
func TestVotersInLog(t *testing.T) {
	disk := testDisk(t, false)
	options := testOptions(disk)
	for start, c := range []struct {
		port    uint16
		records int64 // of the batch that opens the epoch
	}{{9093, 3}, {9093, 1}, {9094, 3}, {9094, 1}} {
		found, err := Inspect(disk, testDir, 1, testCluster)
		if err != nil {
			t.Fatal(err)
		}
		before := found.LogEndOffset
		options.Found, options.Endpoints = found, []Endpoint{{"CONTROLLER", "localhost", c.port}}
		q := open(t, options)
		bootstrap := int64(0)
		if start == 0 {
			bootstrap = int64(len(FreshRecords())) + 3 // begin, min.insync.replicas, end
		}
		if got := q.Committed() - before - bootstrap; got != c.records {
			t.Errorf("start %d: %d records open the epoch, want %d", start, got, c.records)
		}
		if port := q.voters.Voters[0].Endpoints[0].Port; port != c.port {
			t.Errorf("start %d: port %d", start, port)
		}
		closeQuorum(t, q)
	}
}

// A full disk refuses an append that is one batch and goes on when there is space; half a transaction ends the log.
func TestNoSpace(t *testing.T) {
	disk := testDisk(t, true)
	var full atomic.Bool
	var writes atomic.Int32
	fault := vfs.NewFault(disk, func(op vfs.Op) error {
		if full.Load() && op.Kind == vfs.OpWrite && strings.HasSuffix(op.Name, ".log") && writes.Add(-1) < 0 {
			return syscall.ENOSPC
		}
		return nil
	})
	options := testOptions(fault)
	options.MaxBatchBytes = 1000
	q := open(t, options)
	full.Store(true)
	if _, _, err := q.Append([]metadata.Record{topicRecord(0)}); !errors.Is(err, storage.ErrNoSpace) {
		t.Fatalf("a full disk: %v", err)
	}
	full.Store(false)
	first, last, err := q.Append([]metadata.Record{topicRecord(0)})
	if err != nil || first != q.Image().Offset()+1 {
		t.Fatalf("offset %d, %v", first, err)
	}
	if err := q.WaitCommitted(context.Background(), last); err != nil {
		t.Fatal(err)
	}
	var many []metadata.Record
	for n := range 100 {
		many = append(many, topicRecord(n+1))
	}
	writes.Store(1) // one batch of several
	full.Store(true)
	if _, _, err := q.Append(many); !errors.Is(err, storage.ErrNoSpace) {
		t.Fatalf("a full disk: %v", err)
	}
	full.Store(false)
	if _, _, err := q.Append(many[:1]); err == nil {
		t.Fatal("an append behind half a transaction")
	}
	_ = q.Close() // it fails as the log did
	q = open(t, testOptions(disk))
	if q.Image().TopicCount() != 1 {
		t.Fatalf("%d topics", q.Image().TopicCount())
	}
	closeQuorum(t, q)
}
