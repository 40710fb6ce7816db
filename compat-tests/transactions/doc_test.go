// Package transactions checks exactly-once processing with a client that knows
// both transaction protocols: commits and aborts, fencing, timeouts, copies of one
// topic to another, and kill -9 in the middle of all that. OTTLA_CONTROL runs the
// same against Apache Kafka.
package transactions

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"ottla/compat-tests/harness"
)

const version = "4.3.1"

// protocols are the two ways in which a client makes partitions part of its
// transaction: by requests of its own, or with the records (KIP-890).
func protocols() map[string][]kgo.Opt {
	return map[string][]kgo.Opt{"added by requests": {kgo.MaxVersions(kversion.V3_5_0())}, "added with the records": nil}
}

func start(t *testing.T, properties ...string) *harness.Broker {
	return harness.StartSubject(t, version, harness.Options{Properties: append([]string{
		"transaction.state.log.num.partitions=4", "offsets.topic.num.partitions=4", "transaction.abort.timed.out.transaction.cleanup.interval.ms=500",
	}, properties...)})
}

func within(t *testing.T, limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

func client(t *testing.T, broker *harness.Broker, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(broker.Address), kgo.RecordPartitioner(kgo.ManualPartitioner())}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseAllowingRebalance)
	return c
}

func create(t *testing.T, broker *harness.Broker, partitions int32, topics ...string) {
	t.Helper()
	answers, err := kadm.NewClient(client(t, broker)).CreateTopics(within(t, time.Minute), partitions, 1, nil, topics...)
	if err != nil {
		t.Fatal(err)
	}
	for _, answer := range answers {
		if answer.Err != nil {
			t.Fatalf("%s: %v", answer.Topic, answer.Err)
		}
	}
}

// write writes values to the partitions of a topic in turn, in the client's transaction.
func write(ctx context.Context, c *kgo.Client, topic string, partitions int32, values ...string) error {
	var records []*kgo.Record
	for i, value := range values {
		records = append(records, &kgo.Record{Topic: topic, Partition: int32(i) % partitions, Value: []byte(value)})
	}
	return c.ProduceSync(ctx, records...).FirstErr()
}

// read reads a topic to the end that a reader of its kind can see.
func read(t *testing.T, broker *harness.Broker, topic string, partitions int32, committed bool) map[string]int {
	t.Helper()
	ctx := within(t, time.Minute)
	isolation := kgo.ReadUncommitted()
	if committed {
		isolation = kgo.ReadCommitted()
	}
	from := map[int32]kgo.Offset{}
	for p := range partitions {
		from[p] = kgo.NewOffset().AtStart()
	}
	c := client(t, broker, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}), kgo.FetchIsolationLevel(isolation), kgo.KeepControlRecords())
	admin := kadm.NewClient(c)
	ends, err := admin.ListEndOffsets(ctx, topic)
	if committed {
		ends, err = admin.ListCommittedOffsets(ctx, topic)
	}
	if err != nil {
		t.Fatal(err)
	}
	seen, at := map[string]int{}, map[int32]int64{}
	for {
		done := true
		ends.Each(func(end kadm.ListedOffset) { done = done && at[end.Partition] >= end.Offset })
		if done {
			return seen
		}
		fetches := c.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatalf("%s: %v of %v, %d values", topic, err, ends, len(seen))
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at[r.Partition] = r.Offset + 1
			if !r.Attrs.IsControl() {
				seen[string(r.Value)]++
			}
		})
	}
}

// settled waits until no transaction holds back a reader of committed records.
func settled(t *testing.T, broker *harness.Broker, limit time.Duration, topics ...string) {
	t.Helper()
	ctx := within(t, limit)
	admin := kadm.NewClient(client(t, broker))
	for {
		ends, err := admin.ListEndOffsets(ctx, topics...)
		if err != nil {
			t.Fatal(err)
		}
		stable, err := admin.ListCommittedOffsets(ctx, topics...)
		if err != nil {
			t.Fatal(err)
		}
		var held []string
		ends.Each(func(end kadm.ListedOffset) {
			if last, _ := stable.Lookup(end.Topic, end.Partition); last.Offset < end.Offset {
				held = append(held, fmt.Sprintf("%s-%d is stable to %d of %d", end.Topic, end.Partition, last.Offset, end.Offset))
			}
		})
		if len(held) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(strings.Join(held, ", "))
		case <-time.After(20 * time.Millisecond):
		}
	}
}
