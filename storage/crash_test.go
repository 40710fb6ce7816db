package storage

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"ottla/storage/vfs"
)

// crashRun appends to a log and, after every call that changes the disk, looks at what a power cut at that moment would leave.
type crashRun struct {
	t       *testing.T
	random  *rand.Rand
	memory  *vfs.Memory
	manager *Manager
	config  LogConfig
	trace   *vfs.Trace
	mu      sync.Mutex // a stop closes both logs at once

	guest   *guest
	epoch   int32
	history []naiveBatch
	flying  *naiveBatch // being appended, not acknowledged
	acked   int64       // flushed, and told so
	start   int64
	points  int // moments of the workload
	disks   int // that were recovered, with those of cuts in a recovery
	quiet   bool
	next    int32 // sequence of the producer
	nextTxn int32 // and of the transactional one
	open    bool  // it has a transaction
}

var crashLog, guestLog = TopicPartition{"crash", 0}, TopicPartition{"guest", 0}

// guest is a log that comes and goes beside the other. Its directory is new each time, and so is its topic's id.
type guest struct {
	id      [16]byte
	acked   int64
	there   bool // created and not told to go
	deleted bool // and told to be gone
}

// recoveryDepth is how many power cuts in a row hit a recovery.
const recoveryDepth = 3

func crashConfig(flushMessages int64) LogConfig {
	c := DefaultLogConfig()
	c.SegmentBytes, c.IndexIntervalBytes, c.SegmentIndexBytes = 700, 150, 96
	c.RetentionMs, c.FlushMessages = -1, flushMessages
	return c
}

func openCrash(fsys vfs.FS, config LogConfig) (*Manager, error) {
	return Open(context.Background(), Options{
		FS: fsys, Directories: []string{"/d"}, Default: config, NoBackground: true, RecoveryThreads: 1,
		Now: func() time.Time { return time.UnixMilli(5000) },
		Events: func(e Event) {
			if e.Kind == EventCheckpointDiscarded {
				panic(fmt.Sprintf("a crash left a checkpoint that cannot be read: %+v", e))
			}
		},
	})
}

func newCrashRun(t *testing.T, seed uint64, flushMessages int64) *crashRun {
	r := &crashRun{t: t, random: rand.New(rand.NewPCG(seed, 1)), memory: vfs.NewMemory(), config: crashConfig(flushMessages), quiet: true}
	if err := r.memory.Mkdir("/d"); err != nil {
		t.Fatal(err)
	}
	if err := r.memory.SyncDir("/"); err != nil {
		t.Fatal(err)
	}
	r.reopen()
	if _, err := r.manager.Create(crashLog, [16]byte{1}, r.config); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *crashRun) reopen() {
	r.trace = vfs.NewTrace(r.memory, func(op vfs.Op, _ error) { r.crash(op.String()) })
	var err error
	if r.manager, err = openCrash(r.trace, r.config); err != nil {
		r.t.Fatal(err)
	}
	r.quiet = false
}

func (r *crashRun) log() *Log {
	l, ok := r.manager.Log(crashLog)
	if !ok {
		r.t.Fatalf("log is gone: %v", r.manager.Failed(crashLog))
	}
	return l
}

// crash checks the disk as it may be after a power cut now.
func (r *crashRun) crash(where string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.quiet {
		return
	}
	r.points++
	where = fmt.Sprintf("point %d, after %s", r.points, where)
	disk := r.memory.CrashClone(r.random)
	for depth := 0; disk != nil; depth++ {
		// The next power cut comes while this one is being recovered from.
		var next *vfs.Memory
		calls := 1 + r.random.IntN(8)
		trace := vfs.NewTrace(disk, func(vfs.Op, error) {
			if calls--; calls == 0 && depth < recoveryDepth {
				next = disk.CrashClone(r.random)
			}
		})
		end := r.check(where, trace)
		// Killed right after recovery: the same log is found again.
		if again := r.check(where+", killed after recovery", disk.CrashClone(nil)); again != end {
			r.t.Fatalf("%s: end offset %d, then %d", where, end, again)
		}
		disk, where = next, where+", again in recovery"
	}
}

