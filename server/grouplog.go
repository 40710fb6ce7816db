package server

import (
	"context"
	"math"
	"sync"

	"ottla/protocol/record"
	"ottla/replica"
	"ottla/storage"
)

// shardLog is the log of a coordinator's shard: one partition, in the leader
// epoch that the shard was started for.
type shardLog struct {
	partition *replica.Partition
	epoch     int32
	// ctx ends the waits for the high watermark, which waiting counts.
	ctx     context.Context
	waiting *sync.WaitGroup
}

// Append appends a batch of the coordinator.
func (l *shardLog) Append(batch []byte) (int64, error) {
	return l.append(batch, replica.AppendRequest{})
}

// AppendTransactional appends a batch of a transaction that was verified.
func (l *shardLog) AppendTransactional(batch []byte, verification uint64) (int64, error) {
	return l.append(batch, replica.AppendRequest{Verify: true, Verification: verification})
}

// AppendMarker appends the marker of a transaction.
func (l *shardLog) AppendMarker(batch []byte, version int16) (int64, error) {
	return l.append(batch, replica.AppendRequest{TransactionVersion: version})
}

func (l *shardLog) append(batch []byte, request replica.AppendRequest) (int64, error) {
	request.Acks, request.LeaderEpoch, request.Origin = replica.AcksAll, l.epoch, storage.OriginCoordinator
	info, err := l.partition.Append(batch, request)
	if err != nil {
		return 0, err
	}
	return info.LastOffset + 1, nil
}

// Syncs tells whether flush.messages is set.
func (l *shardLog) Syncs() bool {
	config := l.partition.Config()
	return config != nil && config.Log.FlushMessages < math.MaxInt64
}

// Read reads whole batches, to the log's end.
func (l *shardLog) Read(offset int64, maxBytes int) ([]byte, error) {
	var result replica.ReadResult
	err := l.partition.Read(&replica.ReadRequest{
		Offset: offset, MaxBytes: maxBytes, MinOneMessage: true, Isolation: replica.ReadLogEnd,
		LeaderEpoch: l.epoch, LastFetchedEpoch: replica.NoLeaderEpoch,
	}, &result)
	defer result.Region.Release()
	if err != nil || result.Region.Len() == 0 {
		return nil, err
	}
	bytes := make([]byte, result.Region.Len())
	if err := result.Region.ReadAll(bytes); err != nil {
		return nil, err
	}
	return wholeBatches(bytes), nil
}

// wholeBatches cuts off a last batch that is not whole.
func wholeBatches(bytes []byte) []byte {
	whole := 0
	for rest := bytes; len(rest) > 0; {
		batch, _, next, err := record.NextFrame(rest)
		if err != nil {
			break
		}
		whole += len(batch)
		rest = next
	}
	return bytes[:whole]
}

// StartOffset is the log start offset.
func (l *shardLog) StartOffset() int64 { return l.partition.LogStartOffset() }

// EndOffset is the log end offset.
func (l *shardLog) EndOffset() int64 { return l.partition.LogEndOffset() }

// MaxBatchBytes is the topic's max.message.bytes.
func (l *shardLog) MaxBatchBytes() int {
	if config := l.partition.Config(); config != nil {
		return int(config.Log.MaxMessageBytes)
	}
	return 0
}

// WhenCommitted calls notify once the high watermark has reached end. With one
// replica it has, as a rule, before this is asked.
func (l *shardLog) WhenCommitted(end int64, notify func()) bool {
	if l.partition.HighWatermark() >= end {
		return false
	}
	l.waiting.Add(1)
	go func() {
		defer l.waiting.Done()
		waiter := replica.NewWaiter()
		var registration replica.Registration
		defer registration.Cancel()
		for {
			waiter.Arm(1)
			waiter.Register(&registration, l.partition)
			if l.partition.HighWatermark() >= end {
				notify()
				return
			}
			if !waiter.Sleep(l.ctx, math.MaxInt64, 0) {
				return
			}
		}
	}()
	return true
}
