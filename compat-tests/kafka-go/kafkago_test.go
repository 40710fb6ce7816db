package kafkago

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"ottla/compat-tests/harness"
)

// deadline bounds a whole test's talk with the broker.
func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func client(b *harness.Broker) *kafka.Client { return &kafka.Client{Addr: kafka.TCP(b.Address)} }

// create makes a topic and fails the test where that fails.
func create(ctx context.Context, t *testing.T, b *harness.Broker, topic string, partitions int, entries ...kafka.ConfigEntry) {
	t.Helper()
	answer, err := client(b).CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: topic, NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: entries,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Errors[topic]; err != nil {
		t.Fatalf("create %s: %v", topic, err)
	}
}

// messages makes n numbered messages.
func messages(prefix string, n int) []kafka.Message {
	all := make([]kafka.Message, n)
	for i := range all {
		all[i] = kafka.Message{
			Key: fmt.Appendf(nil, "key-%d", i), Value: fmt.Appendf(nil, "%s-%d", prefix, i),
			Headers: []kafka.Header{{Key: "n", Value: fmt.Append(nil, i)}},
		}
	}
	return all
}

func TestProduceAndConsumeEveryCodec(t *testing.T) {
	b := harness.StartSubject(t, "4.3.1", harness.Options{})
	codecs := map[string]kafka.Compression{"none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}
	for name, codec := range codecs {
		for _, acks := range []kafka.RequiredAcks{kafka.RequireNone, kafka.RequireOne, kafka.RequireAll} {
			t.Run(fmt.Sprintf("%s/acks=%v", name, acks), func(t *testing.T) {
				ctx, topic := deadline(t), fmt.Sprintf("codec-%s-%d", name, acks+1)
				create(ctx, t, b, topic, 1)
				writer := &kafka.Writer{Addr: kafka.TCP(b.Address), Topic: topic, Compression: codec, RequiredAcks: acks, BatchTimeout: 5 * time.Millisecond}
				want := messages(name, 250)
				if err := writer.WriteMessages(ctx, want...); err != nil {
					t.Fatal(err)
				}
				if err := writer.Close(); err != nil {
					t.Fatal(err)
				}
				reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{b.Address}, Topic: topic, MaxWait: 200 * time.Millisecond})
				defer func() { _ = reader.Close() }()
				for i, w := range want {
					got, err := reader.ReadMessage(ctx)
					if err != nil {
						t.Fatal(err)
					}
					if got.Offset != int64(i) || string(got.Key) != string(w.Key) || string(got.Value) != string(w.Value) ||
						len(got.Headers) != 1 || string(got.Headers[0].Value) != fmt.Sprint(i) {
						t.Fatalf("message %d is %d %s=%s %v", i, got.Offset, got.Key, got.Value, got.Headers)
					}
				}
			})
		}
	}
}

