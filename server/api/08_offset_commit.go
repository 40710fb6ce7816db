package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/metadata"
)

// OffsetCommitter commits the offsets of a group.
type OffsetCommitter interface {
	// OffsetCommit answers at once or later; it waits for an append to a log at most. Topics have name and id.
	OffsetCommit(request *kmsg.OffsetCommitRequest, reply func(*kmsg.OffsetCommitResponse))
}

// OffsetCommit makes the handler of OffsetCommit (8), v2 to v10: how far a group
// has come.
//
// v2 to v4 may give the offsets a retention of their own. v6 adds leader epochs,
// v7 static members, v9 lets members of newer groups commit (and tells a group
// that is not there from a wrong generation), v10 names topics by their ids. A
// partition that does not exist is refused here; the group decides on the others.
func OffsetCommit(cluster Cluster, groups OffsetCommitter) Handler {
	return func(_ context.Context, request *Request) Reply {
		body := request.Body.(*kmsg.OffsetCommitRequest)
		refused, accepted := splitCommit(body, cluster.Image())
		if len(accepted.Topics) == 0 {
			return Answer(refused)
		}
		return await(func(reply func(*kmsg.OffsetCommitResponse)) {
			groups.OffsetCommit(accepted, func(response *kmsg.OffsetCommitResponse) {
				reply(mergeCommits(refused, response))
			})
		})
	}
}

// splitCommit refuses what does not exist and leaves the rest for the group.
func splitCommit(body *kmsg.OffsetCommitRequest, image *metadata.Image) (*kmsg.OffsetCommitResponse, *kmsg.OffsetCommitRequest) {
	refused := body.ResponseKind().(*kmsg.OffsetCommitResponse)
	accepted := *body
	accepted.Topics = nil
	refuse := func(asked *kmsg.OffsetCommitRequestTopic, partition int32, failure *kerr.Error) {
		topic := commitTopic(refused, asked.Topic, asked.TopicID)
		p := kmsg.NewOffsetCommitResponseTopicPartition()
		p.Partition, p.ErrorCode = partition, failure.Code
		topic.Partitions = append(topic.Partitions, p)
	}
	for i := range body.Topics {
		asked := body.Topics[i]
		topic, unknown := findTopic(image, body.Version >= 10, asked.Topic, asked.TopicID)
		if topic != nil {
			asked.Topic, asked.TopicID = topic.Name, topic.ID
		}
		asked.Partitions = nil
		for _, p := range body.Topics[i].Partitions {
			switch {
			case topic == nil:
				refuse(&asked, p.Partition, unknown)
			case !hasPartition(topic, p.Partition):
				refuse(&asked, p.Partition, kerr.UnknownTopicOrPartition)
			default:
				asked.Partitions = append(asked.Partitions, p)
			}
		}
		if topic == nil && len(body.Topics[i].Partitions) == 0 {
			commitTopic(refused, asked.Topic, asked.TopicID)
		}
		if len(asked.Partitions) > 0 {
			accepted.Topics = append(accepted.Topics, asked)
		}
	}
	return refused, &accepted
}

// findTopic finds a topic by id or by name, and has the error if it is not there.
func findTopic(image *metadata.Image, byID bool, name string, id [16]byte) (*metadata.Topic, *kerr.Error) {
	if byID {
		topic, _ := image.TopicByID(id)
		return topic, kerr.UnknownTopicID
	}
	topic, _ := image.Topic(name)
	return topic, kerr.UnknownTopicOrPartition
}

func hasPartition(topic *metadata.Topic, partition int32) bool {
	return partition >= 0 && int(partition) < len(topic.Partitions)
}

// commitTopic finds or adds a topic of the answer; by name, or by id where there is no name.
func commitTopic(response *kmsg.OffsetCommitResponse, name string, id [16]byte) *kmsg.OffsetCommitResponseTopic {
	for i := range response.Topics {
		topic := &response.Topics[i]
		if topic.Topic == name && (name != "" || topic.TopicID == id) {
			return topic
		}
	}
	topic := kmsg.NewOffsetCommitResponseTopic()
	topic.Topic, topic.TopicID = name, id
	response.Topics = append(response.Topics, topic)
	return &response.Topics[len(response.Topics)-1]
}

// mergeCommits adds the group's answer to what was refused before it.
func mergeCommits(refused, decided *kmsg.OffsetCommitResponse) *kmsg.OffsetCommitResponse {
	if len(refused.Topics) == 0 {
		return decided
	}
	for _, topic := range decided.Topics {
		merged := commitTopic(refused, topic.Topic, topic.TopicID)
		merged.Partitions = append(merged.Partitions, topic.Partitions...)
	}
	return refused
}
