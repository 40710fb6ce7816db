package swap

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/protocol/record"
)

// birth is the time of the script's first record, in milliseconds.
const birth = 1700000000000

// script sends the same requests to any server: nothing in them, and not their order, depends on what is answered
// but for ids and epochs that a server gives.
func (w *wire) script() {
	w.t.Helper()
	kept := []string{"retention.ms", "-1", "segment.bytes", "1048576", "file.delete.delay.ms", "1000"}
	w.create("codecs", 5, kept...)
	w.create("rolled", 1, kept...)
	w.create("trimmed", 1, kept...)
	w.create("timed", 1, append(kept, "segment.ms", "3600000")...)
	w.create("appended", 1, append(kept, "message.timestamp.type", "LogAppendTime")...)
	w.create("ledger", 2, kept...)
	w.create("doomed", 1)
	w.create("grown", 1)
	w.coordinators()
	w.writeCodecs()
	w.writeSegments()
	w.idempotent()
	w.oldTransactions()
	w.newTransactions()
	w.offsets()
	w.group()
	w.change()
	w.trim()
}

// batch builds a batch of n records; what is written does not depend on the server.
func batch(codec record.Codec, first, n, size int, options record.BuilderOptions) []byte {
	options.Codec = codec
	b := record.NewBuilder(options)
	for i := first; i < first+n; i++ {
		key, value := fmt.Appendf(nil, "key %d", i%37), noise(uint64(i), size)
		switch i % 10 {
		case 3:
			key = nil
		case 7:
			value = nil
		case 9:
			value = []byte{}
		}
		// Times go up, and back now and then.
		b.Append(birth+int64(i)*1000-int64(i%7)*2500, key, value, record.Header{Key: "n", Value: fmt.Append(nil, i)}, record.Header{Key: "none"})
	}
	return b.Build()
}

func unnumbered() record.BuilderOptions {
	return record.BuilderOptions{ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1}
}

// coordinators makes the internal topics.
func (w *wire) coordinators() {
	w.t.Helper()
	for kind, key := range []string{"shared", "teller"} {
		w.until("a coordinator", func() error {
			request := kmsg.NewPtrFindCoordinatorRequest()
			request.CoordinatorType, request.CoordinatorKeys = int8(kind), []string{key}
			return kerr.ErrorForCode(w.call(request, 4).(*kmsg.FindCoordinatorResponse).Coordinators[0].ErrorCode)
		})
	}
}

func (w *wire) writeCodecs() {
	w.t.Helper()
	for codec := range record.Codec(5) {
		for n := range 20 {
			w.produce(9, nil, "codecs", int32(codec), batch(codec, n*30, 30, 200, unnumbered()))
		}
	}
}

// writeSegments rolls by size and by time, and lets the server set the time.
func (w *wire) writeSegments() {
	w.t.Helper()
	for _, topic := range []string{"rolled", "trimmed"} {
		for n := range 50 {
			w.produce(9, nil, topic, 0, batch(record.CodecNone, n*20, 20, 4000, unnumbered()))
		}
	}
	for n := range 30 {
		w.produce(9, nil, "timed", 0, batch(record.CodecNone, n*1000, 3, 2000, unnumbered()))
		w.produce(9, nil, "appended", 0, batch(record.CodecZstd, n*10, 10, 1000, unnumbered()))
	}
}

// identify asks for a producer id.
func (w *wire) identify(transactionalID *string) (id int64, epoch int16) {
	w.t.Helper()
	request := kmsg.NewPtrInitProducerIDRequest()
	request.TransactionalID, request.TransactionTimeoutMillis, request.ProducerID, request.ProducerEpoch = transactionalID, 600000, -1, -1
	var answer *kmsg.InitProducerIDResponse
	w.until("a producer id", func() error {
		answer = w.call(request, 4).(*kmsg.InitProducerIDResponse)
		return kerr.ErrorForCode(answer.ErrorCode)
	})
	return answer.ProducerID, answer.ProducerEpoch
}

// idempotent writes with sequences, two producers in turn, and repeats a batch.
func (w *wire) idempotent() {
	w.t.Helper()
	for range 2 {
		id, epoch := w.identify(nil)
		for n := range 10 {
			b := batch(record.CodecLZ4, n*10, 10, 500, record.BuilderOptions{ProducerID: id, ProducerEpoch: epoch, BaseSequence: int32(n * 10)})
			w.produce(9, nil, "rolled", 0, b)
			if n == 5 {
				w.produce(9, nil, "rolled", 0, b)
			}
		}
	}
}

