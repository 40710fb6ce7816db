package main

import (
	"context"
	"fmt"
	"time"
)

// partitionRows are about one topic of very many partitions.
func partitionRows() []Row {
	var rows []Row
	for _, n := range []int{1000, 5000} {
		rows = append(rows, Row{
			Name:  fmt.Sprintf("partitions-%d", n),
			Title: fmt.Sprintf("%d partitions: create them, write to each, start again", n),
			Settings: fmt.Sprintf("one topic of %d partitions, made by one request; then a record of 100 bytes to each, acks=all, one request after "+
				"another on one connection, sent again until the leader takes it; memory two seconds later; a clean stop and a start: until the "+
				"first answer, and until every partition tells its end offset; before it all the same with a fifth of the partitions, "+
				"deleted afterwards, to warm the subject", n),
			Goals: []Goal{
				atMost("create + first write s", 0.2, Kafka),
				atMost("resident MB", 0.2, Kafka),
				atMost("start: all served s", 0.2, Kafka),
				atMost("resident MB after the start", 0.2, Kafka),
			},
			Own: true, NoWarmUp: true, Without: []Kind{Floor},
			Run: func(ctx context.Context, s *Subject) (Measurement, error) {
				return manyPartitions(ctx, s, s.Count(n, 20))
			},
		})
	}
	return rows
}

// manyPartitions measures the life of a topic of n partitions.
func manyPartitions(ctx context.Context, s *Subject, n int) (Measurement, error) {
	if err := formatAndStart(ctx, s); err != nil {
		return nil, err
	}
	if _, _, err := firstWrites(s.Address, "warm", max(n/5, 5)); err != nil {
		return nil, err
	}
	if err := deleteTopic(s, "warm"); err != nil {
		return nil, err
	}
	if err := rest(ctx, s.Duration(3*time.Second)); err != nil {
		return nil, err
	}
	window, err := s.Open()
	if err != nil {
		return nil, err
	}
	created, written, err := firstWrites(s.Address, "many", n)
	if err != nil {
		return nil, err
	}
	if err := rest(ctx, s.Duration(2*time.Second)); err != nil {
		return nil, err
	}
	spent, err := window.Close()
	if err != nil {
		return nil, err
	}
	m := Measurement{}.With("create + first write s", (created+written).Seconds()).With("create s", created.Seconds()).
		With("first write s", written.Seconds()).With("CPU s", spent.CPU.Seconds()).With("resident MB", megabytes(spent.Resident))
	stopped, err := s.Stop()
	if err != nil {
		return nil, err
	}
	restarted, err := restart(ctx, s, "many", n, int64(n))
	if err != nil {
		return nil, err
	}
	return append(m.With("clean stop s", stopped.Seconds()), restarted...), nil
}

// firstWrites makes a topic and writes the first record to each of its partitions.
func firstWrites(address, topic string, n int) (created, written time.Duration, err error) {
	c, err := dial(address)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(answerLimit)); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := c.createTopic(topic, n); err != nil {
		return 0, 0, err
	}
	created = time.Since(began)
	batch := plainSource().batch(1, 100)
	for i := range n {
		if err := c.produce(producing(nil, topic, batch, int32(i)), 5*time.Millisecond); err != nil {
			return 0, 0, err
		}
	}
	return created, time.Since(began) - created, nil
}

// restart starts a stopped subject and measures until it answers and until it serves all of a topic's partitions, whose
// end offsets have the given sum; and its memory two seconds later.
func restart(ctx context.Context, s *Subject, topic string, partitions int, records int64) (Measurement, error) {
	began := time.Now()
	answered, err := s.Start(ctx)
	if err != nil {
		return nil, err
	}
	if err := allServed(s.Address, topic, partitions, records); err != nil {
		return nil, err
	}
	served := time.Since(began)
	if err := rest(ctx, s.Duration(2*time.Second)); err != nil {
		return nil, err
	}
	used, err := s.Usage()
	return Measurement{}.With("start: first answer s", answered.Seconds()).With("start: all served s", served.Seconds()).
		With("start: CPU s", used.CPU.Seconds()).With("resident MB after the start", megabytes(used.Resident)), err
}

// formatAndStart starts a subject on an empty data directory.
func formatAndStart(ctx context.Context, s *Subject) error {
	if err := s.Format(ctx); err != nil {
		return err
	}
	_, err := s.Start(ctx)
	return err
}

// rest waits.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
