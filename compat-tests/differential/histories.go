package differential

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// history is a sequence of requests whose later ones depend on what came back before.
type history struct {
	name string
	run  func(t *testing.T, s *suite)
}

func histories() []history {
	return []history{
		{"group-life", groupLife}, {"idempotent-producer", idempotentProducer}, {"fetch-session", fetchSession},
		{"topic-life", topicLife},
	}
}

// awaitLeader asks both sides for a partition's end until its leader answers: Apache Kafka makes a new partition's
// replica a moment after it has answered the request that created it.
func (s *suite) awaitLeader(t *testing.T, topic string, partition int32) {
	t.Helper()
	for _, side := range s.sides {
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			r := kmsg.NewPtrListOffsetsRequest()
			item := kmsg.NewListOffsetsRequestTopic()
			p := kmsg.NewListOffsetsRequestTopicPartition()
			item.Topic, p.Partition, p.Timestamp, p.CurrentLeaderEpoch = topic, partition, -1, -1
			item.Partitions = append(item.Partitions, p)
			r.Version, r.ReplicaID, r.Topics = 5, -1, append(r.Topics, item)
			got, err := side.do("", r, false)
			if err == nil && !got.closed && got.response.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].ErrorCode == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s-%d has no leader on %s: %+v %v", topic, partition, side.broker.Name, got, err)
			}
		}
	}
}

// step sends one request of a history.
func (s *suite) step(t *testing.T, label, connection string, build func(side *side) kmsg.Request) [2]answer {
	t.Helper()
	return s.exchange(t, "history "+label, connection, false, build)
}

// groupLife: one member joins, syncs, commits, is described, leaves; the group is deleted. In every version of JoinGroup.
func groupLife(t *testing.T, s *suite) {
	for version := int16(0); version <= 9; version++ {
		group := fmt.Sprintf("life-%d", version)
		joinAlone(t, s, version, group)
		memberLife(t, s, version, group)
		groupEnd(t, s, version, group)
	}
}

// member is the id that a broker gave to the member of a group.
func (s *side) member(group string) string { return s.values[group].(string) }

// joinAlone joins a group as its only member, from version 4 on in the two rounds that a member id takes. The id is learned
// before the answers are compared.
func joinAlone(t *testing.T, s *suite, version int16, group string) {
	t.Helper()
	rounds := 1
	if version >= 4 {
		rounds = 2
	}
	for round := range rounds {
		var trees [2]any
		for i, side := range s.sides {
			r := kmsg.NewPtrJoinGroupRequest()
			r.Version, r.Group, r.SessionTimeoutMillis, r.RebalanceTimeoutMillis, r.ProtocolType = version, group, 30000, 30000, "consumer"
			p := kmsg.NewJoinGroupRequestProtocol()
			p.Name, p.Metadata = "range", []byte{0, 1, 0, 0, 0, 1, 0, 6, 'f', 'i', 'l', 'l', 'e', 'd', 0xff, 0xff, 0xff, 0xff}
			r.Protocols = append(r.Protocols, p)
			if round > 0 {
				r.MemberID = side.member(group)
			}
			got, err := side.do("", r, false)
			if err != nil || got.closed {
				t.Fatalf("join on %s: %+v %v", side.broker.Name, got, err)
			}
			member := got.response.(*kmsg.JoinGroupResponse).MemberID
			side.values[group], side.tokens[member] = member, "MEMBER("+group+")"
			trees[i] = side.tree(got)
		}
		s.requests++
		for _, d := range compare("", trees[0], trees[1]) {
			if line := fmt.Sprintf("history join v%d round %d %s", version, round, d); !s.accept(line) {
				t.Error(line)
			}
		}
	}
}

// memberLife is what the member does, rightly and wrongly, before and after it has its assignment.
func memberLife(t *testing.T, s *suite, version int16, group string) {
	t.Helper()
	label := func(what string) string { return fmt.Sprintf("%s v%d", what, version) }
	heartbeat := func(what string, version int16, generation int32) {
		s.step(t, label(what), "", func(side *side) kmsg.Request {
			r := kmsg.NewPtrHeartbeatRequest()
			r.Version, r.Group, r.MemberID, r.Generation = version, group, side.member(group), generation
			return r
		})
	}
	commit := func(what string, generation int32, offset int64) {
		s.step(t, label(what), "", func(side *side) kmsg.Request { return commitOf(group, side.member(group), generation, offset) })
	}
	sync := func(what string, generation int32) {
		s.step(t, label(what), "", func(side *side) kmsg.Request {
			return syncOf(min(version, 5), group, side.member(group), generation)
		})
	}
	heartbeat("heartbeat before sync", 4, 1)
	commit("commit before sync", 1, 9)
	sync("sync wrong generation", 7)
	sync("sync", 1)
	sync("sync again", 1)
	for _, generation := range []int32{1, 2, 0, -1} {
		heartbeat(fmt.Sprint("heartbeat of generation ", generation), min(version, 4), generation)
		commit(fmt.Sprint("commit of generation ", generation), generation, 3)
	}
	s.step(t, label("commit of a stranger"), "", func(*side) kmsg.Request { return commitOf(group, "stranger", 1, 3) })
}

