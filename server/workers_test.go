package server

import (
	"context"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/api"
)

// created is how many goroutines this process has created.
func created(t *testing.T) uint64 {
	t.Helper()
	sample := []metrics.Sample{{Name: "/sched/goroutines-created:goroutines"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		t.Fatal("the runtime does not count goroutines")
	}
	return sample[0].Value.Uint64()
}

// TestWaitingTakesNoNewGoroutine has answers wait, of which each needs another
// goroutine to read on.
func TestWaitingTakesNoNewGoroutine(t *testing.T) {
	n, address := startNetwork(t, networkOptions{ParkAfter: time.Hour}, api.Handlers{kmsg.Heartbeat: func(_ context.Context, request *api.Request) api.Reply {
		return func(ctx context.Context) (api.Response, error) {
			ctx.Done()
			return echo(request), nil
		}
	}})
	resting := func() int {
		n.workers.lock.Lock()
		defer n.workers.lock.Unlock()
		return len(n.workers.resting)
	}
	c := dial(t, address)
	request := frame(heartbeat(1), 1)
	ask := func() {
		c.send(request)
		c.answer()
		for resting() == 0 { // whoever answered comes to rest soon
			time.Sleep(100 * time.Microsecond)
		}
	}
	ask()
	before := created(t)
	const requests = 200
	for range requests {
		ask()
	}
	if more := created(t) - before; more > requests/10 {
		t.Errorf("%d goroutines created for %d requests", more, requests)
	}
	for resting() > 0 { // one may come to rest late
		n.workers.trim()
		time.Sleep(time.Millisecond)
	}
	ask() // and a new one does it
}