// check opens what is left and holds it against what was promised; it gives the end offset.
func (r *crashRun) check(where string, fsys vfs.FS) int64 {
	r.t.Helper()
	r.disks++
	m, err := openCrash(fsys, r.config)
	if err != nil {
		r.t.Fatalf("%s: open: %v", where, err)
	}
	r.checkGuest(where, m)
	if err := m.Failed(crashLog); err != nil {
		r.t.Fatalf("%s: load: %v", where, err)
	}
	l, ok := m.Log(crashLog)
	if !ok {
		if r.acked > 0 {
			r.t.Fatalf("%s: the log is gone, %d was acknowledged", where, r.acked)
		}
		return 0
	}
	end := l.EndOffset()
	if end < r.acked {
		r.t.Fatalf("%s: end offset %d, %d was acknowledged", where, end, r.acked)
	}
	if start := l.StartOffset(); start > max(r.start, r.acked) {
		r.t.Fatalf("%s: start offset %d, want at most %d", where, start, r.start)
	}
	r.checkRecords(where, l)
	r.checkProducer(where, l)
	r.checkTransactions(where, l)
	return end
}

// checkGuest demands that the other log is there with what was acknowledged of it, and is not once its end was told.
func (r *crashRun) checkGuest(where string, m *Manager) {
	r.t.Helper()
	if r.guest == nil {
		return
	}
	if err := m.Failed(guestLog); err != nil {
		r.t.Fatalf("%s: load the guest: %v", where, err)
	}
	l, ok := m.Log(guestLog)
	switch {
	case !ok && r.guest.there && r.guest.acked > 0:
		r.t.Fatalf("%s: the guest is gone, %d was acknowledged", where, r.guest.acked)
	case ok && r.guest.deleted:
		r.t.Fatalf("%s: the guest is there again", where)
	case ok && r.guest.there && l.EndOffset() < r.guest.acked:
		r.t.Fatalf("%s: the guest ends at %d, %d was acknowledged", where, l.EndOffset(), r.guest.acked)
	case ok && l.TopicID() != r.guest.id && l.TopicID() != [16]byte{}:
		r.t.Fatalf("%s: the guest is that of another topic: %x, want %x", where, l.TopicID(), r.guest.id)
	}
}

// host lets the other log come, grow or go.
func (r *crashRun) host() {
	if r.guest == nil || r.guest.deleted {
		next := &guest{there: true}
		if r.guest != nil {
			next.id = r.guest.id
		}
		next.id[15]++
		r.guest = next
		if _, err := r.manager.Create(guestLog, next.id, r.config); err != nil {
			r.t.Fatal(err)
		}
		return
	}
	if r.random.IntN(3) == 0 {
		r.guest.there = false
		if err := r.manager.Delete(guestLog); err != nil {
			r.t.Fatal(err)
		}
		r.guest.deleted = true
		return
	}
	l, ok := r.manager.Log(guestLog)
	if !ok {
		r.t.Fatal("the guest is gone")
	}
	info, err := l.Append(numbered(1, 1+r.random.IntN(3)).bytes(), AppendOptions{})
	if err == nil && r.random.IntN(3) == 0 {
		err = l.Flush(l.EndOffset())
		r.guest.acked = l.EndOffset()
	}
	if err != nil {
		r.t.Fatal(err)
	}
	if r.config.FlushMessages == 1 {
		r.guest.acked = info.LastOffset + 1
	}
}

func (r *crashRun) all() []naiveBatch {
	if r.flying != nil {
		return append(r.history[:len(r.history):len(r.history)], *r.flying)
	}
	return r.history
}

// checkRecords demands that the log is a prefix of what was appended, from the start offset on.
func (r *crashRun) checkRecords(where string, l *Log) {
	r.t.Helper()
	for _, b := range r.all() {
		if b.last < max(r.start, l.StartOffset()) || b.base >= l.EndOffset() {
			continue
		}
		region, err := l.Read(max(b.base, l.StartOffset()), 1, true, l.EndOffset())
		if err != nil {
			r.t.Fatalf("%s: read %d: %v", where, b.base, err)
		}
		got := make([]byte, region.Len())
		if err := region.ReadAll(got); err != nil {
			r.t.Fatal(err)
		}
		region.Release()
		if !bytes.Equal(got, b.bytes) {
			r.t.Fatalf("%s: batch %d is not what was appended (%d bytes, want %d)", where, b.base, len(got), len(b.bytes))
		}
		if b.last >= l.EndOffset() {
			r.t.Fatalf("%s: end offset %d lies within batch [%d, %d]", where, l.EndOffset(), b.base, b.last)
		}
		epoch := int32(binary.BigEndian.Uint32(b.bytes[leaderEpochAt:]))
		if found, ok := l.EpochForOffset(b.base); !ok || found != epoch {
			r.t.Fatalf("%s: offset %d is of epoch %d %v, want %d", where, b.base, found, ok, epoch)
		}
	}
}

