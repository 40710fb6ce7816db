package franzgo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/compat-tests/harness"
)

// open makes a client that the test closes.
func open(t *testing.T, b *harness.Broker, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	options = append([]kgo.Opt{
		kgo.SeedBrokers(b.Address), kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }), kgo.RecordRetries(1000),
	}, options...)
	client, err := kgo.NewClient(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func start(t *testing.T) *harness.Broker {
	return harness.StartSubject(t, "4.3.1", harness.Options{})
}

func limit(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func create(t *testing.T, client *kgo.Client, topic string, partitions int32) {
	t.Helper()
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), partitions, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
}

// write produces values prefix-from … prefix-(to-1) and waits for them.
func write(t *testing.T, client *kgo.Client, topic, prefix string, from, to int) {
	t.Helper()
	var records []*kgo.Record
	for i := from; i < to; i++ {
		records = append(records, &kgo.Record{
			Topic: topic, Key: fmt.Append(nil, i), Value: fmt.Appendf(nil, "%s-%d", prefix, i),
			Headers: []kgo.RecordHeader{{Key: "i", Value: fmt.Append(nil, i)}, {Key: "empty"}},
		})
	}
	if err := client.ProduceSync(limit(t, time.Minute), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// take polls until n records came.
func take(t *testing.T, client *kgo.Client, n int) []*kgo.Record {
	t.Helper()
	ctx := limit(t, time.Minute)
	var records []*kgo.Record
	for len(records) < n {
		fetches := client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			t.Fatalf("%d of %d records: %v", len(records), n, err)
		}
		fetches.EachError(func(topic string, p int32, err error) { t.Logf("poll %s-%d: %v", topic, p, err) })
		records = append(records, fetches.Records()...)
	}
	return records
}

func TestEveryCodec(t *testing.T) {
	b := start(t)
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		t.Run(name, func(t *testing.T) {
			client := open(t, b, kgo.ProducerBatchCompression(codec), kgo.ConsumeTopics(name), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
			create(t, client, name, 1)
			write(t, client, name, name, 0, 500)
			for i, r := range take(t, client, 500) {
				if r.Offset != int64(i) || string(r.Value) != fmt.Sprintf("%s-%d", name, i) || len(r.Headers) != 2 || string(r.Headers[0].Value) != fmt.Sprint(i) {
					t.Fatalf("record %d: offset %d %q %v", i, r.Offset, r.Value, r.Headers)
				}
			}
		})
	}
}

func TestAcks(t *testing.T) {
	b := start(t)
	for i, acks := range []kgo.Acks{kgo.NoAck(), kgo.LeaderAck(), kgo.AllISRAcks()} {
		topic := fmt.Sprintf("acks-%d", i)
		client := open(t, b, kgo.RequiredAcks(acks), kgo.DisableIdempotentWrite(), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		create(t, client, topic, 2)
		write(t, client, topic, "v", 0, 100)
		take(t, client, 100)
	}
}

// TestGroupsRebalance lets members come and go under eager and cooperative assignors. Every value is seen; after a
// member has left, the others hold all partitions.
func TestGroupsRebalance(t *testing.T) {
	b := start(t)
	for name, balancer := range map[string]kgo.GroupBalancer{
		"range": kgo.RangeBalancer(), "roundrobin": kgo.RoundRobinBalancer(), "sticky": kgo.StickyBalancer(), "cooperative": kgo.CooperativeStickyBalancer(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topic := "group-" + name
			producer := open(t, b)
			create(t, producer, topic, 6)
			member := func() *kgo.Client {
				return open(t, b, kgo.ConsumerGroup(topic), kgo.ConsumeTopics(topic), kgo.Balancers(balancer),
					kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.HeartbeatInterval(200*time.Millisecond),
					kgo.SessionTimeout(10*time.Second), kgo.AutoCommitInterval(100*time.Millisecond))
			}
			var mutex sync.Mutex
			seen := map[string]bool{}
			var running sync.WaitGroup
			consume := func(ctx context.Context, client *kgo.Client) {
				running.Go(func() {
					for ctx.Err() == nil {
						fetches := client.PollFetches(ctx)
						mutex.Lock()
						fetches.EachRecord(func(r *kgo.Record) { seen[string(r.Value)] = true })
						mutex.Unlock()
					}
				})
			}
			ctx, cancel := context.WithCancel(limit(t, 90*time.Second))
			defer running.Wait()
			defer cancel()
			first, second := member(), member()
			leaving, leave := context.WithCancel(ctx)
			consume(ctx, first)
			consume(leaving, second)
			write(t, producer, topic, "early", 0, 300)
			await(t, func() bool { mutex.Lock(); defer mutex.Unlock(); return len(seen) == 300 })
			consume(ctx, member())
			write(t, producer, topic, "middle", 0, 300)
			await(t, func() bool { mutex.Lock(); defer mutex.Unlock(); return len(seen) == 600 })
			leave()
			second.Close()
			write(t, producer, topic, "late", 0, 300)
			await(t, func() bool { mutex.Lock(); defer mutex.Unlock(); return len(seen) == 900 })
			await(t, func() bool {
				described, err := kadm.NewClient(producer).DescribeGroups(ctx, topic)
				if err != nil {
					return false
				}
				group := described[topic]
				assigned := 0
				for _, m := range group.Members {
					if a, ok := m.Assigned.AsConsumer(); ok {
						for _, at := range a.Topics {
							assigned += len(at.Partitions)
						}
					}
				}
				return group.State == "Stable" && len(group.Members) == 2 && assigned == 6
			})
		})
	}
}

// await waits for a condition that must come true.
func await(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the condition did not come true within a minute")
		}
	}
}

