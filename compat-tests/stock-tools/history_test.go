package stocktools

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"ottla/compat-tests/harness"
)

// history does the same to one broker as to the other, request by request, so that producer ids, epochs and offsets come out alike.
type history struct {
	t      *testing.T
	broker *harness.Broker
	// old speaks the protocol in which partitions are added by requests, fresh the one in which records add them.
	old, fresh *kgo.Client
	// members speaks for the members of groups, in versions that give an id at once.
	members   *kgo.Client
	producers map[string]producer
	// time is that of all records.
	time time.Time
}

// producer is what a transactional id was told last, and the next sequence by partition.
type producer struct {
	id       int64
	epoch    int16
	sequence map[string]int32
}

func newHistory(t *testing.T, broker *harness.Broker, time time.Time) *history {
	h := &history{t: t, broker: broker, producers: map[string]producer{}, time: time}
	h.members = harness.Client(t, broker, kgo.MaxVersions(kversion.V2_1_0()))
	h.old, h.fresh = harness.Client(t, broker, kgo.MaxVersions(kversion.V3_5_0())), harness.Client(t, broker)
	return h
}

// ask sends a request to the broker until it answers with something else than that it is not ready.
func (h *history) ask(client *kgo.Client, request kmsg.Request, code func(kmsg.Response) int16) kmsg.Response {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	for {
		response, err := client.Broker(1).Request(ctx, request)
		if err != nil {
			h.t.Fatalf("%s on %s: %v", kmsg.NameForKey(request.Key()), h.broker.Name, err)
		}
		switch failure := kerr.ErrorForCode(code(response)); failure {
		case nil:
			return response
		case kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.ConcurrentTransactions, kerr.NotLeaderForPartition,
			kerr.UnknownTopicOrPartition:
			time.Sleep(50 * time.Millisecond)
		default:
			h.t.Fatalf("%s on %s: %v", kmsg.NameForKey(request.Key()), h.broker.Name, failure)
		}
	}
}

// coordinators makes the broker create the topics of its coordinators.
func (h *history) coordinators() {
	h.t.Helper()
	for kind, key := range []string{"group", "id"} {
		r := kmsg.NewPtrFindCoordinatorRequest()
		r.CoordinatorType, r.CoordinatorKeys, r.CoordinatorKey = int8(kind), []string{key}, key
		h.ask(h.fresh, r, func(response kmsg.Response) int16 {
			return response.(*kmsg.FindCoordinatorResponse).Coordinators[0].ErrorCode
		})
	}
}

func (h *history) init(id string) {
	h.t.Helper()
	r := kmsg.NewPtrInitProducerIDRequest()
	r.TransactionTimeoutMillis, r.ProducerID, r.ProducerEpoch = 600000, -1, -1
	if id != "" {
		r.TransactionalID = &id
	}
	response := h.ask(h.fresh, r, func(response kmsg.Response) int16 { return response.(*kmsg.InitProducerIDResponse).ErrorCode }).(*kmsg.InitProducerIDResponse)
	h.producers[id] = producer{response.ProducerID, response.ProducerEpoch, map[string]int32{}}
}

// add makes a partition part of a transaction, in the old protocol.
func (h *history) add(id, topic string, partition int32) {
	h.t.Helper()
	r := kmsg.NewPtrAddPartitionsToTxnRequest()
	r.TransactionalID, r.ProducerID, r.ProducerEpoch = id, h.producers[id].id, h.producers[id].epoch
	r.Topics = []kmsg.AddPartitionsToTxnRequestTopic{{Topic: topic, Partitions: []int32{partition}}}
	h.ask(h.old, r, func(response kmsg.Response) int16 {
		return response.(*kmsg.AddPartitionsToTxnResponse).Topics[0].Partitions[0].ErrorCode
	})
}

// write writes two records of a producer, in a transaction unless the id is "". The client decides on the protocol.
func (h *history) write(client *kgo.Client, id, topic string, partition int32) {
	h.t.Helper()
	p, place := h.producers[id], topic+string(rune('0'+partition))
	attributes := int16(0x10)
	r := kmsg.NewPtrProduceRequest()
	r.Acks, r.TimeoutMillis = -1, 10000
	if id == "" {
		attributes = 0
	} else {
		r.TransactionID = &id
	}
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.TopicID = topic, h.topicID(topic)
	t.Partitions = []kmsg.ProduceRequestTopicPartition{{Partition: partition, Records: batch(h.time, attributes, p.id, p.epoch, p.sequence[place])}}
	r.Topics = append(r.Topics, t)
	h.ask(client, r, func(response kmsg.Response) int16 {
		return response.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode
	})
	p.sequence[place] += 2
}

