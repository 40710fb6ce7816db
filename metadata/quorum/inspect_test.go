package quorum

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"ottla/metadata"
	"ottla/protocol/record"
	"ottla/storage/vfs"
)

// written is what a directory holds before a test harms it: a closed log of a few topics, with snapshots in between.
func written(t testing.TB, static bool) *vfs.Memory {
	t.Helper()
	disk := testDisk(t, static)
	options := testOptions(disk)
	options.SnapshotBytes = 600
	snapshots := make(chan string, 100)
	options.Events = func(e Event) { snapshots <- e.Text }
	q := open(t, options)
	image := q.Image()
	for n := range 3 {
		var records []metadata.Record
		for k := range 10 {
			records = append(records, topicRecord(n*10+k))
		}
		_, last, err := q.Append(records)
		if err != nil {
			t.Fatal(err)
		}
		if err := q.WaitCommitted(context.Background(), last); err != nil {
			t.Fatal(err)
		}
		image = apply(t, image, records, last, q.Epoch())
		q.Snapshot(image)
		if n > 0 { // the first append is behind the limit together with what the start wrote
			continue
		}
		if text := <-snapshots; !strings.HasPrefix(text, "wrote snapshot") {
			t.Fatal(text)
		}
	}
	closeQuorum(t, q)
	return disk
}

func logPath(name string) string { return path.Join(testDir, logDirectory, name) }

func put(t testing.TB, disk vfs.FS, name string, data []byte) {
	t.Helper()
	if err := writeFile(disk, name, data); err != nil {
		t.Fatal(err)
	}
}

// tree is everything on the disk, to see whether a byte changed.
func tree(t testing.TB, fs vfs.FS, dir string) string {
	t.Helper()
	entries, err := fs.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, e := range entries {
		name := path.Join(dir, e.Name)
		if e.Dir {
			all.WriteString(name + "/\n" + tree(t, fs, name))
			continue
		}
		data, err := readFile(fs, name, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "%s %x\n", name, data)
	}
	return all.String()
}

