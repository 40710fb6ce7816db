package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"ottla/protocol"
	"ottla/server/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startNetwork starts one broker listener on loopback with the given handlers.
func startNetwork(t testing.TB, options networkOptions, handlers api.Handlers) (*network, string) {
	t.Helper()
	if options.MaxRequestBytes == 0 {
		options.MaxRequestBytes = 104857600
	}
	if options.MaxConnections == 0 {
		options.MaxConnections = 1<<31 - 1
	}
	if options.MaxPerAddress == 0 {
		options.MaxPerAddress = 1<<31 - 1
	}
	options.Log = zerolog.Nop()
	n := newNetwork(options)
	l, err := n.bind("PLAINTEXT", "127.0.0.1:0", protocol.Broker)
	if err != nil {
		t.Fatal(err)
	}
	n.serve(handlers)
	t.Cleanup(func() { n.drain(context.Background()) })
	return n, l.socket.Addr().String()
}

// client is a connection that speaks frames.
type client struct {
	net.Conn
	t testing.TB
}

func dial(t testing.TB, address string) client {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute))
	return client{conn, t}
}

// frame is a request with its header and length.
func frame(request kmsg.Request, correlationID int32) []byte {
	b := []byte{0, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(request.Key()))
	b = binary.BigEndian.AppendUint16(b, uint16(request.GetVersion()))
	b = binary.BigEndian.AppendUint32(b, uint32(correlationID))
	b = append(b, 0, 4, 't', 'e', 's', 't')
	if request.IsFlexible() {
		b = append(b, 0)
	}
	b = request.AppendTo(b)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

func (c client) send(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// answer reads one answer: its correlation id and what is behind.
func (c client) answer() (int32, []byte) {
	c.t.Helper()
	var head [8]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		c.t.Fatalf("read an answer: %v", err)
	}
	body := make([]byte, binary.BigEndian.Uint32(head[:])-4)
	if _, err := io.ReadFull(c, body); err != nil {
		c.t.Fatalf("read an answer: %v", err)
	}
	return int32(binary.BigEndian.Uint32(head[4:])), body
}

// closed demands that the server closes the connection and sends nothing more.
func (c client) closed(what string) {
	c.t.Helper()
	if n, err := io.Copy(io.Discard, c); n > 0 || err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Errorf("%s: %d more bytes came, error %v", what, n, err)
	}
}

// heartbeat is a request that the test's handlers answer with its generation.
func heartbeat(generation int32) *kmsg.HeartbeatRequest {
	request := kmsg.NewPtrHeartbeatRequest()
	request.Version = 4
	request.Generation = generation
	return request
}

func echo(request *api.Request) *kmsg.HeartbeatResponse {
	response := request.Body.ResponseKind().(*kmsg.HeartbeatResponse)
	response.ThrottleMillis = request.Body.(*kmsg.HeartbeatRequest).Generation
	return response
}

func throttle(t testing.TB, body []byte) int32 {
	response := kmsg.NewPtrHeartbeatResponse()
	response.Version = 4
	if err := response.ReadFrom(body[1:]); err != nil {
		t.Fatal(err)
	}
	return response.ThrottleMillis
}

