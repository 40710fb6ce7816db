package floor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/compat-tests/bench/primitive"
)

// header reads a request header of version 2 and returns the correlation id.
func header(r *primitive.Reader) []byte {
	r.Take(4) // key, version
	correlation := r.Take(4)
	r.Take(int(r.Int16())) // client id
	r.Tags()
	return correlation
}

// produce serves Produce version 9 with one partition.
func (f *Floor) produce(frame, answer []byte) ([]byte, error) {
	r := primitive.Reader{Rest: frame}
	correlation := header(&r)
	r.Take(r.Count()) // transactional id
	r.Take(2 + 4)     // acks, timeout
	r.Count()
	topic := r.Take(r.Count())
	r.Count()
	index := r.Int32()
	batch := r.Take(r.Count())
	if r.Short || binary.BigEndian.Uint16(frame[2:]) != 9 {
		return nil, errors.New("a Produce request that the floor does not know")
	}
	p, err := f.partition(topic, index)
	if err != nil {
		return nil, err
	}
	offset, err := p.append(batch)
	if err != nil {
		return nil, err
	}
	big := binary.BigEndian
	answer = append(answer, 0, 0, 0, 0)
	answer = append(append(answer, correlation...), 0, 2, byte(len(topic)+1))
	answer = append(append(answer, topic...), 2)
	answer = append(big.AppendUint32(answer, uint32(index)), 0, 0)
	answer = big.AppendUint64(answer, uint64(offset))
	answer = big.AppendUint64(answer, ^uint64(0))            // no append time
	answer = append(big.AppendUint64(answer, 0), 1, 0, 0, 0) // log start offset; no errors, no message; tags
	answer = append(big.AppendUint32(answer, 0), 0)          // throttle time; tags
	big.PutUint32(answer, uint32(len(answer)-4))
	return answer, nil
}

// wanted is a partition that a Fetch asks for, with what is sent of it.
type wanted struct {
	index                 int32
	partition             *partition
	offset                int64
	limit                 int
	position, length, end int64
}

// fetch serves Fetch version 12 of one topic.
func (f *Floor) fetch(c *net.TCPConn, frame []byte) error {
	r := primitive.Reader{Rest: frame}
	correlation := header(&r)
	r.Take(4) // replica
	wait := time.Duration(r.Int32()) * time.Millisecond
	r.Take(4 + 4 + 1 + 4 + 4) // least and most bytes, isolation, session
	r.Count()
	topic := r.Take(r.Count())
	partitions := make([]wanted, r.Count())
	for i := range partitions {
		w := &partitions[i]
		w.index = r.Int32()
		r.Take(4) // leader epoch
		w.offset = r.Int64()
		r.Take(4 + 8) // last fetched epoch, log start offset
		w.limit = int(r.Int32())
		r.Tags()
		var err error
		if w.partition, err = f.partition(topic, w.index); err != nil {
			return err
		}
	}
	if r.Short || len(partitions) == 0 || binary.BigEndian.Uint16(frame[2:]) != 12 {
		return errors.New("a Fetch request that the floor does not know")
	}
	look(partitions, wait)
	return send(c, correlation, topic, partitions)
}

