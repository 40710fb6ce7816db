// Package quorum owns __cluster_metadata-0: the log of metadata records, its snapshots and quorum-state. It is a quorum of one voter: what
// is on disk is committed. Its seam for a cluster of several is Append, Committed and Epoch.
//
// Invariants: an Append is atomic (one batch, or a transaction where it is larger than one); an offset below Committed survives a power
// cut; nothing is written before Inspect has understood all that is there; a snapshot is complete and synced before the log before it goes;
// no epoch is used twice.
//
// Locks and goroutines: Quorum.appending is held over an append and guards what only appends use. Quorum.mu guards what is committed and
// is held for moments; nothing is taken under it. Two goroutines, owned by the Quorum and ended by Close: one syncs the log (appends that
// queue share one fsync), one writes snapshots and deletes what they make superfluous.
package quorum

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"ottla/metadata"
	"ottla/protocol/record"
	"ottla/storage"
	"ottla/storage/vfs"
)

// Endpoint is a listener of a voter.
type Endpoint struct {
	Name string
	Host string
	Port uint16
}

// Options configure Open. Zero sizes and times mean Kafka's defaults, but for SnapshotInterval, which 0 turns off as in Kafka.
type Options struct {
	FS          vfs.FS // nil: the real one
	Directory   string // metadata.log.dir
	NodeID      int32
	ClusterID   string
	DirectoryID [16]byte
	Endpoints   []Endpoint       // the controller's listeners, as other voters would dial them
	Now         func() time.Time // nil: time.Now
	// Found is what Inspect found in Directory, if nothing there has changed since; nil: Open inspects itself. It serves one Open.
	Found *Inspection
	// MinInSyncReplicas is min.insync.replicas of the file: a fresh log keeps it as the default of all brokers. Zero: 1.
	MinInSyncReplicas int

	SegmentBytes     int32         // metadata.log.segment.bytes
	SegmentAge       time.Duration // metadata.log.segment.ms
	RetentionBytes   int64         // metadata.max.retention.bytes; negative: no limit
	RetentionAge     time.Duration // metadata.max.retention.ms; negative: no limit
	SnapshotBytes    int64         // metadata.log.max.record.bytes.between.snapshots
	SnapshotInterval time.Duration // metadata.log.max.snapshot.interval.ms
	MaxBatchBytes    int32         // how large one batch may become before a transaction is begun; 8 MiB

	indexBytes int32 // segment.index.bytes; Kafka's default

	Events    func(Event)     // called without a lock, by any goroutine; nil: dropped
	Committed func(end int64) // called by the syncing goroutine after each commit; nil: nobody
}

