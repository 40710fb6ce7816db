package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"sync"

	"ottla/storage/vfs"
)

// recover scans the segments from the recovery point on, as Kafka does after a stop that was not clean: each batch is checked, indexes,
// leader epochs and producer snapshots are made anew, and at the first bytes that are no batch the log is cut and all later segments go.
// If those bytes lie below the recovery point, data that was flushed is damaged: that is an error, nothing is cut. A segment that lost its
// end whole, so that the next one does not follow it, is such a place too, unless compaction may have taken those records.
// It returns the producers as the scan left them.
func (l *Log) recover(o *loadOptions) (map[int64]*producer, error) {
	first := max(floorSegment(l.segments, o.recoveryPoint), 0)
	if len(l.segments) == 0 {
		return nil, l.checkLost(o, o.start)
	}
	replay := producers{byID: map[int64]*producer{}, snapshots: append([]int64(nil), l.producer.snapshots...)}
	// What lies before the first segment was deleted. Between such a snapshot and the segment its transactions may have ended.
	for len(replay.snapshots) > 0 && replay.snapshots[0] < l.segments[0].base {
		if err := l.removeSnapshot(&replay, replay.snapshots[0]); err != nil {
			return nil, err
		}
	}
	if err := l.replayTo(&replay, l.segments[:first], l.segments[0].base, l.segments[first].base); err != nil {
		return nil, err
	}
	l.recall(replay.byID, l.segments[:first])
	epochs, sparse := l.epochs, l.config.Compact
	for i := first; i < len(l.segments); i++ {
		s := l.segments[i]
		r := recovery{log: l, options: o, segment: s, producers: &replay, epochs: epochs, sparse: sparse}
		cut, err := r.run()
		if err != nil {
			return nil, err
		}
		epochs, sparse = r.epochs, r.sparse
		hole := !sparse && i+1 < len(l.segments) && l.segments[i+1].base > r.next
		if hole {
			if err := l.checkLost(o, r.next); err != nil {
				return nil, err
			}
		}
		if cut > 0 || hole {
			l.emit(Event{Kind: EventTailTruncated, Offset: r.next, Bytes: cut})
			if err := l.dropAfter(i); err != nil {
				return nil, err
			}
		}
		if err := l.takeSnapshot(&replay, false); err != nil {
			return nil, err
		}
		l.emit(Event{Kind: EventSegmentRecovered, Offset: s.base, Bytes: s.size.Load()})
		if cut > 0 || hole {
			break
		}
	}
	l.producer.snapshots = replay.snapshots
	if !slices.Equal(epochs, l.epochs) {
		if err := l.storeEpochs(epochs); err != nil {
			return nil, err
		}
	}
	return replay.byID, nil
}

// checkLost refuses a log that ends before what was flushed.
func (l *Log) checkLost(o *loadOptions, end int64) error {
	if lost := o.recoveryPoint; lost > max(end, o.start) {
		return fmt.Errorf("%w: %s was flushed up to offset %d but ends at %d", ErrCorruptLog, l.tp, lost, end)
	}
	return nil
}

// dropAfter deletes the segments behind i. All of them lie above the recovery point, because the cut does.
func (l *Log) dropAfter(i int) error {
	for j := len(l.segments) - 1; j > i; j-- {
		s := l.segments[j]
		l.engine.files.forget(s.handle)
		for _, suffix := range []string{logSuffix, offsetIndexSuffix, timeIndexSuffix, txnIndexSuffix, snapshotSuffix} {
			if err := removeFile(l.engine.fs, l.segmentPath(s.base, suffix)); err != nil {
				return err
			}
		}
		l.producer.forget(s.base)
		l.emit(Event{Kind: EventSegmentDeleted, Offset: s.base, Reason: "behind a torn batch"})
	}
	l.setSegments(append([]*segment(nil), l.segments[:i+1]...))
	return nil
}

// recovery is the scan of one segment.
type recovery struct {
	log       *Log
	options   *loadOptions
	segment   *segment
	producers *producers
	epochs    epochCache
	index     segmentIndex
	next      int64 // offset expected next
	sparse    bool  // records are missing between others: the log was compacted once
	scratch   appendScratch
}

