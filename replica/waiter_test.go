package replica

import (
	"context"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// arrive is what an append of n bytes does for those who wait.
func arrive(p *Partition, n int64) {
	p.highWatermark.Add(n)
	p.waiters.appended(n)
}

// TestNoWakeUpIsLost lets appends come at any point between a consumer's look and
// its sleep. Time is virtual: it passes only when nobody can go on, so a sleep
// that ends by time means that a wake-up was lost.
func TestNoWakeUpIsLost(t *testing.T) {
	const rounds, partitions, writers, appends, consumers = 20, 5, 3, 200, 3
	for round := range rounds {
		synctest.Test(t, func(t *testing.T) {
			all := make([]*Partition, partitions)
			for i := range all {
				all[i] = &Partition{index: int32(i)}
			}
			var group sync.WaitGroup
			for range consumers {
				group.Go(func() { consume(t, all, writers*appends) })
			}
			for w := range writers {
				group.Go(func() {
					random := rand.New(rand.NewPCG(uint64(round), uint64(w)))
					for range appends {
						arrive(all[random.IntN(partitions)], 1)
						if random.IntN(4) == 0 {
							time.Sleep(time.Microsecond)
						}
					}
				})
			}
			group.Wait()
			for _, p := range all {
				if p.waiters.head.Load() != nil {
					t.Error("a registration was left")
				}
			}
		})
	}
}

func consume(t *testing.T, all []*Partition, total int64) {
	waiter := NewWaiter()
	registrations := make([]Registration, len(all))
	seen := int64(0)
	for seen < total {
		waiter.Arm(1)
		for i, p := range all {
			waiter.Register(&registrations[i], p)
		}
		found := int64(0)
		for _, p := range all {
			found += p.highWatermark.Load()
		}
		if found > seen {
			seen = found
			continue
		}
		if !waiter.Sleep(context.Background(), time.Hour, 0) {
			t.Errorf("slept through an append: saw %d of %d", seen, total)
			return
		}
	}
	for i := range registrations {
		registrations[i].Cancel()
	}
}

// TestSleepEndsWithEnoughBytes holds the threshold against a sum.
func TestSleepEndsWithEnoughBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		partitions := []*Partition{{}, {}, {}}
		waiter := NewWaiter()
		registrations := make([]Registration, len(partitions))
		for range rapid.IntRange(1, 6).Draw(t, "waits") {
			minBytes := rapid.Int64Range(1, 50).Draw(t, "min")
			found := rapid.Int64Range(0, minBytes-1).Draw(t, "found")
			waiter.Arm(minBytes)
			for i, p := range partitions {
				waiter.Register(&registrations[i], p)
			}
			if waiter.remaining.Load() != minBytes {
				t.Fatalf("armed for %d, %d remain", minBytes, waiter.remaining.Load())
			}
			waiter.remaining.Add(-found)
			for missing := minBytes - found; missing > 0; {
				if len(waiter.signal) != 0 {
					t.Fatalf("woken with %d bytes missing", missing)
				}
				n := rapid.Int64Range(1, 20).Draw(t, "bytes")
				arrive(partitions[rapid.IntRange(0, 2).Draw(t, "partition")], n)
				missing -= n
			}
			if len(waiter.signal) != 1 {
				t.Fatal("not woken")
			}
		}
	})
}

// TestRegistrationsAgainstModel keeps a set of who is registered where beside.
func TestRegistrationsAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		partitions := []*Partition{{}, {}, {}}
		waiters := []*Waiter{NewWaiter(), NewWaiter(), NewWaiter(), NewWaiter()}
		registrations := make([]Registration, 8)
		where := map[*Registration]*Partition{}
		owner := map[*Registration]*Waiter{}
		for i := range registrations {
			owner[&registrations[i]] = waiters[i%len(waiters)]
		}
		pick := func(name string) *Registration {
			return &registrations[rapid.IntRange(0, len(registrations)-1).Draw(t, name)]
		}
		t.Repeat(map[string]func(*rapid.T){
			"register": func(t *rapid.T) {
				r, p := pick("r"), partitions[rapid.IntRange(0, 2).Draw(t, "p")]
				owner[r].Arm(1)
				owner[r].Register(r, p)
				where[r] = p
			},
			"cancel": func(t *rapid.T) {
				r := pick("r")
				r.Cancel()
				delete(where, r)
			},
			"append": func(t *rapid.T) {
				p := partitions[rapid.IntRange(0, 2).Draw(t, "p")]
				arrive(p, 1)
				wakeAll(t, where, owner, p)
			},
			"change": func(t *rapid.T) {
				p := partitions[rapid.IntRange(0, 2).Draw(t, "p")]
				p.waiters.changed()
				wakeAll(t, where, owner, p)
			},
			"": func(t *rapid.T) { compareLists(t, partitions, where) },
		})
	})
}

func wakeAll(t *rapid.T, where map[*Registration]*Partition, owner map[*Registration]*Waiter, p *Partition) {
	for r, at := range where {
		if at == p {
			delete(where, r)
			if len(owner[r].signal) != 1 {
				t.Fatal("a waiter was not woken")
			}
		}
	}
}

func compareLists(t *rapid.T, partitions []*Partition, where map[*Registration]*Partition) {
	listed := 0
	for _, p := range partitions {
		var previous *Registration
		for r := p.waiters.head.Load(); r != nil; r = r.next {
			if where[r] != p || !r.active.Load() || r.previous != previous {
				t.Fatal("a list is broken")
			}
			previous = r
			listed++
		}
	}
	if listed != len(where) {
		t.Fatalf("%d are listed, %d are registered", listed, len(where))
	}
}

// TestSleepEnds tells the three ends of a sleep apart.
func TestSleepEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waiter := NewWaiter()
		var registration Registration
		p := &Partition{}
		waiter.Arm(1)
		waiter.Register(&registration, p)
		start := time.Now()
		if waiter.Sleep(context.Background(), time.Second, 0) || time.Since(start) != time.Second {
			t.Error("a sleep without appends ends by time")
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		if waiter.Sleep(ctx, time.Hour, 0) {
			t.Error("a sleep ends with its context")
		}
		time.AfterFunc(time.Millisecond, p.waiters.changed)
		if !waiter.Sleep(context.Background(), time.Hour, 0) {
			t.Error("a change of role ends a sleep")
		}
		if waiter.Arm(5); !waiter.Sleep(context.Background(), time.Hour, 5) {
			t.Error("who has found enough does not sleep")
		}
	})
}

func TestWaitingAgainAllocatesNothing(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the pools
	partitions := []*Partition{{}, {}, {}}
	waiter := NewWaiter()
	registrations := make([]Registration, len(partitions))
	allocations := testing.AllocsPerRun(100, func() {
		waiter.Arm(1)
		for i, p := range partitions {
			waiter.Register(&registrations[i], p)
		}
		arrive(partitions[1], 1)
		if !waiter.Sleep(context.Background(), time.Hour, 0) {
			t.Fatal("not woken")
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}