func (o *Options) fillIn() {
	if o.FS == nil {
		o.FS = vfs.OS{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Events == nil {
		o.Events = func(Event) {}
	}
	if o.Committed == nil {
		o.Committed = func(int64) {}
	}
	orDefault(&o.MinInSyncReplicas, 1)
	orDefault(&o.SegmentBytes, 1<<30)
	orDefault(&o.SegmentAge, 7*24*time.Hour)
	orDefault(&o.RetentionBytes, 100<<20)
	orDefault(&o.RetentionAge, 7*24*time.Hour)
	orDefault(&o.SnapshotBytes, 20<<20)
	orDefault(&o.MaxBatchBytes, 8<<20)
	orDefault(&o.indexBytes, storage.DefaultLogConfig().SegmentIndexBytes)
}

func orDefault[T int | int32 | int64 | time.Duration](value *T, to T) {
	if *value == 0 {
		*value = to
	}
}

// Event is something an operator may want to know.
type Event struct {
	Text string
	Err  error
}

// ErrClosed tells that the Quorum was closed.
var ErrClosed = errors.New("metadata log is closed")

// log is what the Quorum needs of a storage.Log.
type log interface {
	Append(batches []byte, options storage.AppendOptions) (storage.AppendInfo, error)
	Flush(end int64) error
	EndOffset() int64
	StartOffset() int64
	SetHighWatermark(offset int64)
	DeleteRecordsBefore(offset int64) error
	DeleteOldSegments() (int, error)
	Size() (int64, error)
	Close() error
}

// Quorum is the open metadata log and its leader. All methods may be called by any goroutine.
type Quorum struct {
	options      Options
	dir          string // of the metadata log
	log          log
	epoch        int32
	kraftVersion int16
	voters       *metadata.VotersRecord
	image        *metadata.Image

	appending sync.Mutex
	level     int16 // of metadata.version after everything appended

	mu        sync.Mutex
	end       int64 // of what was appended
	committed int64
	failure   error
	changed   chan struct{} // closed and replaced when committed or failure changes
	bytes     int64         // appended since the last snapshot
	marks     []mark        // ends of appends, for those images that may become snapshots

	wake      chan struct{} // the syncing goroutine has something to do
	closing   chan struct{}
	done      sync.WaitGroup
	snapshots snapshotter
}

// mark is where an append ended: a snapshot may be made of an image that ends there.
type mark struct {
	last      int64
	timestamp int64
}

// Image is the image of everything committed when Open returned.
func (q *Quorum) Image() *metadata.Image { return q.image }

// Epoch is the leader epoch of this process.
func (q *Quorum) Epoch() int32 { return q.epoch }

// Voters are the voters that the log itself names, nil where they are those of the configuration (kraft.version 0). It must not be changed.
func (q *Quorum) Voters() *metadata.VotersRecord { return q.voters }

// EndOffset is the end (exclusive) of what was appended, committed or not.
func (q *Quorum) EndOffset() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.end
}

// Append writes records as one atomic unit. It returns the offset of the first record, and the offset at which the unit ends: an image that
// has these records is at last. The offset of a record is first plus its index. It does not wait for the disk: the records are committed
// once Committed is above last. The order of calls is the order in the log. After an error other than storage.ErrNoSpace the log takes no
// more.
func (q *Quorum) Append(records []metadata.Record) (first, last int64, err error) {
	if len(records) == 0 {
		return 0, 0, errors.New("append to the metadata log: no records")
	}
	q.appending.Lock()
	defer q.appending.Unlock()
	return q.append(records)
}

func (q *Quorum) append(records []metadata.Record) (first, last int64, err error) {
	if err := q.failed(); err != nil {
		return 0, 0, err
	}
	values, level, err := encodeRecords(records, q.level)
	if err != nil {
		return 0, 0, fmt.Errorf("append to the metadata log: %w", err)
	}
	groups := splitValues(values, int(q.options.MaxBatchBytes))
	begin := int64(0) // records before the first one of the caller
	if len(groups) > 1 && !isTransaction(records) {
		if !metadata.TransactionsSupported(q.level) {
			return 0, 0, fmt.Errorf("append to the metadata log: %d records do not fit into one batch, and metadata.version %d has no transactions",
				len(records), q.level)
		}
		values = inTransaction(values)
		groups, begin = splitValues(values, int(q.options.MaxBatchBytes)), transactionPrefix
	}
	q.mu.Lock()
	start := q.end
	q.mu.Unlock()
	if err := q.write(groups, start); err != nil {
		return 0, 0, err
	}
	q.level = level
	return start + begin, start + int64(len(values)) - 1, nil
}

// transactionPrefix is how many records stand before the first one of a transaction.
const transactionPrefix = 2

// inTransaction puts encoded records into a transaction. A NoOpRecord comes first: Apache Kafka cannot load a log in which a transaction
// begins right behind a snapshot.
func inTransaction(values [][]byte) [][]byte {
	framed := make([][]byte, 0, transactionPrefix+len(values)+1)
	framed = append(framed, metadata.EncodeRecord(nil, &metadata.NoOpRecord{}, 0),
		metadata.EncodeRecord(nil, &metadata.BeginTransactionRecord{}, 0))
	framed = append(framed, values...)
	return append(framed, metadata.EncodeRecord(nil, &metadata.EndTransactionRecord{}, 0))
}

// isTransaction tells whether records bring their own transaction.
func isTransaction(records []metadata.Record) bool {
	_, ok := records[0].(*metadata.BeginTransactionRecord)
	return ok
}

// write appends batches. A failure behind the first one leaves half a transaction, which the next start aborts; so the log has failed then.
func (q *Quorum) write(groups [][][]byte, start int64) error {
	timestamp := q.options.Now().UnixMilli()
	offset, size := start, 0
	for i, group := range groups {
		batch := dataBatch(offset, q.epoch, timestamp, group)
		if err := q.writeBatch(batch); err != nil {
			if i > 0 || !errors.Is(err, storage.ErrNoSpace) {
				q.fail(err)
			}
			return err
		}
		offset, size = batch.NextOffset(), size+len(batch)
	}
	q.appended(offset, timestamp, size)
	return nil
}

func (q *Quorum) writeBatch(batch record.Batch) error {
	want := batch.BaseOffset()
	info, err := q.log.Append(batch, storage.AppendOptions{LeaderEpoch: q.epoch, Origin: storage.OriginRaft, DeferFlush: true})
	if err != nil {
		return fmt.Errorf("append to the metadata log: %w", err)
	}
	if info.BaseOffset != want {
		panic(fmt.Sprintf("BUG: the metadata log put a batch at offset %d, not %d", info.BaseOffset, want))
	}
	return nil
}

// appended tells that the log ends at end now.
func (q *Quorum) appended(end, timestamp int64, size int) {
	q.mu.Lock()
	q.end = end
	q.bytes += int64(size)
	q.marks = append(q.marks, mark{end - 1, timestamp})
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default: // it will look at the end anyway
	}
}

