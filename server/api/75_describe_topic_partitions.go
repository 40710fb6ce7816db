package api

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/metadata"
	"ottla/metadata/controller"
)

// DescribeTopicPartitions makes the handler of DescribeTopicPartitions (75), v0
// (KIP-966): topics with their partitions, page by page, and with the replicas
// that could lead without loss.
//
// An empty list means all topics. Topics are answered sorted by name, from the
// cursor on, until limit partitions, or fewer if the client says so, are told;
// then the next cursor is where to go on. limit is
// max.request.partition.size.limit.
func DescribeTopicPartitions(cluster Cluster, limit int32) Handler {
	return func(_ context.Context, request *Request) Reply {
		return func(context.Context) (Response, error) {
			return describeTopicPartitions(request, cluster.Image(), limit), nil
		}
	}
}

func describeTopicPartitions(request *Request, image *metadata.Image, limit int32) *kmsg.DescribeTopicPartitionsResponse {
	body := request.Body.(*kmsg.DescribeTopicPartitionsRequest)
	response := body.ResponseKind().(*kmsg.DescribeTopicPartitionsResponse)
	all := len(body.Topics) == 0
	from := ""
	if body.Cursor != nil {
		from = body.Cursor.Topic
	}
	names := namesFrom(body, image, from)
	if c := body.Cursor; c != nil && (c.Partition < 0 || !all && !slices.Contains(names, from)) {
		return refuseCursor(body, response)
	}
	remaining := max(min(limit, body.ResponsePartitionLimit), 1)
	for _, name := range names {
		if remaining == 0 {
			response.NextCursor = cursorTo(name, 0)
			return response
		}
		first := int32(0)
		if body.Cursor != nil && name == from {
			first = body.Cursor.Partition
		}
		topic, next := describedTopic(image, name, request.Listener, first, remaining)
		if topic.ErrorCode != 0 && all {
			continue
		}
		response.Topics = append(response.Topics, topic)
		if next >= 0 {
			response.NextCursor = cursorTo(name, next)
			return response
		}
		remaining -= int32(len(topic.Partitions))
	}
	return response
}

// namesFrom are the topics to tell of, sorted, each once, from a name on.
func namesFrom(body *kmsg.DescribeTopicPartitionsRequest, image *metadata.Image, from string) []string {
	var names []string
	for i := range body.Topics {
		if name := body.Topics[i].Topic; name >= from {
			names = append(names, name)
		}
	}
	if len(body.Topics) == 0 {
		for topic := range image.Topics() {
			if topic.Name >= from {
				names = append(names, topic.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// refuseCursor answers a cursor that leads nowhere: error 42 for every topic.
func refuseCursor(body *kmsg.DescribeTopicPartitionsRequest, response *kmsg.DescribeTopicPartitionsResponse) *kmsg.DescribeTopicPartitionsResponse {
	for i := range body.Topics {
		topic := kmsg.NewDescribeTopicPartitionsResponseTopic()
		topic.ErrorCode, topic.Topic = kerr.InvalidRequest.Code, kmsg.StringPtr(body.Topics[i].Topic)
		response.Topics = append(response.Topics, topic)
	}
	return response
}

func cursorTo(topic string, partition int32) *kmsg.DescribeTopicPartitionsResponseNextCursor {
	cursor := kmsg.NewDescribeTopicPartitionsResponseNextCursor()
	cursor.Topic, cursor.Partition = topic, partition
	return &cursor
}

// describedTopic tells of at most limit partitions from first on; next is the
// partition to go on with, −1 where none is left.
func describedTopic(image *metadata.Image, name, listener string, first, limit int32) (answer kmsg.DescribeTopicPartitionsResponseTopic, next int32) {
	answer = kmsg.NewDescribeTopicPartitionsResponseTopic()
	answer.Topic, answer.IsInternal, answer.AuthorizedOperations = kmsg.StringPtr(name), controller.IsInternal(name), topicOperations
	topic, ok := image.Topic(name)
	if !ok {
		answer.ErrorCode = kerr.UnknownTopicOrPartition.Code
		if controller.ValidateName(name) != nil {
			answer.ErrorCode = kerr.InvalidTopicException.Code
		}
		return answer, -1
	}
	answer.TopicID = topic.ID
	count := int32(len(topic.Partitions))
	// The sum is taken in 64 bits: a cursor may be anywhere.
	end := int32(min(int64(count), int64(first)+int64(limit)))
	for i := first; i < end; i++ {
		answer.Partitions = append(answer.Partitions, describedPartition(image, &topic.Partitions[i], i, listener))
	}
	if end < count {
		return answer, end
	}
	return answer, -1
}

func describedPartition(image *metadata.Image, partition *metadata.Partition, index int32, listener string) kmsg.DescribeTopicPartitionsResponseTopicPartition {
	p := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
	p.Partition, p.LeaderEpoch = index, partition.LeaderEpoch
	p.LeaderID = -1
	if leader, ok := image.Broker(partition.Leader); ok && hasListener(leader, listener) {
		p.LeaderID = partition.Leader
	}
	p.Replicas, p.ISR = partition.Replicas, partition.ISR
	// Both are nullable on the wire, and Kafka never sends null.
	p.EligibleLeaderReplicas = append([]int32{}, partition.ELR...)
	p.LastKnownELR = append([]int32{}, partition.LastKnownELR...)
	p.OfflineReplicas = offlineReplicas(image, partition, listener)
	return p
}
