package quorum

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ottla/metadata"
	"ottla/storage"
	"ottla/storage/vfs"
)

// recoveryDepth is how many power cuts in a row hit a start.
const recoveryDepth = 3

// survivor is a disk as a power cut left it, and what was promised then.
type survivor struct {
	disk      *vfs.Memory
	committed int64
	appended  int // topics
	// found is how many topics an earlier start found, −1 if there was none.
	found int
	depth int
}

// TestCrash: after a power cut at any moment what was committed is there, what is there was appended, in order, whole units only.
func TestCrash(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	crashes := 0
	for range 4 {
		crashes += crashRound(t, random, random.IntN(2) == 0)
	}
	t.Logf("%d power cuts", crashes)
}

// TestSoakCrash goes on for OTTLA_SOAK_MINUTES.
func TestSoakCrash(t *testing.T) {
	minutes, err := strconv.Atoi(os.Getenv("OTTLA_SOAK_MINUTES"))
	if err != nil {
		t.Skip("a long campaign: runs where OTTLA_SOAK_MINUTES says how long")
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random, crashes := rand.New(rand.NewPCG(seed, 1)), 0
	for end := time.Now().Add(time.Duration(minutes) * time.Minute); time.Now().Before(end); {
		crashes += crashRound(t, random, random.IntN(2) == 0)
	}
	t.Logf("%d power cuts", crashes)
}

func crashRound(t *testing.T, random *rand.Rand, static bool) (crashes int) {
	disk := testDisk(t, static)
	disk = disk.CrashClone(rand.New(rand.NewPCG(1, 1))) // Format was synced
	var mu sync.Mutex
	var left []survivor
	var q atomic.Pointer[Quorum]
	var appended atomic.Int64
	cuts := rand.New(rand.NewPCG(random.Uint64(), 2)) // guarded by mu
	trace := vfs.NewTrace(disk, func(op vfs.Op, _ error) {
		mu.Lock()
		defer mu.Unlock()
		if cuts.IntN(12) > 0 {
			return
		}
		committed := int64(0)
		if now := q.Load(); now != nil {
			committed = committedNow(now)
		}
		left = append(left, survivor{disk.CrashClone(cuts), committed, int(appended.Load()), -1, 0})
	})
	options := testOptions(trace)
	options.SnapshotBytes, options.RetentionBytes, options.SegmentBytes, options.MaxBatchBytes = 3000, 12000, 4000, 1000
	opened := open(t, options)
	q.Store(opened)
	image := opened.Image()
	offsets := make(map[int64]int) // topics there behind an offset
	topics := 0
	for range 60 {
		var records []metadata.Record
		for range 1 + random.IntN(3)*random.IntN(15) {
			records = append(records, topicRecord(topics))
			topics++
		}
		appended.Store(int64(topics))
		_, last, err := opened.Append(records)
		if err != nil {
			t.Fatal(err)
		}
		offsets[last] = topics
		if err := opened.WaitCommitted(context.Background(), last); err != nil {
			t.Fatal(err)
		}
		image = apply(t, image, records, last, opened.Epoch())
		opened.Snapshot(image)
	}
	closeQuorum(t, opened)
	if len(left) < 5 {
		t.Errorf("only %d power cuts", len(left))
	}
	for ; len(left) > 0; left = left[1:] {
		crashes++
		if next := left[0].check(t, random, offsets); next != nil {
			left = append(left, *next)
		}
	}
	return crashes
}

// check opens what was left. The power may be cut once more meanwhile: it returns what that leaves.
func (s survivor) check(t *testing.T, random *rand.Rand, offsets map[int64]int) (next *survivor) {
	t.Helper()
	var mu sync.Mutex
	calls := 1 + random.IntN(12)
	trace := vfs.NewTrace(s.disk, func(vfs.Op, error) {
		mu.Lock()
		defer mu.Unlock()
		if calls--; calls == 0 && s.depth < recoveryDepth {
			next = &survivor{s.disk.CrashClone(random), s.committed, s.appended, -1, s.depth + 1}
		}
	})
	q, err := Open(context.Background(), testOptions(trace))
	if err != nil {
		entries, _ := s.disk.ReadDir(path.Join(testDir, logDirectory))
		t.Fatalf("open after a power cut, %d in a start: %v\n%v", s.depth, err, entries)
	}
	count, want := q.Image().TopicCount(), 0
	for last, n := range offsets {
		if last < s.committed {
			want = max(want, n)
		}
	}
	whole := count == 0
	for _, n := range offsets {
		whole = whole || n == count
	}
	if count < want || count > s.appended || !whole {
		t.Fatalf("%d topics after a power cut; %d were committed, %d appended; whole units: %v", count, want, s.appended, whole)
	}
	if s.found >= 0 && count != s.found {
		t.Fatalf("%d topics after a power cut in a start, %d before", count, s.found)
	}
	checkTopics(t, q, count)
	closeQuorum(t, q)
	if next != nil {
		next.found = count
	}
	return next
}

// checkTopics demands the first topics, by name, and the level of the format.
func checkTopics(t *testing.T, q *Quorum, count int) {
	t.Helper()
	for n := range count {
		if _, ok := q.Image().Topic(topicRecord(n).Name); !ok {
			t.Fatalf("topic %d of %d is missing", n, count)
		}
	}
	if q.Image().MetadataVersion() != 30 {
		t.Fatalf("level %d", q.Image().MetadataVersion())
	}
}

// committedNow reads what is committed without waiting for a lock that the goroutine inside the disk may hold.
func committedNow(q *Quorum) int64 {
	if !q.mu.TryLock() {
		return 0
	}
	defer q.mu.Unlock()
	return q.committed
}

// TestEachCallFailsOnce lets one call fail, each in its turn: what was committed stays, nothing is committed behind a failure that took the
// log offline, and without space the log goes on.
func TestEachCallFailsOnce(t *testing.T) {
	writing := func(op vfs.Op) bool { return op.Kind == vfs.OpWrite }
	for _, c := range []struct {
		name  string
		match func(vfs.Op) bool
		err   error
	}{
		{"EIO", vfs.Op.Mutates, syscall.EIO},
		{"ENOSPC", vfs.Op.Mutates, syscall.ENOSPC},
		{"short write EIO", writing, &vfs.ShortWriteError{Length: -1, Err: syscall.EIO}},
		{"short write ENOSPC", writing, &vfs.ShortWriteError{Length: -1, Err: syscall.ENOSPC}},
		{"EIO reading", func(op vfs.Op) bool { return !op.Mutates() && op.Kind != vfs.OpLock }, syscall.EIO},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := 1
			for ; failOnce(t, n, c.match, c.err); n++ {
			}
			t.Logf("%d calls", n-1)
		})
	}
}

