package swap

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/compat-tests/harness"
)

// wire is one connection to a server: each request is sent in the version that the test chose, once, and answered
// before the next.
type wire struct {
	t           *testing.T
	broker      *harness.Broker
	connection  net.Conn
	formatter   *kmsg.RequestFormatter
	correlation int32
}

func dial(t *testing.T, broker *harness.Broker) *wire {
	t.Helper()
	connection, err := net.Dial("tcp", broker.Address)
	check(t, err)
	t.Cleanup(func() { _ = connection.Close() })
	return &wire{t: t, broker: broker, connection: connection, formatter: kmsg.NewRequestFormatter(kmsg.FormatterClientID("same"))}
}

// call sends a request in a version and returns the answer.
func (w *wire) call(request kmsg.Request, version int16) kmsg.Response {
	w.t.Helper()
	time.Sleep(2 * time.Millisecond) // the times of day that requests have must differ
	request.SetVersion(version)
	w.correlation++
	check(w.t, w.connection.SetDeadline(time.Now().Add(2*time.Minute)))
	_, err := w.connection.Write(w.formatter.AppendRequest(nil, request, w.correlation))
	check(w.t, err)
	var length [4]byte
	_, err = io.ReadFull(w.connection, length[:])
	check(w.t, err)
	frame := make([]byte, binary.BigEndian.Uint32(length[:]))
	_, err = io.ReadFull(w.connection, frame)
	check(w.t, err)
	response, header := request.ResponseKind(), 4
	response.SetVersion(version)
	if response.IsFlexible() {
		header++ // no tags
	}
	if err := response.ReadFrom(frame[header:]); err != nil {
		w.t.Fatalf("%s: read the answer to %T: %v", w.broker.Name, request, err)
	}
	return response
}

// until calls ask, which sends a request, until it gives no error.
func (w *wire) until(what string, ask func() error) {
	w.t.Helper()
	var err error
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err = ask(); err == nil {
			return
		}
	}
	w.t.Fatalf("%s: still waiting for %s: %v", w.broker.Name, what, err)
}

// must fails the test on an error code.
func (w *wire) must(what string, code int16) {
	w.t.Helper()
	if err := kerr.ErrorForCode(code); err != nil {
		w.t.Fatalf("%s: %s: %v", w.broker.Name, what, err)
	}
}

// create creates a topic.
func (w *wire) create(topic string, partitions int32, configs ...string) {
	w.t.Helper()
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = 60000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, partitions, 1
	for i := 0; i < len(configs); i += 2 {
		config := kmsg.NewCreateTopicsRequestTopicConfig()
		config.Name, config.Value = configs[i], &configs[i+1]
		t.Configs = append(t.Configs, config)
	}
	request.Topics = append(request.Topics, t)
	w.must("create "+topic, w.call(request, 7).(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode)
	w.until("the leaders of "+topic, func() error {
		ids := w.topics(topic)
		if len(ids) == 0 {
			return fmt.Errorf("it is not known")
		}
		return nil
	})
}

// topics gives the ids of topics that have a leader for each partition; no name: of all.
func (w *wire) topics(names ...string) map[string][16]byte {
	w.t.Helper()
	request := kmsg.NewPtrMetadataRequest()
	for _, name := range names {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = &name
		request.Topics = append(request.Topics, topic)
	}
	ids := map[string][16]byte{}
	for _, topic := range w.call(request, 12).(*kmsg.MetadataResponse).Topics {
		led := topic.ErrorCode == 0
		for _, partition := range topic.Partitions {
			led = led && partition.ErrorCode == 0 && partition.Leader >= 0
		}
		if led {
			ids[*topic.Topic] = topic.TopicID
		}
	}
	return ids
}

// produce writes batches as one request; a transactional id belongs to transactional ones.
func (w *wire) produce(version int16, transactionalID *string, topic string, partition int32, batch []byte) {
	w.t.Helper()
	request := kmsg.NewPtrProduceRequest()
	request.Acks, request.TimeoutMillis, request.TransactionID = -1, 60000, transactionalID
	t, p := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	t.Topic, p.Partition, p.Records = topic, partition, batch
	if version >= 13 {
		t.TopicID = w.topics(topic)[topic]
	}
	t.Partitions = append(t.Partitions, p)
	request.Topics = append(request.Topics, t)
	answer := w.call(request, version).(*kmsg.ProduceResponse)
	w.must(fmt.Sprintf("produce to %s-%d", topic, partition), answer.Topics[0].Partitions[0].ErrorCode)
}

// end is the offset behind the last record that readers of that isolation level see.
func (w *wire) end(topic string, partition int32, isolation int8) int64 {
	w.t.Helper()
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID, request.IsolationLevel = -1, isolation
	t, p := kmsg.NewListOffsetsRequestTopic(), kmsg.NewListOffsetsRequestTopicPartition()
	t.Topic, p.Partition, p.Timestamp = topic, partition, -1
	t.Partitions = append(t.Partitions, p)
	request.Topics = append(request.Topics, t)
	answer := w.call(request, 7).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
	w.must("list offsets of "+topic, answer.ErrorCode)
	return answer.Offset
}

// settled waits until no transaction holds back readers of committed records.
func (w *wire) settled(topic string, partitions int32) {
	w.t.Helper()
	w.until("the transactions in "+topic, func() error {
		for partition := range partitions {
			if end, stable := w.end(topic, partition, 0), w.end(topic, partition, 1); end != stable {
				return fmt.Errorf("partition %d is stable to %d of %d", partition, stable, end)
			}
		}
		return nil
	})
}
