package group

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator"
)

// BenchmarkOffsetCommit commits offsets of 10 partitions, through the shard, on a log in memory.
func BenchmarkOffsetCommit(b *testing.B) {
	commit := commitTen(b)
	b.ReportAllocs()
	for b.Loop() {
		commit()
	}
}

// commitTen gives a function that commits the offsets of ten partitions, through service, runtime and machine to a log in memory.
func commitTen(t testing.TB) func() {
	log := &memoryLog{}
	s := New(Options{Config: DefaultConfig(), Now: time.Now})
	s.SetPartitions(1)
	loaded := make(chan struct{})
	s.runtime = coordinator.New(coordinator.Options[*Machine]{
		New: func(_ int32, timers coordinator.Timers) *Machine {
			return NewMachine(s.config, time.Now, nil, timers)
		},
		Now: time.Now,
		Events: func(e coordinator.Event) {
			if e.Kind == coordinator.Loaded {
				close(loaded)
			}
		},
	})
	s.Started(0, 0, log)
	<-loaded
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	request := commitOf(9, "g", "", "t-0", "t-1", "t-2", "t-3", "t-4", "t-5", "t-6", "t-7", "t-8", "t-9")
	done := make(chan bool, 1)
	return func() {
		for ok := false; !ok; { // until the shard has come to serve
			s.OffsetCommit(request, func(r *kmsg.OffsetCommitResponse) { done <- r.Topics[0].Partitions[0].ErrorCode == 0 })
			ok = <-done
		}
		log.lock.Lock()
		log.data = log.data[:0]
		log.lock.Unlock()
	}
}

// BenchmarkHeartbeat is the heartbeat of one member of a stable group of 100.
func BenchmarkHeartbeat(b *testing.B) {
	w := newWorld(b)
	w.quiet = true
	var clients []*client
	for i := range 100 {
		clients = append(clients, &client{w: w, name: string(rune('a' + i)), generation: -1, version: 3})
		clients[i].join()
	}
	w.advance(0)
	for _, c := range clients {
		c.step()
	}
	request := heartbeatOf(modelGroup, clients[50].memberID, clients[50].generation)
	b.ReportAllocs()
	for range b.N {
		if failure := w.machine.Heartbeat(request); failure != nil {
			b.Fatal(failure)
		}
	}
}
