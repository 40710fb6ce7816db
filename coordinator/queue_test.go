package coordinator

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// TestWhoServesRunsItself: alone, the caller has the answer when Serve returns; what comes meanwhile is in its turn or
// that of the shard's own goroutine, which takes over and, after a while, ends.
func TestWhoServesRunsItself(t *testing.T) {
	in(t, nil, func(r *rig, log *memoryLog) {
		r.serves = true
		r.runtime.Start(0, 1, log)
		synctest.Wait()
		for i := range 3 {
			r.runtime.Serve(0, func(*table) Result {
				return Result{Records: records(fmt.Sprint("a=", i)), Done: r.done("alone")}
			}, r.done("refused"))
			r.lock.Lock()
			if len(r.said) != 1 || len(log.batches) != i+1 {
				t.Errorf("%v said and %d batches when Serve returned", r.said, len(log.batches))
			}
			r.said = nil
			r.lock.Unlock()
		}
		gate := make(chan struct{})
		r.offer(func(*table) Result { <-gate; return Result{Records: records("g=1")} }, r.done("gate"))
		r.put("one", "a=7")
		r.get("between")
		r.expect()
		close(gate)
		r.expect("one: done", "between: a=7 g=1")
		if len(log.batches) != 5 {
			t.Errorf("%d batches", len(log.batches))
		}
		time.Sleep(2 * parkedFor)
		r.put("later", "a=8")
		r.expect("later: done")
	})
}

// TestNobodyServesADisk: where an append waits for an fsync, operations gather behind it.
func TestNobodyServesADisk(t *testing.T) {
	in(t, nil, func(r *rig, log *memoryLog) {
		log.syncs = true
		r.runtime.Start(0, 1, log)
		synctest.Wait()
		log.appendGate = make(chan struct{})
		for i := range 10 {
			r.runtime.Serve(0, func(*table) Result {
				return Result{Records: records(fmt.Sprint("a=", i)), Done: r.done("put")}
			}, r.done("refused")) // returns though nothing is appended
			synctest.Wait()
		}
		close(log.appendGate)
		r.expect(slices.Repeat([]string{"put: done"}, 10)...)
		if len(log.batches) != 2 {
			t.Errorf("%d batches", len(log.batches))
		}
	})
}

// TestStopWhileServing: a shard that is told to end in the middle of a caller's turn ends after it, once.
func TestStopWhileServing(t *testing.T) {
	in(t, nil, func(r *rig, log *memoryLog) {
		r.serves = true
		r.runtime.Start(0, 1, log)
		synctest.Wait()
		gate := make(chan struct{})
		r.offer(func(*table) Result { <-gate; return Result{Records: records("g=1"), Done: r.done("gate")} }, r.done("gate refused"))
		synctest.Wait()
		r.put("waits", "a=1")
		r.runtime.Stop(0, 1)
		r.put("late", "b=1")
		r.runtime.Start(0, 2, log)
		r.expect("late refused: NOT_COORDINATOR")
		close(gate)
		r.expect("gate: done", "waits refused: NOT_COORDINATOR")
		r.get("successor")
		r.expect("successor: g=1")
		if stopped := r.kinds(Stopped); len(stopped) != 1 {
			t.Errorf("stopped %d times", len(stopped))
		}
	})
}

// TestManyServe: whoever runs the shard, operations see those before them whole, and each is answered once.
func TestManyServe(t *testing.T) {
	r := newRig(t, nil)
	log := newMemoryLog()
	r.runtime.Start(0, 1, log)
	count, answers := 0, make(chan *kerr.Error, 8000)
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 1000 {
				run := r.runtime.Serve
				if i%7 == worker%7 {
					run = r.runtime.Run
				}
				for {
					again := make(chan bool, 1)
					run(0, func(m *table) Result {
						count++ // no two at once
						return Result{Records: records(fmt.Sprintf("w%d=%d", worker, i)), Done: func(failure *kerr.Error) { answers <- failure; again <- false }}
					}, func(failure *kerr.Error) { again <- failure == kerr.CoordinatorLoadInProgress })
					if !<-again {
						break
					}
				}
			}
		})
	}
	group.Wait()
	if count != 8000 || len(answers) != 8000 || log.end != 8000 {
		t.Errorf("%d ran, %d answers, end %d", count, len(answers), log.end)
	}
	r.close()
}