func TestConnection(t *testing.T) {
	b, ctx := harness.StartSubject(t, "4.3.1", harness.Options{}), deadline(t)
	connection, err := kafka.DialLeader(ctx, "tcp", b.Address, "made-on-demand", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	if _, err := connection.WriteMessages(messages("v", 10)...); err != nil {
		t.Fatal(err)
	}
	first, last, err := connection.ReadOffsets()
	if err != nil || first != 0 || last != 10 {
		t.Fatalf("offsets [%d, %d), %v; want [0, 10)", first, last, err)
	}
	if _, err := connection.Seek(7, kafka.SeekStart); err != nil {
		t.Fatal(err)
	}
	batch := connection.ReadBatch(1, 1<<20)
	for i := 7; i < 10; i++ {
		m, err := batch.ReadMessage()
		if err != nil || m.Offset != int64(i) {
			t.Fatalf("read offset %d, %v; want %d", m.Offset, err, i)
		}
	}
	if _, err := batch.ReadMessage(); !errors.Is(err, io.EOF) {
		t.Fatalf("after the last message: %v, want the end", err)
	}
	if err := batch.Close(); err != nil {
		t.Fatal(err)
	}
	brokers, err := connection.Brokers()
	if err != nil || len(brokers) != 1 || brokers[0].ID != 1 {
		t.Fatalf("brokers %v, %v", brokers, err)
	}
	versions, err := connection.ApiVersions()
	if err != nil || len(versions) < 20 {
		t.Fatalf("%d API versions, %v", len(versions), err)
	}
	if err := connection.DeleteTopics("made-on-demand"); err != nil {
		t.Fatal(err)
	}
}

func TestOffsetsByTime(t *testing.T) {
	b, ctx := harness.StartSubject(t, "4.3.1", harness.Options{}), deadline(t)
	create(ctx, t, b, "timed", 1)
	start := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	all := messages("v", 100)
	for i := range all {
		all[i].Time = start.Add(time.Duration(i) * time.Second)
	}
	writer := &kafka.Writer{Addr: kafka.TCP(b.Address), Topic: "timed", BatchSize: 7, RequiredAcks: kafka.RequireAll, BatchTimeout: 5 * time.Millisecond}
	defer func() { _ = writer.Close() }()
	if err := writer.WriteMessages(ctx, all...); err != nil {
		t.Fatal(err)
	}
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{b.Address}, Topic: "timed", MaxWait: 200 * time.Millisecond})
	defer func() { _ = reader.Close() }()
	for _, i := range []int{0, 1, 6, 7, 50, 99} {
		if err := reader.SetOffsetAt(ctx, start.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
		if m, err := reader.ReadMessage(ctx); err != nil || m.Offset != int64(i) {
			t.Fatalf("at second %d: offset %d, %v", i, m.Offset, err)
		}
	}
}

func TestGroupRebalancesAndCommits(t *testing.T) {
	b, ctx := harness.StartSubject(t, "4.3.1", harness.Options{}), deadline(t)
	create(ctx, t, b, "shared", 4)
	const total = 400
	writer := &kafka.Writer{Addr: kafka.TCP(b.Address), Topic: "shared", RequiredAcks: kafka.RequireAll, BatchTimeout: 5 * time.Millisecond, Balancer: &kafka.RoundRobin{}}
	defer func() { _ = writer.Close() }()
	if err := writer.WriteMessages(ctx, messages("first", total)...); err != nil {
		t.Fatal(err)
	}
	newReader := func() *kafka.Reader {
		return kafka.NewReader(kafka.ReaderConfig{
			Brokers: []string{b.Address}, GroupID: "workers", Topic: "shared", MaxWait: 100 * time.Millisecond,
			HeartbeatInterval: 200 * time.Millisecond, RebalanceTimeout: 10 * time.Second, StartOffset: kafka.FirstOffset,
		})
	}
	var mutex sync.Mutex
	seen := map[string]int{}
	// read takes messages with a commit each until every value was seen; the members share the work.
	read := func(reader *kafka.Reader, until int) error {
		for {
			ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
			m, err := reader.FetchMessage(ctx)
			cancel()
			mutex.Lock()
			if err == nil {
				seen[string(m.Value)]++
			}
			done := len(seen) >= until
			mutex.Unlock()
			if err == nil {
				if err := reader.CommitMessages(deadline(t), m); err != nil {
					return err
				}
			} else if !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
			if done {
				return nil
			}
		}
	}
	var members sync.WaitGroup
	failures := make(chan error, 3)
	for range 3 {
		members.Go(func() {
			reader := newReader()
			defer func() { _ = reader.Close() }()
			if err := read(reader, total); err != nil {
				failures <- err
			}
		})
	}
	members.Wait()
	close(failures)
	for err := range failures {
		t.Fatal(err)
	}
	// What was committed stays: a new member sees the new messages alone, or those of the last uncommitted steps.
	if err := writer.WriteMessages(ctx, messages("second", 4)...); err != nil {
		t.Fatal(err)
	}
	reader := newReader()
	defer func() { _ = reader.Close() }()
	for range 4 {
		m, err := reader.ReadMessage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if string(m.Value[:6]) != "second" {
			t.Fatalf("a committed message came again: %s", m.Value)
		}
	}
}

