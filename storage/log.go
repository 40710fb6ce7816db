package storage

import (
	"ottla/storage/vfs"
)

// LogOptions open one log alone (the metadata log), outside any Manager.
type LogOptions struct {
	FS             vfs.FS
	Directory      string // the partition's directory itself
	TopicPartition TopicPartition
	TopicID        [16]byte // written to partition.metadata if the file is absent and this is not zero
	Config         LogConfig
	Manager        *Options // clocks, limits and events; Directories are not used
	// Clean: the last stop was clean; no recovery. Else RecoveryPoint says from where.
	Clean         bool
	RecoveryPoint int64
	StartOffset   int64
}

// OpenLog opens, or makes, one log. The caller flushes and closes it; nothing runs in the background.
func OpenLog(options LogOptions) (*Log, error) { panic("BUG: not yet") }

// Log is one partition on disk. All methods may be called by any goroutine.
type Log struct{}

// TopicPartition names the log.
func (l *Log) TopicPartition() TopicPartition { panic("BUG: not yet") }

// TopicID is the id in partition.metadata; zero if there is none.
func (l *Log) TopicID() [16]byte { panic("BUG: not yet") }

// SetTopicID writes partition.metadata of a log that has none; another id than the one there is an error.
func (l *Log) SetTopicID(id [16]byte) error { panic("BUG: not yet") }

// Config is the configuration in force.
func (l *Log) Config() LogConfig { panic("BUG: not yet") }

// SetConfig puts a configuration in force.
func (l *Log) SetConfig(config LogConfig) { panic("BUG: not yet") }

// Append writes whole, validated batches at the end of the log, all or nothing. Base offset and leader epoch are patched in place
// (except for OriginReplication) and the log keeps no reference to the bytes. It returns when the bytes are written, and after the fsync
// where FlushMessages asks for one (unless DeferFlush).
func (l *Log) Append(batches []byte, options AppendOptions) (AppendInfo, error) {
	panic("BUG: not yet")
}

// Read gives the bytes from the batch that contains offset up to maxBytes, none of them of a batch at or beyond end (exclusive). With
// minOneMessage the first batch is whole even if larger than maxBytes; the last one may be cut. An empty region (Len 0) needs no Release
// but allows it. ErrOffsetOutOfRange if offset is below StartOffset or above EndOffset.
func (l *Log) Read(offset int64, maxBytes int, minOneMessage bool, end int64) (Region, error) {
	panic("BUG: not yet")
}

// Region is a piece of a segment's file; its bytes stay until Release even if the segment is deleted. The zero Region is empty.
type Region struct {
	FirstOffset int64 // base offset of the first batch
	position    int64
	length      int
}

// Len is the number of bytes.
func (r *Region) Len() int { return r.length }

// Position is where the region begins in its File.
func (r *Region) Position() int64 { return r.position }

// File is the segment's file, for sendfile; nil for an empty region.
func (r *Region) File() vfs.File { panic("BUG: not yet") }

// ReadAll reads the whole region into b, which must be at least Len() long.
func (r *Region) ReadAll(b []byte) error { panic("BUG: not yet") }

// Release unpins the segment. It may be called more than once.
func (r *Region) Release() { panic("BUG: not yet") }

// StartOffset is the log start offset.
func (l *Log) StartOffset() int64 { panic("BUG: not yet") }

// EndOffset is the log end offset: that of the next record.
func (l *Log) EndOffset() int64 { panic("BUG: not yet") }

// HighWatermark is what SetHighWatermark told last (at load: the checkpoint's, bounded by the log).
func (l *Log) HighWatermark() int64 { panic("BUG: not yet") }

// SetHighWatermark tells what is committed; bounded by start and end offset. It bounds retention and the last stable offset.
func (l *Log) SetHighWatermark(offset int64) { panic("BUG: not yet") }

// FirstUnstableOffset is the first offset of the earliest transaction not yet decided below the high watermark; ok is false if none.
func (l *Log) FirstUnstableOffset() (offset int64, ok bool) { panic("BUG: not yet") }

// LastStableOffset is where a read_committed reader must stop: the first unstable offset, at most the high watermark.
func (l *Log) LastStableOffset() int64 { panic("BUG: not yet") }

// AbortedTransactions lists those that overlap [from, to), in the order of their markers.
func (l *Log) AbortedTransactions(from, to int64) ([]AbortedTransaction, error) {
	panic("BUG: not yet")
}

// OffsetForTimestamp finds the first record with a timestamp ≥ the one given, exactly, inside compressed batches too.
func (l *Log) OffsetForTimestamp(timestamp int64) (TimestampOffset, error) { panic("BUG: not yet") }

// MaxTimestamp finds the record with the largest timestamp, the first if several have it.
func (l *Log) MaxTimestamp() (TimestampOffset, error) { panic("BUG: not yet") }

// EndOffsetForEpoch tells where a leader epoch ends (OffsetForLeaderEpoch): the end offset for the latest epoch, else the start of the
// next one.
func (l *Log) EndOffsetForEpoch(epoch int32) EpochEnd { panic("BUG: not yet") }

// LatestEpoch is the last epoch in the cache; ok is false if it is empty.
func (l *Log) LatestEpoch() (epoch int32, ok bool) { panic("BUG: not yet") }

// EpochForOffset is the leader epoch of the record at offset; ok is false if unknown.
func (l *Log) EpochForOffset(offset int64) (epoch int32, ok bool) { panic("BUG: not yet") }

// SetLeaderEpoch records that a leader's epoch begins at the end offset and writes the epoch cache; an older or equal epoch changes nothing.
func (l *Log) SetLeaderEpoch(epoch int32) error { panic("BUG: not yet") }

// TruncateTo cuts the log so that its end offset is at most offset. What a batch holds beyond it goes with the whole batch.
func (l *Log) TruncateTo(offset int64) error { panic("BUG: not yet") }

// TruncateFullyAndStartAt empties the log and lets it begin at offset.
func (l *Log) TruncateFullyAndStartAt(offset int64) error { panic("BUG: not yet") }

// DeleteRecordsBefore moves the log start offset up (DeleteRecords); ErrOffsetOutOfRange above the high watermark. Segments that are
// wholly below it go at the next retention run.
func (l *Log) DeleteRecordsBefore(offset int64) error { panic("BUG: not yet") }

// DeleteOldSegments applies retention by time, size and start offset now, and returns the number of segments deleted.
func (l *Log) DeleteOldSegments() (int, error) { panic("BUG: not yet") }

// Roll closes the active segment and begins a new one at the end offset; nothing happens if the active one is empty.
func (l *Log) Roll() error { panic("BUG: not yet") }

// ProducerStates lists the producers known to the log, by id.
func (l *Log) ProducerStates() []ProducerState { panic("BUG: not yet") }

// Size is the bytes of all .log files.
func (l *Log) Size() (int64, error) { panic("BUG: not yet") }

// Flush returns when everything below end is on disk. Concurrent calls share one fsync.
func (l *Log) Flush(end int64) error { panic("BUG: not yet") }

// RecoveryPoint is the end of what is known to be on disk.
func (l *Log) RecoveryPoint() int64 { panic("BUG: not yet") }

// Directory is the log directory (a member of log.dirs) it lives in.
func (l *Log) Directory() string { panic("BUG: not yet") }

// Close flushes and closes the log as a clean stop does: indexes trimmed, last time index entry, producer snapshot.
func (l *Log) Close() error { panic("BUG: not yet") }
