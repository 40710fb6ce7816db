package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// together runs fn n times side by side and joins the errors; the same error of many is told once.
func together(n int, fn func(i int) error) error {
	var group sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		group.Go(func() { errs[i] = fn(i) })
	}
	group.Wait()
	failed := 0
	var first error
	for _, err := range errs {
		if err != nil {
			failed++
			first = err
		}
	}
	if failed > 1 {
		return fmt.Errorf("%d of %d: %w", failed, n, first)
	}
	return first
}

// dialAll opens connections whose deadline is the context's and which are closed when it ends or the returned function
// is called.
func dialAll(ctx context.Context, address string, n int) (all []*conn, closeAll func(), err error) {
	closeAll = sync.OnceFunc(func() {
		for _, c := range all {
			_ = c.Close()
		}
	})
	for range n {
		c, err := dial(address)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		if end, ok := ctx.Deadline(); ok {
			_ = c.SetDeadline(end)
		}
		all = append(all, c)
	}
	context.AfterFunc(ctx, closeAll)
	return all, closeAll, nil
}

// share returns the partitions that the i-th of n connections works on; with more connections than partitions some
// share one.
func share(partitions, i, n int) (mine []int32) {
	if n > partitions {
		return []int32{int32(i % partitions)}
	}
	for p := i; p < partitions; p += n {
		mine = append(mine, int32(p))
	}
	return mine
}

// produceLoad sends the same batch over and over, as fast as it is acknowledged.
type produceLoad struct {
	topic                             string
	partitions, connections, inFlight int
	batch                             []byte
	duration                          time.Duration
	// most bounds the bytes of batches sent, so that memory is not filled; 0: no bound.
	most int64
}

// produced is what a produceLoad did. A latency runs from the moment a request could be sent (a place in its
// connection's window was free) to its answer.
type produced struct {
	requests  int64
	latencies []time.Duration
	spent     Spent
}

// run opens its connections and builds its frames before the measured window. The window of a connection is held by one
// goroutine that writes until as many requests are in flight as may be, then reads an answer: no hand-overs.
func (l produceLoad) run(ctx context.Context, s *Subject) (p produced, err error) {
	all, closeAll, err := dialAll(ctx, s.Address, l.connections)
	if err != nil {
		return p, err
	}
	defer closeAll()
	frames := make([][][]byte, l.connections)
	for i := range frames {
		for _, partition := range share(l.partitions, i, l.connections) {
			frames[i] = append(frames[i], produceFrame(l.topic, partition, l.batch))
		}
	}
	latencies := make([][]time.Duration, l.connections)
	for i := range latencies {
		latencies[i] = make([]time.Duration, 0, 1<<16)
	}
	most := int64(1) << 62
	if l.most > 0 {
		most = l.most / int64(len(l.batch)) / int64(l.connections)
	}
	window, err := s.Open()
	if err != nil {
		return p, err
	}
	stop := time.Now().Add(l.duration)
	err = together(l.connections, func(i int) (err error) {
		latencies[i], err = l.drive(all[i], frames[i], latencies[i], stop, most)
		return err
	})
	if err != nil {
		return p, errors.Join(ctx.Err(), err)
	}
	if p.spent, err = window.Close(); err != nil {
		return p, err
	}
	for _, some := range latencies {
		p.latencies = append(p.latencies, some...)
	}
	p.requests = int64(len(p.latencies))
	if p.requests == 0 {
		return p, errors.New("nothing was produced")
	}
	return p, nil
}

// drive keeps one connection's window full.
func (l produceLoad) drive(c *conn, frames [][]byte, latencies []time.Duration, stop time.Time, most int64) ([]time.Duration, error) {
	at := make([]time.Time, l.inFlight)
	var sent, answered int
	now := time.Now()
	for {
		for sent-answered < l.inFlight && now.Before(stop) && int64(sent) < most {
			frame := frames[sent%len(frames)]
			number(frame, uint32(sent))
			at[sent%l.inFlight] = now
			if _, err := c.Write(frame); err != nil {
				return nil, err
			}
			sent++
			now = time.Now()
		}
		if sent == answered {
			return latencies, nil
		}
		answer, err := c.read()
		if err == nil {
			err = checkProduced(answer, l.topic, uint32(answered))
		}
		if err != nil {
			return nil, err
		}
		now = time.Now()
		latencies = append(latencies, now.Sub(at[answered%l.inFlight]))
		answered++
	}
}

// fetchLoad reads a topic from its beginning, over and over: each consumer has one connection and reads all partitions.
type fetchLoad struct {
	topic                 string
	partitions, consumers int
	duration              time.Duration
	// follow makes the consumers wait at the end for more, and go on behind what retention took away.
	follow bool
}

// fetched is what a fetchLoad did.
type fetched struct {
	requests, bytes, records int64
	spent                    Spent
}

func (l fetchLoad) run(ctx context.Context, s *Subject) (f fetched, err error) {
	all, closeAll, err := dialAll(ctx, s.Address, l.consumers)
	if err != nil {
		return f, err
	}
	defer closeAll()
	each := make([]fetched, l.consumers)
	frames := make([]*fetchFrame, l.consumers)
	wait := int32(0)
	if l.follow {
		wait = 100
	}
	for i := range frames {
		frames[i] = newFetchFrame(l.topic, share(l.partitions, 0, 1), wait)
		all[i].buffer = make([]byte, 0, l.partitions<<20+1<<16)
	}
	window, err := s.Open()
	if err != nil {
		return f, err
	}
	stop := time.Now().Add(l.duration)
	err = together(l.consumers, func(i int) error {
		for time.Now().Before(stop) {
			if err := each[i].fetch(all[i], frames[i], l); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return f, errors.Join(ctx.Err(), err)
	}
	if f.spent, err = window.Close(); err != nil {
		return f, err
	}
	for _, one := range each {
		f.requests, f.bytes, f.records = f.requests+one.requests, f.bytes+one.bytes, f.records+one.records
	}
	if f.bytes == 0 {
		return f, errors.New("nothing was fetched")
	}
	return f, nil
}

// fetch asks once.
func (f *fetched) fetch(c *conn, frame *fetchFrame, l fetchLoad) error {
	number(frame.bytes, uint32(f.requests))
	if _, err := c.Write(frame.bytes); err != nil {
		return err
	}
	answer, err := c.read()
	if err != nil {
		return err
	}
	size, records, err := frame.advance(answer)
	if err != nil {
		return err
	}
	f.requests, f.bytes, f.records = f.requests+1, f.bytes+size, f.records+records
	switch {
	case l.follow:
		for _, i := range frame.lost {
			offset, err := c.offset(l.topic, frame.partitions[i], earliest)
			if err != nil {
				return err
			}
			frame.seek(i, offset)
		}
	case len(frame.lost) > 0:
		return fmt.Errorf("partition %d: the offset is out of range", frame.partitions[frame.lost[0]])
	case size == 0:
		for i := range frame.offsets {
			frame.seek(i, 0)
		}
	}
	return nil
}
