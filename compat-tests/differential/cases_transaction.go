package differential

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// transactional are the attributes of a batch of a transaction.
const transactional int16 = 0x10

// protocol is a set of versions that one client would use together.
type protocol struct {
	name                                                 string
	init, add, addOffsets, produce, commit, end, version int16
}

func protocols() []protocol {
	return []protocol{
		{"oldest", 0, 0, 0, 3, 0, 0, 0}, {"old", 4, 3, 3, 10, 3, 3, 0}, {"abortable", 5, 3, 4, 11, 4, 4, 0}, {"new", 5, 3, 4, 12, 5, 5, 2},
	}
}

// exactlyOnce is a history of one transactional id on both sides.
type exactlyOnce struct {
	t        *testing.T
	s        *suite
	protocol protocol
	id       string
	topic    string
	// sequence is that of the next batch by partition.
	sequence map[int32]int32
}

// step sends one request to both sides and compares the answers but for what is a broker's own. see looks at them first.
func (h *exactlyOnce) step(label string, build func(side *side) kmsg.Request, see func(side *side, response kmsg.Response)) {
	h.t.Helper()
	label = fmt.Sprintf("transactions of the %s protocol: %s", h.protocol.name, label)
	var trees [2]any
	for i, side := range h.s.sides {
		got, err := side.do("", build(side), false)
		if err != nil {
			h.t.Errorf("%s: %s: %v", label, side.broker.Name, err)
			return
		}
		if see != nil && !got.closed {
			see(side, got.response)
		}
		trees[i] = side.ownIDs(side.tree(got))
	}
	h.s.requests++
	for _, d := range compare("", trees[0], trees[1]) {
		if line := label + " " + d.String(); !h.s.accept(line) {
			h.t.Error(line)
		}
	}
}

// ownIDs puts a number for each producer id in the order in which this side has told them, tells the batches of a partition
// instead of their bytes, and leaves out times.
func (s *side) ownIDs(tree any) any {
	switch node := tree.(type) {
	case map[string]any:
		for name, value := range node {
			switch name {
			case "ProducerID":
				if id, ok := value.(int64); ok {
					node[name] = s.ownID(id)
				}
			case "RecordBatches":
				node[name] = s.batches(value)
			case "StartTimestamp", "LastTimestamp", "SessionID":
				delete(node, name)
			case "Timestamp":
				// Records carry the suite's time, markers that of their broker.
				if at, ok := value.(int64); ok && at > now+1000 {
					node[name] = "a marker's"
				}
			case "ActiveProducers", "TransactionStates":
				node[name] = s.ownIDs(value)
				if list, ok := node[name].([]any); ok {
					slices.SortStableFunc(list, func(a, b any) int { return strings.Compare(jsonText(a), jsonText(b)) })
				}
			default:
				node[name] = s.ownIDs(value)
			}
		}
	case []any:
		for i := range node {
			node[i] = s.ownIDs(node[i])
		}
	}
	return tree
}

// ownID names a producer id; one that no broker has given stays as it is.
func (s *side) ownID(id int64) string {
	if id < 0 || id >= strangers {
		return fmt.Sprint(id)
	}
	known, ok := s.values["producer ids"].(map[int64]int)
	if !ok {
		known = map[int64]int{}
		s.values["producer ids"] = known
	}
	if _, seen := known[id]; !seen {
		known[id] = len(known)
	}
	return fmt.Sprintf("PRODUCER(%d)", known[id])
}

