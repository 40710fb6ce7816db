package powercut

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The topics that are there from the beginning.
const (
	plainTopic = "plain" // single tries of producers without idempotence; its start offset moves up
	keptTopic  = "kept"  // idempotent producers, compressed
	moneyTopic = "money" // transactions
)

// segmentBytes make logs roll after a few dozen records. Kafka has this setting for tests.
const segmentBytes = "24000"

func topicPartitions() map[string]int {
	return map[string]int{plainTopic: 2, keptTopic: 3, moneyTopic: 2}
}

func topicConfig() map[string]*string {
	return map[string]*string{"internal.segment.bytes": kadm.StringPtr(segmentBytes), "retention.ms": kadm.StringPtr("-1")}
}

// workload is the clients of one stretch between two power cuts.
type workload struct {
	ctx     context.Context
	address string
	ledger  *ledger
	seed    uint64
	// cut is set before the power goes; errors after that are no problem.
	cut *atomic.Bool
	// watch notes what readers see as promised, which holds where every append is flushed.
	watch bool
}

func (w *workload) random(n uint64) *rand.Rand { return rand.New(rand.NewPCG(w.seed, n)) }

// client makes a client that is closed with the workload: what an idempotent client has on its way it would otherwise
// never give up.
func (w *workload) client(options ...kgo.Opt) *kgo.Client {
	c := client(w.address, options...)
	context.AfterFunc(w.ctx, c.Close)
	return c
}

// client makes a client that tries again soon. Options that cannot be are a bug of the test.
func client(address string, options ...kgo.Opt) *kgo.Client {
	made, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(address), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0), kgo.MetadataMinAge(20 * time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }), kgo.RetryTimeout(time.Hour),
		kgo.UnknownTopicRetries(-1), kgo.AlwaysRetryEOF(),
		kgo.ProducerBatchMaxBytes(20000), // a batch must fit into a segment
	}, options...)...)
	if err != nil {
		panic(fmt.Sprintf("BUG: options of a client: %v", err))
	}
	return made
}

// failed notes an error that came while the power was on.
func (w *workload) failed(what string, err error) {
	if err != nil && !w.cut.Load() && w.ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		w.ledger.problem("%s: %v", what, err)
	}
}

func (w *workload) pause(random *rand.Rand, most int) {
	select {
	case <-w.ctx.Done():
	case <-time.After(time.Duration(random.IntN(most*1000)+1) * time.Microsecond):
	}
}

// run runs all clients until the context ends. The keepers write all the while.
func (w *workload) run(keepers []*keeper) {
	var group sync.WaitGroup
	for n, k := range keepers {
		group.Go(func() { k.write(w, w.random(uint64(100+n))) })
	}
	for n := range uint64(2) {
		group.Go(func() { w.writePlain(w.random(n)) })
	}
	group.Go(func() { w.transact(w.random(10)) })
	group.Go(func() { w.commitOffsets(w.random(11)) })
	group.Go(func() { w.administer(w.random(12)) })
	group.Go(func() { w.deleteRecords(w.random(13)) })
	if w.watch {
		group.Go(w.read)
	}
	group.Wait()
}

// writePlain sends a few records at a time, each once, and waits.
func (w *workload) writePlain(random *rand.Rand) {
	acks := kgo.AllISRAcks()
	if random.IntN(2) == 0 {
		acks = kgo.LeaderAck()
	}
	c := w.client(kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1), kgo.RecordRetries(0), kgo.RequiredAcks(acks),
		kgo.ProducerBatchCompression(kgo.NoCompression()))
	writer := w.ledger.writer()
	for number := uint64(1); w.ctx.Err() == nil; {
		var records []*kgo.Record
		for range 1 + random.IntN(6) {
			p, id := place{plainTopic, int32(random.IntN(topicPartitions()[plainTopic]))}, newID(writer, number)
			number++
			w.ledger.sending(p, id)
			records = append(records, &kgo.Record{Topic: p.topic, Partition: p.partition, Value: id.value()})
		}
		for _, result := range c.ProduceSync(w.ctx, records...) {
			w.told(result.Record, result.Err)
		}
		w.pause(random, 3)
	}
}

// told notes the answer to a record.
func (w *workload) told(r *kgo.Record, err error) {
	if err != nil {
		w.failed("produce to "+r.Topic, err)
		return
	}
	id, _ := parseValue(r.Value)
	w.ledger.acknowledged(place{r.Topic, r.Partition}, r.Offset, id)
}

// keeper is an idempotent producer that never gives up, not even when the power is cut.
type keeper struct {
	client  *kgo.Client
	ledger  *ledger
	writer  uint16
	number  uint64
	flights chan struct{}
}

