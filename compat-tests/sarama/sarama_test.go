package sarama

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"ottla/compat-tests/harness"
)

func start(t *testing.T) *harness.Broker {
	return harness.StartSubject(t, "4.3.1", harness.Options{})
}

func settings() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.Producer.Return.Successes = true
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Retry.Max, c.Producer.Retry.Backoff = 200, 50*time.Millisecond
	c.Metadata.Retry.Max, c.Metadata.Retry.Backoff = 100, 50*time.Millisecond
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Interval = 50 * time.Millisecond
	c.Consumer.MaxWaitTime = 100 * time.Millisecond
	c.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	return c
}

func admin(t *testing.T, b *harness.Broker) sarama.ClusterAdmin {
	t.Helper()
	a, err := sarama.NewClusterAdmin([]string{b.Address}, settings())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

func create(t *testing.T, b *harness.Broker, topic string, partitions int32) {
	t.Helper()
	if err := admin(t, b).CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false); err != nil {
		t.Fatal(err)
	}
}

func producer(t *testing.T, b *harness.Broker, c *sarama.Config) sarama.SyncProducer {
	t.Helper()
	p, err := sarama.NewSyncProducer([]string{b.Address}, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func write(t *testing.T, p sarama.SyncProducer, topic, prefix string, n int) {
	t.Helper()
	var messages []*sarama.ProducerMessage
	for i := range n {
		messages = append(messages, &sarama.ProducerMessage{
			Topic: topic, Key: sarama.StringEncoder(fmt.Sprint("k", i)), Value: sarama.StringEncoder(fmt.Sprintf("%s-%d", prefix, i)),
			Headers: []sarama.RecordHeader{{Key: []byte("n"), Value: fmt.Append(nil, i)}},
		})
	}
	if err := p.SendMessages(messages); err != nil {
		t.Fatal(err)
	}
}

func TestEveryCodec(t *testing.T) {
	b := start(t)
	for name, codec := range map[string]sarama.CompressionCodec{
		"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy, "lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
	} {
		t.Run(name, func(t *testing.T) {
			create(t, b, name, 1)
			c := settings()
			c.Producer.Compression = codec
			write(t, producer(t, b, c), name, name, 300)
			consumer, err := sarama.NewConsumer([]string{b.Address}, settings())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = consumer.Close() }()
			partition, err := consumer.ConsumePartition(name, 0, sarama.OffsetOldest)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = partition.Close() }()
			for i := range 300 {
				select {
				case m := <-partition.Messages():
					if m.Offset != int64(i) || string(m.Value) != fmt.Sprintf("%s-%d", name, i) || string(m.Headers[0].Value) != fmt.Sprint(i) {
						t.Fatalf("message %d is %d %s", i, m.Offset, m.Value)
					}
				case <-time.After(30 * time.Second):
					t.Fatalf("message %d did not come", i)
				}
			}
		})
	}
}

func TestIdempotentProducer(t *testing.T) {
	b := start(t)
	create(t, b, "idempotent", 2)
	c := settings()
	c.Producer.Idempotent, c.Net.MaxOpenRequests = true, 1
	p := producer(t, b, c)
	for i := range 10 {
		write(t, p, "idempotent", fmt.Sprint("v", i), 20)
	}
	client, err := sarama.NewClient([]string{b.Address}, settings())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	total := int64(0)
	for partition := range int32(2) {
		end, err := client.GetOffset("idempotent", partition, sarama.OffsetNewest)
		if err != nil {
			t.Fatal(err)
		}
		total += end
	}
	if total != 200 {
		t.Errorf("%d records in the log, 200 were sent", total)
	}
}

// member is a consumer of a group that keeps what it read.
type member struct {
	mutex    *sync.Mutex
	seen     map[string]bool
	assigned int
}

func (m *member) Setup(s sarama.ConsumerGroupSession) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.assigned = 0
	for _, partitions := range s.Claims() {
		m.assigned += len(partitions)
	}
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		m.mutex.Lock()
		m.seen[string(message.Value)] = true
		m.mutex.Unlock()
		session.MarkMessage(message, "")
	}
	return nil
}

// join runs a member until stop.
func join(t *testing.T, b *harness.Broker, strategy sarama.BalanceStrategy, group, topic string, m *member) (stop func()) {
	t.Helper()
	c := settings()
	c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategy}
	g, err := sarama.NewConsumerGroup([]string{b.Address}, group, c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			if err := g.Consume(ctx, []string{topic}, m); err != nil && !errors.Is(err, sarama.ErrClosedConsumerGroup) {
				time.Sleep(50 * time.Millisecond)
			}
		}
	})
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			running.Wait()
			_ = g.Close()
		})
	}
	t.Cleanup(stop)
	return stop
}

