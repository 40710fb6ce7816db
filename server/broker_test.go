package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/config"
)

// logLines gathers what a server logs.
type logLines struct {
	lock sync.Mutex
	text bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.text.Write(p)
}

func (l *logLines) String() string {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.text.String()
}

// settings are those of a server on loopback, with its data in a directory and
// ports that the system chooses.
func settings(t testing.TB, directory string, overrides ...string) *config.Config {
	t.Helper()
	loaded, _, err := config.Load(config.Options{Hostname: "127.0.0.1", Environment: []string{"NONE=1"}, Overrides: append([]string{
		"process.roles=broker,controller", "node.id=1", "controller.quorum.bootstrap.servers=127.0.0.1:9093",
		"listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0", "controller.listener.names=CONTROLLER",
		"log.dirs=" + directory, "offsets.topic.replication.factor=1", "offsets.topic.num.partitions=4",
		"transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1", "group.initial.rebalance.delay.ms=0",
	}, overrides...)})
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// startBroker starts a server in this process. It is stopped with the test.
func startBroker(t testing.TB, directory string, overrides ...string) (*Server, *logLines) {
	t.Helper()
	lines := &logLines{}
	s, err := Start(t.Context(), settings(t, directory, overrides...), Options{Log: zerolog.New(lines).Level(zerolog.InfoLevel), Version: "test"})
	if err != nil {
		t.Fatalf("%v\n%s", err, lines)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(lines)
		}
	})
	return s, lines
}

func newClient(t testing.TB, s *Server, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(s.Addr("PLAINTEXT").String()), kgo.MetadataMinAge(10 * time.Millisecond)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func timeout(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func createTopic(t testing.TB, cl *kgo.Client, topic string, partitions int32, configs map[string]*string) {
	t.Helper()
	if _, err := kadm.NewClient(cl).CreateTopic(timeout(t), partitions, 1, configs, topic); err != nil {
		t.Fatal(err)
	}
}

// values reads count records of a topic from its beginning, by partition.
func values(t testing.TB, s *Server, topic string, count int) map[int32][]string {
	t.Helper()
	cl := newClient(t, s, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer cl.Close()
	read := map[int32][]string{}
	ctx := timeout(t)
	for n := 0; n < count; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%v after %d of %d records", err, n, count)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset != int64(len(read[r.Partition])) {
				t.Fatalf("offset %d of partition %d follows %d records", r.Offset, r.Partition, len(read[r.Partition]))
			}
			read[r.Partition] = append(read[r.Partition], string(r.Value))
			n++
		})
	}
	return read
}

// TestEveryCodecAndRestart produces with every codec, reads everything back,
// restarts, and reads again: with Kafka's defaults, with an fsync before each
// answer, and where the broker compresses again and sets the time.
func TestEveryCodecAndRestart(t *testing.T) {
	for name, overrides := range map[string][]string{
		"defaults":   nil,
		"flushed":    {"log.flush.interval.messages=1"},
		"recompress": {"compression.type=zstd", "log.message.timestamp.type=LogAppendTime"},
	} {
		t.Run(name, func(t *testing.T) { everyCodecAndRestart(t, overrides) })
	}
}

