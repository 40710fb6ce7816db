package main

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"time"
)

// latencyRows are the rows about the time from a producer to a consumer.
func latencyRows() []Row { return []Row{latencyRow(1_000), latencyRow(10_000)} }

func latencyRow(rate int) Row {
	const length = 5 * time.Second
	return Row{
		Name:  fmt.Sprintf("e2e-%d", rate),
		Title: fmt.Sprintf("producer to consumer at %d records a second", rate),
		Settings: fmt.Sprintf("acks=all; records of 1 KB, each sent when it is due, as a client does it: at most %d requests in flight on one connection, and what becomes "+
			"due meanwhile goes into the next batch; one partition; a consumer that waits in long polls; a latency runs from the moment a record was due, so that a "+
			"late send counts; %v", maxInFlight, length),
		Goals: []Goal{atMost("p50 ms", 1, Kafka), atMost("p99 ms", .5, Kafka), atMost("p99.9 ms", .5, Kafka)},
		Run: func(ctx context.Context, s *Subject) (m Measurement, err error) {
			topic := fmt.Sprintf("bench-e2e-%d", rate)
			err = withTopic(s, topic, 1, func() error {
				m, err = paced{topic: topic, rate: rate, total: int(float64(rate) * s.Duration(length).Seconds())}.run(ctx, s)
				return err
			})
			return m, err
		},
	}
}

// maxInFlight is how many requests clients have unanswered on a connection (max.in.flight.requests.per.connection).
const maxInFlight = 5

// paced is an open loop: records become due at a fixed rate, whatever the server does, and each is timed from when it was due.
type paced struct {
	topic       string
	rate, total int
	start       time.Time
	// frames are the requests by how many records they hold: one, two, four, ….
	frames [][]byte
	// sent tells the reader of answers how many records each request on its way holds.
	sent chan int
}

func (p paced) due(i int) time.Time {
	return p.start.Add(time.Duration(i) * time.Second / time.Duration(p.rate))
}

func (p paced) run(ctx context.Context, s *Subject) (Measurement, error) {
	for n := 1; n <= 256; n *= 2 {
		batch, err := recordBatch(n, recordBytes, plain, time.Now().UnixMilli())
		if err != nil {
			return nil, err
		}
		p.frames = append(p.frames, produceFrame(p.topic, 0, batch))
	}
	p.sent = make(chan int, maxInFlight-1) // the reader has taken the oldest one out
	all, closeAll, err := dialAll(ctx, s.Address, 2)
	if err != nil {
		return nil, err
	}
	defer closeAll()
	producer, consumer := all[0], all[1]
	fetches := newFetchFrame(p.topic, []int32{0}, 500)
	window, err := s.Open()
	if err != nil {
		return nil, err
	}
	p.start = time.Now().Add(20 * time.Millisecond)
	acknowledged, arrived := make([]time.Duration, p.total), make([]time.Duration, p.total)
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	parts := []func() error{
		func() error { return p.send(running, producer) },
		func() error { return p.acknowledge(running, producer, acknowledged) },
		func() error { return p.consume(consumer, fetches, arrived) },
	}
	err = together(len(parts), func(i int) error {
		err := parts[i]()
		if err != nil {
			cancel() // the other parts wait for what will not come
			closeAll()
		}
		return err
	})
	if err != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	spent, err := window.Close()
	if err != nil {
		return nil, err
	}
	seconds := float64(p.total) / float64(p.rate)
	m := Measurement{}.withLatencies(arrived)
	for _, figure := range (Measurement{}).withLatencies(acknowledged) {
		m = m.With("acknowledged "+figure.Quantity, figure.Value)
	}
	return m.With("CPU %", 100*spent.CPU.Seconds()/seconds).With("generator CPU %", 100*spent.Generator.Seconds()/seconds), nil
}

// send sends what is due in the largest batch that it fills.
func (p paced) send(ctx context.Context, c *conn) error {
	for i, request := 0, uint32(0); i < p.total; request++ {
		sleepUntil(p.due(i))
		due := min(int(time.Since(p.start)*time.Duration(p.rate)/time.Second)+1, p.total) - i
		size := min(bits.Len(uint(max(due, 1))), len(p.frames)) - 1
		select {
		case p.sent <- 1 << size:
		case <-ctx.Done():
			return ctx.Err()
		}
		number(p.frames[size], request)
		if _, err := c.Write(p.frames[size]); err != nil {
			return err
		}
		i += 1 << size
	}
	return nil
}

func (p paced) acknowledge(ctx context.Context, c *conn, latencies []time.Duration) error {
	for i, request := 0, uint32(0); i < len(latencies); request++ {
		records := 0
		select {
		case records = <-p.sent:
		case <-ctx.Done():
			return ctx.Err()
		}
		answer, err := c.read()
		if err == nil {
			err = checkProduced(answer, p.topic, request)
		}
		if err != nil {
			return fmt.Errorf("record %d: %w", i, err)
		}
		for end := i + records; i < end; i++ {
			latencies[i] = time.Since(p.due(i))
		}
	}
	return nil
}

func (p paced) consume(c *conn, fetches *fetchFrame, latencies []time.Duration) error {
	for seen := 0; seen < len(latencies); {
		number(fetches.bytes, uint32(seen))
		if _, err := c.Write(fetches.bytes); err != nil {
			return err
		}
		answer, err := c.read()
		if err != nil {
			return err
		}
		now := time.Now()
		if _, _, err := fetches.advance(answer); err != nil {
			return err
		}
		for ; seen < min(int(fetches.offsets[0]), len(latencies)); seen++ {
			latencies[seen] = now.Sub(p.due(seen))
		}
	}
	return nil
}
