package main

import (
	"context"
	"fmt"
	"time"
)

const (
	fetchTopic = "bench-fetch"
	// fetchBytes is how much there is to fetch.
	fetchBytes = int64(1) << 30
)

// fetchRows are the rows about reading what was produced.
func fetchRows() []Row {
	return []Row{
		fetchRow("fetch", 1, atMost("CPU s/GB", 1.1, Kafka)),
		fetchRow("fetch-10", 10, atMost("CPU s/GB", 1.1, Kafka)),
		onDisk(fetchRow("fetch", 1)),
	}
}

func fetchRow(name string, consumers int, goals ...Goal) Row {
	many := "one consumer"
	if consumers > 1 {
		many = fmt.Sprintf("%d consumers, each reading all", consumers)
	}
	return Row{
		Name:  name,
		Title: fmt.Sprintf("fetch what was produced, %s", many),
		Settings: fmt.Sprintf("batches of %d x 1 KB, not compressed; a topic of %d GiB in %d partitions, in the page cache, read from its beginning "+
			"again and again; one connection a consumer, one request in flight, 1 MiB a partition; %v", batchRecords, fetchBytes>>30, loadPartitions, loadLength),
		Goals: goals,
		Remark: "within the noise of the goal: over nine rounds 0.232 CPU s/GB against Apache Kafka's 0.210 with one consumer, 0.137 against 0.134 with ten; " +
			"the floor needed 0.210 and 0.117. A run is of one of two kinds, for every subject: slower and cheaper, or a fifth faster and up to a third dearer. " +
			"A profile (perf, share of Ottla's CPU): sendfile 53 %, the Go runtime's watch over calls 22 %, since the first call after a pause wakes it and each " +
			"filling of the socket's buffer is such a call, search for work 14 %. Tried: sendfile without MSG_MORE before it (half of the CPU, kept); " +
			"calls of sendfile that the runtime does not know of (a tenth less, but a page that is not in memory would hold up the collector, and to ask for it " +
			"first disturbs the system's reading ahead: not kept); socket.send.buffer.bytes=204800, for Ottla alone (with one consumer 2.7 GB/s instead of 1.7, and a " +
			"third less CPU in three of four runs, with ten no difference; measured here is what the stock file says, 102400); more and fewer goroutines at " +
			"once (no difference).",
		Prepare: fillFetchTopic,
		Run: func(ctx context.Context, s *Subject) (Measurement, error) {
			load := fetchLoad{topic: fetchTopic, partitions: loadPartitions, consumers: consumers, duration: s.Duration(loadLength)}
			f, err := load.run(ctx, s)
			if err != nil {
				return nil, err
			}
			return perGB(f.spent, float64(f.bytes)/1e9).With("requests", float64(f.requests)).
				With("resident MB", megabytes(f.spent.Peak)), nil
		},
	}
}

// fillFetchTopic writes what is fetched, once a subject: the rows share it.
func fillFetchTopic(ctx context.Context, s *Subject) error {
	return s.once(fetchTopic, func() error {
		if err := createTopic(s, fetchTopic, loadPartitions); err != nil {
			return err
		}
		batch, err := recordBatch(batchRecords, recordBytes, plain, time.Now().UnixMilli())
		if err != nil {
			return err
		}
		// One connection goes round the partitions, so that all become equally long.
		load := produceLoad{
			topic: fetchTopic, partitions: loadPartitions, connections: 1, inFlight: 5, batch: batch,
			duration: time.Minute, most: max(int64(float64(fetchBytes)*s.Scale), int64(loadPartitions*len(batch))),
		}
		_, err = load.run(ctx, s)
		return err
	})
}