func everyCodecAndRestart(t *testing.T, overrides []string) {
	directory := t.TempDir()
	s, lines := startBroker(t, directory, overrides...)
	for _, line := range []string{"[BrokerLifecycleManager id=1] Transitioning from RECOVERY to RUNNING", "[KafkaRaftServer nodeId=1] Kafka Server started"} {
		if !bytes.Contains([]byte(lines.String()), []byte(`"message":"`+line+`"`)) {
			t.Errorf("no line %q in\n%s", line, lines)
		}
	}
	cl := newClient(t, s)
	createTopic(t, cl, "codecs", 3, nil)
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	want := map[int32][]string{}
	for _, name := range slices.Sorted(maps.Keys(codecs)) {
		producer := newClient(t, s, kgo.ProducerBatchCompression(codecs[name]), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		for i := range 300 {
			value := fmt.Sprintf("%s %d %s", name, i, bytes.Repeat([]byte("payload "), i%20))
			want[int32(i%3)] = append(want[int32(i%3)], value)
			producer.Produce(timeout(t), &kgo.Record{Topic: "codecs", Partition: int32(i % 3), Key: []byte(name), Value: []byte(value)}, func(_ *kgo.Record, err error) {
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		if err := producer.Flush(timeout(t)); err != nil {
			t.Fatal(err)
		}
		producer.Close()
	}
	check := func(s *Server) {
		t.Helper()
		got := values(t, s, "codecs", 1500)
		for partition := range want {
			if !slices.Equal(got[partition], want[partition]) {
				t.Errorf("partition %d: %d records, %d were produced", partition, len(got[partition]), len(want[partition]))
			}
		}
	}
	check(s)
	cluster := s.ClusterID()
	if err := s.Stop(timeout(t)); err != nil {
		t.Fatal(err)
	}
	s, _ = startBroker(t, directory, overrides...)
	if s.ClusterID() != cluster {
		t.Errorf("the cluster id was %s and is %s", cluster, s.ClusterID())
	}
	check(s)
}

// TestGroups consumes with two members of a group, and a third time after a
// restart, from where the group had committed.
func TestGroups(t *testing.T) {
	directory := t.TempDir()
	s, _ := startBroker(t, directory)
	producer := newClient(t, s)
	createTopic(t, producer, "grouped", 4, nil)
	for i := range 400 {
		producer.Produce(timeout(t), &kgo.Record{Topic: "grouped", Value: fmt.Append(nil, i)}, nil)
	}
	if err := producer.Flush(timeout(t)); err != nil {
		t.Fatal(err)
	}
	consume := func(s *Server, members, count int) {
		t.Helper()
		ctx, cancel := context.WithCancel(timeout(t))
		defer cancel()
		seen := make(chan string)
		var running sync.WaitGroup
		for range members {
			member := newClient(t, s, kgo.ConsumerGroup("readers"), kgo.ConsumeTopics("grouped"), kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
			running.Add(1)
			go func() {
				defer running.Done()
				defer member.Close()
				for {
					fetches := member.PollFetches(ctx)
					if ctx.Err() != nil {
						return
					}
					fetches.EachRecord(func(r *kgo.Record) {
						select {
						case seen <- string(r.Value):
						case <-ctx.Done():
						}
					})
					if err := member.CommitUncommittedOffsets(ctx); err != nil && ctx.Err() == nil {
						t.Errorf("commit: %v", err)
					}
				}
			}()
		}
		got := map[string]int{}
		for len(got) < count {
			select {
			case value := <-seen:
				got[value]++
			case <-ctx.Done():
				t.Fatalf("%d of %d records", len(got), count)
			}
		}
		lag := func() int64 {
			lags, err := kadm.NewClient(producer).Lag(ctx, "readers")
			if err != nil {
				t.Fatal(err)
			}
			return lags["readers"].Lag.Total()
		}
		for ctx.Err() == nil && lag() > 0 {
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
		running.Wait()
	}
	consume(s, 2, 400)
	if err := s.Stop(timeout(t)); err != nil {
		t.Fatal(err)
	}
	s, _ = startBroker(t, directory)
	producer = newClient(t, s)
	for i := range 100 {
		producer.Produce(timeout(t), &kgo.Record{Topic: "grouped", Value: fmt.Append(nil, "later ", i)}, nil)
	}
	if err := producer.Flush(timeout(t)); err != nil {
		t.Fatal(err)
	}
	consume(s, 1, 100)
}

// TestAdmin creates, describes, changes and deletes.
func TestAdmin(t *testing.T) {
	s, _ := startBroker(t, t.TempDir())
	cl := newClient(t, s)
	admin := kadm.NewClient(cl)
	createTopic(t, cl, "one", 2, map[string]*string{"retention.ms": kmsg.StringPtr("1234567")})
	if _, err := admin.CreateTopic(timeout(t), 1, 1, nil, "one"); !errors.Is(err, kerr.TopicAlreadyExists) {
		t.Errorf("created twice: %v", err)
	}
	configs, err := admin.DescribeTopicConfigs(timeout(t), "one")
	if err != nil {
		t.Fatal(err)
	}
	found := ""
	for _, c := range configs[0].Configs {
		if c.Key == "retention.ms" {
			found = c.MaybeValue()
		}
	}
	if found != "1234567" {
		t.Errorf("retention.ms=%q", found)
	}
	if _, err := admin.UpdatePartitions(timeout(t), 5, "one"); err != nil {
		t.Fatal(err)
	}
	topics, err := admin.ListTopics(timeout(t))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(topics["one"].Partitions); n != 5 {
		t.Errorf("%d partitions", n)
	}
	if _, err := admin.DeleteTopic(timeout(t), "one"); err != nil {
		t.Fatal(err)
	}
	// Another client, because this one remembers for a while.
	topics, err = kadm.NewClient(newClient(t, s)).ListTopics(timeout(t))
	if err != nil || topics.Has("one") {
		t.Errorf("deleted: %v, %v", topics.Names(), err)
	}
	createTopic(t, cl, "one", 1, nil) // the name is free at once
}

// TestAutomaticCreation produces to topics that are not there.
func TestAutomaticCreation(t *testing.T) {
	for _, allowed := range []bool{true, false} {
		s, _ := startBroker(t, t.TempDir(), fmt.Sprintf("auto.create.topics.enable=%v", allowed), "num.partitions=3")
		cl := newClient(t, s, kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(20))
		err := cl.ProduceSync(timeout(t), &kgo.Record{Topic: "made", Value: []byte("x")}).FirstErr()
		if allowed != (err == nil) {
			t.Errorf("allowed %v: %v", allowed, err)
		}
		topics, err := kadm.NewClient(newClient(t, s)).ListTopics(timeout(t))
		if err != nil {
			t.Fatal(err)
		}
		if n := len(topics["made"].Partitions); allowed && n != 3 || !allowed && n != 0 {
			t.Errorf("allowed %v: %d partitions", allowed, n)
		}
	}
}

// TestSeveralListeners asks on each listener where the broker is.
func TestSeveralListeners(t *testing.T) {
	s, _ := startBroker(t, t.TempDir(), "listeners=INSIDE://127.0.0.1:0,OUTSIDE://127.0.0.1:0,CONTROLLER://127.0.0.1:0",
		"listener.security.protocol.map=INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT", "inter.broker.listener.name=INSIDE",
		"advertised.listeners=INSIDE://127.0.0.1:0,OUTSIDE://outside.example:19092")
	request := kmsg.NewPtrMetadataRequest()
	request.Version = 12
	for listener, want := range map[string]string{"INSIDE": s.Addr("INSIDE").String(), "OUTSIDE": "outside.example:19092"} {
		c := dial(t, s.Addr(listener).String())
		c.send(frame(request, 1))
		_, body := c.answer()
		response := kmsg.NewPtrMetadataResponse()
		response.Version = 12
		if err := response.ReadFrom(body[1:]); err != nil || len(response.Brokers) != 1 {
			t.Fatalf("%s: %v, %d brokers", listener, err, len(response.Brokers))
		}
		if got := net.JoinHostPort(response.Brokers[0].Host, fmt.Sprint(response.Brokers[0].Port)); got != want {
			t.Errorf("%s: clients are told to dial %s, not %s", listener, got, want)
		}
	}
	if s.Addr("NONE") != nil {
		t.Error("a listener that nobody has opened has an address")
	}
}

// TestKafkaGo uses a client that knows old versions only.
func TestKafkaGo(t *testing.T) {
	s, _ := startBroker(t, t.TempDir())
	address := s.Addr("PLAINTEXT")
	createTopic(t, newClient(t, s), "go", 1, nil)
	writer := &kafkago.Writer{Addr: address, Topic: "go", BatchTimeout: time.Millisecond, Transport: &kafkago.Transport{}}
	var messages []kafkago.Message
	for i := range 50 {
		messages = append(messages, kafkago.Message{Key: []byte("k"), Value: fmt.Append(nil, i)})
	}
	if err := writer.WriteMessages(timeout(t), messages...); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	writer.Transport.(*kafkago.Transport).CloseIdleConnections()
	reader := kafkago.NewReader(kafkago.ReaderConfig{Brokers: []string{address.String()}, Topic: "go", GroupID: "kafka-go", StartOffset: kafkago.FirstOffset, MaxWait: 50 * time.Millisecond})
	for i := range 50 {
		m, err := reader.ReadMessage(timeout(t))
		if err != nil {
			t.Fatal(err)
		}
		if string(m.Value) != fmt.Sprint(i) || m.Offset != int64(i) {
			t.Errorf("message %d is %q at offset %d", i, m.Value, m.Offset)
		}
	}
	if err := reader.Close(); err != nil {
		t.Error(err)
	}
}

// TestDirectoryIsHeld starts a second server on a directory that one holds.
func TestDirectoryIsHeld(t *testing.T) {
	directory := t.TempDir()
	startBroker(t, directory)
	if second, err := Start(t.Context(), settings(t, directory), Options{Log: zerolog.Nop()}); err == nil {
		second.Stop(context.Background())
		t.Error("two servers hold one directory")
	}
}
