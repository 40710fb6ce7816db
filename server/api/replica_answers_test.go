package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// captureData asks a running Apache Kafka (empty, broker id 1) instead of the
// handlers, and keeps what it answers.
var captureData = flag.String("capture-data", "", "host:port of an Apache Kafka whose answers about records to keep in testdata")

// someTime is a time in a message, which differs from one run to the next.
var someTime = regexp.MustCompile(`-?\d{13,}`)

const dataAnswersFile = "testdata/replica_answers.json"

// dataAnswer is one request of the scenario and what came back: the normalized
// answer, or a word where there is none.
type dataAnswer struct {
	Step    string
	Version int16
	Answer  any
}

func through(first, last int16) []int16 {
	var all []int16
	for v := first; v <= last; v++ {
		all = append(all, v)
	}
	return all
}

// dataAsker sends one request, always on the same connection; io.EOF means
// that it was closed, a nil response that there was none.
type dataAsker func(request kmsg.Request) (kmsg.Response, error)

func playData(t *testing.T, ids map[string][16]byte, ask dataAsker) []dataAnswer {
	t.Helper()
	var all []dataAnswer
	session := int32(0)
	for _, s := range dataScenario() {
		for _, v := range s.versions {
			request := s.build(v, ids)
			request.SetVersion(v)
			if fetch, ok := request.(*kmsg.FetchRequest); ok && fetch.SessionID == lastSession {
				fetch.SessionID = session
			}
			response, err := ask(request)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				all = append(all, dataAnswer{s.name, v, "silence"})
				continue
			}
			if err != nil && !errors.Is(err, io.EOF) {
				t.Fatalf("%s v%d: %v", s.name, v, err)
			}
			switch {
			case err != nil:
				all = append(all, dataAnswer{s.name, v, "closed"})
				continue
			case response == nil:
				all = append(all, dataAnswer{s.name, v, "nothing"})
				continue
			}
			if fetch, ok := response.(*kmsg.FetchResponse); ok && fetch.SessionID != 0 {
				session = fetch.SessionID
			}
			all = append(all, dataAnswer{s.name, v, plainAnswer(t, response)})
		}
	}
	return all
}

// plainAnswer turns an answer into JSON's plain values, without what differs
// from one broker to the next.
func plainAnswer(t *testing.T, response kmsg.Response) any {
	t.Helper()
	raw, err := json.Marshal(response)
	if err != nil {
		t.Fatal(err)
	}
	return scrubData(parseJSON(t, raw))
}

func parseJSON(t *testing.T, raw []byte) any {
	t.Helper()
	var tree any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&tree); err != nil {
		t.Fatal(err)
	}
	return tree
}

func scrubData(tree any) any {
	switch v := tree.(type) {
	case map[string]any:
		for key, value := range v {
			switch key {
			case "UnknownTags":
				delete(v, key)
			case "TopicID":
				if _, raw := value.([]any); raw {
					v[key] = map[bool]string{true: "zero", false: "id"}[fmt.Sprint(value) == fmt.Sprint(make([]int, 16))]
				}
			case "SessionID", "LogAppendTime", "ProducerID":
				if n, ok := value.(json.Number); ok && n != "0" && n != "-1" {
					v[key] = "some"
				}
			case "RecordBatches":
				v[key] = digest(value)
			case "ErrorMessage":
				if text, ok := value.(string); ok {
					v[key] = someTime.ReplaceAllString(text, "TIME")
				}
			default:
				v[key] = scrubData(value)
			}
		}
	case []any:
		for i := range v {
			v[i] = scrubData(v[i])
		}
	}
	return tree
}

// digest stands for bytes: their length and what they are.
func digest(value any) any {
	text, ok := value.(string)
	if !ok || strings.Contains(text, " ") {
		return value
	}
	sum := sha256.Sum256([]byte(text))
	return fmt.Sprintf("%d %s", len(text), hex.EncodeToString(sum[:6]))
}

// TestCaptureDataAnswers writes the golden file from a running Apache Kafka.
func TestCaptureDataAnswers(t *testing.T) {
	if *captureData == "" {
		t.Skip("needs -capture-data host:port")
	}
	connection := &socketAsker{address: *captureData}
	defer connection.close()
	ids := createOnSocket(t, connection)
	all := playData(t, ids, connection.ask)
	var out bytes.Buffer
	for i, a := range all {
		line, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString([]string{"[\n", ",\n"}[min(i, 1)])
		out.Write(line)
	}
	out.WriteString("\n]\n")
	if err := os.WriteFile(dataAnswersFile, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// createOnSocket makes the scenario's topics, and the internal one, which
// appears with its first use.
func createOnSocket(t *testing.T, connection *socketAsker) map[string][16]byte {
	t.Helper()
	request := kmsg.NewPtrCreateTopicsRequest()
	request.Version, request.TimeoutMillis = 7, 30000
	for _, topic := range dataTopics() {
		one := kmsg.NewCreateTopicsRequestTopic()
		one.Topic, one.NumPartitions, one.ReplicationFactor = topic.name, topic.partitions, 1
		for key, value := range topic.config {
			one.Configs = append(one.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: key, Value: kmsg.StringPtr(value)})
		}
		request.Topics = append(request.Topics, one)
	}
	response, err := connection.ask(request)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string][16]byte{}
	for _, topic := range response.(*kmsg.CreateTopicsResponse).Topics {
		if topic.ErrorCode != 0 {
			t.Fatalf("create %s: %d %v", topic.Topic, topic.ErrorCode, topic.ErrorMessage)
		}
		ids[topic.Topic] = topic.TopicID
	}
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.Version, find.CoordinatorKey = 0, "group"
	for range 20 {
		if _, err := connection.ask(find); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
	}
	// The first block of producer ids is fetched when it is asked for.
	for code := int16(-1); code != 0; {
		response, err := connection.ask(kmsg.NewPtrInitProducerIDRequest())
		if err != nil {
			t.Fatal(err)
		}
		code = response.(*kmsg.InitProducerIDResponse).ErrorCode
	}
	return ids
}

// socketAsker keeps one connection to a broker, until that closes it.
type socketAsker struct {
	address string
	conn    net.Conn
}

func (s *socketAsker) close() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

func (s *socketAsker) ask(request kmsg.Request) (kmsg.Response, error) {
	response, err := s.exchange(request)
	if err != nil {
		s.close()
	}
	return response, err
}

func (s *socketAsker) exchange(request kmsg.Request) (kmsg.Response, error) {
	if s.conn == nil {
		conn, err := net.Dial("tcp", s.address)
		if err != nil {
			return nil, err
		}
		s.conn = conn
	}
	if err := s.conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return nil, err
	}
	formatter := kmsg.NewRequestFormatter(kmsg.FormatterClientID("answers"))
	if _, err := s.conn.Write(formatter.AppendRequest(nil, request, 7)); err != nil {
		return nil, err
	}
	if produce, ok := request.(*kmsg.ProduceRequest); ok && produce.Acks == 0 {
		// The answer to the next request shows that there was none to this one.
		next := kmsg.NewPtrApiVersionsRequest()
		_, err := s.exchange(next)
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(s.conn, size[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(s.conn, body); err != nil {
		return nil, err
	}
	body = body[4:]
	response := request.ResponseKind()
	if response.IsFlexible() && request.Key() != kmsg.ApiVersions.Int16() {
		body = body[1:]
	}
	return response, response.ReadFrom(body)
}
