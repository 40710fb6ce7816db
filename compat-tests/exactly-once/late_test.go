package exactlyonce

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"ottla/compat-tests/harness"
	"ottla/protocol/record"
)

// hand is a producer by hand: each request is sent once, as the test says. It writes to partition 0 of topic in.
type hand struct {
	t      *testing.T
	ctx    context.Context
	client *kgo.Client
	id     string
	// producer and epoch are what the broker gave last.
	producer int64
	epoch    int16
}

const keyAddPartitionsToTxn = 24

// newHand makes a producer whose Produce requests have a version: before 12 they do not make their partition part of
// the transaction. No id: it writes outside of transactions.
func newHand(t *testing.T, broker *harness.Broker, id string, produceVersion int16) *hand {
	t.Helper()
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(keyProduce, produceVersion)
	if produceVersion < 12 {
		versions.SetMaxKeyVersion(keyAddPartitionsToTxn, 3)
		versions.SetMaxKeyVersion(keyEndTxn, 4)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Address), kgo.MaxVersions(versions))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	h := &hand{t: t, ctx: ctx, client: client, id: id}
	request := kmsg.NewPtrInitProducerIDRequest()
	request.TransactionTimeoutMillis, request.ProducerID, request.ProducerEpoch = 60000, -1, -1
	if id != "" {
		request.TransactionalID = &id
	}
	for {
		answer, err := request.RequestWith(ctx, client)
		if err != nil {
			t.Fatal(err)
		}
		err = kerr.ErrorForCode(answer.ErrorCode)
		if err == nil {
			h.producer, h.epoch = answer.ProducerID, answer.ProducerEpoch
			return h
		}
		if !kerr.IsRetriable(err) {
			t.Fatal(err)
		}
		pause(ctx, 20*time.Millisecond)
	}
}

// write sends one record with an epoch and a sequence number, and returns its offset. Answers that ask the client to
// come again, while the transaction before is being ended, are followed.
func (h *hand) write(epoch int16, sequence int32, value string) (int64, error) {
	h.t.Helper()
	builder := record.NewBuilder(record.BuilderOptions{
		LeaderEpoch: -1, ProducerID: h.producer, ProducerEpoch: epoch, BaseSequence: sequence, Transactional: h.id != "",
	})
	builder.Append(time.Now().UnixMilli(), nil, []byte(value))
	request := kmsg.NewPtrProduceRequest()
	if h.id != "" {
		request.TransactionID = &h.id
	}
	request.Acks, request.TimeoutMillis = -1, 10000
	request.Topics = []kmsg.ProduceRequestTopic{{Topic: "in", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: builder.Build()}}}}
	for {
		answer, err := h.client.Broker(1).Request(h.ctx, request)
		if errors.Is(err, io.EOF) {
			// The broker was started anew; this ends with the context.
			continue
		}
		if err != nil {
			h.t.Fatal(err)
		}
		partition := answer.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
		err = kerr.ErrorForCode(partition.ErrorCode)
		switch {
		case errors.Is(err, kerr.ConcurrentTransactions), errors.Is(err, kerr.NotEnoughReplicas):
		case errors.Is(err, kerr.NotLeaderForPartition), errors.Is(err, kerr.UnknownTopicOrPartition):
			// The broker has just started, or the topic is new.
		default:
			return partition.BaseOffset, err
		}
		pause(h.ctx, 20*time.Millisecond)
	}
}

func (h *hand) mustWrite(sequence int32, value string) int64 {
	h.t.Helper()
	offset, err := h.write(h.epoch, sequence, value)
	if err != nil {
		h.t.Fatalf("write %q: %v", value, err)
	}
	return offset
}

// end asks for the end of the transaction with an epoch.
func (h *hand) end(epoch int16, commit bool) error {
	h.t.Helper()
	request := kmsg.NewPtrEndTxnRequest()
	request.TransactionalID, request.ProducerID, request.ProducerEpoch, request.Commit = h.id, h.producer, epoch, commit
	answer, err := h.client.Broker(1).Request(h.ctx, request)
	if err != nil {
		h.t.Fatal(err)
	}
	ended := answer.(*kmsg.EndTxnResponse)
	if ended.ErrorCode == 0 && ended.Version >= 5 {
		h.producer, h.epoch = ended.ProducerID, ended.ProducerEpoch
	}
	return kerr.ErrorForCode(ended.ErrorCode)
}

func (h *hand) mustEnd(commit bool) {
	h.t.Helper()
	if err := h.end(h.epoch, commit); err != nil {
		h.t.Fatalf("end with commit %t: %v", commit, err)
	}
}

// add makes the partition part of the transaction by a request of its own, as clients before KIP-890 did.
func (h *hand) add() error {
	h.t.Helper()
	request := kmsg.NewPtrAddPartitionsToTxnRequest()
	request.TransactionalID, request.ProducerID, request.ProducerEpoch = h.id, h.producer, h.epoch
	request.Topics = []kmsg.AddPartitionsToTxnRequestTopic{{Topic: "in", Partitions: []int32{0}}}
	answer, err := h.client.Broker(1).Request(h.ctx, request)
	if err != nil {
		h.t.Fatal(err)
	}
	return kerr.ErrorForCode(answer.(*kmsg.AddPartitionsToTxnResponse).Topics[0].Partitions[0].ErrorCode)
}

