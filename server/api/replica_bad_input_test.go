package api

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// badInput is a row of the table of bad input: the number and the input as they
// stand there, and what is answered: a code, or noAnswer, or closed.
type badInput struct {
	row      int
	input    string
	requests []kmsg.Request
	code     int16
	closed   bool
}

// TestBadInputAboutRecords asks every version that there is of the API, unless
// the request has one of its own.
func TestBadInputAboutRecords(t *testing.T) {
	for _, row := range append(append(badProduceRows(), badFetchRows()...), badOffsetRows()...) {
		t.Run(fmt.Sprintf("%d %s", row.row, row.input), func(t *testing.T) {
			first, last := int16(3), int16(13)
			switch row.requests[0].(type) {
			case *kmsg.FetchRequest:
				first, last = 7, 18
			case *kmsg.ListOffsetsRequest:
				first, last = 1, 11
			case *kmsg.DeleteRecordsRequest:
				first, last = 0, 2
			case *kmsg.OffsetForLeaderEpochRequest:
				first, last = 2, 4
			case *kmsg.InitProducerIDRequest:
				first, last = 3, 5
			}
			synctest.Test(t, func(t *testing.T) {
				for version := first; version <= last; version++ {
					checkBadInput(t, row, version)
				}
			})
		})
	}
}

