package transaction

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/coordinator"
)

// How long to wait before what failed is tried again: twice as long each time.
const (
	firstBackoff = 20 * time.Millisecond
	lastBackoff  = time.Second
)

// Marker ends a producer's transaction in a partition.
type Marker struct {
	ProducerID       int64
	Epoch            int16
	Commit           bool
	CoordinatorEpoch int32
	// Version is the transaction version that the transaction was made with.
	Version int16
}

// MarkerWriter writes markers into the partitions of this cluster.
type MarkerWriter interface {
	// WriteMarker returns when the marker is committed, or cannot be: with
	// UNKNOWN_TOPIC_OR_PARTITION if the partition is gone for good.
	WriteMarker(ctx context.Context, partition Partition, marker Marker) *kerr.Error
}

// shardHost writes the markers of one shard.
type shardHost struct {
	service   *Service
	partition int32
	ctx       context.Context
	cancel    context.CancelFunc
	// waiting counts what runs; it is added to on the shard alone.
	waiting sync.WaitGroup
}

func newShardHost(s *Service, partition int32) *shardHost {
	h := &shardHost{service: s, partition: partition}
	h.ctx, h.cancel = context.WithCancel(s.ctx)
	return h
}

// Level implements Host.
func (h *shardHost) Level() int16 { return h.service.options.Level() }

// Prepared implements Host.
func (h *shardHost) Prepared(t Transaction) { h.start(func() { h.finish(t) }) }

// TimedOut implements Host.
func (h *shardHost) TimedOut(t Transaction) {
	h.start(func() {
		newID, err := h.service.options.NewProducerID(h.ctx)
		if err != nil {
			return // the transaction times out again
		}
		h.run(func(m *Machine) coordinator.Result { return m.Abort(t, newID) })
	})
}

// Ended implements Host.
func (h *shardHost) Ended() {
	h.cancel()
	h.waiting.Wait()
}

func (h *shardHost) start(work func()) {
	h.waiting.Add(1)
	go func() {
		defer h.waiting.Done()
		work()
	}()
}

// finish writes the markers of a prepared transaction until all are there, and
// then completes it.
func (h *shardHost) finish(t Transaction) {
	marker := Marker{
		ProducerID: t.ProducerID, Epoch: t.Epoch, Commit: t.Commit(),
		CoordinatorEpoch: h.service.epoch(h.partition), Version: t.ClientVersion,
	}
	left := append([]Partition(nil), t.Partitions...)
	for wait := firstBackoff; ; wait = min(2*wait, lastBackoff) {
		var ok bool
		if left, ok = h.write(left, marker); !ok {
			return
		}
		if len(left) == 0 {
			break
		}
		if !h.sleep(wait) {
			return
		}
	}
	for wait := firstBackoff; ; wait = min(2*wait, lastBackoff) {
		failure := h.run(func(m *Machine) coordinator.Result { return m.Complete(t) })
		if failure == nil || failure == kerr.NotCoordinator || !h.sleep(wait) {
			return
		}
	}
}

// write writes a marker to each partition and returns those it has to go to
// again; false: another coordinator has taken over, or the shard has ended.
//
// A partition with a higher epoch of this producer has seen the end of this
// transaction already, or was made since.
func (h *shardHost) write(partitions []Partition, marker Marker) (left []Partition, ok bool) {
	for _, p := range partitions {
		if h.ctx.Err() != nil {
			return nil, false
		}
		switch h.service.options.Markers.WriteMarker(h.ctx, p, marker) {
		case nil, kerr.UnknownTopicOrPartition, kerr.InvalidProducerEpoch:
		case kerr.TransactionCoordinatorFenced:
			return nil, false
		default:
			left = append(left, p)
		}
	}
	return left, true
}

// run runs an operation on the shard and waits for it.
func (h *shardHost) run(operation func(m *Machine) coordinator.Result) *kerr.Error {
	outcome := make(chan *kerr.Error, 1)
	tell := func(failure *kerr.Error) { outcome <- failure }
	h.service.runtime.Serve(h.partition, func(m *Machine) coordinator.Result {
		result := operation(m)
		inner := result.Done
		result.Done = func(failure *kerr.Error) {
			if inner != nil {
				inner(failure)
			}
			tell(failure)
		}
		return result
	}, tell)
	select {
	case failure := <-outcome:
		return failure
	case <-h.ctx.Done():
		return kerr.NotCoordinator
	}
}

func (h *shardHost) sleep(wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-h.ctx.Done():
		return false
	}
}
