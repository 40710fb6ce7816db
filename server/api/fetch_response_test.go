package api

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"ottla/replica"
	"ottla/storage"
	"runtime/debug"
)

// TestFetchResponseEqualsKmsg makes answers of every kind in every version, and
// compares their bytes with those of kmsg for the same answer.
func TestFetchResponseEqualsKmsg(t *testing.T) {
	b := newDataBroker(t)
	b.create("plain", 1, nil)
	for i := range 20 {
		b.write("plain", 0, values(fmt.Sprint("value ", i)).bytes())
	}
	partition, failure := b.replicas.Partition("plain", 0)
	if failure != nil {
		t.Fatal(failure)
	}
	handler := &fetcher{leaderEndpoint: func(_ string, node int32) (Endpoint, bool) {
		return Endpoint{Host: fmt.Sprint("broker", node), Port: 9000 + node, Rack: kmsg.StringPtr("r")}, node == 1
	}}
	handler.rounds.New = func() any { return &fetchRound{handler: handler} }
	rapid.Check(t, func(t *rapid.T) {
		version := rapid.Int16Range(4, 18).Draw(t, "version")
		round := handler.rounds.Get().(*fetchRound)
		round.request, round.body = &Request{Listener: "PLAINTEXT"}, &kmsg.FetchRequest{Version: version}
		round.order = &round.ownOrder
		response := &round.response
		response.begin(round)
		want := &kmsg.FetchResponse{Version: version}
		if rapid.Bool().Draw(t, "fails") && version >= 7 {
			response.failure, want.ErrorCode = kerr.InvalidFetchSessionEpoch, kerr.InvalidFetchSessionEpoch.Code
		} else if version >= 7 {
			response.sessionID = rapid.Int32Min(0).Draw(t, "session")
			want.SessionID = response.sessionID
		}
		for range rapid.IntRange(0, 6).Draw(t, "partitions") {
			p := drawPartition(t, version, partition)
			round.order.append(p)
			if p.included && response.failure == nil {
				addExpected(t, want, p)
			}
		}
		response.encode(round)
		sent := joinParts(b.t, response)
		whole := response.AppendTo(nil)
		response.Release()
		if expected := want.AppendTo(nil); !bytes.Equal(sent, expected) || !bytes.Equal(whole, expected) {
			t.Fatalf("version %d\nsent  %x\nwhole %x\nkmsg  %x", version, sent, whole, expected)
		}
	})
}

// drawPartition makes up what a round may find of a partition.
func drawPartition(t *rapid.T, version int16, partition *replica.Partition) *fetchPartition {
	p := &fetchPartition{included: rapid.IntRange(0, 3).Draw(t, "included") > 0}
	p.key.partition = rapid.Int32Range(0, 100).Draw(t, "partition")
	if n := rapid.SampledFrom([]byte{1, 1, 2}).Draw(t, "topic"); version >= 13 {
		p.key.topic.id = [16]byte{n}
	} else {
		p.key.topic.name = fmt.Sprint("topic", n)
	}
	p.result = nothingRead()
	if rapid.Bool().Draw(t, "error") {
		p.failure = rapid.SampledFrom([]*kerr.Error{
			kerr.NotLeaderForPartition, kerr.FencedLeaderEpoch, kerr.KafkaStorageError, kerr.OffsetOutOfRange, kerr.UnknownTopicID,
		}).Draw(t, "failure")
		if rapid.Bool().Draw(t, "known") {
			p.handle = partition
		}
		return p
	}
	offset := rapid.Int64()
	p.handle = partition
	p.result.HighWatermark, p.result.LastStableOffset, p.result.LogStartOffset = offset.Draw(t, "hw"), offset.Draw(t, "lso"), offset.Draw(t, "start")
	if rapid.Bool().Draw(t, "committed") {
		p.result.Aborted = []storage.AbortedTransaction{}
		for range rapid.IntRange(0, 3).Draw(t, "aborted") {
			p.result.Aborted = append(p.result.Aborted, storage.AbortedTransaction{ProducerID: offset.Draw(t, "producer"), FirstOffset: offset.Draw(t, "first")})
		}
	}
	if version >= 12 && rapid.IntRange(0, 3).Draw(t, "diverges") == 0 {
		p.result.Diverging, p.result.DivergingEnd = true, storage.EpochEnd{Epoch: rapid.Int32Min(0).Draw(t, "epoch"), EndOffset: offset.Draw(t, "end")}
	} else if rapid.Bool().Draw(t, "records") {
		region, err := partition.Log().Read(rapid.Int64Range(0, 19).Draw(t, "from"), rapid.IntRange(1, 700).Draw(t, "bytes"), true, 20)
		if err != nil {
			t.Fatal(err)
		}
		p.result.Region = region
	}
	return p
}

