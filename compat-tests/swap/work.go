package swap

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/compat-tests/harness"
)

// The topics that live through all turns.
const (
	codecs    = "codecs"    // a partition for each codec
	compacted = "compacted" // cleaned, with gaps
	ledger    = "ledger"    // transactions
	steady    = "steady"    // one idempotent producer over all turns
	grown     = "grown"     // a partition more each turn
	reborn    = "reborn"    // deleted and created again each turn
)

// worker does the work of every turn. Two of its producers live through all turns, as those of a user would.
type worker struct {
	broker *harness.Broker // any: all have the same address
	steady *kgo.Client
	open   *kgo.Client // has a transaction open between turns
	turn   int
}

func newWorker(t *testing.T, broker *harness.Broker) *worker {
	t.Helper()
	long := kgo.TransactionTimeout(10 * time.Minute)
	return &worker{broker: broker, steady: client(t, broker), open: client(t, broker, kgo.TransactionalID("open"), long)}
}

func write(t *testing.T, ctx context.Context, c *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	if err := c.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatalf("write to %s-%d: %v", records[0].Topic, records[0].Partition, err)
	}
}

// work is one turn: it goes on with what the last turn left and leaves new things for the next.
func (w *worker) work(t *testing.T, now *harness.Broker, with security) {
	t.Helper()
	ctx := timeout(t)
	admin := kadm.NewClient(client(t, now))
	if w.turn == 0 {
		w.create(t, ctx, admin)
	} else {
		w.endTransactions(t, ctx, now)
	}
	w.topics(t, ctx, admin)
	w.codecs(t, ctx, now)
	w.compacted(t, ctx, now)
	w.transactions(t, ctx, now)
	w.groups(t, ctx, now, admin)
	for n := range 15 {
		write(t, ctx, w.steady, &kgo.Record{Topic: steady, Value: fmt.Appendf(nil, "%d of turn %d", n, w.turn)})
	}
	_, err := admin.DeleteRecords(ctx, kadm.Offsets{codecs: {0: {Topic: codecs, At: int64(100 * (w.turn + 1))}}})
	check(t, err)
	w.security(t, ctx, admin, with)
	w.turn++
}

func (w *worker) create(t *testing.T, ctx context.Context, admin *kadm.Client) {
	t.Helper()
	// Some records are old: nothing may expire.
	small := map[string]*string{"segment.bytes": kadm.StringPtr("1048576"), "retention.ms": kadm.StringPtr("-1")}
	clean := map[string]*string{
		"segment.bytes": kadm.StringPtr("1048576"), "cleanup.policy": kadm.StringPtr("compact"),
		"min.cleanable.dirty.ratio": kadm.StringPtr("0.01"), "delete.retention.ms": kadm.StringPtr("0"),
	}
	for _, topic := range []struct {
		name       string
		partitions int32
		configs    map[string]*string
	}{{codecs, 5, small}, {compacted, 1, clean}, {ledger, 3, nil}, {steady, 1, small}, {grown, 1, nil}, {reborn, 1, nil}} {
		_, err := admin.CreateTopic(ctx, topic.partitions, 1, topic.configs, topic.name)
		check(t, err)
	}
}

// topics creates, grows, configures and deletes.
func (w *worker) topics(t *testing.T, ctx context.Context, admin *kadm.Client) {
	t.Helper()
	_, err := admin.CreateTopic(ctx, 2, 1, map[string]*string{"retention.ms": kadm.StringPtr(fmt.Sprint(86400000 + w.turn))}, fmt.Sprintf("turn-%d", w.turn))
	check(t, err)
	doomed := []string{reborn}
	if w.turn > 1 {
		doomed = append(doomed, fmt.Sprintf("turn-%d", w.turn-2))
	}
	deleted, err := admin.DeleteTopics(ctx, doomed...)
	check(t, err)
	check(t, deleted.Error())
	harness.WaitUntil(t, time.Minute, "the topic to be deleted and created again", func(ctx context.Context) bool {
		_, err := admin.CreateTopic(ctx, 1, 1, nil, reborn)
		return err == nil
	})
	if w.turn > 0 {
		altered, err := admin.UpdatePartitions(ctx, w.turn+1, grown)
		check(t, err)
		check(t, altered.Error())
	}
	answers, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Name: "max.message.bytes", Value: kadm.StringPtr(fmt.Sprint(1000000 + w.turn))}}, codecs)
	check(t, err)
	check(t, answers[0].Err)
	answers, err = admin.AlterBrokerConfigs(ctx, []kadm.AlterConfig{{Name: "message.max.bytes", Value: kadm.StringPtr(fmt.Sprint(2000000 + w.turn))}})
	check(t, err)
	check(t, answers[0].Err)
}

