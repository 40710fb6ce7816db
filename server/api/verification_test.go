package api

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/coordinator/transaction"
)

// oracle is a coordinator that answers as the test wants.
type oracle struct {
	answers []*kerr.Error
	asked   int
	added   bool
	silent  bool
}

func (o *oracle) next() *kerr.Error {
	failure := o.answers[min(o.asked, len(o.answers)-1)]
	o.asked++
	return failure
}

func (o *oracle) AddPartitions(_ string, _ int64, _ int16, _ []transaction.Partition, version int16, reply func(*kerr.Error)) {
	o.added = version == 2
	if !o.silent {
		reply(o.next())
	}
}

func (o *oracle) VerifyPartitions(_ string, _ int64, _ int16, partitions []transaction.Partition, reply func([]*kerr.Error)) {
	if !o.silent {
		reply(same(o.next(), len(partitions)))
	}
}

// TestVerdicts holds what the coordinator answers against what producers are told.
func TestVerdicts(t *testing.T) {
	for _, row := range []struct {
		version int16
		answer  *kerr.Error
		want    *kerr.Error
	}{
		{10, nil, nil}, {11, nil, nil}, {12, nil, nil},
		{10, kerr.TransactionAbortable, kerr.InvalidTxnState}, {11, kerr.TransactionAbortable, kerr.TransactionAbortable},
		{10, kerr.ProducerFenced, kerr.InvalidProducerEpoch}, {12, kerr.ProducerFenced, kerr.InvalidProducerEpoch},
		{10, kerr.ConcurrentTransactions, kerr.NotEnoughReplicas}, {11, kerr.ConcurrentTransactions, kerr.NotEnoughReplicas},
		{12, kerr.ConcurrentTransactions, kerr.ConcurrentTransactions},
		{10, kerr.NotCoordinator, kerr.NotEnoughReplicas}, {12, kerr.CoordinatorLoadInProgress, kerr.NotEnoughReplicas},
		{13, kerr.CoordinatorNotAvailable, kerr.NotEnoughReplicas}, {13, kerr.UnknownServerError, kerr.NotEnoughReplicas},
		{10, kerr.InvalidProducerIDMapping, kerr.InvalidProducerIDMapping}, {12, kerr.InvalidRequest, kerr.InvalidRequest},
	} {
		synctest.Test(t, func(t *testing.T) {
			o := &oracle{answers: []*kerr.Error{row.answer}}
			v := verifier{o, func() bool { return true }}
			w := writer{transactionalID: "x", membership: produceMembership(row.version)}
			got := produceVerdict(w.membership, v.verify(t.Context(), w, make([]transaction.Partition, 2))[1])
			if got != row.want || o.added != (row.version >= 12) {
				t.Errorf("v%d, %v: %v, added %t", row.version, row.answer, got, o.added)
			}
		})
	}
}

// TestNewTransactionWaitsForTheMarkersOfTheOld, for a while.
func TestNewTransactionWaitsForTheMarkersOfTheOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := kerr.ConcurrentTransactions
		o := &oracle{answers: []*kerr.Error{busy, busy, busy, nil}}
		v := verifier{o, func() bool { return true }}
		begun := time.Now()
		if got := v.verify(t.Context(), writer{membership: adding}, make([]transaction.Partition, 1)); got[0] != nil || o.asked != 4 {
			t.Errorf("%v after %d questions", got, o.asked)
		}
		if waited := time.Since(begun); waited > 20*time.Millisecond {
			t.Errorf("waited %v", waited)
		}
		o.answers, o.asked, begun = []*kerr.Error{busy}, 0, time.Now()
		if got := v.verify(t.Context(), writer{membership: adding}, make([]transaction.Partition, 1)); got[0] != busy {
			t.Errorf("%v", got)
		}
		if waited := time.Since(begun); waited < markersPatience || waited > 3*markersPatience {
			t.Errorf("waited %v", waited)
		}
		ended, end := context.WithCancel(t.Context())
		end()
		o.asked = 0
		if got := v.verify(ended, writer{membership: adding}, make([]transaction.Partition, 1)); got[0] == nil || o.asked > 1 {
			t.Errorf("a connection that has ended: %v after %d questions", got, o.asked)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		o.silent = true
		if got := v.verify(ctx, writer{}, make([]transaction.Partition, 1)); got[0] != kerr.NetworkException {
			t.Errorf("without an answer: %v", got)
		}
	})
}
