package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator/transaction"
	"ottla/protocol/record"
	"ottla/replica"
)

// produceMembership is what a version of Produce does with transactions.
func produceMembership(version int16) membership {
	switch {
	case version >= 12:
		return adding
	case version == 11:
		return addedOrAbort
	}
	return added
}

// transactionalBatch is the batch of a target if it is one of a transaction. What
// is no batch is found out where it is appended.
func transactionalBatch(at target) (record.Batch, bool) {
	batch, _, err := record.Next(at.records)
	if err != nil || !batch.IsTransactional() {
		return nil, false
	}
	return batch, true
}

// transactional tells whether a request has batches of a transaction.
func transactional(targets []target) bool {
	for _, at := range targets {
		if _, ok := transactionalBatch(at); ok {
			return true
		}
	}
	return false
}

// verify prepares the targets of a transactional request: those that may be
// appended to come back, the others have their error. It waits for the
// coordinator.
func (h *producer) verify(ctx context.Context, body *kmsg.ProduceRequest, response *kmsg.ProduceResponse, targets []target, listener string) []target {
	w, failure := transactionOf(body, targets)
	if failure != nil {
		for _, at := range targets {
			fail(place(response, at), failure)
		}
		return nil
	}
	if w.producerID < 0 || !h.verifier.needed(w) {
		return targets
	}
	var ready, asked []target
	var partitions []transaction.Partition
	for _, at := range targets {
		batch, ok := transactionalBatch(at)
		if !ok || batch.ProducerID() < 0 {
			ready = append(ready, at)
			continue
		}
		partition, pass, ok := h.startVerification(body, response, at, batch, w, listener)
		at.verify, at.verification = true, pass
		switch {
		case !ok:
		case pass == 0:
			ready = append(ready, at)
		default:
			asked = append(asked, at)
			partitions = append(partitions, transaction.Partition{Topic: partition.Topic(), Index: partition.Index()})
		}
	}
	if len(asked) == 0 {
		return ready
	}
	for i, verdict := range h.verifier.verify(ctx, w, partitions) {
		if verdict == nil {
			ready = append(ready, asked[i])
			continue
		}
		answer := place(response, asked[i])
		told := produceVerdict(w.membership, verdict)
		fail(answer, told)
		switch {
		case told != verdict:
			answer.ErrorMessage = kmsg.StringPtr("Unable to verify the partition has been added to the transaction. Underlying error: " + verdict.Message)
		case told == kerr.InvalidTxnState:
			answer.ErrorMessage = kmsg.StringPtr("Partition was not added to the transaction")
		}
	}
	return ready
}

func (h *producer) startVerification(body *kmsg.ProduceRequest, response *kmsg.ProduceResponse, at target, batch record.Batch, w writer, listener string) (*replica.Partition, uint64, bool) {
	answer, topic := place(response, at), &response.Topics[at.topic]
	partition, failure := h.partition(body.Version, topic.Topic, topic.TopicID, answer.Partition)
	if failure != nil {
		fail(answer, failure)
		return nil, 0, false
	}
	if internalTopic(partition.Topic()) {
		fail(answer, kerr.InvalidTopicException)
		return nil, 0, false
	}
	pass, err := h.verifier.start(partition, w, batch.BaseSequence())
	if err != nil {
		// Unlike those of an append, these have no log start offset.
		if failure = replica.ErrorOf(err); failure == kerr.NotLeaderForPartition && body.Version >= 10 {
			h.addLeader(response, answer, partition, listener)
		}
		fail(answer, failure)
		return nil, 0, false
	}
	return partition, pass, true
}

// transactionOf is who writes. A transaction without a name is nobody's, and one
// request has one producer.
func transactionOf(body *kmsg.ProduceRequest, targets []target) (writer, *kerr.Error) {
	if body.TransactionID == nil {
		return writer{}, kerr.TransactionalIDAuthorizationFailed
	}
	w := writer{transactionalID: *body.TransactionID, producerID: -1, membership: produceMembership(body.Version)}
	for _, at := range targets {
		batch, ok := transactionalBatch(at)
		if !ok || batch.ProducerID() < 0 {
			continue
		}
		if w.producerID >= 0 && (w.producerID != batch.ProducerID() || w.epoch != batch.ProducerEpoch()) {
			return writer{}, kerr.InvalidProducerIDMapping
		}
		w.producerID, w.epoch = batch.ProducerID(), batch.ProducerEpoch()
	}
	return w, nil
}
