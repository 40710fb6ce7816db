package transactions

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestCommitsAndAborts writes transactions with every codec and ends them both
// ways: who reads committed records sees the committed ones and nothing else.
func TestCommitsAndAborts(t *testing.T) {
	broker := start(t)
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	place := 0
	for protocol, options := range protocols() {
		for name, codec := range codecs {
			place++
			topic := fmt.Sprintf("t-%d", place)
			t.Run(protocol+", "+name, func(t *testing.T) {
				create(t, broker, 3, topic)
				ctx := within(t, time.Minute)
				c := client(t, broker, append(options, kgo.TransactionalID(topic), kgo.ProducerBatchCompression(codec))...)
				all, committed := map[string]int{}, map[string]int{}
				for n := range 10 {
					if err := c.BeginTransaction(); err != nil {
						t.Fatal(err)
					}
					var values []string
					for i := range 7 {
						values = append(values, fmt.Sprintf("%d of transaction %d: the same words, so that they compress", i, n))
						all[values[i]]++
					}
					if err := write(ctx, c, topic, 3, values...); err != nil {
						t.Fatal(err)
					}
					if n%3 != 1 {
						for _, value := range values {
							committed[value]++
						}
					}
					if err := c.EndTransaction(ctx, kgo.TransactionEndTry(n%3 != 1)); err != nil {
						t.Fatal(err)
					}
				}
				settled(t, broker, 20*time.Second, topic)
				if seen := read(t, broker, topic, 3, true); !maps.Equal(seen, committed) {
					t.Errorf("committed: %v, want %v", seen, committed)
				}
				if seen := read(t, broker, topic, 3, false); !maps.Equal(seen, all) {
					t.Errorf("all: %v, want %v", seen, all)
				}
			})
		}
	}
}

// TestNewProducerShutsOutTheOld: the second client with a transactional id aborts
// what the first has open, and the first cannot go on.
func TestNewProducerShutsOutTheOld(t *testing.T) {
	broker := start(t)
	place := 0
	for protocol, options := range protocols() {
		place++
		topic := fmt.Sprintf("t-%d", place)
		t.Run(protocol, func(t *testing.T) {
			create(t, broker, 1, topic)
			ctx := within(t, time.Minute)
			first := client(t, broker, append(options, kgo.TransactionalID(topic))...)
			second := client(t, broker, append(options, kgo.TransactionalID(topic))...)
			for _, c := range []*kgo.Client{first, second} {
				if err := c.BeginTransaction(); err != nil {
					t.Fatal(err)
				}
				if err := write(ctx, c, topic, 1, fmt.Sprintf("of client %t", c == first)); err != nil {
					t.Fatal(err)
				}
			}
			err := write(ctx, first, topic, 1, "late")
			if err == nil {
				err = first.EndTransaction(ctx, kgo.TryCommit)
			}
			if !errors.Is(err, kerr.ProducerFenced) && !errors.Is(err, kerr.InvalidProducerEpoch) {
				t.Errorf("the first client: %v", err)
			}
			if err := second.EndTransaction(ctx, kgo.TryCommit); err != nil {
				t.Fatal(err)
			}
			settled(t, broker, 20*time.Second, topic)
			if seen := read(t, broker, topic, 1, true); !maps.Equal(seen, map[string]int{"of client false": 1}) {
				t.Errorf("committed: %v", seen)
			}
		})
	}
}

// TestAbandonedTransactionTimesOut: one that nobody ends is aborted, so that it
// does not hold back readers for ever.
func TestAbandonedTransactionTimesOut(t *testing.T) {
	broker := start(t)
	create(t, broker, 1, "t")
	ctx := within(t, time.Minute)
	c := client(t, broker, kgo.TransactionalID("x"), kgo.TransactionTimeout(time.Second))
	if err := c.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := write(ctx, c, "t", 1, "lost"); err != nil {
		t.Fatal(err)
	}
	described, err := kadm.NewClient(client(t, broker)).DescribeTransactions(ctx, "x")
	if err != nil {
		t.Fatal(err)
	}
	if got := described["x"]; got.State != "Ongoing" || got.TimeoutMillis != 1000 || len(got.Topics) != 1 {
		t.Errorf("described as %+v", got)
	}
	settled(t, broker, 20*time.Second, "t")
	if seen := read(t, broker, "t", 1, true); len(seen) != 0 {
		t.Errorf("committed: %v", seen)
	}
	if err := c.EndTransaction(ctx, kgo.TryCommit); err == nil {
		t.Error("the abandoned transaction was committed")
	}
}
