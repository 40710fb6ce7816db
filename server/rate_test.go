package server

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/api"
)

// TestRate goes through the waits that a limit of 2 a second brings about. With
// eleven samples of a second, twenty may come at once: they are counted over ten
// seconds.
func TestRate(t *testing.T) {
	begin := time.Unix(1000, 0)
	r := newRate(2, 11, time.Second)
	var waits []time.Duration
	at := func(after time.Duration, count int) {
		for range count {
			waits = append(waits, r.record(begin.Add(after)))
		}
	}
	at(0, 20)
	at(0, 2)                    // 2.1 and 2.2 a second over ten seconds
	at(100*time.Millisecond, 1) // 23 over 10.1 seconds
	at(12*time.Second, 1)       // all of that is forgotten
	want := append(make([]time.Duration, 20), 500*time.Millisecond, time.Second, time.Second, 0)
	if fmt.Sprint(waits) != fmt.Sprint(want) {
		t.Errorf("waits %v, want %v", waits, want)
	}
	r.setLimit(1<<31 - 1)
	for range 1000 {
		if wait := r.record(begin.Add(12 * time.Second)); wait != 0 {
			t.Fatalf("without a limit: %v", wait)
		}
	}
	r.setLimit(0)
	if wait := r.record(begin.Add(12 * time.Second)); wait != time.Second {
		t.Errorf("with a limit of 0: %v", wait)
	}
}

// TestRateOverWindows has something happen once a second for longer than the
// samples reach back.
func TestRateOverWindows(t *testing.T) {
	for limit, broken := range map[int]bool{2: false, 0: true} {
		r := newRate(limit, 11, time.Second)
		waited := false
		for second := range 40 {
			waited = r.record(time.Unix(int64(second), 0)) > 0
		}
		if waited != broken {
			t.Errorf("limit %d: waited %t", limit, waited)
		}
	}
}

// TestConnectionCreationRate opens more connections than the rate allows: each
// is served in the end, some later; and a stop does not wait for the wait.
func TestConnectionCreationRate(t *testing.T) {
	handlers := api.Handlers{kmsg.Heartbeat: func(_ context.Context, request *api.Request) api.Reply { return api.Answer(echo(request)) }}
	n, address := startNetwork(t, networkOptions{RateSamples: 2, RateWindow: 20 * time.Millisecond}, handlers)
	n.setLimits(limits{all: 1 << 30, perAddress: 1 << 30, perSecond: 100})
	begun := time.Now()
	for range 10 {
		c := dial(t, address)
		c.send(frame(heartbeat(1), 1))
		c.answer()
	}
	if took := time.Since(begun); took < 50*time.Millisecond {
		t.Errorf("ten connections in %v with a rate of 100 a second", took)
	}
	n.setLimits(limits{all: 1 << 30, perAddress: 1 << 30, perSecond: 0})
	n.rates[0].lock.Lock()
	n.rates[0].window = time.Hour // whoever comes now waits that long
	n.rates[0].lock.Unlock()
	dial(t, address)
	n.drain(context.Background())
}
