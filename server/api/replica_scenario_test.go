package api

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// dataTopic is a topic that the scenario's requests are about.
type dataTopic struct {
	name       string
	partitions int32
	config     map[string]string
}

func dataTopics() []dataTopic {
	keep := map[string]string{"retention.ms": "-1"}
	also := func(key, value string) map[string]string { return map[string]string{"retention.ms": "-1", key: value} }
	return []dataTopic{
		{"plain", 2, keep},
		{"empty", 1, keep},
		{"idempotent", 1, keep},
		{"faulty", 1, keep},
		{"stamped", 1, also("message.timestamp.type", "LogAppendTime")},
		{"compact", 1, also("cleanup.policy", "compact")},
		{"horizon", 1, keep},
		{"attributed", 1, keep},
		{"small", 1, also("max.message.bytes", "200")},
		{"timely", 1, also("message.timestamp.before.max.ms", "1000")},
		{"segmented", 1, map[string]string{"retention.ms": "-1", "segment.bytes": "1048576", "max.message.bytes": "3000000"}},
	}
}

// dataStep is one request of the scenario, asked in each of the versions.
type dataStep struct {
	name     string
	versions []int16
	build    func(version int16, ids map[string][16]byte) kmsg.Request
	// differs tells why this server answers otherwise than Apache Kafka, and
	// code is what it answers for the first partition, or as a whole.
	differs string
	code    int16
}

func dataScenario() []dataStep {
	var all []dataStep
	all = append(all, produceSteps()...)
	all = append(all, badProduceSteps()...)
	all = append(all, idempotentSteps()...)
	all = append(all, listOffsetsSteps()...)
	all = append(all, epochSteps()...)
	all = append(all, fetchSteps()...)
	all = append(all, sessionSteps()...)
	all = append(all, deleteRecordsSteps()...)
	all = append(all, initSteps()...)
	return all
}

// records is what is to be produced to one partition.
type records struct {
	topic     string
	partition int32
	bytes     []byte
}

func produce(acks int16, to ...records) func(int16, map[string][16]byte) kmsg.Request {
	return func(v int16, ids map[string][16]byte) kmsg.Request {
		r := kmsg.NewPtrProduceRequest()
		r.Acks, r.TimeoutMillis = acks, 30000
		for _, one := range to {
			topic := kmsg.NewProduceRequestTopic()
			topic.Topic, topic.TopicID = one.topic, idOf(ids, one.topic)
			if v >= 13 {
				topic.Topic = ""
			} else {
				topic.TopicID = [16]byte{}
			}
			partition := kmsg.NewProduceRequestTopicPartition()
			partition.Partition, partition.Records = one.partition, one.bytes
			topic.Partitions = append(topic.Partitions, partition)
			r.Topics = append(r.Topics, topic)
		}
		return r
	}
}

func idOf(ids map[string][16]byte, topic string) [16]byte {
	if id, ok := ids[topic]; ok {
		return id
	}
	return [16]byte{1, 2, 3}
}

