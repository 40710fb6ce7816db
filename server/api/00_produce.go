package api

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/protocol/record"
	"ottla/replica"
	"ottla/storage"
)

// LeaderEndpoint tells where a client that came in by a listener reaches a
// broker; ok is false if it cannot.
type LeaderEndpoint func(listener string, node int32) (endpoint Endpoint, ok bool)

// Endpoint is where a broker is reached.
type Endpoint struct {
	Host string
	Port int32
	Rack *string
}

// ProduceOptions is what Produce needs.
type ProduceOptions struct {
	Replicas *replica.Manager
	// LeaderEndpoint is asked for the leader of a partition that is not led here.
	LeaderEndpoint LeaderEndpoint
	// Transactions is asked about the records of transactions.
	Transactions Transactions
	// Verify is transaction.partition.verification.enable; nil is true.
	Verify func() bool
}

// Produce makes the handler of Produce (0), v3 to v13: it appends one record
// batch to each partition, and answers once that is committed as acks asks.
//
// v7 lets records be compressed with zstd, v8 (KIP-467) adds the errors of single
// records and a message, v10 (KIP-951) the current leader where this broker is
// not it, v13 (KIP-516) names topics by id.
//
// The appends are made in the handler, in the order of the requests; the Reply
// flushes and waits. With acks 0 nothing is answered, and an error closes the
// connection, which is all that such a producer would notice. A partition named
// twice is answered once, and the last records are those that count. The
// internal topics are refused to everyone. Every error has its code: producers
// answer UNKNOWN_SERVER_ERROR with duplicates.
//
// Records of a transaction are appended in the Reply instead, still in order among
// themselves: before the first of them in a partition the transaction's
// coordinator is asked whether the partition is part of it (KIP-890), and from v12
// on it becomes so by this. A client that knows the name of no transaction may
// write in none: TRANSACTIONAL_ID_AUTHORIZATION_FAILED.
func Produce(options ProduceOptions) Handler {
	handler := &producer{replicas: options.Replicas, leaderEndpoint: options.LeaderEndpoint}
	handler.verifier = verifier{options.Transactions, options.Verify}
	if options.Verify == nil {
		handler.verifier.enabled = func() bool { return true }
	}
	return handler.handle
}

type producer struct {
	replicas       *replica.Manager
	leaderEndpoint LeaderEndpoint
	verifier       verifier
}

// target is one partition to append to and its place in the answer.
type target struct {
	topic, partition int
	records          []byte
	// verify: the records are of a transaction that is checked; verification is
	// the pass for them, 0 if the transaction is open in the partition.
	verify       bool
	verification uint64
}

// targetKey names a partition by the place of its topic in the answer.
type targetKey struct {
	topic     int
	partition int32
}

// pendingCommit is an append whose answer may have to wait.
type pendingCommit struct {
	at        target
	partition *replica.Partition
	info      replica.AppendInfo
}

// produceRound is the making of one answer. What nearly every request needs, the
// places for one partition, lies in it, so that it is one piece of memory.
type produceRound struct {
	handler  *producer
	request  *Request
	body     *kmsg.ProduceRequest
	response kmsg.ProduceResponse
	pending  []pendingCommit
	failed   bool

	topic      [1]kmsg.ProduceResponseTopic
	partition  [1]kmsg.ProduceResponseTopicPartition
	topicKey   [1]topicKey
	key        [1]targetKey
	target     [1]target
	onePending [1]pendingCommit
}

// room is an empty list with room for count: in one, if that is enough.
func room[T any](one *[1]T, count int) []T {
	if count <= 1 {
		return one[:0]
	}
	return make([]T, 0, count)
}

func (h *producer) handle(_ context.Context, request *Request) Reply {
	round := &produceRound{handler: h, request: request, body: request.Body.(*kmsg.ProduceRequest)}
	round.response.Version = round.body.Version
	targets := round.lay()
	if transactional(targets) {
		return func(ctx context.Context) (Response, error) {
			ready := h.verify(ctx, round.body, &round.response, targets, request.Listener)
			round.appendAll(ready)
			round.failed = len(round.pending) < len(targets)
			return round.reply(ctx)
		}
	}
	round.appendAll(targets)
	round.failed = len(round.pending) < len(targets)
	return round.reply
}

