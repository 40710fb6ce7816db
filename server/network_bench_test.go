package server

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/api"
	"runtime/debug"
)

// produceFrame is a Produce request of one partition with size bytes of records.
func produceFrame(size int) []byte {
	request := kmsg.NewPtrProduceRequest()
	request.Version, request.Acks = 12, 1
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = "benchmark"
	partition := kmsg.NewProduceRequestTopicPartition()
	partition.Records = make([]byte, size)
	topic.Partitions = append(topic.Partitions, partition)
	request.Topics = append(request.Topics, topic)
	return frame(request, 1)
}

// BenchmarkConnection sends requests and reads answers, one after another and
// pipelined, with a handler that does nothing.
func BenchmarkConnection(b *testing.B) {
	for _, size := range []int{100, 16 << 10, 1 << 20} {
		for _, inFlight := range []int{1, 5} {
			b.Run(fmt.Sprintf("bytes=%d/inflight=%d", size, inFlight), func(b *testing.B) {
				_, address := startNetwork(b, networkOptions{}, api.Handlers{kmsg.Produce: func(_ context.Context, request *api.Request) api.Reply {
					return api.Answer(request.Body.ResponseKind())
				}})
				c := dial(b, address)
				request := produceFrame(size)
				answers := make(chan struct{}, inFlight)
				done := make(chan struct{})
				go func() {
					defer close(done)
					var head [4]byte
					buffer := make([]byte, 4096)
					for range b.N {
						if _, err := io.ReadFull(c, head[:]); err != nil {
							return
						}
						if _, err := io.ReadFull(c, buffer[:binary.BigEndian.Uint32(head[:])]); err != nil {
							return
						}
						<-answers
					}
				}()
				b.SetBytes(int64(len(request)))
				b.ReportAllocs()
				b.ResetTimer()
				for range b.N {
					answers <- struct{}{}
					c.send(request)
				}
				<-done
			})
		}
	}
}

// TestAllocationsPerRequest bounds what the connection itself allocates for a
// request: the decoded body and its answer apart, that is the request and its
// handler's closure.
func TestAllocationsPerRequest(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the pools
	_, address := startNetwork(t, networkOptions{}, api.Handlers{kmsg.Produce: func(_ context.Context, request *api.Request) api.Reply {
		return api.Answer(request.Body.ResponseKind())
	}})
	c := dial(t, address)
	request := produceFrame(100_000)
	buffer := make([]byte, 4096)
	per := testing.AllocsPerRun(500, func() {
		c.send(request)
		if _, err := io.ReadFull(c, buffer[:4]); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, buffer[:binary.BigEndian.Uint32(buffer)]); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("%.1f allocations a request", per)
	if raceDetector {
		t.Skip("under the race detector a pool forgets at random")
	}
	if limit := 9.0; per > limit {
		t.Errorf("%.1f allocations a request, limit %.0f", per, limit)
	}
}
