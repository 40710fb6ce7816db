// Package storage is the log engine: directories of partitions, partitions of segments, in Apache Kafka's own files. It knows offsets,
// not promises: who may append, what is committed and who waits is told to it by replica.
//
// Invariants: the end offset only moves past bytes that were written whole; what was flushed is never dropped silently (damage below
// the recovery point makes that one log fail to load); indexes, producer snapshots and the epoch cache are derived data that are rebuilt,
// never trusted; a disk that failed once is not asked again (ErrDirectoryOffline), a full one is (ErrNoSpace).
//
// Locks, in their order: a log's flusher (one fsync in flight), Log.mu (all changes of one log; held over file calls, but not over the fsync
// of an append), the checkpoints of a directory, Manager.mu (the set of logs; never held over file calls), Log.state (what readers see) and
// the file cache. Goroutines: a Manager owns one scheduler and its bounded workers and ends them in Close; a Log owns none.
package storage

import (
	"errors"
	"fmt"
	"time"

	"ottla/storage/vfs"
)

// The sentinels of the disk and of the log. Compare with errors.Is; what comes back wraps them with what was being done.
var (
	// ErrOffsetOutOfRange: the offset is below the log start offset or above the end offset.
	ErrOffsetOutOfRange = errors.New("offset is out of range")
	// ErrDirectoryOffline: a write or fsync in the log's directory failed; it is not used again until the next start.
	ErrDirectoryOffline = errors.New("log directory is offline")
	// ErrNoSpace: the disk is full. The append left no trace; it may be tried again.
	ErrNoSpace = errors.New("no space left in log directory")
	// ErrCorruptLog: damage below the recovery point, or a batch read that is not one.
	ErrCorruptLog = errors.New("log is corrupt")
	// ErrClosed: the log was closed or deleted.
	ErrClosed = errors.New("log is closed")
	// ErrExists: Create of a log that is there.
	ErrExists = errors.New("log exists already")
	// ErrNotFound: no such log.
	ErrNotFound = errors.New("log not found")
	// ErrRecordBatchTooLarge: the records of one append do not fit into a segment.
	ErrRecordBatchTooLarge = errors.New("record batches are larger than a segment")
	// ErrOutOfOrderSequence: an idempotent producer's batch does not follow its last one.
	ErrOutOfOrderSequence = errors.New("out of order sequence number")
	// ErrInvalidProducerEpoch: the batch's producer epoch is older than the last seen.
	ErrInvalidProducerEpoch = errors.New("producer epoch is older than the last seen")
	// ErrUnknownProducerID: a sequence other than 0 from a producer that is not known (only where that is an error).
	ErrUnknownProducerID = errors.New("unknown producer id")
	// ErrInvalidTxnState: the batch does not fit the producer's transaction.
	ErrInvalidTxnState = errors.New("invalid transaction state")
	// ErrTransactionCoordinatorFenced: an end marker of an older coordinator epoch.
	ErrTransactionCoordinatorFenced = errors.New("transaction coordinator is fenced")
	// ErrUnexpectedAppendOffset: a follower's batch below the end offset.
	ErrUnexpectedAppendOffset = errors.New("unexpected offset in append")
)

// TopicPartition names a log.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// String is the name of the directory: topic-partition.
func (tp TopicPartition) String() string { return fmt.Sprintf("%s-%d", tp.Topic, tp.Partition) }

// LogConfig is the part of a topic's configuration that the log obeys. Times are milliseconds, −1 means without limit where Kafka says so.
type LogConfig struct {
	SegmentBytes       int32 // segment.bytes
	SegmentMs          int64 // segment.ms
	SegmentJitterMs    int64 // segment.jitter.ms
	SegmentIndexBytes  int32 // segment.index.bytes
	IndexIntervalBytes int32 // index.interval.bytes
	RetentionBytes     int64 // retention.bytes
	RetentionMs        int64 // retention.ms
	FileDeleteDelayMs  int64 // file.delete.delay.ms
	FlushMessages      int64 // flush.messages
	FlushMs            int64 // flush.ms
	Preallocate        bool  // preallocate
	Delete             bool  // cleanup.policy contains delete
	Compact            bool  // cleanup.policy contains compact
	MaxMessageBytes    int32 // max.message.bytes: tells recovery how large a batch may be
}

// DefaultLogConfig is Kafka's default of each field.
func DefaultLogConfig() LogConfig {
	return LogConfig{
		SegmentBytes: 1 << 30, SegmentMs: 7 * 24 * 3600 * 1000, SegmentIndexBytes: 10 << 20, IndexIntervalBytes: 4096,
		RetentionBytes: -1, RetentionMs: 7 * 24 * 3600 * 1000, FileDeleteDelayMs: 60000,
		FlushMessages: 1<<63 - 1, FlushMs: 1<<63 - 1, Delete: true, MaxMessageBytes: 1048588,
	}
}

