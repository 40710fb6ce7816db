package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// conn is one client connection: frames out, frames in, nothing more. It is not for several goroutines, except that one
// may write while another reads.
type conn struct {
	net.Conn
	buffer      []byte
	correlation int32
}

// runLimit is how long one run of a row may take.
const runLimit = 3 * time.Minute

// dial connects to a subject. Reads and writes fail once a run must have ended, unless another deadline is set.
func dial(address string) (*conn, error) {
	c, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, c.SetDeadline(time.Now().Add(runLimit))
}

// frame renders a request whole: size, header, body.
func (c *conn) frame(request kmsg.Request) []byte {
	c.correlation++
	f := frame(request)
	number(f, uint32(c.correlation))
	return f
}

// read returns the next answer after its size: correlation id, the rest of the header, body. The slice is good until the
// next read.
func (c *conn) read() ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(size[:]))
	if n < 4 {
		return nil, fmt.Errorf("an answer of %d bytes", n)
	}
	if cap(c.buffer) < n {
		c.buffer = make([]byte, n)
	}
	c.buffer = c.buffer[:n]
	_, err := io.ReadFull(c, c.buffer)
	return c.buffer, err
}

// call sends a request and decodes its answer; error codes inside it are the caller's business.
func (c *conn) call(request kmsg.Request) (kmsg.Response, error) {
	if _, err := c.Write(c.frame(request)); err != nil {
		return nil, err
	}
	return c.receive(request)
}

// receive decodes the next answer as that of a request.
func (c *conn) receive(request kmsg.Request) (kmsg.Response, error) {
	answer, err := c.read()
	if err != nil {
		return nil, err
	}
	response := request.ResponseKind()
	response.SetVersion(request.GetVersion())
	body := answer[4:]
	if response.IsFlexible() && response.Key() != 18 {
		if len(body) == 0 || body[0] != 0 {
			return nil, errors.New("an answer's header has tags")
		}
		body = body[1:]
	}
	return response, response.ReadFrom(body)
}

// answers tells whether a server answers ApiVersions at the address.
func answers(address string) bool {
	c, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	_, err = (&conn{Conn: c}).call(&kmsg.ApiVersionsRequest{})
	return err == nil
}

// createTopic makes a topic and waits until the leader of each of its partitions serves it: metadata may name a leader
// before it is ready.
func createTopic(s *Subject, name string, partitions int, configs ...string) error {
	c, err := dial(s.Address)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := c.createTopic(name, partitions, configs...); err != nil {
		return err
	}
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if err = c.ready(name, partitions); err == nil || time.Now().After(end) {
			return err
		}
	}
}

// createTopic asks for a topic; configs are pairs of key and value.
func (c *conn) createTopic(name string, partitions int, configs ...string) error {
	request := kmsg.NewPtrCreateTopicsRequest()
	request.Version, request.TimeoutMillis = 5, 120_000
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, int32(partitions), 1
	for i := 0; i+1 < len(configs); i += 2 {
		config := kmsg.NewCreateTopicsRequestTopicConfig()
		config.Name, config.Value = configs[i], &configs[i+1]
		topic.Configs = append(topic.Configs, config)
	}
	request.Topics = append(request.Topics, topic)
	response, err := c.call(request)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(response.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode)
}

// Timestamps that stand for a place in ListOffsets.
const (
	latest   = -1
	earliest = -2
)

// ready asks every partition's end offset and returns an error unless all answer.
func (c *conn) ready(name string, partitions int) error {
	_, err := c.offsets(name, share(partitions, 0, 1), latest)
	return err
}

// offset asks for an offset of one partition.
func (c *conn) offset(topic string, partition int32, timestamp int64) (int64, error) {
	offsets, err := c.offsets(topic, []int32{partition}, timestamp)
	if err != nil {
		return 0, err
	}
	return offsets[0], nil
}

// offsets asks for an offset of each partition and returns them in the same order.
func (c *conn) offsets(name string, partitions []int32, timestamp int64) ([]int64, error) {
	request := kmsg.NewPtrListOffsetsRequest()
	request.Version, request.ReplicaID = 4, -1
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = name
	for _, p := range partitions {
		partition := kmsg.NewListOffsetsRequestTopicPartition()
		partition.Partition, partition.Timestamp, partition.CurrentLeaderEpoch = p, timestamp, -1
		topic.Partitions = append(topic.Partitions, partition)
	}
	request.Topics = append(request.Topics, topic)
	response, err := c.call(request)
	if err != nil {
		return nil, err
	}
	answered := map[int32]int64{}
	for _, topic := range response.(*kmsg.ListOffsetsResponse).Topics {
		for _, partition := range topic.Partitions {
			if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
				return nil, fmt.Errorf("partition %d of %s: %w", partition.Partition, name, err)
			}
			answered[partition.Partition] = partition.Offset
		}
	}
	offsets := make([]int64, len(partitions))
	for i, p := range partitions {
		offset, found := answered[p]
		if !found {
			return nil, fmt.Errorf("no answer for partition %d of %s", p, name)
		}
		offsets[i] = offset
	}
	return offsets, nil
}

// deleteTopic removes a topic; its files go a moment later.
func deleteTopic(s *Subject, name string) error {
	c, err := dial(s.Address)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.Version, request.TimeoutMillis, request.TopicNames = 5, 120_000, []string{name}
	response, err := c.call(request)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(response.(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode)
}
