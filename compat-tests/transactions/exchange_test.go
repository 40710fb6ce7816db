package transactions

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/compat-tests/harness"
)

// TestServersTakeOverFromEachOther changes the server on one directory, in both
// directions: each knows the other's transactional ids, finishes what is open, and
// gives the same records to those who read committed ones.
func TestServersTakeOverFromEachOther(t *testing.T) {
	directory := t.TempDir()
	properties := []string{
		"transaction.state.log.num.partitions=4", "offsets.topic.num.partitions=4", "transaction.abort.timed.out.transaction.cleanup.interval.ms=500",
	}
	start := func(round int) *harness.Broker {
		options := harness.Options{Properties: properties, Directory: directory}
		if round%2 == 0 {
			return harness.StartOttla(t, options)
		}
		return harness.StartKafka(t, version, options)
	}
	committed := map[string]int{}
	for round := range 3 {
		broker := start(round)
		if round == 0 {
			create(t, broker, 2, "t")
		}
		ctx := within(t, 2*time.Minute)
		// The one that the server before has left open is aborted, by its timeout.
		settled(t, broker, time.Minute, "t")
		if seen := read(t, broker, "t", 2, true); !maps.Equal(seen, committed) {
			t.Fatalf("round %d, %s: %v, want %v", round, broker.Name, seen, committed)
		}
		checkIDs(t, broker, round)
		c := client(t, broker, kgo.TransactionalID("kept"))
		for n, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
			if err := c.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			values := []string{fmt.Sprintf("%d of transaction %d of round %d", 0, n, round), fmt.Sprintf("%d of transaction %d of round %d", 1, n, round)}
			if err := write(ctx, c, "t", 2, values...); err != nil {
				t.Fatal(err)
			}
			if err := c.EndTransaction(ctx, end); err != nil {
				t.Fatal(err)
			}
			for _, value := range values {
				if end == kgo.TryCommit {
					committed[value]++
				}
			}
		}
		left := client(t, broker, kgo.TransactionalID("left"), kgo.TransactionTimeout(2*time.Second))
		if err := left.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := write(ctx, left, "t", 2, "left open", "left open"); err != nil {
			t.Fatal(err)
		}
		c.CloseAllowingRebalance()
		left.CloseAllowingRebalance()
		broker.Stop()
	}
}

// checkIDs holds what the server knows of the ids against what was done with them.
func checkIDs(t *testing.T, broker *harness.Broker, round int) {
	t.Helper()
	if round == 0 {
		return
	}
	described, err := kadm.NewClient(client(t, broker)).DescribeTransactions(within(t, time.Minute), "kept", "left")
	if err != nil {
		t.Fatal(err)
	}
	if got := described["kept"]; got.Err != nil || got.State != "CompleteCommit" {
		t.Errorf("round %d, %s: %+v", round, broker.Name, got)
	}
	if got := described["left"]; got.Err != nil || got.State != "CompleteAbort" {
		t.Errorf("round %d, %s: %+v", round, broker.Name, got)
	}
}
