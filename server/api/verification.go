package api

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/coordinator/transaction"
	"ottla/replica"
)

// Transactions knows which partitions a transaction has.
type Transactions interface {
	// AddPartitions makes partitions part of a transaction. It answers at once or
	// later; it waits for an append to a log at most.
	AddPartitions(id string, producerID int64, epoch int16, partitions []transaction.Partition, version int16, reply func(*kerr.Error))
	// VerifyPartitions tells for each partition whether it is part of the
	// transaction. It answers at once or later; it waits for an append to a log at most.
	VerifyPartitions(id string, producerID int64, epoch int16, partitions []transaction.Partition, reply func([]*kerr.Error))
}

// membership is how a client's version of Produce or TxnOffsetCommit makes a
// partition part of its transaction (KIP-890).
type membership uint8

const (
	// added: the client has added it itself, and knows only the older errors.
	added membership = iota
	// addedOrAbort: the same, but it knows TRANSACTION_ABORTABLE.
	addedOrAbort
	// adding: writing adds it; the epoch rises with each transaction.
	adding
)

// writer is a producer in a transaction that wants to write.
type writer struct {
	transactionalID string
	producerID      int64
	epoch           int16
	membership      membership
}

// The time in which a new transaction waits for the markers of the one before it,
// so that the client need not send its records again.
const (
	markersPatience = 100 * time.Millisecond
	markersBackoff  = 50 * time.Microsecond
)

// verifier makes sure that what is written belongs to a transaction.
type verifier struct {
	transactions Transactions
	// enabled is transaction.partition.verification.enable.
	enabled func() bool
}

// needed tells whether a writer is verified at all.
func (v *verifier) needed(w writer) bool { return w.membership == adding || v.enabled() }

// verify asks the coordinator. The errors are those that producers know, one for
// each partition, nil where it may be written to.
func (v *verifier) verify(ctx context.Context, w writer, partitions []transaction.Partition) []*kerr.Error {
	begun := time.Now()
	for wait := markersBackoff; ; wait *= 2 {
		verdicts, ok := v.ask(ctx, w, partitions)
		if !ok || w.membership != adding || verdicts[0] != kerr.ConcurrentTransactions || time.Since(begun) >= markersPatience {
			for i := range verdicts {
				verdicts[i] = verdictFor(w.membership, verdicts[i])
			}
			return verdicts
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return same(verdictFor(w.membership, kerr.NetworkException), len(partitions))
		}
	}
}

// ask asks once; ok is false if nobody waits for the answer any more.
func (v *verifier) ask(ctx context.Context, w writer, partitions []transaction.Partition) (verdicts []*kerr.Error, ok bool) {
	answer := make(chan []*kerr.Error, 1)
	if w.membership == adding {
		v.transactions.AddPartitions(w.transactionalID, w.producerID, w.epoch, partitions, 2, func(failure *kerr.Error) {
			answer <- same(failure, len(partitions))
		})
	} else {
		v.transactions.VerifyPartitions(w.transactionalID, w.producerID, w.epoch, partitions, func(all []*kerr.Error) { answer <- all })
	}
	if verdicts, ok = receive(ctx, answer); !ok {
		verdicts = same(kerr.NetworkException, len(partitions))
	}
	return verdicts, ok
}

func same(failure *kerr.Error, count int) []*kerr.Error {
	all := make([]*kerr.Error, count)
	for i := range all {
		all[i] = failure
	}
	return all
}

// verdictFor is the coordinator's answer as a writer knows it.
func verdictFor(m membership, failure *kerr.Error) *kerr.Error {
	switch {
	case failure == kerr.ProducerFenced:
		return kerr.InvalidProducerEpoch
	case failure == kerr.TransactionAbortable && m == added:
		return kerr.InvalidTxnState
	}
	return failure
}

// produceVerdict is the answer as a Produce has it: what may pass is an error
// after which every client tries again without asking for the metadata.
func produceVerdict(m membership, failure *kerr.Error) *kerr.Error {
	switch failure {
	case kerr.NetworkException, kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.UnknownServerError:
		return kerr.NotEnoughReplicas
	case kerr.ConcurrentTransactions:
		if m != adding {
			return kerr.NotEnoughReplicas
		}
	}
	return failure
}

// start begins the verification of a writer in one partition: 0 if its transaction
// is open there.
func (v *verifier) start(partition *replica.Partition, w writer, sequence int32) (uint64, error) {
	return partition.StartVerification(w.producerID, w.epoch, sequence, w.membership == adding)
}
