package coordinator

// Log is the one partition that a shard's machine lives on. The shard is its
// only writer. All methods may be called by any goroutine.
type Log interface {
	// Append appends one record batch as the leader and returns the end offset
	// (exclusive). base offset and leader epoch are set in its bytes, which are
	// the caller's again when it returns. It does
	// not wait for other replicas, only for what the topic's flush settings ask.
	// The error is a *kerr.Error, or something that Options.Translate knows.
	Append(batch []byte) (end int64, err error)
	// Syncs tells whether Append may wait for a disk. It does not wait itself.
	Syncs() bool
	// Read returns whole record batches from the one that contains the offset
	// on, about maxBytes of them but at least one; none at the log's end. The
	// bytes are the caller's.
	Read(offset int64, maxBytes int) ([]byte, error)
	// StartOffset is the first offset that Read knows.
	StartOffset() int64
	// EndOffset is the offset of the next record.
	EndOffset() int64
	// WhenCommitted calls notify, once and not on the caller's stack, when the
	// high watermark has reached end. It returns false, and never calls, if it
	// has already.
	WhenCommitted(end int64, notify func()) (waiting bool)
	// MaxBatchBytes is the largest batch that the topic takes (max.message.bytes).
	MaxBatchBytes() int
}

// TransactionalLog is a Log that takes part in transactions.
type TransactionalLog interface {
	Log
	// AppendTransactional is Append for records of a transaction. The error tells
	// that it is not, or no longer, the one that was verified.
	AppendTransactional(batch []byte, verification uint64) (end int64, err error)
	// AppendMarker is Append for the marker of a transaction of a version (KIP-890).
	AppendMarker(batch []byte, version int16) (end int64, err error)
}