// appendAll appends to each target and notes what was appended.
func (f *produceRound) appendAll(targets []target) {
	f.pending = room(&f.onePending, len(targets))
	for _, at := range targets {
		if partition, info, ok := f.handler.appendTo(f.body, &f.response, at, f.request.Listener); ok {
			f.pending = append(f.pending, pendingCommit{at: at, partition: partition, info: info})
		}
	}
}

// reply waits for what was appended to be committed.
func (f *produceRound) reply(ctx context.Context) (Response, error) {
	deadline := f.request.Received.Add(time.Duration(max(f.body.TimeoutMillis, 0)) * time.Millisecond)
	for i := range f.pending {
		commit := &f.pending[i]
		if err := commit.partition.Commit(ctx, commit.info, f.body.Acks, time.Until(deadline)); err != nil {
			f.failed = true
			answer := place(&f.response, commit.at)
			if !errors.Is(err, kerr.RequestTimedOut) {
				answer.BaseOffset, answer.LogAppendTime, answer.LogStartOffset = -1, -1, -1
			}
			f.handler.refuse(&f.response, answer, commit.partition, err, f.request.Listener)
		}
	}
	if f.body.Acks != 0 {
		return &f.response, nil
	}
	if f.failed {
		return nil, ErrClose
	}
	return nil, nil
}

// lay makes the places of the answer, and lists what is to be appended where.
// Topics and partitions that are named again share one place.
func (f *produceRound) lay() []target {
	body, response := f.body, &f.response
	count := 0
	for i := range body.Topics {
		count += len(body.Topics[i].Partitions)
	}
	targets := room(&f.target, count)
	response.Topics = room(&f.topic, len(body.Topics))
	topics := places[topicKey]{keys: room(&f.topicKey, len(body.Topics))}
	partitions := places[targetKey]{keys: room(&f.key, count)}
	for i := range body.Topics {
		topic := &body.Topics[i]
		if len(topic.Partitions) == 0 {
			continue
		}
		at, found := topics.find(topicKey{topic.Topic, topic.TopicID})
		if !found {
			answers := f.partition[:0]
			if count > 1 {
				answers = make([]kmsg.ProduceResponseTopicPartition, 0, len(topic.Partitions))
			}
			response.Topics = append(response.Topics, kmsg.ProduceResponseTopic{Topic: topic.Topic, TopicID: topic.TopicID, Partitions: answers})
		}
		answer := &response.Topics[at]
		for j := range topic.Partitions {
			partition := &topic.Partitions[j]
			known, found := partitions.find(targetKey{at, partition.Partition})
			if found {
				targets[known].records = partition.Records
				continue
			}
			targets = append(targets, target{topic: at, partition: len(answer.Partitions), records: partition.Records})
			answer.Partitions = append(answer.Partitions, newProduceAnswer(partition.Partition))
		}
	}
	return targets
}

func newProduceAnswer(partition int32) kmsg.ProduceResponseTopicPartition {
	return kmsg.ProduceResponseTopicPartition{
		Partition: partition, BaseOffset: -1, LogAppendTime: -1, LogStartOffset: -1,
		CurrentLeader: kmsg.NewProduceResponseTopicPartitionCurrentLeader(),
	}
}

func place(response *kmsg.ProduceResponse, at target) *kmsg.ProduceResponseTopicPartition {
	return &response.Topics[at.topic].Partitions[at.partition]
}

func fail(answer *kmsg.ProduceResponseTopicPartition, failure *kerr.Error) {
	answer.ErrorCode = failure.Code
}

