package server

import (
	"math"
	"sync"
	"time"
)

// rate measures how often something happens, as Kafka measures what it has
// quotas for: over samples of one window each, of which those that are not over
// yet count as if they were, so that a few seconds of quiet allow a burst.
type rate struct {
	lock    sync.Mutex
	limit   float64 // a second
	samples int
	window  time.Duration
	seen    []rateSample // one more than samples at the most
	current int
}

// rateSample is what happened in one window.
type rateSample struct {
	start, last time.Time
	count       int
}

func newRate(limit, samples int, window time.Duration) *rate {
	return &rate{limit: float64(limit), samples: samples, window: window}
}

func (r *rate) setLimit(limit int) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.limit = float64(limit)
}

// record counts one more at a time, and returns how long to wait so that the
// limit is kept: a window at the most.
func (r *rate) record(now time.Time) time.Duration {
	r.lock.Lock()
	defer r.lock.Unlock()
	if len(r.seen) == 0 {
		r.seen = append(r.seen, rateSample{start: now})
	} else if now.Sub(r.seen[r.current].start) >= r.window {
		if r.current = (r.current + 1) % (r.samples + 1); r.current == len(r.seen) {
			r.seen = append(r.seen, rateSample{})
		}
		r.seen[r.current] = rateSample{start: now}
	}
	r.seen[r.current].count++
	r.seen[r.current].last = now
	value, over := r.measure(now)
	if value <= r.limit {
		return 0
	}
	// Nothing is allowed where the limit is 0: the quotient is infinite then.
	wait := math.Min((value-r.limit)/r.limit*float64(over), float64(r.window))
	return time.Duration(wait).Round(time.Millisecond)
}

// measure is how often it happened in a second, and the time that was looked at.
func (r *rate) measure(now time.Time) (value float64, over time.Duration) {
	total, oldest := 0, now
	for i := range r.seen {
		if now.Sub(r.seen[i].last) >= time.Duration(r.samples)*r.window {
			r.seen[i] = rateSample{start: now, last: now}
		}
		total += r.seen[i].count
		if r.seen[i].start.Before(oldest) {
			oldest = r.seen[i].start
		}
	}
	over = now.Sub(oldest)
	if missing := time.Duration(r.samples-1) - over/r.window; missing > 0 {
		over += missing * r.window
	}
	over = max(over, time.Millisecond)
	return float64(total) / over.Seconds(), over
}
