package coordinator

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"pgregory.net/rapid"

	"ottla/protocol/record"
)

// in plays a test where time stands still while anybody runs: with operations that the shard's goroutine runs, and with
// such that the caller runs where it can.
func in(t *testing.T, change func(*Options[*table]), play func(r *rig, log *memoryLog)) {
	t.Helper()
	for name, serves := range map[string]bool{"run": false, "serve": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, change)
				r.serves = serves
				log := newMemoryLog()
				play(r, log)
				r.close()
			})
		})
	}
}

func TestWritesOfOneTurnAreOneBatch(t *testing.T) {
	in(t, nil, func(r *rig, log *memoryLog) {
		r.runtime.Start(0, 1, log)
		synctest.Wait()
		gate := make(chan struct{})
		r.runtime.Run(0, func(*table) Result { <-gate; return Result{} }, func(*kerr.Error) {})
		synctest.Wait()
		r.put("one", "a=1", "b=1")
		r.get("between")
		r.put("two", "a=2")
		r.put("three", "b=")
		close(gate)
		r.expect("one: done", "between: a=1 b=1", "two: done", "three: done")
		if len(log.batches) != 1 || log.batches[0].RecordCount() != 4 || log.end != 4 {
			t.Fatalf("%d batches, end %d", len(log.batches), log.end)
		}
		r.get("after")
		r.expect("after: a=2")
	})
}

func TestFailedAppendIsTakenBack(t *testing.T) {
	translate := func(o *Options[*table]) {
		o.Translate = func(err error) *kerr.Error {
			if err == errDisk {
				return kerr.KafkaStorageError
			}
			return nil
		}
	}
	in(t, translate, func(r *rig, log *memoryLog) {
		r.runtime.Start(0, 1, log)
		synctest.Wait()
		r.put("first", "a=1", "c=1")
		r.expect("first: done")
		gate := make(chan struct{})
		r.runtime.Run(0, func(*table) Result { <-gate; return Result{} }, func(*kerr.Error) {})
		synctest.Wait()
		log.appendErr = errDisk
		r.put("one", "a=2", "b=2")
		r.get("sees what will not be")
		r.put("two", "a=3", "a=", "c=", "c=3")
		close(gate)
		r.expect("one: KAFKA_STORAGE_ERROR", "sees what will not be: KAFKA_STORAGE_ERROR", "two: KAFKA_STORAGE_ERROR")
		log.appendErr = kerr.NotEnoughReplicas
		r.put("three", "d=4")
		r.expect("three: NOT_ENOUGH_REPLICAS")
		log.appendErr = nil
		r.get("after")
		r.expect("after: a=1 c=1")
		r.put("four", "a=4")
		r.get("later")
		r.expect("four: done", "later: a=4 c=1")
		if failed := r.kinds(AppendFailed); len(failed) != 2 || failed[0].Err != errDisk || log.end != 3 {
			t.Fatalf("%v, end %d", failed, log.end)
		}
	})
}

func TestBatchesRespectTheLimit(t *testing.T) {
	in(t, nil, func(r *rig, log *memoryLog) {
		log.limit = 200
		r.runtime.Start(0, 1, log)
		synctest.Wait()
		gate := make(chan struct{})
		r.runtime.Run(0, func(*table) Result { <-gate; return Result{} }, func(*kerr.Error) {})
		synctest.Wait()
		r.put("fits", "a="+strings.Repeat("x", 100))
		r.put("does not fit with it", "b="+strings.Repeat("y", 100))
		r.put("never fits", "c="+strings.Repeat("z", 200))
		var many []string
		for i := range 20 {
			many = append(many, fmt.Sprintf("k%02d=%s", i, strings.Repeat("v", 20)))
		}
		r.put("together or not at all", many...)
		r.run("in pieces", Result{Records: records(many...), Split: true})
		close(gate)
		r.expect("fits: done", "never fits: RECORD_LIST_TOO_LARGE", "together or not at all: RECORD_LIST_TOO_LARGE",
			"does not fit with it: done", "in pieces: done")
		if log.end != 22 || len(log.batches) < 6 {
			t.Fatalf("end %d in %d batches", log.end, len(log.batches))
		}
	})
}