// appendTo appends to one partition and fills in its place; ok is false if it
// holds an error.
func (h *producer) appendTo(body *kmsg.ProduceRequest, response *kmsg.ProduceResponse, at target, listener string) (*replica.Partition, replica.AppendInfo, bool) {
	answer := place(response, at)
	topic := &response.Topics[at.topic]
	partition, failure := h.partition(body.Version, topic.Topic, topic.TopicID, answer.Partition)
	if failure != nil {
		fail(answer, failure)
		return nil, replica.AppendInfo{}, false
	}
	if err := record.CheckProduce(at.records, body.Version); err != nil {
		// What is wrong with the request as such comes before all else, and
		// Kafka's answer to it says nothing but the code.
		fail(answer, replica.ErrorOf(err))
		return nil, replica.AppendInfo{}, false
	}
	if body.Acks < -1 || body.Acks > 1 {
		fail(answer, kerr.InvalidRequiredAcks)
		return nil, replica.AppendInfo{}, false
	}
	if internalTopic(partition.Topic()) {
		fail(answer, kerr.InvalidTopicException)
		return nil, replica.AppendInfo{}, false
	}
	info, err := partition.Append(at.records, replica.AppendRequest{
		Acks: body.Acks, LeaderEpoch: replica.NoLeaderEpoch, Origin: storage.OriginClient, DeferFlush: true,
		Verify: at.verify, Verification: at.verification,
	})
	if err != nil {
		h.refuse(response, answer, partition, err, listener)
		return nil, replica.AppendInfo{}, false
	}
	answer.BaseOffset, answer.LogAppendTime, answer.LogStartOffset = info.BaseOffset, info.LogAppendTime, info.LogStartOffset
	return partition, info, true
}

func (h *producer) partition(version int16, name string, id [16]byte, index int32) (*replica.Partition, *kerr.Error) {
	if version >= 13 {
		return h.replicas.PartitionByID(id, index)
	}
	return h.replicas.Partition(name, index)
}

// refuse fills in a place with why the append failed.
func (h *producer) refuse(response *kmsg.ProduceResponse, answer *kmsg.ProduceResponseTopicPartition, partition *replica.Partition, err error, listener string) {
	failure := replica.ErrorOf(err)
	fail(answer, failure)
	if tellsLogStart(failure) {
		answer.LogStartOffset = partition.LogStartOffset()
	}
	var invalid *record.InvalidError
	if errors.As(err, &invalid) && len(invalid.Records) > 0 {
		addRecordErrors(answer, invalid)
	}
	if failure == kerr.NotLeaderForPartition && response.Version >= 10 {
		h.addLeader(response, answer, partition, listener)
	}
}

// tellsLogStart tells for which errors Kafka's answer has the log start offset:
// those that are about the records, not about the partition or the batch's size.
func tellsLogStart(failure *kerr.Error) bool {
	switch failure {
	case kerr.UnknownTopicOrPartition, kerr.NotLeaderForPartition, kerr.MessageTooLarge, kerr.RecordListTooLarge,
		kerr.CorruptMessage, kerr.KafkaStorageError, kerr.UnknownTopicID, kerr.RequestTimedOut:
		return false
	}
	return true
}

func addRecordErrors(answer *kmsg.ProduceResponseTopicPartition, invalid *record.InvalidError) {
	if invalid.Message != "" {
		answer.ErrorMessage = kmsg.StringPtr(invalid.Message)
	}
	for _, bad := range invalid.Records {
		entry := kmsg.NewProduceResponseTopicPartitionErrorRecord()
		entry.RelativeOffset = int32(bad.Index)
		if bad.Message != "" {
			entry.ErrorMessage = kmsg.StringPtr(bad.Message)
		}
		answer.ErrorRecords = append(answer.ErrorRecords, entry)
	}
}

// addLeader names the current leader (KIP-951).
func (h *producer) addLeader(response *kmsg.ProduceResponse, answer *kmsg.ProduceResponseTopicPartition, partition *replica.Partition, listener string) {
	leader, epoch := partition.Leader()
	answer.CurrentLeader.LeaderID, answer.CurrentLeader.LeaderEpoch = leader, epoch
	for i := range response.Brokers {
		if response.Brokers[i].NodeID == leader {
			return
		}
	}
	if endpoint, ok := h.leaderEndpoint(listener, leader); ok {
		broker := kmsg.NewProduceResponseBroker()
		broker.NodeID, broker.Host, broker.Port, broker.Rack = leader, endpoint.Host, endpoint.Port, endpoint.Rack
		response.Brokers = append(response.Brokers, broker)
	}
}