func checkBadInput(t *testing.T, row badInput, version int16) {
	b := newDataBroker(t)
	ids := map[string][16]byte{}
	for _, topic := range append(dataTopics(), dataTopic{"__consumer_offsets", 1, nil}) {
		if topic.name == "plain" || names(row.requests[0], topic.name) {
			ids[topic.name] = b.create(topic.name, topic.partitions, topic.config)
		}
	}
	b.write("plain", 0, values("a").bytes())
	var response kmsg.Response
	var err error
	for _, request := range row.requests {
		asked := version
		if request.GetVersion() != 0 {
			asked = request.GetVersion()
		}
		response, err = b.ask(translate(request, asked, ids))
	}
	if row.closed {
		if !errors.Is(err, io.EOF) {
			t.Errorf("v%d: %v, %v instead of closing", version, response, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("v%d: %v", version, err)
	}
	if code := firstCode(plainAnswer(t, response)); code != int64(row.code) {
		t.Errorf("v%d: code %d, want %d", version, code, row.code)
	}
}

// names tells whether a request is about a topic.
func names(request kmsg.Request, topic string) bool {
	switch r := request.(type) {
	case *kmsg.ProduceRequest:
		return r.Topics[0].Topic == topic
	case *kmsg.FetchRequest:
		return len(r.Topics) > 0 && r.Topics[0].Topic == topic
	}
	return false
}

// translate puts a request, written with names, into a version.
func translate(request kmsg.Request, version int16, ids map[string][16]byte) kmsg.Request {
	switch r := request.(type) {
	case *kmsg.ProduceRequest:
		again := *r
		again.Topics = nil
		for _, topic := range r.Topics {
			if version >= 13 {
				topic.TopicID = idOf(ids, topic.Topic)
			}
			again.Topics = append(again.Topics, topic)
		}
		request = &again
	case *kmsg.FetchRequest:
		again := *r
		again.Topics = nil
		for _, topic := range r.Topics {
			if version >= 13 {
				topic.TopicID = idOf(ids, topic.Topic)
			}
			again.Topics = append(again.Topics, topic)
		}
		if version >= 15 {
			again.ReplicaState.ID = r.ReplicaID
		}
		request = &again
	}
	request.SetVersion(version)
	return request
}

func badProduceRows() []badInput {
	to := func(acks int16, topic string, partition int32, bytes []byte) []kmsg.Request {
		return []kmsg.Request{produce(acks, records{topic, partition, bytes})(0, nil)}
	}
	one := values("a")
	rows := []badInput{
		{62, "acks = 2", to(2, "plain", 0, one.bytes()), 21, false},
		{63, "acks = 0 and any error", to(0, "plain", 7, one.bytes()), 0, true},
		{95, "transactional bit, transactional_id null", to(-1, "plain", 0, one.idempotent(70, 0, 0).with(func(b *testBatch) { b.attributes = 0x10 }).bytes()), 53, false},
		{109, "`__consumer_offsets` as target", to(-1, "__consumer_offsets", 0, one.bytes()), 17, false},
		{110, "partition −1", to(-1, "plain", -1, one.bytes()), 3, false},
		{110, "partition 10^9", to(-1, "plain", 1_000_000_000, one.bytes()), 3, false},
		{90, "sequence gap", append(to(-1, "plain", 0, one.idempotent(70, 0, 0).bytes()), to(-1, "plain", 0, one.idempotent(70, 0, 2).bytes())...), 45, false},
		{91, "new epoch, first sequence ≠ 0", append(to(-1, "plain", 0, one.idempotent(70, 0, 0).bytes()), to(-1, "plain", 0, one.idempotent(70, 1, 1).bytes())...), 45, false},
		{92, "old epoch", append(to(-1, "plain", 0, one.idempotent(70, 1, 0).bytes()), to(-1, "plain", 0, one.idempotent(70, 0, 1).bytes())...), 47, false},
		{89, "exact duplicate of one of last 5 batches", append(to(-1, "plain", 0, one.idempotent(70, 1, 0).bytes()), to(-1, "plain", 0, one.idempotent(70, 1, 0).bytes())...), 0, false},
		{93, "unknown producer id, any sequence", to(-1, "plain", 0, one.idempotent(70, 1, 500).bytes()), 0, false},
	}
	codes := map[string]int16{
		"64": 87, "65": 87, "66": 87, "67": 87, "68": 2, "69": 2, "70": 87, "71": 2, "72": 2, "73": 2, "74": 10, "75": 18, "76": 87, "77": 87,
		"78": 87, "79": 87, "80": 87, "81": 76, "82": 76, "83": 0, "84": 87, "85 timestamp type bit": 0, "85 timestamp type bit, no timestamp": 32, "86": 32, "87": 87, "88": 87, "99": 87,
		"101": 87, "102": 87,
	}
	for _, bad := range badBatches() {
		number, _, _ := strings.Cut(bad.name, " ")
		code, ok := codes[number]
		if !ok {
			code, ok = codes[bad.name]
		}
		if !ok {
			continue
		}
		row := 0
		if _, err := fmt.Sscan(number, &row); err != nil {
			panic(err)
		}
		requests := to(-1, bad.topic, 0, bad.bytes)
		requests[0].SetVersion(bad.version)
		rows = append(rows, badInput{row, bad.name[len(number)+1:], requests, code, false})
	}
	return rows
}

func badFetchRows() []badInput {
	from := func(change func(*kmsg.FetchRequest), partitions ...fetched) []kmsg.Request {
		return []kmsg.Request{fetchBy(change, partitions...)(0, nil)}
	}
	partition := func(change func(*kmsg.FetchRequestTopicPartition)) func(*kmsg.FetchRequest) {
		return func(r *kmsg.FetchRequest) { change(&r.Topics[0].Partitions[0]) }
	}
	plain := fetched{"plain", 0, 0}
	return []badInput{
		{113, "max_bytes −1", from(func(r *kmsg.FetchRequest) { r.MaxBytes = -1 }, plain), 0, false},
		{113, "partition_max_bytes −1", from(partition(func(p *kmsg.FetchRequestTopicPartition) { p.PartitionMaxBytes = -1 }), plain), 0, false},
		{114, "max_bytes 0, data present", from(func(r *kmsg.FetchRequest) { r.MaxBytes = 0 }, plain), 0, false},
		{116, "max_wait −1 / min_bytes −5", from(func(r *kmsg.FetchRequest) { r.MaxWaitMillis, r.MinBytes = -1, -5 }, fetched{"empty", 0, 0}), 0, false},
		{118, "fetch_offset −1", from(nil, fetched{"plain", 0, -1}), 1, false},
		{118, "fetch_offset beyond LEO", from(nil, fetched{"plain", 0, 2}), 1, false},
		{121, "replica_id 2, authorizer off, not a replica", from(func(r *kmsg.FetchRequest) { r.ReplicaID = 2 }, plain), 6, false},
		{122, "session id unknown, epoch 5", from(inSessionOf(123, 5)), 70, false},
		{127, "unknown topic", inVersion(12, from(nil, fetched{"not-there", 0, 0})), 3, false},
		{127, "unknown topic id", inVersion(13, from(nil, fetched{"not-there", 0, 0})), 100, false},
		{128, "forgotten topics not in session", from(inSessionOf(0, 0, fetched{"plain", 77, 0}), plain), 0, false},
	}
}

// inVersion gives the requests a version of their own.
func inVersion(version int16, requests []kmsg.Request) []kmsg.Request {
	for _, request := range requests {
		request.SetVersion(version)
	}
	return requests
}

func badOffsetRows() []badInput {
	epoch := kmsg.NewPtrOffsetForLeaderEpochRequest()
	epoch.Topics = []kmsg.OffsetForLeaderEpochRequestTopic{{Topic: "plain", Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{{CurrentLeaderEpoch: 5, LeaderEpoch: 0}}}}
	remove := kmsg.NewPtrDeleteRecordsRequest()
	remove.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: "plain", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Offset: 2}}}}
	init := kmsg.NewPtrInitProducerIDRequest()
	init.ProducerID = 5
	return []badInput{
		{46, "ListOffsets with the same partition twice", []kmsg.Request{listOffsetsOf(0, -1, asked{"plain", 0, -1, -1}, asked{"plain", 0, -1, -1})(0, nil)}, 42, false},
		{47, "ListOffsets timestamp −9", []kmsg.Request{listOffsetsOf(0, -1, asked{"plain", 0, -9, -1})(0, nil)}, 35, false},
		{48, "OffsetForLeaderEpoch future epoch", []kmsg.Request{epoch}, 75, false},
		{49, "DeleteRecords offset > HW", []kmsg.Request{remove}, 1, false},
		{146, "InitProducerId with only one of id/epoch", []kmsg.Request{init}, 42, false},
	}
}

