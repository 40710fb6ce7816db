package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// connectionRows are about connections that are there and do little.
func connectionRows() []Row {
	return []Row{
		{
			Name:  "idle-connections",
			Title: "10,000 idle connections",
			Settings: "a server just started; on each connection one ApiVersions, then rest: its resident memory less what it was before, over the " +
				"number of connections; then on each one Metadata and one Produce of a record of 1 KB, and rest again",
			Goals: []Goal{atMost("KB each", 12, None)},
			Own:   true, NoWarmUp: true, Without: []Kind{Floor},
			Run: idleConnections,
		},
		{
			Name:  "long-polls",
			Title: "2,000 long polls on idle topics",
			Settings: "20 topics of 10 partitions; 2,000 connections with a Fetch each that names the ten partitions of a topic; CPU over 20 s: " +
				"without them, while they wait all the time (from 8 s after their begin on), and (over 5 s) while each comes back after 500 ms",
			Goals:    []Goal{atMost("CPU s over 20 s, more than without", 0.1, None)},
			NoWarmUp: true, Without: []Kind{Floor}, Rounds: 1,
			Run: longPolls,
		},
	}
}

// idleConnections measures the memory of connections.
func idleConnections(ctx context.Context, s *Subject) (Measurement, error) {
	n := s.Count(10_000, 100)
	if err := formatAndStart(ctx, s); err != nil {
		return nil, err
	}
	const topic = "idle"
	if err := createTopic(s, topic, 1); err != nil {
		return nil, err
	}
	// What a server makes at its first connections and requests is not theirs.
	warm, closeWarm, err := dialAll(ctx, s.Address, 200)
	if err != nil {
		return nil, err
	}
	err = greet(warm, topic, true)
	closeWarm()
	if err == nil {
		err = rest(ctx, s.Duration(3*time.Second))
	}
	if err != nil {
		return nil, err
	}
	window, err := s.Open()
	if err != nil {
		return nil, err
	}
	before, err := s.Usage()
	if err != nil {
		return nil, err
	}
	connections, closeAll, err := dialAll(ctx, s.Address, n)
	if err != nil {
		return nil, err
	}
	defer closeAll()
	if err := greet(connections, topic, false); err != nil {
		return nil, err
	}
	opened := time.Since(window.began)
	m := Measurement{}
	for _, quantity := range []string{"KB each", "KB each, after a produce"} {
		if err := rest(ctx, s.Duration(3*time.Second)); err != nil {
			return nil, err
		}
		after, err := s.Usage()
		if err != nil {
			return nil, err
		}
		m = m.With(quantity, float64(after.Resident-before.Resident)/1000/float64(n))
		if err := greet(connections, topic, true); err != nil {
			return nil, err
		}
	}
	spent, err := window.Close()
	return m.With("connections/s", float64(n)/opened.Seconds()).With("resident MB in all", megabytes(spent.Resident)), err
}