// addExpected puts the partition into kmsg's answer.
func addExpected(t *rapid.T, want *kmsg.FetchResponse, p *fetchPartition) {
	topic := kmsg.FetchResponseTopic{Topic: p.key.topic.name, TopicID: p.key.topic.id}
	if n := len(want.Topics); n == 0 || want.Topics[n-1].Topic != topic.Topic || want.Topics[n-1].TopicID != topic.TopicID {
		want.Topics = append(want.Topics, topic)
	}
	answer := kmsg.NewFetchResponseTopicPartition()
	answer.Partition, answer.PreferredReadReplica = p.key.partition, -1
	answer.HighWatermark, answer.LastStableOffset, answer.LogStartOffset = p.result.HighWatermark, p.result.LastStableOffset, p.result.LogStartOffset
	answer.RecordBatches = make([]byte, p.result.Region.Len())
	if err := p.result.Region.ReadAll(answer.RecordBatches); err != nil {
		t.Fatal(err)
	}
	if p.result.Aborted != nil {
		answer.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{}
	}
	for _, aborted := range p.result.Aborted {
		answer.AbortedTransactions = append(answer.AbortedTransactions, kmsg.FetchResponseTopicPartitionAbortedTransaction{
			ProducerID: aborted.ProducerID, FirstOffset: aborted.FirstOffset,
		})
	}
	if p.result.Diverging {
		answer.DivergingEpoch.Epoch, answer.DivergingEpoch.EndOffset = p.result.DivergingEnd.Epoch, p.result.DivergingEnd.EndOffset
	}
	if p.failure != nil {
		answer.ErrorCode = p.failure.Code
		if want.Version <= 5 && p.failure == kerr.KafkaStorageError {
			answer.ErrorCode = kerr.NotLeaderForPartition.Code
		}
		if want.Version >= 16 && p.handle != nil && (p.failure == kerr.NotLeaderForPartition || p.failure == kerr.FencedLeaderEpoch) {
			answer.CurrentLeader.LeaderID, answer.CurrentLeader.LeaderEpoch = 1, 0
			rack := "r"
			want.Brokers = []kmsg.FetchResponseBroker{{NodeID: 1, Host: "broker1", Port: 9001, Rack: &rack}}
		}
	}
	topics := &want.Topics[len(want.Topics)-1]
	topics.Partitions = append(topics.Partitions, answer)
}

// TestFetchAnswersReuseTheirMemory counts what a fetch in a session and one
// without allocate, of one partition and of many.
func TestFetchAnswersReuseTheirMemory(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the pools
	if raceEnabled {
		t.Skip("the pools drop what they hold under the race detector")
	}
	b := newDataBroker(t)
	const partitions = 100
	b.create("plain", partitions, nil)
	for i := range int32(partitions) {
		b.write("plain", i, values("a").bytes())
	}
	all := make([]fetched, partitions)
	for i := range all {
		all[i] = fetched{"plain", int32(i), 0}
	}
	count := func(change func(*kmsg.FetchRequest), fetched ...fetched) float64 {
		request := &Request{Body: fetchBy(change, fetched...)(12, nil), ConnectionID: 1, Listener: "PLAINTEXT"}
		request.Body.SetVersion(12)
		handler := b.handlers[kmsg.Fetch]
		return testing.AllocsPerRun(200, func() {
			response, err := handler(b.connected, request)(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			response.(PartsResponse).Release()
		})
	}
	one, many := count(nil, all[0]), count(nil, all...)
	if one > 3 {
		t.Errorf("a fetch of one partition allocates %v times", one)
	}
	// What is left is the map that finds partitions named twice.
	if many > 20 {
		t.Errorf("a fetch of %d partitions allocates %v times", partitions, many)
	}
	first, err := b.ask(fetchVersion(12, inSessionOf(0, 0), all...))
	if err != nil {
		t.Fatal(err)
	}
	session := first.(*kmsg.FetchResponse).SessionID
	epoch := int32(0)
	handler := b.handlers[kmsg.Fetch]
	incremental := testing.AllocsPerRun(200, func() {
		epoch++
		request := &Request{Body: fetchVersion(12, inSessionOf(session, epoch)), ConnectionID: 1, Listener: "PLAINTEXT"}
		response, err := handler(b.connected, request)(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		response.(PartsResponse).Release()
	})
	if incremental > 6 {
		t.Errorf("an incremental fetch of %d partitions allocates %v times", partitions, incremental)
	}
}

func fetchVersion(version int16, change func(*kmsg.FetchRequest), partitions ...fetched) *kmsg.FetchRequest {
	request := fetchBy(change, partitions...)(version, nil).(*kmsg.FetchRequest)
	request.SetVersion(version)
	return request
}