func newKeeper(address string, l *ledger, codec kgo.CompressionCodec) *keeper {
	return &keeper{
		// The client has five requests on their way, as many as a broker must know again, whichever of them it had written.
		client: client(address, kgo.RecordRetries(1<<30), kgo.ProducerBatchCompression(codec)),
		ledger: l, writer: l.writer(),
		flights: make(chan struct{}, 48),
	}
}

// write sends records until the workload ends. What is on its way then stays so.
func (k *keeper) write(w *workload, random *rand.Rand) {
	for {
		select {
		case k.flights <- struct{}{}:
		case <-w.ctx.Done():
			return
		}
		k.number++
		p, id := place{keptTopic, int32(random.IntN(topicPartitions()[keptTopic]))}, newID(k.writer, k.number)
		k.ledger.sending(p, id)
		k.client.Produce(context.Background(), &kgo.Record{Topic: p.topic, Partition: p.partition, Value: id.value()}, func(r *kgo.Record, err error) {
			<-k.flights
			switch {
			case err == nil:
				k.ledger.acknowledged(p, r.Offset, id)
			case !errors.Is(err, kgo.ErrClientClosed):
				k.ledger.problem("a producer that never gives up gave up: %v", err)
			}
		})
		if random.IntN(8) == 0 {
			w.pause(random, 4)
		}
	}
}

// transact writes one transaction after the other.
func (w *workload) transact(random *rand.Rand) {
	writer, id := w.ledger.writer(), "teller"
	if !w.watch { // what is lost of the transactions' log may have raised the epoch that the partitions know
		id = fmt.Sprint("teller-", writer)
	}
	c := w.client(kgo.TransactionalID(id), kgo.ProducerBatchCompression(kgo.SnappyCompression()), kgo.RecordRetries(1<<30))
	for number := uint64(1); w.ctx.Err() == nil; {
		if err := c.BeginTransaction(); err != nil {
			w.failed("begin a transaction", err)
			return
		}
		t := &transaction{records: map[place][]recordID{}}
		var records []*kgo.Record
		for range 1 + random.IntN(5) {
			p, id := place{moneyTopic, int32(random.IntN(topicPartitions()[moneyTopic]))}, newID(writer, number)
			number++
			w.ledger.sending(p, id)
			t.records[p] = append(t.records[p], id)
			records = append(records, &kgo.Record{Topic: p.topic, Partition: p.partition, Value: id.value()})
		}
		w.ledger.change(func() { w.ledger.transactions = append(w.ledger.transactions, t) })
		whole := true
		for _, result := range c.ProduceSync(w.ctx, records...) {
			w.told(result.Record, result.Err)
			whole = whole && result.Err == nil
		}
		if !whole {
			return // the next client ends it
		}
		ending := committed
		if random.IntN(5) == 0 {
			ending = aborted
		}
		if err := c.EndTransaction(w.ctx, kgo.TransactionEndTry(ending == committed)); err != nil {
			w.failed("end a transaction", err)
			return
		}
		w.ledger.change(func() { t.outcome = ending })
		w.pause(random, 15)
	}
}

// commitOffsets commits rising offsets in a few groups.
func (w *workload) commitOffsets(random *rand.Rand) {
	c := w.client()
	admin := kadm.NewClient(c)
	for w.ctx.Err() == nil {
		group := fmt.Sprint("group-", random.IntN(5))
		var next int64
		w.ledger.change(func() {
			known := w.ledger.groups[group]
			if known == nil {
				known = &counter{}
				w.ledger.groups[group] = known
			}
			known.asked++
			next = known.asked
		})
		offsets := kadm.Offsets{}
		offsets.AddOffset(keptTopic, 0, next, -1)
		answers, err := admin.CommitOffsets(w.ctx, group, offsets)
		if err == nil {
			err = answers.Error()
		}
		if err != nil {
			w.failed("commit an offset", err)
			return
		}
		w.ledger.change(func() {
			known := w.ledger.groups[group]
			known.acknowledged = max(known.acknowledged, next)
		})
		w.pause(random, 8)
	}
}

// read follows the logs and notes what it sees.
func (w *workload) read() {
	c := w.client(kgo.ConsumeTopics(plainTopic, keptTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()), kgo.FetchMaxWait(50*time.Millisecond))
	for w.ctx.Err() == nil {
		c.PollFetches(w.ctx).EachRecord(func(r *kgo.Record) { w.ledger.seen(place{r.Topic, r.Partition}, r.Offset, r.Value) })
	}
}