// Options configure a Manager. Zero durations and counts mean Kafka's defaults.
type Options struct {
	FS          vfs.FS // nil: the real one
	Directories []string
	NodeID      int32
	Now         func() time.Time // nil: time.Now
	Default     LogConfig        // zero: DefaultLogConfig
	// ConfigFor gives the configuration of a topic's logs at load; nil: Default. A topic that it does not know gets Default.
	ConfigFor func(topic string) LogConfig

	RecoveryThreads            int           // num.recovery.threads.per.data.dir, 2
	RecoveryPointInterval      time.Duration // log.flush.offset.checkpoint.interval.ms, 60 s
	StartOffsetInterval        time.Duration // log.flush.start.offset.checkpoint.interval.ms, 60 s
	HighWatermarkInterval      time.Duration // replica.high.watermark.checkpoint.interval.ms, 5 s
	RetentionInterval          time.Duration // log.retention.check.interval.ms, 5 min
	FlushInterval              time.Duration // log.flush.scheduler.interval.ms; a flush by FlushMs never comes sooner; 0: no bound
	InitialTaskDelay           time.Duration // log.initial.task.delay.ms, 30 s
	ProducerIDExpiration       time.Duration // producer.id.expiration.ms, 24 h
	ProducerExpirationInterval time.Duration // producer.id.expiration.check.interval.ms, 10 min
	MaxOpenFiles               int           // closed segments kept open, 1024

	// Background false turns the scheduler off (tests call RunTasks themselves); Open sets nothing by itself.
	NoBackground bool
	// BrokerEpoch is asked at a clean stop for the marker; nil: −1.
	BrokerEpoch func() int64
	// Syncs is called once, when the first append has to wait for an fsync that FlushMessages asks for. It must return soon. nil: nobody is.
	Syncs func()
	// Events receives what happened, possibly from many goroutines at once and under locks of storage: it must return soon and must not
	// call into storage. nil: dropped.
	Events func(Event)
}

// EventKind says what an Event tells.
type EventKind int

// The kinds of events. Unused fields of an Event are zero.
const (
	EventLoadStarted         EventKind = iota // Directory, Total (logs to load)
	EventLoadProgress                         // Directory, Log, Done, Total
	EventLoadFinished                         // Directory, Total, Duration
	EventLogLoadFailed                        // Log, Directory, Err: that partition is offline, others go on
	EventUncleanShutdown                      // Directory: no clean marker, logs are recovered
	EventSegmentRecovered                     // Log, Offset (base), Bytes
	EventTailTruncated                        // Log, Offset (new end), Bytes dropped
	EventIndexRebuilt                         // Log, Offset (base of the segment), Err (why)
	EventSnapshotDiscarded                    // Log, Offset, Err
	EventCheckpointDiscarded                  // Directory, File, Err: an unreadable checkpoint taken as empty
	EventSegmentRolled                        // Log, Offset (base of the new one), Duration
	EventSegmentDeleted                       // Log, Offset (base), Bytes, Reason
	EventLogCreated                           // Log, Directory
	EventLogDeleted                           // Log: renamed, files go later
	EventStray                                // Log, Directory
	EventStartOffsetMoved                     // Log, Offset, Reason
	EventDirectoryOffline                     // Directory, Err
	EventNoSpace                              // Directory, Log, Err
	EventSpaceReturned                        // Directory, Log
	EventRetentionFailed                      // Log, Err
	EventFlushSlow                            // Log, Duration: one fsync took longer than a second
)

// Event is something an operator or a counter may want to know.
type Event struct {
	Kind      EventKind
	Directory string
	Log       TopicPartition
	File      string
	Reason    string
	Offset    int64
	Bytes     int64
	Done      int
	Total     int
	Duration  time.Duration
	Err       error
}

// Origin is who made the batches of an append.
type Origin int8

const (
	// OriginClient: from a producer; sequences are checked, control batches refused.
	OriginClient Origin = iota
	// OriginCoordinator: from a coordinator of this broker: control batches allowed, sequences not checked.
	OriginCoordinator
	// OriginReplication: fetched from a leader; offsets and epochs are kept as they are.
	OriginReplication
	// OriginRaft: the metadata log's leader.
	OriginRaft
)

// AppendOptions say how to append.
type AppendOptions struct {
	LeaderEpoch int32
	Origin      Origin
	// DeferFlush: do not wait for the fsync that FlushMessages demands; the caller calls Flush(info.FlushEnd) before it answers.
	DeferFlush bool
	// TransactionVersion is that of the transaction an end marker ends (KIP-890); 2 demands that the marker's epoch is higher.
	TransactionVersion int16
	// Verify refuses a transactional batch unless its transaction is open in this log or Verification is the pass that StartVerification
	// gave for it.
	Verify       bool
	Verification uint64
}

// AppendInfo tells what an append did.
type AppendInfo struct {
	BaseOffset     int64 // of the first batch
	LastOffset     int64 // of the last record
	LogStartOffset int64
	// LogAppendTime is the max timestamp of the batches where the topic uses LogAppendTime, else −1.
	LogAppendTime int64
	MaxTimestamp  int64
	// Duplicate: the batches were in the log already; the offsets are those of the first append. Nothing was written.
	Duplicate bool
	// FlushEnd is the end offset that must be flushed before the answer; 0 if none need be.
	FlushEnd int64
}

// AbortedTransaction is an entry of Fetch's list of aborted transactions.
type AbortedTransaction struct {
	ProducerID  int64
	FirstOffset int64
	// LastOffset (of the abort marker) and LastStableOffset are what .txnindex keeps beside.
	LastOffset       int64
	LastStableOffset int64
}

// ProducerState is what is known of one producer (DescribeProducers).
type ProducerState struct {
	ProducerID            int64
	ProducerEpoch         int16
	LastSequence          int32 // −1: no batch since the epoch changed
	LastOffset            int64
	LastTimestamp         int64
	CoordinatorEpoch      int32
	CurrentTxnStartOffset int64 // −1: no transaction is open
}

// EpochEnd is the answer of EndOffsetForEpoch: the largest epoch ≤ the one asked for, and where it ends; (−1, −1) if unknown.
type EpochEnd struct {
	Epoch     int32
	EndOffset int64
}

// TimestampOffset is a record's timestamp and offset; (−1, −1) if there is none.
type TimestampOffset struct {
	Timestamp   int64
	Offset      int64
	LeaderEpoch int32 // −1 if unknown
}

// LogInfo describes a log's directory (DescribeLogDirs).
type LogInfo struct {
	TopicPartition
	Directory string
	TopicID   [16]byte
	Size      int64
}