// appendBatch puts a batch behind the log.
func appendBatch(t testing.TB, disk vfs.FS, build func(offset int64, epoch int32) record.Batch) {
	t.Helper()
	found, err := Inspect(disk, testDir, 1, testCluster)
	if err != nil {
		t.Fatal(err)
	}
	name := logPath(fmt.Sprintf("%020d.log", 0))
	data, err := readFile(disk, name, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	put(t, disk, name, append(data, build(found.LogEndOffset, found.LeaderEpoch)...))
}

func values(raw ...[]byte) func(int64, int32) record.Batch {
	return func(offset int64, epoch int32) record.Batch { return dataBatch(offset, epoch, 1, raw) }
}

func encoded(r metadata.Record) []byte { return metadata.EncodeRecord(nil, r, 0) }

// What is not understood is refused, with its name, by Inspect and by Open, and not a byte changes.
func TestInspectRefuses(t *testing.T) {
	voters := func(ids ...int32) *metadata.VotersRecord {
		r := &metadata.VotersRecord{}
		for _, id := range ids {
			r.Voters = append(r.Voters, metadata.VotersRecordVoter{VoterID: id})
		}
		return r
	}
	controls := func(c ...control) func(int64, int32) record.Batch {
		return func(offset int64, epoch int32) record.Batch { return controlBatch(offset, epoch, 1, c...) }
	}
	for name, c := range map[string]struct {
		harm func(t *testing.T, disk vfs.FS)
		want string
	}{
		"unknown type": {func(t *testing.T, disk vfs.FS) { appendBatch(t, disk, values([]byte{1, 29, 0, 0})) }, "unknown type 29"},
		"unknown version": {func(t *testing.T, disk vfs.FS) { appendBatch(t, disk, values([]byte{1, 0, 5, 0})) },
			"RegisterBrokerRecord of version 5"},
		"unknown frame": {func(t *testing.T, disk vfs.FS) { appendBatch(t, disk, values([]byte{2, 2, 0, 0})) }, "frame version 2"},
		"record that does not fit": {func(t *testing.T, disk vfs.FS) {
			appendBatch(t, disk, values(encoded(&metadata.RemoveTopicRecord{TopicID: [16]byte{77}})))
		}, "no topic has the id"},
		"level above": {func(t *testing.T, disk vfs.FS) {
			appendBatch(t, disk, values(encoded(&metadata.FeatureLevelRecord{Name: metadata.FeatureMetadataVersion, FeatureLevel: 31})))
		}, "metadata.version 31 is not known"},
		"feature above": {func(t *testing.T, disk vfs.FS) {
			appendBatch(t, disk, values(encoded(&metadata.FeatureLevelRecord{Name: metadata.FeatureShare, FeatureLevel: 2})))
		}, "share.version is finalized at level 2"},
		"unknown feature": {func(t *testing.T, disk vfs.FS) {
			appendBatch(t, disk, values(encoded(&metadata.FeatureLevelRecord{Name: "future.version", FeatureLevel: 1})))
		}, "future.version"},
		"unknown control": {func(t *testing.T, disk vfs.FS) {
			appendBatch(t, disk, controls(control{kind: 9, body: &metadata.SnapshotFooterRecord{}}))
		}, "control record of unknown type 9"},
		"unknown control version": {func(t *testing.T, disk vfs.FS) {
			appendBatch(t, disk, controls(control{kind: controlLeaderChange, body: &metadata.LeaderChangeMessage{Version: 2}}))
		}, "LeaderChangeMessage of version 2"},
		"kraft.version 2": {func(t *testing.T, disk vfs.FS) {
			appendBatch(t, disk, controls(control{kind: controlKRaftVersion, body: &metadata.KRaftVersionRecord{KRaftVersion: 2}}))
		}, "kraft.version 2"},
		"several voters": {func(t *testing.T, disk vfs.FS) {
			appendBatch(t, disk, controls(control{kind: controlKRaftVoters, body: voters(1, 2)}))
		}, "voters [1 2]"},
		"another voter": {func(t *testing.T, disk vfs.FS) {
			appendBatch(t, disk, controls(control{kind: controlLeaderChange, body: &metadata.LeaderChangeMessage{
				Voters: []metadata.LeaderChangeMessageVoter{{VoterID: 3}}}}))
		}, "voter 3"},
		"end without begin": {func(t *testing.T, disk vfs.FS) {
			appendBatch(t, disk, values(encoded(&metadata.EndTransactionRecord{})))
		}, "ends that did not begin"},
		"offset gap": {func(t *testing.T, disk vfs.FS) {
			appendBatch(t, disk, func(offset int64, epoch int32) record.Batch {
				return dataBatch(offset+1, epoch, 1, [][]byte{encoded(topicRecord(500))})
			})
		}, "follows"},
		"epoch falls": {func(t *testing.T, disk vfs.FS) {
			appendBatch(t, disk, func(offset int64, epoch int32) record.Batch {
				return dataBatch(offset, epoch-1, 1, [][]byte{encoded(topicRecord(500))})
			})
		}, "is lower than"},
		"unknown file": {func(t *testing.T, disk vfs.FS) { put(t, disk, logPath("notes.txt"), []byte("x")) }, "notes.txt is not known"},
		"unknown extension": {func(t *testing.T, disk vfs.FS) { put(t, disk, logPath(fmt.Sprintf("%020d.swap", 0)), nil) },
			"is not known"},
		"directory": {func(t *testing.T, disk vfs.FS) {
			if err := disk.Mkdir(logPath("sub")); err != nil {
				t.Fatal(err)
			}
		}, "sub is not known"},
		"quorum-state version": {func(t *testing.T, disk vfs.FS) {
			put(t, disk, logPath(stateName), []byte(`{"leaderId":1,"leaderEpoch":1,"votedId":-1,"data_version":2}`))
		}, "data_version 2"},
		"voters in quorum-state": {func(t *testing.T, disk vfs.FS) {
			put(t, disk, logPath(stateName), electionState{leaderID: 1, leaderEpoch: 5, votedID: -1, voters: []int32{1, 2, 3}}.encode())
		}, "voters [1 2 3]"},
		"no quorum-state but garbage": {func(t *testing.T, disk vfs.FS) { put(t, disk, logPath(stateName), []byte("garbage")) }, "quorum-state"},
		"segment gap": {func(t *testing.T, disk vfs.FS) {
			put(t, disk, logPath(fmt.Sprintf("%020d.log", 500)), dataBatch(500, 1, 1, [][]byte{encoded(topicRecord(500))}))
			put(t, disk, logPath(fmt.Sprintf("%020d.log", 600)), nil)
		}, "is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			disk := written(t, false)
			c.harm(t, disk)
			before := tree(t, disk, testDir)
			_, err := Inspect(disk, testDir, 1, testCluster)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Inspect: %v, want %q", err, c.want)
			}
			if _, err := Open(context.Background(), testOptions(disk)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Open: %v, want %q", err, c.want)
			}
			if tree(t, disk, testDir) != before {
				t.Error("something was changed")
			}
		})
	}
}

