package coordinator

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/protocol/record"
)

// Record is what a machine wants written: a key and a value, nil for a tombstone.
type Record struct {
	Key   []byte
	Value []byte
}

// Replayed is a record that goes into the machine's state. While loading, its
// bytes are valid during the call only.
type Replayed struct {
	Record
	// Offset is its place in the log.
	Offset int64
	// ProducerID is that of the transaction the record belongs to, −1 without one.
	ProducerID    int64
	ProducerEpoch int16
	// Timestamp is that of the record, in milliseconds.
	Timestamp int64
}

// Machine is the state of one shard. One goroutine at a time calls it.
type Machine interface {
	// Replay folds a record into the hard state and returns what takes it back,
	// or nil if it changed nothing. A record that it cannot use changes nothing;
	// ok is then false and the loader counts it.
	Replay(replayed Replayed) (undo func(), ok bool)
	// ReplayMarker ends the pending transaction of a producer. It is called
	// while loading.
	ReplayMarker(producerID int64, producerEpoch int16, commit bool)
	// Loaded is called once, after the whole log was replayed and before the
	// first operation.
	Loaded()
	// Unloaded is called once, when the shard ends: whoever waits for an answer
	// that only the machine knows of gets NOT_COORDINATOR.
	Unloaded()
}

// Result is what an operation wants done.
type Result struct {
	// Records are written together or not at all, unless Split.
	Records []Record
	// Split lets the records go in several batches where one would be too large.
	Split bool
	// Soft says that the machine has the records' effect in its soft state
	// already: they are not replayed, and Done takes back what it must.
	Soft bool
	// Transaction makes the records part of a producer's transaction, in batches
	// of their own; nil without one.
	Transaction *Transaction
	// Done is called on the shard when the records are committed (nil) or could
	// not be; without records, when all that was written before is committed. It
	// must not block. May be nil.
	Done func(failure *kerr.Error)
}

// Transaction is a producer's, as seen by a log that takes part in it.
type Transaction struct {
	ProducerID    int64
	ProducerEpoch int16
	// Verification is what a TransactionalLog gave when the transaction was
	// verified, 0 without one.
	Verification uint64
}

// Marker ends a producer's transaction.
type Marker struct {
	ProducerID       int64
	ProducerEpoch    int16
	Commit           bool
	CoordinatorEpoch int32
	// Version is the transaction version of the transaction (KIP-890).
	Version int16
}

// Timers is what a machine asks to be called later with. A timer belongs to the
// shard and dies with it.
type Timers interface {
	// Schedule runs the operation on the shard after the delay, instead of what
	// the key stood for before.
	Schedule(key string, delay time.Duration, operation func() Result)
	// Cancel forgets the key.
	Cancel(key string)
}

// Options are what a Runtime needs.
type Options[M Machine] struct {
	// New makes the empty machine of a partition.
	New func(partition int32, timers Timers) M
	// Now is the clock of the records' timestamps.
	Now func() time.Time
	// Translate gives the answer for an error of the Log that is no *kerr.Error.
	Translate func(error) *kerr.Error
	// CommitTimeout bounds the wait for the high watermark; 0 is no bound.
	CommitTimeout time.Duration
	// LoadBytes is how much is read at once while loading.
	LoadBytes int
	// Loaders is how many shards load at once.
	Loaders int
	// QueueLimit bounds the operations that wait for one shard; beyond it they
	// are answered COORDINATOR_NOT_AVAILABLE, after which clients try again.
	QueueLimit int
	// Codec compresses the batches.
	Codec record.Codec
	// BaseSequence is that of batches which belong to no producer. To readers it
	// means nothing; Apache Kafka's groups write 0, its transactions −1.
	BaseSequence int32
	// Limits bound what decompression of a batch may use while loading.
	Limits record.Limits
	// Events is told what an operator may want to know; may be nil. It must not block.
	Events func(Event)
}

// EventKind is what happened to a shard.
type EventKind uint8

const (
	// Loading tells how far a load is; the first at its start, then every few seconds.
	Loading EventKind = iota
	// Loaded tells that a shard serves.
	Loaded
	// LoadFailed tells that a shard cannot serve: its log could not be read.
	LoadFailed
	// Stopped tells that a shard ended.
	Stopped
	// AppendFailed tells that operations failed because their batch could not be written.
	AppendFailed
	// OutOfSync tells that someone else wrote to the log, so the shard loads again.
	OutOfSync
)

// Event is a change that an operator may want to read of.
type Event struct {
	Partition int32
	Kind      EventKind
	Err       error
	// Records were replayed; Skipped of them could not be used.
	Records, Skipped int64
	// Offset of End is how far a load is.
	Offset, End int64
	Duration    time.Duration
}

// Defaults of the Options that are bounds of our own.
const (
	DefaultQueueLimit = 10_000
	DefaultLoaders    = 4
	DefaultLoadBytes  = 5 << 20
)

// progressInterval is how often a load tells how far it is.
const progressInterval = 5 * time.Second

// Runtime runs the shards. All methods may be called by any goroutine; none waits, Serve and Close apart.
type Runtime[M Machine] struct {
	options Options[M]
	slots   chan struct{}

	lock   sync.Mutex
	shards map[int32]*shard[M]
	// living has also those shards that were replaced or stopped and have not ended.
	living map[*shard[M]]struct{}
	closed bool
}

