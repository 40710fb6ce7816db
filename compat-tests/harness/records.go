package harness

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Client returns a client of the broker that is closed when the test ends and sits out a broker that is away.
func Client(t testing.TB, b *Broker, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(b.Address), kgo.RecordRetries(1 << 30), kgo.RetryTimeout(time.Minute), kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// CreateTopics creates topics of that many partitions.
func CreateTopics(t testing.TB, b *Broker, partitions int32, configs map[string]*string, topics ...string) {
	t.Helper()
	answers, err := kadm.NewClient(Client(t, b)).CreateTopics(context.Background(), partitions, 1, configs, topics...)
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		t.Fatalf("create %v: %v", topics, err)
	}
}

// Read returns the committed records of a topic that are there now, each partition's in the order of offsets. While
// transactions are open it may return fewer: the last record before the first open transaction may belong to an aborted one.
func Read(t testing.TB, b *Broker, topic string) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	admin := kadm.NewClient(Client(t, b))
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	ends, err := admin.ListCommittedOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	// A control record is kept to see the end: the last offset may be a marker's.
	open, from := map[int32]int64{}, map[int32]kgo.Offset{}
	ends.Each(func(end kadm.ListedOffset) {
		start, _ := starts.Lookup(topic, end.Partition)
		if end.Err != nil || start.Err != nil {
			t.Fatalf("offsets of %s-%d: %v, %v", topic, end.Partition, start.Err, end.Err)
		}
		if end.Offset > start.Offset {
			open[end.Partition], from[end.Partition] = end.Offset, kgo.NewOffset().At(start.Offset)
		}
	})
	var records []*kgo.Record
	if len(open) == 0 {
		return nil
	}
	client := Client(t, b, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}), kgo.KeepControlRecords(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond))
	for len(open) > 0 {
		fetches := poll(ctx, client)
		if fetches.NumRecords() == 0 {
			return records
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if end, wanted := open[r.Partition]; wanted && r.Offset < end {
				if !r.Attrs.IsControl() {
					records = append(records, r)
				}
				if r.Offset == end-1 {
					delete(open, r.Partition)
				}
			}
		})
	}
	return records
}

// poll returns what comes within seconds.
func poll(ctx context.Context, client *kgo.Client) kgo.Fetches {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return client.PollFetches(ctx)
}
