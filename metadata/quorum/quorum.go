// Package quorum owns __cluster_metadata-0: the log of metadata records, its snapshots and quorum-state. It is a quorum of one voter: what
// is on disk is committed. Its seam for a cluster of several is Append, Committed and Epoch.
//
// Invariants: an Append is atomic (one batch, or a transaction where it is larger than one); an offset below Committed survives a power
// cut; nothing is written before Inspect has understood all that is there; a snapshot is complete and synced before the log before it goes.
//
// Locks and goroutines: Quorum.mu guards the log's end and the state folded from it. One goroutine, owned by the Quorum and ended by Close,
// syncs the log (appends that queue share one fsync) and writes snapshots.
package quorum

import (
	"context"
	"time"

	"ottla/metadata"
	"ottla/storage/vfs"
)

// Endpoint is a listener of a voter.
type Endpoint struct {
	Name string
	Host string
	Port uint16
}

// Options configure Open. Zero sizes and times mean Kafka's defaults.
type Options struct {
	FS          vfs.FS
	Directory   string // metadata.log.dir
	NodeID      int32
	ClusterID   string
	DirectoryID [16]byte
	Endpoints   []Endpoint // the controller's listeners, as other voters would dial them
	Now         func() time.Time

	SegmentBytes     int32         // metadata.log.segment.bytes
	SegmentAge       time.Duration // metadata.log.segment.ms
	RetentionBytes   int64         // metadata.max.retention.bytes
	RetentionAge     time.Duration // metadata.max.retention.ms
	SnapshotBytes    int64         // metadata.log.max.record.bytes.between.snapshots
	SnapshotInterval time.Duration // metadata.log.max.snapshot.interval.ms
	MaxBatchBytes    int32         // how large one batch may become before a transaction is begun; 8 MiB
	Events           func(Event)   // called without a lock; nil: dropped
	Committed        func(end int64)
}

// Event is something an operator may want to know.
type Event struct {
	Text string
	Err  error
}

// Quorum is the open metadata log and its leader.
type Quorum struct{}

// Open replays the newest valid snapshot and the log behind it, raises the epoch and commits a LeaderChange. The directory must be one that
// Inspect accepts; Open inspects it again and changes nothing if it does not.
func Open(ctx context.Context, options Options) (*Quorum, error) { panic("BUG: not yet") }

// Image is the image of everything committed when Open returned.
func (q *Quorum) Image() *metadata.Image { panic("BUG: not yet") }

// Append writes records as one atomic unit and returns the offset of its first and last record; a record's offset is first plus its index
// (the markers of a transaction come before and after). It does not wait for the disk: the records are committed once Committed is above
// last. The order of calls is the order in the log.
func (q *Quorum) Append(records []metadata.Record) (first, last int64, err error) {
	panic("BUG: not yet")
}

// Committed is the end (exclusive) of what survives a power cut.
func (q *Quorum) Committed() int64 { panic("BUG: not yet") }

// WaitCommitted returns when the record at offset is committed. An error means that the log has failed: the process must end.
func (q *Quorum) WaitCommitted(ctx context.Context, offset int64) error { panic("BUG: not yet") }

// Epoch is the leader epoch of this process.
func (q *Quorum) Epoch() int32 { panic("BUG: not yet") }

// Snapshot tells that everything up to image.Offset() has been published and that the image may be written as a snapshot when one is due.
// The caller calls it after each commit; the call is cheap.
func (q *Quorum) Snapshot(image *metadata.Image) { panic("BUG: not yet") }

// Close syncs what was appended, ends the goroutine and closes the log as a clean stop does.
func (q *Quorum) Close() error { panic("BUG: not yet") }
