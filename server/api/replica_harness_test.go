package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator/transaction"
	"ottla/metadata"
	"ottla/protocol/record"
	"ottla/replica"
	"ottla/storage"
	"ottla/storage/vfs"
)

// dataBroker is the handlers of the requests about records, on logs in memory.
type dataBroker struct {
	t        *testing.T
	storage  *storage.Manager
	replicas *replica.Manager
	image    *metadata.Image
	configs  map[string]map[string]string
	handlers Handlers
	now      func() time.Time

	connected  context.Context
	connection uint64
	listener   string
	nextID     uint16
	nextOffset int64
	producers  atomic.Int64
}

func newDataBroker(t *testing.T) *dataBroker {
	t.Helper()
	disk := vfs.NewMemory()
	if err := disk.Mkdir("/data"); err != nil {
		t.Fatal(err)
	}
	properties := storage.MetaProperties{Version: 1, NodeID: 1, ClusterID: "cluster", DirectoryID: [16]byte{9}}
	if err := storage.WriteMetaProperties(disk, "/data", properties); err != nil {
		t.Fatal(err)
	}
	logs, err := storage.Open(context.Background(), storage.Options{FS: disk, Directories: []string{"/data"}, NodeID: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	b := &dataBroker{
		t: t, storage: logs, image: metadata.NewImage("cluster"), configs: map[string]map[string]string{},
		connected: ctx, connection: 1, listener: "PLAINTEXT", now: time.Now,
	}
	t.Cleanup(func() {
		cancel()
		if err := logs.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	b.replicas = replica.New(replica.Options{Storage: logs, NodeID: 1, TopicConfig: b.topicConfig, Now: func() time.Time {
		return time.UnixMilli(testTime + 60_000)
	}})
	if err := b.replicas.Apply(nil, b.image); err != nil {
		t.Fatal(err)
	}
	b.serve()
	return b
}

func (b *dataBroker) serve() {
	endpoint := func(string, int32) (Endpoint, bool) { return Endpoint{Host: "localhost", Port: 9092}, true }
	// A coordinator without partitions, as before the first transaction.
	transactions := transaction.New(transaction.Options{Config: transaction.DefaultConfig(), Now: time.Now})
	b.t.Cleanup(func() {
		if err := transactions.Close(context.Background()); err != nil {
			b.t.Error(err)
		}
	})
	b.handlers = Handlers{
		kmsg.Produce: Produce(ProduceOptions{Replicas: b.replicas, LeaderEndpoint: endpoint, Transactions: transactions}),
		kmsg.Fetch: Fetch(FetchOptions{
			Replicas: b.replicas, LeaderEndpoint: endpoint, MaxBytes: 55 << 20, SessionSlots: 1000,
			InterBrokerListener: "PLAINTEXT", Now: func() time.Time { return b.now() },
		}),
		kmsg.ListOffsets:          ListOffsets(b.replicas),
		kmsg.DeleteRecords:        DeleteRecords(b.replicas),
		kmsg.OffsetForLeaderEpoch: OffsetForLeaderEpoch(b.replicas),
		kmsg.InitProducerID: InitProducerID(NewProducerIDs(func(context.Context) (int64, int32, error) {
			return 1000 + b.producers.Add(10), 10, nil
		}), transactions),
	}
}

// topicConfig understands the few keys that the tests set.
func (b *dataBroker) topicConfig(topic string, _ *metadata.Image) replica.TopicConfig {
	config := replica.TopicConfig{Log: storage.DefaultLogConfig(), Rules: record.DefaultRules(), MinInSyncReplicas: 1}
	config.Log.SegmentIndexBytes = 4096
	number := func(text string) int64 {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			b.t.Fatal(err)
		}
		return n
	}
	for key, value := range b.configs[topic] {
		switch key {
		case "retention.ms":
			config.Log.RetentionMs = number(value)
		case "segment.bytes":
			config.Log.SegmentBytes = int32(number(value))
		case "flush.messages":
			config.Log.FlushMessages = number(value)
		case "cleanup.policy":
			config.Log.Compact, config.Log.Delete = value == "compact", value != "compact"
			config.Rules.Compacted = value == "compact"
		case "max.message.bytes":
			config.Rules.MaxMessageBytes = int(number(value))
		case "message.timestamp.type":
			config.Rules.TimestampType = record.LogAppendTime
		case "message.timestamp.before.max.ms":
			config.Rules.BeforeMaxMs = number(value)
		default:
			b.t.Fatalf("config %s is not known here", key)
		}
	}
	return config
}

// create makes a topic and returns its id.
func (b *dataBroker) create(name string, partitions int32, config map[string]string) [16]byte {
	b.t.Helper()
	b.nextID++
	id := [16]byte{7, byte(b.nextID >> 8), byte(b.nextID)}
	b.configs[name] = maps.Clone(config)
	records := []metadata.Record{&metadata.TopicRecord{Name: name, TopicID: id}}
	for i := range partitions {
		p := metadata.NewPartitionRecord()
		p.PartitionID, p.TopicID, p.Replicas, p.ISR = i, id, []int32{1}, []int32{1}
		p.Leader, p.LeaderEpoch, p.PartitionEpoch, p.Directories = 1, 0, 0, [][16]byte{{9}}
		records = append(records, p)
	}
	b.apply(records...)
	return id
}

func (b *dataBroker) remove(id [16]byte) { b.apply(&metadata.RemoveTopicRecord{TopicID: id}) }

// elect begins a new leader epoch of a partition.
func (b *dataBroker) elect(id [16]byte, partition, leader int32) {
	change := metadata.NewPartitionChangeRecord()
	change.TopicID, change.PartitionID, change.Leader = id, partition, leader
	b.apply(change)
}

func (b *dataBroker) apply(records ...metadata.Record) {
	b.t.Helper()
	delta := metadata.NewDelta(b.image)
	for _, r := range records {
		if err := delta.Replay(r); err != nil {
			b.t.Fatal(err)
		}
	}
	b.nextOffset += int64(len(records))
	b.image = delta.Apply(b.nextOffset, 1)
	if err := b.replicas.Apply(delta, b.image); err != nil {
		b.t.Fatal(err)
	}
}

// ask sends a request through its bytes, and reads the answer from its bytes. A
// connection that is closed is io.EOF, and the next one is another.
func (b *dataBroker) ask(request kmsg.Request) (kmsg.Response, error) {
	return b.begin(request)(b.connected)
}

// begin calls the handler, and returns what gives the answer.
func (b *dataBroker) begin(request kmsg.Request) func(context.Context) (kmsg.Response, error) {
	frame := request.AppendTo(nil)
	decoded := kmsg.RequestForKey(request.Key())
	decoded.SetVersion(request.GetVersion())
	if err := decoded.ReadFrom(frame); err != nil {
		b.t.Fatal(err)
	}
	reply := b.handlers[kmsg.Key(request.Key())](b.connected, &Request{
		Body: decoded, Principal: "User:ANONYMOUS", Listener: b.listener, ConnectionID: b.connection, Received: time.Now(),
	})
	return func(ctx context.Context) (kmsg.Response, error) {
		response, err := reply(ctx)
		switch {
		case errors.Is(err, ErrClose):
			b.connection++
			return nil, io.EOF
		case err != nil || response == nil:
			return nil, err
		}
		return reread(b.t, request, response), nil
	}
}

// reread decodes the bytes of an answer, and holds an answer made of parts to
// what kmsg writes for the same.
func reread(t *testing.T, request kmsg.Request, response Response) kmsg.Response {
	t.Helper()
	body := response.AppendTo(nil)
	parts, inParts := response.(PartsResponse)
	if inParts {
		if sent := joinParts(t, parts); !bytes.Equal(sent, body) {
			t.Fatalf("the parts are\n%x\nand the whole is\n%x", sent, body)
		}
		parts.Release()
	}
	decoded := request.ResponseKind()
	if err := decoded.ReadFrom(body); err != nil {
		t.Fatalf("answer to %T v%d: %v\n%x", request, request.GetVersion(), err, body)
	}
	if again := decoded.AppendTo(nil); inParts && !bytes.Equal(again, body) {
		t.Fatalf("version %d: the answer is\n%x\nand kmsg's is\n%x", request.GetVersion(), body, again)
	}
	return decoded
}

func joinParts(t *testing.T, response PartsResponse) []byte {
	var sent []byte
	for _, part := range response.Parts() {
		sent = append(sent, part.Bytes...)
		if part.Region != nil {
			before := len(sent)
			var err error
			if sent, err = part.Region.ReadAll(sent); err != nil {
				t.Fatal(err)
			}
			if len(sent)-before != part.Region.Len() {
				t.Fatalf("a region of %d bytes has %d", part.Region.Len(), len(sent)-before)
			}
		}
	}
	return sent
}

// must asks and expects an answer.
func must[R kmsg.Response](b *dataBroker, version int16, request kmsg.Request) R {
	b.t.Helper()
	request.SetVersion(version)
	response, err := b.ask(request)
	if err != nil {
		b.t.Fatalf("%T v%d: %v", request, version, err)
	}
	return response.(R)
}

// write produces to a partition, at version 9.
func (b *dataBroker) write(topic string, partition int32, batch []byte) *kmsg.ProduceResponseTopicPartition {
	b.t.Helper()
	response := must[*kmsg.ProduceResponse](b, 9, produce(-1, records{topic, partition, batch})(9, nil))
	return &response.Topics[0].Partitions[0]
}