func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("did not come true: " + what)
		}
	}
}

func TestGroups(t *testing.T) {
	b := start(t)
	for name, strategy := range map[string]sarama.BalanceStrategy{
		"range": sarama.NewBalanceStrategyRange(), "roundrobin": sarama.NewBalanceStrategyRoundRobin(), "sticky": sarama.NewBalanceStrategySticky(),
	} {
		t.Run(name, func(t *testing.T) {
			topic := "group-" + name
			create(t, b, topic, 6)
			p := producer(t, b, settings())
			var mutex sync.Mutex
			seen := map[string]bool{}
			one, two := &member{mutex: &mutex, seen: seen}, &member{mutex: &mutex, seen: seen}
			state := func() (int, int, int) {
				mutex.Lock()
				defer mutex.Unlock()
				return len(seen), one.assigned, two.assigned
			}
			leave := join(t, b, strategy, topic, topic, one)
			write(t, p, topic, "early", 200)
			await(t, "one member reads everything", func() bool { n, a, _ := state(); return n == 200 && a == 6 })
			stop := join(t, b, strategy, topic, topic, two)
			await(t, "the members share", func() bool { _, a, c := state(); return a == 3 && c == 3 })
			write(t, p, topic, "middle", 200)
			await(t, "two members read everything", func() bool { n, _, _ := state(); return n == 400 })
			leave()
			await(t, "the other takes over", func() bool { _, _, c := state(); return c == 6 })
			stop()
			write(t, p, topic, "resumed", 50)
			fresh := &member{mutex: &mutex, seen: map[string]bool{}}
			join(t, b, strategy, topic, topic, fresh)
			await(t, "50 new ones", func() bool { mutex.Lock(); defer mutex.Unlock(); return len(fresh.seen) == 50 })
			for value := range maps.Keys(fresh.seen) {
				if value[:7] != "resumed" {
					t.Errorf("%s was committed and came again", value)
				}
			}
		})
	}
}

func TestAdmin(t *testing.T) {
	b := start(t)
	a := admin(t, b)
	value := "100000"
	if err := a.CreateTopic("managed", &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": &value}}, false); err != nil {
		t.Fatal(err)
	}
	topics, err := a.ListTopics()
	if err != nil || topics["managed"].NumPartitions != 2 {
		t.Fatalf("topics %v, %v", topics, err)
	}
	entries, err := a.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: "managed", ConfigNames: []string{"retention.ms"}})
	if err != nil || len(entries) != 1 || entries[0].Value != value {
		t.Fatalf("config %v, %v", entries, err)
	}
	other := "200000"
	if err := a.IncrementalAlterConfig(sarama.TopicResource, "managed", map[string]sarama.IncrementalAlterConfigsEntry{
		"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &other},
	}, false); err != nil {
		t.Fatal(err)
	}
	if err := a.CreatePartitions("managed", 3, nil, false); err != nil {
		t.Fatal(err)
	}
	write(t, producer(t, b, settings()), "managed", "v", 30)
	if _, _, err := a.DescribeCluster(); err != nil {
		t.Fatal(err)
	}
	if groups, err := a.ListConsumerGroups(); err != nil {
		t.Fatalf("groups %v, %v", groups, err)
	}
	if err := a.DeleteRecords("managed", map[int32]int64{0: 1}); err != nil {
		t.Fatal(err)
	}
	if err := a.DeleteTopic("managed"); err != nil {
		t.Fatal(err)
	}
}

func TestRestart(t *testing.T) {
	b := start(t)
	create(t, b, "lasting", 2)
	p := producer(t, b, settings())
	var mutex sync.Mutex
	m := &member{mutex: &mutex, seen: map[string]bool{}}
	join(t, b, sarama.NewBalanceStrategyRange(), "lasting", "lasting", m)
	for how, end := range map[string]func(){"stop": b.Stop, "kill": b.Kill} {
		write(t, p, "lasting", "before-"+how, 100)
		end()
		b.Start()
		write(t, p, "lasting", "after-"+how, 100)
	}
	await(t, "everything read", func() bool { mutex.Lock(); defer mutex.Unlock(); return len(m.seen) == 400 })
}
