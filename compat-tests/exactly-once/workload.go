package exactlyonce

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

const (
	partitions = 3
	group      = "copiers"
	// transactionTimeout bounds how long an abandoned transaction holds back readers.
	transactionTimeout = 5 * time.Second
)

// workload is the clients of one run. Producers write to topic in, copiers copy it to out, readers read both.
type workload struct {
	address string
	proxy   *Proxy
	history *History
	seed    uint64
	// options choose the transaction protocol.
	options []kgo.Opt
	values  atomic.Int64
	// stopProducers and stopCopiers end the clients between two operations; hard ends them in the middle of one.
	stopProducers, stopCopiers context.Context
	hard                       context.Context
	producers, copiers         sync.WaitGroup

	mutex sync.Mutex
	lost  []string // the clients that lost a record
}

// random is a client's own source, so that what one draws does not depend on the others.
func (w *workload) random(place uint64) *rand.Rand { return rand.New(rand.NewPCG(w.seed, place)) }

// base are the options of a client that reaches the broker through the proxy.
func (w *workload) base(id string) []kgo.Opt {
	return append([]kgo.Opt{
		kgo.SeedBrokers(w.address), kgo.ClientID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MetadataMinAge(20 * time.Millisecond), kgo.UnknownTopicRetries(-1), kgo.ProducerLinger(0),
		kgo.RetryBackoffFn(func(tries int) time.Duration { return min(20*time.Millisecond<<min(tries, 5), 300*time.Millisecond) }),
		kgo.Dialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, w.proxy.Address)
		}),
	}, w.options...)
}

// start starts all clients.
func (w *workload) start() {
	codecs := []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()}
	for i := range 3 {
		// Each run has all codecs among its clients over a few seeds.
		codec := codecs[(int(w.seed%5)+i)%5]
		w.producers.Go(func() { w.produce(fmt.Sprintf("producer-%d", i), codec, w.random(uint64(10+i))) })
	}
	w.producers.Go(func() { w.produceAlone(w.random(1)) })
	for i := range 2 {
		codec := codecs[(int(w.seed%5)+3+i)%5]
		w.copiers.Go(func() { w.copy(fmt.Sprintf("copier-%d", i), codec, w.random(uint64(20+i))) })
		w.copiers.Go(func() { w.read(fmt.Sprintf("reader-%d", i)) })
	}
	w.copiers.Go(w.watchOffsets)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), " ", "_")
}

// body is a value as a record holds it: numbers, and words that compress.
func body(value, source int64) []byte {
	return fmt.Appendf(nil, "%d %d the same words in each record, so that there is something to compress", value, source)
}

// parse returns what body wrote, zero for what it did not write.
func parse(record []byte) (value, source int64) {
	words := strings.SplitN(string(record), " ", 3)
	if len(words) == 3 {
		value, _ = strconv.ParseInt(words[0], 10, 64)
		source, _ = strconv.ParseInt(words[1], 10, 64)
	}
	return value, source
}

func name(topic string, partition int32) string { return fmt.Sprintf("%s-%d", topic, partition) }

// produce writes transactions until it is to stop. A client that failed is made anew under the same id, as a process
// that is started again would be.
func (w *workload) produce(id string, codec kgo.CompressionCodec, random *rand.Rand) {
	for w.stopProducers.Err() == nil {
		client, err := kgo.NewClient(append(w.base(id), kgo.TransactionalID(id), kgo.TransactionTimeout(transactionTimeout),
			kgo.ProducerBatchCompression(codec), kgo.DefaultProduceTopic("in"))...)
		if err != nil {
			panic(fmt.Sprintf("BUG: options of %s: %v", id, err))
		}
		for alive := true; alive && w.stopProducers.Err() == nil; {
			alive = w.transact(client, id, random)
			pause(w.stopProducers, time.Duration(random.IntN(20))*time.Millisecond)
		}
		client.Close()
	}
}