// groupEnd describes the group, lets its member leave and deletes it.
func groupEnd(t *testing.T, s *suite, version int16, group string) {
	t.Helper()
	describe := func(what string) {
		s.step(t, fmt.Sprintf("%s v%d", what, version), "", func(*side) kmsg.Request {
			r := kmsg.NewPtrDescribeGroupsRequest()
			r.Version, r.Groups = min(version, 6), []string{group}
			return r
		})
	}
	describe("describe")
	s.step(t, "delete a group with members", "", func(*side) kmsg.Request { return deleteOf(group) })
	s.step(t, fmt.Sprintf("leave v%d", version), "", func(side *side) kmsg.Request {
		r := kmsg.NewPtrLeaveGroupRequest()
		r.Version, r.Group, r.MemberID = min(version, 5), group, side.member(group)
		m := kmsg.NewLeaveGroupRequestMember()
		m.MemberID = side.member(group)
		r.Members = append(r.Members, m)
		return r
	})
	describe("describe after")
	s.step(t, "delete", "", func(*side) kmsg.Request { return deleteOf(group) })
	s.step(t, "offsets of a deleted group", "", func(*side) kmsg.Request {
		r := kmsg.NewPtrOffsetFetchRequest()
		r.Version, r.Group = 7, group
		return r
	})
}

func commitOf(group, member string, generation int32, offset int64) kmsg.Request {
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Version, r.Group, r.MemberID, r.Generation = 8, group, member, generation
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic = "filled"
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Offset = offset
	t.Partitions = append(t.Partitions, p)
	r.Topics = append(r.Topics, t)
	return r
}

func syncOf(version int16, group, member string, generation int32) kmsg.Request {
	r := kmsg.NewPtrSyncGroupRequest()
	r.Version, r.Group, r.MemberID, r.Generation = version, group, member, generation
	r.ProtocolType, r.Protocol = kmsg.StringPtr("consumer"), kmsg.StringPtr("range")
	a := kmsg.NewSyncGroupRequestGroupAssignment()
	a.MemberID, a.MemberAssignment = member, []byte{0, 1, 2, 3}
	r.GroupAssignment = append(r.GroupAssignment, a)
	return r
}

func deleteOf(group string) kmsg.Request {
	r := kmsg.NewPtrDeleteGroupsRequest()
	r.Version, r.Groups = 2, []string{group}
	return r
}

// newProducer asks for a producer id. Apache Kafka says that it loads until it has fetched its first block of ids.
func newProducer(t *testing.T, side *side) *kmsg.InitProducerIDResponse {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		r := kmsg.NewPtrInitProducerIDRequest()
		r.Version, r.ProducerID, r.ProducerEpoch = 4, -1, -1
		got, err := side.do("", r, false)
		if err != nil || got.closed {
			t.Fatalf("InitProducerId on %s: %+v %v", side.broker.Name, got, err)
		}
		response := got.response.(*kmsg.InitProducerIDResponse)
		if response.ErrorCode != kerr.CoordinatorLoadInProgress.Code || time.Now().After(deadline) {
			return response
		}
	}
}

// idempotentProducer: sequences in order, repeated, with gaps, with a new epoch and an old one.
func idempotentProducer(t *testing.T, s *suite) {
	for _, side := range s.sides {
		response := newProducer(t, side)
		if response.ErrorCode != 0 || response.ProducerEpoch != 0 || response.ProducerID < 0 {
			t.Fatalf("InitProducerId on %s: %+v", side.broker.Name, response)
		}
		side.values["producer"] = response.ProducerID
	}
	send := func(epoch int16, sequence int32, values ...string) {
		c := testCase{build: func(side *side, version int16) kmsg.Request {
			b := batch{values: values, producerID: side.values["producer"].(int64), epoch: epoch, sequence: sequence, idempotentFrom: true}
			return produce("", -1, producePart{"empty", 0, b.bytes()}).build(side, version)
		}}
		s.step(t, fmt.Sprintf("produce epoch %d sequence %d of %d", epoch, sequence, len(values)), "", func(side *side) kmsg.Request {
			r := c.build(side, 13)
			r.SetVersion(13)
			return r
		})
	}
	for i := range int32(7) {
		send(0, i, "v")
	}
	for i := range int32(8) { // the last five are known again, older ones are out of order
		send(0, i, "v")
	}
	send(0, 20, "gap")
	send(0, 8, "a", "b", "c")
	send(0, 8, "a", "b", "c")
	send(0, 8, "a", "b")
	send(0, 9, "b", "c")
	send(1, 5, "new epoch, wrong start")
	send(1, 0, "new epoch")
	send(0, 11, "old epoch")
	send(1, 0, "new epoch")
	send(1, 1, "next")
	send(3, 0, "epoch over one")
	send(2, 0, "between")
}

