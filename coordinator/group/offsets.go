package group

import (
	"maps"
	"slices"
	"time"
	"unicode/utf16"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator"
)

// OffsetCommit commits offsets for a member of the current generation, or, from
// outside of any generation, for a group without members. The topics have both
// name and id, whatever the version. A *kerr.Error is that of every partition.
func (m *Machine) OffsetCommit(request *kmsg.OffsetCommitRequest) (*kmsg.OffsetCommitResponse, coordinator.Result, *kerr.Error) {
	if failure := m.validateCommit(request); failure != nil {
		return nil, coordinator.Result{}, failure
	}
	now := m.now().UnixMilli()
	expires := int64(none)
	if request.RetentionTimeMillis != none && request.Version <= 4 {
		expires = now + request.RetentionTimeMillis
	}
	response := kmsg.NewPtrOffsetCommitResponse()
	response.Topics = make([]kmsg.OffsetCommitResponseTopic, 0, len(request.Topics))
	offsets := 0
	for _, topic := range request.Topics {
		offsets += len(topic.Partitions)
	}
	result := coordinator.Result{Records: make([]coordinator.Record, 0, offsets)}
	for _, topic := range request.Topics {
		answer := kmsg.NewOffsetCommitResponseTopic()
		answer.Topic, answer.TopicID = topic.Topic, topic.TopicID
		answer.Partitions = make([]kmsg.OffsetCommitResponseTopicPartition, 0, len(topic.Partitions))
		for _, p := range topic.Partitions {
			committed := kmsg.NewOffsetCommitResponseTopicPartition()
			committed.Partition = p.Partition
			if p.Metadata != nil && javaLength(*p.Metadata) > m.config.OffsetMetadataMaxSize {
				committed.ErrorCode = kerr.OffsetMetadataTooLarge.Code
			} else {
				result.Records = append(result.Records, m.offsetRecord(request.Group, topic.Topic, p.Partition, newOffset(p, topic.TopicID, now, expires)))
			}
			answer.Partitions = append(answer.Partitions, committed)
		}
		response.Topics = append(response.Topics, answer)
	}
	return response, result, nil
}

func newOffset(p kmsg.OffsetCommitRequestTopicPartition, topicID [16]byte, now, expires int64) offset {
	o := offset{offset: p.Offset, leaderEpoch: max(p.LeaderEpoch, none), committed: now, expires: expires, topicID: topicID}
	if p.Metadata != nil {
		o.metadata = *p.Metadata
	}
	return o
}

// validateCommit checks who commits. A member's commit keeps its session, except
// between JoinGroup and SyncGroup: there it is refused.
func (m *Machine) validateCommit(request *kmsg.OffsetCommitRequest) *kerr.Error {
	g := m.groups[request.Group]
	if g == nil {
		switch {
		case request.Generation < 0:
			return nil
		case request.Version >= 9:
			return kerr.GroupIDNotFound
		}
		return kerr.IllegalGeneration
	}
	if g.state == dead {
		return kerr.CoordinatorNotAvailable
	}
	if request.Generation < 0 && g.state == empty {
		return nil
	}
	if request.Generation < 0 && request.MemberID == "" && request.InstanceID == nil {
		return kerr.UnknownMemberID
	}
	if failure := g.validate(request.MemberID, request.InstanceID); failure != nil {
		return failure
	}
	if request.Generation != g.generation {
		return kerr.IllegalGeneration
	}
	if g.state == completingRebalance {
		return kerr.RebalanceInProgress
	}
	m.expectHeartbeat(g, g.members[request.MemberID])
	return nil
}

// OffsetFetch tells the offsets of one group, of all topics where Topics is nil.
// The topics have names, whatever the version. With requireStable an offset that
// an open transaction is about to change is UNSTABLE_OFFSET_COMMIT (KIP-447).
func (m *Machine) OffsetFetch(request *kmsg.OffsetFetchRequestGroup, requireStable bool) *kmsg.OffsetFetchResponseGroup {
	response := kmsg.NewOffsetFetchResponseGroup()
	response.Group = request.Group
	g := m.groups[request.Group]
	known := g != nil && g.state != dead
	var open openOffsets
	if requireStable {
		open = m.open(request.Group)
	}
	if request.Topics == nil {
		if known {
			response.Topics = m.allOffsets(request.Group, open)
		}
		return &response
	}
	for _, topic := range request.Topics {
		answer := kmsg.NewOffsetFetchResponseGroupTopic()
		answer.Topic, answer.TopicID = topic.Topic, topic.TopicID
		for _, partition := range topic.Partitions {
			o, ok := m.offsets.get(request.Group, topic.Topic, partition)
			other := o.topicID != [16]byte{} && topic.TopicID != [16]byte{} && o.topicID != topic.TopicID
			answer.Partitions = append(answer.Partitions, fetched(partition, o, known && ok && !other, open.has(request.Group, topic.Topic, partition)))
		}
		response.Topics = append(response.Topics, answer)
	}
	return &response
}

func (m *Machine) allOffsets(group string, open openOffsets) []kmsg.OffsetFetchResponseGroupTopic {
	var topics []kmsg.OffsetFetchResponseGroupTopic
	m.offsets.each(group, func(topic string, partition int32, o offset) {
		if len(topics) == 0 || topics[len(topics)-1].Topic != topic {
			answer := kmsg.NewOffsetFetchResponseGroupTopic()
			answer.Topic = topic
			topics = append(topics, answer)
		}
		last := &topics[len(topics)-1]
		last.Partitions = append(last.Partitions, fetched(partition, o, true, open.has(group, topic, partition)))
	})
	return topics
}