// greet sends one small request on each connection, on eight of them at a time; with work, a look at the metadata and a
// record to partition 0.
func greet(connections []*conn, topic string, work bool) error {
	const workers = 8
	batch := plainSource().batch(1, 1000)
	return together(workers, func(worker int) error {
		for i := worker; i < len(connections); i += workers {
			if err := connections[i].greet(topic, batch, work); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *conn) greet(topic string, batch []byte, work bool) error {
	if !work {
		_, err := ask[*kmsg.ApiVersionsResponse](c, &kmsg.ApiVersionsRequest{})
		return err
	}
	metadata := kmsg.NewPtrMetadataRequest()
	metadata.Version = 8
	part := kmsg.NewMetadataRequestTopic()
	part.Topic = kmsg.StringPtr(topic)
	metadata.Topics = append(metadata.Topics, part)
	if _, err := ask[*kmsg.MetadataResponse](c, metadata); err != nil {
		return err
	}
	return c.produce(producing(nil, topic, batch, 0), 5*time.Millisecond)
}

// longPolls measures what waiting fetches cost.
func longPolls(ctx context.Context, s *Subject) (Measurement, error) {
	const topics, partitions = 20, 10
	names := make([]string, topics)
	for i := range names {
		names[i] = fmt.Sprintf("polls-%d-%d", i, time.Now().UnixNano())
		if err := createTopic(s, names[i], partitions); err != nil {
			return nil, err
		}
		defer func() { _ = deleteTopic(s, names[i]) }()
	}
	full := s.Duration(20 * time.Second)
	if err := rest(ctx, s.Duration(2*time.Second)); err != nil {
		return nil, err
	}
	without, _, err := polled(ctx, s, full/2, nil)
	if err != nil {
		return nil, err
	}
	connections, closeAll, err := dialAll(ctx, s.Address, s.Count(2000, 20))
	if err != nil {
		return nil, err
	}
	defer closeAll()
	// The first polls wait for longer than the window; what follows them on the same connections waits as consumers do.
	settling := s.Duration(8 * time.Second) // a server may hand back memory of connections that have become idle
	long := full + settling + s.Duration(3*time.Second)
	for i, c := range connections {
		if _, err := c.Write(c.frame(polling(names[i%topics], partitions, long))); err != nil {
			return nil, err
		}
	}
	if err := rest(ctx, settling); err != nil {
		return nil, err
	}
	waiting, memory, err := polled(ctx, s, full, nil)
	if err != nil {
		return nil, err
	}
	var answered atomic.Int64
	var over atomic.Bool
	ended := make(chan error, 1)
	go func() {
		ended <- together(len(connections), func(i int) error { return connections[i].poll(names[i%topics], partitions, long, &answered, &over) })
	}()
	// All of the long ones have come back by then.
	if err := rest(ctx, long-full); err != nil {
		return nil, err
	}
	coming, _, err := polled(ctx, s, full/4, &answered)
	over.Store(true)
	if err := <-ended; err != nil {
		return nil, err
	}
	perWindow := full.Seconds()
	return Measurement{}.With("CPU s over 20 s, more than without", max(0, waiting.share-without.share)*perWindow).
		With("CPU s over 20 s, without", without.share*perWindow).With("resident MB", megabytes(memory)).
		With("polls/s at 500 ms", coming.rate).With("CPU s over 20 s at 500 ms", coming.share*perWindow), err
}

// activity is the part of one core that a subject used, and how many requests a second were answered meanwhile.
type activity struct{ share, rate float64 }

// polled watches a subject for some time.
func polled(ctx context.Context, s *Subject, d time.Duration, answered *atomic.Int64) (activity, int64, error) {
	window, err := s.Open()
	if err != nil {
		return activity{}, 0, err
	}
	var before, after int64
	if answered != nil {
		before = answered.Load()
	}
	if err := rest(ctx, d); err != nil {
		return activity{}, 0, err
	}
	if answered != nil {
		after = answered.Load()
	}
	spent, err := window.Close()
	return activity{spent.CPU.Seconds() / spent.Wall.Seconds(), float64(after-before) / spent.Wall.Seconds()}, spent.Resident, err
}

// polling is a Fetch of all partitions of an empty topic that waits for the first byte.
func polling(topic string, partitions int, wait time.Duration) *kmsg.FetchRequest {
	request := kmsg.NewPtrFetchRequest()
	request.Version, request.ReplicaID, request.SessionEpoch = 12, -1, -1
	request.MaxWaitMillis, request.MinBytes, request.MaxBytes = int32(wait.Milliseconds()), 1, 50<<20
	part := kmsg.NewFetchRequestTopic()
	part.Topic = topic
	for i := range partitions {
		partition := kmsg.NewFetchRequestTopicPartition()
		partition.Partition, partition.PartitionMaxBytes, partition.CurrentLeaderEpoch = int32(i), 1<<20, -1
		part.Partitions = append(part.Partitions, partition)
	}
	request.Topics = append(request.Topics, part)
	return request
}

// poll waits for the answer of a long poll and then polls with 500 ms until it is over.
func (c *conn) poll(topic string, partitions int, first time.Duration, answered *atomic.Int64, over *atomic.Bool) error {
	request := polling(topic, partitions, 500*time.Millisecond)
	for {
		if err := c.SetDeadline(time.Now().Add(first + 30*time.Second)); err != nil {
			return err
		}
		answer, err := c.receive(request)
		if err != nil {
			return err
		}
		if err := kerr.ErrorForCode(answer.(*kmsg.FetchResponse).ErrorCode); err != nil {
			return err
		}
		answered.Add(1)
		if over.Load() {
			return nil
		}
		if _, err := c.Write(c.frame(request)); err != nil {
			return err
		}
	}
}