// settle waits until the markers of all that was ended are in the log: the answer to an end may come before them.
func (h *hand) settle() {
	h.t.Helper()
	for {
		if stable, end := endsOf(h.t, h.ctx, h.client); stable == end {
			return
		}
		if h.ctx.Err() != nil {
			h.t.Fatal("a transaction that was ended stays open")
		}
		pause(h.ctx, 20*time.Millisecond)
	}
}

// expectCommitted waits until no transaction is open and reads what is committed of the partition.
func expectCommitted(t *testing.T, broker *harness.Broker, want ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Address), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"in": {0: kgo.NewOffset().At(0)}}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for {
		stable, end := endsOf(t, ctx, client)
		if stable == end {
			break
		}
		pause(ctx, 20*time.Millisecond)
	}
	var have []string
	_, end := endsOf(t, ctx, client)
	for at := int64(0); at < end; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at = r.Offset + 1
			if !r.Attrs.IsControl() {
				have = append(have, string(r.Value))
			}
		})
	}
	if !slices.Equal(have, want) {
		t.Errorf("committed is %q, want %q", have, want)
	}
}

// endsOf returns the last stable and the end offset of partition 0 of topic in.
func endsOf(t *testing.T, ctx context.Context, client *kgo.Client) (stable, end int64) {
	t.Helper()
	admin := kadm.NewClient(client)
	stables, err := admin.ListCommittedOffsets(ctx, "in")
	if err != nil {
		t.Fatal(err)
	}
	all, err := admin.ListEndOffsets(ctx, "in")
	if err != nil {
		t.Fatal(err)
	}
	one, _ := stables.Lookup("in", 0)
	two, _ := all.Lookup("in", 0)
	return one.Offset, two.Offset
}

func startWithTopics(t *testing.T) *harness.Broker {
	t.Helper()
	broker := harness.StartSubject(t, version, harness.Options{Properties: []string{"transaction.state.log.num.partitions=4"}})
	createTopics(t, broker)
	return broker
}

// TestLateEndLeavesTheNextTransaction: a request for the end of a transaction that comes when the next one is open
// neither commits nor aborts that.
func TestLateEndLeavesTheNextTransaction(t *testing.T) {
	broker := startWithTopics(t)
	h := newHand(t, broker, "a", 12)
	before := h.epoch
	h.mustWrite(0, "first")
	h.mustEnd(true)
	if h.epoch == before {
		t.Fatalf("the epoch stayed at %d", before)
	}
	h.mustWrite(0, "second")
	for _, commit := range []bool{true, false} {
		if err := h.end(before, commit); !errors.Is(err, kerr.ProducerFenced) {
			t.Errorf("a late end with commit %t: %v", commit, err)
		}
	}
	if stable, end := endsOf(t, h.ctx, h.client); stable >= end {
		t.Errorf("stable to %d of %d: the late end has ended the next transaction", stable, end)
	}
	h.mustWrite(1, "third")
	h.mustEnd(false)
	h.mustWrite(0, "fourth")
	h.mustEnd(true)
	expectCommitted(t, broker, "first", "fourth")
}

// TestLateRecordsOpenNoTransaction: records that come after the end of their transaction are not written, so that
// they hold back no reader for ever, whether the client makes partitions part of its transaction by requests of its
// own or not.
func TestLateRecordsOpenNoTransaction(t *testing.T) {
	broker := startWithTopics(t)
	h := newHand(t, broker, "a", 12)
	before := h.epoch
	h.mustWrite(0, "aborted")
	h.mustEnd(false)
	h.settle()
	if _, err := h.write(before, 1, "late"); !errors.Is(err, kerr.InvalidProducerEpoch) {
		t.Errorf("late records of the epoch before: %v", err)
	}
	old := newHand(t, broker, "b", 11)
	if err := old.add(); err != nil {
		t.Fatal(err)
	}
	old.mustWrite(0, "committed")
	old.mustEnd(true)
	old.settle()
	if _, err := old.write(old.epoch, 1, "late"); !errors.Is(err, kerr.TransactionAbortable) {
		t.Errorf("late records in a partition that is not part of the transaction: %v", err)
	}
	expectCommitted(t, broker, "committed")
}

// TestRepeatsAreRecognised: the last five batches may be sent again, also after kill -9, and after a clean stop the
// last one: each is told its offset and none is written twice.
func TestRepeatsAreRecognised(t *testing.T) {
	broker := startWithTopics(t)
	h := newHand(t, broker, "", 12)
	var offsets []int64
	var values []string
	for i := range int32(7) {
		values = append(values, string('a'+i))
		offsets = append(offsets, h.mustWrite(i, values[i]))
	}
	repeat := func(what string, from int32) {
		t.Helper()
		for i := from; i < 7; i++ {
			offset, err := h.write(h.epoch, i, values[i])
			if err != nil || offset != offsets[i] {
				t.Errorf("%s batch %d was sent again: offset %d, %v; it is at %d", what, i, offset, err, offsets[i])
			}
		}
	}
	repeat("at once", 2)
	broker.Kill()
	broker.Start()
	if os.Getenv("OTTLA_CONTROL") == "" {
		repeat("after kill -9", 2)
	} else {
		// Apache Kafka then knows what a snapshot holds: the last batch.
		repeat("after kill -9", 6)
	}
	broker.Stop()
	broker.Start()
	repeat("after a clean stop", 6)
	if _, err := h.write(h.epoch, 9, "gap"); !errors.Is(err, kerr.OutOfOrderSequenceNumber) {
		t.Errorf("a gap: %v", err)
	}
	expectCommitted(t, broker, values...)
}
