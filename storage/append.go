package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"ottla/storage/vfs"
)

// appendScratch is reused by every append, so that one allocates nothing.
type appendScratch struct {
	updates   []producerUpdate
	started   []transaction
	completed []completedTransaction
}

// incoming is what the first walk over an append's batches tells.
type incoming struct {
	firstOffset  int64
	lastOffset   int64
	maxTimestamp int64
	firstMax     int64 // max timestamp of the first batch
	logAppend    int64
}

// Append writes whole, validated batches at the end of the log, all or nothing. Base offset and leader epoch are patched in place
// (except for OriginReplication) and the log keeps no reference to the bytes. It returns when the bytes are written, and after the fsync
// where FlushMessages asks for one (unless DeferFlush).
func (l *Log) Append(batches []byte, options AppendOptions) (AppendInfo, error) {
	info, err := l.appendLocked(batches, options)
	if err != nil || info.FlushEnd == 0 || options.DeferFlush {
		return info, err
	}
	return info, l.Flush(info.FlushEnd)
}

func (l *Log) appendLocked(batches []byte, options AppendOptions) (AppendInfo, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	info := AppendInfo{LogAppendTime: -1, LogStartOffset: l.start.Load()}
	if err := l.usable(); err != nil {
		return info, err
	}
	in, err := l.assignOffsets(batches, options)
	if err != nil {
		return info, err
	}
	if err := l.storeTopicID(); err != nil {
		return info, l.directory.failed(err)
	}
	if int64(len(batches)) > int64(l.config.SegmentBytes) {
		return info, fmt.Errorf("%w: %d bytes, segment.bytes is %d", ErrRecordBatchTooLarge, len(batches), l.config.SegmentBytes)
	}
	if err := l.maybeRoll(len(batches), &in); err != nil {
		return info, err
	}
	duplicate, found, err := l.checkProducers(batches, options)
	if err != nil {
		return info, err
	}
	if found {
		info.Duplicate = true
		info.BaseOffset, info.LastOffset = duplicate.lastOffset-int64(duplicate.offsetDelta), duplicate.lastOffset
		info.LogAppendTime, info.MaxTimestamp = duplicate.timestamp, duplicate.timestamp
		if l.end.Load()-l.flusher.recoveryPoint.Load() >= l.config.FlushMessages {
			info.FlushEnd = info.LastOffset + 1 // the first append may still wait for its fsync
		}
		return info, nil
	}
	if err := l.assignEpochs(batches); err != nil {
		return info, err
	}
	if err := l.write(batches, &in); err != nil {
		return info, err
	}
	info.BaseOffset, info.LastOffset, info.LogAppendTime, info.MaxTimestamp = in.firstOffset, in.lastOffset, in.logAppend, in.maxTimestamp
	if in.lastOffset+1-l.flusher.recoveryPoint.Load() >= l.config.FlushMessages {
		info.FlushEnd = in.lastOffset + 1
		l.engine.syncs()
	} else {
		l.scheduleFlush()
	}
	return info, nil
}

// assignOffsets walks over the batches, gives them offsets and the leader's epoch (or checks those they came with), and sums them up.
func (l *Log) assignOffsets(batches []byte, options AppendOptions) (incoming, error) {
	in := incoming{maxTimestamp: -1, logAppend: -1}
	next := l.end.Load()
	for b := batches; len(b) > 0; {
		h, err := parseHeader(b)
		if err == nil && (h.magic < 2 && options.Origin != OriginReplication || h.size > len(b)) {
			err = errNoBatch
		}
		if err != nil {
			return in, fmt.Errorf("append to %s: %w", l.tp, err)
		}
		delta := h.lastOffset - h.baseOffset
		switch {
		case options.Origin == OriginReplication && h.baseOffset < next:
			return in, fmt.Errorf("%w: %d, the next offset is %d", ErrUnexpectedAppendOffset, h.baseOffset, next)
		case options.Origin == OriginReplication:
			next = h.baseOffset
		case options.Origin == OriginClient && h.control():
			return in, fmt.Errorf("append to %s: %w: a client sent a control batch", l.tp, errNoBatch)
		default:
			binary.BigEndian.PutUint64(b, uint64(next))
			binary.BigEndian.PutUint32(b[leaderEpochAt:], uint32(options.LeaderEpoch))
		}
		if next > math.MaxInt64-delta-1 {
			return in, fmt.Errorf("append to %s: %w: offsets are used up", l.tp, errNoBatch)
		}
		if len(b) == len(batches) {
			in.firstOffset, in.firstMax = next, h.maxTimestamp
			if h.attributes&attributeLogAppendTime != 0 {
				in.logAppend = h.maxTimestamp
			}
		}
		in.lastOffset, in.maxTimestamp = next+delta, max(in.maxTimestamp, h.maxTimestamp)
		next += delta + 1
		b = b[h.size:]
	}
	if len(batches) == 0 {
		return in, fmt.Errorf("append to %s: %w: no bytes", l.tp, errNoBatch)
	}
	return in, nil
}