// batches tells of each record batch in a fetched partition what both sides must have alike.
func (s *side) batches(hexadecimal any) any {
	text, ok := hexadecimal.(string)
	if !ok {
		return hexadecimal
	}
	raw, err := hex.DecodeString(text)
	if err != nil {
		return err.Error()
	}
	var told []any
	for len(raw) >= 12 {
		length := 12 + int(binary.BigEndian.Uint32(raw[8:]))
		b := kmsg.RecordBatch{}
		if length > len(raw) || b.ReadFrom(raw[:length]) != nil {
			return append(told, fmt.Sprintf("%x", raw))
		}
		raw = raw[length:]
		line := fmt.Sprintf("offset %d+%d of leader epoch %d, magic %d, attributes %d, %s epoch %d sequence %d, %d records", b.FirstOffset, b.LastOffsetDelta,
			b.PartitionLeaderEpoch, b.Magic, b.Attributes, s.ownID(b.ProducerID), b.ProducerEpoch, b.FirstSequence, b.NumRecords)
		if b.Attributes&0x20 == 0 {
			line += fmt.Sprintf(" at %d to %d", b.FirstTimestamp, b.MaxTimestamp)
		}
		told = append(told, line+fmt.Sprintf(" %x", b.Records))
	}
	return told
}

// producer is what a side's producer has now.
func (s *side) producer() (id int64, epoch int16) {
	id, _ = s.values["producer id"].(int64)
	epoch, _ = s.values["producer epoch"].(int16)
	return id, epoch
}

// init asks for the id and the epoch; again while the broker asks for it.
func (h *exactlyOnce) init(label string, change func(side *side, r *kmsg.InitProducerIDRequest)) {
	h.t.Helper()
	h.step(label, func(side *side) kmsg.Request {
		r := kmsg.NewPtrInitProducerIDRequest()
		r.Version, r.TransactionalID, r.TransactionTimeoutMillis = h.protocol.init, &h.id, 60000
		r.ProducerID, r.ProducerEpoch = -1, -1
		if change != nil {
			change(side, r)
		}
		return r
	}, func(side *side, response kmsg.Response) {
		if r := response.(*kmsg.InitProducerIDResponse); r.ErrorCode == 0 {
			side.values["producer id"], side.values["producer epoch"] = r.ProducerID, r.ProducerEpoch
		}
	})
	h.sequence = map[int32]int32{}
}

// add makes partitions of the topic part of the transaction.
func (h *exactlyOnce) add(label string, change func(r *kmsg.AddPartitionsToTxnRequest), partitions ...int32) {
	h.t.Helper()
	h.step(label, func(side *side) kmsg.Request {
		r := kmsg.NewPtrAddPartitionsToTxnRequest()
		r.Version, r.TransactionalID = h.protocol.add, h.id
		r.ProducerID, r.ProducerEpoch = side.producer()
		r.Topics = append(r.Topics, kmsg.AddPartitionsToTxnRequestTopic{Topic: h.topic, Partitions: partitions})
		if change != nil {
			change(r)
		}
		return r
	}, nil)
}

// write writes a batch to a partition. Its sequence counts if it was taken.
func (h *exactlyOnce) write(label string, partition int32, change func(side *side, r *kmsg.ProduceRequest, b *batch)) {
	h.t.Helper()
	taken := false
	h.step(label, func(side *side) kmsg.Request {
		b := batch{values: []string{"a", "b"}, attributes: transactional, sequence: h.sequence[partition], idempotentFrom: true}
		b.producerID, b.epoch = side.producer()
		r := kmsg.NewPtrProduceRequest()
		r.Version, r.Acks, r.TimeoutMillis, r.TransactionID = h.protocol.produce, -1, 5000, &h.id
		if change != nil {
			change(side, r, &b)
		}
		topic := kmsg.NewProduceRequestTopic()
		topic.Topic = h.topic
		topic.Partitions = append(topic.Partitions, kmsg.ProduceRequestTopicPartition{Partition: partition, Records: b.bytes()})
		r.Topics = append(r.Topics, topic)
		return r
	}, func(_ *side, response kmsg.Response) {
		taken = response.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode == 0
	})
	if taken {
		h.sequence[partition] += 2
	}
}