// transact writes one transaction and tells whether the client can go on.
func (w *workload) transact(client *kgo.Client, id string, random *rand.Rand) bool {
	if err := client.BeginTransaction(); err != nil {
		return false
	}
	o := Operation{Process: id, Kind: Transaction, Start: w.history.Now(), Outcome: Failed}
	var waiting sync.WaitGroup
	var mutex sync.Mutex
	var steps []Step // what the promises, which may outlive this call, fill in
	var failed error
	defer func() {
		mutex.Lock()
		o.Steps = slices.Clone(steps)
		mutex.Unlock()
		o.End = w.history.Now()
		w.history.Add(o)
	}()
	crash := random.IntN(40) == 0
	for i := range 1 + random.IntN(8) {
		value, partition := w.values.Add(1), int32(random.IntN(partitions))
		mutex.Lock()
		steps = append(steps, Step{Wrote, name("in", partition), value, NoOffset, 0})
		mutex.Unlock()
		waiting.Add(1)
		client.Produce(w.hard, &kgo.Record{Topic: "in", Partition: partition, Value: body(value, 0)}, func(r *kgo.Record, err error) {
			defer waiting.Done()
			mutex.Lock()
			defer mutex.Unlock()
			if err != nil {
				failed = err
				return
			}
			steps[i].Offset = r.Offset
		})
		if random.IntN(4) == 0 {
			// Several batches in one transaction.
			pause(w.hard, time.Millisecond)
		}
	}
	if crash {
		// Nobody ever asks for a commit: whatever is on its way is aborted by the next client or by the timeout.
		pause(w.hard, time.Duration(random.IntN(10))*time.Millisecond)
		client.Close()
		// Not waited for: a closed client may forget a promise. The history gets what is known by now.
		return false
	}
	if !w.promised(&waiting, id) {
		return false
	}
	commit := failed == nil && random.IntN(7) != 0
	if commit {
		o.Decided = w.history.Now()
	}
	err := client.EndTransaction(w.hard, kgo.TransactionEndTry(commit))
	switch {
	case commit && err == nil:
		o.Outcome = Ok
	case commit:
		o.Outcome = Unknown
	}
	o.Error = message(errors.Join(failed, err))
	return err == nil
}

// patience is how long the answer to a record may take, with faults that last 3 seconds at most.
const patience = 20 * time.Second