// TestStaticMember restarts a member under its instance id: it gets its partitions back without a rebalance.
func TestStaticMember(t *testing.T) {
	b := start(t)
	producer := open(t, b)
	create(t, producer, "static", 4)
	member := func(instance string) *kgo.Client {
		return open(t, b, kgo.ConsumerGroup("statics"), kgo.ConsumeTopics("static"), kgo.InstanceID(instance),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.SessionTimeout(30*time.Second), kgo.HeartbeatInterval(200*time.Millisecond))
	}
	poll := func(client *kgo.Client) context.CancelFunc {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for ctx.Err() == nil {
				client.PollFetches(ctx)
			}
		}()
		return cancel
	}
	one, two := member("one"), member("two")
	defer poll(one)()
	stop := poll(two)
	admin := kadm.NewClient(producer)
	stable := func() (members int, ids []string) {
		described, err := admin.DescribeGroups(t.Context(), "statics")
		if err != nil || described["statics"].State != "Stable" {
			return 0, nil
		}
		for _, m := range described["statics"].Members {
			ids = append(ids, m.MemberID)
		}
		slices.Sort(ids)
		return len(ids), ids
	}
	await(t, func() bool { n, _ := stable(); return n == 2 })
	_, generation := two.GroupMetadata()
	stop()
	two.CloseAllowingRebalance() // a static member does not leave
	again := member("two")
	defer poll(again)()
	await(t, func() bool { id, g := again.GroupMetadata(); return id != "" && g >= generation })
	await(t, func() bool { n, _ := stable(); return n == 2 })
	if _, g := again.GroupMetadata(); g != generation {
		t.Errorf("the static member came back in generation %d, it left in %d", g, generation)
	}
}

func TestAdmin(t *testing.T) {
	b := start(t)
	client := open(t, b)
	admin, ctx := kadm.NewClient(client), limit(t, time.Minute)
	create(t, client, "managed", 2)
	write(t, client, "managed", "v", 0, 40)
	if _, err := admin.CreateTopic(ctx, 1, 1, nil, "managed"); !errors.Is(err, kerr.TopicAlreadyExists) {
		t.Errorf("creating a topic again: %v", err)
	}
	if answers, err := admin.CreatePartitions(ctx, 1, "managed"); err != nil || answers.Error() != nil {
		t.Fatalf("create partitions: %v %v", answers, err)
	}
	details, err := admin.ListTopics(ctx)
	if err != nil || len(details["managed"].Partitions) != 3 {
		t.Fatalf("topics %v, %v", details, err)
	}
	value := "1234567"
	if answers, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Name: "retention.ms", Value: &value}}, "managed"); err != nil || answers[0].Err != nil {
		t.Fatalf("alter: %v %v", answers, err)
	}
	configs, err := admin.DescribeTopicConfigs(ctx, "managed")
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, c := range configs[0].Configs {
		found = found || c.Key == "retention.ms" && c.MaybeValue() == value
	}
	if !found {
		t.Error("the altered config is not there")
	}
	commit := kadm.Offsets{}
	commit.AddOffset("managed", 0, 3, -1)
	if err := admin.CommitAllOffsets(ctx, "offline", commit); err != nil {
		t.Fatal(err)
	}
	lags, err := admin.Lag(ctx, "offline")
	if lag := lags["offline"]; err != nil || lag.Error() != nil {
		t.Fatalf("lag: %v %v", lags, err)
	}
	if fetched, err := admin.FetchOffsets(ctx, "offline"); err != nil || fetched["managed"][0].At != 3 {
		t.Fatalf("offsets: %v %v", fetched, err)
	}
	if answers, err := admin.DeleteGroups(ctx, "offline"); err != nil || answers.Error() != nil {
		t.Fatalf("delete group: %v %v", answers, err)
	}
	starts := kadm.Offsets{}
	starts.AddOffset("managed", 0, 1, -1)
	if answers, err := admin.DeleteRecords(ctx, starts); err != nil || answers.Error() != nil {
		t.Fatalf("delete records: %v %v", answers, err)
	}
	if answers, err := admin.DeleteTopics(ctx, "managed"); err != nil || answers.Error() != nil {
		t.Fatalf("delete: %v %v", answers, err)
	}
	brokers, err := admin.ListBrokers(ctx)
	if err != nil || len(brokers) != 1 {
		t.Fatalf("brokers %v, %v", brokers, err)
	}
}

// TestRestart produces and consumes in a group while the broker is stopped, then killed, and started again.
func TestRestart(t *testing.T) {
	b := start(t)
	client := open(t, b, kgo.ConsumerGroup("lasting"), kgo.ConsumeTopics("lasting"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.HeartbeatInterval(200*time.Millisecond), kgo.SessionTimeout(10*time.Second))
	create(t, client, "lasting", 3)
	write(t, client, "lasting", "a", 0, 100)
	take(t, client, 100)
	b.Stop()
	b.Start()
	write(t, client, "lasting", "b", 0, 100)
	take(t, client, 100)
	b.Kill()
	b.Start()
	write(t, client, "lasting", "c", 0, 100)
	values := map[string]bool{}
	for _, r := range take(t, client, 100) {
		values[string(r.Value)] = true
	}
	for i := range 100 {
		if !values[fmt.Sprintf("c-%d", i)] {
			t.Fatalf("c-%d did not come", i)
		}
	}
}