func (h *history) topicID(topic string) [16]byte {
	h.t.Helper()
	r := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &topic
	r.Topics = append(r.Topics, t)
	return h.ask(h.fresh, r, func(response kmsg.Response) int16 { return response.(*kmsg.MetadataResponse).Topics[0].ErrorCode }).(*kmsg.MetadataResponse).Topics[0].TopicID
}

func (h *history) end(client *kgo.Client, id string, commit bool) {
	h.t.Helper()
	p := h.producers[id]
	r := kmsg.NewPtrEndTxnRequest()
	r.TransactionalID, r.ProducerID, r.ProducerEpoch, r.Commit = id, p.id, p.epoch, commit
	response := h.ask(client, r, func(response kmsg.Response) int16 { return response.(*kmsg.EndTxnResponse).ErrorCode }).(*kmsg.EndTxnResponse)
	if response.ProducerID >= 0 {
		h.producers[id] = producer{response.ProducerID, response.ProducerEpoch, map[string]int32{}}
	}
}

// awaitState waits until an id is in a state.
func (h *history) awaitState(id, state string) {
	h.t.Helper()
	harness.WaitUntil(h.t, time.Minute, id+" to be "+state+" on "+h.broker.Name, func(context.Context) bool {
		r := kmsg.NewPtrDescribeTransactionsRequest()
		r.TransactionalIDs = []string{id}
		response := h.ask(h.fresh, r, func(response kmsg.Response) int16 {
			return response.(*kmsg.DescribeTransactionsResponse).TransactionStates[0].ErrorCode
		})
		return response.(*kmsg.DescribeTransactionsResponse).TransactionStates[0].State == state
	})
}

// marker writes the marker of a coordinator of a later epoch than any that there is: markers of those that there are will be refused.
func (h *history) marker(id, topic string, partition int32) {
	h.t.Helper()
	r := kmsg.NewPtrWriteTxnMarkersRequest()
	m := kmsg.NewWriteTxnMarkersRequestMarker()
	m.ProducerID, m.ProducerEpoch, m.CoordinatorEpoch = h.producers[id].id, h.producers[id].epoch, 1000
	m.Topics = []kmsg.WriteTxnMarkersRequestMarkerTopic{{Topic: topic, Partitions: []int32{partition}}}
	r.Markers = append(r.Markers, m)
	h.ask(h.fresh, r, func(response kmsg.Response) int16 {
		return response.(*kmsg.WriteTxnMarkersResponse).Markers[0].Topics[0].Partitions[0].ErrorCode
	})
}

// commit commits an offset of orders-0 for a group in a transaction, in the old protocol.
func (h *history) commit(id, group string, offset int64) {
	h.t.Helper()
	p := h.producers[id]
	a := kmsg.NewPtrAddOffsetsToTxnRequest()
	a.TransactionalID, a.ProducerID, a.ProducerEpoch, a.Group = id, p.id, p.epoch, group
	h.ask(h.old, a, func(response kmsg.Response) int16 { return response.(*kmsg.AddOffsetsToTxnResponse).ErrorCode })
	r := kmsg.NewPtrTxnOffsetCommitRequest()
	r.TransactionalID, r.ProducerID, r.ProducerEpoch, r.Group, r.Generation = id, p.id, p.epoch, group, -1
	t := kmsg.NewTxnOffsetCommitRequestTopic()
	t.Topic = "orders"
	part := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	part.Offset, part.LeaderEpoch = offset, -1
	t.Partitions = append(t.Partitions, part)
	r.Topics = append(r.Topics, t)
	h.ask(h.old, r, func(response kmsg.Response) int16 {
		return response.(*kmsg.TxnOffsetCommitResponse).Topics[0].Partitions[0].ErrorCode
	})
}

