package main

import (
	"context"
	"fmt"
	"time"
)

// flushRows are the rows about flush.messages=1: an answer to acks=all means that the disk has it.
func flushRows() []Row {
	return []Row{
		flushRow(1, atLeast("MB/s", 1, Kafka), atMost("p99 ms", 1, Kafka)),
		flushRow(8, atLeast("MB/s", 2, Kafka), atMost("p99 ms", .5, Kafka)),
		flushRow(64, atLeast("MB/s", 2, Kafka), atMost("p99 ms", .5, Kafka)),
	}
}

func flushRow(producers int, goals ...Goal) Row {
	const records, partitions = 16, 8
	return Row{
		Name:  fmt.Sprintf("flush-%d", producers),
		Title: fmt.Sprintf("flush.messages=1 on disk, producers: %d", producers),
		Settings: fmt.Sprintf("acks=all; one connection a producer with one request in flight: a batch of %d x 1 KB; a topic of %d partitions, the producers "+
			"spread over them; %v", records, partitions, loadLength),
		Remark: "the disk decides. Each answer waits for an fsync of its own file: data, then the inode, then a flush, one after the other. " +
			"A profile of Ottla with 8 producers (perf, share of its CPU): fsync 40 %, write 18 %, the runtime's watch over goroutines in system calls 11 %, its " +
			"search for work 11 %, sockets most of the rest. The floor, which does nothing but append, call fsync and answer, misses the goal too, by more. Tried: eight " +
			"goroutines at once instead of one a processor (110 to 136 MB/s with 8 producers, kept).",
		Goals: goals, Disk: true,
		Run: func(ctx context.Context, s *Subject) (m Measurement, err error) {
			batch, err := recordBatch(records, recordBytes, plain, time.Now().UnixMilli())
			if err != nil {
				return nil, err
			}
			topic := fmt.Sprintf("bench-flush-%d", producers)
			err = withTopic(s, topic, partitions, func() error {
				p, err := produceLoad{
					topic: topic, partitions: partitions, connections: producers, inFlight: 1, batch: batch,
					duration: s.Duration(loadLength),
				}.run(ctx, s)
				if err != nil {
					return err
				}
				gb := float64(p.requests) * records * recordBytes / 1e9
				m = Measurement{}.With("MB/s", gb*1000/p.spent.Wall.Seconds()).withLatencies(p.latencies).
					With("CPU s/GB", p.spent.CPU.Seconds()/gb).With("generator CPU s/GB", p.spent.Generator.Seconds()/gb)
				return nil
			}, "flush.messages", "1")
			return m, err
		},
	}
}
