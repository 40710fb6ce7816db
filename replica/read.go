package replica

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/storage"
)

// Isolation bounds what a reader may see.
type Isolation int8

const (
	// ReadUncommitted is bounded by the high watermark.
	ReadUncommitted Isolation = iota
	// ReadCommitted is bounded by the last stable offset, and the answer names
	// the aborted transactions among what it holds.
	ReadCommitted
	// ReadLogEnd is not bounded: what a follower reads, and a coordinator of
	// this broker when it loads its partition.
	ReadLogEnd
)

// ReadRequest says what to read.
type ReadRequest struct {
	Offset int64
	// MaxBytes is how much may be read; below 0 counts as 0.
	MaxBytes int
	// MinOneMessage has the first batch whole even if it is larger than MaxBytes.
	MinOneMessage bool
	Isolation     Isolation
	// LeaderEpoch is the leader epoch that the reader believes in, or NoLeaderEpoch.
	LeaderEpoch int32
	// LastFetchedEpoch is the leader epoch of the last record that the reader
	// has, or NoLeaderEpoch: then the log is not checked for divergence.
	LastFetchedEpoch int32
}

// ReadResult is what a read found. The offsets are those from before the read.
type ReadResult struct {
	// Region holds the batches; it must be released. It is empty after an error.
	Region           storage.Region
	HighWatermark    int64
	LastStableOffset int64
	LogStartOffset   int64
	// Aborted is not nil for a reader of committed transactions.
	Aborted []storage.AbortedTransaction
	// Diverging is set where the reader's log has departed from this one.
	Diverging    bool
	DivergingEnd storage.EpochEnd
}

// noOffsets is a ReadResult that tells nothing, as an error's is.
func noOffsets() ReadResult {
	return ReadResult{HighWatermark: -1, LastStableOffset: -1, LogStartOffset: -1}
}

// Bound is the offset at which a reader with this isolation stops, −1 where
// there is nothing to read. It takes no lock that an append holds.
func (p *Partition) Bound(isolation Isolation) int64 {
	log := p.role.Load().log
	if log == nil {
		return -1
	}
	return p.bound(log, isolation)
}

func (p *Partition) bound(log *storage.Log, isolation Isolation) int64 {
	switch isolation {
	case ReadCommitted:
		return p.lastStableOffset(log)
	case ReadLogEnd:
		return log.EndOffset()
	default:
		return p.highWatermark.Load()
	}
}

// Read finds what lies at an offset, into result. An offset between the bound and
// the log end offset has nothing to read yet; one outside the log is
// OFFSET_OUT_OF_RANGE. At an error the offsets of the result are −1. A read at
// the bound, as of a reader that has caught up, touches nothing but the offsets.
func (p *Partition) Read(request *ReadRequest, result *ReadResult) error {
	*result = noOffsets()
	current := p.role.Load()
	if failure := current.check(request.LeaderEpoch, true); failure != nil {
		return failure
	}
	log := current.log
	highWatermark, startOffset := p.highWatermark.Load(), log.StartOffset()
	stable := min(log.LastStableOffset(), highWatermark)
	end := log.EndOffset()
	if request.LastFetchedEpoch >= 0 {
		diverging, err := diverging(log, request, startOffset, &result.DivergingEnd)
		if err != nil {
			return err
		}
		result.Diverging = diverging
	}
	if request.Offset < startOffset || request.Offset > end && !result.Diverging {
		result.Diverging = false
		return kerr.OffsetOutOfRange
	}
	bound := end
	switch request.Isolation {
	case ReadUncommitted:
		bound = highWatermark
	case ReadCommitted:
		bound = stable
	}
	if !result.Diverging && request.Offset < bound {
		if err := p.readLog(log, request, bound, result); err != nil {
			*result = noOffsets()
			return err
		}
	}
	if request.Isolation == ReadCommitted && result.Aborted == nil {
		result.Aborted = []storage.AbortedTransaction{}
	}
	result.HighWatermark, result.LastStableOffset, result.LogStartOffset = highWatermark, stable, startOffset
	return nil
}

// readLog reads below bound and, for committed transactions, finds those
// that were aborted within what it read.
func (p *Partition) readLog(log *storage.Log, request *ReadRequest, bound int64, result *ReadResult) error {
	if request.MaxBytes <= 0 && !request.MinOneMessage {
		return nil
	}
	region, err := log.Read(request.Offset, max(request.MaxBytes, 0), request.MinOneMessage, bound)
	if err != nil {
		return err
	}
	if incomplete, err := firstIncomplete(&region, request); incomplete || err != nil {
		region.Release()
		return err
	}
	if request.Isolation == ReadCommitted && region.Len() > 0 {
		aborted, err := abortedWithin(log, &region, request.Offset, bound)
		if err != nil {
			region.Release()
			return err
		}
		result.Aborted = aborted
	}
	result.Region = region
	return nil
}

// fewAborted is how many aborted transactions are named without asking whether
// they lie within what was read: the reader drops those that he does not meet.
const fewAborted = 32

// abortedWithin lists the aborted transactions that overlap what was read, and if
// there are only a few below bound, those too that come behind it.
func abortedWithin(log *storage.Log, region *storage.Region, from, bound int64) ([]storage.AbortedTransaction, error) {
	aborted, err := log.AbortedTransactions(from, bound)
	if err != nil || len(aborted) <= fewAborted {
		return aborted, err
	}
	end, err := regionEnd(region, bound)
	if err != nil || end == bound {
		return aborted, err
	}
	return log.AbortedTransactions(from, end)
}