// run scans the segment and gives the number of bytes it cut off.
func (r *recovery) run() (int64, error) {
	l, s := r.log, r.segment
	size, err := l.sizeOf(s)
	if err != nil {
		return 0, err
	}
	f, err := l.engine.files.acquire(s.handle)
	if err != nil {
		return 0, err
	}
	defer l.engine.files.release(s.handle)
	r.next = s.base
	builder := indexBuilder{interval: int(l.interval.Load()), base: s.base, index: &r.index, maxTimestamp: -1, maxOffset: s.base}
	reader := newBatchReader(f, size, l.engine.crc)
	defer reader.release()
	for {
		h, batch, err := reader.next()
		if err == nil {
			err = r.check(&h)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, errNoBatch) {
			if lost := l.checkLost(r.options, r.next); lost != nil {
				return 0, fmt.Errorf("%w (segment %020d, position %d: %w)", lost, s.base, reader.position, err)
			}
			break
		}
		if err != nil {
			return 0, fmt.Errorf("recover segment %020d of %s: %w", s.base, l.tp, err)
		}
		builder.add(&h, reader.position)
		reader.position += int64(h.size)
		if err := r.replay(&h, batch); err != nil {
			return 0, err
		}
	}
	if s == l.active.Load() || reader.position < size {
		if err := l.checkLost(r.options, r.next); err != nil {
			return 0, err
		}
	}
	r.index.addTime(builder.maxTimestamp, builder.maxOffset-s.base)
	return size - reader.position, r.store(f, size, reader.position)
}

func (r *recovery) check(h *header) error {
	if h.baseOffset < r.next || h.lastOffset-r.segment.base > math.MaxInt32 {
		return fmt.Errorf("%w: offset %d where %d was expected", errNoBatch, h.baseOffset, r.next)
	}
	return nil
}

func (r *recovery) replay(h *header, batch []byte) error {
	if h.old() && h.compressed() {
		h.unfoldOld(batch)
	}
	if h.baseOffset > r.next || int64(h.recordCount) != h.lastOffset-h.baseOffset+1 {
		r.sparse = true
	}
	r.next = h.lastOffset + 1
	// The records know better: a power cut may have brought back the file of before a truncation.
	if epoch, ok := r.epochs.forOffset(h.baseOffset); h.leaderEpoch >= 0 && (!ok || epoch != h.leaderEpoch) {
		r.epochs, _ = r.epochs.truncateEnd(h.baseOffset)
		r.epochs, _ = r.epochs.assign(h.leaderEpoch, h.baseOffset)
	}
	r.producers.mapEnd = r.next
	return r.log.replayBatch(r.producers, &r.scratch, h, batch, &r.index)
}

// store cuts the segment and replaces its indexes.
func (r *recovery) store(f vfs.File, size, valid int64) error {
	l, s := r.log, r.segment
	if valid < size {
		if err := f.Truncate(valid); err != nil {
			return err
		}
		s.size.Store(valid)
	}
	if err := l.storeIndexes(s, &r.index, false); err != nil {
		return err
	}
	if s == l.active.Load() {
		s.index.Store(&r.index)
	}
	return nil
}

// batchReader reads whole batches one by one and checks their CRC.
type batchReader struct {
	file     vfs.File
	crc      *crc32.Table
	position int64 // of the batch that next gives; the caller moves it on
	end      int64
	buffer   []byte
	start    int64
	filled   int
	pooled   *[]byte // what buffer was taken from
}

// recoveryBufferSize is read at once: a few batches, also where they are as large as max.message.bytes lets them be.
const recoveryBufferSize = 1 << 20

var recoveryBuffers = sync.Pool{New: func() any { b := make([]byte, recoveryBufferSize); return &b }}

// newBatchReader reads the batches before end; release must be called.
func newBatchReader(file vfs.File, end int64, crc *crc32.Table) batchReader {
	pooled := recoveryBuffers.Get().(*[]byte)
	return batchReader{file: file, end: end, crc: crc, buffer: (*pooled)[:0], pooled: pooled}
}

func (r *batchReader) release() { recoveryBuffers.Put(r.pooled) }

