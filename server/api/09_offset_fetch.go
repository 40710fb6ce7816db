package api

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/metadata"
)

// OffsetFetcher tells the offsets of a group.
type OffsetFetcher interface {
	// OffsetFetch answers at once or later; it waits for an append to a log at most. Topics have names; nil is all.
	OffsetFetch(request *kmsg.OffsetFetchRequestGroup, requireStable bool, reply func(*kmsg.OffsetFetchResponseGroup))
}

// OffsetFetch makes the handler of OffsetFetch (9), v1 to v10: the offsets that
// groups have committed; −1 where there is none.
//
// From v2 on null topics are all topics, and an error is one of the group rather
// than of each partition. v5 adds leader epochs, v7 can insist on offsets that
// no open transaction will change, v8 asks about many groups at once, v9 adds
// members of newer groups, v10 names topics by their ids.
func OffsetFetch(cluster Cluster, groups OffsetFetcher) Handler {
	return func(_ context.Context, request *Request) Reply {
		body := request.Body.(*kmsg.OffsetFetchRequest)
		asked := fetchGroups(body)
		return await(func(reply func(*kmsg.OffsetFetchResponse)) {
			answers := make([]*kmsg.OffsetFetchResponseGroup, len(asked))
			var lock sync.Mutex
			waiting := len(asked)
			for i := range asked {
				fetchGroup(cluster, groups, body, &asked[i], func(answer *kmsg.OffsetFetchResponseGroup) {
					lock.Lock()
					answers[i] = answer
					waiting--
					last := waiting == 0
					lock.Unlock()
					if last {
						reply(fetchAnswer(body, answers))
					}
				})
			}
			if len(asked) == 0 {
				reply(fetchAnswer(body, nil))
			}
		})
	}
}

// fetchGroups are the groups of a request, of which there is one before v8.
func fetchGroups(body *kmsg.OffsetFetchRequest) []kmsg.OffsetFetchRequestGroup {
	if body.Version >= 8 {
		return body.Groups
	}
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Group = body.Group
	if body.Topics != nil {
		group.Topics = []kmsg.OffsetFetchRequestGroupTopic{}
	}
	for _, asked := range body.Topics {
		topic := kmsg.NewOffsetFetchRequestGroupTopic()
		topic.Topic, topic.Partitions = asked.Topic, asked.Partitions
		group.Topics = append(group.Topics, topic)
	}
	return []kmsg.OffsetFetchRequestGroup{group}
}

// fetchGroup asks for one group and makes of its answer what the version can say.
func fetchGroup(cluster Cluster, groups OffsetFetcher, body *kmsg.OffsetFetchRequest, asked *kmsg.OffsetFetchRequestGroup, reply func(*kmsg.OffsetFetchResponseGroup)) {
	known, unknown := *asked, []kmsg.OffsetFetchResponseGroupTopic(nil)
	byID := body.Version >= 10
	if byID && asked.Topics != nil {
		known.Topics, unknown = nameTopics(asked.Topics, cluster.Image())
	}
	groups.OffsetFetch(&known, body.RequireStable, func(answer *kmsg.OffsetFetchResponseGroup) {
		switch {
		case answer.ErrorCode != 0 && body.Version < 2:
			answer.Topics = failedTopics(asked.Topics, answer.ErrorCode)
			answer.ErrorCode = 0
		case answer.ErrorCode != 0:
			answer.Topics = nil
		case byID && asked.Topics == nil:
			answer.Topics = identifyTopics(answer.Topics, cluster.Image())
		default:
			answer.Topics = append(answer.Topics, unknown...)
		}
		reply(answer)
	})
}

// nameTopics gives topics asked for by id their names, and refuses the unknown.
func nameTopics(topics []kmsg.OffsetFetchRequestGroupTopic, image *metadata.Image) ([]kmsg.OffsetFetchRequestGroupTopic, []kmsg.OffsetFetchResponseGroupTopic) {
	known := []kmsg.OffsetFetchRequestGroupTopic{}
	var unknown []kmsg.OffsetFetchRequestGroupTopic
	for _, topic := range topics {
		if found, ok := image.TopicByID(topic.TopicID); ok {
			topic.Topic = found.Name
			known = append(known, topic)
		} else {
			unknown = append(unknown, topic)
		}
	}
	return known, failedTopics(unknown, kerr.UnknownTopicID.Code)
}

// failedTopics gives every partition the error.
func failedTopics(topics []kmsg.OffsetFetchRequestGroupTopic, code int16) []kmsg.OffsetFetchResponseGroupTopic {
	var failed []kmsg.OffsetFetchResponseGroupTopic
	for _, asked := range topics {
		topic := kmsg.NewOffsetFetchResponseGroupTopic()
		topic.Topic, topic.TopicID = asked.Topic, asked.TopicID
		for _, partition := range asked.Partitions {
			p := kmsg.NewOffsetFetchResponseGroupTopicPartition()
			p.Partition, p.Offset, p.LeaderEpoch, p.ErrorCode = partition, -1, -1, code
			p.Metadata = kmsg.StringPtr("")
			topic.Partitions = append(topic.Partitions, p)
		}
		failed = append(failed, topic)
	}
	return failed
}

// identifyTopics gives the topics of a group their ids. What no longer exists
// has none and cannot be named in this version.
func identifyTopics(topics []kmsg.OffsetFetchResponseGroupTopic, image *metadata.Image) []kmsg.OffsetFetchResponseGroupTopic {
	var identified []kmsg.OffsetFetchResponseGroupTopic
	for _, topic := range topics {
		if found, ok := image.Topic(topic.Topic); ok {
			topic.TopicID = found.ID
			identified = append(identified, topic)
		}
	}
	return identified
}

// fetchAnswer puts the groups' answers into the shape of the version.
func fetchAnswer(body *kmsg.OffsetFetchRequest, groups []*kmsg.OffsetFetchResponseGroup) *kmsg.OffsetFetchResponse {
	response := body.ResponseKind().(*kmsg.OffsetFetchResponse)
	if body.Version >= 8 {
		for _, group := range groups {
			response.Groups = append(response.Groups, *group)
		}
		return response
	}
	response.ErrorCode = groups[0].ErrorCode
	for _, fetched := range groups[0].Topics {
		topic := kmsg.NewOffsetFetchResponseTopic()
		topic.Topic = fetched.Topic
		for _, p := range fetched.Partitions {
			partition := kmsg.NewOffsetFetchResponseTopicPartition()
			partition.Partition, partition.Offset, partition.LeaderEpoch = p.Partition, p.Offset, p.LeaderEpoch
			partition.Metadata, partition.ErrorCode = p.Metadata, p.ErrorCode
			topic.Partitions = append(topic.Partitions, partition)
		}
		response.Topics = append(response.Topics, topic)
	}
	return response
}