// promised waits for the answers to all records of a transaction; false: the client has lost one. It is then given up
// like one that has crashed, and counted.
//
// franz-go 1.22.2 lost some where the connection broke under its AddPartitionsToTxn: it sent a later batch of a
// partition before an earlier one, passed over the OUT_OF_ORDER_SEQUENCE_NUMBER that came of it as news about a batch
// that is not the first, and did nothing more. Nothing is on its way then, and the broker serves all others.
func (w *workload) promised(waiting *sync.WaitGroup, id string) bool {
	if ended(waiting, patience) {
		return true
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.lost = append(w.lost, id)
	return false
}

// ended waits for a group until limit has passed and tells whether it has ended.
func ended(group *sync.WaitGroup, limit time.Duration) bool {
	all := make(chan struct{})
	go func() { group.Wait(); close(all) }()
	select {
	case <-all:
		return true
	case <-time.After(limit):
		return false
	}
}

// produceAlone writes single records outside of transactions, as an idempotent producer that never gives up.
func (w *workload) produceAlone(random *rand.Rand) {
	client, err := kgo.NewClient(append(w.base("alone"), kgo.RecordRetries(1<<30))...)
	if err != nil {
		panic(fmt.Sprintf("BUG: options of the producer outside of transactions: %v", err))
	}
	defer client.Close()
	for w.stopProducers.Err() == nil {
		for range 1 + random.IntN(5) {
			value, partition := w.values.Add(1), int32(random.IntN(partitions))
			start := w.history.Now()
			client.Produce(w.hard, &kgo.Record{Topic: "in", Partition: partition, Value: body(value, 0)}, func(r *kgo.Record, err error) {
				o := Operation{Process: "alone", Kind: Send, Start: start, End: w.history.Now(), Outcome: Ok, Error: message(err)}
				offset := r.Offset
				if err != nil {
					o.Outcome, offset = Unknown, NoOffset
				}
				o.Steps = []Step{{Wrote, name("in", partition), value, offset, 0}}
				w.history.Add(o)
			})
		}
		pause(w.stopProducers, time.Duration(random.IntN(20))*time.Millisecond)
		if random.IntN(3) == 0 {
			_ = client.Flush(w.hard)
		}
	}
	_ = client.Flush(w.hard)
}

// copy copies in to out in transactions that hold the records and the offsets alike.
func (w *workload) copy(id string, codec kgo.CompressionCodec, random *rand.Rand) {
	for w.stopCopiers.Err() == nil {
		session, err := kgo.NewGroupTransactSession(append(w.base(id), kgo.TransactionalID(id), kgo.TransactionTimeout(transactionTimeout),
			kgo.ConsumerGroup(group), kgo.ConsumeTopics("in"), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
			kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(500*time.Millisecond), kgo.FetchMaxWait(200*time.Millisecond),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.ProducerBatchCompression(codec), kgo.KeepControlRecords())...)
		if err != nil {
			panic(fmt.Sprintf("BUG: options of %s: %v", id, err))
		}
		for w.copyOnce(session, id, random) {
		}
		session.Close()
	}
}

// copyOnce copies what one poll gives and tells whether the session can go on.
func (w *workload) copyOnce(session *kgo.GroupTransactSession, id string, random *rand.Rand) bool {
	fetches := session.PollRecords(w.stopCopiers, 1+random.IntN(100))
	if fetches.Err0() != nil || w.stopCopiers.Err() != nil {
		return false
	}
	o := Operation{Process: id, Kind: Transaction, Start: w.history.Now(), Outcome: Failed}
	var mutex sync.Mutex
	var steps []Step // what the promises, which may outlive this call, fill in
	defer func() {
		mutex.Lock()
		o.Steps = append(slices.Clone(steps), o.Steps...)
		mutex.Unlock()
		o.End = w.history.Now()
		w.history.Add(o)
	}()
	var problems []error
	fetches.EachError(func(_ string, _ int32, err error) { problems = append(problems, err) })
	if err := session.Begin(); err != nil {
		o.Error = message(errors.Join(append(problems, err)...))
		return false
	}
	var waiting sync.WaitGroup
	next := map[string]int64{}
	fetches.EachRecord(func(r *kgo.Record) {
		next[name(r.Topic, r.Partition)] = r.Offset + 1
		if r.Attrs.IsControl() {
			return
		}
		source, _ := parse(r.Value)
		copied := w.values.Add(1)
		mutex.Lock()
		steps = append(steps, Step{Read, name(r.Topic, r.Partition), source, r.Offset, 0}, Step{Copied, name("out", r.Partition), copied, NoOffset, source})
		place := len(steps) - 1
		mutex.Unlock()
		waiting.Add(1)
		session.Produce(w.hard, &kgo.Record{Topic: "out", Partition: r.Partition, Value: body(copied, source)}, func(r *kgo.Record, err error) {
			defer waiting.Done()
			mutex.Lock()
			defer mutex.Unlock()
			if err == nil {
				steps[place].Offset = r.Offset
			}
		})
	})
	if random.IntN(40) == 0 {
		session.Close()
		// Not waited for: a closed client may forget a promise. The history gets what is known by now.
		return false
	}
	commit := random.IntN(10) != 0
	decided := w.history.Now()
	if commit && !w.promised(&waiting, id) {
		return false
	}
	committed, err := session.End(w.hard, kgo.TransactionEndTry(commit))
	if !w.promised(&waiting, id) {
		return false
	}
	switch {
	case committed && err == nil:
		o.Outcome, o.Decided = Ok, decided
		for partition, offset := range next {
			o.Steps = append(o.Steps, Step{Committed, group + "/" + partition, 0, offset, 0})
		}
	case commit && err != nil:
		o.Outcome, o.Decided = Unknown, decided
	}
	o.Error = message(errors.Join(append(problems, err)...))
	return err == nil
}

// fromStart are all partitions of both topics from their first record.
func fromStart() map[string]map[int32]kgo.Offset {
	all := map[string]map[int32]kgo.Offset{"in": {}, "out": {}}
	for p := range int32(partitions) {
		all["in"][p], all["out"][p] = kgo.NewOffset().At(0), kgo.NewOffset().At(0)
	}
	return all
}

// reader makes a client that reads what is committed of both topics, and tells the history so. It must never be
// reset to another place.
func (w *workload) reader(id string) *kgo.Client {
	client, err := kgo.NewClient(append(w.base(id), kgo.ConsumePartitions(fromStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.KeepControlRecords(), kgo.FetchMaxWait(200*time.Millisecond))...)
	if err != nil {
		panic(fmt.Sprintf("BUG: options of %s: %v", id, err))
	}
	o := Operation{Process: id, Kind: Assign, Start: w.history.Now(), Outcome: Ok}
	for topic, all := range fromStart() {
		for p := range all {
			o.Steps = append(o.Steps, Step{From, name(topic, p), 0, 0, 0})
		}
	}
	o.End = w.history.Now()
	w.history.Add(o)
	return client
}

// poll polls once. It returns how far each partition was read, control records included.
func (w *workload) poll(ctx context.Context, client *kgo.Client, id string) (map[string]int64, []Step, error) {
	o := Operation{Process: id, Kind: Poll, Start: w.history.Now(), Outcome: Ok}
	fetches := client.PollFetches(ctx)
	if err := fetches.Err0(); err != nil {
		return nil, nil, err
	}
	o.End = w.history.Now()
	next, problems := map[string]int64{}, []error(nil)
	fetches.EachError(func(_ string, _ int32, err error) { problems = append(problems, err) })
	fetches.EachRecord(func(r *kgo.Record) {
		next[name(r.Topic, r.Partition)] = r.Offset + 1
		if !r.Attrs.IsControl() {
			value, source := parse(r.Value)
			o.Steps = append(o.Steps, Step{Read, name(r.Topic, r.Partition), value, r.Offset, source})
		}
	})
	o.Error = message(errors.Join(problems...))
	w.history.Add(o)
	return next, o.Steps, nil
}

func (w *workload) read(id string) {
	client := w.reader(id)
	defer client.Close()
	for {
		if _, _, err := w.poll(w.stopCopiers, client, id); err != nil {
			return
		}
	}
}

// watchOffsets reads the group's stable offsets over and over. It asks for partitions by name: an answer about all
// that a group has leaves out those whose first offset waits for the marker of a transaction that is committed.
func (w *workload) watchOffsets() {
	client, err := kgo.NewClient(append(w.base("watcher"), kgo.MaxVersions(kversion.V3_5_0()))...)
	if err != nil {
		panic(fmt.Sprintf("BUG: options of the watcher: %v", err))
	}
	defer client.Close()
	topic := kmsg.NewOffsetFetchRequestGroupTopic()
	topic.Topic = "in"
	for p := range int32(partitions) {
		topic.Partitions = append(topic.Partitions, p)
	}
	asked := kmsg.NewOffsetFetchRequestGroup()
	asked.Group, asked.Topics = group, []kmsg.OffsetFetchRequestGroupTopic{topic}
	request := kmsg.NewPtrOffsetFetchRequest()
	request.Groups, request.RequireStable = []kmsg.OffsetFetchRequestGroup{asked}, true
	for w.stopCopiers.Err() == nil {
		o := Operation{Process: "watcher", Kind: Offsets, Start: w.history.Now(), Outcome: Ok}
		answer, err := request.RequestWith(w.stopCopiers, client)
		o.End = w.history.Now()
		if err == nil && len(answer.Groups) == 1 && answer.Groups[0].ErrorCode == 0 {
			for _, t := range answer.Groups[0].Topics {
				for _, p := range t.Partitions {
					if p.ErrorCode == 0 {
						o.Steps = append(o.Steps, Step{Found, group + "/" + name(t.Topic, p.Partition), 0, p.Offset, 0})
					}
				}
			}
			w.history.Add(o)
		}
		pause(w.stopCopiers, 50*time.Millisecond)
	}
}