// TestBatchSizeIsExact holds the size that is counted against the batch that is built.
func TestBatchSizeIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &shard[*table]{runtime: &Runtime[*table]{options: Options[*table]{Now: time.Now}}}
		size := record.BatchOverhead
		var all []Record
		field := func(name string) []byte {
			if rapid.Bool().Draw(t, "null") {
				return nil
			}
			return make([]byte, rapid.OneOf(rapid.IntRange(0, 300), rapid.IntRange(0, 20000)).Draw(t, name))
		}
		for i := range rapid.IntRange(1, 200).Draw(t, "count") {
			r := Record{Key: field("key"), Value: field("value")}
			size += recordBytes(i, r)
			all = append(all, r)
		}
		if built := len(s.build(batch{records: all})); built != size {
			t.Fatalf("%d bytes were counted and %d built", size, built)
		}
	})
}

func TestAnswersWaitForTheCommit(t *testing.T) {
	timeout := func(o *Options[*table]) { o.CommitTimeout = 5 * time.Second }
	in(t, timeout, func(r *rig, log *memoryLog) {
		log.high = 0
		r.runtime.Start(0, 1, log)
		synctest.Wait()
		r.put("one", "a=1")
		synctest.Wait()
		r.put("two", "a=2", "b=2")
		r.get("read")
		r.expect()
		log.commit(1)
		r.expect("one: done")
		log.commit(3)
		r.expect("two: done", "read: a=2 b=2")
		r.put("late", "c=3")
		synctest.Wait()
		time.Sleep(5 * time.Second)
		r.expect("late: REQUEST_TIMED_OUT")
		r.get("still waits")
		r.expect()
		log.commit(4)
		r.expect("still waits: a=2 b=2 c=3")
		r.put("lost", "d=4")
		r.get("lost too")
		synctest.Wait()
		r.runtime.Stop(0, 1)
		r.expect("lost: NOT_COORDINATOR", "lost too: NOT_COORDINATOR")
		log.commit(5)
		time.Sleep(time.Minute)
		r.expect()
	})
}

func TestLoading(t *testing.T) {
	small := func(o *Options[*table]) { o.LoadBytes = 1 }
	in(t, small, func(r *rig, log *memoryLog) {
		r.put("nowhere", "a=1")
		r.expect("nowhere refused: NOT_COORDINATOR")
		log.put(foreign(record.BuilderOptions{}, records("a=1", "b=1", "c=1")...))
		log.put(foreign(record.BuilderOptions{}, Record{}, Record{Key: []byte("garbage"), Value: []byte{1}}, records("b=")[0]))
		log.put(foreign(record.BuilderOptions{ProducerID: 7, Transactional: true}, records("t=7")...))
		log.put(foreign(record.BuilderOptions{ProducerID: 8, Transactional: true}, records("u=8")...))
		log.put(marker(7, true), marker(8, false))
		log.put(foreign(record.BuilderOptions{}, Record{Key: []byte("large"), Value: make([]byte, 10<<20)}))
		broken := foreign(record.BuilderOptions{}, records("x=1")...)
		for i := record.BatchOverhead; i < len(broken); i++ {
			broken[i] = 0xff
		}
		log.put(broken, foreign(record.BuilderOptions{}, records("z=1")...))
		log.start = 1
		log.readGate = make(chan struct{})
		r.runtime.Start(0, 1, log)
		synctest.Wait()
		r.put("early", "a=1")
		r.expect("early refused: COORDINATOR_LOAD_IN_PROGRESS")
		time.Sleep(6 * time.Second)
		close(log.readGate)
		synctest.Wait()
		r.runtime.Run(0, func(m *table) Result {
			r.say("loaded %v, large %d", m.loaded, len(m.values["large"]))
			delete(m.values, "large")
			return Result{}
		}, func(*kerr.Error) {})
		r.get("all")
		r.expect("loaded true, large 10485760", "all: c=1 t=7 z=1")
		loaded := r.kinds(Loaded)
		if len(loaded) != 1 || loaded[0].Skipped != 3 || loaded[0].Offset != log.end {
			t.Fatalf("%+v", loaded)
		}
		if progress := r.kinds(Loading); len(progress) < 2 {
			t.Fatalf("no progress was told of: %+v", progress)
		}
	})
}