func fetched(partition int32, o offset, ok, unstable bool) kmsg.OffsetFetchResponseGroupTopicPartition {
	answer := kmsg.NewOffsetFetchResponseGroupTopicPartition()
	answer.Partition, answer.Offset, answer.LeaderEpoch, answer.Metadata = partition, none, none, kmsg.StringPtr("")
	switch {
	case unstable:
		answer.ErrorCode = kerr.UnstableOffsetCommit.Code
	case ok:
		answer.Offset, answer.LeaderEpoch, answer.Metadata = o.offset, o.leaderEpoch, &o.metadata
	}
	return answer
}

// OffsetDelete removes offsets of topics that the group is not subscribed to.
func (m *Machine) OffsetDelete(request *kmsg.OffsetDeleteRequest) (*kmsg.OffsetDeleteResponse, coordinator.Result) {
	response := kmsg.NewPtrOffsetDeleteResponse()
	var result coordinator.Result
	g := m.groups[request.Group]
	if g == nil || g.state == dead {
		response.ErrorCode = kerr.GroupIDNotFound.Code
		return response, result
	}
	if g.state != empty && g.protocolType != consumerProtocolType {
		response.ErrorCode = kerr.NonEmptyGroup.Code
		return response, result
	}
	open := m.open(request.Group)
	for _, topic := range request.Topics {
		answer := kmsg.NewOffsetDeleteResponseTopic()
		answer.Topic = topic.Topic
		for _, p := range topic.Partitions {
			deleted := kmsg.NewOffsetDeleteResponseTopicPartition()
			deleted.Partition = p.Partition
			if g.subscribedTo(topic.Topic) {
				deleted.ErrorCode = kerr.GroupSubscribedToTopic.Code
			} else if _, ok := m.offsets.get(request.Group, topic.Topic, p.Partition); ok || open.has(request.Group, topic.Topic, p.Partition) {
				result.Records = append(result.Records, offsetTombstone(request.Group, topic.Topic, p.Partition))
			}
			answer.Partitions = append(answer.Partitions, deleted)
		}
		response.Topics = append(response.Topics, answer)
	}
	return response, result
}

// TopicsDeleted removes the offsets of topics that are gone. An offset of a
// topic of the same name that was created since is another one's.
func (m *Machine) TopicsDeleted(topics []DeletedTopic) coordinator.Result {
	ids := map[string][][16]byte{}
	for _, topic := range topics {
		ids[topic.Name] = append(ids[topic.Name], topic.ID)
	}
	groups := map[string]struct{}{}
	for group := range m.offsets {
		groups[group] = struct{}{}
	}
	for _, store := range m.pending {
		for group := range store {
			groups[group] = struct{}{}
		}
	}
	result := coordinator.Result{Split: true}
	for _, group := range sortedKeys(groups) {
		result.Records = append(result.Records, m.tombstones(group, func(topic string, o offset) bool {
			return len(ids[topic]) > 0 && (o.topicID == [16]byte{} || slices.Contains(ids[topic], o.topicID))
		})...)
	}
	return result
}

func (m *Machine) scheduleExpiration() {
	m.timers.Schedule(expirationKey, m.config.RetentionCheckInterval, m.expire)
}

// expire removes the offsets that are past their retention, and groups that are
// empty and have none left.
func (m *Machine) expire() coordinator.Result {
	result := coordinator.Result{Split: true}
	for _, id := range slices.Sorted(maps.Keys(m.groups)) {
		g := m.groups[id]
		expired, all := m.expiredOffsets(g)
		result.Records = append(result.Records, expired...)
		if all && g.state == empty {
			result.Records = append(result.Records, groupTombstone(id))
		}
	}
	m.scheduleExpiration()
	return result
}

// expiredOffsets are the tombstones of a group's expired offsets; all: none is
// left then, not in an open transaction either.
func (m *Machine) expiredOffsets(g *classic) (records []coordinator.Record, all bool) {
	open := m.open(g.id)
	if m.offsets[g.id] == nil {
		return nil, len(open) == 0
	}
	since, expire := g.retentionStart()
	if !expire {
		return nil, false
	}
	now := m.now().UnixMilli()
	all = true
	m.offsets.each(g.id, func(topic string, partition int32, o offset) {
		if g.subscribedTo(topic) || !expiredBy(o, now, since(o), m.config.OffsetsRetention) || open.has(g.id, topic, partition) {
			all = false
			return
		}
		records = append(records, offsetTombstone(g.id, topic, partition))
	})
	return records, all && len(open) == 0
}

// retentionStart tells from when on an offset's retention counts: from its
// commit, but in a group whose last member has left, from then (KIP-211). A
// group that uses its members to share out other things than topics keeps its
// offsets while it has members.
func (g *classic) retentionStart() (since func(offset) int64, expire bool) {
	committed := func(o offset) int64 { return o.committed }
	switch {
	case g.protocolType == "":
		return committed, true
	case g.state == empty:
		if g.since == none {
			return committed, true
		}
		return func(offset) int64 { return g.since }, true
	case g.protocolType == consumerProtocolType && g.subscribed != nil && g.state == stable:
		return committed, true
	}
	return nil, false
}

func expiredBy(o offset, now, since int64, retention time.Duration) bool {
	if o.expires != none {
		return now >= o.expires
	}
	return now-since >= retention.Milliseconds()
}

// javaLength is the length in UTF-16 units, in which Apache Kafka limits an offset's metadata.
func javaLength(text string) int {
	length := 0
	for _, r := range text {
		length += utf16.RuneLen(r)
	}
	return length
}
