package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator/transaction"
	"ottla/metadata"
	"ottla/replica"
)

// TxnOffsetCommitter commits offsets in transactions.
type TxnOffsetCommitter interface {
	KeyPartitions
	// TxnOffsetCommit answers at once or later; it waits for an append to a log at most. The topics exist.
	TxnOffsetCommit(request *kmsg.TxnOffsetCommitRequest, verification uint64, reply func(*kmsg.TxnOffsetCommitResponse))
}

// TxnOffsetCommitOptions is what TxnOffsetCommit needs.
type TxnOffsetCommitOptions struct {
	Cluster      Cluster
	Groups       TxnOffsetCommitter
	Replicas     *replica.Manager
	Transactions Transactions
	// Verify is transaction.partition.verification.enable.
	Verify func() bool
}

// TxnOffsetCommit makes the handler of TxnOffsetCommit (28), v0 to v5: offsets
// that become a group's when the transaction commits (KIP-447).
//
// v3 tells the member that commits, so that one who is no longer it is refused; v4
// knows TRANSACTION_ABORTABLE; from v5 on the commit itself makes the offsets part
// of the transaction (KIP-890). Before that AddOffsetsToTxn has to have done so,
// which is verified.
func TxnOffsetCommit(options TxnOffsetCommitOptions) Handler {
	v := &verifier{options.Transactions, options.Verify}
	return func(_ context.Context, request *Request) Reply {
		return func(ctx context.Context) (Response, error) {
			return commitInTransaction(ctx, request.Body.(*kmsg.TxnOffsetCommitRequest), &options, v)
		}
	}
}

func commitInTransaction(ctx context.Context, body *kmsg.TxnOffsetCommitRequest, options *TxnOffsetCommitOptions, v *verifier) (Response, error) {
	refused, accepted := splitTxnCommit(body, options.Cluster.Image())
	if len(accepted.Topics) == 0 {
		return refused, nil
	}
	if body.Group == "" {
		return mergeTxnCommits(refused, accepted, nil, kerr.InvalidGroupID), nil
	}
	pass, failure := verifyOffsets(ctx, body, options, v)
	if failure != nil {
		return mergeTxnCommits(refused, accepted, nil, failure), nil
	}
	answer := make(chan *kmsg.TxnOffsetCommitResponse, 1)
	options.Groups.TxnOffsetCommit(accepted, pass, func(response *kmsg.TxnOffsetCommitResponse) { answer <- response })
	if response, ok := receive(ctx, answer); ok {
		return mergeTxnCommits(refused, accepted, response, nil), nil
	}
	return nil, ErrClose
}

// verifyOffsets makes sure that the group's partition is part of the transaction.
func verifyOffsets(ctx context.Context, body *kmsg.TxnOffsetCommitRequest, options *TxnOffsetCommitOptions, v *verifier) (uint64, *kerr.Error) {
	w := writer{transactionalID: body.TransactionalID, producerID: body.ProducerID, epoch: body.ProducerEpoch}
	switch {
	case body.Version >= 5:
		w.membership = adding
	case body.Version == 4:
		w.membership = addedOrAbort
	}
	index := options.Groups.PartitionFor(body.Group)
	partition, failure := options.Replicas.Partition(groupTopic, index)
	if failure != nil {
		return 0, groupFailure(failure)
	}
	pass, err := v.start(partition, w, -1)
	if err != nil {
		return 0, groupFailure(replica.ErrorOf(err))
	}
	if pass == 0 || !v.needed(w) {
		return pass, nil
	}
	return pass, groupFailure(v.verify(ctx, w, []transaction.Partition{{Topic: groupTopic, Index: index}})[0])
}

// groupFailure is an error of the log or of the verification as a client of a
// group coordinator knows it.
func groupFailure(failure *kerr.Error) *kerr.Error {
	switch failure {
	case kerr.NetworkException:
		return kerr.CoordinatorLoadInProgress
	case kerr.UnknownTopicOrPartition, kerr.NotEnoughReplicas, kerr.RequestTimedOut:
		return kerr.CoordinatorNotAvailable
	case kerr.NotLeaderForPartition, kerr.KafkaStorageError:
		return kerr.NotCoordinator
	}
	return failure
}

// splitTxnCommit refuses what does not exist and leaves the rest for the group.
func splitTxnCommit(body *kmsg.TxnOffsetCommitRequest, image *metadata.Image) (*kmsg.TxnOffsetCommitResponse, *kmsg.TxnOffsetCommitRequest) {
	refused := body.ResponseKind().(*kmsg.TxnOffsetCommitResponse)
	accepted := *body
	accepted.Topics = nil
	for i := range body.Topics {
		asked := body.Topics[i]
		topic, _ := image.Topic(asked.Topic)
		asked.Partitions = nil
		for _, p := range body.Topics[i].Partitions {
			if topic == nil || !hasPartition(topic, p.Partition) {
				refuseTxnCommit(refused, asked.Topic, p.Partition, kerr.UnknownTopicOrPartition.Code)
				continue
			}
			asked.Partitions = append(asked.Partitions, p)
		}
		if len(asked.Partitions) > 0 {
			accepted.Topics = append(accepted.Topics, asked)
		}
	}
	return refused, &accepted
}

func refuseTxnCommit(response *kmsg.TxnOffsetCommitResponse, name string, partition int32, code int16) {
	topic := (*kmsg.TxnOffsetCommitResponseTopic)(nil)
	for i := range response.Topics {
		if response.Topics[i].Topic == name {
			topic = &response.Topics[i]
		}
	}
	if topic == nil {
		response.Topics = append(response.Topics, kmsg.TxnOffsetCommitResponseTopic{Topic: name})
		topic = &response.Topics[len(response.Topics)-1]
	}
	topic.Partitions = append(topic.Partitions, kmsg.TxnOffsetCommitResponseTopicPartition{Partition: partition, ErrorCode: code})
}

// mergeTxnCommits adds the group's answer, or one failure for all that it would
// have been asked, to what was refused before it. Before v2 clients stumble over
// COORDINATOR_LOAD_IN_PROGRESS.
func mergeTxnCommits(refused *kmsg.TxnOffsetCommitResponse, accepted *kmsg.TxnOffsetCommitRequest, decided *kmsg.TxnOffsetCommitResponse, failure *kerr.Error) *kmsg.TxnOffsetCommitResponse {
	add := func(topic string, partition int32, code int16) {
		if code == kerr.CoordinatorLoadInProgress.Code && refused.Version < 2 {
			code = kerr.CoordinatorNotAvailable.Code
		}
		refuseTxnCommit(refused, topic, partition, code)
	}
	if decided == nil {
		for _, topic := range accepted.Topics {
			for _, p := range topic.Partitions {
				add(topic.Topic, p.Partition, failure.Code)
			}
		}
		return refused
	}
	for _, topic := range decided.Topics {
		for _, p := range topic.Partitions {
			add(topic.Topic, p.Partition, p.ErrorCode)
		}
	}
	return refused
}
