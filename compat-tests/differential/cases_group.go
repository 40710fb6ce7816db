package differential

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func groupCases() []testCase {
	var cases []testCase
	for _, part := range [][]testCase{joinCases(), memberCases(), commitCases(), describeGroupCases(), coordinatorCases()} {
		cases = append(cases, part...)
	}
	return cases
}

func joinCases() []testCase {
	ask := func(name string, change func(r *kmsg.JoinGroupRequest)) testCase {
		return testCase{name: name, key: kmsg.JoinGroup, build: func(s *side, version int16) kmsg.Request {
			r := kmsg.NewPtrJoinGroupRequest()
			r.Group, r.SessionTimeoutMillis, r.RebalanceTimeoutMillis, r.ProtocolType = "joined", 10000, 10000, "consumer"
			p := kmsg.NewJoinGroupRequestProtocol()
			p.Name, p.Metadata = "range", []byte{0, 0}
			r.Protocols = append(r.Protocols, p)
			change(r)
			return r
		}}
	}
	return []testCase{
		ask("empty group", func(r *kmsg.JoinGroupRequest) { r.Group = "" }),
		ask("short session", func(r *kmsg.JoinGroupRequest) { r.SessionTimeoutMillis = 1 }),
		ask("long session", func(r *kmsg.JoinGroupRequest) { r.SessionTimeoutMillis = 1 << 30 }),
		ask("unknown member", func(r *kmsg.JoinGroupRequest) { r.MemberID = "nobody" }),
		ask("no protocols", func(r *kmsg.JoinGroupRequest) { r.Protocols = nil; r.MemberID = "x" }),
		ask("no protocol type", func(r *kmsg.JoinGroupRequest) { r.ProtocolType = ""; r.MemberID = "x" }),
	}
}

func memberCases() []testCase {
	return []testCase{
		{name: "sync unknown group", key: kmsg.SyncGroup, build: func(s *side, version int16) kmsg.Request {
			r := kmsg.NewPtrSyncGroupRequest()
			r.Group, r.MemberID, r.Generation = "nowhere", "nobody", 1
			r.ProtocolType, r.Protocol = kmsg.StringPtr("consumer"), kmsg.StringPtr("range")
			return r
		}},
		{name: "sync empty group", key: kmsg.SyncGroup, build: func(s *side, version int16) kmsg.Request {
			r := kmsg.NewPtrSyncGroupRequest()
			r.MemberID = "nobody"
			return r
		}},
		{name: "heartbeat unknown group", key: kmsg.Heartbeat, build: func(s *side, version int16) kmsg.Request {
			r := kmsg.NewPtrHeartbeatRequest()
			r.Group, r.MemberID = "nowhere", "nobody"
			return r
		}},
		{name: "heartbeat empty group", key: kmsg.Heartbeat, build: func(s *side, version int16) kmsg.Request { return kmsg.NewPtrHeartbeatRequest() }},
		{name: "leave unknown group", key: kmsg.LeaveGroup, build: func(s *side, version int16) kmsg.Request {
			r := kmsg.NewPtrLeaveGroupRequest()
			r.Group, r.MemberID = "nowhere", "nobody"
			m := kmsg.NewLeaveGroupRequestMember()
			m.MemberID = "nobody"
			r.Members = append(r.Members, m)
			return r
		}},
		{name: "leave empty group", key: kmsg.LeaveGroup, build: func(s *side, version int16) kmsg.Request { return kmsg.NewPtrLeaveGroupRequest() }},
	}
}

