package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator"
)

// TxnOffsetCommit makes offsets part of a producer's transaction: they become the
// group's when its marker comes (KIP-447). A *kerr.Error is that of every
// partition. Unlike OffsetCommit it takes commits while the group rebalances, and
// from clients that say nothing of their membership.
func (m *Machine) TxnOffsetCommit(request *kmsg.TxnOffsetCommitRequest, verification uint64) (*kmsg.TxnOffsetCommitResponse, coordinator.Result, *kerr.Error) {
	if failure := m.validateTxnCommit(request); failure != nil {
		return nil, coordinator.Result{}, failure
	}
	now := m.now().UnixMilli()
	response := kmsg.NewPtrTxnOffsetCommitResponse()
	result := coordinator.Result{Transaction: &coordinator.Transaction{
		ProducerID: request.ProducerID, ProducerEpoch: request.ProducerEpoch, Verification: verification,
	}}
	for _, topic := range request.Topics {
		answer := kmsg.NewTxnOffsetCommitResponseTopic()
		answer.Topic = topic.Topic
		for _, p := range topic.Partitions {
			committed := kmsg.NewTxnOffsetCommitResponseTopicPartition()
			committed.Partition = p.Partition
			if p.Metadata != nil && javaLength(*p.Metadata) > m.config.OffsetMetadataMaxSize {
				committed.ErrorCode = kerr.OffsetMetadataTooLarge.Code
			} else {
				o := offset{offset: p.Offset, leaderEpoch: max(p.LeaderEpoch, none), committed: now, expires: none}
				if p.Metadata != nil {
					o.metadata = *p.Metadata
				}
				result.Records = append(result.Records, m.offsetRecord(request.Group, topic.Topic, p.Partition, o))
			}
			answer.Partitions = append(answer.Partitions, committed)
		}
		response.Topics = append(response.Topics, answer)
	}
	return response, result, nil
}

func (m *Machine) validateTxnCommit(request *kmsg.TxnOffsetCommitRequest) *kerr.Error {
	g := m.groups[request.Group]
	switch {
	case g == nil && request.Generation < 0:
		return nil
	case g == nil:
		return kerr.IllegalGeneration
	case g.state == dead:
		return kerr.CoordinatorNotAvailable
	case request.Generation < 0 && g.state == empty:
		return nil
	case request.Generation < 0 && request.MemberID == "" && request.InstanceID == nil:
		return nil
	}
	if failure := g.validate(request.MemberID, request.InstanceID); failure != nil {
		return failure
	}
	if request.Generation != g.generation {
		return kerr.IllegalGeneration
	}
	return nil
}

// TxnOffsetCommit answers v0 to v5 for topics that exist. verification is what the
// log of the group's partition gave when the transaction was verified.
func (s *Service) TxnOffsetCommit(request *kmsg.TxnOffsetCommitRequest, verification uint64, reply func(*kmsg.TxnOffsetCommitResponse)) {
	answer := func(response *kmsg.TxnOffsetCommitResponse) {
		response.Version = request.Version
		reply(response)
	}
	failed := func(failure *kerr.Error) { answer(txnCommitError(request, failure)) }
	if failure := s.admit(request.Group); failure != nil {
		failed(failure)
		return
	}
	s.run(request.Group, func(m *Machine) coordinator.Result {
		response, result, failure := m.TxnOffsetCommit(request, verification)
		if failure != nil {
			response = txnCommitError(request, failure)
		}
		return answering(result, func() { answer(response) }, failed)
	}, failed)
}

// txnCommitError gives every partition of a request the error.
func txnCommitError(request *kmsg.TxnOffsetCommitRequest, failure *kerr.Error) *kmsg.TxnOffsetCommitResponse {
	response := kmsg.NewPtrTxnOffsetCommitResponse()
	for _, topic := range request.Topics {
		answer := kmsg.NewTxnOffsetCommitResponseTopic()
		answer.Topic = topic.Topic
		for _, p := range topic.Partitions {
			failed := kmsg.NewTxnOffsetCommitResponseTopicPartition()
			failed.Partition, failed.ErrorCode = p.Partition, failure.Code
			answer.Partitions = append(answer.Partitions, failed)
		}
		response.Topics = append(response.Topics, answer)
	}
	return response
}

// EndTransaction writes the marker of a transaction into a partition of
// __consumer_offsets: its offsets become the groups', or go. The failure is one
// that a writer of markers knows: NOT_LEADER_OR_FOLLOWER while the partition is
// not served here.
func (s *Service) EndTransaction(partition int32, marker coordinator.Marker, done func(*kerr.Error)) {
	if s.active() != nil {
		done(kerr.NotLeaderForPartition)
		return
	}
	s.runtime.EndTransaction(partition, marker, func(failure *kerr.Error) {
		switch failure {
		case kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress, kerr.NotCoordinator:
			failure = kerr.NotLeaderForPartition
		}
		done(failure)
	})
}