// regionEnd is the offset behind the last batch of a region, a cut one included
// if its header is there.
func regionEnd(region *storage.Region, bound int64) (int64, error) {
	const headerEnd = 27
	var header [headerEnd]byte
	end := bound
	for at := int64(0); at+headerEnd <= int64(region.Len()); {
		if _, err := region.ReadAt(header[:], at); err != nil {
			return 0, err
		}
		base, delta := int64(binary.BigEndian.Uint64(header[:])), int32(binary.BigEndian.Uint32(header[23:]))
		end = base + int64(delta) + 1
		at += lengthEnd + int64(binary.BigEndian.Uint32(header[8:]))
	}
	return min(end, bound), nil
}

// lengthEnd is where the length in a batch's header ends, and what it counts begins.
const lengthEnd = 12

// firstIncomplete tells whether the limit has cut the first batch, so that the
// reader could not use anything of the region.
func firstIncomplete(region *storage.Region, request *ReadRequest) (bool, error) {
	if request.MinOneMessage || region.Len() < request.MaxBytes {
		return false, nil
	}
	if region.Len() < lengthEnd {
		return true, nil
	}
	var header [lengthEnd]byte
	if _, err := region.ReadAt(header[:], 0); err != nil {
		return false, err
	}
	return int64(region.Len()) < lengthEnd+int64(binary.BigEndian.Uint32(header[8:])), nil
}

// diverging tells whether the reader's log, which ends at the request's offset in
// its LastFetchedEpoch, is not a prefix of this one, and where they part.
func diverging(log *storage.Log, request *ReadRequest, startOffset int64, end *storage.EpochEnd) (bool, error) {
	*end = log.EndOffsetForEpoch(request.LastFetchedEpoch)
	if end.Epoch < 0 || end.EndOffset < 0 || request.Offset < startOffset {
		return false, kerr.OffsetOutOfRange
	}
	return end.Epoch < request.LastFetchedEpoch || end.EndOffset < request.Offset, nil
}

// EndOffsetForEpoch tells where a leader epoch ends, as OffsetForLeaderEpoch
// asks; currentEpoch is the leader epoch that the asker believes in.
func (p *Partition) EndOffsetForEpoch(currentEpoch, epoch int32) (storage.EpochEnd, error) {
	current := p.role.Load()
	if failure := current.check(currentEpoch, true); failure != nil {
		return storage.EpochEnd{Epoch: -1, EndOffset: -1}, failure
	}
	return current.log.EndOffsetForEpoch(epoch), nil
}

// The timestamps of ListOffsets that are not times.
const (
	TimestampLatest                int64 = -1
	TimestampEarliest              int64 = -2
	TimestampMax                   int64 = -3
	TimestampEarliestLocal         int64 = -4
	TimestampLatestTiered          int64 = -5
	TimestampEarliestPendingUpload int64 = -6
)

// OffsetAt finds the offset for a timestamp, or one of the special ones, below
// the bound of the isolation. (−1, −1) means that there is none. Without tiered
// storage the local log is the whole log, and nothing is or will be uploaded.
func (p *Partition) OffsetAt(timestamp int64, isolation Isolation, leaderEpoch int32, onlyLeader bool) (storage.TimestampOffset, error) {
	none := storage.TimestampOffset{Timestamp: -1, Offset: -1, LeaderEpoch: NoLeaderEpoch}
	current := p.role.Load()
	if failure := current.check(leaderEpoch, onlyLeader); failure != nil {
		return none, failure
	}
	log := current.log
	bound := p.bound(log, isolation)
	lagging := isolation != ReadLogEnd && current.isLeader && current.epochStart > p.highWatermark.Load()
	switch timestamp {
	case TimestampLatest:
		if lagging {
			return none, kerr.OffsetNotAvailable
		}
		return storage.TimestampOffset{Timestamp: -1, Offset: bound, LeaderEpoch: current.leaderEpoch}, nil
	case TimestampEarliest, TimestampEarliestLocal:
		start := storage.TimestampOffset{Timestamp: -1, Offset: log.StartOffset(), LeaderEpoch: NoLeaderEpoch}
		if epoch, ok := log.EpochForOffset(start.Offset); ok {
			start.LeaderEpoch = epoch
		}
		return start, nil
	case TimestampLatestTiered, TimestampEarliestPendingUpload:
		return none, nil
	}
	var found storage.TimestampOffset
	var err error
	if timestamp == TimestampMax {
		found, err = log.MaxTimestamp()
	} else {
		found, err = log.OffsetForTimestamp(timestamp)
	}
	if err != nil {
		return none, err
	}
	if found.Offset >= 0 && found.Offset < bound {
		return found, nil
	}
	if lagging {
		return none, kerr.OffsetNotAvailable
	}
	return none, nil
}

// DeleteRecords moves the log start offset up to offset (−1: to the high
// watermark) and returns the new low watermark.
func (p *Partition) DeleteRecords(offset int64) (int64, error) {
	current := p.role.Load()
	if failure := current.check(NoLeaderEpoch, true); failure != nil {
		return -1, failure
	}
	if config := current.config.Log; config.Compact && !config.Delete {
		return -1, kerr.PolicyViolation
	}
	if offset == -1 {
		offset = p.highWatermark.Load()
	}
	if offset < 0 || offset > p.highWatermark.Load() {
		return -1, kerr.OffsetOutOfRange
	}
	if err := current.log.DeleteRecordsBefore(offset); err != nil {
		return -1, err
	}
	return current.log.StartOffset(), nil
}
