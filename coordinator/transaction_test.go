package coordinator

import (
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/protocol/record"
)

// transactionalLog keeps what it was told beside the batches.
type transactionalLog struct {
	*memoryLog
	verifications []uint64
	versions      []int16
}

func (l *transactionalLog) AppendTransactional(batch []byte, verification uint64) (int64, error) {
	l.verifications = append(l.verifications, verification)
	return l.Append(batch)
}

func (l *transactionalLog) AppendMarker(batch []byte, version int16) (int64, error) {
	l.versions = append(l.versions, version)
	return l.Append(batch)
}

func inTransactions(t *testing.T, play func(r *rig, log *transactionalLog)) {
	synctest.Test(t, func(t *testing.T) {
		r, log := newRig(t, nil), &transactionalLog{memoryLog: newMemoryLog()}
		r.runtime.Start(0, 1, log)
		synctest.Wait()
		play(r, log)
		r.close()
	})
}

func (r *rig) putIn(name string, producerID int64, pairs ...string) {
	r.run(name, Result{Records: records(pairs...), Transaction: &Transaction{ProducerID: producerID, ProducerEpoch: 3, Verification: 77}})
}

func (r *rig) endOf(name string, producerID int64, commit bool) {
	r.runtime.EndTransaction(0, Marker{ProducerID: producerID, ProducerEpoch: 4, Commit: commit, CoordinatorEpoch: 9, Version: 2}, r.done(name))
}

// TestTransactionsHaveBatchesOfTheirOwn: what was asked for in one turn is written
// in order, and no batch holds records of two kinds.
func TestTransactionsHaveBatchesOfTheirOwn(t *testing.T) {
	inTransactions(t, func(r *rig, log *transactionalLog) {
		gate := make(chan struct{})
		r.runtime.Run(0, func(*table) Result { <-gate; return Result{} }, func(*kerr.Error) {})
		r.put("one", "a=1")
		r.putIn("two", 5, "b=1", "c=1")
		r.putIn("three", 6, "b=2")
		r.put("four", "d=1")
		r.endOf("five", 5, true)
		r.put("six", "e=1")
		close(gate)
		r.expect("one: done", "two: done", "three: done", "four: done", "five: done", "six: done")
		r.get("committed only")
		r.expect("committed only: a=1 b=1 c=1 d=1 e=1")
		r.endOf("abort", 6, false)
		r.endOf("abort of nothing", 8, false)
		r.get("still")
		r.expect("abort: done", "abort of nothing: done", "still: a=1 b=1 c=1 d=1 e=1")
		type kind struct {
			producerID             int64
			epoch                  int16
			count                  int32
			transactional, control bool
		}
		want := []kind{{-1, -1, 1, false, false}, {5, 3, 2, true, false}, {6, 3, 1, true, false}, {-1, -1, 1, false, false},
			{5, 4, 1, true, true}, {-1, -1, 1, false, false}, {6, 4, 1, true, true}, {8, 4, 1, true, true}}
		if len(log.batches) != len(want) {
			t.Fatalf("%d batches, want %d", len(log.batches), len(want))
		}
		for i, b := range log.batches {
			if got := (kind{b.ProducerID(), b.ProducerEpoch(), b.RecordCount(), b.IsTransactional(), b.IsControl()}); got != want[i] {
				t.Errorf("batch %d is %+v, want %+v", i, got, want[i])
			}
		}
		if len(log.verifications) != 2 || log.verifications[0] != 77 || len(log.versions) != 3 || log.versions[0] != 2 {
			t.Errorf("verifications %v, versions %v", log.verifications, log.versions)
		}
		marker := log.batches[4]
		for entry, err := range marker.Records(record.Limits{}) {
			value, bad := record.DecodeEndTxnMarker(entry.Value)
			if err != nil || bad != nil || value.CoordinatorEpoch != 9 {
				t.Errorf("marker %+v: %v, %v", value, err, bad)
			}
		}
	})
}

// TestTransactionThatCannotBeWritten leaves nothing behind: neither its records nor
// its end are seen before they are in the log.
func TestTransactionThatCannotBeWritten(t *testing.T) {
	inTransactions(t, func(r *rig, log *transactionalLog) {
		r.putIn("kept", 5, "a=1")
		synctest.Wait()
		log.appendErr = kerr.InvalidTxnState
		r.putIn("refused", 6, "b=1")
		r.endOf("no end", 5, true)
		r.expect("kept: done", "refused: INVALID_TXN_STATE", "no end: INVALID_TXN_STATE")
		log.appendErr = nil
		r.get("nothing yet")
		r.endOf("end of nothing", 6, true)
		r.get("nothing still")
		r.endOf("end", 5, true)
		r.get("all")
		r.expect("nothing yet: ", "end of nothing: done", "nothing still: ", "end: done", "all: a=1")
	})
}

// TestTransactionsAfterALoad: what was pending is pending, and its marker finds it.
func TestTransactionsAfterALoad(t *testing.T) {
	inTransactions(t, func(r *rig, log *transactionalLog) {
		r.putIn("pending", 5, "a=1")
		r.expect("pending: done")
		r.runtime.Stop(0, 1)
		r.runtime.Start(0, 2, log)
		r.get("nothing yet")
		synctest.Wait()
		r.said = nil
		r.get("loaded")
		r.endOf("end", 5, true)
		r.get("all")
		r.expect("loaded: ", "end: done", "all: a=1")
		r.runtime.Stop(0, 3)
		synctest.Wait()
		r.endOf("nobody's", 5, true)
		r.expect("nobody's: NOT_COORDINATOR")
	})
}

// TestMarkerWaitsForTheCommit: who writes a marker learns of it when it is below
// the high watermark.
func TestMarkerWaitsForTheCommit(t *testing.T) {
	inTransactions(t, func(r *rig, log *transactionalLog) {
		log.commit(0)
		r.putIn("records", 5, "a=1")
		r.endOf("marker", 5, true)
		r.expect()
		log.commit(1)
		r.expect("records: done")
		log.commit(2)
		r.expect("marker: done")
	})
}