// fetchSession: an incremental session, its wrong epochs, its end.
func fetchSession(t *testing.T, s *suite) {
	fetch := func(label string, epoch int32, topics map[string]int64, forgotten ...string) {
		build := func(side *side) kmsg.Request {
			r := kmsg.NewPtrFetchRequest()
			r.Version, r.MaxWaitMillis, r.MinBytes, r.MaxBytes, r.SessionEpoch = 13, 50, 1, 1<<20, epoch
			if id, ok := side.values["session"].(int32); ok && epoch != 0 {
				r.SessionID = id
			}
			for _, name := range []string{"filled", "alpha", "empty"} {
				offset, ok := topics[name]
				if !ok {
					continue
				}
				topic := kmsg.NewFetchRequestTopic()
				topic.TopicID = side.topicID(name)
				p := kmsg.NewFetchRequestTopicPartition()
				p.FetchOffset, p.PartitionMaxBytes = offset, 1<<20
				topic.Partitions = append(topic.Partitions, p)
				r.Topics = append(r.Topics, topic)
			}
			for _, name := range forgotten {
				f := kmsg.NewFetchRequestForgottenTopic()
				f.TopicID, f.Partitions = side.topicID(name), []int32{0}
				r.ForgottenTopics = append(r.ForgottenTopics, f)
			}
			return r
		}
		var trees [2]any
		for i, side := range s.sides {
			got, err := side.do("", build(side), false)
			if err != nil || got.closed {
				t.Fatalf("fetch %s on %s: %+v %v", label, side.broker.Name, got, err)
			}
			response := got.response.(*kmsg.FetchResponse)
			if epoch == 0 {
				side.values["session"] = response.SessionID
			}
			if (response.SessionID != 0) != (side.values["session"] != int32(0) && response.ErrorCode == 0 && epoch >= 0) {
				t.Errorf("fetch %s on %s: session id %d", label, side.broker.Name, response.SessionID)
			}
			response.SessionID = 0
			trees[i] = side.tree(got)
		}
		s.requests++
		for _, d := range compare("", trees[0], trees[1]) {
			if line := "history fetch session " + label + " " + d.String(); !s.accept(line) {
				t.Error(line)
			}
		}
	}
	fetch("open", 0, map[string]int64{"filled": 0, "alpha": 0})
	fetch("nothing new", 1, nil)
	fetch("move on", 2, map[string]int64{"filled": 12})
	fetch("wrong epoch", 7, nil)
	fetch("add", 3, map[string]int64{"empty": 0})
	fetch("forget", 4, nil, "alpha")
	fetch("forget what is not there", 5, nil, "stamped")
	fetch("out of range", 6, map[string]int64{"filled": 999})
	fetch("out of range still", 7, nil)
	fetch("close", -1, map[string]int64{"filled": 12})
	fetch("after the close", 8, nil)
}

// topicLife: created, described, grown, deleted by id, gone; created again under another id.
func topicLife(t *testing.T, s *suite) {
	for round := range 2 {
		s.step(t, fmt.Sprint("create ", round), "", func(*side) kmsg.Request {
			r := kmsg.NewPtrCreateTopicsRequest()
			r.Version, r.TimeoutMillis = 7, 10000
			item := kmsg.NewCreateTopicsRequestTopic()
			item.Topic, item.NumPartitions, item.ReplicationFactor = "lived", 2, 1
			r.Topics = append(r.Topics, item)
			return r
		})
		s.awaitLeader(t, "lived", 1)
		for _, side := range s.sides {
			if err := side.learn(); err != nil {
				t.Fatal(err)
			}
		}
		s.step(t, "metadata", "", func(side *side) kmsg.Request {
			r := kmsg.NewPtrMetadataRequest()
			r.Version = 12
			item := kmsg.NewMetadataRequestTopic()
			item.TopicID = side.topicID("lived")
			r.Topics = append(r.Topics, item)
			return r
		})
		s.step(t, "grow", "", func(side *side) kmsg.Request {
			r := partitions("", "lived", 4, nil).build(side, 3).(*kmsg.CreatePartitionsRequest)
			r.Version, r.ValidateOnly = 3, false
			return r
		})
		s.awaitLeader(t, "lived", 3)
		write := produce("", -1, producePart{"lived", 3, batch{values: []string{"x"}}.bytes()})
		s.step(t, "produce to a new partition", "", func(side *side) kmsg.Request {
			r := write.build(side, 12)
			r.SetVersion(12)
			return r
		})
		s.step(t, "delete by id", "", func(side *side) kmsg.Request {
			r := kmsg.NewPtrDeleteTopicsRequest()
			item := kmsg.NewDeleteTopicsRequestTopic()
			item.TopicID = side.topicID("lived")
			r.Version, r.TimeoutMillis, r.Topics = 6, 5000, append(r.Topics, item)
			return r
		})
		s.settle(t, "lived") // Apache Kafka answers before its broker has let the topic go
		s.step(t, "produce to what is gone", "", func(side *side) kmsg.Request {
			r := write.build(side, 13)
			r.SetVersion(13)
			return r
		})
	}
}