// New makes a runtime without shards.
func New[M Machine](options Options[M]) *Runtime[M] {
	if options.New == nil || options.Now == nil {
		panic("BUG: a coordinator without a machine or a clock")
	}
	if options.QueueLimit <= 0 {
		options.QueueLimit = DefaultQueueLimit
	}
	if options.Loaders <= 0 {
		options.Loaders = DefaultLoaders
	}
	if options.LoadBytes <= 0 {
		options.LoadBytes = DefaultLoadBytes
	}
	return &Runtime[M]{
		options: options,
		slots:   make(chan struct{}, options.Loaders),
		shards:  map[int32]*shard[M]{},
		living:  map[*shard[M]]struct{}{},
	}
}

// Start begins to load the partition's log, in the background, and then serves
// it. A shard that is there in the same or an older leader epoch stays and takes
// over the epoch, unless its load had failed; an epoch that is older than the
// shard's is ignored, as news that comes late.
func (r *Runtime[M]) Start(partition int32, leaderEpoch int32, log Log) {
	r.lock.Lock()
	defer r.lock.Unlock()
	if r.closed {
		return
	}
	existing := r.shards[partition]
	if existing != nil && existing.keep(leaderEpoch) {
		return
	}
	r.start(newShard(r, partition, leaderEpoch, log, existing))
}

// start makes the shard the partition's. The lock is held.
func (r *Runtime[M]) start(next *shard[M]) {
	r.shards[next.partition] = next
	r.living[next] = struct{}{}
	go next.load()
}

// Stop unloads a partition, unless it was started in a later leader epoch; −1
// unloads it in any case.
func (r *Runtime[M]) Stop(partition int32, leaderEpoch int32) {
	if existing := r.shard(partition); existing != nil {
		existing.stop(leaderEpoch)
	}
}

// Run puts an operation into the partition's queue. If it cannot run, failed is
// called instead, at once or later: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS
// or COORDINATOR_NOT_AVAILABLE.
func (r *Runtime[M]) Run(partition int32, operation func(M) Result, failed func(*kerr.Error)) {
	if existing := r.shard(partition); existing != nil {
		existing.enqueue(queued[M]{run: operation, failed: failed})
		return
	}
	failed(kerr.NotCoordinator)
}

// Serve is Run for a caller that may wait for a write to the log and holds no lock
// that an operation, Done or failed takes: it runs the operation itself where nobody
// else runs the shard, unless the log would have it wait for a disk, when others'
// operations are better gathered behind it.
func (r *Runtime[M]) Serve(partition int32, operation func(M) Result, failed func(*kerr.Error)) {
	if existing := r.shard(partition); existing != nil {
		existing.serve(queued[M]{run: operation, failed: failed})
		return
	}
	failed(kerr.NotCoordinator)
}

func (r *Runtime[M]) shard(partition int32) *shard[M] {
	r.lock.Lock()
	defer r.lock.Unlock()
	return r.shards[partition]
}

// EndTransaction writes a marker into the partition's log, after all that was
// written before, and tells the machine of it. done is called as Result.Done is,
// or with what Run would tell.
func (r *Runtime[M]) EndTransaction(partition int32, marker Marker, done func(*kerr.Error)) {
	existing := r.shard(partition)
	if existing == nil {
		done(kerr.NotCoordinator)
		return
	}
	existing.enqueue(queued[M]{
		run:    func(M) Result { existing.endTransaction(marker, done); return Result{} },
		failed: done,
	})
}

// Partitions are those that have a shard, loading ones included, in ascending order.
func (r *Runtime[M]) Partitions() []int32 {
	r.lock.Lock()
	defer r.lock.Unlock()
	return slices.Sorted(maps.Keys(r.shards))
}

// Close unloads every shard and waits for their goroutines until ctx ends.
func (r *Runtime[M]) Close(ctx context.Context) error {
	r.lock.Lock()
	r.closed = true
	living := slices.Collect(maps.Keys(r.living))
	r.lock.Unlock()
	for _, s := range living {
		s.stop(anyEpoch)
	}
	for _, s := range living {
		select {
		case <-s.ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// forget takes a shard that ended out of the maps and starts its successor if
// it still is to have one.
func (r *Runtime[M]) forget(s *shard[M]) {
	r.lock.Lock()
	defer r.lock.Unlock()
	delete(r.living, s)
	if r.shards[s.partition] != s {
		return
	}
	delete(r.shards, s.partition)
	if epoch, again := s.again(); again && !r.closed {
		r.start(newShard(r, s.partition, epoch, s.log, nil))
	}
}

func (r *Runtime[M]) event(event Event) {
	if r.options.Events != nil {
		r.options.Events(event)
	}
}

// answer is what a failure of the log means to a client.
func (r *Runtime[M]) answer(err error) *kerr.Error {
	var answer *kerr.Error
	if errors.As(err, &answer) {
		return answer
	}
	if r.options.Translate != nil {
		if answer := r.options.Translate(err); answer != nil {
			return answer
		}
	}
	return kerr.KafkaStorageError
}
