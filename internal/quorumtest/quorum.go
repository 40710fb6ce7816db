// Package quorumtest is a log of metadata records in memory, for tests: what is
// appended is kept, and committed at once or when the test says so.
package quorumtest

import (
	"context"
	"errors"
	"sync"

	"ottla/metadata"
)

// Quorum is the log. Its methods may be called by any goroutine; mu guards the
// fields.
type Quorum struct {
	mu        sync.Mutex
	changed   *sync.Cond
	base      *metadata.Image
	records   []metadata.Record
	batches   []int // how many records each Append had
	committed int64
	held      bool
	failure   error
	snapshots int
}

// New is a log that begins behind an image.
func New(base *metadata.Image) *Quorum {
	q := &Quorum{base: base, committed: base.Offset() + 1}
	q.changed = sync.NewCond(&q.mu)
	return q
}

// Fresh is a log that begins behind the records of a fresh format.
func Fresh(clusterID string, records ...metadata.Record) *Quorum {
	delta := metadata.NewDelta(metadata.NewImage(clusterID))
	levels := []metadata.Record{
		&metadata.FeatureLevelRecord{Name: "metadata.version", FeatureLevel: 30},
		&metadata.FeatureLevelRecord{Name: "eligible.leader.replicas.version", FeatureLevel: 1},
		&metadata.FeatureLevelRecord{Name: "group.version", FeatureLevel: 1},
		&metadata.FeatureLevelRecord{Name: "share.version", FeatureLevel: 1},
		&metadata.FeatureLevelRecord{Name: "streams.version", FeatureLevel: 1},
		&metadata.FeatureLevelRecord{Name: "transaction.version", FeatureLevel: 2},
		&metadata.ConfigRecord{ResourceType: metadata.ResourceBroker, Name: "min.insync.replicas", Value: new("1")},
	}
	for _, record := range append(levels, records...) {
		if err := delta.Replay(record); err != nil {
			panic("BUG: " + err.Error())
		}
	}
	return New(delta.Apply(int64(len(levels)+len(records))-1, 1))
}

// Image is where the log begins.
func (q *Quorum) Image() *metadata.Image { return q.base }

// Append keeps the records.
func (q *Quorum) Append(records []metadata.Record) (first, last int64, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.failure != nil {
		return 0, 0, q.failure
	}
	if len(records) == 0 {
		return 0, 0, errors.New("nothing to append")
	}
	first = q.base.Offset() + 1 + int64(len(q.records))
	q.records = append(q.records, records...)
	q.batches = append(q.batches, len(records))
	last = first + int64(len(records)) - 1
	if !q.held {
		q.committed = last + 1
	}
	return first, last, nil
}

// Committed is the end of what is committed.
func (q *Quorum) Committed() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.committed
}

// WaitCommitted waits until the record at offset is committed, or the log fails.
func (q *Quorum) WaitCommitted(ctx context.Context, offset int64) error {
	stop := context.AfterFunc(ctx, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.changed.Broadcast()
	})
	defer stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.committed <= offset && q.failure == nil && ctx.Err() == nil {
		q.changed.Wait()
	}
	if q.failure != nil {
		return q.failure
	}
	return ctx.Err()
}

// Epoch is 1.
func (q *Quorum) Epoch() int32 { return 1 }

// Snapshot counts.
func (q *Quorum) Snapshot(*metadata.Image) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.snapshots++
}

// Hold keeps what is appended from being committed until Release.
func (q *Quorum) Hold() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held = true
}

// Release commits everything.
func (q *Quorum) Release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held = false
	q.committed = q.base.Offset() + 1 + int64(len(q.records))
	q.changed.Broadcast()
}

// Fail makes every call fail from now on.
func (q *Quorum) Fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.failure = err
	q.changed.Broadcast()
}

// Records are all that were appended, and the sizes of the batches.
func (q *Quorum) Records() (records []metadata.Record, batches []int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]metadata.Record(nil), q.records...), append([]int(nil), q.batches...)
}

// Replayed is the image that the log gives when all of it is replayed.
func (q *Quorum) Replayed() (*metadata.Image, error) {
	records, _ := q.Records()
	delta := metadata.NewDelta(q.base)
	for _, record := range records {
		if err := delta.Replay(record); err != nil {
			return nil, err
		}
	}
	return delta.Apply(q.base.Offset()+int64(len(records)), 1), nil
}
