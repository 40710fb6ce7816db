package differential

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/compat-tests/harness"
)

// TestTransactions plays the same transactions to both brokers in each of the protocols that a client may speak.
func TestTransactions(t *testing.T) {
	s := newSuite(t)
	s.prepare(t)
	if t.Failed() {
		t.FailNow()
	}
	for _, p := range protocols() {
		t.Run(p.name, func(t *testing.T) {
			h := &exactlyOnce{t: t, s: s, protocol: p, id: "id-" + p.name, topic: "txn-" + p.name, sequence: map[int32]int32{}}
			h.begin()
			h.refusals()
			h.lifeOfOne()
			h.offsets()
			h.fences()
			h.markers()
		})
	}
	t.Logf("%d requests compared", s.requests)
}

// refusals are requests that cannot be served.
func (h *exactlyOnce) refusals() {
	empty, nobody := "", "nobody"
	h.init("init with an empty id", func(_ *side, r *kmsg.InitProducerIDRequest) { r.TransactionalID = &empty })
	h.init("init with no timeout", func(_ *side, r *kmsg.InitProducerIDRequest) { r.TransactionTimeoutMillis = 0 })
	h.init("init with a long timeout", func(_ *side, r *kmsg.InitProducerIDRequest) { r.TransactionTimeoutMillis = 900001 })
	if h.protocol.init >= 3 {
		h.init("146 init with an id alone", func(_ *side, r *kmsg.InitProducerIDRequest) { r.ProducerID = 4 })
		h.init("146 init with an epoch alone", func(_ *side, r *kmsg.InitProducerIDRequest) { r.ProducerEpoch = 4 })
		h.init("init with another's id", func(_ *side, r *kmsg.InitProducerIDRequest) { r.ProducerID, r.ProducerEpoch = 999999, 4 })
	}
	h.init("init", nil)
	h.look("before the first transaction")
	h.add("149 add one that is not there", nil, 0, 7)
	h.add("add for nobody", func(r *kmsg.AddPartitionsToTxnRequest) { r.TransactionalID = nobody }, 0)
	h.add("add for an empty id", func(r *kmsg.AddPartitionsToTxnRequest) { r.TransactionalID = "" }, 0)
	h.add("add with another id", func(r *kmsg.AddPartitionsToTxnRequest) { r.ProducerID += 100000 }, 0)
	h.add("add with another epoch", func(r *kmsg.AddPartitionsToTxnRequest) { r.ProducerEpoch += 9 }, 0)
	for _, commit := range []bool{true, false} {
		h.end("148 end for nobody", commit, func(r *kmsg.EndTxnRequest) { r.TransactionalID = nobody })
		h.end("148 end for an empty id", commit, func(r *kmsg.EndTxnRequest) { r.TransactionalID = "" })
		h.end("148 end with another id", commit, func(r *kmsg.EndTxnRequest) { r.ProducerID += 100000 })
		h.end("148 end with another epoch", commit, func(r *kmsg.EndTxnRequest) { r.ProducerEpoch += 9 })
	}
	h.end("148 commit nothing", true, nil)
	h.write("95 without a transactional id", 0, func(_ *side, r *kmsg.ProduceRequest, _ *batch) { r.TransactionID = nil })
	h.write("with another's transactional id", 0, func(_ *side, r *kmsg.ProduceRequest, _ *batch) { r.TransactionID = &nobody })
	h.write("with another producer id", 0, func(_ *side, _ *kmsg.ProduceRequest, b *batch) { b.producerID += 100000 })
	h.write("with another epoch", 0, func(_ *side, _ *kmsg.ProduceRequest, b *batch) { b.epoch += 9 })
	if h.protocol.version < 2 {
		h.write("96 to a partition that was not added", 0, nil)
	}
}