func produceSteps() []dataStep {
	one, two := values("a").bytes(), values("b", "c").bytes()
	return []dataStep{
		{name: "produce", versions: through(3, 13), build: produce(-1, records{"plain", 0, one})},
		{name: "produce acks 1", versions: []int16{3, 9, 13}, build: produce(1, records{"plain", 0, two})},
		{name: "produce acks 0", versions: []int16{3, 9, 13}, build: produce(0, records{"plain", 0, two})},
		{name: "produce to two partitions", versions: []int16{3, 13}, build: produce(-1, records{"plain", 1, one}, records{"plain", 0, two})},
		{name: "produce with LogAppendTime", versions: []int16{3, 13}, build: produce(-1, records{"stamped", 0, two})},
		{name: "produce nothing", versions: []int16{3, 13}, build: produce(-1)},
		{name: "98 the same partition twice", versions: []int16{9}, build: produce(-1, records{"plain", 1, one}, records{"plain", 1, two})},
		{name: "produce to an unknown topic", versions: []int16{3, 12, 13}, build: produce(-1, records{"not-there", 0, one})},
		{name: "110 produce to unknown partitions", versions: []int16{9, 13}, build: produce(-1, records{"plain", -1, one})},
		{name: "110 produce to partition 10^9", versions: []int16{9, 13}, build: produce(-1, records{"plain", 1_000_000_000, one})},
		{name: "62 acks 2", versions: []int16{3, 13}, build: produce(2, records{"faulty", 0, one})},
		{name: "62 acks 2, unknown topic, bad records", versions: []int16{9}, build: produce(2, records{"not-there", 0, one}, records{"faulty", 0, []byte{}})},
		{name: "63 acks 0 and an error", versions: []int16{3, 13}, build: produce(0, records{"plain", 7, one})},
		{name: "109 internal topic", versions: []int16{9}, build: produce(-1, records{"__consumer_offsets", 0, one})},
		{name: "111 timeout negative", versions: []int16{9}, build: func(v int16, ids map[string][16]byte) kmsg.Request {
			r := produce(-1, records{"plain", 0, one})(v, ids).(*kmsg.ProduceRequest)
			r.TimeoutMillis = -5
			return r
		}},
		{name: "95 transactional batch, no transactional id", versions: []int16{3, 9, 13}, build: produce(-1,
			records{"faulty", 0, values("a").idempotent(70, 0, 0).with(func(b *testBatch) { b.attributes = 0x10 }).bytes()},
			records{"plain", 0, one})},
	}
}

// badBatch is what is not to be accepted as a batch, or not by every topic; the
// name begins with the number of its row.
type badBatch struct {
	name    string
	topic   string
	bytes   []byte
	version int16 // the only version to ask in, 0 for any
	// differs and code are those of a dataStep.
	differs string
	code    int16
}