// assignEpochs notes the epochs of the batches that are about to be written; the file is written only for a new one.
func (l *Log) assignEpochs(batches []byte) error {
	for b := batches; len(b) > 0; {
		h, _ := parseHeader(b)
		if n := len(l.epochs); h.leaderEpoch >= 0 && (n == 0 || l.epochs[n-1].epoch != h.leaderEpoch) {
			if err := l.assignEpoch(h.leaderEpoch, h.baseOffset); err != nil {
				return err
			}
		}
		b = b[h.size:]
	}
	if l.epochsPending {
		return l.directory.failed(l.storeEpochs(l.epochs))
	}
	return nil
}

// checkProducers fills the scratch with what the append does to producers and transactions, or finds the batch it repeats.
func (l *Log) checkProducers(batches []byte, options AppendOptions) (duplicate producerBatch, found bool, err error) {
	scratch := &l.append
	scratch.updates, scratch.started, scratch.completed = scratch.updates[:0], scratch.started[:0], scratch.completed[:0]
	for b := batches; len(b) > 0; {
		h, _ := parseHeader(b)
		batch := b[:h.size]
		b = b[h.size:]
		if h.producerID < 0 {
			continue
		}
		if p := l.producer.byID[h.producerID]; p != nil && options.Origin == OriginClient {
			if duplicate, found := p.duplicate(&h); found {
				return duplicate, true, nil
			}
		}
		if err := l.verify(&h, options); err != nil {
			return duplicate, false, fmt.Errorf("append to %s at offset %d: %w", l.tp, h.baseOffset, err)
		}
		if err := l.updateProducer(scratch, &h, batch, options); err != nil {
			return duplicate, false, fmt.Errorf("append to %s at offset %d: %w", l.tp, h.baseOffset, err)
		}
	}
	return duplicate, false, nil
}

// updateProducer adds a batch to the scratch. It is also how a log is replayed.
func (l *Log) updateProducer(scratch *appendScratch, h *header, batch []byte, options AppendOptions) error {
	u := scratch.update(&l.producer, h.producerID)
	if !h.control() {
		before := u.updated.txnFirstOffset
		if err := u.append(h, options.Origin); err != nil {
			return err
		}
		if before < 0 && u.updated.txnFirstOffset >= 0 {
			scratch.started = append(scratch.started, transaction{u.updated.txnFirstOffset, h.producerID, -1})
		}
		return nil
	}
	if h.recordCount == 0 {
		return nil
	}
	marker, err := parseEndMarker(h, batch)
	if err != nil {
		return err
	}
	done, ok, err := u.end(h, marker, options.TransactionVersion, options.Origin)
	if ok {
		scratch.completed = append(scratch.completed, done)
	}
	return err
}

func (a *appendScratch) update(s *producers, id int64) *producerUpdate {
	for i := range a.updates {
		if a.updates[i].id == id {
			return &a.updates[i]
		}
	}
	current := emptyProducer()
	if p := s.byID[id]; p != nil {
		current = *p
	}
	a.updates = append(a.updates, producerUpdate{id: id, current: current, updated: current})
	u := &a.updates[len(a.updates)-1]
	u.updated.count = 0
	return u
}

