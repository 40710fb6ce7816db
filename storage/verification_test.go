package storage

import (
	"errors"
	"math"
	"testing"
)

// verified appends a batch of a producer in a transaction as Produce does.
func verified(l *Log, b testBatch, pass uint64) error {
	b.transactional = true
	_, err := l.Append(b.bytes(), AppendOptions{Origin: OriginClient, Verify: true, Verification: pass})
	return err
}

func mustVerify(t *testing.T, l *Log, b testBatch, epochBump bool) uint64 {
	t.Helper()
	pass, err := l.StartVerification(b.producerID, b.epoch, b.sequence, epochBump)
	if err != nil {
		t.Fatal(err)
	}
	return pass
}

func endWith(t *testing.T, l *Log, producerID int64, epoch, version int16) {
	t.Helper()
	marker := testBatch{producerID: producerID, epoch: epoch, marker: &endMarker{aborted: true}}
	if _, err := l.Append(marker.bytes(), AppendOptions{Origin: OriginCoordinator, TransactionVersion: version}); err != nil {
		t.Fatal(err)
	}
}

// TestNoBatchWithoutAPass: the first batch of a transaction needs the pass that was
// made for it, later ones need none.
func TestNoBatchWithoutAPass(t *testing.T) {
	l := memoryLog(t, smallConfig())
	b := testBatch{producerID: 1}
	if err := verified(l, b, 0); !errors.Is(err, ErrInvalidTxnState) {
		t.Fatalf("without a pass: %v", err)
	}
	pass := mustVerify(t, l, b, false)
	if pass == 0 || mustVerify(t, l, b, false) != pass {
		t.Fatalf("pass %d is not the one of the second time", pass)
	}
	if err := verified(l, b, pass+1); !errors.Is(err, ErrInvalidTxnState) {
		t.Fatalf("with another's pass: %v", err)
	}
	if err := verified(l, b, pass); err != nil {
		t.Fatal(err)
	}
	if err := verified(l, b, 0); err != nil {
		t.Fatalf("the same batch again: %v", err)
	}
	if pass := mustVerify(t, l, testBatch{producerID: 1, sequence: 1}, false); pass != 0 {
		t.Fatalf("pass %d for an open transaction", pass)
	}
	if err := verified(l, testBatch{producerID: 1, sequence: 1}, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := l.StartVerification(1, -1, 0, false); !errors.Is(err, ErrInvalidProducerEpoch) {
		t.Fatalf("for an epoch that is past: %v", err)
	}
}

// TestLateBatchCannotReopenATransaction: a batch that was approved before the
// marker and comes after it would begin a transaction that nobody ends (T3, T4).
func TestLateBatchCannotReopenATransaction(t *testing.T) {
	for _, version := range []int16{0, 2} {
		l := memoryLog(t, smallConfig())
		late := mustVerify(t, l, testBatch{producerID: 1}, version == 2)
		endWith(t, l, 1, version/2, version) // the epoch of version 2 is one higher
		err := verified(l, testBatch{producerID: 1}, late)
		if version == 0 && !errors.Is(err, ErrInvalidTxnState) || version == 2 && !errors.Is(err, ErrInvalidProducerEpoch) {
			t.Fatalf("version %d: %v", version, err)
		}
		// The next transaction asks anew, and the old pass is not good for it.
		next := testBatch{producerID: 1, epoch: version / 2}
		pass := mustVerify(t, l, next, version == 2)
		if err := verified(l, next, late); pass != late && !errors.Is(err, ErrInvalidTxnState) {
			t.Fatalf("version %d: %v", version, err)
		}
		if err := verified(l, next, pass); err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		l.SetHighWatermark(l.EndOffset())
		endWith(t, l, 1, version, version)
		l.SetHighWatermark(l.EndOffset())
		if l.LastStableOffset() != l.EndOffset() {
			t.Errorf("version %d: stable to %d of %d", version, l.LastStableOffset(), l.EndOffset())
		}
	}
}

// TestPassOutlivesTheMarkerBeforeIt: the marker of a transaction that comes after
// the next one has asked does not take the pass of that.
func TestPassOutlivesTheMarkerBeforeIt(t *testing.T) {
	l := memoryLog(t, smallConfig())
	pass := mustVerify(t, l, testBatch{producerID: 1, epoch: 1}, true)
	endWith(t, l, 1, 1, 2)
	if err := verified(l, testBatch{producerID: 1, epoch: 1}, pass); err != nil {
		t.Fatal(err)
	}
}

// TestHigherSequenceWaitsForTheLower: while the lower is refused, the higher must
// not overtake it, or the lower would be out of order for ever.
func TestHigherSequenceWaitsForTheLower(t *testing.T) {
	l := memoryLog(t, smallConfig())
	pass := mustVerify(t, l, testBatch{producerID: 1, sequence: 3}, false)
	mustVerify(t, l, testBatch{producerID: 1, sequence: 0}, false)
	if err := verified(l, testBatch{producerID: 1, sequence: 3}, pass); !errors.Is(err, ErrOutOfOrderSequence) {
		t.Fatalf("the higher first: %v", err)
	}
	if err := verified(l, testBatch{producerID: 1}, pass); err != nil {
		t.Fatal(err)
	}
	// A producer that is not known begins with 0 where the epoch rises.
	pass = mustVerify(t, l, testBatch{producerID: 2, sequence: 7}, true)
	if err := verified(l, testBatch{producerID: 2, sequence: 7}, pass); !errors.Is(err, ErrOutOfOrderSequence) {
		t.Fatalf("an unknown producer's later batch: %v", err)
	}
}

// TestPassesExpire with the producers.
func TestPassesExpire(t *testing.T) {
	l := memoryLog(t, smallConfig())
	b := testBatch{producerID: 1}
	pass := mustVerify(t, l, b, false)
	l.mu.Lock()
	l.producer.expire(math.MaxInt64, 1)
	l.mu.Unlock()
	if err := verified(l, b, pass); !errors.Is(err, ErrInvalidTxnState) {
		t.Fatalf("with an expired pass: %v", err)
	}
}

// TestMarkerKeepsItsProducer: what is known of a producer counts from its last
// marker too, or an older coordinator's marker would be taken afterwards.
func TestMarkerKeepsItsProducer(t *testing.T) {
	l := memoryLog(t, smallConfig())
	mustAppend(t, l, testBatch{producerID: 1, transactional: true, timestamps: []int64{1000}}, OriginClient)
	mustAppend(t, l, testBatch{producerID: 1, timestamps: []int64{9000}, marker: &endMarker{coordinatorEpoch: 7}}, OriginCoordinator)
	expire := func(now int64) {
		l.mu.Lock()
		l.producer.expire(now, 5000)
		l.mu.Unlock()
	}
	expire(13_000)
	older := testBatch{producerID: 1, marker: &endMarker{coordinatorEpoch: 6}}
	if _, err := l.Append(older.bytes(), AppendOptions{Origin: OriginCoordinator}); !errors.Is(err, ErrTransactionCoordinatorFenced) {
		t.Errorf("an older coordinator's marker: %v", err)
	}
	if expire(14_000); len(l.ProducerStates()) != 0 {
		t.Error("the producer is still there")
	}
}