func TestAdmin(t *testing.T) {
	b, ctx := harness.StartSubject(t, "4.3.1", harness.Options{}), deadline(t)
	create(ctx, t, b, "administered", 2, kafka.ConfigEntry{ConfigName: "retention.ms", ConfigValue: "60000"})
	c := client(b)
	metadata, err := c.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{"administered"}})
	if err != nil || len(metadata.Topics) != 1 || len(metadata.Topics[0].Partitions) != 2 {
		t.Fatalf("metadata %+v, %v", metadata, err)
	}
	if grown, err := c.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: "administered", Count: 3}}}); err != nil || grown.Errors["administered"] != nil {
		t.Fatalf("create partitions: %v %v", grown, err)
	}
	configs, err := c.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: "administered", ConfigNames: []string{"retention.ms"},
	}}})
	if err != nil || len(configs.Resources) != 1 || len(configs.Resources[0].ConfigEntries) != 1 || configs.Resources[0].ConfigEntries[0].ConfigValue != "60000" {
		t.Fatalf("configs %+v, %v", configs, err)
	}
	altered, err := c.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: "administered",
		Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: "retention.ms", Value: "120000", ConfigOperation: kafka.ConfigOperationSet}},
	}}})
	if err != nil || len(altered.Resources) != 1 || altered.Resources[0].Error != nil {
		t.Fatalf("alter configs %+v, %v", altered, err)
	}
	offsets, err := c.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		"administered": {kafka.FirstOffsetOf(0), kafka.LastOffsetOf(0)},
	}})
	if err != nil || len(offsets.Topics["administered"]) != 1 {
		t.Fatalf("offsets %+v, %v", offsets, err)
	}
	if deleted, err := c.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{"administered"}}); err != nil || deleted.Errors["administered"] != nil {
		t.Fatalf("delete: %+v, %v", deleted, err)
	}
}

// TestRestart writes and reads while the broker is stopped, killed and started again.
func TestRestart(t *testing.T) {
	b, ctx := harness.StartSubject(t, "4.3.1", harness.Options{}), deadline(t)
	create(ctx, t, b, "lasting", 1)
	writer := &kafka.Writer{
		Addr: kafka.TCP(b.Address), Topic: "lasting", RequiredAcks: kafka.RequireAll, BatchSize: 10,
		BatchTimeout: time.Millisecond, MaxAttempts: 50, WriteBackoffMin: 20 * time.Millisecond, WriteBackoffMax: 200 * time.Millisecond,
	}
	defer func() { _ = writer.Close() }()
	var acknowledged []string
	for round := range 4 {
		batch := messages(fmt.Sprintf("round-%d", round), 100)
		if err := writer.WriteMessages(ctx, batch...); err != nil {
			t.Fatal(err)
		}
		for _, m := range batch {
			acknowledged = append(acknowledged, string(m.Value))
		}
		if round%2 == 0 {
			b.Kill()
		} else {
			b.Stop()
		}
		b.Start()
	}
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{b.Address}, Topic: "lasting", MaxWait: 200 * time.Millisecond})
	defer func() { _ = reader.Close() }()
	found := map[string]bool{}
	for len(found) < len(acknowledged) {
		m, err := reader.ReadMessage(ctx)
		if err != nil {
			sort.Strings(acknowledged)
			t.Fatalf("found %d of %d: %v", len(found), len(acknowledged), err)
		}
		found[string(m.Value)] = true
	}
	for _, value := range acknowledged {
		if !found[value] {
			t.Fatalf("%s was acknowledged and is gone", value)
		}
	}
}
