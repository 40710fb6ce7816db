package group

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator"
	"ottla/protocol/record"
)

var (
	captureLog = flag.String("capture-log", "", "host:port of an empty Apache Kafka with one partition of __consumer_offsets, whose log to keep")
	captureDir = flag.String("capture-dir", "", "its log directory")
)

const (
	goldenLog     = "testdata/kafka_consumer_offsets.log"
	goldenAnswers = "testdata/kafka_consumer_offsets.json"
)

// told is what a broker tells of its groups.
type told struct {
	Groups  []kmsg.ListGroupsResponseGroup
	Details []kmsg.DescribeGroupsResponseGroup
	Offsets []kmsg.OffsetFetchResponseGroup
}

// TestKafkaLog loads a partition of __consumer_offsets that Apache Kafka wrote,
// and must tell of its groups what Apache Kafka told.
func TestKafkaLog(t *testing.T) {
	content, err := os.ReadFile(goldenAnswers)
	if err != nil {
		t.Fatal(err)
	}
	var want told
	if err := json.Unmarshal(content, &want); err != nil {
		t.Fatal(err)
	}
	m := NewMachine(DefaultConfig(), time.Now, nil, discard{})
	skipped := 0
	eachRecord(t, func(b record.Batch, r record.Record) {
		if b.IsControl() {
			kind, err := record.DecodeControlKey(r.Key)
			if err != nil {
				t.Fatal(err)
			}
			m.ReplayMarker(b.ProducerID(), b.ProducerEpoch(), kind == record.ControlCommit)
			return
		}
		if _, ok := m.Replay(coordinator.Replayed{Record: coordinator.Record{Key: r.Key, Value: r.Value}, Offset: r.Offset, ProducerID: b.ProducerID()}); !ok {
			skipped++
		}
	})
	if skipped == 0 {
		t.Error("the log has records of a newer kind of group, and none was skipped")
	}
	var got told
	got.Groups = m.ListGroups(nil, []string{"classic"})
	for _, g := range want.Groups {
		got.Details = append(got.Details, m.DescribeGroup(g.Group, 5))
		request := kmsg.NewOffsetFetchRequestGroup()
		request.Group = g.Group
		got.Offsets = append(got.Offsets, *m.OffsetFetch(&request, true))
	}
	w, g := settle(t, want), settle(t, got)
	if strings.ReplaceAll(w, "[]", "null") != strings.ReplaceAll(g, "[]", "null") {
		t.Errorf("Apache Kafka tells\n%s\nwe tell\n%s", w, g)
	}
}

// TestKafkaRecordsAgain writes every record of that log again: the bytes are the same.
func TestKafkaRecordsAgain(t *testing.T) {
	kinds := map[string]int{}
	eachRecord(t, func(b record.Batch, r record.Record) {
		if b.IsControl() {
			return
		}
		var again coordinator.Record
		kind := fmt.Sprintf("%d", version(r.Key))
		switch version(r.Key) {
		case typeOffset:
			key := kmsg.NewOffsetCommitKey()
			if err := key.ReadFrom(r.Key); err != nil {
				t.Fatal(err)
			}
			again = offsetTombstone(key.Group, key.Topic, key.Partition)
			if r.Value != nil {
				o, ok := decodeOffset(r.Offset, r.Value)
				if !ok {
					t.Fatalf("offset %d: %x", r.Offset, r.Value)
				}
				again = offsetRecord(key.Group, key.Topic, key.Partition, o)
			}
		case typeGroup:
			key := kmsg.NewGroupMetadataKey()
			if err := key.ReadFrom(r.Key); err != nil {
				t.Fatal(err)
			}
			again = groupAgain(t, key.Group, r.Value)
		default:
			return
		}
		if r.Value != nil {
			kind += fmt.Sprintf(" v%d", version(r.Value))
		}
		kinds[kind]++
		if !bytes.Equal(again.Key, r.Key) || !bytes.Equal(again.Value, r.Value) || (again.Value == nil) != (r.Value == nil) {
			t.Errorf("offset %d: Apache Kafka wrote\n%x = %x\nwe write\n%x = %x", r.Offset, r.Key, r.Value, again.Key, again.Value)
		}
	})
	for _, kind := range []string{"1", "1 v1", "1 v4", "2", "2 v3"} {
		if kinds[kind] == 0 {
			t.Errorf("the log has no record of type and version %s: %v", kind, kinds)
		}
	}
}

func groupAgain(t *testing.T, id string, value []byte) coordinator.Record {
	t.Helper()
	if value == nil {
		return groupTombstone(id)
	}
	g, ok := decodeGroup(id, value)
	if !ok {
		t.Fatalf("group %s: %x", id, value)
	}
	if g.protocolType == "" {
		return emptyGroupRecord(g)
	}
	return groupRecord(g, assignments(g))
}

