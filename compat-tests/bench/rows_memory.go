package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// memoryRows are the rows about memory under full load.
func memoryRows() []Row {
	const length = 15 * time.Second
	return []Row{{
		Name:  "memory",
		Title: "memory while producing and fetching at full speed",
		Settings: fmt.Sprintf("a server of its own that has just started; 4 connections produce batches of %d x 1 KB, 4 in flight each, while 4 consumers "+
			"read; the topic keeps 256 MiB; %v, or as long as -memory says; resident memory is read 10 times a second, the slope is that of its second half",
			batchRecords, length),
		Goals:      []Goal{atMost("peak MB", 150, None)},
		Own:        true,
		Properties: []string{"log.retention.check.interval.ms=2000", "log.segment.bytes=33554432"},
		Without:    []Kind{Floor},
		Rounds:     1, NoWarmUp: true,
		Run: func(ctx context.Context, s *Subject) (Measurement, error) {
			if err := formatAndStart(ctx, s); err != nil {
				return nil, err
			}
			long := s.Duration(length)
			if s.Memory > 0 {
				long = s.Memory
			}
			return runMemory(ctx, s, long)
		},
	}}
}

func runMemory(ctx context.Context, s *Subject, long time.Duration) (Measurement, error) {
	const topic = "bench-memory"
	batch, err := recordBatch(batchRecords, recordBytes, plain, time.Now().UnixMilli())
	if err != nil {
		return nil, err
	}
	if err := createTopic(s, topic, loadPartitions, "retention.bytes", fmt.Sprint(256<<20/loadPartitions)); err != nil {
		return nil, err
	}
	watch := watchMemory(s)
	var p produced
	var f fetched
	parts := []func() error{
		func() (err error) {
			p, err = produceLoad{topic: topic, partitions: loadPartitions, connections: 4, inFlight: 4, batch: batch, duration: long}.run(ctx, s)
			return err
		},
		func() (err error) {
			f, err = fetchLoad{topic: topic, partitions: loadPartitions, consumers: 4, duration: long, follow: true}.run(ctx, s)
			return err
		},
	}
	err = together(len(parts), func(i int) error { return parts[i]() })
	seconds, resident, err2 := watch()
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	usage, err := s.Usage()
	if err != nil {
		return nil, err
	}
	half := len(seconds) / 2
	peak := float64(usage.Peak)
	for _, r := range resident {
		peak = max(peak, r)
	}
	return Measurement{}.With("peak MB", peak/1e6).With("slope MB/min", slope(seconds[half:], resident[half:])*60/1e6).
		With("last MB", resident[len(resident)-1]/1e6).With("produced MB/s", float64(p.requests)*batchRecords*recordBytes/1e6/p.spent.Wall.Seconds()).
		With("fetched MB/s", float64(f.bytes)/1e6/f.spent.Wall.Seconds()), nil
}

// watchMemory reads the subject's resident memory ten times a second until the returned function is called, which
// returns the seconds and the bytes of all readings: one at least.
func watchMemory(s *Subject) (stop func() (seconds, resident []float64, err error)) {
	var seconds, resident []float64
	var failed error
	done, ended := make(chan struct{}), make(chan struct{})
	began := time.Now()
	read := func() {
		usage, err := s.Usage()
		if err != nil {
			failed = err
			return
		}
		seconds, resident = append(seconds, time.Since(began).Seconds()), append(resident, float64(usage.Resident))
	}
	go func() {
		defer close(ended)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			read()
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	return func() ([]float64, []float64, error) {
		close(done)
		<-ended
		if failed == nil && len(resident) == 0 {
			failed = errors.New("memory was never read")
		}
		return seconds, resident, failed
	}
}