// lifeOfOne is a transaction that commits and one that aborts, by everything that can be seen of them.
func (h *exactlyOnce) lifeOfOne() {
	for round, commit := range []bool{true, false, true} {
		name := fmt.Sprintf("in round %d", round)
		h.add("add "+name, nil, 0)
		h.add("add again "+name, nil, 0)
		h.write("first "+name, 0, nil)
		h.write("second "+name, 0, nil)
		h.write("again "+name, 0, func(_ *side, _ *kmsg.ProduceRequest, b *batch) { b.sequence -= 2 })
		h.write("97 outside of the transaction "+name, 0, func(_ *side, r *kmsg.ProduceRequest, b *batch) { b.attributes, r.TransactionID = 0, nil })
		h.write("to another partition "+name, 1, nil)
		h.look("open " + name)
		h.end("end with an old epoch "+name, commit, func(r *kmsg.EndTxnRequest) { r.ProducerEpoch-- })
		var id int64
		var epoch int16
		h.step("remember", func(side *side) kmsg.Request { // so that both sides have asked for the same
			id, epoch = side.producer()
			side.values["before id"], side.values["before epoch"] = id, epoch
			r := kmsg.NewPtrApiVersionsRequest()
			r.Version, r.ClientSoftwareName, r.ClientSoftwareVersion = 3, "differential", "1"
			return r
		}, func(_ *side, response kmsg.Response) {
			*response.(*kmsg.ApiVersionsResponse) = kmsg.ApiVersionsResponse{Version: 3}
		})
		h.end("end "+name, commit, nil)
		h.awaitIdle()
		h.look("ended " + name)
		for _, other := range []bool{commit, !commit} {
			h.step(fmt.Sprintf("end again, commit %t, %s", other, name), func(side *side) kmsg.Request {
				r := kmsg.NewPtrEndTxnRequest()
				r.Version, r.TransactionalID, r.Commit = h.protocol.end, h.id, other
				r.ProducerID, r.ProducerEpoch = side.values["before id"].(int64), side.values["before epoch"].(int16)
				return r
			}, nil)
		}
		h.write("late "+name, 0, func(side *side, _ *kmsg.ProduceRequest, b *batch) {
			b.producerID, b.epoch, b.sequence = side.values["before id"].(int64), side.values["before epoch"].(int16), 100
		})
	}
	h.end("commit nothing after a commit", true, nil)
	h.end("abort nothing after a commit", false, nil)
	h.awaitIdle()
	h.look("at the end")
}

// offsets are committed in a transaction: pending until its marker comes.
func (h *exactlyOnce) offsets() {
	group := "group-" + h.protocol.name
	commit := func(label string, change func(r *kmsg.TxnOffsetCommitRequest)) {
		h.step(label, func(side *side) kmsg.Request {
			r := kmsg.NewPtrTxnOffsetCommitRequest()
			r.Version, r.TransactionalID, r.Group, r.Generation = h.protocol.commit, h.id, group, -1
			r.ProducerID, r.ProducerEpoch = side.producer()
			topic := kmsg.NewTxnOffsetCommitRequestTopic()
			topic.Topic = h.topic
			for partition := range int32(2) {
				p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
				p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = partition, int64(10+partition), -1, kmsg.StringPtr("m")
				topic.Partitions = append(topic.Partitions, p)
			}
			r.Topics = append(r.Topics, topic)
			if change != nil {
				change(r)
			}
			return r
		}, nil)
	}
	fetch := func(label string) {
		for _, stable := range []bool{false, true} {
			h.step(fmt.Sprintf("143 fetch offsets %s, stable %t", label, stable), func(*side) kmsg.Request {
				r := kmsg.NewPtrOffsetFetchRequest()
				r.Version, r.Group, r.RequireStable = 7, group, stable
				r.Topics = append(r.Topics, kmsg.OffsetFetchRequestTopic{Topic: h.topic, Partitions: []int32{0, 1}})
				return r
			}, nil)
		}
	}
	h.init("init for offsets", nil)
	if h.protocol.version < 2 {
		commit("offsets that were not added", nil)
	}
	for round, committed := range []bool{true, false} {
		if h.protocol.version < 2 {
			h.step("add offsets", func(side *side) kmsg.Request {
				r := kmsg.NewPtrAddOffsetsToTxnRequest()
				r.Version, r.TransactionalID, r.Group = h.protocol.addOffsets, h.id, group
				r.ProducerID, r.ProducerEpoch = side.producer()
				return r
			}, nil)
		}
		commit("offsets", func(r *kmsg.TxnOffsetCommitRequest) { r.Topics[0].Partitions[0].Offset += int64(round) })
		commit("offsets of a topic that is not there", func(r *kmsg.TxnOffsetCommitRequest) { r.Topics[0].Topic = "absent" })
		commit("offsets of a partition that is not there", func(r *kmsg.TxnOffsetCommitRequest) { r.Topics[0].Partitions[1].Partition = 7 })
		commit("offsets of a generation", func(r *kmsg.TxnOffsetCommitRequest) { r.Generation, r.MemberID = 3, "nobody" })
		commit("offsets of no group", func(r *kmsg.TxnOffsetCommitRequest) { r.Group = "" })
		commit("offsets of another epoch", func(r *kmsg.TxnOffsetCommitRequest) { r.ProducerEpoch += 9 })
		commit("offsets of another producer", func(r *kmsg.TxnOffsetCommitRequest) { r.ProducerID += 100000 })
		fetch("while open")
		h.end("end with offsets", committed, nil)
		h.awaitIdle()
		fetch("afterwards")
	}
}

