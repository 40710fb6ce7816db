package differential

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// madeUp is an id that no broker has given to a topic.
var madeUp = [16]byte{0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// producePart is one partition of a Produce request.
type producePart struct {
	topic     string
	partition int32
	records   []byte
}

// produce builds a Produce case: every version, one partition a part.
func produce(name string, acks int16, parts ...producePart) testCase {
	return testCase{
		name: name, key: kmsg.Produce, silent: acks == 0,
		build: func(s *side, version int16) kmsg.Request {
			r := kmsg.NewPtrProduceRequest()
			r.Acks, r.TimeoutMillis = acks, 2000
			for _, part := range parts {
				topic := kmsg.NewProduceRequestTopic()
				topic.Topic, topic.TopicID = part.topic, s.topicID(part.topic)
				partition := kmsg.NewProduceRequestTopicPartition()
				partition.Partition, partition.Records = part.partition, part.records
				topic.Partitions = append(topic.Partitions, partition)
				r.Topics = append(r.Topics, topic)
			}
			return r
		},
	}
}

func produceCases() []testCase {
	good := batch{values: []string{"one", "two"}, keys: []string{"k1", "k2"}}.bytes()
	idempotent := func(id int64, epoch int16, sequence int32) []byte {
		return batch{values: []string{"i"}, producerID: id, epoch: epoch, sequence: sequence, idempotentFrom: true}.bytes()
	}
	cut := func(n int) func([]byte) []byte { return func(raw []byte) []byte { return raw[:n] } }
	set := func(at int, value byte, resealed bool) func([]byte) []byte {
		return func(raw []byte) []byte {
			raw[at] = value
			if resealed {
				seal(raw)
			}
			return raw
		}
	}
	plain := batch{values: []string{"v"}, keys: []string{"k"}}
	with := func(change func(b *batch)) []byte {
		b := plain
		change(&b)
		return b.bytes()
	}
	return []testCase{
		produce("good", -1, producePart{"alpha", 0, good}),
		produce("good acks 1", 1, producePart{"alpha", 1, good}),
		produce("good acks 0", 0, producePart{"alpha", 2, good}),
		produce("two topics", -1, producePart{"alpha", 0, good}, producePart{"stamped", 0, good}),
		produce("unknown partition", -1, producePart{"alpha", 9, good}),
		produce("negative partition", -1, producePart{"alpha", -1, good}),
		produce("unknown topic", -1, producePart{"absent", 0, good}),
		produce("unknown topic acks 0", 0, producePart{"absent", 0, good}),
		produce("one good one unknown", -1, producePart{"alpha", 0, good}, producePart{"absent", 0, good}),
		produce("acks 2", 2, producePart{"alpha", 0, good}),
		produce("acks -5", -5, producePart{"alpha", 0, good}),
		produce("empty records", -1, producePart{"alpha", 0, []byte{}}),
		produce("two batches", -1, producePart{"alpha", 0, append(append([]byte{}, good...), good...)}),
		produce("magic 1", -1, producePart{"alpha", 0, with(func(b *batch) { b.change = set(16, 1, false) })}),
		produce("bad crc", -1, producePart{"alpha", 0, with(func(b *batch) { b.badCRC = true })}),
		produce("cut in the records", -1, producePart{"alpha", 0, with(func(b *batch) { b.change = cut(65) })}),
		produce("base offset 5", -1, producePart{"alpha", 0, with(func(b *batch) { b.baseOffset = 5 })}),
		produce("last delta too large", -1, producePart{"alpha", 0, with(func(b *batch) { b.lastDelta = 1 })}),
		produce("last delta negative", -1, producePart{"alpha", 0, with(func(b *batch) { b.lastDelta = -1 })}),
		produce("count 0", -1, producePart{"alpha", 0, with(func(b *batch) { b.count = -1 })}),
		produce("count 2", -1, producePart{"alpha", 0, with(func(b *batch) { b.count = 1 })}),
		produce("control bit", -1, producePart{"alpha", 0, with(func(b *batch) { b.attributes = 0x20 })}),
		produce("timestamp type bit", -1, producePart{"alpha", 0, with(func(b *batch) { b.attributes = 0x08 })}),
		produce("high attribute bits", -1, producePart{"alpha", 0, with(func(b *batch) { b.attributes = 0x100 })}),
		produce("far future", -1, producePart{"alpha", 0, with(func(b *batch) { b.time = now + 400*24*3600*1000 })}),
		produce("long ago", -1, producePart{"alpha", 2, with(func(b *batch) { b.time = 1000 })}),
		produce("null keys", -1, producePart{"alpha", 0, with(func(b *batch) { b.nullKeys = true })}),
		produce("null key on a compacted topic", -1, producePart{"compacted", 0, with(func(b *batch) { b.nullKeys = true })}),
		produce("keys on a compacted topic", -1, producePart{"compacted", 0, good}),
		produce("too large", -1, producePart{"narrow", 0, with(func(b *batch) { b.values = []string{strings.Repeat("x", 2000)} })}),
		produce("internal topic", -1, producePart{"__consumer_offsets", 0, good}),
		produce("producer without sequence", -1, producePart{"alpha", 1, idempotent(77, 0, -1)}),
		produce("sequence in the middle of an unknown producer", -1, producePart{"alpha", 1, idempotent(78, 0, 5)}),
	}
}

// fetchCase builds a Fetch case without a session.
func fetchCase(name string, change func(r *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition), topic string, partition int32, offset int64) testCase {
	return testCase{
		name: name, key: kmsg.Fetch,
		build: func(s *side, version int16) kmsg.Request {
			r := kmsg.NewPtrFetchRequest()
			r.MaxWaitMillis, r.MinBytes, r.MaxBytes, r.SessionEpoch = 100, 1, 1<<20, -1
			t := kmsg.NewFetchRequestTopic()
			t.Topic, t.TopicID = topic, s.topicID(topic)
			p := kmsg.NewFetchRequestTopicPartition()
			p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, offset, 1<<20
			if change != nil {
				change(r, &p)
			}
			t.Partitions = append(t.Partitions, p)
			r.Topics = append(r.Topics, t)
			return r
		},
	}
}

func fetchCases() []testCase {
	type request = *kmsg.FetchRequest
	type part = *kmsg.FetchRequestTopicPartition
	return []testCase{
		fetchCase("from 0", nil, "filled", 0, 0),
		fetchCase("from the middle of a batch", nil, "filled", 0, 3),
		fetchCase("at the end", nil, "filled", 0, 12),
		fetchCase("beyond the end", nil, "filled", 0, 13),
		fetchCase("offset -1", nil, "filled", 0, -1),
		fetchCase("unknown partition", nil, "filled", 7, 0),
		fetchCase("unknown topic", nil, "absent", 0, 0),
		fetchCase("max bytes 0", func(r request, p part) { r.MaxBytes = 0 }, "filled", 0, 0),
		fetchCase("partition max bytes 0", func(r request, p part) { p.PartitionMaxBytes = 0 }, "filled", 0, 0),
		fetchCase("partition max bytes 100", func(r request, p part) { p.PartitionMaxBytes = 100 }, "filled", 0, 0),
		fetchCase("read committed", func(r request, p part) { r.IsolationLevel = 1 }, "filled", 0, 0),
		fetchCase("old leader epoch", func(r request, p part) { p.CurrentLeaderEpoch = -1 }, "filled", 0, 0),
		fetchCase("future leader epoch", func(r request, p part) { p.CurrentLeaderEpoch = 99 }, "filled", 0, 0),
		fetchCase("last fetched epoch", func(r request, p part) { p.LastFetchedEpoch = 0; p.CurrentLeaderEpoch = 0 }, "filled", 0, 6),
		fetchCase("min bytes not there", func(r request, p part) { r.MinBytes = 1 << 20 }, "filled", 0, 0),
		fetchCase("negative wait", func(r request, p part) { r.MaxWaitMillis, r.MinBytes = -1, -5 }, "filled", 0, 12),
		fetchCase("unknown session", func(r request, p part) { r.SessionID, r.SessionEpoch = 123456, 5 }, "filled", 0, 0),
		fetchCase("unknown session, epoch 0", func(r request, p part) { r.SessionID, r.SessionEpoch = 123456, -1 }, "filled", 0, 0),
	}
}

func listOffsetsCases() []testCase {
	list := func(name, topic string, partition int32, timestamp int64, change func(r *kmsg.ListOffsetsRequest, p *kmsg.ListOffsetsRequestTopicPartition)) testCase {
		return testCase{
			name: name, key: kmsg.ListOffsets,
			build: func(s *side, version int16) kmsg.Request {
				r := kmsg.NewPtrListOffsetsRequest()
				r.ReplicaID, r.TimeoutMillis = -1, 1000
				t := kmsg.NewListOffsetsRequestTopic()
				t.Topic = topic
				p := kmsg.NewListOffsetsRequestTopicPartition()
				p.Partition, p.Timestamp, p.CurrentLeaderEpoch = partition, timestamp, -1
				if change != nil {
					change(r, &p)
				}
				t.Partitions = append(t.Partitions, p)
				r.Topics = append(r.Topics, t)
				return r
			},
		}
	}
	cases := []testCase{
		list("unknown topic", "absent", 0, -1, nil),
		list("unknown partition", "filled", 5, -1, nil),
		list("empty", "empty", 0, -1, nil), list("empty earliest", "empty", 0, -2, nil), list("empty max", "empty", 0, -3, nil),
		list("empty by time", "empty", 0, now, nil),
		list("future epoch", "filled", 0, -1, func(r *kmsg.ListOffsetsRequest, p *kmsg.ListOffsetsRequestTopicPartition) { p.CurrentLeaderEpoch = 9 }),
		list("read committed", "filled", 0, -1, func(r *kmsg.ListOffsetsRequest, p *kmsg.ListOffsetsRequestTopicPartition) { r.IsolationLevel = 1 }),
		{
			name: "same partition twice", key: kmsg.ListOffsets,
			build: func(s *side, version int16) kmsg.Request {
				r := kmsg.NewPtrListOffsetsRequest()
				r.ReplicaID = -1
				t := kmsg.NewListOffsetsRequestTopic()
				t.Topic = "filled"
				for range 2 {
					p := kmsg.NewListOffsetsRequestTopicPartition()
					p.Timestamp = -1
					t.Partitions = append(t.Partitions, p)
				}
				r.Topics = append(r.Topics, t)
				return r
			},
		},
	}
	for _, timestamp := range []int64{-1, -2, -3, -4, -5, -6, -9, 0, 1, now - 1, now, now + 3, now + 10_000, now + 1<<40} {
		cases = append(cases, list(timeName(timestamp), "filled", 0, timestamp, nil))
	}
	return cases
}

func epochCases() []testCase {
	ask := func(name, topic string, partition, current, epoch int32) testCase {
		return testCase{
			name: name, key: kmsg.OffsetForLeaderEpoch,
			build: func(s *side, version int16) kmsg.Request {
				r := kmsg.NewPtrOffsetForLeaderEpochRequest()
				t := kmsg.NewOffsetForLeaderEpochRequestTopic()
				t.Topic = topic
				p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
				p.Partition, p.CurrentLeaderEpoch, p.LeaderEpoch = partition, current, epoch
				t.Partitions = append(t.Partitions, p)
				r.Topics = append(r.Topics, t)
				return r
			},
		}
	}
	return []testCase{
		ask("epoch 0", "filled", 0, 0, 0), ask("no current", "filled", 0, -1, 0), ask("future current", "filled", 0, 9, 0),
		ask("future epoch", "filled", 0, 0, 9), ask("negative epoch", "filled", 0, -1, -1), ask("empty", "empty", 0, -1, 0),
		ask("unknown topic", "absent", 0, -1, 0), ask("unknown partition", "filled", 8, -1, 0),
	}
}

func producerCases() []testCase {
	ask := func(name string, change func(r *kmsg.InitProducerIDRequest)) testCase {
		return testCase{
			// Before version 3 the request has neither field.
			name: name, key: kmsg.InitProducerID, min: 3,
			build: func(s *side, version int16) kmsg.Request {
				r := kmsg.NewPtrInitProducerIDRequest()
				r.TransactionTimeoutMillis, r.ProducerID, r.ProducerEpoch = 60000, -1, -1
				change(r)
				return r
			},
		}
	}
	return []testCase{
		ask("id without epoch", func(r *kmsg.InitProducerIDRequest) { r.ProducerID = 5 }),
		ask("epoch without id", func(r *kmsg.InitProducerIDRequest) { r.ProducerEpoch = 5 }),
	}
}

func deleteRecordsCases() []testCase {
	ask := func(name, topic string, partition int32, offset int64) testCase {
		return testCase{name: name, key: kmsg.DeleteRecords, build: func(s *side, version int16) kmsg.Request {
			r := kmsg.NewPtrDeleteRecordsRequest()
			r.TimeoutMillis = 5000
			t := kmsg.NewDeleteRecordsRequestTopic()
			t.Topic = topic
			p := kmsg.NewDeleteRecordsRequestTopicPartition()
			p.Partition, p.Offset = partition, offset
			t.Partitions = append(t.Partitions, p)
			r.Topics = append(r.Topics, t)
			return r
		}}
	}
	return []testCase{
		ask("beyond the end", "filled", 0, 99), ask("some", "filled", 0, 2), ask("behind the start", "filled", 0, 1), ask("all", "filled", 0, -1),
		ask("negative", "filled", 0, -5), ask("unknown topic", "absent", 0, 1), ask("unknown partition", "filled", 4, 1),
		ask("compacted", "compacted", 0, 1), ask("internal", "__consumer_offsets", 0, 0),
	}
}
