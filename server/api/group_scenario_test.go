package api

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// groupTalk is a conversation about groups with one broker. Each exchange is
// kept under a name; member ids that the broker makes up are known by labels.
type groupTalk struct {
	// start sends a request on a connection of its own and gives what waits for its answer.
	start   func(request kmsg.Request) (wait func() kmsg.Response)
	topicID [16]byte
	members map[string]string
	all     []exchange
}

// exchange is a named answer.
type exchange struct {
	Name   string
	Answer any
	raw    kmsg.Response
}

// ask sends a request in a version and keeps the answer.
func (g *groupTalk) ask(name string, version int16, request kmsg.Request) kmsg.Response {
	return g.later(name, version, request)()
}

// later sends a request whose answer is taken later.
func (g *groupTalk) later(name string, version int16, request kmsg.Request) func() kmsg.Response {
	request.SetVersion(version)
	wait := g.start(request)
	return func() kmsg.Response {
		response := wait()
		g.all = append(g.all, exchange{Name: fmt.Sprintf("%s v%d", name, version), raw: response})
		return response
	}
}

// member is the id of a labelled member.
func (g *groupTalk) member(label string) string { return g.members[label] }

type joinOption func(*kmsg.JoinGroupRequest)

func static(instance string) joinOption {
	return func(r *kmsg.JoinGroupRequest) { r.InstanceID = &instance }
}

func protocols(names ...string) joinOption {
	return func(r *kmsg.JoinGroupRequest) {
		r.Protocols = nil
		for _, name := range names {
			p := kmsg.NewJoinGroupRequestProtocol()
			p.Name, p.Metadata = name, consumerSubscription("t")
			r.Protocols = append(r.Protocols, p)
		}
	}
}

func ofType(protocolType string) joinOption {
	return func(r *kmsg.JoinGroupRequest) { r.ProtocolType = protocolType }
}

func session(ms int32) joinOption {
	return func(r *kmsg.JoinGroupRequest) { r.SessionTimeoutMillis = ms }
}

// consumerSubscription is a consumer's metadata in its first version.
func consumerSubscription(topics ...string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(len(topics)))
	for _, topic := range topics {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(topic))), topic...)
	}
	return binary.BigEndian.AppendUint32(b, 0xffffffff)
}

func (g *groupTalk) joinRequest(group, memberID string, options ...joinOption) *kmsg.JoinGroupRequest {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Group, r.MemberID, r.ProtocolType = group, memberID, "consumer"
	r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = 60000, 60000
	protocols("range")(r)
	for _, option := range options {
		option(r)
	}
	return r
}

// join joins as the labelled member, twice if the broker wants that.
func (g *groupTalk) join(name, group, label string, version int16, options ...joinOption) func() {
	request := g.joinRequest(group, g.members[label], options...)
	if g.members[label] == "" && version >= 4 && request.InstanceID == nil {
		response := g.ask(name+" first", version, request).(*kmsg.JoinGroupResponse)
		g.members[label] = response.MemberID
		request = g.joinRequest(group, response.MemberID, options...)
	}
	wait := g.later(name, version, request)
	return func() {
		if response := wait().(*kmsg.JoinGroupResponse); response.ErrorCode == 0 {
			g.members[label] = response.MemberID
		}
	}
}

func (g *groupTalk) syncRequest(group, label string, generation int32, assignments ...string) *kmsg.SyncGroupRequest {
	r := kmsg.NewPtrSyncGroupRequest()
	r.Group, r.MemberID, r.Generation = group, g.members[label], generation
	r.ProtocolType, r.Protocol = kmsg.StringPtr("consumer"), kmsg.StringPtr("range")
	for _, to := range assignments {
		a := kmsg.NewSyncGroupRequestGroupAssignment()
		a.MemberID, a.MemberAssignment = g.members[to], []byte("for "+to)
		r.GroupAssignment = append(r.GroupAssignment, a)
	}
	return r
}

func (g *groupTalk) heartbeatRequest(group, memberID string, generation int32, instance *string) *kmsg.HeartbeatRequest {
	r := kmsg.NewPtrHeartbeatRequest()
	r.Group, r.MemberID, r.Generation, r.InstanceID = group, memberID, generation, instance
	return r
}

func leaveRequest(group string, members ...kmsg.LeaveGroupRequestMember) *kmsg.LeaveGroupRequest {
	r := kmsg.NewPtrLeaveGroupRequest()
	r.Group, r.Members = group, members
	if len(members) > 0 {
		r.MemberID = members[0].MemberID
	}
	return r
}