// fences: who comes takes over, and who was there before is told so.
func (h *exactlyOnce) fences() {
	h.init("init before the fence", nil)
	h.add("add before the fence", nil, 0)
	h.write("write before the fence", 0, nil)
	h.step("init while open", func(*side) kmsg.Request {
		r := kmsg.NewPtrInitProducerIDRequest()
		r.Version, r.TransactionalID, r.TransactionTimeoutMillis, r.ProducerID, r.ProducerEpoch = h.protocol.init, &h.id, 60000, -1, -1
		return r
	}, nil)
	h.awaitIdle()
	h.look("fenced")
	h.write("write after the fence", 0, nil)
	h.add("add after the fence", nil, 0)
	h.end("commit after the fence", true, nil)
	h.init("init after the fence", nil)
	if h.protocol.init < 3 {
		return
	}
	resume := func(side *side, r *kmsg.InitProducerIDRequest) { r.ProducerID, r.ProducerEpoch = side.producer() }
	h.init("resume", resume)
	h.init("resume again, the answer was lost", func(side *side, r *kmsg.InitProducerIDRequest) { resume(side, r); r.ProducerEpoch-- })
	h.init("resume with a future epoch", func(side *side, r *kmsg.InitProducerIDRequest) { resume(side, r); r.ProducerEpoch += 5 })
	h.init("take over", nil)
	h.init("resume with what was taken over", func(side *side, r *kmsg.InitProducerIDRequest) { resume(side, r); r.ProducerEpoch-- })
}

// markers of a client, who may write them where there is no authorizer.
func (h *exactlyOnce) markers() {
	for version := int16(1); version <= 2; version++ {
		h.add("add before a marker", nil, 1)
		h.write("write before a marker", 1, nil)
		h.step(fmt.Sprintf("59 markers v%d", version), func(side *side) kmsg.Request {
			r := kmsg.NewPtrWriteTxnMarkersRequest()
			r.Version = version
			marker := kmsg.NewWriteTxnMarkersRequestMarker()
			marker.ProducerID, marker.ProducerEpoch = side.producer()
			marker.CoordinatorEpoch, marker.TransactionVersion = 0, int8(h.protocol.version)
			marker.Topics = append(marker.Topics, kmsg.WriteTxnMarkersRequestMarkerTopic{Topic: h.topic, Partitions: []int32{1}})
			r.Markers = append(r.Markers, marker)
			return r
		}, nil)
		h.look("after a marker of a client")
		h.step("59 marker of an older coordinator, and for what is not there", func(side *side) kmsg.Request {
			r := kmsg.NewPtrWriteTxnMarkersRequest()
			r.Version = version
			marker := kmsg.NewWriteTxnMarkersRequestMarker()
			marker.ProducerID, marker.ProducerEpoch = side.producer()
			marker.CoordinatorEpoch = -1
			marker.Topics = append(marker.Topics, kmsg.WriteTxnMarkersRequestMarkerTopic{Topic: h.topic, Partitions: []int32{1}})
			r.Markers = append(r.Markers, marker)
			return r
		}, nil)
		h.end("abort after a marker of a client", false, nil)
		h.awaitIdle()
	}
}

// TestRandomTransactions plays random histories of transactions, members and offsets to both brokers.
func TestRandomTransactions(t *testing.T) {
	s := newSuite(t)
	s.prepare(t)
	s.awaitCoordinators(t)
	randomHistories(t, s, transactions, 12)
	t.Logf("%d requests compared", s.requests)
}

// TestSoakTransactions does so for as long as OTTLA_SOAK_MINUTES says.
func TestSoakTransactions(t *testing.T) {
	limit := harness.Soak(t)
	s := newSuite(t)
	s.prepare(t)
	s.awaitCoordinators(t)
	for end := time.Now().Add(limit); time.Now().Before(end) && !t.Failed(); {
		randomHistories(t, s, transactions, 10)
	}
	t.Logf("%d requests compared", s.requests)
}