// TestBadInputWrongIDForName is row 127: it fetches by an id that was another topic's of the same name.
func TestBadInputWrongIDForName(t *testing.T) {
	b := newDataBroker(t)
	id := b.create("plain", 1, nil)
	ids := map[string][16]byte{"plain": id}
	ask := func(change func(*kmsg.FetchRequest), partitions ...fetched) *kmsg.FetchResponse {
		request := fetchBy(change, partitions...)(13, ids)
		return must[*kmsg.FetchResponse](b, 13, request)
	}
	session := ask(inSessionOf(0, 0), fetched{"plain", 0, 0}).SessionID
	b.remove(id)
	if code := ask(inSessionOf(session, 1)).Topics[0].Partitions[0].ErrorCode; code != 3 {
		t.Errorf("row 127: code %d after the topic was deleted", code)
	}
	b.create("plain", 1, nil)
	if code := ask(inSessionOf(session, 2)).Topics[0].Partitions[0].ErrorCode; code != 103 {
		t.Errorf("row 127: code %d after another topic took its name", code)
	}
	if code := ask(nil, fetched{"plain", 0, 0}).Topics[0].Partitions[0].ErrorCode; code != 100 {
		t.Errorf("row 127: code %d without a session that knows the name", code)
	}
}

// TestBadInputSomeoneElsesSession is row 125: who guesses a session's number can
// neither close nor use it; and row 120.
func TestBadInputSomeoneElsesSession(t *testing.T) {
	b := newDataBroker(t)
	b.create("plain", 1, nil)
	ask := func(epoch int32, session int32) *kmsg.FetchResponse {
		return must[*kmsg.FetchResponse](b, 12, fetchBy(inSessionOf(session, epoch))(12, nil))
	}
	opened := must[*kmsg.FetchResponse](b, 12, fetchBy(inSessionOf(0, 0), fetched{"plain", 0, 0})(12, nil))
	b.connection = 2
	if code := ask(1, opened.SessionID).ErrorCode; code != 70 {
		t.Errorf("row 125: someone else uses a session: code %d", code)
	}
	ask(-1, opened.SessionID)
	ask(0, opened.SessionID)
	b.connection = 1
	if code := ask(1, opened.SessionID).ErrorCode; code != 0 {
		t.Errorf("row 125: the session was closed by someone else: code %d", code)
	}
	b.listener = "EXTERNAL"
	response := must[*kmsg.FetchResponse](b, 12, fetchBy(func(r *kmsg.FetchRequest) { r.ReplicaID = 2 }, fetched{"plain", 0, 0})(12, nil))
	if code := response.Topics[0].Partitions[0].ErrorCode; code != 29 {
		t.Errorf("row 120: a replica on another listener: code %d", code)
	}
}

// TestBadInputTooManyBytes is row 115: the whole answer has a limit.
func TestBadInputTooManyBytes(t *testing.T) {
	b := newDataBroker(t)
	b.create("plain", 50, nil)
	large := values(strings.Repeat("x", 10000)).bytes()
	var all []fetched
	for i := range int32(50) {
		b.write("plain", i, large)
		all = append(all, fetched{"plain", i, 0})
	}
	endpoint := func(string, int32) (Endpoint, bool) { return Endpoint{}, false }
	b.handlers[kmsg.Fetch] = Fetch(FetchOptions{Replicas: b.replicas, LeaderEndpoint: endpoint, MaxBytes: 100_000, SessionSlots: 10})
	response := must[*kmsg.FetchResponse](b, 12, fetchBy(func(r *kmsg.FetchRequest) { r.MaxBytes = 1<<31 - 1 }, all...)(12, nil))
	total := 0
	for _, size := range bytesOf(response) {
		total += size
	}
	if total > 100_000 || total < 90_000 {
		t.Errorf("row 115: %d bytes with fetch.max.bytes 100000", total)
	}
}
