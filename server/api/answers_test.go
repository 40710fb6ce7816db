package api

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// capture asks a running Apache Kafka (empty, broker id 1) instead of the
// handlers, and keeps what it answers.
var capture = flag.String("capture", "", "host:port of an Apache Kafka whose answers to keep in testdata")

const answersFile = "testdata/kafka_answers.json"

// answered is one request of the scenario and what came back: the normalized
// answer, or null where the connection was closed.
type answered struct {
	Step    string
	Version int16
	Answer  any
}

// asker sends one request and gives the answer; io.EOF means closed.
type asker func(request kmsg.Request) (kmsg.Response, error)

// play asks the whole scenario.
func play(t *testing.T, ask asker) []answered {
	t.Helper()
	var all []answered
	topics := make(map[string][16]byte)
	for _, s := range scenario() {
		for _, v := range s.versions {
			request := s.build(v, topics)
			request.SetVersion(v)
			response, err := ask(request)
			if errors.Is(err, io.EOF) {
				all = append(all, answered{s.name, v, nil})
				continue
			}
			if err != nil {
				t.Fatalf("%s v%d: %v", s.name, v, err)
			}
			learnTopics(response, topics)
			all = append(all, answered{s.name, v, normalize(t, response)})
			if *capture != "" && changes(request) {
				// Kafka answers before its own broker has heard of the change.
				time.Sleep(400 * time.Millisecond)
			}
		}
	}
	return all
}

func changes(request kmsg.Request) bool {
	switch r := request.(type) {
	case *kmsg.CreateTopicsRequest, *kmsg.DeleteTopicsRequest, *kmsg.CreatePartitionsRequest, *kmsg.IncrementalAlterConfigsRequest:
		return true
	case *kmsg.MetadataRequest:
		return r.AllowAutoTopicCreation
	default:
		return false
	}
}

func learnTopics(response kmsg.Response, topics map[string][16]byte) {
	if r, ok := response.(*kmsg.CreateTopicsResponse); ok {
		for _, t := range r.Topics {
			if t.TopicID != ([16]byte{}) {
				topics[t.Topic] = t.TopicID
			}
		}
	}
	if r, ok := response.(*kmsg.MetadataResponse); ok {
		for _, t := range r.Topics {
			if t.Topic != nil && t.TopicID != ([16]byte{}) {
				topics[*t.Topic] = t.TopicID
			}
		}
	}
}

// normalize turns an answer into JSON's plain values, without what differs from
// one broker to the next and without order where Kafka has none.
func normalize(t *testing.T, response kmsg.Response) any {
	t.Helper()
	switch r := response.(type) {
	case *kmsg.DeleteTopicsResponse:
		// Kafka shuffles them on purpose.
		slices.SortFunc(r.Topics, func(a, b kmsg.DeleteTopicsResponseTopic) int {
			return strings.Compare(deletedKey(a), deletedKey(b))
		})
	case *kmsg.MetadataResponse:
		// Kafka takes them from hash tables; the order within is its own.
		slices.SortStableFunc(r.Topics, func(a, b kmsg.MetadataResponseTopic) int { return strings.Compare(orEmpty(a.Topic), orEmpty(b.Topic)) })
	case *kmsg.CreatePartitionsResponse:
		slices.SortStableFunc(r.Topics, func(a, b kmsg.CreatePartitionsResponseTopic) int { return strings.Compare(a.Topic, b.Topic) })
	case *kmsg.ApiVersionsResponse:
		slices.SortFunc(r.SupportedFeatures, func(a, b kmsg.ApiVersionsResponseSupportedFeature) int { return strings.Compare(a.Name, b.Name) })
		slices.SortFunc(r.FinalizedFeatures, func(a, b kmsg.ApiVersionsResponseFinalizedFeature) int { return strings.Compare(a.Name, b.Name) })
	}
	raw, err := json.Marshal(response)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&tree); err != nil {
		t.Fatal(err)
	}
	return scrub(tree)
}

func deletedKey(t kmsg.DeleteTopicsResponseTopic) string {
	return fmt.Sprintf("%s %d %t %s", orEmpty(t.Topic), t.ErrorCode, t.TopicID != [16]byte{}, orEmpty(t.ErrorMessage))
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// scrub puts what differs between brokers into one form: ids, addresses, and
// the documentation's words, of which only their being there counts.
func scrub(tree any) any {
	switch v := tree.(type) {
	case map[string]any:
		for key, value := range v {
			switch {
			case key == "UnknownTags":
				delete(v, key)
			case key == "TopicID":
				v[key] = idKind(value)
			case key == "ClusterID" && value != nil:
				v[key] = "cluster"
			case key == "Host":
				v[key] = "host"
			case key == "Port", key == "FinalizedFeaturesEpoch":
				v[key] = 1
			case key == "Documentation" && value != nil:
				v[key] = "documented"
			default:
				v[key] = scrub(value)
			}
		}
	case []any:
		for i := range v {
			v[i] = scrub(v[i])
		}
	}
	return tree
}

func idKind(value any) string {
	parts, _ := value.([]any)
	zero := true
	for _, part := range parts {
		if n, ok := part.(json.Number); ok && n != "0" {
			zero = false
		}
	}
	switch {
	case zero:
		return "zero"
	case fmt.Sprint(parts[:4]) == "[1 2 3 0]":
		return "unknown"
	default:
		return "id"
	}
}

// TestCaptureAnswers writes the golden file from a running Apache Kafka.
func TestCaptureAnswers(t *testing.T) {
	if *capture == "" {
		t.Skip("needs -capture host:port")
	}
	all := play(t, func(request kmsg.Request) (kmsg.Response, error) { return askSocket(*capture, request) })
	var out bytes.Buffer
	out.WriteString("[\n")
	for i, a := range all {
		line, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(line)
		if i < len(all)-1 {
			out.WriteByte(',')
		}
		out.WriteByte('\n')
	}
	out.WriteString("]\n")
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(answersFile, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// askSocket sends one request on a connection of its own.
func askSocket(address string, request kmsg.Request) (kmsg.Response, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(60 * time.Second)); err != nil {
		return nil, err
	}
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("answers")).AppendRequest(nil, request, 7)
	if _, err := conn.Write(frame); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(conn, body); err != nil {
		return nil, err
	}
	body = body[4:]
	response := request.ResponseKind()
	if response.IsFlexible() && request.Key() != kmsg.ApiVersions.Int16() {
		body = body[1:]
	}
	return response, response.ReadFrom(body)
}