// codecs writes with every codec: records of all shapes, and in the first partition so much that a segment is rolled.
func (w *worker) codecs(t *testing.T, ctx context.Context, now *harness.Broker) {
	t.Helper()
	for partition, codec := range []kgo.CompressionCodec{
		kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression(),
	} {
		c := client(t, now, kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(20*time.Millisecond))
		var records []*kgo.Record
		for n := range 40 {
			r := &kgo.Record{
				Topic: codecs, Partition: int32(partition), Key: fmt.Appendf(nil, "key %d", n), Timestamp: time.UnixMilli(1700000000000 + int64(n)),
				Value:   []byte(strings.Repeat(fmt.Sprintf("turn %d, record %d; ", w.turn, n), 10)),
				Headers: []kgo.RecordHeader{{Key: "turn", Value: fmt.Append(nil, w.turn)}, {Key: "none"}},
			}
			switch n % 10 {
			case 3:
				r.Key, r.Headers = nil, nil
			case 7:
				r.Value = nil
			case 9:
				r.Key, r.Value = []byte{}, []byte{}
			}
			records = append(records, r)
		}
		write(t, ctx, c, records...)
		if partition == 0 {
			w.roll(t, ctx, c)
		}
		c.Close()
	}
}

// roll writes more than a segment takes.
func (w *worker) roll(t *testing.T, ctx context.Context, c *kgo.Client) {
	t.Helper()
	for batch := range 20 {
		var records []*kgo.Record
		for n := range 10 {
			records = append(records, &kgo.Record{Topic: codecs, Value: noise(uint64(w.turn*1000+batch*10+n), 7000)})
		}
		write(t, ctx, c, records...)
	}
}

// noise is text that does not compress.
func noise(seed uint64, size int) []byte {
	random, text := rand.New(rand.NewPCG(seed, 1)), make([]byte, size)
	for i := range text {
		text[i] = byte('0' + random.IntN(75))
	}
	return text
}

// compacted writes the same keys over and over, a tombstone among them, so that there is something to clean.
func (w *worker) compacted(t *testing.T, ctx context.Context, now *harness.Broker) {
	t.Helper()
	c := client(t, now)
	for batch := range 24 {
		var records []*kgo.Record
		for n := batch * 10; n < batch*10+10; n++ {
			r := &kgo.Record{Topic: compacted, Key: fmt.Appendf(nil, "key %d", n%(17+w.turn)), Value: noise(uint64(n), 6000)}
			if n%31 == 30 {
				r.Value = nil
			}
			records = append(records, r)
		}
		write(t, ctx, c, records...)
	}
}

// transactions commits, aborts, and leaves two open: one to be ended by its own client in the next turn, one whose
// client is gone.
func (w *worker) transactions(t *testing.T, ctx context.Context, now *harness.Broker) {
	t.Helper()
	for _, commit := range []bool{true, false} {
		c := client(t, now, kgo.TransactionalID(fmt.Sprintf("ends-%t", commit)))
		for n := range 3 {
			check(t, c.BeginTransaction())
			for partition := range int32(2) {
				write(t, ctx, c, &kgo.Record{Topic: ledger, Partition: partition, Value: fmt.Appendf(nil, "turn %d, transaction %d: %t", w.turn, n, commit)})
			}
			check(t, c.EndTransaction(ctx, kgo.TransactionEndTry(commit)))
		}
		c.Close()
	}
	abandoned := client(t, now, kgo.TransactionalID("abandoned"), kgo.TransactionTimeout(10*time.Minute))
	for _, c := range []*kgo.Client{abandoned, w.open} {
		check(t, c.BeginTransaction())
	}
	write(t, ctx, abandoned, &kgo.Record{Topic: ledger, Partition: 1, Value: fmt.Appendf(nil, "abandoned in turn %d", w.turn)})
	write(t, ctx, w.open, &kgo.Record{Topic: ledger, Partition: 2, Value: fmt.Appendf(nil, "open since turn %d", w.turn)})
}