func commitCases() []testCase {
	commit := func(name string, change func(s *side, r *kmsg.OffsetCommitRequest)) testCase {
		return testCase{name: name, key: kmsg.OffsetCommit, build: func(s *side, version int16) kmsg.Request {
			r := kmsg.NewPtrOffsetCommitRequest()
			r.Group, r.Generation = "simple", -1
			t := kmsg.NewOffsetCommitRequestTopic()
			t.Topic, t.TopicID = "filled", s.topicID("filled")
			p := kmsg.NewOffsetCommitRequestTopicPartition()
			p.Offset, p.LeaderEpoch, p.Metadata = 5, -1, kmsg.StringPtr("note")
			t.Partitions = append(t.Partitions, p)
			r.Topics = append(r.Topics, t)
			change(s, r)
			return r
		}}
	}
	fetch := func(name string, change func(s *side, g *kmsg.OffsetFetchRequestGroup)) testCase {
		return testCase{name: name, key: kmsg.OffsetFetch, build: func(s *side, version int16) kmsg.Request {
			g := kmsg.NewOffsetFetchRequestGroup()
			g.Group, g.MemberEpoch = "simple", -1
			t := kmsg.NewOffsetFetchRequestGroupTopic()
			t.Topic, t.TopicID, t.Partitions = "filled", s.topicID("filled"), []int32{0}
			g.Topics = append(g.Topics, t)
			change(s, &g)
			r := kmsg.NewPtrOffsetFetchRequest()
			r.Group = g.Group
			for _, topic := range g.Topics {
				old := kmsg.NewOffsetFetchRequestTopic()
				old.Topic, old.Partitions = topic.Topic, topic.Partitions
				r.Topics = append(r.Topics, old)
			}
			r.Groups = append(r.Groups, g)
			return r
		}}
	}
	return []testCase{
		commit("simple", func(*side, *kmsg.OffsetCommitRequest) {}),
		commit("null metadata", func(_ *side, r *kmsg.OffsetCommitRequest) { r.Topics[0].Partitions[0].Metadata = nil }),
		commit("long metadata", func(_ *side, r *kmsg.OffsetCommitRequest) {
			r.Topics[0].Partitions[0].Metadata = kmsg.StringPtr(strings.Repeat("m", 4097))
		}),
		commit("unknown topic", func(_ *side, r *kmsg.OffsetCommitRequest) { r.Topics[0].Topic, r.Topics[0].TopicID = "absent", madeUp }),
		commit("unknown partition", func(_ *side, r *kmsg.OffsetCommitRequest) { r.Topics[0].Partitions[0].Partition = 9 }),
		commit("empty group", func(_ *side, r *kmsg.OffsetCommitRequest) { r.Group = "" }),
		commit("generation of an unknown group", func(_ *side, r *kmsg.OffsetCommitRequest) { r.Group, r.Generation, r.MemberID = "nowhere", 3, "nobody" }),
		commit("negative offset", func(_ *side, r *kmsg.OffsetCommitRequest) { r.Topics[0].Partitions[0].Offset = -7 }),
		fetch("committed", func(*side, *kmsg.OffsetFetchRequestGroup) {}),
		fetch("not committed", func(_ *side, g *kmsg.OffsetFetchRequestGroup) { g.Topics[0].Partitions = []int32{0, 1, 9} }),
		fetch("unknown group", func(_ *side, g *kmsg.OffsetFetchRequestGroup) { g.Group = "nowhere" }),
		fetch("unknown topic", func(_ *side, g *kmsg.OffsetFetchRequestGroup) {
			g.Topics[0].Topic, g.Topics[0].TopicID = "absent", madeUp
		}),
		fetch("all topics", func(_ *side, g *kmsg.OffsetFetchRequestGroup) { g.Topics = nil }),
		fetch("member of a simple group", func(_ *side, g *kmsg.OffsetFetchRequestGroup) {
			g.MemberID, g.MemberEpoch = kmsg.StringPtr("nobody"), 3
		}),
	}
}

func describeGroupCases() []testCase {
	describe := func(name string, groups ...string) testCase {
		return testCase{name: name, key: kmsg.DescribeGroups, build: func(s *side, version int16) kmsg.Request {
			r := kmsg.NewPtrDescribeGroupsRequest()
			r.Groups = groups
			return r
		}}
	}
	list := func(name string, states, types []string) testCase {
		return testCase{name: name, key: kmsg.ListGroups, build: func(s *side, version int16) kmsg.Request {
			r := kmsg.NewPtrListGroupsRequest()
			r.StatesFilter, r.TypesFilter = states, types
			return r
		}}
	}
	remove := func(name string, groups ...string) testCase {
		return testCase{name: name, key: kmsg.DeleteGroups, build: func(s *side, version int16) kmsg.Request {
			r := kmsg.NewPtrDeleteGroupsRequest()
			r.Groups = groups
			return r
		}}
	}
	return []testCase{
		describe("simple", "simple"), describe("unknown", "nowhere"), describe("empty name", ""), describe("both", "simple", "nowhere"), describe("none"),
		list("all", nil, nil), list("empty ones", []string{"Empty"}, nil), list("lower case", []string{"empty"}, nil),
		list("unknown state", []string{"Tired"}, nil), list("classic", nil, []string{"classic"}), list("unknown type", nil, []string{"odd"}),
		remove("unknown", "nowhere"), remove("empty name", ""),
	}
}

func coordinatorCases() []testCase {
	find := func(name string, kind int8, keys ...string) testCase {
		return testCase{name: name, key: kmsg.FindCoordinator, build: func(s *side, version int16) kmsg.Request {
			r := kmsg.NewPtrFindCoordinatorRequest()
			r.CoordinatorType, r.CoordinatorKey, r.CoordinatorKeys = kind, keys[0], keys
			return r
		}}
	}
	return []testCase{
		find("group", 0, "simple"), find("two groups", 0, "simple", "other"), find("empty group", 0, ""),
		find("unknown kind", 7, "x"), find("share badly keyed", 2, "x"),
	}
}