// oldTransactions are those of clients before KIP-890: partitions are added before they are written to.
func (w *wire) oldTransactions() {
	w.t.Helper()
	name := "teller"
	id, epoch := w.identify(&name)
	sequence := [2]int32{}
	for n := range 4 {
		add := kmsg.NewPtrAddPartitionsToTxnRequest()
		add.TransactionalID, add.ProducerID, add.ProducerEpoch = name, id, epoch
		topic := kmsg.NewAddPartitionsToTxnRequestTopic()
		topic.Topic, topic.Partitions = "ledger", []int32{0, 1}
		add.Topics = append(add.Topics, topic)
		w.until("the transaction before", func() error {
			for _, p := range w.call(add, 3).(*kmsg.AddPartitionsToTxnResponse).Topics[0].Partitions {
				if p.ErrorCode != 0 {
					return kerr.ErrorForCode(p.ErrorCode)
				}
			}
			return nil
		})
		for partition := range sequence {
			w.produce(9, &name, "ledger", int32(partition), batch(record.CodecNone, n*10, 5, 100,
				record.BuilderOptions{ProducerID: id, ProducerEpoch: epoch, BaseSequence: sequence[partition], Transactional: true}))
			sequence[partition] += 5
		}
		w.commitInTransaction(name, id, epoch, n)
		_, _ = w.endTransaction(3, name, id, epoch, n%2 == 0)
		w.settled("ledger", 2)
	}
}

// commitInTransaction commits an offset as a part of a transaction.
func (w *wire) commitInTransaction(name string, id int64, epoch int16, n int) {
	w.t.Helper()
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = name, id, epoch, "shared"
	w.must("add offsets", w.call(add, 3).(*kmsg.AddOffsetsToTxnResponse).ErrorCode)
	commit := kmsg.NewPtrTxnOffsetCommitRequest()
	commit.TransactionalID, commit.ProducerID, commit.ProducerEpoch, commit.Group, commit.Generation = name, id, epoch, "shared", -1
	topic, partition := kmsg.NewTxnOffsetCommitRequestTopic(), kmsg.NewTxnOffsetCommitRequestTopicPartition()
	topic.Topic, partition.Offset, partition.LeaderEpoch = "codecs", int64(n), -1
	topic.Partitions = append(topic.Partitions, partition)
	commit.Topics = append(commit.Topics, topic)
	w.must("commit in a transaction", w.call(commit, 3).(*kmsg.TxnOffsetCommitResponse).Topics[0].Partitions[0].ErrorCode)
}

func (w *wire) endTransaction(version int16, name string, id int64, epoch int16, commit bool) (int64, int16) {
	w.t.Helper()
	end := kmsg.NewPtrEndTxnRequest()
	end.TransactionalID, end.ProducerID, end.ProducerEpoch, end.Commit = name, id, epoch, commit
	answer := w.call(end, version).(*kmsg.EndTxnResponse)
	w.must("end a transaction", answer.ErrorCode)
	return answer.ProducerID, answer.ProducerEpoch
}

