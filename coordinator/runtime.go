// Package coordinator runs state machines that live on a log.
package coordinator

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Record is what a machine wants written: a key and a value, nil for a tombstone.
type Record struct {
	Key   []byte
	Value []byte
}

// Replayed is a record that goes into the machine's state.
type Replayed struct {
	Record
	// Offset is its place in the log; −1 while it is not written yet.
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
	// or nil if it changed nothing. A record that it cannot understand changes
	// nothing and is counted by the machine.
	Replay(replayed Replayed) (undo func())
	// ReplayMarker ends the pending transaction of a producer.
	ReplayMarker(producerID int64, producerEpoch int16, commit bool) (undo func())
	// Loaded is called once, after the whole log was replayed. What it returns
	// is written like an operation's result.
	Loaded() Result
	// Unloaded is called once, when the shard stops: whoever waits for an answer
	// of the machine gets NOT_COORDINATOR.
	Unloaded()
}

// Result is what an operation wants done.
type Result struct {
	// Records are written together or not at all.
	Records []Record
	// Soft says that the machine has the records' effect in its soft state
	// already; they are not replayed now.
	Soft bool
	// Done is called by the shard when the records are committed (nil) or could
	// not be; with no records, when all that was written before is committed.
	// Further records of its Result are written next.
	Done func(failure *kerr.Error) Result
}

// Timers is what a machine asks to be called later with. A timer belongs to the
// shard and dies with it.
type Timers interface {
	// Schedule calls the operation on the shard after the delay, instead of
	// what the key stood for before.
	Schedule(key string, delay time.Duration, operation func() Result)
	// Cancel forgets the key.
	Cancel(key string)
}

// Options are what a Runtime needs.
type Options[M Machine] struct {
	// New makes the empty machine of a partition.
	New func(partition int32, timers Timers) M
	// Now is the clock of record timestamps.
	Now func() time.Time
	// Translate gives the answer for an error of the Log that is no *kerr.Error.
	Translate func(error) *kerr.Error
	// CommitTimeout bounds the wait for the high watermark (offsets.commit.timeout.ms).
	CommitTimeout time.Duration
	// LoadBytes is how much is read at once while loading (offsets.load.buffer.size).
	LoadBytes int
	// QueueLimit bounds the operations that wait for one shard; beyond it they
	// are answered COORDINATOR_NOT_AVAILABLE.
	QueueLimit int
	// MaxDecompressedBytes bounds what one batch may unpack to while loading.
	MaxDecompressedBytes int64
	// Events is told what an operator may want to know; may be nil.
	Events func(Event)
}

// Event is a change that an operator may want to read of.
type Event struct {
	Partition int32
	// Kind is what happened: "loading", "loaded", "load failed", "stopped", "append failed".
	Kind     string
	Err      error
	Records  int64
	Skipped  int64
	Offset   int64
	End      int64
	Duration time.Duration
}

// Runtime runs the shards.
type Runtime[M Machine] struct{}

// New makes a runtime without shards.
func New[M Machine](options Options[M]) *Runtime[M] { panic("BUG: not written") }

// Start begins to load the partition's log, in the background, and then serves it.
func (r *Runtime[M]) Start(partition int32, leaderEpoch int32, log Log) {}

// Stop unloads a partition.
func (r *Runtime[M]) Stop(partition int32) {}

// Write schedules an operation; failed is called instead if it cannot run.
func (r *Runtime[M]) Write(partition int32, operation func(M) Result, failed func(*kerr.Error)) {}

// Read schedules a look at the state; the function it returns is called when
// what was seen is committed.
func (r *Runtime[M]) Read(partition int32, look func(M) func(), failed func(*kerr.Error)) {}

// Close stops every shard and waits for its goroutines.
func (r *Runtime[M]) Close(ctx context.Context) error { return nil }