// Open refuses what only it can know, before a byte changes.
func TestOpenRefuses(t *testing.T) {
	disk := written(t, false)
	before := tree(t, disk, testDir)
	options := testOptions(disk)
	options.DirectoryID = [16]byte{8}
	if _, err := Open(context.Background(), options); err == nil || !strings.Contains(err.Error(), "directory id") {
		t.Errorf("another directory id: %v", err)
	}
	options = testOptions(disk)
	options.NodeID = 2
	if _, err := Open(context.Background(), options); err == nil || !strings.Contains(err.Error(), "only 2, this node") {
		t.Errorf("another node id: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Open(ctx, testOptions(disk)); err == nil {
		t.Error("a context that has ended")
	}
	if tree(t, disk, testDir) != before {
		t.Error("something was changed")
	}
	empty := vfs.NewMemory()
	if err := empty.Mkdir(testDir); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), testOptions(empty)); err == nil || !strings.Contains(err.Error(), "not formatted") {
		t.Errorf("an empty directory: %v", err)
	}
	if err := Format(disk, testDir, FormatOptions{}); err == nil || tree(t, disk, testDir) != before {
		t.Errorf("formatted again: %v", err)
	}
}

// A torn tail is cut off; Inspect tells it and changes nothing.
func TestTornTail(t *testing.T) {
	for _, tail := range [][]byte{{0}, make([]byte, 100), bytes.Repeat([]byte{0xff}, 61), dataBatch(40, 1, 1, [][]byte{encoded(topicRecord(99))})[:70]} {
		disk := written(t, true)
		name := logPath(fmt.Sprintf("%020d.log", 0))
		data, err := readFile(disk, name, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		put(t, disk, name, append(data, tail...))
		found, err := Inspect(disk, testDir, 1, testCluster)
		if err != nil || found.TornTailBytes != int64(len(tail)) {
			t.Fatalf("%v: %+v", err, found)
		}
		q := open(t, testOptions(disk))
		if q.Image().TopicCount() != 30 || q.Epoch() != 2 {
			t.Fatalf("%d topics, epoch %d", q.Image().TopicCount(), q.Epoch())
		}
		closeQuorum(t, q)
		if found, err = Inspect(disk, testDir, 1, testCluster); err != nil || found.TornTailBytes != 0 || found.LeaderEpoch != 2 {
			t.Fatalf("%v: %+v", err, found)
		}
	}
}

// A snapshot that is not whole is set aside; an older one and the log serve.
func TestDamagedSnapshot(t *testing.T) {
	disk := written(t, true)
	found, err := Inspect(disk, testDir, 1, testCluster)
	if err != nil || found.snapshot == nil {
		t.Fatalf("%v: %+v", err, found)
	}
	name := logPath(found.snapshot.name())
	data, err := readFile(disk, name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int{0, 1, 70, len(data) / 2, len(data) - 1} {
		put(t, disk, name, data[:cut])
		damaged, err := Inspect(disk, testDir, 1, testCluster)
		if err != nil || damaged.snapshot != nil && *damaged.snapshot == *found.snapshot {
			t.Fatalf("cut to %d: %v", cut, err)
		}
		if !bytes.Equal(imageBytes(t, damaged.Image), imageBytes(t, found.Image)) {
			t.Fatal("another image")
		}
	}
	q := open(t, testOptions(disk))
	closeQuorum(t, q)
	if there, err := vfs.Exists(disk, name); err != nil || there {
		t.Fatalf("%v: the damaged snapshot is still there", err)
	}
	q = open(t, testOptions(disk)) // and what was set aside goes
	closeQuorum(t, q)
	if there, err := vfs.Exists(disk, name+".deleted"); err != nil || there {
		t.Fatalf("%v: what was set aside is still there", err)
	}
}

// The snapshot goes on where the log is lost.
func TestLogBehindSnapshot(t *testing.T) {
	disk := written(t, false)
	found, err := Inspect(disk, testDir, 1, testCluster)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".log", ".index", ".timeindex"} {
		if err := disk.Remove(logPath(fmt.Sprintf("%020d%s", 0, name))); err != nil {
			t.Fatal(err)
		}
	}
	q := open(t, testOptions(disk))
	if q.Image().TopicCount() < 10 || q.Committed() != found.snapshot.end+1 || q.Epoch() != 2 {
		t.Fatalf("%d topics, committed %d, epoch %d", q.Image().TopicCount(), q.Committed(), q.Epoch())
	}
	closeQuorum(t, q)
	again := open(t, testOptions(disk))
	if !bytes.Equal(imageBytes(t, again.Image()), imageBytes(t, q.Image())) {
		t.Fatal("another image")
	}
	closeQuorum(t, again)
}

// Retention deletes old snapshots and the log before the oldest that stays, and the rest is still all of it.
func TestRetention(t *testing.T) {
	disk := testDisk(t, true)
	options := testOptions(disk)
	options.SnapshotBytes, options.RetentionBytes, options.SegmentBytes = 1, 3000, 1000
	events := make(chan string, 1000)
	options.Events = func(e Event) {
		if e.Err != nil {
			t.Error(e.Text, e.Err)
		}
		events <- e.Text
	}
	q := open(t, options)
	image := q.Image()
	deleted := 0
	for n := range 30 {
		records := []metadata.Record{topicRecord(n % 4)}
		if n >= 4 {
			records = []metadata.Record{&metadata.RemoveTopicRecord{TopicID: topicRecord(n % 4).TopicID}, topicRecord(n % 4)}
		}
		_, last, err := q.Append(records)
		if err != nil {
			t.Fatal(err)
		}
		if err := q.WaitCommitted(context.Background(), last); err != nil {
			t.Fatal(err)
		}
		image = apply(t, image, records, last, q.Epoch())
		q.Snapshot(image)
		for text := <-events; !strings.HasPrefix(text, "wrote"); text = <-events {
			deleted++
		}
	}
	closeQuorum(t, q)
	if deleted < 10 {
		t.Fatalf("%d snapshots deleted", deleted)
	}
	found, err := Inspect(disk, testDir, 1, testCluster)
	if err != nil {
		t.Fatal(err)
	}
	if found.contents.segments[0] == 0 || len(found.contents.snapshots) > 6 {
		t.Fatalf("left: %+v", found.contents)
	}
	if !bytes.Equal(imageBytes(t, found.Image), imageBytes(t, image)) {
		t.Fatal("another image")
	}
	if left := tree(t, disk, testDir); strings.Contains(left, ".deleted") || strings.Contains(left, ".part") {
		t.Fatal("files of no more use are left")
	}
}

// A snapshot is due by time too, and only of an image at the end of an append.
func TestSnapshotByTime(t *testing.T) {
	disk := testDisk(t, true)
	options := testOptions(disk)
	now := testNow()
	options.Now = func() time.Time { return now }
	options.SnapshotInterval = time.Hour
	events := make(chan string, 10)
	options.Events = func(e Event) { events <- e.Text }
	q := open(t, options)
	records := []metadata.Record{topicRecord(1), topicRecord(2)}
	_, last, err := q.Append(records)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.WaitCommitted(context.Background(), last); err != nil {
		t.Fatal(err)
	}
	image := apply(t, q.Image(), records, last, q.Epoch())
	q.Snapshot(image) // not due
	now = now.Add(time.Hour)
	q.Snapshot(apply(t, q.Image(), records[:1], last-1, q.Epoch())) // within an append
	q.Snapshot(image)
	if text := <-events; !strings.Contains(text, snapshotID{last + 1, 1}.name()) {
		t.Fatal(text)
	}
	closeQuorum(t, q)
	if len(events) > 0 {
		t.Fatal(<-events)
	}
}
