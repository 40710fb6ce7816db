package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/compat-tests/bench/primitive"
)

// The versions of the two requests that make the load: the newest that name their topics, which both brokers serve.
const (
	produceVersion = 9
	fetchVersion   = 12
)

// produceFrame renders a Produce request with acks=all that takes one batch to one partition.
func produceFrame(topic string, partition int32, batch []byte) []byte {
	request := kmsg.NewPtrProduceRequest()
	request.Version, request.Acks, request.TimeoutMillis = produceVersion, -1, 30_000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = topic
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, batch
	t.Partitions = append(t.Partitions, p)
	request.Topics = append(request.Topics, t)
	return frame(request)
}

// frame renders a request whole, its correlation id zero.
func frame(request kmsg.Request) []byte {
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("bench")).AppendRequest(nil, request, 0)
}

// number patches the correlation id of a frame.
func number(frame []byte, correlation uint32) { binary.BigEndian.PutUint32(frame[8:], correlation) }

// checkProduced reads an answer to a Produce request of one partition (what conn.read returns): its correlation id
// and its error code. A topic's name must be shorter than 127 bytes.
func checkProduced(answer []byte, topic string, correlation uint32) error {
	// correlation id, tags, one topic, its name, one partition, its index; then the error code.
	code := 4 + 1 + 1 + 1 + len(topic) + 1 + 4
	if len(answer) < code+2 {
		return fmt.Errorf("an answer to Produce of %d bytes", len(answer))
	}
	if got := binary.BigEndian.Uint32(answer); got != correlation {
		return fmt.Errorf("the answer to request %d came where that to %d is due", got, correlation)
	}
	return kerr.ErrorForCode(int16(binary.BigEndian.Uint16(answer[code:])))
}

// fetchFrame is a Fetch request without a session for some partitions of a topic whose offsets are patched in place.
type fetchFrame struct {
	bytes      []byte
	partitions []int32
	// positions are where the offsets are in bytes.
	positions []int
	offsets   []int64
	// lost are the partitions whose offset the last answer said is out of range.
	lost []int
}

// newFetchFrame renders the request; every partition begins at offset zero.
func newFetchFrame(topic string, partitions []int32, waitMillis int32) *fetchFrame {
	f := &fetchFrame{partitions: partitions, offsets: make([]int64, len(partitions))}
	request := kmsg.NewPtrFetchRequest()
	request.Version, request.ReplicaID, request.MaxWaitMillis = fetchVersion, -1, waitMillis
	request.MinBytes, request.MaxBytes, request.SessionEpoch = 1, 50<<20, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic = topic
	for i, partition := range partitions {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.PartitionMaxBytes, p.CurrentLeaderEpoch = partition, 1<<20, -1
		p.FetchOffset = markedOffset(i)
		t.Partitions = append(t.Partitions, p)
	}
	request.Topics = append(request.Topics, t)
	f.bytes = frame(request)
	for i := range partitions {
		marker := binary.BigEndian.AppendUint64(nil, uint64(markedOffset(i)))
		f.positions = append(f.positions, bytes.Index(f.bytes, marker))
		f.seek(i, 0)
	}
	return f
}

// markedOffset is an offset whose bytes are nowhere else in a request.
func markedOffset(i int) int64 { return 0x7eadbeef_00c0ffee + int64(i)<<32 }

// seek sets the offset of the i-th partition.
func (f *fetchFrame) seek(i int, offset int64) {
	f.offsets[i] = offset
	binary.BigEndian.PutUint64(f.bytes[f.positions[i]:], uint64(offset))
}

// advance walks an answer (what conn.read returns), moves each partition's offset behind the last whole batch and
// returns the bytes and records of the batches.
func (f *fetchFrame) advance(answer []byte) (size, records int64, err error) {
	f.lost = f.lost[:0]
	err = walkFetched(answer, func(partition int32, code int16, batches []byte) error {
		i := 0
		for i < len(f.partitions) && f.partitions[i] != partition {
			i++
		}
		if i == len(f.partitions) {
			return fmt.Errorf("an answer for partition %d, which was not asked for", partition)
		}
		if code == kerr.OffsetOutOfRange.Code {
			f.lost = append(f.lost, i)
			return nil
		}
		if err := kerr.ErrorForCode(code); err != nil {
			return fmt.Errorf("partition %d: %w", partition, err)
		}
		for len(batches) >= batchHeader {
			length := int(binary.BigEndian.Uint32(batches[8:])) + 12
			if len(batches) < length {
				break
			}
			next := int64(binary.BigEndian.Uint64(batches)) + int64(binary.BigEndian.Uint32(batches[23:])) + 1
			if next > f.offsets[i] {
				size, records = size+int64(length), records+int64(binary.BigEndian.Uint32(batches[57:]))
				f.seek(i, next)
			}
			batches = batches[length:]
		}
		return nil
	})
	return size, records, err
}

// walkFetched calls visit for each partition of a Fetch answer without copying anything.
func walkFetched(answer []byte, visit func(partition int32, code int16, batches []byte) error) error {
	r := primitive.Reader{Rest: answer}
	r.Take(4) // correlation id
	r.Tags()
	r.Take(4) // throttle time
	if code := r.Int16(); code != 0 {
		return kerr.ErrorForCode(code)
	}
	r.Take(4) // session id
	for range r.Count() {
		r.Take(r.Count()) // name
		for range r.Count() {
			partition, code := r.Int32(), r.Int16()
			r.Take(8 + 8 + 8) // high watermark, last stable offset, log start offset
			for range r.Count() {
				r.Take(8 + 8) // an aborted transaction
				r.Tags()
			}
			r.Take(4) // preferred replica
			batches := r.Take(r.Count())
			r.Tags()
			if r.Short {
				break
			}
			if err := visit(partition, code, batches); err != nil {
				return err
			}
		}
		r.Tags()
		if r.Short {
			break
		}
	}
	if r.Tags(); r.Short {
		return errors.New("an answer to Fetch ends early")
	}
	return nil
}