// join joins a group, from the second call on as another member while the first one stays away: the group then waits for it.
// The answer comes once every member has joined, so nobody waits for it.
func (h *history) join(group, kind string, wait bool) *kmsg.JoinGroupResponse {
	h.t.Helper()
	r := kmsg.NewPtrJoinGroupRequest()
	r.Version, r.Group, r.SessionTimeoutMillis, r.RebalanceTimeoutMillis, r.ProtocolType = 3, group, 600000, 600000, kind
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name, p.Metadata = "range", []byte{0, 1, 0, 0, 0, 1, 0, 6, 'o', 'r', 'd', 'e', 'r', 's', 0xff, 0xff, 0xff, 0xff}
	r.Protocols = append(r.Protocols, p)
	if !wait {
		waiting := harness.Client(h.t, h.broker, kgo.MaxVersions(kversion.V2_1_0()))
		go func() { _, _ = waiting.Broker(1).Request(h.t.Context(), r) }()
		return nil
	}
	return h.ask(h.members, r, func(response kmsg.Response) int16 { return response.(*kmsg.JoinGroupResponse).ErrorCode }).(*kmsg.JoinGroupResponse)
}

func (h *history) sync(group string, joined *kmsg.JoinGroupResponse) {
	h.t.Helper()
	r := kmsg.NewPtrSyncGroupRequest()
	r.Group, r.MemberID, r.Generation = group, joined.MemberID, joined.Generation
	r.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: joined.MemberID, MemberAssignment: []byte{0, 1, 0, 0, 0, 1, 0, 6, 'o', 'r', 'd', 'e', 'r', 's', 0, 0, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}}}
	h.ask(h.members, r, func(response kmsg.Response) int16 { return response.(*kmsg.SyncGroupResponse).ErrorCode })
}

func (h *history) leave(group string, joined *kmsg.JoinGroupResponse) {
	h.t.Helper()
	r := kmsg.NewPtrLeaveGroupRequest()
	r.Group, r.MemberID = group, joined.MemberID
	r.Members = []kmsg.LeaveGroupRequestMember{{MemberID: joined.MemberID}}
	h.ask(h.members, r, func(response kmsg.Response) int16 { return response.(*kmsg.LeaveGroupResponse).ErrorCode })
}

// commitAlone commits an offset of orders-0 for a group without a member, or for the one that has joined.
func (h *history) commitAlone(group string, joined *kmsg.JoinGroupResponse, offset int64) {
	h.t.Helper()
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Group, r.Generation = group, -1
	if joined != nil {
		r.MemberID, r.Generation = joined.MemberID, joined.Generation
	}
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic = "orders"
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Offset, p.LeaderEpoch = offset, -1
	t.Partitions = append(t.Partitions, p)
	r.Topics = append(r.Topics, t)
	h.ask(h.old, r, func(response kmsg.Response) int16 {
		return response.(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode
	})
}

// awaitGroup waits until a group is in a state.
func (h *history) awaitGroup(group, state string) {
	h.t.Helper()
	harness.WaitUntil(h.t, time.Minute, group+" to be "+state+" on "+h.broker.Name, func(context.Context) bool {
		r := kmsg.NewPtrDescribeGroupsRequest()
		r.Groups = []string{group}
		response := h.ask(h.old, r, func(response kmsg.Response) int16 { return response.(*kmsg.DescribeGroupsResponse).Groups[0].ErrorCode })
		return response.(*kmsg.DescribeGroupsResponse).Groups[0].State == state
	})
}

// batch is a record batch of two records.
func batch(at time.Time, attributes int16, producerID int64, epoch int16, sequence int32) []byte {
	var records []byte
	for i := range int32(2) {
		record := kmsg.Record{OffsetDelta: i, Value: []byte("value")}
		record.Length = int32(len(record.AppendTo(nil)) - 1)
		records = record.AppendTo(records)
	}
	b := kmsg.RecordBatch{
		Length: int32(49 + len(records)), PartitionLeaderEpoch: -1, Magic: 2, Attributes: attributes, LastOffsetDelta: 1,
		FirstTimestamp: at.UnixMilli(), MaxTimestamp: at.UnixMilli(), ProducerID: producerID, ProducerEpoch: epoch, FirstSequence: sequence, NumRecords: 2, Records: records,
	}
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}
