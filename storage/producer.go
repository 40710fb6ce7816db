package storage

import (
	"fmt"
	"math"
	"sort"
)

// batchesKept is how many batches of a producer are remembered to recognise a duplicate: a client has at most five requests in flight.
const batchesKept = 5

// producerBatch is what is remembered of a batch.
type producerBatch struct {
	lastSequence int32
	offsetDelta  int32
	lastOffset   int64
	timestamp    int64
}

func batchOf(h *header) producerBatch {
	return producerBatch{h.lastSequence(), int32(h.lastOffset - h.baseOffset), h.lastOffset, h.maxTimestamp}
}

func (b *producerBatch) firstSequence() int32 {
	if b.lastSequence < b.offsetDelta { // the batch spans the wrap of the sequence
		return math.MaxInt32 - (b.offsetDelta - b.lastSequence) + 1
	}
	return b.lastSequence - b.offsetDelta
}

// producer is the state of one producer id in one log.
type producer struct {
	epoch            int16
	count            uint8 // of batches
	coordinatorEpoch int32
	lastTimestamp    int64
	txnFirstOffset   int64 // −1: no transaction is open
	batches          [batchesKept]producerBatch
}

func emptyProducer() producer {
	return producer{epoch: -1, coordinatorEpoch: -1, lastTimestamp: -1, txnFirstOffset: -1}
}

func (p *producer) last() *producerBatch {
	if p.count == 0 {
		return nil
	}
	return &p.batches[p.count-1]
}

func (p *producer) lastSequence() int32 {
	if b := p.last(); b != nil {
		return b.lastSequence
	}
	return -1
}

func (p *producer) lastOffset() int64 {
	if b := p.last(); b != nil {
		return b.lastOffset
	}
	return -1
}

func (p *producer) setEpoch(epoch int16) {
	if p.epoch != epoch {
		p.epoch, p.count = epoch, 0
	}
}

func (p *producer) push(b producerBatch) {
	if p.count == batchesKept {
		copy(p.batches[:], p.batches[1:])
		p.count--
	}
	p.batches[p.count] = b
	p.count++
}

// duplicate finds the remembered batch with the same sequences.
func (p *producer) duplicate(h *header) (producerBatch, bool) {
	if h.producerEpoch != p.epoch {
		return producerBatch{}, false
	}
	last := h.lastSequence()
	for i := range p.batches[:p.count] {
		if b := &p.batches[i]; b.firstSequence() == h.baseSequence && b.lastSequence == last {
			return *b, true
		}
	}
	return producerBatch{}, false
}

// producerUpdate is what an append will change in a producer; nothing changes in the log's state until it is written.
type producerUpdate struct {
	id      int64
	current producer // as it is; its epoch is −1 if it is not known
	updated producer // its batches are those of this append only
}

// completedTransaction is one that an end marker of this append ends.
type completedTransaction struct {
	producerID  int64
	firstOffset int64
	lastOffset  int64 // of the marker
	aborted     bool
}

// append checks a data batch against the producer's state and adds it.
func (u *producerUpdate) append(h *header, origin Origin) error {
	if err := u.checkEpoch(h.producerEpoch, 0, origin); err != nil {
		return err
	}
	if origin == OriginClient {
		if err := u.checkSequence(h); err != nil {
			return err
		}
	}
	u.updated.setEpoch(h.producerEpoch)
	u.updated.push(batchOf(h))
	u.updated.lastTimestamp = h.maxTimestamp
	switch {
	case u.updated.txnFirstOffset >= 0 && !h.transactional():
		return fmt.Errorf("%w: producer %d wrote outside its open transaction", ErrInvalidTxnState, u.id)
	case u.updated.txnFirstOffset < 0 && h.transactional():
		u.updated.txnFirstOffset = h.baseOffset
	}
	return nil
}

func (u *producerUpdate) checkEpoch(epoch, transactionVersion int16, origin Origin) error {
	current := u.updated.epoch
	if epoch > current || (epoch == current && transactionVersion < 2) || origin == OriginReplication {
		return nil
	}
	if epoch == current && (u.updated.txnFirstOffset < 0 || epoch == math.MaxInt16) {
		return nil // the marker of a transaction that is ended already, sent again
	}
	return fmt.Errorf("%w: producer %d sent epoch %d, the last one seen is %d", ErrInvalidProducerEpoch, u.id, epoch, current)
}

func (u *producerUpdate) checkSequence(h *header) error {
	first := h.baseSequence
	if h.producerEpoch != u.updated.epoch {
		if first != 0 && u.updated.epoch != -1 {
			return fmt.Errorf("%w: producer %d began epoch %d with %d instead of 0", ErrOutOfOrderSequence, u.id, h.producerEpoch, first)
		}
		return nil
	}
	last := int32(-1)
	if u.updated.count > 0 {
		last = u.updated.lastSequence()
	} else if h.producerEpoch == u.current.epoch {
		last = u.current.lastSequence()
	}
	if u.current.epoch == -1 || int64(first) == int64(last)+1 || (first == 0 && last == math.MaxInt32) {
		return nil
	}
	return fmt.Errorf("%w: producer %d sent %d after %d", ErrOutOfOrderSequence, u.id, first, last)
}

