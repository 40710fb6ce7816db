package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/replica"
)

// DeleteRecords makes the handler of DeleteRecords (21), v0 to v2: it moves the
// log start offset of partitions up, to an offset or (−1) to the high watermark,
// and answers with where the records now begin.
//
// Records of internal topics are not deleted, nor those of topics that are only
// compacted (POLICY_VIOLATION). A partition that is named twice is answered once,
// and the last offset counts.
func DeleteRecords(replicas *replica.Manager) Handler {
	return func(_ context.Context, request *Request) Reply {
		response := deleteRecords(replicas, request.Body.(*kmsg.DeleteRecordsRequest))
		return Answer(response)
	}
}

func deleteRecords(replicas *replica.Manager, body *kmsg.DeleteRecordsRequest) *kmsg.DeleteRecordsResponse {
	response := body.ResponseKind().(*kmsg.DeleteRecordsResponse)
	topics := newPlaces[topicKey](len(body.Topics))
	partitions := newPlaces[targetKey](0)
	var targets []*kmsg.DeleteRecordsRequestTopicPartition
	for i := range body.Topics {
		topic := &body.Topics[i]
		at, found := topics.find(topicKey{name: topic.Topic})
		if !found {
			answer := kmsg.NewDeleteRecordsResponseTopic()
			answer.Topic = topic.Topic
			response.Topics = append(response.Topics, answer)
		}
		for j := range topic.Partitions {
			asked := &topic.Partitions[j]
			known, found := partitions.find(targetKey{at, asked.Partition})
			if found {
				targets[known] = asked
				continue
			}
			targets = append(targets, asked)
			answer := kmsg.NewDeleteRecordsResponseTopicPartition()
			answer.Partition = asked.Partition
			response.Topics[at].Partitions = append(response.Topics[at].Partitions, answer)
		}
	}
	for i := range response.Topics {
		topic := &response.Topics[i]
		for j := range topic.Partitions {
			answer := &topic.Partitions[j]
			known, _ := partitions.find(targetKey{i, answer.Partition})
			deletePartitionRecords(replicas, topic.Topic, targets[known].Offset, answer)
		}
	}
	return response
}

func deletePartitionRecords(replicas *replica.Manager, topic string, offset int64, answer *kmsg.DeleteRecordsResponseTopicPartition) {
	answer.LowWatermark = -1
	partition, failure := replicas.Partition(topic, answer.Partition)
	switch {
	case failure != nil:
		answer.ErrorCode = failure.Code
	case internalTopic(topic):
		answer.ErrorCode = kerr.InvalidTopicException.Code
	default:
		low, err := partition.DeleteRecords(offset)
		if err != nil {
			answer.ErrorCode = replica.ErrorOf(err).Code
			return
		}
		answer.LowWatermark = low
	}
}