// next gives the batch at position; io.EOF at the end, errNoBatch (wrapped) where there is none that is whole and sound.
func (r *batchReader) next() (header, []byte, error) {
	if r.position >= r.end {
		return header{}, nil, io.EOF
	}
	b, err := r.bytes(int(min(headerSize, r.end-r.position)))
	if err != nil {
		return header{}, nil, err
	}
	h, err := parseHeader(b)
	if err != nil {
		return h, nil, err
	}
	if int64(h.size) > r.end-r.position {
		return h, nil, fmt.Errorf("%w: batch of %d bytes, %d left", errNoBatch, h.size, r.end-r.position)
	}
	if b, err = r.bytes(h.size); err != nil {
		return h, nil, err
	}
	var crc uint32
	want := binary.BigEndian.Uint32(b[17:])
	if h.magic < 2 {
		want = binary.BigEndian.Uint32(b[12:])
		crc = crc32.ChecksumIEEE(b[magicAt:])
	} else {
		crc = crc32.Checksum(b[attributesAt:], r.crc)
	}
	if crc != want {
		return h, nil, fmt.Errorf("%w: CRC is %08x, the batch says %08x", errNoBatch, crc, want)
	}
	return h, b, nil
}

// bytes gives n bytes at position, which must be there. They are valid until the next call.
func (r *batchReader) bytes(n int) ([]byte, error) {
	at := r.position - r.start
	if at >= 0 && at+int64(n) <= int64(r.filled) {
		return r.buffer[at : at+int64(n)], nil
	}
	want := int(min(int64(max(n, recoveryBufferSize)), r.end-r.position))
	next, kept := r.buffer, 0
	if want > cap(next) {
		next = make([]byte, want)
	}
	next = next[:want]
	if at >= 0 && at < int64(r.filled) { // the beginning of the batch was read already
		kept = copy(next, r.buffer[at:r.filled])
	}
	r.buffer, r.filled = next, 0
	if err := readFull(r.file, r.buffer[kept:], r.position+int64(kept)); err != nil {
		return nil, err
	}
	r.start, r.filled = r.position, want
	return r.buffer[:n], nil
}

// replayBatch takes a batch of the log into the state of the producers, without any check; aborted transactions are added to x.
func (l *Log) replayBatch(s *producers, scratch *appendScratch, h *header, batch []byte, x *segmentIndex) error {
	if h.producerID < 0 {
		return nil
	}
	scratch.updates, scratch.started, scratch.completed = scratch.updates[:0], scratch.started[:0], scratch.completed[:0]
	u := scratch.update(s, h.producerID)
	if h.control() {
		if h.recordCount == 0 {
			return nil
		}
		marker, err := parseEndMarker(h, batch)
		if err != nil {
			return fmt.Errorf("%w: %s at offset %d: %w", ErrCorruptLog, l.tp, h.baseOffset, err)
		}
		done, ok, err := u.end(h, marker, 0, OriginReplication)
		if err != nil {
			return err
		}
		if ok {
			scratch.completed = append(scratch.completed, done)
		}
	} else {
		before := u.updated.txnFirstOffset
		if err := u.append(h, OriginReplication); err != nil && !errors.Is(err, ErrInvalidTxnState) {
			return err
		}
		if before < 0 && u.updated.txnFirstOffset >= 0 {
			scratch.started = append(scratch.started, transaction{u.updated.txnFirstOffset, h.producerID, -1})
		}
	}
	l.applyProducers(s, scratch, x)
	return nil
}

// replayTo brings producers to the state at an offset: the newest snapshot, then the batches behind it. The segments must reach to it.
func (l *Log) replayTo(s *producers, segments []*segment, start, end int64) error {
	if err := l.loadSnapshot(s, start, end); err != nil {
		return err
	}
	s.openTransactions()
	s.unreplicated = nil
	if err := l.replayRange(s, segments, end, nil); err != nil {
		return err
	}
	s.mapEnd = end
	return nil
}

// replayRange replays the batches from mapEnd to end; snapshotAt names the base offsets at which to take snapshots on the way.
func (l *Log) replayRange(s *producers, segments []*segment, end int64, snapshotAt []int64) error {
	var scratch appendScratch
	for i := max(floorSegment(segments, s.mapEnd), 0); i < len(segments) && segments[i].base < end; i++ {
		from := max(segments[i].base, s.mapEnd)
		s.mapEnd = from
		for _, base := range snapshotAt {
			if base == segments[i].base {
				if err := l.takeSnapshot(s, false); err != nil {
					return err
				}
			}
		}
		if from >= end {
			break
		}
		if err := l.replaySegment(s, &scratch, segments[i], from, end, nil); err != nil {
			return err
		}
	}
	return nil
}

