package replica

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Waiter lets one goroutine sleep until many partitions together have something
// new. The use is always the same: [Waiter.Arm], [Waiter.Register] on each
// partition, look at the partitions, and only if they have too little,
// [Waiter.Sleep]. What changes after the look ends the sleep; a wake-up for
// less than was asked for is possible, so who wakes looks again.
//
// A registration is used up by the wake-up that it brings about, and stays in
// place otherwise, also over many requests: who polls again registers on all of
// his partitions again, and those that did not change cost one atomic load.
//
// A Waiter and its registrations belong to one goroutine at a time. Only the
// signal is shared.
type Waiter struct {
	// remaining is how many bytes must yet be appended before the sleep ends.
	remaining atomic.Int64
	// signal holds at most one wake-up, so that none between look and sleep is lost.
	signal chan struct{}
	timer  *time.Timer
}

// NewWaiter returns a Waiter without registrations.
func NewWaiter() *Waiter {
	return &Waiter{signal: make(chan struct{}, 1)}
}

// Arm begins a wait for minBytes bytes and forgets earlier wake-ups. It comes
// before the registrations.
func (w *Waiter) Arm(minBytes int64) {
	w.remaining.Store(minBytes)
	select {
	case <-w.signal:
	default:
	}
}

// Register makes changes of the partition wake the waiter, through r, which
// must stay where it is until [Registration.Cancel]. A registration in place on
// this partition is kept; one on another partition is given up first.
func (w *Waiter) Register(r *Registration, partition *Partition) {
	if r.partition == partition && r.waiter == w && r.active.Load() {
		return
	}
	r.Cancel()
	r.partition, r.waiter = partition, w
	partition.waiters.add(r)
}

// Sleep waits until the partitions registered on have brought the bytes asked
// for, of which the look found some, or one of them changed its role or was
// deleted, or the time is over, or ctx has ended. It tells whether there is a
// reason to look again: false means that the time or ctx is over.
func (w *Waiter) Sleep(ctx context.Context, atMost time.Duration, found int64) bool {
	// Bytes that came between Arm and the look are counted twice here, which
	// ends a sleep early and never late.
	if w.remaining.Add(-found) <= 0 {
		return true
	}
	if w.timer == nil {
		w.timer = time.NewTimer(atMost)
	} else {
		w.timer.Reset(atMost)
	}
	defer w.timer.Stop()
	select {
	case <-w.signal:
		return true
	case <-w.timer.C:
		return false
	case <-ctx.Done():
		return false
	}
}

// wake ends a sleep, now or the next one.
func (w *Waiter) wake() {
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

// Registration is the place of one waiter on one partition. The zero value is
// ready for [Waiter.Register].
type Registration struct {
	waiter    *Waiter
	partition *Partition
	// active is set and cleared under the partition's lock, and read without.
	active         atomic.Bool
	previous, next *Registration
}

// Cancel takes the registration from its partition's list, if it is still there.
func (r *Registration) Cancel() {
	if r.partition == nil {
		return
	}
	if r.active.Load() {
		r.partition.waiters.remove(r)
	}
	r.partition, r.waiter = nil, nil
}

// Partition is the partition last registered on, nil before the first time and
// after Cancel.
func (r *Registration) Partition() *Partition { return r.partition }

// waiterList is the registrations of one partition. An idle partition pays for
// one pointer and one lock.
type waiterList struct {
	waiting sync.Mutex
	// head is written under waiting and read without it: an append that finds
	// nobody waiting takes no lock.
	head atomic.Pointer[Registration]
}

func (l *waiterList) add(r *Registration) {
	l.waiting.Lock()
	head := l.head.Load()
	r.previous, r.next = nil, head
	if head != nil {
		head.previous = r
	}
	r.active.Store(true)
	l.head.Store(r)
	l.waiting.Unlock()
}

func (l *waiterList) remove(r *Registration) {
	l.waiting.Lock()
	if r.active.Load() {
		l.unlink(r)
	}
	l.waiting.Unlock()
}

// unlink is called with the lock held.
func (l *waiterList) unlink(r *Registration) {
	if r.previous != nil {
		r.previous.next = r.next
	} else {
		l.head.Store(r.next)
	}
	if r.next != nil {
		r.next.previous = r.previous
	}
	r.previous, r.next = nil, nil
	r.active.Store(false)
}

// appended tells the waiters of n new bytes and wakes those that have enough.
// The new high watermark must be visible already: the order (watermark, then
// list; list, then watermark on the other side) is what loses no wake-up.
func (l *waiterList) appended(n int64) {
	if l.head.Load() == nil {
		return
	}
	l.waiting.Lock()
	for r := l.head.Load(); r != nil; {
		next := r.next
		if r.waiter.remaining.Add(-n) <= 0 {
			// The wake-up is sent while the lock is held, since the owner may
			// reuse r as soon as it is inactive; it never blocks.
			waiter := r.waiter
			l.unlink(r)
			waiter.wake()
		}
		r = next
	}
	l.waiting.Unlock()
}

// changed wakes every waiter, whatever it waits for.
func (l *waiterList) changed() {
	if l.head.Load() == nil {
		return
	}
	l.waiting.Lock()
	for r := l.head.Load(); r != nil; {
		next := r.next
		waiter := r.waiter
		l.unlink(r)
		waiter.wake()
		r = next
	}
	l.waiting.Unlock()
}
