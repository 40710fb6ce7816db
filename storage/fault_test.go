package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"ottla/storage/vfs"
)

// faultRun plays a fixed script in which one call fails, once.
type faultRun struct {
	crashRun
	fault  *vfs.Fault
	failed string // the call that failed
	errs   []error
}

func newFaultRun(t *testing.T) *faultRun {
	r := &faultRun{}
	r.t, r.random, r.memory, r.config = t, rand.New(rand.NewPCG(1, 1)), vfs.NewMemory(), crashConfig(1)
	for _, err := range []error{r.memory.Mkdir("/d"), r.memory.SyncDir("/")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r.fault = vfs.NewFault(r.memory, nil)
	var err error
	if r.manager, err = openCrash(r.fault, r.config); err != nil {
		t.Fatal(err)
	}
	if _, err := r.manager.Create(crashLog, [16]byte{1}, r.config); err != nil {
		t.Fatal(err)
	}
	return r
}

// note looks at the error of a step; any error must be one that the callers know.
func (r *faultRun) note(err error) bool {
	if err == nil {
		return true
	}
	r.errs = append(r.errs, err)
	if !errors.Is(err, ErrDirectoryOffline) && !errors.Is(err, ErrNoSpace) && !errors.Is(err, syscall.EIO) && !errors.Is(err, syscall.ENOSPC) {
		r.t.Fatalf("%s: unknown error %v", r.failed, err)
	}
	return false
}

func (r *faultRun) appendOne(i int) {
	n := 1 + i%3
	b := numbered(i, n)
	b.producerID, b.sequence = 7, r.next
	if r.append(b, naiveBatch{timestamps: b.timestamps, sequence: r.next}, n) {
		r.next += int32(n)
	}
}

// append appends a batch of n records and tells whether it was written, though perhaps not acknowledged.
func (r *faultRun) append(b testBatch, made naiveBatch, n int) bool {
	made.base = r.log().EndOffset()
	made.last = made.base + int64(n) - 1
	placed := b
	placed.offset, placed.leaderEpoch = made.base, 0
	made.bytes = placed.bytes()
	options := AppendOptions{}
	if b.marker != nil {
		options.Origin = OriginCoordinator
	}
	offline := r.manager.OfflineDirectories()["/d"] != nil
	_, err := r.log().Append(b.bytes(), options)
	if err == nil && offline {
		r.t.Fatalf("%s: an append was acknowledged after the directory failed", r.failed)
	}
	written := r.log().EndOffset() > made.base
	if written {
		r.history = append(r.history, made)
	} else if err != nil && !offline && r.manager.OfflineDirectories()["/d"] != nil {
		r.flying = &made // it may be there, whole
	}
	if r.note(err) {
		r.acked = made.last + 1
	}
	return written
}

// transact appends to a transaction, or aborts it.
func (r *faultRun) transact(abort bool) {
	if !abort {
		b := testBatch{producerID: 8, sequence: r.nextTxn, transactional: true}
		if r.append(b, naiveBatch{sequence: -1, kind: inTransaction}, 1) {
			r.nextTxn, r.open = r.nextTxn+1, true
		}
	} else if r.open && r.append(testBatch{producerID: 8, marker: &endMarker{aborted: true}}, naiveBatch{sequence: -1, kind: aborts}, 1) {
		r.open = false
	}
}

// comeAndGo creates another log, writes to it and deletes it.
func (r *faultRun) comeAndGo(i int) {
	r.guest = &guest{id: [16]byte{15: byte(i)}, there: true}
	l, err := r.manager.Create(guestLog, r.guest.id, r.config)
	if !r.note(err) {
		r.guest.there = false
		return
	}
	info, err := l.Append(numbered(i, 1).bytes(), AppendOptions{})
	if r.note(err) {
		r.guest.acked = info.LastOffset + 1
	}
	if i == 4 {
		r.guest.there = false
		r.guest.deleted = r.note(r.manager.Delete(guestLog))
	}
}

// script is what is played; the same calls are made in every run until the one that fails.
func (r *faultRun) script() {
	for i := range 24 {
		r.appendOne(i)
		switch i {
		case 3, 14:
			r.transact(false)
		case 4, 17:
			if r.guest == nil || r.guest.deleted {
				r.comeAndGo(i)
			}
		case 10, 16:
			r.transact(true)
		case 5, 15:
			r.note(r.manager.Checkpoint())
		case 8:
			r.note(r.log().SetLeaderEpoch(0))
		case 12:
			r.note(r.log().Roll())
		case 18:
			r.log().SetHighWatermark(r.log().EndOffset())
			if len(r.history) < 11 {
				continue
			}
			r.start = r.history[10].base
			r.note(r.log().DeleteRecordsBefore(r.start))
			_, err := r.log().DeleteOldSegments()
			r.note(err)
		}
	}
}

func (r *faultRun) finish() {
	r.fault.Set(nil)
	// What is read now is what was acknowledged, and perhaps what was written behind it.
	r.checkRecords(r.failed, r.log())
	r.note(r.manager.Close(context.Background()))
	r.check(r.failed+", closed", r.memory.CrashClone(nil))
	for seed := range uint64(4) {
		r.check(r.failed+", power cut", r.memory.CrashClone(rand.New(rand.NewPCG(seed, 2))))
	}
}

func TestEachCallFailsOnce(t *testing.T) {
	mutating := func(op vfs.Op) bool { return op.Mutates() }
	reading := func(op vfs.Op) bool { return !op.Mutates() && op.Kind != vfs.OpLock }
	for _, c := range []struct {
		name  string
		match func(vfs.Op) bool
		err   error
	}{
		{"EIO", mutating, syscall.EIO},
		{"ENOSPC", mutating, syscall.ENOSPC},
		{"short write EIO", func(op vfs.Op) bool { return op.Kind == vfs.OpWrite }, &vfs.ShortWriteError{Length: -1, Err: syscall.EIO}},
		{"short write ENOSPC", func(op vfs.Op) bool { return op.Kind == vfs.OpWrite }, &vfs.ShortWriteError{Length: -1, Err: syscall.ENOSPC}},
		{"unexpected short write", func(op vfs.Op) bool { return op.Kind == vfs.OpWrite }, &vfs.ShortWriteError{Length: 70, Err: io.ErrShortWrite}},
		{"EIO reading", reading, syscall.EIO},
	} {
		t.Run(c.name, func(t *testing.T) {
			for n := 1; ; n++ {
				r := newFaultRun(t)
				hit := false
				left := n
				r.fault.Set(func(op vfs.Op) error {
					if !c.match(op) {
						return nil
					}
					if left--; left != 0 {
						return nil
					}
					hit, r.failed = true, fmt.Sprintf("call %d, %s, failed with %v", n, op, c.err)
					return c.err
				})
				r.script()
				space := errors.Is(c.err, syscall.ENOSPC)
				offline := r.manager.OfflineDirectories()["/d"] != nil
				if space && offline && !containsSync(r.failed) {
					t.Fatalf("%s: the directory went offline for want of space: %v", r.failed, r.errs)
				}
				if space && !offline { // space is back: the log serves again
					before := hit
					r.appendOne(100)
					if before && r.acked != r.log().EndOffset() {
						t.Fatalf("%s: the log refuses though space is back: %v", r.failed, r.errs)
					}
				}
				r.finish()
				if !hit {
					t.Logf("%d calls", n-1)
					break
				}
			}
		})
	}
}

func containsSync(op string) bool {
	for i := range len(op) - 4 {
		if op[i:i+4] == "sync" {
			return true
		}
	}
	return false
}

// TestFailedSyncIsNotTriedAgain: the page cache lies after a failed fsync.
func TestFailedSyncIsNotTriedAgain(t *testing.T) {
	r := newFaultRun(t)
	r.appendOne(0)
	syncs := 0
	r.fault.Set(func(op vfs.Op) error {
		if op.Kind == vfs.OpSync {
			if syncs++; syncs == 1 {
				return syscall.EIO
			}
		}
		return nil
	})
	if _, err := r.log().Append(numbered(1, 1).bytes(), AppendOptions{}); !errors.Is(err, ErrDirectoryOffline) {
		t.Fatalf("append: %v", err)
	}
	if _, err := r.log().Append(numbered(1, 1).bytes(), AppendOptions{}); !errors.Is(err, ErrDirectoryOffline) {
		t.Fatalf("next append: %v", err)
	}
	if err := r.log().Flush(r.log().EndOffset()); !errors.Is(err, ErrDirectoryOffline) {
		t.Fatalf("flush: %v", err)
	}
	if err := r.manager.Close(context.Background()); err == nil {
		t.Error("a stop after a failed fsync is not clean")
	}
	if syncs != 1 {
		t.Errorf("%d fsyncs after the one that failed", syncs-1)
	}
	if clean, _, _ := readCleanShutdown(r.memory, "/d"); clean {
		t.Error("the clean marker was written")
	}
}

// TestGroupCommit: appends that wait for the same fsync share it.
func TestGroupCommit(t *testing.T) {
	memory := vfs.NewMemory()
	for _, err := range []error{memory.Mkdir("/d")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	gate, entered := make(chan struct{}), make(chan struct{}, 100)
	armed := false
	syncs := 0
	fault := vfs.NewTrace(memory, nil)
	slow := slowSync{FS: fault, before: func() {
		if armed {
			syncs++ // one at a time: the flusher sees to it
			entered <- struct{}{}
			<-gate
		}
	}}
	config := crashConfig(1)
	config.SegmentBytes = 1 << 20
	l, err := OpenLog(LogOptions{FS: slow, Directory: "/d/t-0", TopicPartition: TopicPartition{"t", 0}, Config: config})
	if err != nil {
		t.Fatal(err)
	}
	armed = true
	const writers = 20
	done := make(chan error, writers)
	begin := func() {
		go func() {
			_, err := l.Append(numbered(0, 1).bytes(), AppendOptions{})
			done <- err
		}()
	}
	begin()
	<-entered
	for range writers - 1 {
		begin()
	}
	for l.EndOffset() < writers { // appends go on while the fsync is in flight
		time.Sleep(time.Millisecond)
	}
	close(gate)
	for range writers {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if syncs != 2 {
		t.Errorf("%d fsyncs for %d appends, want 2", syncs, writers)
	}
	armed = false
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// slowSync calls before each fsync of a .log file.
type slowSync struct {
	vfs.FS
	before func()
}

type slowFile struct {
	vfs.File
	before func()
}

func (s slowSync) wrap(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil || len(name) < 4 || name[len(name)-4:] != logSuffix {
		return f, err
	}
	return slowFile{f, s.before}, nil
}

func (s slowSync) Open(name string) (vfs.File, error) {
	f, err := s.FS.Open(name)
	return s.wrap(name, f, err)
}

func (s slowSync) Create(name string) (vfs.File, error) {
	f, err := s.FS.Create(name)
	return s.wrap(name, f, err)
}

func (f slowFile) Sync() error {
	f.before()
	return f.File.Sync()
}
