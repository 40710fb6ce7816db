package storage

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// scheduler runs tasks after a delay on a bounded number of workers. One goroutine waits for the next due task; workers live as long as
// their task. Close ends all of them.
type scheduler struct {
	mu      sync.Mutex
	tasks   taskHeap
	stopped bool
	wake    chan struct{}
	slots   chan struct{}
	all     sync.WaitGroup
}

type task struct {
	due time.Time
	run func()
}

type taskHeap []task

func (h taskHeap) Len() int           { return len(h) }
func (h taskHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h taskHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *taskHeap) Push(x any)        { *h = append(*h, x.(task)) }
func (h *taskHeap) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = task{}
	*h = (*h)[:last]
	return t
}

func newScheduler(workers int) *scheduler {
	s := &scheduler{wake: make(chan struct{}, 1), slots: make(chan struct{}, workers)}
	s.all.Add(1)
	go s.loop()
	return s
}

// after runs fn on a worker after a delay, unless the scheduler is closed first.
func (s *scheduler) after(delay time.Duration, fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	heap.Push(&s.tasks, task{time.Now().Add(delay), fn})
	s.signal()
}

// every runs fn again and again, each time an interval after it ended.
func (s *scheduler) every(first, interval time.Duration, fn func()) {
	if interval <= 0 {
		return
	}
	s.after(first, func() {
		fn()
		s.every(interval, interval, fn)
	})
}

func (s *scheduler) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *scheduler) loop() {
	defer s.all.Done()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		run, wait, stopped := s.next()
		if stopped {
			return
		}
		if run == nil {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-s.wake:
			}
			continue
		}
		s.slots <- struct{}{}
		if s.isStopped() {
			return
		}
		s.all.Add(1)
		go func() {
			defer s.all.Done()
			defer func() { <-s.slots }()
			run()
		}()
	}
}

func (s *scheduler) isStopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}

// next takes the task that is due, or tells how long to wait.
func (s *scheduler) next() (run func(), wait time.Duration, stopped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil, 0, true
	}
	if len(s.tasks) == 0 {
		return nil, time.Hour, false
	}
	if wait := time.Until(s.tasks[0].due); wait > 0 {
		return nil, wait, false
	}
	return heap.Pop(&s.tasks).(task).run, 0, false
}

// close drops the tasks that did not start and waits for those that did.
func (s *scheduler) close(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	s.tasks = nil
	s.mu.Unlock()
	s.signal()
	done := make(chan struct{})
	go func() {
		s.all.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
