package server

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/protocol/record"
)

// asker sends requests in the versions that they have.
type asker struct {
	t           *testing.T
	connection  client
	correlation int32
}

func newAsker(t *testing.T, s *Server) *asker {
	return &asker{t: t, connection: dial(t, s.Addr("PLAINTEXT").String())}
}

func (a *asker) ask(request kmsg.Request) kmsg.Response {
	a.t.Helper()
	a.correlation++
	a.connection.send(frame(request, a.correlation))
	id, body := a.connection.answer()
	if id != a.correlation {
		a.t.Fatalf("answer %d to request %d", id, a.correlation)
	}
	response := request.ResponseKind()
	response.SetVersion(request.GetVersion())
	if response.IsFlexible() {
		body = body[1:]
	}
	if err := response.ReadFrom(body); err != nil {
		a.t.Fatal(err)
	}
	return response
}

// init asks until the coordinator is there.
func (a *asker) init(id string, version int16, change func(*kmsg.InitProducerIDRequest)) *kmsg.InitProducerIDResponse {
	a.t.Helper()
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.Version, find.CoordinatorType, find.CoordinatorKeys = 4, 1, []string{id}
	a.ask(find)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		r := kmsg.NewPtrInitProducerIDRequest()
		r.Version, r.TransactionalID, r.TransactionTimeoutMillis, r.ProducerID, r.ProducerEpoch = version, &id, 60000, -1, -1
		if change != nil {
			change(r)
		}
		answer := a.ask(r).(*kmsg.InitProducerIDResponse)
		if failure := kerr.TypedErrorForCode(answer.ErrorCode); failure == nil || !failure.Retriable || time.Now().After(deadline) {
			return answer
		}
	}
}

// batchOf is one record of a producer.
func batchOf(producerID int64, epoch int16, sequence int32, transactional bool) []byte {
	b := record.NewBuilder(record.BuilderOptions{
		LeaderEpoch: -1, ProducerID: producerID, ProducerEpoch: epoch, BaseSequence: sequence, Transactional: transactional,
	})
	b.Append(time.Now().UnixMilli(), nil, []byte("v"))
	return b.Build()
}

func (a *asker) produce(version int16, id *string, partition int32, batch []byte) int16 {
	a.t.Helper()
	r := kmsg.NewPtrProduceRequest()
	r.Version, r.TransactionID, r.Acks, r.TimeoutMillis = version, id, -1, 5000
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = "t"
	topic.Partitions = append(topic.Partitions, kmsg.ProduceRequestTopicPartition{Partition: partition, Records: batch})
	r.Topics = append(r.Topics, topic)
	return a.ask(r).(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode
}

func (a *asker) add(version int16, id string, p *kmsg.InitProducerIDResponse, partitions ...int32) (codes []int16) {
	a.t.Helper()
	r := kmsg.NewPtrAddPartitionsToTxnRequest()
	r.Version = version
	if version >= 4 {
		asked := kmsg.NewAddPartitionsToTxnRequestTransaction()
		asked.TransactionalID, asked.ProducerID, asked.ProducerEpoch = id, p.ProducerID, p.ProducerEpoch
		asked.Topics = append(asked.Topics, kmsg.AddPartitionsToTxnRequestTransactionTopic{Topic: "t", Partitions: partitions})
		r.Transactions = append(r.Transactions, asked)
		for _, answered := range a.ask(r).(*kmsg.AddPartitionsToTxnResponse).Transactions[0].Topics[0].Partitions {
			codes = append(codes, answered.ErrorCode)
		}
		return codes
	}
	r.TransactionalID, r.ProducerID, r.ProducerEpoch = id, p.ProducerID, p.ProducerEpoch
	r.Topics = append(r.Topics, kmsg.AddPartitionsToTxnRequestTopic{Topic: "t", Partitions: partitions})
	for _, answered := range a.ask(r).(*kmsg.AddPartitionsToTxnResponse).Topics[0].Partitions {
		codes = append(codes, answered.ErrorCode)
	}
	return codes
}

func (a *asker) end(version int16, id string, p *kmsg.InitProducerIDResponse, epoch int16, commit bool) *kmsg.EndTxnResponse {
	a.t.Helper()
	r := kmsg.NewPtrEndTxnRequest()
	r.Version, r.TransactionalID, r.ProducerID, r.ProducerEpoch, r.Commit = version, id, p.ProducerID, epoch, commit
	return a.ask(r).(*kmsg.EndTxnResponse)
}

// markers writes a marker to two partitions of t, the second of which is not there.
func (a *asker) markers(version int16, p *kmsg.InitProducerIDResponse) (codes []int16) {
	a.t.Helper()
	r := kmsg.NewPtrWriteTxnMarkersRequest()
	r.Version = version
	marker := kmsg.NewWriteTxnMarkersRequestMarker()
	marker.ProducerID, marker.ProducerEpoch, marker.CoordinatorEpoch = p.ProducerID, p.ProducerEpoch, 0
	marker.Topics = append(marker.Topics, kmsg.WriteTxnMarkersRequestMarkerTopic{Topic: "t", Partitions: []int32{0, 9}})
	r.Markers = append(r.Markers, marker)
	for _, answered := range a.ask(r).(*kmsg.WriteTxnMarkersResponse).Markers[0].Topics[0].Partitions {
		codes = append(codes, answered.ErrorCode)
	}
	return codes
}

// TestBadInputTransactions are the inputs of the catalogue that are about
// transactions. Where it names an authorizer's answer (59, 60, 150), this is what
// Apache Kafka answers without one.
func TestBadInputTransactions(t *testing.T) {
	s, _ := startBroker(t, t.TempDir(), "transaction.state.log.num.partitions=2")
	createTopic(t, newClient(t, s), "t", 2, nil)
	a := newAsker(t, s)
	x := "x"
	p := a.init(x, 5, nil)
	if p.ErrorCode != 0 {
		t.Fatalf("%+v", p)
	}
	expect := func(row int, what string, got any, want ...int16) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%d %s: %v, want %v", row, what, got, want)
		}
	}
	one := func(code int16) []int16 { return []int16{code} }
	expect(95, "transactional batch without a transactional id", one(a.produce(9, nil, 0, batchOf(p.ProducerID, 0, 0, true))), 53)
	expect(96, "batch of a partition that was never added, v10", one(a.produce(10, &x, 0, batchOf(p.ProducerID, 0, 0, true))), 48)
	expect(96, "batch of a partition that was never added, v11", one(a.produce(11, &x, 0, batchOf(p.ProducerID, 0, 0, true))), 120)
	expect(149, "one partition that is not there, v0", a.add(0, x, p, 0, 7, 1), 55, 3, 55)
	expect(149, "one partition that is not there, v5", a.add(5, x, p, 7, 0), 3, 55)
	expect(60, "from version 4 on", a.add(4, x, p, 0), 0)
	expect(96, "batch of a partition that was added", one(a.produce(10, &x, 0, batchOf(p.ProducerID, 0, 0, true))), 0)
	expect(97, "batch outside of the transaction", one(a.produce(10, nil, 0, batchOf(p.ProducerID, 0, 1, false))), 48)
	for version := int16(0); version <= 5; version++ {
		fenced := int16(90)
		if version < 2 {
			fenced = 47
		}
		expect(148, "end of an unknown id", one(a.end(version, "nobody", p, 0, true).ErrorCode), 49)
		expect(148, "end of an empty id", one(a.end(version, "", p, 0, true).ErrorCode), 42)
		expect(148, "end with a wrong epoch", one(a.end(version, x, p, 9, true).ErrorCode), fenced)
	}
	expect(59, "markers of a client", a.markers(1, p), 0, 3)
	y := "y"
	q := a.init(y, 5, nil)
	expect(148, "end of nothing", one(a.end(3, y, q, q.ProducerEpoch, true).ErrorCode), 48)
	expect(148, "end of nothing", one(a.end(5, y, q, q.ProducerEpoch, true).ErrorCode), 48)
	for _, row := range []struct {
		row    int
		what   string
		change func(*kmsg.InitProducerIDRequest)
		want   int16
	}{
		{146, "an id alone", func(r *kmsg.InitProducerIDRequest) { r.ProducerID = 1 }, 42},
		{146, "an epoch alone", func(r *kmsg.InitProducerIDRequest) { r.ProducerEpoch = 1 }, 42},
		{147, "empty id", func(r *kmsg.InitProducerIDRequest) { r.TransactionalID = new(string) }, 42},
		{147, "no timeout", func(r *kmsg.InitProducerIDRequest) { r.TransactionTimeoutMillis = 0 }, 50},
		{147, "long timeout", func(r *kmsg.InitProducerIDRequest) { r.TransactionTimeoutMillis = 900_001 }, 50},
	} {
		expect(row.row, row.what, one(a.init("z", 5, row.change).ErrorCode), row.want)
	}
	expect(148, "end after all of that", one(a.end(5, x, p, 0, true).ErrorCode), 0)
}

