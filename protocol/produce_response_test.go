package protocol

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// TestProduceResponseIsKmsgs holds the answers of Produce that are written by
// hand to those of kmsg, in every version, and has kmsg read them.
func TestProduceResponseIsKmsgs(t *testing.T) {
	row, _ := Lookup(ProduceKey)
	byHand, byKmsg := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		response := drawProduceResponse(t, rapid.Int16Range(row.Min, row.Max).Draw(t, "version"))
		want := response.AppendTo([]byte("before"))
		got, ok := appendProduced([]byte("before"), response)
		if !ok {
			byKmsg++
			got = response.AppendTo(got)
		} else {
			byHand++
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("version %d: %x, kmsg %x", response.Version, got, want)
		}
		read := kmsg.NewPtrProduceResponse()
		read.Version = response.Version
		if err := read.ReadFrom(got[len("before"):]); err != nil {
			t.Fatal(err)
		}
	})
	if byHand == 0 || byKmsg == 0 {
		t.Errorf("%d written by hand, %d by kmsg", byHand, byKmsg)
	}
}

// drawProduceResponse is an answer that tells more than codes and offsets in one
// place of three.
func drawProduceResponse(t *rapid.T, version int16) *kmsg.ProduceResponse {
	rare := func(name string) bool { return rapid.IntRange(0, 20).Draw(t, name) == 0 }
	response := kmsg.NewPtrProduceResponse()
	response.Version, response.ThrottleMillis = version, rapid.Int32().Draw(t, "throttle")
	for range rapid.IntRange(0, 3).Draw(t, "topics") {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic = rapid.StringN(0, 200, 200).Draw(t, "topic")
		topic.TopicID[0] = 7
		for range rapid.IntRange(0, 3).Draw(t, "partitions") {
			p := kmsg.NewProduceResponseTopicPartition()
			p.Partition, p.ErrorCode = rapid.Int32().Draw(t, "partition"), rapid.Int16().Draw(t, "code")
			p.BaseOffset, p.LogAppendTime, p.LogStartOffset = rapid.Int64().Draw(t, "base"), rapid.Int64().Draw(t, "time"), rapid.Int64().Draw(t, "start")
			if rare("records") {
				p.ErrorRecords = append(p.ErrorRecords, kmsg.NewProduceResponseTopicPartitionErrorRecord())
			}
			if rare("message") {
				p.ErrorMessage = kmsg.StringPtr("")
			}
			if rare("leader") {
				p.CurrentLeader.LeaderID = 1
			}
			if rare("epoch") {
				p.CurrentLeader.LeaderEpoch = 0
			}
			if rare("tag of a leader") {
				p.CurrentLeader.UnknownTags.Set(9, []byte("x"))
			}
			if rare("tag of a partition") {
				p.UnknownTags.Set(9, []byte("x"))
			}
			topic.Partitions = append(topic.Partitions, p)
		}
		if rare("tag of a topic") {
			topic.UnknownTags.Set(9, []byte("x"))
		}
		response.Topics = append(response.Topics, topic)
	}
	if rare("brokers") {
		response.Brokers = append(response.Brokers, kmsg.NewProduceResponseBroker())
	}
	if rare("tag") {
		response.UnknownTags.Set(9, []byte("x"))
	}
	return response
}