func badBatches() []badBatch {
	one := values("a")
	ptr := func(n int32) *int32 { return &n }
	batch := func(change func(*testBatch)) []byte { return one.with(change).bytes() }
	wellKnown := "never UNKNOWN_SERVER_ERROR to a producer"
	onlyThat := "only the partition that is wrong"
	return []badBatch{
		{name: "64 records null", topic: "faulty", bytes: nil, differs: wellKnown, code: 87},
		{name: "65 no batch", topic: "faulty", bytes: []byte{}},
		{name: "66 two batches", topic: "faulty", bytes: append(one.bytes(), one.bytes()...)},
		{name: "67 magic 1", topic: "faulty", bytes: batch(func(b *testBatch) { b.magic = 1 })},
		{name: "68 magic 3", topic: "faulty", bytes: batch(func(b *testBatch) { b.magic = 3 }), differs: onlyThat, code: 2},
		{name: "69 batch length 13", topic: "faulty", bytes: batch(func(b *testBatch) { b.length = ptr(13) }), differs: onlyThat, code: 2},
		{name: "70 batch length beyond the bytes", topic: "faulty", bytes: batch(func(b *testBatch) { b.length = ptr(1000) })},
		{name: "71 batch of 26 bytes", topic: "faulty", bytes: short(one.bytes(), 26), differs: wellKnown, code: 2},
		{name: "72 batch of 50 bytes", topic: "faulty", bytes: short(one.bytes(), 50), differs: wellKnown, code: 2},
		{name: "73 wrong CRC", topic: "faulty", bytes: batch(func(b *testBatch) { b.badCRC = true })},
		{name: "74 larger than max.message.bytes", topic: "small", bytes: values(strings.Repeat("x", 300)).bytes()},
		{name: "75 larger than segment.bytes", topic: "segmented", bytes: values(strings.Repeat("x", 1<<20)).bytes()},
		{name: "76 base offset 5", topic: "faulty", bytes: batch(func(b *testBatch) { b.baseOffset = 5 })},
		{name: "77 lastOffsetDelta -1", topic: "faulty", bytes: batch(func(b *testBatch) { b.lastOffsetDelta = ptr(-1) })},
		{name: "78 record count 0", topic: "faulty", bytes: batch(func(b *testBatch) { b.count = ptr(0) })},
		{name: "79 count without lastOffsetDelta+1", topic: "faulty", bytes: batch(func(b *testBatch) { b.lastOffsetDelta = ptr(4) })},
		{name: "80 control batch", topic: "faulty", bytes: batch(func(b *testBatch) { b.attributes = 0x20 })},
		{name: "81 compression 5", topic: "faulty", bytes: batch(func(b *testBatch) { b.attributes = 5 }), differs: wellKnown, code: 76},
		{name: "82 zstd before v7", topic: "faulty", bytes: batch(func(b *testBatch) { b.attributes = 4 }), version: 6},
		{name: "83 attribute bit 8", topic: "small", bytes: batch(func(b *testBatch) { b.attributes = 0x100 })},
		{name: "84 delete horizon", topic: "horizon", bytes: batch(func(b *testBatch) { b.attributes = 0x40 }), differs: "a client has no delete horizon", code: 87},
		{name: "85 timestamp type bit", topic: "small", bytes: batch(func(b *testBatch) { b.attributes = 0x08 })},
		{name: "85 timestamp type bit, no timestamp", topic: "stamped", bytes: batch(func(b *testBatch) { b.attributes = 0x08 })},
		{name: "86 timestamp too late", topic: "faulty", bytes: batch(func(b *testBatch) { b.timestamp = 4e12 })},
		{name: "86 timestamp too early", topic: "timely", bytes: values("a", "b").bytes()},
		{name: "87 null key on a compacted topic", topic: "compact", bytes: batch(func(b *testBatch) { b.keys = []string{""} })},
		{name: "88 producer id without sequence", topic: "faulty", bytes: one.idempotent(71, 0, -1).bytes()},
		{name: "99 record size too long", topic: "faulty", bytes: batch(func(b *testBatch) { b.body = []byte{0x7e, 0, 0, 0, 1, 2, 'v', 0} })},
		{name: "99 record size too short", topic: "faulty", bytes: batch(func(b *testBatch) { b.body = []byte{0x02, 0, 0, 0, 1, 2, 'v', 0} })},
		{name: "101 header count negative", topic: "faulty", bytes: batch(func(b *testBatch) { b.body = []byte{0x0e, 0, 0, 0, 1, 2, 'v', 1} })},
		{name: "102 bytes after the last record", topic: "faulty", bytes: batch(func(b *testBatch) { b.body = append(testRecord(0, 0, "k", "v"), 0, 0) })},
		{name: "103 garbage for gzip", topic: "faulty", bytes: batch(func(b *testBatch) { b.attributes = 1 }), differs: wellKnown, code: 2},
		{name: "108 record with attributes", topic: "attributed", bytes: batch(func(b *testBatch) { b.body = []byte{0x0e, 1, 0, 0, 1, 2, 'v', 0} })},
	}
}

func short(batch []byte, size int) []byte {
	batch = batch[:size]
	batch[8], batch[9], batch[10], batch[11] = 0, 0, 0, byte(size-12)
	return batch
}

func badProduceSteps() []dataStep {
	var steps []dataStep
	for _, row := range badBatches() {
		v := []int16{4, 9, 13}
		if row.version != 0 {
			v = []int16{row.version}
		}
		steps = append(steps, dataStep{name: row.name, versions: v, build: produce(-1, records{row.topic, 0, row.bytes}), differs: row.differs, code: row.code})
	}
	return steps
}

