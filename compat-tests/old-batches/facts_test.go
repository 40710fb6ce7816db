package oldbatches

import (
	"context"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"ottla/compat-tests/harness"
)

// facts are what a server tells, by question.
type facts map[string]string

// differences lists what another server tells otherwise.
func (f facts) differences(other facts) []string {
	var list []string
	for _, question := range slices.Sorted(maps.Keys(f)) {
		if answer, ok := other[question]; !ok || answer != f[question] {
			list = append(list, fmt.Sprintf("%s: %s, was %s", question, other[question], f[question]))
		}
	}
	for _, question := range slices.Sorted(maps.Keys(other)) {
		if _, ok := f[question]; !ok {
			list = append(list, fmt.Sprintf("%s: %s, was not told", question, other[question]))
		}
	}
	return list
}

// asker asks one server about one topic's partition 0.
type asker struct {
	t      *testing.T
	ctx    context.Context
	broker *harness.Broker
	client *kgo.Client
	topic  string
	id     [16]byte
	facts  facts
}

// observe asks a server all there is to ask of the old partition over the protocol.
func (w *written) observe(t *testing.T, b *harness.Broker, topic string) facts {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	a := &asker{t: t, ctx: ctx, broker: b, client: harness.Client(t, b), topic: topic, facts: facts{}}
	a.awaitLeader()
	a.facts["earliest"] = a.listOffset(-2)
	a.facts["earliest local"] = a.listOffset(-4)
	latest := strings.Fields(a.listOffset(-1))
	a.facts["latest"] = strings.Join(latest[:2], " ") // with it comes the leader's present epoch
	a.facts["greatest timestamp"] = a.listOffset(-3)
	for _, timestamp := range w.times() {
		a.facts[fmt.Sprintf("at %d", timestamp)] = a.listOffset(timestamp)
	}
	a.facts["end of epoch 0"] = a.endOfEpoch(0)
	a.facts["end of no epoch"] = a.endOfEpoch(-1)
	start, end := number(a.facts["earliest"]), number(a.facts["latest"])
	for offset := start; offset < end; {
		raw := a.fetch(offset, 1)
		a.facts[fmt.Sprintf("fetch %d", offset)] = fmt.Sprintf("%d bytes, %08x", len(raw), crc32.ChecksumIEEE(raw))
		offset++
		if offset > w.end { // what is new is large and of no interest one by one
			offset = end
		}
	}
	raw := a.fetch(start, 1<<20)
	a.facts["fetch all"] = fmt.Sprintf("%d bytes, %08x", len(raw), crc32.ChecksumIEEE(raw))
	a.facts["producers"] = a.producers()
	w.produceOld(a)
	return a.facts
}

