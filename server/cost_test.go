//go:build linux

package server

import (
	"bytes"
	"encoding/binary"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sys/unix"

	"ottla/protocol/record"
)

// quietClient is a client whose system calls are none of those that the kernel
// counts as a process's reads and writes, and which allocates nothing: what is
// counted while it works is the broker's.
type quietClient struct {
	t      testing.TB
	fd     int
	answer []byte
}

func newQuietClient(t testing.TB, address net.Addr) *quietClient {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	at := unix.SockaddrInet4{Port: address.(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}
	if err := unix.Connect(fd, &at); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		t.Fatal(err)
	}
	return &quietClient{t: t, fd: fd, answer: make([]byte, 8<<20)}
}

// ask sends requests at once and returns the last of count answers, without its
// length.
func (c *quietClient) ask(requests []byte, count int) []byte {
	for sent := 0; sent < len(requests); {
		n, err := unix.SendmsgN(c.fd, requests[sent:], nil, nil, unix.MSG_NOSIGNAL)
		if err != nil {
			c.t.Fatal(err)
		}
		sent += n
	}
	var size int
	for range count {
		c.receive(c.answer[:4])
		size = int(binary.BigEndian.Uint32(c.answer))
		c.receive(c.answer[:size])
	}
	return c.answer[:size]
}

func (c *quietClient) receive(into []byte) {
	for got := 0; got < len(into); {
		n, _, err := syscall.Recvfrom(c.fd, into[got:], syscall.MSG_WAITALL)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n == 0 {
			c.t.Fatalf("%d bytes, error %v", n, err)
		}
		got += n
	}
}

// counted are the reads and writes that the kernel has counted for this process,
// sendfile being one of each, and waiting for readiness none.
func counted(t testing.TB) (reads, writes int64) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Skip("the kernel does not count: ", err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		name, value, _ := strings.Cut(line, ": ")
		n, _ := strconv.ParseInt(value, 10, 64)
		switch name {
		case "syscr":
			reads = n
		case "syscw":
			writes = n
		}
	}
	return reads, writes
}

// costs are what one request costs.
type costs struct{ reads, writes, allocations float64 }

// costOf measures once, a little after the answer before, so that the broker has
// looked for the next request by then, which is a read that finds nothing: else it
// would depend on who of the two is faster. The runtime wakes itself now and then
// with a write and a read, so that the least of some rounds is what the request
// costs.
func costOf(t testing.TB, once func()) costs {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the pools
	const rounds, requests = 7, 40
	for range requests {
		once()
	}
	least := costs{1e9, 1e9, 1e9}
	for range rounds {
		var before, after runtime.MemStats
		reads, writes := counted(t)
		runtime.ReadMemStats(&before)
		for range requests {
			unix.Nanosleep(&unix.Timespec{Nsec: 500_000}, nil) // no timer of the runtime's, which would wake it
			once()
		}
		runtime.ReadMemStats(&after)
		readsAfter, writesAfter := counted(t)
		least.reads = min(least.reads, float64(readsAfter-reads)/requests)
		least.writes = min(least.writes, float64(writesAfter-writes)/requests)
		least.allocations = min(least.allocations, float64(after.Mallocs-before.Mallocs)/requests)
	}
	return least
}

// producing is a Produce request, without an answer to be waited for, of one
// batch.
func producing(topic string, records, size int) []byte {
	builder := record.NewBuilder(record.BuilderOptions{LeaderEpoch: -1, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1})
	for range records {
		builder.Append(1_700_000_000_000, nil, bytes.Repeat([]byte{'v'}, size))
	}
	request := kmsg.NewPtrProduceRequest()
	request.Version, request.Acks, request.TimeoutMillis = 9, -1, 30000
	request.Topics = []kmsg.ProduceRequestTopic{{Topic: topic, Partitions: []kmsg.ProduceRequestTopicPartition{{Records: builder.Build()}}}}
	return frame(request, 1)
}

// fetching is a Fetch request of up to size bytes, in no session and without
// waiting.
func fetching(topic string, offset int64, size int32) []byte {
	request := kmsg.NewPtrFetchRequest()
	request.Version, request.ReplicaID, request.SessionEpoch, request.MaxBytes = 12, -1, -1, 50<<20
	partition := kmsg.NewFetchRequestTopicPartition()
	partition.FetchOffset, partition.PartitionMaxBytes = offset, size
	request.Topics = []kmsg.FetchRequestTopic{{Topic: topic, Partitions: []kmsg.FetchRequestTopicPartition{partition}}}
	return frame(request, 2)
}

// TestCostOfARequest bounds the system calls and allocations of a request in a
// whole broker with its files. A region that is sent from its file counts as a
// read and a write, with a write each for the bytes before it and behind it, and
// finding a batch in its segment is a read. One read each finds nothing, after the
// answer.
func TestCostOfARequest(t *testing.T) {
	s, _ := startBroker(t, t.TempDir())
	client := newClient(t, s)
	createTopic(t, client, "small", 1, nil)
	createTopic(t, client, "large", 1, nil)
	c := newQuietClient(t, s.Addr("PLAINTEXT"))
	small, large := producing("small", 1, 100), producing("large", 64, 1000)
	for _, test := range []struct {
		name     string
		requests []byte
		count    int   // of requests
		limit    costs // of all of them
	}{
		{"a small produce", small, 1, costs{2, 2, 7}},
		{"ten small produces at once", bytes.Repeat(small, 10), 10, costs{2, 11, 70}},
		{"a produce of 64 KB", large, 1, costs{2, 2, 7}},
		{"a fetch of nothing", fetching("small", 1<<40, 1000), 1, costs{2, 1, 6}},
		{"a small fetch", fetching("small", 0, 1000), 1, costs{4, 1, 6}},
		{"ten small fetches at once", bytes.Repeat(fetching("small", 0, 1000), 10), 10, costs{22, 1, 60}},
		{"a fetch of 64 KB", fetching("large", 0, 1000), 1, costs{4, 3, 6}},
	} {
		got := costOf(t, func() { c.ask(test.requests, test.count) })
		t.Logf("%s: %.2f reads, %.2f writes, %.1f allocations", test.name, got.reads, got.writes, got.allocations)
		if got.reads > test.limit.reads+0.8 || got.writes > test.limit.writes+0.8 {
			t.Errorf("%s: %.2f reads and %.2f writes, limit %.0f and %.0f", test.name, got.reads, got.writes, test.limit.reads, test.limit.writes)
		}
		if got.allocations > test.limit.allocations+0.5 && !raceDetector {
			t.Errorf("%s: %.1f allocations, limit %.0f", test.name, got.allocations, test.limit.allocations)
		}
	}
	if answer := c.ask(fetching("large", 0, 1000), 1); len(answer) < 64_000 {
		t.Errorf("a fetch of %d bytes", len(answer))
	}
}