// idempotentSteps are one story: two producers, and what they get wrong.
func idempotentSteps() []dataStep {
	step := func(name string, producer int64, epoch int16, sequence int32, n int) dataStep {
		batch := values(strings.Split(strings.Repeat("x", n), "")...).idempotent(producer, epoch, sequence)
		return dataStep{name: name, versions: []int16{9}, build: produce(-1, records{"idempotent", 0, batch.bytes()})}
	}
	return []dataStep{
		step("first batch", 5000, 0, 0, 2), step("second batch", 5000, 0, 2, 1), step("third batch", 5000, 0, 3, 1),
		step("89 duplicate of the first", 5000, 0, 0, 2), step("89 duplicate of the third", 5000, 0, 3, 1),
		step("90 gap", 5000, 0, 9, 1), step("fourth", 5000, 0, 4, 1), step("fifth", 5000, 0, 5, 1), step("sixth", 5000, 0, 6, 1),
		step("89 duplicate of the second", 5000, 0, 2, 1), step("90 duplicate older than five", 5000, 0, 0, 2),
		step("91 new epoch, sequence 3", 5000, 1, 3, 1), step("new epoch", 5000, 1, 0, 1), step("92 old epoch", 5000, 0, 7, 1),
		step("93 unknown producer, sequence 77", 6000, 3, 77, 1), step("follows 77", 6000, 3, 78, 1),
		step("94 last sequence", 7000, 0, 1<<31-2, 2), step("94 wraps", 7000, 0, 0, 1),
	}
}

type asked struct {
	topic     string
	partition int32
	timestamp int64
	epoch     int32
}

func listOffsetsOf(isolation int8, replica int32, partitions ...asked) func(int16, map[string][16]byte) kmsg.Request {
	return func(int16, map[string][16]byte) kmsg.Request {
		r := kmsg.NewPtrListOffsetsRequest()
		r.ReplicaID, r.IsolationLevel = replica, isolation
		for _, one := range partitions {
			topic := kmsg.NewListOffsetsRequestTopic()
			topic.Topic = one.topic
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp, p.CurrentLeaderEpoch = one.partition, one.timestamp, one.epoch
			topic.Partitions = append(topic.Partitions, p)
			r.Topics = append(r.Topics, topic)
		}
		return r
	}
}

func listOffsetsSteps() []dataStep {
	var steps []dataStep
	add := func(name string, isolation int8, replica int32, partitions ...asked) {
		steps = append(steps, dataStep{name: "list offsets " + name, versions: through(1, 11), build: listOffsetsOf(isolation, replica, partitions...)})
	}
	add("latest", 0, -1, asked{"plain", 0, -1, -1})
	add("latest committed", 1, -1, asked{"plain", 1, -1, 0})
	add("earliest", 0, -1, asked{"plain", 0, -2, -1})
	add("largest timestamp", 0, -1, asked{"plain", 0, -3, -1})
	add("earliest local", 0, -1, asked{"plain", 0, -4, -1})
	add("latest tiered", 0, -1, asked{"plain", 0, -5, -1})
	add("earliest pending upload", 0, -1, asked{"plain", 0, -6, -1})
	add("at a time", 0, -1, asked{"plain", 0, testTime + 1, -1})
	add("before all", 0, -1, asked{"plain", 0, 0, -1})
	add("after all", 0, -1, asked{"plain", 0, testTime + 1000, -1})
	add("of an empty partition, latest", 0, -1, asked{"empty", 0, -1, -1})
	add("of an empty partition, earliest", 0, -1, asked{"empty", 0, -2, -1})
	add("of an empty partition, largest", 0, -1, asked{"empty", 0, -3, -1})
	add("of an empty partition, at a time", 0, -1, asked{"empty", 0, 5, -1})
	add("46 the same partition twice", 0, -1, asked{"plain", 0, -1, -1}, asked{"plain", 0, -2, -1})
	add("47 timestamp -9", 0, -1, asked{"plain", 0, -9, -1})
	add("of an unknown topic", 0, -1, asked{"not-there", 0, -1, -1})
	add("of an unknown partition", 0, -1, asked{"plain", 9, -1, -1})
	add("in a future epoch", 0, -1, asked{"plain", 0, -1, 7})
	add("for a debugger", 0, -2, asked{"plain", 0, -1, -1})
	return steps
}