func leaver(memberID string, instance *string) kmsg.LeaveGroupRequestMember {
	m := kmsg.NewLeaveGroupRequestMember()
	m.MemberID, m.InstanceID = memberID, instance
	return m
}

func describeRequest(groups ...string) *kmsg.DescribeGroupsRequest {
	r := kmsg.NewPtrDescribeGroupsRequest()
	r.Groups, r.IncludeAuthorizedOperations = groups, true
	return r
}

// commitRequest commits places like "t-0:5" from outside of any generation.
func (g *groupTalk) commitRequest(version int16, group string, places ...string) *kmsg.OffsetCommitRequest {
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Group = group
	for _, place := range places {
		topic := kmsg.NewOffsetCommitRequestTopic()
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		name, rest, _ := strings.Cut(place, "-")
		fmt.Sscanf(rest, "%d:%d", &p.Partition, &p.Offset)
		p.LeaderEpoch, p.Metadata = 3, kmsg.StringPtr("about "+place)
		topic.Topic = name
		if version >= 10 {
			topic.TopicID = g.id(name)
		}
		topic.Partitions = append(topic.Partitions, p)
		r.Topics = append(r.Topics, topic)
	}
	return r
}

func (g *groupTalk) id(topic string) [16]byte {
	if topic == "t" {
		return g.topicID
	}
	return [16]byte{1, 2, 3}
}

// fetchRequest asks for partitions of t and of one more topic; no partitions is all topics.
func (g *groupTalk) fetchRequest(version int16, stable bool, topics []string, partitions []int32, groups ...string) *kmsg.OffsetFetchRequest {
	r := kmsg.NewPtrOffsetFetchRequest()
	r.Group, r.RequireStable = groups[0], stable
	for _, name := range topics {
		t := kmsg.NewOffsetFetchRequestTopic()
		t.Topic, t.Partitions = name, partitions
		r.Topics = append(r.Topics, t)
	}
	for _, name := range groups {
		group := kmsg.NewOffsetFetchRequestGroup()
		group.Group = name
		for _, name := range topics {
			t := kmsg.NewOffsetFetchRequestGroupTopic()
			t.Topic, t.Partitions = name, partitions
			if version >= 10 {
				t.TopicID = g.id(name)
			}
			group.Topics = append(group.Topics, t)
		}
		r.Groups = append(r.Groups, group)
	}
	return r
}

// play holds the whole conversation. Every group is its own, so that versions do not disturb each other.
func (g *groupTalk) play() {
	g.playCoordinators()
	for v := int16(0); v <= 9; v++ {
		g.playMembers(v)
	}
	for v := int16(5); v <= 9; v++ {
		g.playStatic(v)
	}
	g.playRefusals()
	g.playOffsets()
	g.playAdministration()
}

func (g *groupTalk) playCoordinators() {
	for v := int16(0); v <= 6; v++ {
		for kind := int8(0); kind <= 3; kind++ {
			// Transactions and share groups have no coordinator here, where Apache Kafka has one.
			if kind == 1 || kind == 2 && v >= 6 || kind > 0 && v == 0 {
				continue
			}
			r := kmsg.NewPtrFindCoordinatorRequest()
			r.CoordinatorType, r.CoordinatorKey, r.CoordinatorKeys = kind, "a", []string{"a", "b", ""}
			g.ask(fmt.Sprintf("find coordinator %d", kind), v, r)
		}
	}
}