// failOnce plays a script in which the n-th call that matches fails; hit is false if there are not so many.
func failOnce(t *testing.T, n int, match func(vfs.Op) bool, failure error) (hit bool) {
	t.Helper()
	disk := testDisk(t, false)
	disk = disk.CrashClone(rand.New(rand.NewPCG(1, 1)))
	var failed atomic.Pointer[string]
	var left atomic.Int64
	left.Store(int64(n))
	options := testOptions(vfs.NewFault(disk, func(op vfs.Op) error {
		if !match(op) || left.Add(-1) != 0 {
			return nil
		}
		what := fmt.Sprintf("call %d, %s, failed with %v", n, op, failure)
		failed.Store(&what)
		return failure
	}))
	options.SnapshotBytes, options.RetentionBytes, options.SegmentBytes = 600, 1500, 1000
	committed, sent := playScript(t, options)
	if failed.Load() == nil {
		return false
	}
	for seed := range uint64(5) {
		random := rand.New(rand.NewPCG(seed, 7))
		if seed == 0 {
			random = nil // a kill
		}
		q, err := Open(context.Background(), testOptions(disk.CrashClone(random)))
		if err != nil {
			t.Fatalf("%s: open: %v", *failed.Load(), err)
		}
		if count := q.Image().TopicCount(); count < committed || count > sent {
			t.Fatalf("%s: %d topics, %d were committed and %d sent", *failed.Load(), count, committed, sent)
		}
		checkTopics(t, q, q.Image().TopicCount())
		closeQuorum(t, q)
	}
	return true
}

// playScript appends one topic after the other and takes snapshots. It tells how many were committed, and how many may be there.
func playScript(t *testing.T, options Options) (committed, sent int) {
	t.Helper()
	q, err := Open(context.Background(), options)
	if err != nil {
		return 0, 0
	}
	image := q.Image()
	for range 14 {
		record := topicRecord(committed)
		sent = committed + 1
		_, last, err := q.Append([]metadata.Record{record})
		if errors.Is(err, storage.ErrNoSpace) {
			continue // there is space again
		}
		if err == nil {
			err = q.WaitCommitted(context.Background(), last)
		}
		if err != nil {
			break
		}
		committed++
		image = apply(t, image, []metadata.Record{record}, last, q.Epoch())
		q.Snapshot(image)
	}
	_ = q.Close() // it fails as the log did
	return committed, sent
}
