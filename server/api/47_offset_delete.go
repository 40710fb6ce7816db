package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/metadata"
)

// OffsetDeleter deletes offsets of a group.
type OffsetDeleter interface {
	// OffsetDelete answers at once or later; it waits for an append to a log at most.
	OffsetDelete(request *kmsg.OffsetDeleteRequest, reply func(*kmsg.OffsetDeleteResponse))
}

// OffsetDelete makes the handler of OffsetDelete (47), v0: a group forgets how
// far it has come in topics that it is not subscribed to. Partitions that do not
// exist are refused here; the group decides on the others, and is asked even if
// there are none, because it may not exist either.
func OffsetDelete(cluster Cluster, groups OffsetDeleter) Handler {
	return func(_ context.Context, request *Request) Reply {
		body := request.Body.(*kmsg.OffsetDeleteRequest)
		refused, accepted := splitDelete(body, cluster.Image())
		return await(func(reply func(*kmsg.OffsetDeleteResponse)) {
			groups.OffsetDelete(accepted, func(response *kmsg.OffsetDeleteResponse) {
				reply(mergeDeletes(refused, response))
			})
		})
	}
}

func splitDelete(body *kmsg.OffsetDeleteRequest, image *metadata.Image) (*kmsg.OffsetDeleteResponse, *kmsg.OffsetDeleteRequest) {
	refused := body.ResponseKind().(*kmsg.OffsetDeleteResponse)
	accepted := *body
	accepted.Topics = nil
	for _, asked := range body.Topics {
		topic, _ := image.Topic(asked.Topic)
		partitions := asked.Partitions
		asked.Partitions = nil
		for _, p := range partitions {
			if topic != nil && hasPartition(topic, p.Partition) {
				asked.Partitions = append(asked.Partitions, p)
				continue
			}
			failed := kmsg.NewOffsetDeleteResponseTopicPartition()
			failed.Partition, failed.ErrorCode = p.Partition, kerr.UnknownTopicOrPartition.Code
			answer := deleteTopic(refused, asked.Topic)
			answer.Partitions = append(answer.Partitions, failed)
		}
		if len(asked.Partitions) > 0 {
			accepted.Topics = append(accepted.Topics, asked)
		}
	}
	return refused, &accepted
}

// deleteTopic finds or adds a topic of the answer.
func deleteTopic(response *kmsg.OffsetDeleteResponse, name string) *kmsg.OffsetDeleteResponseTopic {
	for i := range response.Topics {
		if response.Topics[i].Topic == name {
			return &response.Topics[i]
		}
	}
	topic := kmsg.NewOffsetDeleteResponseTopic()
	topic.Topic = name
	response.Topics = append(response.Topics, topic)
	return &response.Topics[len(response.Topics)-1]
}

// mergeDeletes adds the group's answer to what was refused before it; an error
// of the whole group stands alone.
func mergeDeletes(refused, decided *kmsg.OffsetDeleteResponse) *kmsg.OffsetDeleteResponse {
	if len(refused.Topics) == 0 || decided.ErrorCode != 0 {
		return decided
	}
	for _, topic := range decided.Topics {
		merged := deleteTopic(refused, topic.Topic)
		merged.Partitions = append(merged.Partitions, topic.Partitions...)
	}
	return refused
}
