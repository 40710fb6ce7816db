package coordinator

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// wake makes sure that a goroutine sees the queue and the state. The lock is held.
func (s *shard[M]) wake() {
	if !s.running {
		s.running = true
		s.handOver()
	}
}

// handOver leaves the shard to its own goroutine. The lock is held, and running set.
func (s *shard[M]) handOver() {
	if !s.parked {
		go s.run()
		return
	}
	s.parked = false
	s.signal <- struct{}{}
}

// parkedFor is how long a shard's goroutine waits for more to do: under load a
// new one for each operation would grow its stack each time.
const parkedFor = 3 * time.Second

// park waits until the shard is handed over; false when it was not for a while, and
// the goroutine is to end. It is entered with the lock, and leaves without.
func (s *shard[M]) park(idle *time.Timer) bool {
	s.running, s.parked = false, true
	s.lock.Unlock()
	idle.Reset(parkedFor)
	select {
	case <-s.signal:
		return true
	case <-idle.C:
	}
	s.lock.Lock()
	if s.parked {
		s.parked = false
		s.lock.Unlock()
		return false
	}
	s.lock.Unlock()
	<-s.signal
	return true
}

func (s *shard[M]) enqueue(operation queued[M]) {
	s.lock.Lock()
	failure := s.offer(operation)
	if failure == nil {
		s.wake()
	}
	s.lock.Unlock()
	if failure != nil && operation.failed != nil {
		operation.failed(failure)
	}
}

// serve is what Runtime.Serve says: while nobody runs the shard, the caller does, for
// one turn. That spares an operation two switches of goroutines. The caller must not
// survive a panic of an operation, which leaves the shard to nobody.
func (s *shard[M]) serve(operation queued[M]) {
	s.lock.Lock()
	if failure := s.offer(operation); failure != nil {
		s.lock.Unlock()
		operation.failed(failure)
		return
	}
	if s.running || s.log.Syncs() {
		s.wake()
		s.lock.Unlock()
		return
	}
	s.running = true
	operations := s.take()
	s.lock.Unlock()
	s.turn(operations)
	s.lock.Lock()
	defer s.lock.Unlock()
	if len(s.queue) > 0 || s.state == stopping {
		s.handOver()
		return
	}
	s.running = false
}

// offer puts an operation into the queue or says why not. The lock is held.
func (s *shard[M]) offer(operation queued[M]) *kerr.Error {
	own := operation.failed == nil
	switch {
	case s.state == failed || s.state == stopping:
		return kerr.NotCoordinator
	case s.state == loading && !own:
		return kerr.CoordinatorLoadInProgress
	case len(s.queue) >= s.runtime.options.QueueLimit && !own:
		return kerr.CoordinatorNotAvailable
	}
	s.queue = append(s.queue, operation)
	return nil
}

// take empties the queue. The lock is held, and running set.
func (s *shard[M]) take() []queued[M] {
	operations := s.queue
	s.queue, s.spare = s.spare, nil
	return operations
}

// run does what is in the queue and returns when there was no more for a while.
func (s *shard[M]) run() {
	idle := time.NewTimer(parkedFor)
	defer idle.Stop()
	for {
		s.lock.Lock()
		if s.state == stopping {
			s.lock.Unlock()
			s.unload()
			return
		}
		if len(s.queue) == 0 {
			if !s.park(idle) {
				return
			}
			continue
		}
		operations := s.take()
		s.lock.Unlock()
		s.turn(operations)
	}
}

// turn runs operations and appends what they wrote as one batch.
func (s *shard[M]) turn(operations []queued[M]) {
	for _, operation := range operations {
		s.write(operation.run(s.machine))
	}
	s.flush()
	clear(operations)
	s.spare = operations[:0]
}
