package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/replica"
)

// OffsetForLeaderEpoch makes the handler of OffsetForLeaderEpoch (23), v2 to v4:
// where a leader epoch ends in this log, so that a client or follower finds out
// whether the log it knows is still a prefix of it.
//
// v3 lets consumers ask too (KIP-320). The answer names the largest epoch that is
// not above the one asked for; (−1, −1) if there is none.
func OffsetForLeaderEpoch(replicas *replica.Manager) Handler {
	return func(_ context.Context, request *Request) Reply {
		return func(context.Context) (Response, error) {
			return offsetForLeaderEpoch(replicas, request.Body.(*kmsg.OffsetForLeaderEpochRequest)), nil
		}
	}
}

func offsetForLeaderEpoch(replicas *replica.Manager, body *kmsg.OffsetForLeaderEpochRequest) *kmsg.OffsetForLeaderEpochResponse {
	response := body.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
	for i := range body.Topics {
		topic := &body.Topics[i]
		answers := kmsg.NewOffsetForLeaderEpochResponseTopic()
		answers.Topic = topic.Topic
		for j := range topic.Partitions {
			answers.Partitions = append(answers.Partitions, epochEnd(replicas, topic.Topic, &topic.Partitions[j]))
		}
		response.Topics = append(response.Topics, answers)
	}
	return response
}

func epochEnd(replicas *replica.Manager, topic string, asked *kmsg.OffsetForLeaderEpochRequestTopicPartition) kmsg.OffsetForLeaderEpochResponseTopicPartition {
	answer := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
	answer.Partition, answer.LeaderEpoch, answer.EndOffset = asked.Partition, -1, -1
	partition, failure := replicas.Partition(topic, asked.Partition)
	if failure != nil {
		answer.ErrorCode = failure.Code
		return answer
	}
	end, err := partition.EndOffsetForEpoch(asked.CurrentLeaderEpoch, asked.LeaderEpoch)
	if err != nil {
		answer.ErrorCode = replica.ErrorOf(err).Code
		return answer
	}
	answer.LeaderEpoch, answer.EndOffset = end.Epoch, end.EndOffset
	return answer
}
