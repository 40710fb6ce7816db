package durability

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/compat-tests/harness"
)

const (
	topic      = "ledger"
	partitions = 4
)

// history is what the producer was told: for each partition the values acknowledged, and how many were sent.
type history struct {
	mutex        sync.Mutex
	acknowledged [partitions][]int64
	sent         [partitions]int64
	failures     []error
}

// produce writes rising numbers to every partition until stop, a bounded number in flight.
func produce(ctx context.Context, client *kgo.Client, h *history, stop *atomic.Bool) {
	inFlight := make(chan struct{}, 512)
	for n := int64(0); !stop.Load(); n++ {
		for partition := range int32(partitions) {
			inFlight <- struct{}{}
			value := binary.BigEndian.AppendUint64(nil, uint64(n))
			h.mutex.Lock()
			h.sent[partition] = n + 1
			h.mutex.Unlock()
			client.Produce(ctx, &kgo.Record{Topic: topic, Partition: partition, Value: value}, func(r *kgo.Record, err error) {
				defer func() { <-inFlight }()
				h.mutex.Lock()
				defer h.mutex.Unlock()
				if err != nil {
					h.failures = append(h.failures, err)
					return
				}
				h.acknowledged[r.Partition] = append(h.acknowledged[r.Partition], int64(binary.BigEndian.Uint64(r.Value)))
			})
		}
	}
	for range cap(inFlight) {
		inFlight <- struct{}{}
	}
}

// read returns every value of the topic in log order, by partition.
func read(t *testing.T, address string) [partitions][]int64 {
	t.Helper()
	offsets := map[string]map[int32]kgo.Offset{topic: {}}
	for partition := range int32(partitions) {
		offsets[topic][partition] = kgo.NewOffset().AtStart()
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ConsumePartitions(offsets))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var values [partitions][]int64
	var ends [partitions]int64
	for partition := range ends {
		ends[partition] = endOffset(t, client, int32(partition))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for {
		complete := true
		for partition := range ends {
			complete = complete && int64(len(values[partition])) >= ends[partition]
		}
		if complete {
			return values
		}
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset != int64(len(values[r.Partition])) {
				t.Fatalf("partition %d: offset %d follows offset %d", r.Partition, r.Offset, len(values[r.Partition])-1)
			}
			values[r.Partition] = append(values[r.Partition], int64(binary.BigEndian.Uint64(r.Value)))
		})
	}
}

// verify holds the log against what the producer was told.
func (h *history) verify(t *testing.T, values [partitions][]int64) (total int) {
	t.Helper()
	for _, err := range h.failures {
		t.Fatalf("an idempotent producer that retries for ever was refused: %v", err)
	}
	for partition := range values {
		total += len(values[partition])
		// Once each and in order: the numbers of a partition rise by one from 0, so the log must be 0, 1, 2, …
		for i, value := range values[partition] {
			if value != int64(i) {
				t.Fatalf("partition %d: value %d stands at offset %d: lost, repeated or out of order", partition, value, i)
			}
		}
		if have, want := len(values[partition]), len(h.acknowledged[partition]); have < want {
			t.Fatalf("partition %d: %d records, but %d were acknowledged", partition, have, want)
		}
	}
	return total
}

// campaign kills and restarts the broker until done says so, under load, and verifies the log at the end.
func campaign(t *testing.T, done func(kills int) bool) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	b := harness.StartOttla(t, harness.Options{Properties: []string{"log.segment.bytes=1048576", "num.partitions=4"}})
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Address), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.AllowAutoTopicCreation(), kgo.RecordRetries(1<<30), kgo.RetryTimeout(time.Hour), kgo.ProducerLinger(0),
		kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }), kgo.MetadataMinAge(20*time.Millisecond),
		kgo.UnknownTopicRetries(-1))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var h history
	var stop atomic.Bool
	var producer sync.WaitGroup
	producer.Go(func() { produce(t.Context(), client, &h, &stop) })
	kills := 0
	for ; !done(kills); kills++ {
		time.Sleep(time.Duration(50+random.IntN(250)) * time.Millisecond)
		b.Kill()
		if kills == 10 {
			damageIndexes(t, b.Data)
		}
		b.Start()
	}
	stop.Store(true)
	producer.Wait()
	b.Kill()
	b.Start()
	total := h.verify(t, read(t, b.Address))
	t.Logf("%d kills, %d records, each there once", kills, total)
	if total < kills*partitions {
		t.Fatalf("only %d records in %d kills: the campaign tested nothing", total, kills)
	}
}

func TestKillFiftyTimes(t *testing.T) {
	kills := 50
	if testing.Short() {
		kills = 5
	}
	campaign(t, func(n int) bool { return n == kills })
}

func TestSoakKills(t *testing.T) {
	end := time.Now().Add(harness.Soak(t))
	campaign(t, func(int) bool { return time.Now().After(end) })
}

// damageIndexes cuts some index files and fills others with garbage.
func damageIndexes(t *testing.T, data string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(data, topic+"-*", "*index"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no index files to damage: %v", err)
	}
	for i, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		switch i % 3 {
		case 0:
			err = os.Truncate(file, info.Size()/2+1)
		case 1:
			err = os.WriteFile(file, []byte(fmt.Sprintf("%0256d", i)), 0o644)
		case 2:
			err = os.Remove(file)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
