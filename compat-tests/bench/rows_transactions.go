package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// transactionRows are about transactions as clients of Kafka 4 make them (transaction.version 2).
func transactionRows() []Row {
	var rows []Row
	for _, producers := range []int{1, 16} {
		rows = append(rows, Row{
			Name:  fmt.Sprintf("transactions-%d", producers),
			Title: fmt.Sprintf("transactions of 10 records, producers side by side: %d", producers),
			Settings: "each producer has its transactional id, connection and partition; a transaction is one Produce of a batch of ten records of 100 bytes, " +
				"acks=all, and an EndTxn, whose epoch the next one takes; an error that passes by is tried again after 20 ms, as Java's producer does (Apache Kafka's broker waits as long by itself " +
				"where a transaction begins before the markers of the one before are written); 10 s",
			Without: []Kind{Floor},
			Run: func(ctx context.Context, s *Subject) (Measurement, error) {
				return transactions(ctx, s, producers)
			},
		})
	}
	return append(rows, Row{
		Name:  "read-committed",
		Title: "fetch with read_committed and with read_uncommitted",
		Settings: "1 GB of 64 × 1 KB batches in 8 partitions, written in transactions of 4 batches to each of two partitions, every tenth aborted; read back " +
			"over 4 connections three times with either isolation level, after once to warm up, without looking into the records",
		Without: []Kind{Floor},
		Run:     readCommitted,
	})
}

// transactor is a transactional producer.
type transactor struct {
	*conn
	name   string
	source batchSource
	// again counts requests that were sent again.
	again int
}

// newTransactor connects and initialises a transactional id.
func newTransactor(address, name string) (*transactor, error) {
	c, err := dial(address)
	if err != nil {
		return nil, err
	}
	t := &transactor{conn: c, name: name}
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.Version, find.CoordinatorKey, find.CoordinatorType = 2, name, 1
	err = until("a transaction coordinator", 5*time.Millisecond, func() (bool, error) {
		found, err := ask[*kmsg.FindCoordinatorResponse](c, find)
		return err == nil && found.ErrorCode == 0, err
	})
	if err != nil {
		return nil, err
	}
	request := kmsg.NewPtrInitProducerIDRequest()
	request.Version, request.TransactionalID, request.TransactionTimeoutMillis = 5, &name, 60_000
	return t, until("a producer id", 5*time.Millisecond, func() (bool, error) {
		answer, err := ask[*kmsg.InitProducerIDResponse](c, request)
		if err != nil {
			return false, err
		}
		if err := kerr.ErrorForCode(answer.ErrorCode); kerr.IsRetriable(err) {
			return false, nil
		} else if err != nil {
			return false, err
		}
		t.source = batchSource{answer.ProducerID, answer.ProducerEpoch, 0}
		return true, nil
	})
}

// passing is how long a producer waits before it sends again what met an error that passes by.
const passing = 20 * time.Millisecond

// send produces a batch of n records to some partitions within the transaction.
func (t *transactor) send(topic string, batch []byte, n int, partitions ...int32) error {
	t.source.stamp(batch)
	tries := 0
	err := until("a transactional produce", passing, func() (bool, error) {
		tries++
		answer, err := ask[*kmsg.ProduceResponse](t.conn, producing(&t.name, topic, batch, partitions...))
		if err != nil {
			return false, err
		}
		done := true
		for _, part := range answer.Topics {
			for _, partition := range part.Partitions {
				err := kerr.ErrorForCode(partition.ErrorCode)
				if err != nil && !kerr.IsRetriable(err) && err != kerr.ConcurrentTransactions {
					return false, fmt.Errorf("produce in a transaction: %w", err)
				}
				done = done && err == nil
			}
		}
		return done, nil
	})
	t.again += tries - 1
	t.source.sequence += int32(n)
	return err
}