func TestLoadThatFails(t *testing.T) {
	in(t, nil, func(r *rig, log *memoryLog) {
		log.put(foreign(record.BuilderOptions{}, records("a=1")...))
		log.readErr = errDisk
		r.runtime.Start(0, 1, log)
		synctest.Wait()
		r.get("failed")
		r.expect("failed refused: NOT_COORDINATOR")
		if failed := r.kinds(LoadFailed); len(failed) != 1 {
			t.Fatalf("%+v", failed)
		}
		log.readErr = nil
		r.runtime.Start(0, 2, log)
		synctest.Wait()
		r.get("again")
		r.expect("again: a=1")
		// A log that ends before its end.
		log.end += 5
		r.runtime.Stop(0, 2)
		r.runtime.Start(0, 3, log)
		synctest.Wait()
		r.get("short")
		r.expect("short refused: NOT_COORDINATOR")
	})
}

// TestLeaderFlips is KAFKA-10614: loads and unloads come in any order and fast.
func TestLeaderFlips(t *testing.T) {
	in(t, nil, func(r *rig, log *memoryLog) {
		for epoch := range int32(50) {
			r.runtime.Start(0, epoch, log)
			if epoch%3 == 0 {
				synctest.Wait()
			}
			r.runtime.Run(0, func(*table) Result { return Result{Records: records(fmt.Sprintf("e%d=1", epoch))} }, func(*kerr.Error) {})
			if epoch%2 == 0 {
				synctest.Wait()
			}
			r.runtime.Stop(0, epoch)
		}
		r.runtime.Start(0, 60, log)
		r.runtime.Stop(0, 59)
		r.runtime.Start(0, 50, log)
		synctest.Wait()
		r.runtime.Run(0, func(m *table) Result {
			if int64(len(m.values)) != log.end || log.end == 0 {
				t.Errorf("%d values of %d records", len(m.values), log.end)
			}
			return Result{}
		}, func(failure *kerr.Error) { t.Error(failure) })
		synctest.Wait()
		r.runtime.Stop(0, 60)
		synctest.Wait()
		r.get("gone")
		r.expect("gone refused: NOT_COORDINATOR")
	})
}

func TestStopWhileAppending(t *testing.T) {
	in(t, nil, func(r *rig, log *memoryLog) {
		log.appendGate = make(chan struct{})
		r.runtime.Start(0, 1, log)
		synctest.Wait()
		r.put("in the log", "a=1")
		synctest.Wait()
		r.put("in the queue", "b=1")
		r.runtime.Stop(0, 1)
		r.runtime.Start(0, 2, log)
		r.get("the next one still waits for this one")
		r.expect("the next one still waits for this one refused: COORDINATOR_LOAD_IN_PROGRESS")
		close(log.appendGate)
		r.expect("in the log: done", "in the queue refused: NOT_COORDINATOR")
		r.get("then it sees all")
		r.expect("then it sees all: a=1")
	})
}

func TestStopWhileLoading(t *testing.T) {
	in(t, func(o *Options[*table]) { o.LoadBytes, o.Loaders = 1, 1 }, func(r *rig, log *memoryLog) {
		for range 3 {
			log.put(foreign(record.BuilderOptions{}, records("a=1")...))
		}
		log.readGate = make(chan struct{})
		r.runtime.Start(0, 1, log)
		r.runtime.Start(1, 1, log)
		synctest.Wait()
		r.runtime.Stop(1, 1)
		r.runtime.Stop(0, 1)
		close(log.readGate)
		synctest.Wait()
		if got := r.runtime.Partitions(); len(got) != 0 {
			t.Fatalf("%v are left", got)
		}
		if len(r.kinds(Stopped)) != 2 || len(r.kinds(Loaded)) != 0 {
			t.Fatalf("%+v", r.events)
		}
	})
}

func TestOthersInTheLog(t *testing.T) {
	in(t, nil, func(r *rig, log *memoryLog) {
		r.runtime.Start(0, 1, log)
		synctest.Wait()
		log.put(foreign(record.BuilderOptions{}, records("b=2")...))
		r.put("one", "a=1")
		r.expect("one: NOT_COORDINATOR")
		if len(r.kinds(OutOfSync)) != 1 {
			t.Fatalf("%+v", r.events)
		}
		r.get("loaded again")
		r.expect("loaded again: a=1 b=2")
		// Who is stopped meanwhile does not load again.
		log.put(foreign(record.BuilderOptions{}, records("c=3")...))
		r.runtime.Run(0, func(*table) Result {
			return Result{Records: records("d=4"), Done: func(*kerr.Error) { r.runtime.Stop(0, 1) }}
		}, func(failure *kerr.Error) { t.Error(failure) })
		synctest.Wait()
		r.get("stopped")
		r.expect("stopped refused: NOT_COORDINATOR")
	})
}