// end applies an end marker; ok tells whether a transaction was open.
func (u *producerUpdate) end(h *header, marker endMarker, transactionVersion int16, origin Origin) (done completedTransaction, ok bool, err error) {
	if err := u.checkEpoch(h.producerEpoch, transactionVersion, origin); err != nil {
		return done, false, err
	}
	if u.updated.coordinatorEpoch > marker.coordinatorEpoch && origin != OriginReplication {
		return done, false, fmt.Errorf("%w: marker of epoch %d for producer %d, the last one seen is %d", ErrTransactionCoordinatorFenced,
			marker.coordinatorEpoch, u.id, u.updated.coordinatorEpoch)
	}
	if u.updated.txnFirstOffset >= 0 {
		done, ok = completedTransaction{u.id, u.updated.txnFirstOffset, h.baseOffset, marker.aborted}, true
	}
	u.updated.setEpoch(h.producerEpoch)
	u.updated.coordinatorEpoch, u.updated.lastTimestamp, u.updated.txnFirstOffset = marker.coordinatorEpoch, marker.timestamp, -1
	return done, ok, nil
}

// transaction is one that was begun.
type transaction struct {
	firstOffset int64
	producerID  int64
	lastOffset  int64 // of its marker, −1 while it is open
}

// producers is the producer state of a log: what is needed to refuse duplicates and gaps, and the transactions that are open. All of it
// is guarded by the log's mutex; ongoing and unreplicated also by its state lock.
type producers struct {
	byID map[int64]*producer
	// ongoing are open; unreplicated are ended by a marker at or above the high watermark. Both by first offset.
	ongoing      []transaction
	unreplicated []transaction
	mapEnd       int64   // all below is contained
	lastSnapshot int64   // the offset of the newest snapshot
	snapshots    []int64 // on disk, rising

	verifications verifications
}

func (s *producers) clear() {
	clear(s.byID)
	s.ongoing, s.unreplicated = nil, nil
	s.verifications.byProducer = nil
}

// update takes an append's changes of one producer. It is called under the state lock.
func (s *producers) update(u *producerUpdate) {
	p := s.byID[u.id]
	if p == nil {
		p = new(producer)
		*p = emptyProducer()
		s.byID[u.id] = p
	}
	p.setEpoch(u.updated.epoch)
	for _, b := range u.updated.batches[:u.updated.count] {
		p.push(b)
	}
	p.coordinatorEpoch, p.lastTimestamp, p.txnFirstOffset = u.updated.coordinatorEpoch, u.updated.lastTimestamp, u.updated.txnFirstOffset
	s.verifications.used(u)
}

func (s *producers) begin(t transaction) {
	i := sort.Search(len(s.ongoing), func(i int) bool { return s.ongoing[i].firstOffset >= t.firstOffset })
	if i < len(s.ongoing) && s.ongoing[i].firstOffset == t.firstOffset {
		s.ongoing[i] = t
		return
	}
	s.ongoing = append(s.ongoing, transaction{})
	copy(s.ongoing[i+1:], s.ongoing[i:])
	s.ongoing[i] = t
}

// lastStableOffset is what it will be once the transaction is completed and replicated.
func (s *producers) lastStableOffset(done completedTransaction) int64 {
	for _, t := range s.ongoing {
		if t.producerID != done.producerID {
			return t.firstOffset
		}
	}
	return done.lastOffset + 1
}

// complete moves a transaction from ongoing to unreplicated.
func (s *producers) complete(done completedTransaction) {
	for i, t := range s.ongoing {
		if t.firstOffset == done.firstOffset {
			s.ongoing = append(s.ongoing[:i], s.ongoing[i+1:]...)
			t.lastOffset = done.lastOffset
			j := sort.Search(len(s.unreplicated), func(j int) bool { return s.unreplicated[j].firstOffset >= t.firstOffset })
			s.unreplicated = append(s.unreplicated, transaction{})
			copy(s.unreplicated[j+1:], s.unreplicated[j:])
			s.unreplicated[j] = t
			return
		}
	}
	panic(fmt.Sprintf("BUG: transaction at offset %d of producer %d ended without having begun", done.firstOffset, done.producerID))
}

// replicated forgets the ended transactions whose marker is below the high watermark (or the log start offset).
func (s *producers) replicated(below int64) {
	if len(s.unreplicated) == 0 {
		return
	}
	kept := s.unreplicated[:0]
	for _, t := range s.unreplicated {
		if t.lastOffset >= below {
			kept = append(kept, t)
		}
	}
	s.unreplicated = kept
}

// firstUnstable is the first offset of the earliest transaction that is open or not yet replicated, −1 if there is none.
func (s *producers) firstUnstable() int64 {
	first := int64(-1)
	if len(s.ongoing) > 0 {
		first = s.ongoing[0].firstOffset
	}
	if len(s.unreplicated) > 0 && (first < 0 || s.unreplicated[0].firstOffset < first) {
		first = s.unreplicated[0].firstOffset
	}
	return first
}

func expired(p *producer, nowMs, expirationMs int64) bool {
	return p.txnFirstOffset < 0 && nowMs-p.lastTimestamp >= expirationMs
}

func (s *producers) expire(nowMs, expirationMs int64) {
	s.verifications.expire(nowMs, expirationMs)
	for id, p := range s.byID {
		if expired(p, nowMs, expirationMs) {
			delete(s.byID, id)
		}
	}
}

func (s *producers) list() []ProducerState {
	list := make([]ProducerState, 0, len(s.byID))
	for id, p := range s.byID {
		list = append(list, ProducerState{
			ProducerID: id, ProducerEpoch: p.epoch, LastSequence: p.lastSequence(), LastOffset: p.lastOffset(),
			LastTimestamp: p.lastTimestamp, CoordinatorEpoch: p.coordinatorEpoch, CurrentTxnStartOffset: p.txnFirstOffset,
		})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].ProducerID < list[j].ProducerID })
	return list
}