func number(text string) int64 {
	n, err := strconv.ParseInt(strings.Fields(text)[0], 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// times are the timestamps to search for: those of all records, those beside, and the time of the files.
func (w *written) times() []int64 {
	set := map[int64]bool{0: true, 1: true, fileTime.UnixMilli() - 1: true, fileTime.UnixMilli(): true, fileTime.UnixMilli() + 1: true, 1 << 42: true}
	for _, line := range w.records {
		if timestamp, _ := strconv.ParseInt(strings.Fields(line)[2], 10, 64); timestamp > 0 {
			set[timestamp-1], set[timestamp], set[timestamp+1] = true, true, true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

func request[R kmsg.Response](a *asker, r kmsg.Request) R {
	a.t.Helper()
	answer, err := a.client.Request(a.ctx, r)
	check(a.t, err)
	return answer.(R)
}

func (a *asker) awaitLeader() {
	a.t.Helper()
	harness.WaitUntil(a.t, time.Minute, "a leader of "+a.topic, func(context.Context) bool {
		r := kmsg.NewPtrMetadataRequest()
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr(a.topic)
		r.Topics = append(r.Topics, topic)
		answer := request[*kmsg.MetadataResponse](a, r)
		if len(answer.Topics) != 1 || answer.Topics[0].ErrorCode != 0 || len(answer.Topics[0].Partitions) != 1 {
			return false
		}
		a.id = answer.Topics[0].TopicID
		return answer.Topics[0].Partitions[0].Leader >= 0 && !strings.Contains(a.listOffset(-2), "error")
	})
}

// listOffset is "<offset> <timestamp> <leader epoch>".
func (a *asker) listOffset(timestamp int64) string {
	a.t.Helper()
	r := kmsg.NewPtrListOffsetsRequest()
	r.ReplicaID = -1
	topic, partition := kmsg.NewListOffsetsRequestTopic(), kmsg.NewListOffsetsRequestTopicPartition()
	topic.Topic, partition.Timestamp = a.topic, timestamp
	topic.Partitions = append(topic.Partitions, partition)
	r.Topics = append(r.Topics, topic)
	answer := request[*kmsg.ListOffsetsResponse](a, r).Topics[0].Partitions[0]
	if answer.ErrorCode != 0 {
		return fmt.Sprintf("error %d", answer.ErrorCode)
	}
	return fmt.Sprintf("%d %d %d", answer.Offset, answer.Timestamp, answer.LeaderEpoch)
}

func (a *asker) endOfEpoch(epoch int32) string {
	a.t.Helper()
	r := kmsg.NewPtrOffsetForLeaderEpochRequest()
	topic, partition := kmsg.NewOffsetForLeaderEpochRequestTopic(), kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	topic.Topic, partition.LeaderEpoch, partition.CurrentLeaderEpoch = a.topic, epoch, -1
	topic.Partitions = append(topic.Partitions, partition)
	r.ReplicaID, r.Topics = -1, append(r.Topics, topic)
	answer := request[*kmsg.OffsetForLeaderEpochResponse](a, r).Topics[0].Partitions[0]
	return fmt.Sprintf("error %d, epoch %d, end %d", answer.ErrorCode, answer.LeaderEpoch, answer.EndOffset)
}

// fetch gives the bytes as they come.
func (a *asker) fetch(offset int64, maxBytes int32) []byte {
	a.t.Helper()
	r := kmsg.NewPtrFetchRequest()
	r.MaxWaitMillis, r.MinBytes, r.MaxBytes = 1000, 1, 1<<20
	r.SessionEpoch = -1
	topic, partition := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	topic.Topic, topic.TopicID = a.topic, a.id
	partition.FetchOffset, partition.PartitionMaxBytes = offset, maxBytes
	topic.Partitions = append(topic.Partitions, partition)
	r.Topics = append(r.Topics, topic)
	answer := request[*kmsg.FetchResponse](a, r)
	if answer.ErrorCode != 0 || len(answer.Topics) != 1 || answer.Topics[0].Partitions[0].ErrorCode != 0 {
		a.t.Fatalf("fetch %s from %d: %+v", a.topic, offset, answer)
	}
	return answer.Topics[0].Partitions[0].RecordBatches
}

func (a *asker) producers() string {
	a.t.Helper()
	r := kmsg.NewPtrDescribeProducersRequest()
	topic := kmsg.NewDescribeProducersRequestTopic()
	topic.Topic, topic.Partitions = a.topic, []int32{0}
	r.Topics = append(r.Topics, topic)
	answer := request[*kmsg.DescribeProducersResponse](a, r).Topics[0].Partitions[0]
	var list []string
	for _, p := range answer.ActiveProducers {
		list = append(list, fmt.Sprintf("%d at %d up to %d", p.ProducerID, p.ProducerEpoch, p.LastSequence))
	}
	slices.Sort(list)
	return fmt.Sprintf("error %d %v", answer.ErrorCode, list)
}

// produce sends bytes to a partition in a version of Produce and tells the answer.
func (a *asker) produce(version int16, raw []byte) string {
	a.t.Helper()
	r := kmsg.NewPtrProduceRequest()
	r.Acks, r.TimeoutMillis = -1, 5000
	topic, partition := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	topic.Topic, topic.TopicID, partition.Records = a.topic, a.id, raw
	topic.Partitions = append(topic.Partitions, partition)
	r.Topics = append(r.Topics, topic)
	// A client of its own, whose greatest version is this one.
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(r.Key(), version)
	answer, err := harness.Client(a.t, a.broker, kgo.MaxVersions(versions)).Broker(1).Request(a.ctx, r)
	if err != nil {
		return err.Error()
	}
	p := answer.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	message := "none"
	if p.ErrorMessage != nil {
		message = *p.ErrorMessage
	}
	return fmt.Sprintf("error %d, base offset %d, message %s", p.ErrorCode, p.BaseOffset, message)
}

// produceOld sends messages as no client may any more: one alone and a wrapper of each magic.
func (w *written) produceOld(a *asker) {
	a.t.Helper()
	for _, version := range []int16{3, 7, 9, 12, 13} {
		for _, from := range []struct {
			name string
			raw  []byte
		}{{"magic 0", w.message(0, 0)}, {"a wrapper of magic 0", w.message(0, 1)}, {"magic 1", w.message(1, 0)}, {"a wrapper of magic 1", w.message(1, 2)}} {
			a.facts[fmt.Sprintf("produce %s in version %d", from.name, version)] = a.produce(version, from.raw)
		}
	}
}