// TestAnswersInOrder pipelines requests of which some wait for later ones, and
// some for a timer that is their context's alone.
func TestAnswersInOrder(t *testing.T) {
	const count = 1000
	var seen [count + 1]chan struct{}
	for i := range seen {
		seen[i] = make(chan struct{})
	}
	_, address := startNetwork(t, networkOptions{}, api.Handlers{kmsg.Heartbeat: func(_ context.Context, request *api.Request) api.Reply {
		i := int(request.CorrelationID)
		close(seen[i])
		if i%3 != 0 {
			return api.Answer(echo(request))
		}
		return func(ctx context.Context) (api.Response, error) {
			select {
			case <-seen[i+1]:
				return echo(request), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}})
	c := dial(t, address)
	for start := 0; start < count; start += 100 {
		var burst []byte
		for i := start; i < start+100; i++ {
			burst = append(burst, frame(heartbeat(int32(i*7)), int32(i))...)
		}
		c.send(burst)
	}
	c.send(frame(heartbeat(count*7), count))
	for i := range count {
		id, body := c.answer()
		if got := throttle(t, body); id != int32(i) || got != id*7 {
			t.Fatalf("answer %d has id %d and %d", i, id, got)
		}
	}
}

// TestReadyAnswerIsNotHeldBack sends two requests at once, of which the second
// waits for ever: the first one's answer must come.
func TestReadyAnswerIsNotHeldBack(t *testing.T) {
	ended := make(chan struct{})
	_, address := startNetwork(t, networkOptions{}, api.Handlers{kmsg.Heartbeat: func(_ context.Context, request *api.Request) api.Reply {
		if request.CorrelationID == 0 {
			return api.Answer(echo(request))
		}
		return func(ctx context.Context) (api.Response, error) {
			<-ctx.Done()
			close(ended)
			return nil, ctx.Err()
		}
	}})
	c := dial(t, address)
	c.send(append(frame(heartbeat(5), 0), frame(heartbeat(6), 1)...))
	if id, body := c.answer(); id != 0 || throttle(t, body) != 5 {
		t.Errorf("id %d", id)
	}
	c.Close()
	<-ended // the client is gone, so the wait ends
}

// TestNeverReadingClient pipelines without reading: the server stops reading
// too, and lives.
func TestNeverReadingClient(t *testing.T) {
	var handled atomic.Int64
	release := make(chan struct{})
	_, address := startNetwork(t, networkOptions{}, api.Handlers{kmsg.Heartbeat: func(_ context.Context, request *api.Request) api.Reply {
		handled.Add(1)
		return func(ctx context.Context) (api.Response, error) {
			select {
			case <-release:
			case <-ctx.Done():
			}
			return echo(request), nil
		}
	}})
	c := dial(t, address)
	var burst []byte
	for i := range 10_000 {
		burst = append(burst, frame(heartbeat(1), int32(i))...)
	}
	c.send(burst)
	other := dial(t, address)
	other.send(frame(heartbeat(2), 1))
	close(release)
	other.answer()
	for i := range 10_000 {
		if id, _ := c.answer(); id != int32(i) {
			t.Fatalf("answer %d has id %d", i, id)
		}
	}
	if handled.Load() != 10_001 {
		t.Errorf("%d handled", handled.Load())
	}
}

// TestQueueIsBounded holds back every answer and counts what is handled.
func TestQueueIsBounded(t *testing.T) {
	var handled atomic.Int64
	release := make(chan struct{})
	n, address := startNetwork(t, networkOptions{}, api.Handlers{kmsg.Heartbeat: func(_ context.Context, request *api.Request) api.Reply {
		handled.Add(1)
		return func(ctx context.Context) (api.Response, error) {
			ctx.Done()
			<-release
			return echo(request), nil
		}
	}})
	c := dial(t, address)
	var burst []byte
	for i := range 1000 {
		burst = append(burst, frame(heartbeat(1), int32(i))...)
	}
	c.send(burst)
	full := func() bool {
		n.lock.Lock()
		defer n.lock.Unlock()
		for c := range n.connections {
			c.lock.Lock()
			defer c.lock.Unlock()
			return len(c.queue) == maxPending
		}
		return false
	}
	for !full() {
		time.Sleep(time.Millisecond)
	}
	if got := handled.Load(); got > maxPending+2 {
		t.Errorf("%d handled while none was answered, the bound is %d", got, maxPending)
	}
	close(release)
	for range 1000 {
		c.answer()
	}
}

// TestEndings goes through what ends a connection, and only that one.
func TestEndings(t *testing.T) {
	n, address := startNetwork(t, networkOptions{}, api.Handlers{
		kmsg.Heartbeat: func(_ context.Context, request *api.Request) api.Reply {
			switch request.Body.(*kmsg.HeartbeatRequest).Generation {
			case 1:
				return api.Close()
			case 2:
				panic("handler")
			case 3:
				return func(context.Context) (api.Response, error) { panic("reply") }
			case 4:
				return func(context.Context) (api.Response, error) { return nil, nil }
			case 5:
				return api.Answer(&kmsg.MetadataResponse{}) // of another API
			}
			return api.Answer(echo(request))
		},
	})
	witness := dial(t, address)
	for generation := int32(1); generation <= 5; generation++ {
		c := dial(t, address)
		c.send(append(append(frame(heartbeat(99), 1), frame(heartbeat(generation), 2)...), frame(heartbeat(98), 3)...))
		if id, _ := c.answer(); id != 1 {
			t.Errorf("%d: id %d", generation, id)
		}
		if generation == 4 { // no answer, and the next one's
			if id, _ := c.answer(); id != 3 {
				t.Errorf("%d: id %d", generation, id)
			}
			continue
		}
		c.closed(fmt.Sprint(generation))
		witness.send(frame(heartbeat(7), generation))
		witness.answer()
	}
	if n.panics.Load() != 3 {
		t.Errorf("%d panics counted, 3 happened", n.panics.Load())
	}
}

// parts is a response out of pieces.
type parts struct {
	*kmsg.HeartbeatResponse
	pieces   []api.Part
	released *atomic.Int64
}

func (p parts) Parts() []api.Part { return p.pieces }
func (p parts) Release()          { p.released.Add(1) }

// region is a stretch of a file, with or without a descriptor.
type region struct {
	file     *os.File
	position int64
	length   int
	hidden   bool
}

func (r region) Len() int { return r.length }
func (r region) Descriptor() (uintptr, int64, bool) {
	return r.file.Fd(), r.position, !r.hidden
}
func (r region) ReadAll(dst []byte) ([]byte, error) {
	piece := make([]byte, r.length)
	n, err := r.file.ReadAt(piece, r.position)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return append(dst, piece[:n]...), err
}

// TestRegions sends pieces of a file, small and large, from a descriptor and
// without, and ones that are shorter than they say.
func TestRegions(t *testing.T) {
	content := make([]byte, 3<<20)
	for i := range content {
		content[i] = byte(i * i >> 7)
	}
	path := filepath.Join(t.TempDir(), "segment")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var released atomic.Int64
	regions := [][]api.Part{
		{{Bytes: []byte("head")}},
		{{Bytes: []byte("head")}, {Region: region{file, 100, 500, false}}, {Bytes: []byte("tail")}},
		{{Bytes: []byte("head")}, {Region: region{file, 77, 2 << 20, false}}, {Bytes: []byte("middle"), Region: region{file, 5, 100_000, false}}, {Bytes: []byte("tail")}},
		{{Region: region{file, 0, 3 << 20, true}}, {Region: region{file, 9, 0, false}}},
		{{Bytes: []byte("head")}, {Region: region{file, 3<<20 - 50_000, 60_000, false}}, {Bytes: []byte("tail")}},
		{{Bytes: []byte("head")}, {Region: region{file, 3<<20 - 500, 600, false}}, {Bytes: []byte("tail")}},
	}
	_, address := startNetwork(t, networkOptions{}, api.Handlers{kmsg.Heartbeat: func(_ context.Context, request *api.Request) api.Reply {
		return api.Answer(parts{echo(request), regions[request.Body.(*kmsg.HeartbeatRequest).Generation], &released})
	}})
	c := dial(t, address)
	for i, pieces := range regions {
		short := i >= 4
		if short {
			c = dial(t, address)
		}
		c.send(frame(heartbeat(int32(i)), int32(i)))
		if short {
			got, _ := io.ReadAll(c)
			if len(got) > 9+4+50_000 {
				t.Errorf("%d: %d bytes of an answer that is too short", i, len(got))
			}
			continue
		}
		var want []byte
		for _, piece := range pieces {
			want = append(want, piece.Bytes...)
			if r, ok := piece.Region.(region); ok {
				want = append(want, content[r.position:r.position+int64(r.length)]...)
			}
		}
		if id, body := c.answer(); id != int32(i) || !bytes.Equal(body[1:], want) {
			t.Errorf("%d: id %d, %d bytes, %d sent", i, id, len(body)-1, len(want))
		}
	}
	if released.Load() != int64(len(regions)) {
		t.Errorf("%d answers released, %d made", released.Load(), len(regions))
	}
}

// TestBadInput replays, over a socket, the inputs whose answer is to close the
// connection, by their numbers. What a request header may hold is tested where
// it is read.
func TestBadInput(t *testing.T) {
	_, address := startNetwork(t, networkOptions{FirstFrameTimeout: 50 * time.Millisecond, FrameTimeout: 50 * time.Millisecond}, api.Handlers{
		kmsg.Heartbeat: func(_ context.Context, request *api.Request) api.Reply { return api.Answer(echo(request)) },
		kmsg.ApiVersions: api.ApiVersions(func(string) map[kmsg.Key]api.VersionRange {
			return map[kmsg.Key]api.VersionRange{kmsg.ApiVersions: {Min: 0, Max: 4}}
		}, func() api.Features { return api.Features{} }),
	})
	vote := kmsg.NewPtrVoteRequest()
	metadata := kmsg.NewPtrMetadataRequest()
	for _, test := range []struct {
		row   int
		input []byte
	}{
		{1, []byte{0xff, 0xff, 0xff, 0xff}},
		{2, []byte{0x80, 0, 0, 0}},
		{3, binary.BigEndian.AppendUint32(nil, 104857601)},
		{4, binary.BigEndian.AppendUint32(nil, 104857600)},
		{5, []byte{0, 0, 0, 0}},
		{6, []byte{0, 0, 0, 5, 0, 12, 0, 1, 0}},
		{7, frame(heartbeat(1), 1)[:20]},
		{8, []byte{0, 0, 0}},
		{9, []byte{0, 0, 0, 10, 0x27, 0x0f, 0, 0, 0, 0, 0, 1, 0xff, 0xff}},
		{10, []byte{0, 0, 0, 10, 0xff, 0xff, 0, 0, 0, 0, 0, 1, 0xff, 0xff}},
		{11, []byte{0, 0, 0, 11, 0, 12, 0, 5, 0, 0, 0, 1, 0xff, 0xff, 0}},
		{12, []byte{0, 0, 0, 10, 0, 12, 0xff, 0xff, 0, 0, 0, 1, 0xff, 0xff}},
		{30, frame(vote, 1)},
		{30, frame(metadata, 1)}, // an API without a handler
		{173, []byte{0x16, 3, 1, 2, 0, 1, 0, 1}},
		{174, []byte("GET / HTTP/1.1\r\n\r\n")},
	} {
		c := dial(t, address)
		c.send(test.input)
		c.closed(fmt.Sprintf("row %d", test.row))
	}
	c := dial(t, address) // row 13
	versions := kmsg.NewPtrApiVersionsRequest()
	versions.Version = 3
	input := frame(versions, 13)
	input[7] = 99
	c.send(input)
	id, body := c.answer()
	response := kmsg.NewPtrApiVersionsResponse()
	if err := response.ReadFrom(body); err != nil || id != 13 || response.ErrorCode != 35 || len(response.ApiKeys) != 1 || response.ApiKeys[0].MaxVersion != 4 {
		t.Errorf("row 13: id %d, %+v, error %v", id, response, err)
	}
	c.send(frame(heartbeat(4), 14)) // the connection stays
	if id, _ := c.answer(); id != 14 {
		t.Errorf("id %d", id)
	}
	for i := range int32(3) { // row 28
		c.send(bytes.Repeat(frame(heartbeat(i), 5), 2))
		for range 2 {
			if id, body := c.answer(); id != 5 || throttle(t, body) != i {
				t.Errorf("row 28: id %d", id)
			}
		}
	}
}

// TestConnectionLimits counts connections by address and altogether, and lets
// idle ones go.
func TestConnectionLimits(t *testing.T) {
	handlers := api.Handlers{kmsg.Heartbeat: func(_ context.Context, request *api.Request) api.Reply { return api.Answer(echo(request)) }}
	works := func(c client) {
		t.Helper()
		c.send(frame(heartbeat(1), 1))
		c.answer()
	}
	_, address := startNetwork(t, networkOptions{MaxPerAddress: 7, PerAddress: map[string]int{"127.0.0.1": 2}}, handlers)
	one, two := dial(t, address), dial(t, address)
	works(one)
	works(two)
	dial(t, address).closed("a third connection")
	_, address = startNetwork(t, networkOptions{MaxConnections: 2}, handlers)
	one, two = dial(t, address), dial(t, address)
	works(one)
	works(two)
	three := dial(t, address) // waits in the kernel's queue
	one.Close()
	works(three)
	_, address = startNetwork(t, networkOptions{MaxIdle: 50 * time.Millisecond}, handlers)
	idle := dial(t, address)
	works(idle)
	idle.closed("idle")
}

// TestDrain stops a server while an answer is outstanding and another one never
// comes.
func TestDrain(t *testing.T) {
	ready := make(chan struct{})
	entered := make(chan struct{}, 2)
	n, address := startNetwork(t, networkOptions{}, api.Handlers{kmsg.Heartbeat: func(_ context.Context, request *api.Request) api.Reply {
		return func(ctx context.Context) (api.Response, error) {
			done := ctx.Done()
			entered <- struct{}{}
			if request.CorrelationID == 1 {
				<-ready
				return echo(request), nil
			}
			<-done
			return nil, ctx.Err()
		}
	}})
	finishing, waiting := dial(t, address), dial(t, address)
	finishing.send(frame(heartbeat(3), 1))
	waiting.send(frame(heartbeat(3), 2))
	<-entered
	<-entered
	n.stopAccepting()
	close(ready)
	n.drain(context.Background())
	if id, _ := finishing.answer(); id != 1 {
		t.Errorf("id %d", id)
	}
	finishing.closed("after its answer")
	waiting.closed("without an answer")
}

// TestEndsProcess tells the panics that are survived from the others.
func TestEndsProcess(t *testing.T) {
	for _, test := range []struct {
		value     any
		functions []string
		want      bool
	}{
		{"index out of range", []string{"runtime.gopanic", "ottla/server/api.Metadata.func1", "ottla/server.(*connection).handle"}, false},
		{"BUG: offsets go back", []string{"ottla/server/api.Produce.func1"}, true},
		{errors.New("nil map"), []string{"ottla/storage.(*Log).Append", "ottla/server/api.Produce.func1"}, true},
		{errors.New("nil map"), []string{"ottla/coordinator/group.(*Machine).Join"}, true},
		{errors.New("nil map"), []string{"ottla/protocol.ReadHeader"}, false},
	} {
		if got := endsProcess(test.value, test.functions); got != test.want {
			t.Errorf("%v in %v: %v", test.value, test.functions, got)
		}
	}
}

func TestAddressText(t *testing.T) {
	for input, want := range map[string]string{
		"127.0.0.1": "127.0.0.1", "::ffff:10.0.0.7": "10.0.0.7", "::1": "0:0:0:0:0:0:0:1", "fe80::a:0bcd": "fe80:0:0:0:0:0:a:bcd",
	} {
		if got := addressText(net.ParseIP(input)); got != want {
			t.Errorf("%s is %s, want %s", input, got, want)
		}
	}
}
