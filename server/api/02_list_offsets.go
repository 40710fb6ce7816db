package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/replica"
)

// The replica ids of ListOffsets that are no broker's.
const (
	consumerReplica  int32 = -1
	debuggingReplica int32 = -2
)

// ListOffsets makes the handler of ListOffsets (2), v1 to v11: which offset of a
// partition belongs to a timestamp, or is the first, the last, or that of the
// largest timestamp.
//
// v2 bounds the answer by the isolation level, v4 (KIP-320) adds leader epochs,
// v5 tells OFFSET_NOT_AVAILABLE from LEADER_NOT_AVAILABLE, v7 (KIP-734) asks for
// the largest timestamp, v8 and v9 (KIP-405, KIP-1005) for the ends of the local
// and of the tiered log, v11 (KIP-1023) for the first offset that waits to be
// tiered. There is no tiered storage: the local log is the whole log, and the
// tiered one has no offset.
//
// A partition that is named twice is answered once, with INVALID_REQUEST.
func ListOffsets(replicas *replica.Manager) Handler {
	return func(_ context.Context, request *Request) Reply {
		return func(context.Context) (Response, error) {
			return listOffsets(replicas, request.Body.(*kmsg.ListOffsetsRequest)), nil
		}
	}
}

func listOffsets(replicas *replica.Manager, body *kmsg.ListOffsetsRequest) *kmsg.ListOffsetsResponse {
	response := body.ResponseKind().(*kmsg.ListOffsetsResponse)
	topics := newPlaces[topicKey](len(body.Topics))
	for i := range body.Topics {
		topic := &body.Topics[i]
		at, found := topics.find(topicKey{name: topic.Topic})
		if !found {
			answer := kmsg.NewListOffsetsResponseTopic()
			answer.Topic = topic.Topic
			response.Topics = append(response.Topics, answer)
		}
		answer := &response.Topics[at]
		partitions := newPlaces[int32](len(topic.Partitions))
		for j := range answer.Partitions {
			partitions.find(answer.Partitions[j].Partition)
		}
		for j := range topic.Partitions {
			asked := &topic.Partitions[j]
			if at, found := partitions.find(asked.Partition); found {
				answer.Partitions[at] = noOffset(asked.Partition, kerr.InvalidRequest)
				continue
			}
			answer.Partitions = append(answer.Partitions, listOffset(replicas, body, topic.Topic, asked))
		}
	}
	return response
}

func noOffset(partition int32, failure *kerr.Error) kmsg.ListOffsetsResponseTopicPartition {
	answer := kmsg.NewListOffsetsResponseTopicPartition()
	answer.Partition, answer.Timestamp, answer.Offset, answer.LeaderEpoch = partition, -1, -1, -1
	if failure != nil {
		answer.ErrorCode = failure.Code
	}
	return answer
}

func listOffset(replicas *replica.Manager, body *kmsg.ListOffsetsRequest, topic string, asked *kmsg.ListOffsetsRequestTopicPartition) kmsg.ListOffsetsResponseTopicPartition {
	if !timestampKnown(asked.Timestamp, body.Version) {
		return noOffset(asked.Partition, kerr.UnsupportedVersion)
	}
	partition, failure := replicas.Partition(topic, asked.Partition)
	if failure != nil {
		return noOffset(asked.Partition, failure)
	}
	isolation := replica.ReadLogEnd
	if body.ReplicaID == consumerReplica {
		isolation = replica.ReadUncommitted
		if body.IsolationLevel != 0 {
			isolation = replica.ReadCommitted
		}
	}
	found, err := partition.OffsetAt(asked.Timestamp, isolation, asked.CurrentLeaderEpoch, body.ReplicaID != debuggingReplica)
	if err != nil {
		failure := replica.ErrorOf(err)
		if failure == kerr.OffsetNotAvailable && body.Version < 5 {
			failure = kerr.LeaderNotAvailable
		}
		return noOffset(asked.Partition, failure)
	}
	answer := noOffset(asked.Partition, nil)
	answer.Timestamp, answer.Offset, answer.LeaderEpoch = found.Timestamp, found.Offset, found.LeaderEpoch
	return answer
}

// timestampKnown tells whether a version knows a timestamp that is not a time.
func timestampKnown(timestamp int64, version int16) bool {
	switch timestamp {
	case replica.TimestampMax:
		return version >= 7
	case replica.TimestampEarliestLocal:
		return version >= 8
	case replica.TimestampLatestTiered:
		return version >= 9
	case replica.TimestampEarliestPendingUpload:
		return version >= 11
	}
	return timestamp >= replica.TimestampEarliest
}
