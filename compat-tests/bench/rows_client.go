package main

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// answerLimit is how long a scenario waits for one answer, and for a subject to come to a state, before its row fails.
const answerLimit = 3 * time.Minute

// ask sends a request and returns its answer.
func ask[R kmsg.Response](c *conn, request kmsg.Request) (response R, err error) {
	if err := c.SetDeadline(time.Now().Add(answerLimit)); err != nil {
		return response, err
	}
	answer, err := c.call(request)
	if err != nil {
		return response, fmt.Errorf("%s: %w", kmsg.NameForKey(request.Key()), err)
	}
	return answer.(R), nil
}

// until calls done every pause until it tells that it is, or fails.
func until(what string, pause time.Duration, done func() (bool, error)) error {
	for end := time.Now().Add(answerLimit); ; time.Sleep(pause) {
		if ready, err := done(); ready || err != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("not within %v: %s", answerLimit, what)
		}
	}
}

// ends asks every partition of a topic for its end offset. It returns their sum, and whether all of them answered.
func (c *conn) ends(topic string, partitions int) (sum int64, all bool, err error) {
	request := kmsg.NewPtrListOffsetsRequest()
	request.Version, request.ReplicaID = 5, -1
	part := kmsg.NewListOffsetsRequestTopic()
	part.Topic = topic
	for i := range partitions {
		partition := kmsg.NewListOffsetsRequestTopicPartition()
		partition.Partition, partition.Timestamp, partition.CurrentLeaderEpoch = int32(i), -1, -1
		part.Partitions = append(part.Partitions, partition)
	}
	request.Topics = append(request.Topics, part)
	response, err := ask[*kmsg.ListOffsetsResponse](c, request)
	if err != nil {
		return 0, false, err
	}
	answered := 0
	for _, part := range response.Topics {
		for _, partition := range part.Partitions {
			switch err := kerr.ErrorForCode(partition.ErrorCode); {
			case err == nil:
				answered++
				sum += partition.Offset
			case !kerr.IsRetriable(err):
				return 0, false, fmt.Errorf("%s-%d: %w", topic, partition.Partition, err)
			}
		}
	}
	return sum, answered == partitions, nil
}

// allServed waits until every partition of a topic answers and checks that their end offsets have the wanted sum.
func allServed(address, topic string, partitions int, records int64) error {
	c, err := dial(address)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	return until("every partition of "+topic+" is served", 5*time.Millisecond, func() (bool, error) {
		sum, all, err := c.ends(topic, partitions)
		if all && sum != records {
			return true, fmt.Errorf("%s ends at %d in all, not at %d", topic, sum, records)
		}
		return all, err
	})
}

// batchSource is the identity that a producer's batches carry.
type batchSource struct {
	id       int64
	epoch    int16
	sequence int32
}

// plainSource is the identity of a producer that has none.
func plainSource() batchSource { return batchSource{-1, -1, -1} }

// batch renders an uncompressed batch of n records whose values have size bytes each.
func (s batchSource) batch(n, size int) []byte {
	value := make([]byte, size)
	for i := range value {
		value[i] = byte('a' + (i*17+i/5)%26)
	}
	content := make([]byte, 61, 61+n*(size+16))
	for i := range n {
		record := binary.AppendVarint([]byte{0, 0}, int64(i))
		record = binary.AppendVarint(record, -1)
		record = binary.AppendVarint(record, int64(size))
		content = binary.AppendVarint(content, int64(len(record)+size+1))
		content = append(append(append(content, record...), value...), 0)
	}
	now := uint64(time.Now().UnixMilli())
	big := binary.BigEndian
	big.PutUint32(content[8:], uint32(len(content)-12))
	big.PutUint32(content[12:], 0xffffffff)
	content[16] = 2
	big.PutUint32(content[23:], uint32(n-1))
	big.PutUint64(content[27:], now)
	big.PutUint64(content[35:], now)
	big.PutUint32(content[57:], uint32(n))
	s.stamp(content)
	return content
}

// stamp writes the identity into a batch; one with a producer id becomes part of a transaction.
func (s batchSource) stamp(batch []byte) {
	big := binary.BigEndian
	if s.id >= 0 {
		big.PutUint16(batch[21:], 0x10)
	}
	big.PutUint64(batch[43:], uint64(s.id))
	big.PutUint16(batch[51:], uint16(s.epoch))
	big.PutUint32(batch[53:], uint32(s.sequence))
	big.PutUint32(batch[17:], crc32.Checksum(batch[21:], crc32.MakeTable(crc32.Castagnoli)))
}

// producing is a Produce request with acks=all that holds the same batch for each of the partitions.
func producing(transaction *string, topic string, batch []byte, partitions ...int32) *kmsg.ProduceRequest {
	request := kmsg.NewPtrProduceRequest()
	request.Version, request.TransactionID, request.Acks, request.TimeoutMillis = 12, transaction, -1, 30_000
	part := kmsg.NewProduceRequestTopic()
	part.Topic = topic
	for _, id := range partitions {
		partition := kmsg.NewProduceRequestTopicPartition()
		partition.Partition, partition.Records = id, batch
		part.Partitions = append(part.Partitions, partition)
	}
	request.Topics = append(request.Topics, part)
	return request
}

// produce sends a Produce request and waits for its answer; while that is an error that passes by, it sends it again.
func (c *conn) produce(request *kmsg.ProduceRequest, pause time.Duration) error {
	return until("an acknowledged produce", pause, func() (bool, error) {
		response, err := ask[*kmsg.ProduceResponse](c, request)
		if err != nil {
			return false, err
		}
		for _, part := range response.Topics {
			for _, partition := range part.Partitions {
				if err := kerr.ErrorForCode(partition.ErrorCode); kerr.IsRetriable(err) {
					return false, nil
				} else if err != nil {
					return false, fmt.Errorf("produce to %s-%d: %w", part.Topic, partition.Partition, err)
				}
			}
		}
		return true, nil
	})
}

// milliseconds is a duration as the table shows short ones.
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