// end commits or aborts, and takes over the epoch that a newer broker gives.
func (h *exactlyOnce) end(label string, commit bool, change func(r *kmsg.EndTxnRequest)) {
	h.t.Helper()
	h.step(label, func(side *side) kmsg.Request {
		r := kmsg.NewPtrEndTxnRequest()
		r.Version, r.TransactionalID, r.Commit = h.protocol.end, h.id, commit
		r.ProducerID, r.ProducerEpoch = side.producer()
		if change != nil {
			change(r)
		}
		return r
	}, func(side *side, response kmsg.Response) {
		if r := response.(*kmsg.EndTxnResponse); r.ErrorCode == 0 && r.ProducerEpoch >= 0 && h.protocol.version == 2 {
			if _, before := side.producer(); before != r.ProducerEpoch {
				h.sequence = map[int32]int32{}
			}
			side.values["producer id"], side.values["producer epoch"] = r.ProducerID, r.ProducerEpoch
		}
	})
}

// awaitIdle waits until both sides have written the markers.
func (h *exactlyOnce) awaitIdle() {
	h.t.Helper()
	for _, side := range h.s.sides {
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			r := kmsg.NewPtrDescribeTransactionsRequest()
			r.TransactionalIDs = []string{h.id}
			got, err := side.do("", r, false)
			if err != nil || got.closed {
				h.t.Fatalf("describe on %s: %+v %v", side.broker.Name, got, err)
			}
			state := got.response.(*kmsg.DescribeTransactionsResponse).TransactionStates[0].State
			if !strings.HasPrefix(state, "Prepare") {
				break
			}
			if time.Now().After(deadline) {
				h.t.Fatalf("on %s the transaction is still %s", side.broker.Name, state)
			}
		}
	}
}

// look compares everything that can be asked about the transaction and its partitions.
func (h *exactlyOnce) look(label string) {
	h.t.Helper()
	h.step("describe "+label, func(*side) kmsg.Request {
		r := kmsg.NewPtrDescribeTransactionsRequest()
		r.TransactionalIDs = []string{h.id, "nobody", ""}
		return r
	}, nil)
	h.step("list "+label, func(*side) kmsg.Request {
		r := kmsg.NewPtrListTransactionsRequest()
		r.Version, r.DurationFilterMillis, r.TransactionalIDPattern = 2, -1, &h.id
		r.StateFilters = []string{"Ongoing", "CompleteCommit", "CompleteAbort", "Empty", "Sleeping"}
		return r
	}, nil)
	h.step("producers "+label, func(*side) kmsg.Request {
		r := kmsg.NewPtrDescribeProducersRequest()
		r.Topics = append(r.Topics, kmsg.DescribeProducersRequestTopic{Topic: h.topic, Partitions: []int32{0, 1, 9}},
			kmsg.DescribeProducersRequestTopic{Topic: "absent", Partitions: []int32{0}})
		return r
	}, nil)
	for isolation := range int8(2) {
		h.step(fmt.Sprintf("end for isolation %d %s", isolation, label), func(*side) kmsg.Request {
			r := kmsg.NewPtrListOffsetsRequest()
			r.Version, r.ReplicaID, r.IsolationLevel = 8, -1, isolation
			topic := kmsg.NewListOffsetsRequestTopic()
			topic.Topic = h.topic
			for partition := range int32(2) {
				p := kmsg.NewListOffsetsRequestTopicPartition()
				p.Partition, p.Timestamp, p.CurrentLeaderEpoch = partition, -1, -1
				topic.Partitions = append(topic.Partitions, p)
			}
			r.Topics = append(r.Topics, topic)
			return r
		}, nil)
		h.step(fmt.Sprintf("fetch for isolation %d %s", isolation, label), func(*side) kmsg.Request {
			r := kmsg.NewPtrFetchRequest()
			r.Version, r.MaxWaitMillis, r.MinBytes, r.MaxBytes, r.IsolationLevel, r.SessionEpoch = 12, 50, 0, 1<<20, isolation, -1
			topic := kmsg.NewFetchRequestTopic()
			topic.Topic = h.topic
			for partition := range int32(2) {
				p := kmsg.NewFetchRequestTopicPartition()
				p.Partition, p.PartitionMaxBytes = partition, 1<<20
				topic.Partitions = append(topic.Partitions, p)
			}
			r.Topics = append(r.Topics, topic)
			return r
		}, nil)
	}
}

