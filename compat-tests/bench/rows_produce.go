package main

import (
	"context"
	"fmt"
	"time"
)

const (
	// batchRecords records of recordBytes make the batches of the rows about throughput.
	batchRecords = 64
	recordBytes  = 1024
	// loadPartitions is how many partitions their topics have.
	loadPartitions = 8
	// loadLength is how long one measured run takes.
	loadLength = 3 * time.Second
	// loadBytes is the most that one run writes.
	loadBytes = int64(2) << 30
)

// produceRows are the rows about appending.
func produceRows() []Row {
	return []Row{
		produceRow("produce", plain, atMost("CPU s/GB", 1.5, Floor), atMost("CPU s/GB", .5, Kafka)),
		produceRow("produce-lz4", lz4, atMost("CPU s/GB", .5, Kafka)),
		produceRow("produce-snappy", snappy, atMost("CPU s/GB", .5, Kafka)),
		produceRow("produce-zstd", zstd, atMost("CPU s/GB", 1, Kafka)),
		produceRow("produce-gzip", gzip, atMost("CPU s/GB", 1, Kafka)),
		onDisk(produceRow("produce", plain)),
		smallRow(),
	}
}

// onDisk is a row once more, with its data on disk, for the record.
func onDisk(row Row) Row {
	row.Name += "-disk"
	row.Title += ", data on disk"
	row.Disk, row.Goals, row.Rounds = true, nil, 1
	return row
}

func produceRow(name string, compression codec, goals ...Goal) Row {
	return Row{
		Name:  name,
		Title: fmt.Sprintf("produce batches of %d x 1 KB, compression %s", batchRecords, compression),
		Settings: fmt.Sprintf("acks=all; 4 connections with 5 requests in flight each, one batch a request; one topic of %d partitions; %v, at most "+
			"%d GiB; GB are of record values before compression", loadPartitions, loadLength, loadBytes>>30),
		Goals: goals, Writes: loadBytes,
		Run: func(ctx context.Context, s *Subject) (Measurement, error) {
			return runProduce(ctx, s, "bench-"+name, compression)
		},
	}
}

func runProduce(ctx context.Context, s *Subject, topic string, compression codec) (m Measurement, err error) {
	batch, err := recordBatch(batchRecords, recordBytes, compression, time.Now().UnixMilli())
	if err != nil {
		return nil, err
	}
	err = withTopic(s, topic, loadPartitions, func() error {
		load := produceLoad{
			topic: topic, partitions: loadPartitions, connections: 4, inFlight: 5, batch: batch,
			duration: s.Duration(loadLength), most: loadBytes,
		}
		p, err := load.run(ctx, s)
		if err != nil {
			return err
		}
		gb := float64(p.requests) * batchRecords * recordBytes / 1e9
		m = perGB(p.spent, gb).With("requests", float64(p.requests)).
			With("batch kB", float64(len(batch))/1000).withLatencies(p.latencies).With("resident MB", megabytes(p.spent.Peak))
		return nil
	})
	return m, err
}

// withTopic makes a topic for the time of a function.
func withTopic(s *Subject, topic string, partitions int, work func() error, configs ...string) error {
	if err := createTopic(s, topic, partitions, configs...); err != nil {
		return fmt.Errorf("create %s: %w", topic, err)
	}
	err := work()
	if gone := deleteTopic(s, topic); err == nil && gone != nil {
		err = fmt.Errorf("delete %s: %w", topic, gone)
	}
	return err
}

// perGB begins the measurement of work that is told in GB.
func perGB(spent Spent, gb float64) Measurement {
	return Measurement{}.With("CPU s/GB", spent.CPU.Seconds()/gb).With("MB/s", gb*1000/spent.Wall.Seconds()).
		With("generator CPU s/GB", spent.Generator.Seconds()/gb).With("GB", gb)
}

func megabytes(bytes int64) float64 { return float64(bytes) / 1e6 }

// smallRow sends the smallest useful requests.
func smallRow() Row {
	const connections = 32
	return Row{
		Name:     "requests",
		Title:    "produce requests of one record of 100 bytes",
		Settings: fmt.Sprintf("acks=all; %d connections with one request in flight each; one topic of %d partitions; %v", connections, connections, loadLength),
		Goals:    []Goal{atMost("CPU s/M requests", 2, Floor), atMost("CPU s/M requests", .5, Kafka), atLeast("requests/s", 1.5, Kafka)},
		Run: func(ctx context.Context, s *Subject) (m Measurement, err error) {
			batch, err := recordBatch(1, 100, plain, time.Now().UnixMilli())
			if err != nil {
				return nil, err
			}
			err = withTopic(s, "bench-requests", connections, func() error {
				load := produceLoad{
					topic: "bench-requests", partitions: connections, connections: connections, inFlight: 1, batch: batch,
					duration: s.Duration(loadLength),
				}
				p, err := load.run(ctx, s)
				if err != nil {
					return err
				}
				millions := float64(p.requests) / 1e6
				m = Measurement{}.With("CPU s/M requests", p.spent.CPU.Seconds()/millions).
					With("requests/s", float64(p.requests)/p.spent.Wall.Seconds()).
					With("generator CPU s/M requests", p.spent.Generator.Seconds()/millions).withLatencies(p.latencies)
				return nil
			})
			return m, err
		},
	}
}