// playMembers is the life of a group of two, in one version of JoinGroup.
func (g *groupTalk) playMembers(v int16) {
	group := fmt.Sprintf("members-%d", v)
	a, b := group+"-a", group+"-b"
	syncVersion, beatVersion, leaveVersion := min(v, 5), min(v, 4), min(v, 5)
	g.join("join leader", group, a, v)()
	g.ask("describe completing", min(v, 6), describeRequest(group))
	g.ask("commit while completing", 9, g.memberCommit(group, a, 1))
	g.ask("sync leader", syncVersion, g.syncRequest(group, a, 1, a))
	g.ask("describe stable", min(v, 6), describeRequest(group))
	g.ask("sync again", syncVersion, g.syncRequest(group, a, 1, a))
	g.ask("heartbeat", beatVersion, g.heartbeatRequest(group, g.member(a), 1, nil))
	if v >= 4 {
		// The pending member holds up the rebalance that the leader starts.
		first := g.ask("join follower first", v, g.joinRequest(group, "")).(*kmsg.JoinGroupResponse)
		g.members[b] = first.MemberID
	}
	follower := g.join("join follower", group, b, v)
	g.await(group, "PreparingRebalance")
	g.ask("heartbeat while preparing", beatVersion, g.heartbeatRequest(group, g.member(a), 1, nil))
	g.ask("sync while preparing", syncVersion, g.syncRequest(group, a, 1))
	g.ask("commit while preparing", 9, g.memberCommit(group, a, 1))
	g.ask("describe preparing", min(v, 6), describeRequest(group))
	g.join("join leader again", group, a, v)()
	follower()
	g.join("join follower unchanged", group, b, v)()
	g.ask("heartbeat of the last generation", beatVersion, g.heartbeatRequest(group, g.member(a), 1, nil))
	waiting := g.later("sync follower", syncVersion, g.syncRequest(group, b, 2))
	g.ask("sync leader of two", syncVersion, g.syncRequest(group, a, 2, a, b))
	waiting()
	g.join("join follower in stable", group, b, v)()
	g.ask("describe two", min(v, 6), describeRequest(group))
	g.ask("commit", 9, g.memberCommit(group, b, 2))
	g.ask("delete non-empty", min(v, 2), deleteRequest(group))
	g.ask("leave", leaveVersion, leaveRequest(group, leaver(g.member(b), nil)))
	g.ask("leave again", leaveVersion, leaveRequest(group, leaver(g.member(b), nil)))
	g.ask("heartbeat after leave", beatVersion, g.heartbeatRequest(group, g.member(a), 2, nil))
	g.ask("last leaves", leaveVersion, leaveRequest(group, leaver(g.member(a), nil)))
	g.ask("describe empty", min(v, 6), describeRequest(group))
	g.ask("fetch", 7, g.fetchRequest(7, true, []string{"t"}, []int32{0}, group))
	g.ask("delete", min(v, 2), deleteRequest(group))
	g.ask("describe deleted", min(v, 6), describeRequest(group))
}

func (g *groupTalk) memberCommit(group, label string, generation int32) *kmsg.OffsetCommitRequest {
	r := g.commitRequest(9, group, "t-0:7")
	r.MemberID, r.Generation = g.members[label], generation
	return r
}

func deleteRequest(groups ...string) *kmsg.DeleteGroupsRequest {
	r := kmsg.NewPtrDeleteGroupsRequest()
	r.Groups = groups
	return r
}

// await asks until the group is in the state; these answers are not kept.
func (g *groupTalk) await(group, state string) {
	for range 1000 {
		request := describeRequest(group)
		request.SetVersion(5)
		if g.start(request)().(*kmsg.DescribeGroupsResponse).Groups[0].State == state {
			return
		}
	}
}

// playStatic is the life of static members.
func (g *groupTalk) playStatic(v int16) {
	group := fmt.Sprintf("static-%d", v)
	a, b := group+"-a", group+"-b"
	one, two := kmsg.StringPtr("one"), kmsg.StringPtr("two")
	g.join("static leader", group, a, v, static("one"))()
	follower := g.join("static follower", group, b, v, static("two"))
	g.await(group, "PreparingRebalance")
	g.join("static leader again", group, a, v, static("one"))()
	follower()
	waiting := g.later("static sync follower", 5, g.syncRequest(group, b, 2))
	g.ask("static sync leader", 5, g.syncRequest(group, a, 2, a, b))
	waiting()
	oldLeader, oldFollower := g.member(a), g.member(b)
	g.members["old-"+a], g.members["old-"+b] = oldLeader, oldFollower
	g.members[a], g.members[b] = "", ""
	g.join("static follower restarts", group, b, v, static("two"))()
	g.ask("old heartbeat", 4, g.heartbeatRequest(group, oldFollower, 2, two))
	g.ask("old heartbeat without instance", 4, g.heartbeatRequest(group, oldFollower, 2, nil))
	g.ask("unknown instance", 4, g.heartbeatRequest(group, oldFollower, 2, kmsg.StringPtr("three")))
	g.ask("new heartbeat", 4, g.heartbeatRequest(group, g.member(b), 2, two))
	g.join("static leader restarts", group, a, v, static("one"))()
	g.ask("old join", v, g.joinRequest(group, oldLeader, static("one")))
	g.ask("static leader syncs", 5, g.syncRequest(group, a, 2))
	g.ask("describe static", 6, describeRequest(group))
	g.ask("leave with old id", min(v, 5), leaveRequest(group, leaver(oldLeader, one), leaver(g.member(b), two), leaver("", kmsg.StringPtr("three"))))
	g.ask("leave by instance", min(v, 5), leaveRequest(group, leaver("", one), leaver("", nil)))
	g.ask("describe static empty", 6, describeRequest(group))
}