func epochSteps() []dataStep {
	step := func(name, topic string, partition, current, epoch int32) dataStep {
		return dataStep{name: name, versions: through(2, 4), build: func(int16, map[string][16]byte) kmsg.Request {
			r := kmsg.NewPtrOffsetForLeaderEpochRequest()
			r.ReplicaID = -1
			t := kmsg.NewOffsetForLeaderEpochRequestTopic()
			t.Topic = topic
			p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
			p.Partition, p.CurrentLeaderEpoch, p.LeaderEpoch = partition, current, epoch
			t.Partitions = append(t.Partitions, p)
			r.Topics = append(r.Topics, t)
			return r
		}}
	}
	return []dataStep{
		step("epoch end", "plain", 0, -1, 0), step("epoch end of a later epoch", "plain", 0, -1, 5), step("epoch end of none", "plain", 0, -1, -1),
		step("epoch end in the current epoch", "plain", 0, 0, 0), step("48 epoch end in a future epoch", "plain", 0, 3, 0),
		step("epoch end of an empty partition", "empty", 0, -1, 0),
		step("epoch end of an unknown topic", "not-there", 0, -1, 0), step("epoch end of an unknown partition", "plain", 8, -1, 0),
	}
}

func deleteRecordsSteps() []dataStep {
	step := func(name string, versions []int16, topic string, partition int32, offsets ...int64) dataStep {
		return dataStep{name: name, versions: versions, build: func(int16, map[string][16]byte) kmsg.Request {
			r := kmsg.NewPtrDeleteRecordsRequest()
			r.TimeoutMillis = 30000
			t := kmsg.NewDeleteRecordsRequestTopic()
			t.Topic = topic
			for _, offset := range offsets {
				p := kmsg.NewDeleteRecordsRequestTopicPartition()
				p.Partition, p.Offset = partition, offset
				t.Partitions = append(t.Partitions, p)
			}
			r.Topics = append(r.Topics, t)
			return r
		}}
	}
	return []dataStep{
		step("delete records", through(0, 2), "plain", 0, 3), step("delete records before", []int16{2}, "plain", 0, 1),
		step("49 delete records beyond the high watermark", through(0, 2), "plain", 0, 100000), step("delete records at -2", []int16{2}, "plain", 0, -2),
		step("delete records of a compacted topic", through(0, 2), "compact", 0, 0), step("delete records of an internal topic", []int16{2}, "__consumer_offsets", 0, 0),
		step("delete records of an unknown topic", []int16{2}, "not-there", 0, 0), step("delete records of an unknown partition", []int16{2}, "plain", 77, 0),
		{name: "earliest after deletes", versions: []int16{9}, build: listOffsetsOf(0, -1, asked{"plain", 0, -2, -1})},
		{name: "at a time after deletes", versions: []int16{9}, build: listOffsetsOf(0, -1, asked{"plain", 0, 0, -1})},
		{name: "fetch below the log start offset", versions: through(4, 18), build: fetch(fetched{"plain", 0, 1})},
		step("delete all records", []int16{2}, "plain", 0, -1),
		{name: "fetch what was deleted", versions: []int16{13}, build: fetch(fetched{"plain", 0, 4})},
		{name: "largest after all was deleted", versions: []int16{9}, build: listOffsetsOf(0, -1, asked{"plain", 0, -3, -1})},
		{name: "produce after all was deleted", versions: []int16{9}, build: produce(-1, records{"plain", 0, values("z").bytes()})},
	}
}

func initSteps() []dataStep {
	step := func(name string, versions []int16, transactional *string, id int64, epoch int16) dataStep {
		return dataStep{name: name, versions: versions, build: func(int16, map[string][16]byte) kmsg.Request {
			r := kmsg.NewPtrInitProducerIDRequest()
			r.TransactionalID, r.TransactionTimeoutMillis, r.ProducerID, r.ProducerEpoch = transactional, 1000, id, epoch
			return r
		}}
	}
	transactional := step("init with a transactional id", []int16{0, 5}, kmsg.StringPtr("t"), -1, -1)
	return []dataStep{
		step("init", through(0, 5), nil, -1, -1), step("146 init with an id alone", through(3, 5), nil, 5, -1),
		step("146 init with an epoch alone", through(3, 5), nil, -1, 5), step("init with both", through(3, 5), nil, 5, 5), transactional,
	}
}