// finish commits or aborts the transaction and takes up the epoch of the next one.
func (t *transactor) finish(commit bool) error {
	request := kmsg.NewPtrEndTxnRequest()
	request.Version, request.TransactionalID, request.ProducerID, request.ProducerEpoch, request.Commit = 5, t.name, t.source.id, t.source.epoch, commit
	tries := 0
	err := until("the end of a transaction", passing, func() (bool, error) {
		tries++
		answer, err := ask[*kmsg.EndTxnResponse](t.conn, request)
		if err != nil {
			return false, err
		}
		if err := kerr.ErrorForCode(answer.ErrorCode); kerr.IsRetriable(err) {
			return false, nil
		} else if err != nil {
			return false, fmt.Errorf("end of a transaction: %w", err)
		}
		t.source = batchSource{answer.ProducerID, answer.ProducerEpoch, 0}
		return true, nil
	})
	t.again += tries - 1
	return err
}

// transactions measures short transactions of some producers.
func transactions(ctx context.Context, s *Subject, producers int) (Measurement, error) {
	topic := fmt.Sprintf("transactions-%d", time.Now().UnixNano())
	if err := createTopic(s, topic, producers); err != nil {
		return nil, err
	}
	defer func() { _ = deleteTopic(s, topic) }()
	all := make([]*transactor, producers)
	for i := range all {
		t, err := newTransactor(s.Address, fmt.Sprintf("%s-%d", topic, i))
		if err != nil {
			return nil, err
		}
		defer func() { _ = t.Close() }()
		all[i] = t
	}
	times := make([][]time.Duration, producers)
	window, err := s.Open()
	if err != nil {
		return nil, err
	}
	end := time.Now().Add(s.Duration(10 * time.Second))
	err = together(producers, func(i int) error {
		batch := plainSource().batch(10, 100)
		for time.Now().Before(end) && ctx.Err() == nil {
			began := time.Now()
			if err := all[i].send(topic, batch, 10, int32(i)); err != nil {
				return err
			}
			if err := all[i].finish(true); err != nil {
				return err
			}
			times[i] = append(times[i], time.Since(began))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	spent, err := window.Close()
	if err != nil {
		return nil, err
	}
	var joined []time.Duration
	again := 0
	for i, some := range times {
		joined = append(joined, some...)
		again += all[i].again
	}
	count := float64(len(joined))
	return Measurement{}.With("CPU ms each", milliseconds(spent.CPU)/count).With("transactions/s", count/spent.Wall.Seconds()).
		With("generator CPU ms each", milliseconds(spent.Generator)/count).With("sent again each", float64(again)/count).withLatencies(joined), nil
}

// readCommitted measures both isolation levels on the same data.
func readCommitted(_ context.Context, s *Subject) (Measurement, error) {
	const partitions = 8
	topic := fmt.Sprintf("committed-%d", time.Now().UnixNano())
	if err := createTopic(s, topic, partitions); err != nil {
		return nil, err
	}
	defer func() { _ = deleteTopic(s, topic) }()
	if err := fillInTransactions(s, topic, partitions, s.Count(1_000_000_000, 8_000_000)); err != nil {
		return nil, err
	}
	if err := s.settled(topic, partitions); err != nil {
		return nil, err
	}
	m := Measurement{}
	// The first reading is not counted: files are opened, and a Java machine compiles.
	if _, err := readTopic(s.Address, topic, partitions, 1); err != nil {
		return nil, err
	}
	for isolation, name := range []string{"read_uncommitted", "read_committed"} {
		window, err := s.Open()
		if err != nil {
			return nil, err
		}
		var bytes, aborted int64
		for range 3 {
			read, err := readTopic(s.Address, topic, partitions, int8(isolation))
			if err != nil {
				return nil, err
			}
			bytes, aborted = bytes+read.bytes, read.aborted
		}
		spent, err := window.Close()
		if err != nil {
			return nil, err
		}
		m = m.With(name+": CPU s/GB", spent.CPU.Seconds()*1e9/float64(bytes)).With(name+": MB/s", megabytes(bytes)/spent.Wall.Seconds()).
			With(name+": aborted transactions named", float64(aborted))
	}
	return m, nil
}

// fillInTransactions writes about so many bytes.
func fillInTransactions(s *Subject, topic string, partitions, bytes int) error {
	const producers, batches, records = 4, 4, 64
	return together(producers, func(i int) error {
		t, err := newTransactor(s.Address, fmt.Sprintf("%s-%d", topic, i))
		if err != nil {
			return err
		}
		defer func() { _ = t.Close() }()
		batch := plainSource().batch(records, 1024)
		for n := range max(bytes/producers/(2*batches*len(batch)), 2) {
			for range batches {
				if err := t.send(topic, batch, records, int32(i), int32((i+producers)%partitions)); err != nil {
					return err
				}
			}
			if err := t.finish((n+1)%10 != 0); err != nil {
				return err
			}
		}
		return nil
	})
}

// settled waits until no transaction is open in a topic: the last stable offsets are the ends.
func (s *Subject) settled(topic string, partitions int) error {
	c, err := dial(s.Address)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	return until("the end of all transactions in "+topic, 10*time.Millisecond, func() (bool, error) {
		request := polling(topic, partitions, 0)
		request.MaxBytes = 1
		answer, err := ask[*kmsg.FetchResponse](c, request)
		if err != nil {
			return false, err
		}
		settled := 0
		for _, part := range answer.Topics {
			for _, partition := range part.Partitions {
				if partition.ErrorCode == 0 && partition.LastStableOffset == partition.HighWatermark {
					settled++
				}
			}
		}
		return settled == partitions, nil
	})
}

// reading is what a reader of a topic saw.
type reading struct{ bytes, aborted int64 }

// readTopic reads a topic from its beginning to its end over four connections.
func readTopic(address, topic string, partitions int, isolation int8) (reading, error) {
	const readers = 4
	var bytes, aborted atomic.Int64
	err := together(readers, func(i int) error {
		c, err := dial(address)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		request := polling(topic, 0, 0)
		request.IsolationLevel = isolation
		for id := int32(i); id < int32(partitions); id += readers {
			partition := kmsg.NewFetchRequestTopicPartition()
			partition.Partition, partition.PartitionMaxBytes, partition.CurrentLeaderEpoch = id, 1<<20, -1
			request.Topics[0].Partitions = append(request.Topics[0].Partitions, partition)
		}
		for {
			answer, err := ask[*kmsg.FetchResponse](c, request)
			if err != nil {
				return err
			}
			n, names, err := advance(request, answer)
			if err != nil || n == 0 {
				return err
			}
			bytes.Add(n)
			aborted.Add(names)
		}
	})
	return reading{bytes.Load(), aborted.Load()}, err
}

// advance moves a Fetch behind the whole batches that its answer holds. It returns their bytes, and how many aborted
// transactions the answer names.
func advance(request *kmsg.FetchRequest, answer *kmsg.FetchResponse) (bytes, aborted int64, err error) {
	offsets := map[int32]*int64{}
	for i := range request.Topics[0].Partitions {
		partition := &request.Topics[0].Partitions[i]
		offsets[partition.Partition] = &partition.FetchOffset
	}
	for _, part := range answer.Topics {
		for _, partition := range part.Partitions {
			if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
				return 0, 0, err
			}
			aborted += int64(len(partition.AbortedTransactions))
			for rest := partition.RecordBatches; len(rest) >= 61; {
				size := int(binary.BigEndian.Uint32(rest[8:])) + 12
				if size > len(rest) {
					break
				}
				*offsets[partition.Partition] = int64(binary.BigEndian.Uint64(rest)) + int64(binary.BigEndian.Uint32(rest[23:])) + 1
				bytes += int64(size)
				rest = rest[size:]
			}
		}
	}
	return bytes, aborted, nil
}