// write puts the batches at the end of the active segment and, once they are there, everything else that follows from them.
func (l *Log) write(batches []byte, in *incoming) error {
	s := l.active.Load()
	if err := l.sizeIndexes(s); err != nil {
		return l.directory.failed(err)
	}
	f, err := l.engine.files.acquire(s.handle)
	if err != nil {
		return l.directory.failed(err)
	}
	defer l.engine.files.release(s.handle)
	position := s.size.Load()
	if _, err := f.WriteAt(batches, position); err != nil {
		err = l.directory.failed(fmt.Errorf("append to segment %020d of %s: %w", s.base, l.tp, err))
		if l.directory.failure() == nil { // no space: what was written of the batches goes
			if cut := l.cutBack(f, position); cut != nil {
				err = l.directory.failed(fmt.Errorf("%w of segment %020d of %s: %v", errUncut, s.base, l.tp, cut))
			}
		}
		return err
	}
	l.directory.succeeded()
	if !s.firstKnown && position == 0 {
		s.firstKnown, s.firstTimestamp = true, in.firstMax
	}
	l.publish(s, batches, position, in)
	return l.settle(s)
}

// publish makes what was written visible to readers, in one step.
func (l *Log) publish(s *segment, batches []byte, position int64, in *incoming) {
	x := s.index.Load()
	l.state.Lock()
	defer l.state.Unlock()
	builder := indexBuilder{int(l.config.IndexIntervalBytes), s.base, s.bytesSinceEntry, x, s.maxTimestamp, s.maxOffset}
	at := position
	for b := batches; len(b) > 0; {
		h, _ := parseHeader(b)
		builder.add(&h, at)
		at += int64(h.size)
		b = b[h.size:]
	}
	s.bytesSinceEntry, s.maxTimestamp, s.maxOffset = builder.since, builder.maxTimestamp, builder.maxOffset
	s.size.Store(at)
	if l.recent == nil {
		l.recent = new(recentAppends)
	}
	l.recent.add(s, in.firstOffset, position)
	l.end.Store(in.lastOffset + 1)
	l.applyProducers(&l.producer, &l.append, x)
	l.producer.mapEnd = in.lastOffset + 1
	if len(l.append.started) > 0 || len(l.append.completed) > 0 {
		l.updateFirstUnstable()
	}
}

// applyProducers takes what an append (or a replayed batch) does to producers and transactions.
func (l *Log) applyProducers(s *producers, scratch *appendScratch, x *segmentIndex) {
	for i := range scratch.updates {
		s.update(&scratch.updates[i])
	}
	for _, t := range scratch.started {
		s.begin(t)
	}
	for _, done := range scratch.completed {
		stable := s.lastStableOffset(done)
		if done.aborted && x != nil {
			x.aborted = append(x.aborted, AbortedTransaction{done.producerID, done.firstOffset, done.lastOffset, stable})
		}
		s.complete(done)
	}
}

// settle writes index entries to their files once there are enough of them. They are derived: without space they wait in memory.
func (l *Log) settle(s *segment) error {
	x := s.index.Load()
	if len(x.offsets)-s.writtenOffsets < pendingEntries && len(x.aborted) == s.writtenAborted {
		return nil
	}
	if err := l.writeIndexes(s, false); err != nil && !isNoSpace(err) {
		return l.directory.failed(err)
	}
	return nil
}

// errUncut is a failed cut after a failed write, whatever its cause.
var errUncut = errors.New("cannot cut off a part of a batch")

// cutBack removes a part of a batch. It must be gone for good: if this segment is never written to again, no later fsync covers the cut.
func (l *Log) cutBack(f vfs.File, position int64) error {
	if err := f.Truncate(position); err != nil {
		return err
	}
	if l.config.Preallocate {
		if err := f.Truncate(max(position, int64(l.config.SegmentBytes))); err != nil {
			return err
		}
	}
	return f.Sync()
}
