package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// startRows are about starts, and about memory of a server that does nothing.
func startRows() []Row {
	empty := Row{
		Name:  "start-empty",
		Title: "start on an empty directory",
		Settings: "until the first answer (ApiVersions), and until Metadata names the broker; memory at rest five seconds later; Apache Kafka's directory is " +
			"formatted before, which is not counted, while Ottla formats its own at the start",
		Goals: []Goal{atMost("first answer ms", 50, None)},
		Own:   true, NoWarmUp: true, Without: []Kind{Floor},
		Run: emptyStart,
	}
	return []Row{
		empty,
		onDisk(empty),
		{
			Name:  "start-10gb",
			Title: "start with 10 GB in 1,000 partitions, after a clean stop and after kill -9",
			Settings: "10 MB a partition in 64 × 1 KB batches, written through the subject itself; the files are read once before each start, so that the disk is " +
				"not what is measured; medians of three starts each, but of one of Apache Kafka's, which take long; before each start after kill -9 the checkpoint files are put back to what the first " +
				"kill -9 left, for a start moves the recovery points",
			Goals: []Goal{
				atMost("clean: first answer s", 0.3, None),
				atMost("clean: all served s", 0.2, Kafka),
				atMost("kill -9: all served s", 1, Kafka),
			},
			Disk: true, Own: true, NoWarmUp: true, Rounds: 1, Without: []Kind{Floor}, Bytes: 12 << 30,
			Run: bigStart,
		},
	}
}

// emptyStart measures a first start.
func emptyStart(ctx context.Context, s *Subject) (Measurement, error) {
	if err := s.Format(ctx); err != nil {
		return nil, err
	}
	began := time.Now()
	answered, err := s.Start(ctx)
	if err != nil {
		return nil, err
	}
	c, err := dial(s.Address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	metadata := kmsg.NewPtrMetadataRequest()
	metadata.Version = 8
	err = until("Metadata names the broker", time.Millisecond, func() (bool, error) {
		answer, err := ask[*kmsg.MetadataResponse](c, metadata)
		return err == nil && len(answer.Brokers) == 1 && answer.ControllerID >= 0, err
	})
	if err != nil {
		return nil, err
	}
	known := time.Since(began)
	atStart, err := s.Usage()
	if err != nil {
		return nil, err
	}
	if err := rest(ctx, s.Duration(5*time.Second)); err != nil {
		return nil, err
	}
	used, err := s.Usage()
	return Measurement{}.With("first answer ms", milliseconds(answered)).With("broker in its metadata ms", milliseconds(known)).
		With("CPU s until then", atStart.CPU.Seconds()).With("resident MB at rest", megabytes(used.Resident)), err
}

// bigStart measures starts with much data.
func bigStart(ctx context.Context, s *Subject) (Measurement, error) {
	const topic = "big"
	repeats := 3
	if s.Kind == Kafka {
		repeats = 1
	}
	partitions := s.Count(1000, 10)
	if err := formatAndStart(ctx, s); err != nil {
		return nil, err
	}
	if err := createTopic(s, topic, partitions); err != nil {
		return nil, err
	}
	began := time.Now()
	const batches = 150
	if err := fill(ctx, s.Address, topic, partitions, batches); err != nil {
		return nil, err
	}
	m := Measurement{}.With("filled s", time.Since(began).Seconds())
	records := int64(partitions) * batches * 64
	if err := s.Kill(); err != nil {
		return nil, err
	}
	checkpoints, err := keepCheckpoints(s.Data)
	if err != nil {
		return nil, err
	}
	stop := func() error {
		_, err := s.Stop()
		return err
	}
	starts := func(name string, before func() error, after func() error) error {
		figures := map[string][]float64{}
		for i := range repeats {
			if err := errors.Join(before(), readAll(s.Data)); err != nil {
				return err
			}
			once, err := restart(ctx, s, topic, partitions, records)
			if err != nil {
				return err
			}
			for _, figure := range once {
				figures[figure.Quantity] = append(figures[figure.Quantity], figure.Value)
			}
			if i == repeats-1 {
				after = stop
			}
			if err := after(); err != nil {
				return err
			}
		}
		m = m.With(name+": first answer s", median(figures["start: first answer s"])).
			With(name+": all served s", median(figures["start: all served s"])).With(name+": CPU s", median(figures["start: CPU s"]))
		return nil
	}
	if err := starts("kill -9", checkpoints.restore, s.Kill); err != nil {
		return nil, err
	}
	return m, starts("clean", func() error { return nil }, stop)
}

// fill writes as many batches of 64 records of 1 KB to each partition of a topic.
func fill(ctx context.Context, address, topic string, partitions, batches int) error {
	const workers = 4
	return together(workers, func(worker int) error {
		c, err := dial(address)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		batch := plainSource().batch(64, 1024)
		var mine []int32
		for id := int32(worker); id < int32(partitions); id += workers {
			mine = append(mine, id)
		}
		// Requests of some megabytes, over all partitions in turn, as many producers would mix them.
		for range batches {
			if err := ctx.Err(); err != nil {
				return err
			}
			for i := 0; i < len(mine); i += 50 {
				if err := c.produce(producing(nil, topic, batch, mine[i:min(i+50, len(mine))]...), passing); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// checkpointFiles are the small files of a log directory that say from where a start must look.
type checkpointFiles struct {
	directory string
	contents  map[string][]byte
}

// keepCheckpoints reads the checkpoint files of a log directory; one that is missing is kept as missing.
func keepCheckpoints(directory string) (checkpointFiles, error) {
	kept := checkpointFiles{directory, map[string][]byte{}}
	for _, name := range []string{"recovery-point-offset-checkpoint", "log-start-offset-checkpoint", "replication-offset-checkpoint", ".kafka_cleanshutdown"} {
		content, err := os.ReadFile(filepath.Join(directory, name))
		if err != nil && !os.IsNotExist(err) {
			return kept, err
		}
		if err != nil {
			content = nil
		}
		kept.contents[name] = content
	}
	if kept.contents[".kafka_cleanshutdown"] != nil {
		return kept, fmt.Errorf("%s was stopped cleanly", directory)
	}
	return kept, nil
}

// restore puts the files back.
func (k checkpointFiles) restore() error {
	for name, content := range k.contents {
		path := filepath.Join(k.directory, name)
		if content == nil {
			if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
				return err
			}
			continue
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// readAll reads every segment below a directory, so that the page cache holds it. Indexes are left out: while a server
// runs they have room in front, which is not on the disk but would take up the cache.
func readAll(directory string) error {
	buffer := make([]byte, 1<<20)
	return filepath.WalkDir(directory, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || filepath.Ext(path) != ".log" {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		for {
			if n, err := file.Read(buffer); n == 0 || err != nil {
				return nil
			}
		}
	})
}
