package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/config"
	"ottla/internal/quorumtest"
	"ottla/metadata"
	"ottla/metadata/controller"
	"ottla/protocol"
)

// node is a broker with the id 1 whose metadata is in memory: the handlers of
// metadata as a server puts them together.
type node struct {
	quorum     *quorumtest.Quorum
	controller *controller.Controller
	config     *config.Config
	handlers   Handlers
}

// newNode starts one, with keys of server.properties over the defaults.
func newNode(t testing.TB, overrides ...string) *node {
	t.Helper()
	all := append([]string{
		"process.roles=broker,controller", "node.id=1", "controller.quorum.bootstrap.servers=localhost:9093",
		"listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093",
		"advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093",
		"controller.listener.names=CONTROLLER", "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
		"inter.broker.listener.name=PLAINTEXT", "log.dirs=" + t.TempDir(),
		"offsets.topic.replication.factor=1", "share.coordinator.state.topic.replication.factor=1", "share.coordinator.state.topic.min.isr=1",
		"transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1", "group.initial.rebalance.delay.ms=0",
	}, overrides...)
	c, _, err := config.Load(config.Options{Overrides: all, Hostname: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{quorum: quorumtest.Fresh("cluster"), config: c}
	options := controller.FromConfig(c)
	options.Quorum = n.quorum
	n.controller = controller.New(options)
	t.Cleanup(n.controller.Close)
	ctx := context.Background()
	if _, err := n.controller.RegisterBroker(ctx, controller.Registration{
		IncarnationID: [16]byte{1}, Directories: [][16]byte{{15: 77}}, PreviousEpoch: -1,
		Endpoints: []metadata.Endpoint{{Name: "PLAINTEXT", Host: "localhost", Port: 9092}},
	}); err != nil {
		t.Fatal(err)
	}
	if err := n.controller.Unfence(ctx); err != nil {
		t.Fatal(err)
	}
	var creator TopicCreator
	if c.Topics.AutoCreate {
		creator = n.controller
	}
	n.handlers = Handlers{
		kmsg.Metadata:                Metadata(n.controller, creator),
		kmsg.ApiVersions:             ApiVersions(allAPIs, n.features),
		kmsg.CreateTopics:            CreateTopics(n.controller),
		kmsg.DeleteTopics:            DeleteTopics(n.controller),
		kmsg.DescribeConfigs:         DescribeConfigs(n.controller, c, c.NodeID),
		kmsg.CreatePartitions:        CreatePartitions(n.controller),
		kmsg.IncrementalAlterConfigs: IncrementalAlterConfigs(n.controller),
		kmsg.DescribeCluster:         DescribeCluster(n.controller, func(listener string) bool { return listener == "CONTROLLER" }),
		kmsg.DescribeTopicPartitions: DescribeTopicPartitions(n.controller, c.Broker.MaxRequestPartitionSize),
	}
	return n
}

// allAPIs is the whole table, as Apache Kafka serves it to clients.
func allAPIs(string) map[kmsg.Key]VersionRange {
	ranges := make(map[kmsg.Key]VersionRange)
	for api := range protocol.APIs() {
		if api.Listeners.Has(protocol.Broker) && api.Key != 71 && api.Key != 72 {
			ranges[kmsg.Key(api.Key)] = VersionRange{api.AdvertisedMin, api.Max}
		}
	}
	return ranges
}

// ask sends a request through its encoding to the handler, and the answer back
// through its own.
func (n *node) ask(request kmsg.Request) (kmsg.Response, error) {
	decoded := kmsg.RequestForKey(request.Key())
	decoded.SetVersion(request.GetVersion())
	if err := decoded.ReadFrom(request.AppendTo(nil)); err != nil {
		return nil, err
	}
	return n.handle(&Request{Body: decoded, Listener: "PLAINTEXT", Principal: "User:ANONYMOUS"}, request.ResponseKind())
}

func (n *node) handle(request *Request, into kmsg.Response) (kmsg.Response, error) {
	ctx := context.Background()
	response, err := n.handlers[kmsg.Key(request.Body.Key())](ctx, request)(ctx)
	if err == ErrClose {
		return nil, io.EOF
	}
	if err != nil {
		return nil, err
	}
	into.SetVersion(response.GetVersion())
	if err := into.ReadFrom(response.AppendTo(nil)); err != nil {
		return nil, fmt.Errorf("the answer cannot be read: %w", err)
	}
	if changes(request.Body) {
		// What was only started is done when the controller has done this.
		if _, err := n.controller.CreateTopics(ctx, kmsg.NewPtrCreateTopicsRequest()); err != nil {
			return nil, err
		}
	}
	return into, nil
}

// features is what Apache Kafka 4.3 says of features.
func (n *node) features() Features {
	image := n.controller.Image()
	features := Features{Supported: make(map[string]VersionRange), Finalized: map[string]int16{"kraft.version": 1}, Epoch: image.Offset()}
	broker, _ := image.Broker(n.config.NodeID)
	for name, levels := range broker.Features {
		features.Supported[name] = VersionRange{levels.Min, levels.Max}
	}
	for name, level := range image.Features() {
		features.Finalized[name] = level
	}
	return features
}

// TestAnswersAsKafka asks what Apache Kafka was asked and compares the answers.
func TestAnswersAsKafka(t *testing.T) {
	raw, err := os.ReadFile(answersFile)
	if err != nil {
		t.Fatal(err)
	}
	var want []answered
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&want); err != nil {
		t.Fatal(err)
	}
	got := play(t, newNode(t).ask)
	if len(got) != len(want) {
		t.Fatalf("%d answers, want %d", len(got), len(want))
	}
	for i := range want {
		wantText, gotText := answerText(t, want[i]), answerText(t, got[i])
		if wantText != gotText {
			t.Errorf("%s v%d:\nKafka %s\nours  %s", want[i].Step, want[i].Version, around(wantText, gotText), around(gotText, wantText))
		}
	}
}

// answerText is an answer as one line, without the order of configurations,
// which is a hash table's.
func answerText(t *testing.T, a answered) string {
	t.Helper()
	sortConfigs(a.Answer)
	line, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return string(line)
}

func sortConfigs(tree any) {
	switch v := tree.(type) {
	case map[string]any:
		if configs, ok := v["Configs"].([]any); ok {
			slices.SortFunc(configs, func(a, b any) int {
				return strings.Compare(fmt.Sprint(a.(map[string]any)["Name"]), fmt.Sprint(b.(map[string]any)["Name"]))
			})
			for _, entry := range configs {
				hideEnvironment(entry.(map[string]any))
			}
		}
		for _, value := range v {
			sortConfigs(value)
		}
	case []any:
		for _, value := range v {
			sortConfigs(value)
		}
	}
}

// hideEnvironment takes out the values that name directories and ports, and the
// defaults of keys that have none in Kafka, because it demands them.
func hideEnvironment(entry map[string]any) {
	switch entry["Name"] {
	case "node.id", "process.roles", "controller.listener.names":
		if synonyms, _ := entry["ConfigSynonyms"].([]any); len(synonyms) > 1 {
			entry["ConfigSynonyms"] = synonyms[:1]
		}
	case "log.dirs", "log.dir", "listeners", "advertised.listeners", "controller.quorum.bootstrap.servers":
		entry["Value"] = "of the environment"
		synonyms, _ := entry["ConfigSynonyms"].([]any)
		for _, synonym := range synonyms {
			synonym.(map[string]any)["Value"] = "of the environment"
		}
	}
}

// around is the part of a text where it begins to differ from another.
func around(text, other string) string {
	i := 0
	for i < len(text) && i < len(other) && text[i] == other[i] {
		i++
	}
	return "…" + text[max(0, i-160):min(len(text), i+240)] + "…"
}

// TestRoundTrips asks every API in every version, through the encodings.
func TestRoundTrips(t *testing.T) {
	n := newNode(t)
	for key := range n.handlers {
		row, ok := protocol.Lookup(int16(key))
		if !ok {
			t.Fatalf("API %d is not in the table", key)
		}
		for v := row.Min; v <= row.Max; v++ {
			request := kmsg.RequestForKey(int16(key))
			request.SetVersion(v)
			if defaulted, ok := request.(interface{ Default() }); ok {
				defaulted.Default()
			}
			response, err := n.ask(request)
			if err != nil {
				t.Errorf("%s v%d: %v", row.Name, v, err)
			} else if response.GetVersion() != v {
				t.Errorf("%s v%d: answered in v%d", row.Name, v, response.GetVersion())
			}
		}
	}
}

// BenchmarkCreateTopics creates topics one by one in the newest version.
func BenchmarkCreateTopics(b *testing.B) {
	n := newNode(b)
	b.ReportAllocs()
	for i := range b.N {
		request := at(7, createRequest(false, newTopic(fmt.Sprintf("topic-%d", i), 1, 1)))
		if response, err := n.ask(request); err != nil || errorsOf(response)[0] != 0 {
			b.Fatal(response, err)
		}
	}
}

// BenchmarkMetadata asks for 100 topics of 1000.
func BenchmarkMetadata(b *testing.B) {
	n := newNode(b)
	var names []string
	for i := range 10 {
		var topics []kmsg.CreateTopicsRequestTopic
		for j := range 100 {
			topics = append(topics, newTopic(fmt.Sprintf("topic-%d", i*100+j), 1, 1))
			if i == 0 {
				names = append(names, topics[j].Topic)
			}
		}
		if _, err := n.ask(at(7, createRequest(false, topics...))); err != nil {
			b.Fatal(err)
		}
	}
	request := at(12, metadataOf(names...)())
	ctx := context.Background()
	b.ReportAllocs()
	b.ResetTimer()
	var buffer []byte
	for range b.N {
		response, err := n.handlers[kmsg.Metadata](ctx, &Request{Body: request, Listener: "PLAINTEXT"})(ctx)
		if err != nil {
			b.Fatal(err)
		}
		buffer = response.AppendTo(buffer[:0])
	}
}