// endTransactions ends what the last turn left open: one is committed by the client that began it, one aborted by a new
// client with the same transactional id. Nothing holds back a reader then.
func (w *worker) endTransactions(t *testing.T, ctx context.Context, now *harness.Broker) {
	t.Helper()
	write(t, ctx, w.open, &kgo.Record{Topic: ledger, Partition: 2, Value: fmt.Appendf(nil, "continued in turn %d", w.turn)})
	check(t, w.open.EndTransaction(ctx, kgo.TransactionEndTry(w.turn%2 == 1)))
	successor := client(t, now, kgo.TransactionalID("abandoned"))
	check(t, successor.BeginTransaction())
	write(t, ctx, successor, &kgo.Record{Topic: ledger, Partition: 0, Value: fmt.Appendf(nil, "taken over in turn %d", w.turn)})
	check(t, successor.EndTransaction(ctx, kgo.TryCommit))
	successor.Close()
	admin := kadm.NewClient(client(t, now))
	harness.WaitUntil(t, time.Minute, "the last turn's transactions to end", func(ctx context.Context) bool {
		ends, err := admin.ListEndOffsets(ctx, ledger)
		check(t, err)
		stable, err := admin.ListCommittedOffsets(ctx, ledger)
		check(t, err)
		settled := true
		ends.Each(func(end kadm.ListedOffset) {
			last, _ := stable.Lookup(end.Topic, end.Partition)
			settled = settled && last.Offset == end.Offset
		})
		return settled
	})
}

// groups commits offsets: by an administrator, by a member of a group, and in a transaction.
func (w *worker) groups(t *testing.T, ctx context.Context, now *harness.Broker, admin *kadm.Client) {
	t.Helper()
	for _, group := range []string{"shared", fmt.Sprintf("group-%d", w.turn)} {
		offsets := kadm.Offsets{}
		for partition := range int32(5) {
			offsets.Add(kadm.Offset{Topic: codecs, Partition: partition, At: int64(w.turn*10) + int64(partition), LeaderEpoch: -1, Metadata: fmt.Sprintf("turn %d", w.turn)})
		}
		check(t, admin.CommitAllOffsets(ctx, group, offsets))
	}
	if w.turn > 1 {
		_, err := admin.DeleteGroup(ctx, fmt.Sprintf("group-%d", w.turn-2))
		check(t, err)
	}
	member := client(t, now, kgo.ConsumerGroup("members"), kgo.ConsumeTopics(steady), kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if w.turn > 0 {
		fetches := member.PollFetches(ctx)
		check(t, fetches.Err0())
		check(t, member.CommitUncommittedOffsets(ctx))
		check(t, member.LeaveGroupContext(ctx))
	}
	member.Close()
	session, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(now.Address), kgo.TransactionalID("copier"), kgo.ConsumerGroup("copiers"), kgo.ConsumeTopics(codecs),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd().Relative(-3)), kgo.RecordPartitioner(kgo.ManualPartitioner()),
	)
	check(t, err)
	defer session.Close()
	fetches := session.PollRecords(ctx, 10)
	check(t, fetches.Err0())
	check(t, session.Begin())
	fetches.EachRecord(func(r *kgo.Record) {
		session.Produce(ctx, &kgo.Record{Topic: ledger, Partition: 0, Value: fmt.Appendf(nil, "copy of %d", r.Offset)}, nil)
	})
	_, err = session.End(ctx, kgo.TryCommit)
	check(t, err)
	check(t, session.Client().LeaveGroupContext(ctx))
}

// security sets quotas and users where the server acts upon them.
func (w *worker) security(t *testing.T, ctx context.Context, admin *kadm.Client, with security) {
	t.Helper()
	if !with.quotas {
		return
	}
	name := fmt.Sprintf("user-%d", w.turn)
	_, err := admin.AlterClientQuotas(ctx, []kadm.AlterClientQuotaEntry{{
		Entity: kadm.ClientQuotaEntity{{Type: "user", Name: &name}}, Ops: []kadm.AlterClientQuotaOp{{Key: "consumer_byte_rate", Value: float64(1e6 + w.turn)}},
	}})
	check(t, err)
	if !with.users {
		return
	}
	users, err := admin.AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{{User: name, Mechanism: kadm.ScramSha256, Iterations: 4096, Password: "secret"}})
	check(t, err)
	check(t, users.Error())
}