// newTransactions are those of KIP-890: a write adds its partition, each end gives a new epoch. The last stays open.
func (w *wire) newTransactions() {
	w.t.Helper()
	name := "clerk"
	id, epoch := w.identify(&name)
	for n := range 4 {
		w.until("the transaction before", func() error {
			request := kmsg.NewPtrProduceRequest()
			request.Acks, request.TimeoutMillis, request.TransactionID = -1, 60000, &name
			t, p := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
			t.Topic, p.Partition = "ledger", 1
			p.Records = batch(record.CodecSnappy, n*10, 7, 100, record.BuilderOptions{ProducerID: id, ProducerEpoch: epoch, Transactional: true})
			t.Partitions = append(t.Partitions, p)
			request.Topics = append(request.Topics, t)
			return kerr.ErrorForCode(w.call(request, 12).(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode)
		})
		if n < 3 {
			id, epoch = w.endTransaction(5, name, id, epoch, n%2 == 0)
			w.settled("ledger", 2)
		}
	}
}

// offsets commits without a member, deletes an offset and a group.
func (w *wire) offsets() {
	w.t.Helper()
	for _, group := range []string{"shared", "gone"} {
		for n := range int64(3) {
			w.commit(8, group, -1, "", n)
		}
	}
	forget := kmsg.NewPtrOffsetDeleteRequest()
	forget.Group = "shared"
	topic, partition := kmsg.NewOffsetDeleteRequestTopic(), kmsg.NewOffsetDeleteRequestTopicPartition()
	topic.Topic, partition.Partition = "codecs", 3
	topic.Partitions = append(topic.Partitions, partition)
	forget.Topics = append(forget.Topics, topic)
	w.must("delete an offset", w.call(forget, 0).(*kmsg.OffsetDeleteResponse).Topics[0].Partitions[0].ErrorCode)
	remove := kmsg.NewPtrDeleteGroupsRequest()
	remove.Groups = []string{"gone"}
	w.must("delete a group", w.call(remove, 2).(*kmsg.DeleteGroupsResponse).Groups[0].ErrorCode)
}

// commit commits offsets for each partition of a topic.
func (w *wire) commit(version int16, group string, generation int32, member string, at int64) {
	w.t.Helper()
	request := kmsg.NewPtrOffsetCommitRequest()
	request.Group, request.Generation, request.MemberID = group, generation, member
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic = "codecs"
	for i := range int32(5) {
		partition := kmsg.NewOffsetCommitRequestTopicPartition()
		partition.Partition, partition.Offset, partition.LeaderEpoch, partition.Metadata = i, at*10+int64(i), i-1, kmsg.StringPtr(fmt.Sprint("at ", at))
		topic.Partitions = append(topic.Partitions, partition)
	}
	request.Topics = append(request.Topics, topic)
	for _, p := range w.call(request, version).(*kmsg.OffsetCommitResponse).Topics[0].Partitions {
		w.must("commit", p.ErrorCode)
	}
}

// group joins as the static member of a classic group, commits and leaves.
func (w *wire) group() {
	w.t.Helper()
	join := kmsg.NewPtrJoinGroupRequest()
	join.Group, join.SessionTimeoutMillis, join.RebalanceTimeoutMillis, join.ProtocolType = "members", 45000, 60000, "consumer"
	join.InstanceID = kmsg.StringPtr("first")
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name, protocol.Metadata = "range", []byte{0, 1, 0, 0, 0, 1, 0, 6, 'c', 'o', 'd', 'e', 'c', 's', 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}
	join.Protocols = append(join.Protocols, protocol)
	joined := w.call(join, 7).(*kmsg.JoinGroupResponse)
	w.must("join", joined.ErrorCode)
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Group, sync.Generation, sync.MemberID, sync.InstanceID = "members", joined.Generation, joined.MemberID, join.InstanceID
	sync.ProtocolType, sync.Protocol = &join.ProtocolType, &protocol.Name
	assignment := kmsg.NewSyncGroupRequestGroupAssignment()
	assignment.MemberID, assignment.MemberAssignment = joined.MemberID, []byte{0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}
	sync.GroupAssignment = append(sync.GroupAssignment, assignment)
	w.must("sync", w.call(sync, 5).(*kmsg.SyncGroupResponse).ErrorCode)
	w.commit(8, "members", joined.Generation, joined.MemberID, 7)
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Group = "members"
	member := kmsg.NewLeaveGroupRequestMember()
	member.MemberID, member.InstanceID = joined.MemberID, join.InstanceID
	leave.Members = append(leave.Members, member)
	w.must("leave", w.call(leave, 4).(*kmsg.LeaveGroupResponse).ErrorCode)
}

// change changes and deletes topics.
func (w *wire) change() {
	w.t.Helper()
	grow := kmsg.NewPtrCreatePartitionsRequest()
	grow.TimeoutMillis = 60000
	topic := kmsg.NewCreatePartitionsRequestTopic()
	topic.Topic, topic.Count = "grown", 3
	grow.Topics = append(grow.Topics, topic)
	w.must("grow", w.call(grow, 3).(*kmsg.CreatePartitionsResponse).Topics[0].ErrorCode)
	w.configure(2, "grown", "max.message.bytes", "1000000")
	w.configure(4, "1", "message.max.bytes", "2000000")
	w.configure(4, "", "log.cleaner.io.max.bytes.per.second", "100000000")
	w.produce(9, nil, "doomed", 0, batch(record.CodecNone, 0, 10, 100, unnumbered()))
	remove := kmsg.NewPtrDeleteTopicsRequest()
	remove.TimeoutMillis = 60000
	doomed := kmsg.NewDeleteTopicsRequestTopic()
	doomed.Topic = kmsg.StringPtr("doomed")
	remove.Topics = append(remove.Topics, doomed)
	w.must("delete a topic", w.call(remove, 6).(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode)
	w.untilFiles("the topic's files to go", func(names []string) bool { return len(names) == 0 }, "doomed-0*")
}

func (w *wire) configure(kind kmsg.ConfigResourceType, name, key, value string) {
	w.t.Helper()
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource, config := kmsg.NewIncrementalAlterConfigsRequestResource(), kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	resource.ResourceType, resource.ResourceName = kind, name
	config.Name, config.Value = key, &value
	resource.Configs = append(resource.Configs, config)
	request.Resources = append(request.Resources, resource)
	w.must("configure "+name, w.call(request, 1).(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode)
}

// trim deletes records: whole segments go, and a part of one stays unread.
func (w *wire) trim() {
	w.t.Helper()
	request := kmsg.NewPtrDeleteRecordsRequest()
	request.TimeoutMillis = 60000
	topic, partition := kmsg.NewDeleteRecordsRequestTopic(), kmsg.NewDeleteRecordsRequestTopicPartition()
	topic.Topic, partition.Offset = "trimmed", 777
	topic.Partitions = append(topic.Partitions, partition)
	request.Topics = append(request.Topics, topic)
	w.must("delete records", w.call(request, 2).(*kmsg.DeleteRecordsResponse).Topics[0].Partitions[0].ErrorCode)
	w.untilFiles("the segments to go", func(names []string) bool {
		return !strings.Contains(strings.Join(names, " "), "/00000000000000000000.log")
	}, "trimmed-0/*.log*")
}

// untilFiles waits until the files that are like a pattern are as wanted.
func (w *wire) untilFiles(what string, wanted func(names []string) bool, pattern string) {
	w.t.Helper()
	w.until(what, func() error {
		names, err := filepath.Glob(filepath.Join(w.broker.Data, pattern))
		if err == nil && !wanted(names) {
			err = fmt.Errorf("there are %v", names)
		}
		return err
	})
}
