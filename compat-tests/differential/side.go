package differential

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/compat-tests/harness"
)

// side is one of the two brokers and what this suite knows of it: the names behind its ids. A side is used by one
// goroutine at a time.
type side struct {
	broker *harness.Broker
	// topicIDs maps a topic's name to its id on this broker; names is the way back.
	topicIDs map[string][16]byte
	names    map[[16]byte]string
	// tokens maps what a broker made up (member ids, cluster id) to the name that stands for it in comparisons.
	tokens map[string]string
	// values are what an earlier answer of a history left for a later request, by name.
	values map[string]any
	// connections are the open ones, by the name that a history gives them; "" is the everyday one.
	connections map[string]net.Conn
	correlation int32
}

func newSide(t *testing.T, b *harness.Broker) *side {
	s := &side{
		broker: b, topicIDs: map[string][16]byte{}, names: map[[16]byte]string{}, tokens: map[string]string{},
		values: map[string]any{}, connections: map[string]net.Conn{},
	}
	t.Cleanup(s.hangUp)
	return s
}

// hangUp closes every connection.
func (s *side) hangUp() {
	for name, connection := range s.connections {
		_ = connection.Close()
		delete(s.connections, name)
	}
}

// answer is what came back for a request: a response, or a closed connection, or (Produce with acks 0) nothing.
type answer struct {
	response kmsg.Response
	closed   bool
	silent   bool
}

// answerLimit is how long a broker may take; every wait that a request asks for is far below it.
const answerLimit = 20 * time.Second

// dial returns the connection of a name, opening it where it is not open.
func (s *side) dial(name string) (net.Conn, error) {
	if connection, ok := s.connections[name]; ok {
		return connection, nil
	}
	connection, err := net.DialTimeout("tcp", s.broker.Address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	s.connections[name] = connection
	return connection, nil
}

// do sends a request on a connection and waits for its answer. silent: none is expected; the connection is watched for
// a moment for being closed instead.
func (s *side) do(connectionName string, request kmsg.Request, silent bool) (answer, error) {
	connection, err := s.dial(connectionName)
	if err != nil {
		return answer{}, err
	}
	s.correlation++
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("differential")).AppendRequest(nil, request, s.correlation)
	if _, err := connection.Write(frame); err != nil {
		return s.gone(connectionName, err)
	}
	if silent {
		_ = connection.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		var one [1]byte
		_, err := connection.Read(one[:])
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
			return answer{silent: true}, nil
		}
		return s.gone(connectionName, err)
	}
	_ = connection.SetReadDeadline(time.Now().Add(answerLimit))
	var length [4]byte
	if _, err := io.ReadFull(connection, length[:]); err != nil {
		return s.gone(connectionName, err)
	}
	body := make([]byte, binary.BigEndian.Uint32(length[:]))
	if _, err := io.ReadFull(connection, body); err != nil {
		return s.gone(connectionName, err)
	}
	return s.decode(request, body)
}

// decode reads an answer's header and body.
func (s *side) decode(request kmsg.Request, body []byte) (answer, error) {
	if len(body) < 4 || int32(binary.BigEndian.Uint32(body)) != s.correlation {
		return answer{}, fmt.Errorf("the answer's correlation id is not %d: %x", s.correlation, body[:min(len(body), 8)])
	}
	body = body[4:]
	response := request.ResponseKind()
	response.SetVersion(request.GetVersion())
	if response.IsFlexible() && response.Key() != int16(kmsg.ApiVersions) {
		if len(body) == 0 || body[0] != 0 {
			return answer{}, fmt.Errorf("the header of the answer has tags: %x", body[:min(len(body), 8)])
		}
		body = body[1:]
	}
	if err := response.ReadFrom(body); err != nil {
		return answer{}, fmt.Errorf("%s v%d: %w: %x", kmsg.NameForKey(response.Key()), response.GetVersion(), err, body)
	}
	return answer{response: response}, nil
}

// gone forgets a connection that the broker closed. A time-out is an error of the broker's, not a closed connection.
func (s *side) gone(connectionName string, err error) (answer, error) {
	connection := s.connections[connectionName]
	_ = connection.Close()
	delete(s.connections, connectionName)
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return answer{}, fmt.Errorf("no answer within %v", answerLimit)
	}
	return answer{closed: true}, nil
}

// learn reads the ids of every topic.
func (s *side) learn() error {
	request := kmsg.NewPtrMetadataRequest()
	request.Version, request.Topics = 12, nil
	got, err := s.do("learn", request, false)
	if err != nil {
		return err
	}
	response, ok := got.response.(*kmsg.MetadataResponse)
	if !ok {
		return fmt.Errorf("%s closed the connection on a Metadata request", s.broker.Name)
	}
	if response.ClusterID != nil {
		s.tokens[*response.ClusterID] = "CLUSTER"
	}
	for _, topic := range response.Topics {
		if topic.Topic != nil && topic.ErrorCode == 0 {
			s.topicIDs[*topic.Topic] = topic.TopicID
			s.names[topic.TopicID] = *topic.Topic
		}
	}
	return nil
}

// between is how an answer tells which timestamps would do at this moment.
var between = regexp.MustCompile(`within \[-?\d+, -?\d+\]`)

// text puts the names of this suite for what the broker made up.
func (s *side) text(value string) string {
	for raw, token := range s.tokens {
		value = strings.ReplaceAll(value, raw, token)
	}
	for name, id := range s.topicIDs {
		value = strings.ReplaceAll(value, idText(id), "ID("+name+")")
	}
	value = strings.ReplaceAll(value, s.broker.Data, "DATA")
	value = strings.ReplaceAll(value, fmt.Sprint(s.broker.ControllerPort), "CONTROLLER")
	value = between.ReplaceAllString(value, "within [FROM, TO]")
	return strings.ReplaceAll(value, fmt.Sprint(s.broker.Port), "PORT")
}
