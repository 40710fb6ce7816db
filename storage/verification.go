package storage

import "fmt"

// verification is the pass of a producer whose transaction was not yet seen in this log when it wanted to write. It is made before the
// coordinator is asked whether the transaction has this partition, and gone with the first batch or the marker: so a batch that was
// approved before the marker cannot land behind it, where no other marker would ever come (KIP-890).
type verification struct {
	token          uint64
	epoch          int16
	lowestSequence int32 // a higher one must not overtake it
	epochBump      bool
	madeMs         int64
}

// verifications are guarded by the log's mutex.
type verifications struct {
	byProducer map[int64]*verification
	last       uint64 // token given out
}

// StartVerification gives the pass that a producer needs for the first batch of a transaction, 0 if its transaction is open here
// already. epochBump says that the epoch rises with each transaction. The error is ErrInvalidProducerEpoch for an epoch that is past.
func (l *Log) StartVerification(producerID int64, epoch int16, sequence int32, epochBump bool) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return 0, err
	}
	if p := l.producer.byID[producerID]; p != nil {
		if epoch < p.epoch {
			return 0, fmt.Errorf("%w: producer %d wants to write with epoch %d, the last one seen is %d", ErrInvalidProducerEpoch, producerID, epoch, p.epoch)
		}
		if epoch == p.epoch && p.txnFirstOffset >= 0 {
			return 0, nil
		}
	}
	s := &l.producer.verifications
	v := s.byProducer[producerID]
	switch {
	case v == nil:
		if s.byProducer == nil {
			s.byProducer = map[int64]*verification{}
		}
		s.last++
		v = &verification{token: s.last, epoch: epoch, lowestSequence: sequence, epochBump: epochBump, madeMs: l.engine.nowMs()}
		s.byProducer[producerID] = v
	case epoch > v.epoch:
		v.epoch, v.lowestSequence = epoch, sequence
	case epoch == v.epoch:
		v.lowestSequence = min(v.lowestSequence, sequence)
	}
	return v.token, nil
}

// verify refuses a batch of a transaction that is not open here and has not got the pass.
func (l *Log) verify(h *header, options AppendOptions) error {
	if !options.Verify || !h.transactional() || h.control() {
		return nil
	}
	p := l.producer.byID[h.producerID]
	v := l.producer.verifications.byProducer[h.producerID]
	if p == nil || p.epoch != h.producerEpoch || p.txnFirstOffset < 0 {
		switch {
		case p != nil && h.producerEpoch < p.epoch:
			return fmt.Errorf("%w: producer %d sent epoch %d, the last one seen is %d", ErrInvalidProducerEpoch, h.producerID, h.producerEpoch, p.epoch)
		case v == nil || v.token != options.Verification:
			return fmt.Errorf("%w: producer %d wrote outside a transaction that has this partition", ErrInvalidTxnState, h.producerID)
		}
	}
	switch {
	case v == nil || options.Origin != OriginClient:
		return nil
	case p == nil && v.epochBump && h.baseSequence != 0:
		return fmt.Errorf("%w: producer %d is not known and began with %d instead of 0", ErrOutOfOrderSequence, h.producerID, h.baseSequence)
	case h.baseSequence > v.lowestSequence:
		return fmt.Errorf("%w: producer %d sent %d, and %d is to come before it", ErrOutOfOrderSequence, h.producerID, h.baseSequence, v.lowestSequence)
	}
	return nil
}

// used takes back the pass of a producer whose batch or marker is in the log; that of the transaction after a marker stays.
func (s *verifications) used(u *producerUpdate) {
	v := s.byProducer[u.id]
	if v == nil || u.updated.count == 0 && v.epochBump && v.epoch == u.updated.epoch {
		return
	}
	delete(s.byProducer, u.id)
}

func (s *verifications) expire(nowMs, expirationMs int64) {
	for id, v := range s.byProducer {
		if nowMs-v.madeMs >= expirationMs {
			delete(s.byProducer, id)
		}
	}
}