func TestQueueHasALimit(t *testing.T) {
	in(t, func(o *Options[*table]) { o.QueueLimit = 2 }, func(r *rig, log *memoryLog) {
		r.runtime.Start(0, 1, log)
		synctest.Wait()
		gate := make(chan struct{})
		r.runtime.Run(0, func(m *table) Result {
			m.timers.Schedule("own", time.Second, func() Result { return Result{Done: r.done("timer")} })
			<-gate
			return Result{}
		}, func(*kerr.Error) {})
		synctest.Wait()
		r.put("one", "a=1")
		r.put("two", "b=1")
		r.put("three", "c=1")
		r.expect("three refused: COORDINATOR_NOT_AVAILABLE")
		time.Sleep(time.Second)
		close(gate)
		r.expect("one: done", "two: done", "timer: done")
	})
}

func TestTimers(t *testing.T) {
	in(t, nil, func(r *rig, log *memoryLog) {
		r.runtime.Start(0, 1, log)
		synctest.Wait()
		schedule := func(key string, delay time.Duration, pair string) {
			r.runtime.Run(0, func(m *table) Result {
				m.timers.Schedule(key, delay, func() Result { return Result{Records: records(pair), Done: r.done(pair)} })
				return Result{}
			}, func(*kerr.Error) {})
		}
		schedule("replaced", time.Second, "a=1")
		schedule("replaced", 2*time.Second, "a=2")
		schedule("cancelled", time.Second, "b=1")
		r.runtime.Run(0, func(m *table) Result { m.timers.Cancel("cancelled"); return Result{} }, func(*kerr.Error) {})
		time.Sleep(time.Second)
		r.expect()
		time.Sleep(time.Second)
		r.expect("a=2: done")
		// One that is due already when it is replaced.
		gate := make(chan struct{})
		schedule("due", time.Second, "c=1")
		synctest.Wait()
		r.runtime.Run(0, func(m *table) Result {
			<-gate
			m.timers.Schedule("due", time.Hour, func() Result { return Result{Done: r.done("due")} })
			return Result{}
		}, func(*kerr.Error) {})
		time.Sleep(2 * time.Second)
		close(gate)
		r.expect()
		r.runtime.Stop(0, 1)
		time.Sleep(2 * time.Hour)
		r.expect()
	})
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		log := newMemoryLog()
		log.put(foreign(record.BuilderOptions{}, records("a=1")...))
		log.readGate = make(chan struct{})
		r.runtime.Start(0, 1, log)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.runtime.Close(ctx); err != context.DeadlineExceeded {
			t.Errorf("close: %v", err)
		}
		close(log.readGate)
		r.close()
		r.runtime.Start(0, 2, log)
		r.get("after the end")
		r.expect("after the end refused: NOT_COORDINATOR")
	})
}

// TestAgainstATable runs random operations, with appends that fail and restarts,
// against a plain map.
func TestAgainstATable(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, nil)
			r.serves = rapid.Bool().Draw(rt, "serves")
			log := newMemoryLog()
			log.limit = 300
			model := map[string]string{}
			epoch := int32(1)
			r.runtime.Start(0, epoch, log)
			synctest.Wait()
			for range rapid.IntRange(1, 40).Draw(rt, "turns") {
				if rapid.IntRange(0, 9).Draw(rt, "restart") == 0 {
					r.runtime.Stop(0, epoch)
					epoch++
					r.runtime.Start(0, epoch, log)
					synctest.Wait()
				}
				log.appendErr = nil
				if rapid.IntRange(0, 3).Draw(rt, "fail") == 0 {
					log.appendErr = errDisk
				}
				key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "key")
				value := rapid.SampledFrom([]string{"", "1", "2"}).Draw(rt, "value")
				r.put("write", key+"="+value)
				synctest.Wait()
				if log.appendErr == nil && value == "" {
					delete(model, key)
				} else if log.appendErr == nil {
					model[key] = value
				}
				r.runtime.Run(0, func(m *table) Result {
					if fmt.Sprint(m.values) != fmt.Sprint(model) {
						rt.Errorf("%v, wanted %v", m.values, model)
					}
					return Result{}
				}, func(failure *kerr.Error) { rt.Error(failure) })
				synctest.Wait()
			}
			r.close()
		})
	})
}