// checkProducer demands that the last batch of the producer that survived is recognised.
func (r *crashRun) checkProducer(where string, l *Log) {
	r.t.Helper()
	for _, state := range l.ProducerStates() {
		if state.LastOffset >= l.EndOffset() || state.LastSequence < 0 {
			r.t.Fatalf("%s: producer state %+v, log ends at %d", where, state, l.EndOffset())
		}
	}
	var last *naiveBatch
	for _, b := range r.all() {
		if b.sequence >= 0 && b.last < l.EndOffset() {
			last = &b
		}
	}
	if last == nil || (last.last < l.StartOffset() && l.StartOffset() == l.EndOffset()) {
		return // nothing is left: what was lost had been deleted before it was flushed
	}
	again := testBatch{timestamps: last.timestamps, producerID: 7, sequence: last.sequence}
	info, err := l.Append(again.bytes(), AppendOptions{})
	if err != nil || !info.Duplicate || info.BaseOffset != last.base {
		r.t.Fatalf("%s: sequence %d sent again: %+v, %v; producers %+v", where, last.sequence, info, err, l.ProducerStates())
	}
}

// checkTransactions holds open and aborted transactions against those of the batches that survived.
func (r *crashRun) checkTransactions(where string, l *Log) {
	r.t.Helper()
	start, end := l.StartOffset(), l.EndOffset()
	if start == end {
		return
	}
	l.SetHighWatermark(end)
	want, stable := r.transactions(l, 0)
	// Of a deleted segment that a power cut brought back, the index may be gone.
	got, err := l.AbortedTransactions(max(start, min(r.start, end)), end)
	if err == nil && start < r.start && (!slices.Equal(got, want) || l.LastStableOffset() != stable) {
		// And the snapshot, too: then a transaction begins with its first record that is there.
		want, stable = r.transactions(l, l.SegmentBases()[0])
	}
	if err != nil || !slices.Equal(got, want) {
		r.t.Fatalf("%s: aborted transactions %+v, %v; want %+v", where, got, err, want)
	}
	if l.LastStableOffset() != stable {
		r.t.Fatalf("%s: last stable offset %d, want %d", where, l.LastStableOffset(), stable)
	}
}

// transactions gives the aborted transactions and the last stable offset that follow from the batches at or above an offset.
func (r *crashRun) transactions(l *Log, from int64) (want []AbortedTransaction, stable int64) {
	start, end, open := l.StartOffset(), l.EndOffset(), int64(-1)
	for _, b := range r.all() {
		if b.last >= end {
			break
		}
		if b.base < from {
			continue
		}
		switch b.kind {
		case inTransaction:
			if open < 0 {
				open = b.base
			}
		case aborts:
			if b.base >= max(start, r.start) && open >= 0 {
				want = append(want, AbortedTransaction{8, open, b.base, b.base + 1})
			}
			open = -1
		case commits:
			open = -1
		}
	}
	if open < 0 {
		return want, end
	}
	return want, max(open, start)
}

func (r *crashRun) append() {
	n := 1 + r.random.IntN(3)
	b := numbered(len(r.history), n)
	b.value += string(bytes.Repeat([]byte("x"), r.random.IntN(120)))
	made := naiveBatch{base: r.log().EndOffset(), timestamps: b.timestamps, sequence: -1}
	made.last = made.base + int64(n) - 1
	options := AppendOptions{LeaderEpoch: r.epoch}
	switch k := r.random.IntN(6); {
	case k <= 2:
		b.producerID, b.sequence = 7, r.next
		made.sequence = r.next
		r.next += int32(n)
	case k == 3:
		b.producerID, b.sequence, b.transactional, made.kind = 8, r.nextTxn, true, inTransaction
		r.nextTxn += int32(n)
		r.open = true
	case k == 4 && r.open:
		made.kind = commits + transactionKind(r.random.IntN(2))
		b = testBatch{producerID: 8, marker: &endMarker{aborted: made.kind == aborts}}
		made.last, made.timestamps = made.base, nil
		options.Origin, r.open = OriginCoordinator, false
	}
	placed := b
	placed.offset, placed.leaderEpoch = made.base, r.epoch
	made.bytes = placed.bytes()
	r.flying = &made
	if _, err := r.log().Append(b.bytes(), options); err != nil {
		r.t.Fatal(err)
	}
	r.history, r.flying = append(r.history, made), nil
	if r.config.FlushMessages == 1 {
		r.acked = made.last + 1
	}
}