// begin makes the topic, and asks for the coordinator until it is there on both sides.
func (h *exactlyOnce) begin() {
	h.t.Helper()
	h.s.step(h.t, "create "+h.topic, "", func(*side) kmsg.Request {
		r := kmsg.NewPtrCreateTopicsRequest()
		r.Version, r.TimeoutMillis = 7, 10000
		item := kmsg.NewCreateTopicsRequestTopic()
		item.Topic, item.NumPartitions, item.ReplicationFactor = h.topic, 2, 1
		r.Topics = append(r.Topics, item)
		return r
	})
	h.s.awaitLeader(h.t, h.topic, 0)
	h.s.awaitLeader(h.t, h.topic, 1)
	for _, side := range h.s.sides {
		if err := side.learn(); err != nil {
			h.t.Fatal(err)
		}
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			find := kmsg.NewPtrFindCoordinatorRequest()
			find.Version, find.CoordinatorType, find.CoordinatorKeys = 4, 1, []string{h.id}
			found, err := side.do("", find, false)
			if err != nil || found.closed {
				h.t.Fatalf("FindCoordinator on %s: %+v %v", side.broker.Name, found, err)
			}
			r := kmsg.NewPtrInitProducerIDRequest()
			r.Version, r.TransactionalID, r.TransactionTimeoutMillis, r.ProducerID, r.ProducerEpoch = 4, &h.id, 60000, -1, -1
			got, err := side.do("", r, false)
			if err != nil || got.closed {
				h.t.Fatalf("InitProducerId on %s: %+v %v", side.broker.Name, got, err)
			}
			if found.response.(*kmsg.FindCoordinatorResponse).Coordinators[0].ErrorCode == 0 && got.response.(*kmsg.InitProducerIDResponse).ErrorCode == 0 {
				break
			}
			if time.Now().After(deadline) {
				h.t.Fatalf("%s coordinates no transactions: %v", side.broker.Name, kerr.ErrorForCode(got.response.(*kmsg.InitProducerIDResponse).ErrorCode))
			}
		}
	}
}

// awaitCoordinators asks both sides until every partition of __transaction_state and of __consumer_offsets has its coordinator: ids and groups
// of many names, which fall on all of them.
func (s *suite) awaitCoordinators(t *testing.T) {
	t.Helper()
	h := exactlyOnce{t: t, s: s, protocol: protocols()[3], topic: "coordinated", sequence: map[int32]int32{}}
	for i := range 200 {
		h.id = fmt.Sprint("coordinated-", i)
		if i == 0 {
			h.begin()
		}
		for _, side := range s.sides {
			for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
				r := kmsg.NewPtrDescribeTransactionsRequest()
				r.TransactionalIDs = []string{h.id}
				o := kmsg.NewPtrOffsetFetchRequest()
				o.Version, o.Group = 7, h.id
				got, err := side.do("", r, false)
				if err != nil || got.closed {
					t.Fatalf("describe on %s: %+v %v", side.broker.Name, got, err)
				}
				offsets, err := side.do("", o, false)
				if err != nil || offsets.closed {
					t.Fatalf("offsets on %s: %+v %v", side.broker.Name, offsets, err)
				}
				code := got.response.(*kmsg.DescribeTransactionsResponse).TransactionStates[0].ErrorCode
				if (code == 0 || code == kerr.TransactionalIDNotFound.Code) && offsets.response.(*kmsg.OffsetFetchResponse).ErrorCode == 0 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("%s does not coordinate %s: %d", side.broker.Name, h.id, code)
				}
			}
		}
	}
}
