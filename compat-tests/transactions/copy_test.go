package transactions

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/compat-tests/harness"
)

// TestCopyIsExact copies a topic to another in transactions that hold the records
// and the offsets alike, while the broker is killed over and over: what a reader of
// committed records finds is what was there, each record once.
func TestCopyIsExact(t *testing.T) {
	const count, kills = 3000, 4
	for protocol, options := range protocols() {
		t.Run(protocol, func(t *testing.T) {
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 0))
			broker := start(t)
			create(t, broker, 3, "from", "to")
			fill(t, broker, count)
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
			defer cancel()
			done := make(chan error, 2)
			for worker := range 2 {
				go func() { done <- copyAll(ctx, broker.Address, fmt.Sprintf("copier-%d", worker), options) }()
			}
			for range kills {
				time.Sleep(time.Duration(200+random.IntN(800)) * time.Millisecond)
				broker.Outage(true, 0)
			}
			for deadline := time.Now().Add(2 * time.Minute); ; {
				seen := read(t, broker, "to", 3, true)
				if len(seen) == count || time.Now().After(deadline) {
					break
				}
				time.Sleep(200 * time.Millisecond)
			}
			cancel()
			for range 2 {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
			settled(t, broker, time.Minute, "to")
			seen := read(t, broker, "to", 3, true)
			for n := range count {
				if times := seen[fmt.Sprint(n)]; times != 1 {
					t.Errorf("record %d was copied %d times", n, times)
				}
			}
			if len(seen) != count {
				t.Errorf("%d different records instead of %d", len(seen), count)
			}
		})
	}
}

func fill(t *testing.T, broker *harness.Broker, count int) {
	t.Helper()
	var values []string
	for n := range count {
		values = append(values, fmt.Sprint(n))
	}
	if err := write(within(t, time.Minute), client(t, broker), "from", 3, values...); err != nil {
		t.Fatal(err)
	}
}

// copyAll copies in transactions until ctx ends. A session that cannot go on is
// made anew, as a process that is started again would be.
func copyAll(ctx context.Context, address, id string, options []kgo.Opt) error {
	for ctx.Err() == nil {
		err := copySome(ctx, address, id, options)
		if err != nil && ctx.Err() == nil {
			var fatal *fatalError
			if errors.As(err, &fatal) {
				return fatal
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return nil
}

// fatalError is what no copier should ever meet.
type fatalError struct{ err error }

func (e *fatalError) Error() string { return e.err.Error() }

func copySome(ctx context.Context, address, id string, options []kgo.Opt) error {
	session, err := kgo.NewGroupTransactSession(append([]kgo.Opt{
		kgo.SeedBrokers(address), kgo.TransactionalID(id), kgo.ConsumerGroup("copiers"), kgo.ConsumeTopics("from"),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.SessionTimeout(6 * time.Second),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.TransactionTimeout(10 * time.Second), kgo.FetchMaxBytes(4000),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}, options...)...)
	if err != nil {
		return &fatalError{err}
	}
	defer session.Close()
	for {
		fetches := session.PollRecords(ctx, 100)
		if err := fetches.Err0(); err != nil {
			return err
		}
		if err := session.Begin(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			session.Produce(ctx, &kgo.Record{Topic: "to", Partition: r.Partition, Value: r.Value}, nil)
		})
		if _, err := session.End(ctx, kgo.TryCommit); err != nil {
			return err
		}
	}
}