func eachRecord(t tester, visit func(record.Batch, record.Record)) {
	t.Helper()
	content, err := os.ReadFile(goldenLog)
	if err != nil {
		t.Fatal(err)
	}
	for len(content) > 0 {
		b, rest, err := record.Next(content)
		if err != nil {
			t.Fatal(err)
		}
		content = rest
		for r, err := range b.Records(record.Limits{}) {
			if err != nil {
				t.Fatal(err)
			}
			visit(b, r)
		}
	}
}

// settle puts what was told into an order and a form of its own.
func settle(t *testing.T, all told) string {
	t.Helper()
	slices.SortFunc(all.Groups, func(a, b kmsg.ListGroupsResponseGroup) int { return strings.Compare(a.Group, b.Group) })
	slices.SortFunc(all.Details, func(a, b kmsg.DescribeGroupsResponseGroup) int { return strings.Compare(a.Group, b.Group) })
	slices.SortFunc(all.Offsets, func(a, b kmsg.OffsetFetchResponseGroup) int { return strings.Compare(a.Group, b.Group) })
	for _, g := range all.Details {
		slices.SortFunc(g.Members, func(a, b kmsg.DescribeGroupsResponseGroupMember) int { return strings.Compare(a.MemberID, b.MemberID) })
	}
	for i := range all.Offsets {
		topics := all.Offsets[i].Topics
		slices.SortFunc(topics, func(a, b kmsg.OffsetFetchResponseGroupTopic) int { return strings.Compare(a.Topic, b.Topic) })
		for _, topic := range topics {
			slices.SortFunc(topic.Partitions, func(a, b kmsg.OffsetFetchResponseGroupTopicPartition) int { return int(a.Partition - b.Partition) })
		}
	}
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestCaptureLog makes an Apache Kafka write a log of groups and keeps it.
func TestCaptureLog(t *testing.T) {
	if *captureLog == "" {
		t.Skip("needs -capture-log host:port and -capture-dir")
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(*captureLog), kgo.ClientID("golden"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c := &capturer{t, client}
	c.groups()
	c.transactions()
	c.newer()
	var all told
	list := kmsg.NewPtrListGroupsRequest()
	list.TypesFilter = []string{"classic"}
	all.Groups = ask(c, list).(*kmsg.ListGroupsResponse).Groups
	for _, g := range all.Groups {
		describe := kmsg.NewPtrDescribeGroupsRequest()
		describe.Groups = []string{g.Group}
		all.Details = append(all.Details, ask(c, describe).(*kmsg.DescribeGroupsResponse).Groups...)
		fetch := kmsg.NewPtrOffsetFetchRequest()
		group := kmsg.NewOffsetFetchRequestGroup()
		group.Group = g.Group
		fetch.Groups, fetch.RequireStable = []kmsg.OffsetFetchRequestGroup{group}, true
		fetched := c.pinned(fetch, 8).(*kmsg.OffsetFetchResponse).Groups
		all.Offsets = append(all.Offsets, fetched...)
	}
	if err := os.WriteFile(goldenAnswers, []byte(settle(t, all)), 0o644); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(*captureDir, TopicName+"-0", "00000000000000000000.log"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(goldenLog, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

type capturer struct {
	t      *testing.T
	client *kgo.Client
}

func ask(c *capturer, request kmsg.Request) kmsg.Response {
	c.t.Helper()
	response, err := c.client.Request(context.Background(), request)
	if err != nil {
		c.t.Fatal(err)
	}
	return response
}

// pinned asks in one version.
func (c *capturer) pinned(request kmsg.Request, version int16) kmsg.Response {
	c.t.Helper()
	response, err := c.client.Broker(1).RetriableRequest(context.Background(), pinReq{request, version})
	if err != nil {
		c.t.Fatal(err)
	}
	return response
}

// pinReq is a request that is not asked in a later version.
type pinReq struct {
	kmsg.Request
	max int16
}

func (p pinReq) MaxVersion() int16 { return p.max }

func (c *capturer) join(group, member, instance string, version int16) *kmsg.JoinGroupResponse {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Group, r.MemberID, r.ProtocolType = group, member, "consumer"
	r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = 600_000, 300_000
	if instance != "" {
		r.InstanceID = &instance
	}
	for _, name := range []string{"range", "sticky"} {
		p := kmsg.NewJoinGroupRequestProtocol()
		p.Name, p.Metadata = name, subscription("t", "u")
		r.Protocols = append(r.Protocols, p)
	}
	return c.pinned(r, version).(*kmsg.JoinGroupResponse)
}

func (c *capturer) sync(group string, generation int32, leader, instance string, assignment map[string]string) {
	r := kmsg.NewPtrSyncGroupRequest()
	r.Group, r.MemberID, r.Generation = group, leader, generation
	if instance != "" {
		r.InstanceID = &instance
	}
	for member, to := range assignment {
		a := kmsg.NewSyncGroupRequestGroupAssignment()
		a.MemberID, a.MemberAssignment = member, []byte(to)
		r.GroupAssignment = append(r.GroupAssignment, a)
	}
	c.pinned(r, 3)
}

func (c *capturer) commit(group string, version int16, retention int64, places ...string) {
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Group, r.RetentionTimeMillis = group, retention
	for _, p := range places {
		topic, partition, value := place(p)
		t, part := kmsg.NewOffsetCommitRequestTopic(), kmsg.NewOffsetCommitRequestTopicPartition()
		t.Topic, part.Partition, part.Metadata = topic, partition, kmsg.StringPtr("said "+p)
		fmt.Sscan(value, &part.Offset)
		t.Partitions = append(t.Partitions, part)
		r.Topics = append(r.Topics, t)
	}
	c.pinned(r, version)
}

func (c *capturer) groups() {
	create := kmsg.NewPtrCreateTopicsRequest()
	for _, name := range []string{"t", "u"} {
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, 3, 1
		create.Topics = append(create.Topics, topic)
	}
	ask(c, create)
	// The first request for the coordinator creates its topic, and then it loads.
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.CoordinatorKey = "stable"
	for c.pinned(find, 3).(*kmsg.FindCoordinatorResponse).ErrorCode != 0 || c.join("stable", "nobody", "", 5).ErrorCode != kerr.UnknownMemberID.Code {
		time.Sleep(100 * time.Millisecond)
	}
	one := c.join("stable", "", "one", 5)
	c.sync("stable", one.Generation, one.MemberID, "one", map[string]string{one.MemberID: "first"})
	c.commit("simple", 9, -1, "t-0:5", "t-1:6", "u-2:7")
	c.commit("retention", 4, 3_600_000_000, "t-0:8")
	short := c.join("short", "", "", 3)
	c.sync("short", short.Generation, short.MemberID, "", map[string]string{short.MemberID: "all"})
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Group, leave.MemberID = "short", short.MemberID
	c.pinned(leave, 2)
	c.commit("short", 9, -1, "t-0:9")
	c.commit("gone", 9, -1, "t-0:9", "t-1:9")
	remove := kmsg.NewPtrDeleteGroupsRequest()
	remove.Groups = []string{"gone"}
	c.pinned(remove, 2)
	pending := kmsg.NewPtrJoinGroupRequest()
	pending.Group, pending.ProtocolType, pending.SessionTimeoutMillis, pending.RebalanceTimeoutMillis = "pending", "connect", 600_000, 600_000
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name = "v0"
	pending.Protocols = append(pending.Protocols, p)
	c.pinned(pending, 9)
}

func (c *capturer) transactions() {
	for _, name := range []string{"committed", "aborted", "open"} {
		init := kmsg.NewPtrInitProducerIDRequest()
		init.TransactionalID, init.TransactionTimeoutMillis = &name, 600_000
		id := ask(c, init).(*kmsg.InitProducerIDResponse)
		c.commit("txn-"+name, 9, -1, "t-1:1")
		add := kmsg.NewPtrAddOffsetsToTxnRequest()
		add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = name, id.ProducerID, id.ProducerEpoch, "txn-"+name
		ask(c, add)
		commit := kmsg.NewPtrTxnOffsetCommitRequest()
		commit.TransactionalID, commit.ProducerID, commit.ProducerEpoch, commit.Group = name, id.ProducerID, id.ProducerEpoch, "txn-"+name
		for partition := range int32(2) {
			t, p := kmsg.NewTxnOffsetCommitRequestTopic(), kmsg.NewTxnOffsetCommitRequestTopicPartition()
			t.Topic, p.Partition, p.Offset, p.Metadata = "t", partition, 100, kmsg.StringPtr("")
			t.Partitions = append(t.Partitions, p)
			commit.Topics = append(commit.Topics, t)
		}
		ask(c, commit)
		if name == "open" {
			continue
		}
		end := kmsg.NewPtrEndTxnRequest()
		end.TransactionalID, end.ProducerID, end.ProducerEpoch, end.Commit = name, id.ProducerID, id.ProducerEpoch, name == "committed"
		ask(c, end)
	}
	time.Sleep(time.Second)
}

// newer makes a group of a kind that this package does not know.
func (c *capturer) newer() {
	r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	r.Group, r.MemberID, r.MemberEpoch = "newer", "AAAAAAAAAAAAAAAAAAAAAQ", 0
	r.RebalanceTimeoutMillis, r.SubscribedTopicNames, r.Topics = 60_000, []string{"t"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	ask(c, r)
	c.commit("simple", 9, -1, "t-0:55")
}