// TestTransactionVersionIsShown: clients take the newer protocol from this.
func TestTransactionVersionIsShown(t *testing.T) {
	s, _ := startBroker(t, t.TempDir())
	r := kmsg.NewPtrApiVersionsRequest()
	r.Version, r.ClientSoftwareName, r.ClientSoftwareVersion = 3, "test", "1"
	a := newAsker(t, s)
	a.connection.send(frame(r, 1))
	_, body := a.connection.answer()
	answer := kmsg.NewPtrApiVersionsResponse()
	answer.Version = 3
	if err := answer.ReadFrom(body); err != nil {
		t.Fatal(err)
	}
	for _, feature := range answer.FinalizedFeatures {
		if feature.Name == "transaction.version" && feature.MaxVersionLevel == 2 {
			return
		}
	}
	t.Errorf("finalized: %+v", answer.FinalizedFeatures)
}

// TestDeletedTopicHoldsUpNoTransaction: what was written to it needs no marker.
func TestDeletedTopicHoldsUpNoTransaction(t *testing.T) {
	s, _ := startBroker(t, t.TempDir(), "transaction.state.log.num.partitions=2")
	client := newClient(t, s)
	createTopic(t, client, "t", 1, nil)
	createTopic(t, client, "kept", 1, nil)
	producer := newClient(t, s, kgo.TransactionalID("x"))
	if err := producer.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := producer.ProduceSync(timeout(t), &kgo.Record{Topic: "t"}, &kgo.Record{Topic: "kept", Value: []byte("v")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.TimeoutMillis, request.TopicNames = 10000, []string{"t"}
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = kmsg.StringPtr("t")
	request.Topics = append(request.Topics, topic)
	if _, err := request.RequestWith(timeout(t), client); err != nil {
		t.Fatal(err)
	}
	if err := producer.EndTransaction(timeout(t), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	reader := newClient(t, s, kgo.ConsumeTopics("kept"), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if fetches := reader.PollRecords(timeout(t), 1); fetches.Err() != nil || fetches.NumRecords() != 1 {
		t.Errorf("%v, %d records", fetches.Err(), fetches.NumRecords())
	}
}
