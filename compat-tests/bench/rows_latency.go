package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// latencyRows are the rows about the time from a producer to a consumer.
func latencyRows() []Row { return []Row{latencyRow(1_000), latencyRow(10_000)} }

func latencyRow(rate int) Row {
	const length = 5 * time.Second
	return Row{
		Name:  fmt.Sprintf("e2e-%d", rate),
		Title: fmt.Sprintf("producer to consumer at %d records a second", rate),
		Settings: fmt.Sprintf("acks=all; one record of 1 KB a request on one connection, sent when it is due whatever is unanswered; one partition; a consumer "+
			"that waits in long polls; a latency runs from the moment a record was due, so that a late send counts; %v", length),
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

// paced is an open loop: records are sent at a fixed rate, and each is timed from when it was due.
type paced struct {
	topic       string
	rate, total int
	start       time.Time
}

func (p paced) due(i int) time.Time {
	return p.start.Add(time.Duration(i) * time.Second / time.Duration(p.rate))
}

func (p paced) run(ctx context.Context, s *Subject) (Measurement, error) {
	batch, err := recordBatch(1, recordBytes, plain, time.Now().UnixMilli())
	if err != nil {
		return nil, err
	}
	all, closeAll, err := dialAll(ctx, s.Address, 2)
	if err != nil {
		return nil, err
	}
	defer closeAll()
	producer, consumer := all[0], all[1]
	frame, fetches := produceFrame(p.topic, 0, batch), newFetchFrame(p.topic, []int32{0}, 500)
	window, err := s.Open()
	if err != nil {
		return nil, err
	}
	p.start = time.Now().Add(20 * time.Millisecond)
	acknowledged, arrived := make([]time.Duration, p.total), make([]time.Duration, p.total)
	parts := []func() error{
		func() error { return p.send(producer, frame) },
		func() error { return p.acknowledge(producer, acknowledged) },
		func() error { return p.consume(consumer, fetches, arrived) },
	}
	err = together(len(parts), func(i int) error {
		err := parts[i]()
		if err != nil {
			closeAll() // the other parts wait for what will not come
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

func (p paced) send(c *conn, frame []byte) error {
	for i := range p.total {
		sleepUntil(p.due(i))
		number(frame, uint32(i))
		if _, err := c.Write(frame); err != nil {
			return err
		}
	}
	return nil
}

func (p paced) acknowledge(c *conn, latencies []time.Duration) error {
	for i := range latencies {
		answer, err := c.read()
		if err == nil {
			err = checkProduced(answer, p.topic, uint32(i))
		}
		if err != nil {
			return fmt.Errorf("record %d: %w", i, err)
		}
		latencies[i] = time.Since(p.due(i))
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