// replaySegment replays the batches of one segment that lie in [from, end).
func (l *Log) replaySegment(s *producers, scratch *appendScratch, seg *segment, from, end int64, x *segmentIndex) error {
	size, err := l.sizeOf(seg)
	if err != nil {
		return err
	}
	p, err := l.locate(seg, size, from, perhapsWithMutex)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	f, err := l.engine.files.acquire(seg.handle)
	if err != nil {
		return err
	}
	defer l.engine.files.release(seg.handle)
	err = l.eachHeader(seg, p.position, func(h *header, position int64) error {
		if h.baseOffset >= end {
			return io.EOF
		}
		var batch []byte
		if h.control() && h.producerID >= 0 {
			batch = make([]byte, h.size)
			if err := readFull(f, batch, position); err != nil {
				return err
			}
		}
		return l.replayBatch(s, scratch, h, batch, x)
	})
	if errors.Is(err, io.EOF) {
		return nil
	}
	if errors.Is(err, errNoBatch) {
		return fmt.Errorf("%w: segment %020d of %s: %w", ErrCorruptLog, seg.base, l.tp, err)
	}
	return err
}

// rebuildProducers brings the log's producers to the state at its end offset, with Kafka's snapshots on the way.
func (l *Log) rebuildProducers(segments []*segment, end int64, clean bool) error {
	s := &l.producer
	bases := []int64{}
	if n := len(segments); n > 1 {
		bases = append(bases, segments[n-2].base)
	}
	bases = append(bases, segments[len(segments)-1].base)
	if len(s.snapshots) == 0 && clean {
		for _, offset := range append(bases, end) {
			s.mapEnd = offset
			if err := l.takeSnapshot(s, false); err != nil {
				return err
			}
		}
		l.openTransactions()
		return nil
	}
	if err := l.loadSnapshot(s, segments[0].base, end); err != nil {
		return err
	}
	l.openTransactions()
	// readers of the last stable offset look at the sets while they change
	fresh := producers{byID: s.byID, ongoing: s.ongoing, mapEnd: s.mapEnd, lastSnapshot: s.lastSnapshot, snapshots: s.snapshots}
	if err := l.replayRange(&fresh, segments, end, bases); err != nil {
		return err
	}
	fresh.mapEnd = end
	if err := l.takeSnapshot(&fresh, false); err != nil {
		return err
	}
	l.state.Lock()
	defer l.state.Unlock()
	*s = fresh
	s.replicated(l.highWatermark.Load())
	l.updateFirstUnstable()
	return nil
}

func (l *Log) openTransactions() {
	l.state.Lock()
	defer l.state.Unlock()
	l.producer.openTransactions()
	l.producer.unreplicated = nil
	l.updateFirstUnstable()
}

// rebuildAborted finds the aborted transactions whose markers lie in a closed segment.
func (l *Log) rebuildAborted(s *segment) ([]AbortedTransaction, error) {
	segments := l.segmentList()
	i := floorSegment(segments, s.base)
	if i < 0 || segments[i] != s {
		return nil, nil
	}
	state := producers{byID: map[int64]*producer{}}
	entries, err := l.engine.fs.ReadDir(l.path)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if offset, ok := fileOffset(e.Name); ok && e.Name[20:] == snapshotSuffix && offset <= s.base {
			if byID, err := l.readSnapshot(offset); err == nil {
				state.byID, state.mapEnd = byID, offset
			}
		}
	}
	state.openTransactions()
	if err := l.replayRange(&state, segments[:i], s.base, nil); err != nil {
		return nil, err
	}
	x := &segmentIndex{}
	var scratch appendScratch
	err = l.replayWhole(&state, &scratch, s, x)
	return x.aborted, err
}

// replayWhole is replaySegment without the help of an index.
func (l *Log) replayWhole(s *producers, scratch *appendScratch, seg *segment, x *segmentIndex) error {
	size, err := l.sizeOf(seg)
	if err != nil {
		return err
	}
	f, err := l.engine.files.acquire(seg.handle)
	if err != nil {
		return err
	}
	defer l.engine.files.release(seg.handle)
	reader := newBatchReader(f, size, l.engine.crc)
	defer reader.release()
	for {
		h, batch, err := reader.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, errNoBatch) {
			return fmt.Errorf("%w: segment %020d of %s at position %d: %w", ErrCorruptLog, seg.base, l.tp, reader.position, err)
		}
		if err != nil {
			return err
		}
		reader.position += int64(h.size)
		if err := l.replayBatch(s, scratch, &h, batch, x); err != nil {
			return err
		}
	}
}