// sync is the goroutine that commits.
func (q *Quorum) sync() {
	defer q.done.Done()
	for {
		select {
		case <-q.wake:
			q.commit()
		case <-q.closing:
			q.commit()
			return
		}
	}
}

// commit makes everything appended so far durable.
func (q *Quorum) commit() {
	q.mu.Lock()
	end, done := q.end, q.end == q.committed || q.failure != nil
	q.mu.Unlock()
	if done {
		return
	}
	if err := q.log.Flush(end); err != nil {
		q.fail(fmt.Errorf("sync the metadata log: %w", err))
		return
	}
	q.log.SetHighWatermark(end)
	q.mu.Lock()
	q.committed = end
	q.broadcast()
	q.mu.Unlock()
	q.options.Committed(end)
}

// broadcast wakes those who wait; mu is held.
func (q *Quorum) broadcast() {
	close(q.changed)
	q.changed = make(chan struct{})
}

func (q *Quorum) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.failure == nil {
		q.failure = err
		q.broadcast()
	}
}

func (q *Quorum) failed() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.failure
}

// Committed is the end (exclusive) of what survives a power cut.
func (q *Quorum) Committed() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.committed
}

// WaitCommitted returns when the record at offset is committed. An error other than the context's means that the log has failed or was
// closed: the process must end.
func (q *Quorum) WaitCommitted(ctx context.Context, offset int64) error {
	for {
		q.mu.Lock()
		committed, failure, changed := q.committed, q.failure, q.changed
		q.mu.Unlock()
		if committed > offset {
			return nil
		}
		if failure != nil {
			return failure
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close syncs what was appended, ends the goroutines and closes the log as a clean stop does.
func (q *Quorum) Close() error {
	q.appending.Lock()
	defer q.appending.Unlock()
	if err := q.failed(); errors.Is(err, ErrClosed) {
		return nil
	}
	close(q.closing)
	q.done.Wait()
	failure := q.failed()
	q.fail(ErrClosed)
	if err := q.log.Close(); failure == nil && err != nil {
		failure = fmt.Errorf("close the metadata log: %w", err)
	}
	q.mu.Lock()
	q.failure = ErrClosed
	q.mu.Unlock()
	return failure
}