// look finds what each partition has; where none has anything it waits for the first one to grow.
func look(partitions []wanted, wait time.Duration) {
	for end := time.Now().Add(wait); ; {
		var some int64
		var grown <-chan struct{}
		for i := range partitions {
			w := &partitions[i]
			var g <-chan struct{}
			w.position, w.length, w.end, g = w.partition.region(w.offset, w.limit)
			some += w.length
			if grown == nil {
				grown = g
			}
		}
		left := time.Until(end)
		if some > 0 || left <= 0 || len(partitions) == 0 {
			return
		}
		timer := time.NewTimer(left)
		select {
		case <-grown:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// send writes the answer: what is around the batches from memory, the batches with sendfile.
func send(c *net.TCPConn, correlation, topic []byte, partitions []wanted) error {
	big := binary.BigEndian
	head := append(make([]byte, 4, 256), correlation...)
	head = append(head, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) // tags; throttle time; error; session
	head = append(head, 2, byte(len(topic)+1))
	head = binary.AppendUvarint(append(head, topic...), uint64(len(partitions)+1))
	tail := []byte{0, 0} // tags of the topic and of the answer
	// The parts before each region come first, for the size of all is written before the first of them.
	before, total := make([][]byte, len(partitions)), 0
	for i, w := range partitions {
		part := head
		head = nil
		part = append(big.AppendUint32(part, uint32(w.index)), 0, 0)
		part = big.AppendUint64(part, uint64(w.end))
		part = big.AppendUint64(part, uint64(w.end))
		part = append(big.AppendUint64(part, 0), 0) // log start offset; no aborted transactions
		part = big.AppendUint32(part, ^uint32(0))
		before[i] = binary.AppendUvarint(part, uint64(w.length+1))
		head = append(head, 0) // tags of this partition, which the next part begins with
		total += len(before[i]) + int(w.length)
	}
	tail = append(head, tail...)
	big.PutUint32(before[0], uint32(total+len(tail)-4))
	for i, w := range partitions {
		if _, err := c.Write(before[i]); err != nil {
			return err
		}
		if err := w.sendfile(c); err != nil {
			return err
		}
	}
	_, err := c.Write(tail)
	return err
}

// sendfile sends a region of the partition's file.
func (w wanted) sendfile(c *net.TCPConn) error {
	if w.length == 0 {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	from, position, left := int(w.partition.file.Fd()), w.position, int(w.length)
	var failed error
	err = raw.Write(func(socket uintptr) bool {
		for left > 0 {
			n, err := unix.Sendfile(int(socket), from, &position, left)
			if err == unix.EAGAIN {
				return false
			}
			if err == nil && n == 0 {
				err = errors.New("the file is shorter than its batches")
			}
			if err != nil && err != unix.EINTR {
				failed = err
				return true
			}
			left -= max(n, 0)
		}
		return true
	})
	return errors.Join(err, failed)
}

// administer serves what is not measured: ApiVersions, CreateTopics, DeleteTopics, ListOffsets.
func (f *Floor) administer(c *net.TCPConn, frame []byte) error {
	request := kmsg.RequestForKey(int16(binary.BigEndian.Uint16(frame)))
	if request == nil {
		return fmt.Errorf("a request of API %d", binary.BigEndian.Uint16(frame))
	}
	request.SetVersion(int16(binary.BigEndian.Uint16(frame[2:])))
	r := primitive.Reader{Rest: frame}
	r.Take(8)
	r.Take(int(r.Int16()))
	if request.IsFlexible() {
		r.Tags()
	}
	if err := request.ReadFrom(r.Rest); err != nil {
		return err
	}
	response := request.ResponseKind()
	response.SetVersion(request.GetVersion())
	if err := f.answer(request, response); err != nil {
		return err
	}
	answer := append(make([]byte, 4), frame[4:8]...)
	if response.IsFlexible() && response.Key() != 18 {
		answer = append(answer, 0)
	}
	answer = response.AppendTo(answer)
	binary.BigEndian.PutUint32(answer, uint32(len(answer)-4))
	_, err := c.Write(answer)
	return err
}

func (f *Floor) answer(request kmsg.Request, response kmsg.Response) error {
	switch request := request.(type) {
	case *kmsg.ApiVersionsRequest:
	case *kmsg.CreateTopicsRequest:
		for _, topic := range request.Topics {
			flush := slices.ContainsFunc(topic.Configs, func(c kmsg.CreateTopicsRequestTopicConfig) bool { return c.Name == "flush.messages" })
			if err := f.create(topic.Topic, int(topic.NumPartitions), flush); err != nil {
				return err
			}
			made := kmsg.NewCreateTopicsResponseTopic()
			made.Topic = topic.Topic
			response.(*kmsg.CreateTopicsResponse).Topics = append(response.(*kmsg.CreateTopicsResponse).Topics, made)
		}
	case *kmsg.DeleteTopicsRequest:
		for _, topic := range request.TopicNames {
			if err := f.remove(topic); err != nil {
				return err
			}
			gone := kmsg.NewDeleteTopicsResponseTopic()
			gone.Topic = &topic
			response.(*kmsg.DeleteTopicsResponse).Topics = append(response.(*kmsg.DeleteTopicsResponse).Topics, gone)
		}
	case *kmsg.ListOffsetsRequest:
		for _, topic := range request.Topics {
			listed := kmsg.NewListOffsetsResponseTopic()
			listed.Topic = topic.Topic
			for _, asked := range topic.Partitions {
				p, err := f.partition([]byte(topic.Topic), asked.Partition)
				if err != nil {
					return err
				}
				answer := kmsg.NewListOffsetsResponseTopicPartition()
				answer.Partition = asked.Partition
				_, _, answer.Offset, _ = p.region(1<<62, 0)
				listed.Partitions = append(listed.Partitions, answer)
			}
			response.(*kmsg.ListOffsetsResponse).Topics = append(response.(*kmsg.ListOffsetsResponse).Topics, listed)
		}
	default:
		return fmt.Errorf("a request of API %d", request.Key())
	}
	return nil
}
