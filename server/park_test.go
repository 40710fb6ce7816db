//go:build linux

package server

import (
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/api"
)

// deep needs some hundred bytes of stack a level.
func deep(levels int) byte {
	var frame [256]byte
	if levels > 0 {
		frame[levels%256] = deep(levels - 1)
	}
	return frame[levels%7] + 1
}

// memoryNow is what goroutines' stacks and living objects take.
func memoryNow() (stacks, objects int64) {
	runtime.GC()
	runtime.GC() // the pools let go of what they have only now
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.StackInuse), int64(m.HeapAlloc)
}

// TestMemoryOfIdleConnection has connections serve a request that needs much of
// the stack, and bounds what they take once they are idle.
func TestMemoryOfIdleConnection(t *testing.T) {
	const count = 500
	n, address := startNetwork(t, networkOptions{ParkAfter: 20 * time.Millisecond}, api.Handlers{kmsg.Heartbeat: func(_ context.Context, request *api.Request) api.Reply {
		deep(100)
		return api.Answer(echo(request))
	}})
	stacksBefore, objectsBefore := memoryNow()
	var clients [count]client
	request := frame(heartbeat(1), 1)
	for i := range clients {
		clients[i] = dial(t, address)
		clients[i].send(request)
		clients[i].answer()
	}
	isParked := func(c *connection) bool { return c.socket.idle.Load() == busy && c.requests.Load() > 0 }
	for parked := 0; parked < count; time.Sleep(10 * time.Millisecond) {
		parked = 0
		n.lock.Lock()
		for c := range n.connections {
			if isParked(c) {
				parked++
			}
		}
		n.lock.Unlock()
	}
	// The goroutines that made way may not have ended yet.
	var stacks, objects int64
	for range 1000 {
		stacks, objects = memoryNow()
		if stacks <= stacksBefore+count*6<<10 && objects <= objectsBefore+count*4<<10 || raceDetector {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	stackEach, each := (stacks-stacksBefore)/count, (objects-objectsBefore)/count
	t.Logf("%d bytes of stack and %d of objects each, those of the client among them", stackEach, each)
	if (stackEach > 6<<10 || each > 4<<10) && !raceDetector {
		t.Errorf("an idle connection takes %d bytes of stack and %d of objects, limits %d and %d", stackEach, each, 6<<10, 4<<10)
	}
	for i := range clients { // each still answers
		clients[i].send(request)
		clients[i].answer()
	}
}

// TestParkingLosesNothing parks readers all the time while requests come, whole
// and in pieces.
func TestParkingLosesNothing(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	n, address := startNetwork(t, networkOptions{}, api.Handlers{kmsg.Heartbeat: func(_ context.Context, request *api.Request) api.Reply {
		if request.CorrelationID%3 == 0 {
			return func(ctx context.Context) (api.Response, error) {
				ctx.Done() // it waits, as far as the connection knows
				return echo(request), nil
			}
		}
		return api.Answer(echo(request))
	}})
	stop := make(chan struct{})
	var parking, clients sync.WaitGroup
	parking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			n.lock.Lock()
			for c := range n.connections {
				c.socket.park()
			}
			n.lock.Unlock()
			time.Sleep(50 * time.Microsecond)
		}
	})
	for i := range 4 {
		c := dial(t, address)
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		clients.Go(func() { exchange(t, c, random) })
	}
	clients.Wait()
	close(stop)
	parking.Wait()
}

// exchange sends requests, some cut in two, and wants their answers.
func exchange(t *testing.T, c net.Conn, random *rand.Rand) {
	for id := range int32(200) {
		request := frame(heartbeat(id), id)
		cut := random.IntN(len(request))
		for _, piece := range [][]byte{request[:cut], request[cut:]} {
			if random.IntN(3) == 0 {
				time.Sleep(time.Duration(random.IntN(200)) * time.Microsecond)
			}
			if _, err := c.Write(piece); err != nil {
				t.Errorf("request %d: %v", id, err)
				return
			}
		}
		var head [8]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			t.Errorf("answer %d: %v", id, err)
			return
		}
		if _, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head[:]))-4); err != nil {
			t.Errorf("answer %d: %v", id, err)
			return
		}
		if got := int32(binary.BigEndian.Uint32(head[4:])); got != id {
			t.Errorf("answer %d has id %d", id, got)
			return
		}
	}
}

// TestDrainWhileParked stops a server whose readers wait in either way.
func TestDrainWhileParked(t *testing.T) {
	n, address := startNetwork(t, networkOptions{ParkAfter: time.Hour}, api.Handlers{kmsg.Heartbeat: func(_ context.Context, request *api.Request) api.Reply {
		return api.Answer(echo(request))
	}})
	fresh, parked, waits := dial(t, address), dial(t, address), dial(t, address)
	for _, c := range []client{parked, waits} {
		c.send(frame(heartbeat(1), 1))
		c.answer()
	}
	n.lock.Lock()
	var second *connection
	for c := range n.connections {
		if c.requests.Load() > 0 && (second == nil || c.id < second.id) {
			second = c
		}
	}
	n.lock.Unlock()
	for !second.socket.park() {
		time.Sleep(time.Millisecond)
	}
	n.drain(context.Background())
	for _, c := range []client{fresh, parked, waits} {
		c.closed("drained")
	}
}