func (r *crashRun) step() {
	l := r.log()
	switch n := r.random.IntN(40); {
	case n == 0:
		if err := l.Flush(l.EndOffset()); err != nil {
			r.t.Fatal(err)
		}
		r.acked = l.EndOffset()
	case n <= 2:
		if err := r.manager.Checkpoint(); err != nil {
			r.t.Fatal(err)
		}
	case n == 3:
		r.epoch++
		if err := l.SetLeaderEpoch(r.epoch); err != nil {
			r.t.Fatal(err)
		}
	case n == 4 && len(r.history) > 20:
		l.SetHighWatermark(l.EndOffset())
		r.start = max(r.start, r.history[len(r.history)-10].base) // told before: it may happen from now on
		if err := l.DeleteRecordsBefore(r.start); err != nil {
			r.t.Fatal(err)
		}
		if _, err := l.DeleteOldSegments(); err != nil {
			r.t.Fatal(err)
		}
	case n == 5:
		if err := r.manager.Close(context.Background()); err != nil {
			r.t.Fatal(err)
		}
		r.acked = l.EndOffset()
		r.reopen()
	case n == 6 && len(r.history) > 8:
		r.truncate()
	case n <= 9:
		r.host()
	default:
		r.append()
	}
}

// truncate cuts a few batches off, as a follower does; what was acknowledged of them is not any more.
func (r *crashRun) truncate() {
	cut := r.history[len(r.history)-1-r.random.IntN(6)].base
	r.acked = min(r.acked, cut)
	if err := r.log().TruncateTo(cut); err != nil {
		r.t.Fatal(err)
	}
	kept := r.history[:0:0]
	r.next, r.nextTxn, r.open = 0, 0, false
	for _, b := range r.history {
		if b.last >= cut {
			break
		}
		kept = append(kept, b)
		switch {
		case b.sequence >= 0:
			r.next = b.sequence + int32(b.last-b.base) + 1
		case b.kind == inTransaction:
			r.nextTxn += int32(b.last-b.base) + 1
			r.open = true
		case b.kind != notTransactional:
			r.open = false
		}
	}
	r.history, r.start = kept, min(r.start, r.log().EndOffset())
}

// crashCampaign runs one workload and gives the number of moments at which the power was cut, and of disks recovered.
func crashCampaign(t *testing.T, seed uint64, flush int64) (points, disks int) {
	r := newCrashRun(t, seed, flush)
	for range 60 {
		r.step()
	}
	return r.points, r.disks
}

func TestCrashAtEveryPoint(t *testing.T) {
	points, disks, seeds := 0, 0, uint64(3)
	if testing.Short() {
		seeds = 1
	}
	for seed := uint64(1); seed <= seeds; seed++ {
		for _, flush := range []int64{1, 1 << 62} {
			t.Run(fmt.Sprintf("seed %d flush %d", seed, flush), func(t *testing.T) {
				p, d := crashCampaign(t, seed, flush)
				points, disks = points+p, disks+d
			})
		}
	}
	if points < 1000 && !testing.Short() {
		t.Errorf("only %d crash points", points)
	}
	t.Logf("%d crash points, %d disks recovered", points, disks)
}

// TestSoakCrash goes on with seeds that were never used until it has seen OTTLA_CRASH_POINTS points, 100,000 if that is not set, and
// OTTLA_SOAK_MINUTES have passed. OTTLA_SEED is where it begins.
func TestSoakCrash(t *testing.T) {
	minutes, err := strconv.Atoi(os.Getenv("OTTLA_SOAK_MINUTES"))
	if err != nil {
		t.Skip("a long campaign: runs where OTTLA_SOAK_MINUTES says how long")
	}
	want := 100_000
	if n, err := strconv.Atoi(os.Getenv("OTTLA_CRASH_POINTS")); err == nil {
		want = n
	}
	seed, err := strconv.ParseUint(os.Getenv("OTTLA_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64() >> 1
	}
	t.Logf("OTTLA_SEED=%d", seed)
	points, disks := 0, 0
	for end := time.Now().Add(time.Duration(minutes) * time.Minute); points < want || time.Now().Before(end); seed++ {
		for _, flush := range []int64{1, 1 << 62} {
			ok := t.Run(fmt.Sprintf("seed %d flush %d", seed, flush), func(t *testing.T) {
				p, d := crashCampaign(t, seed, flush)
				points, disks = points+p, disks+d
			})
			if !ok {
				t.FailNow()
			}
		}
	}
	t.Logf("%d crash points, %d disks recovered", points, disks)
}
