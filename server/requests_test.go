package server

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/protocol"
)

// plainRequests are one request of every API and version that a kind of
// listener names, with nothing in it.
func plainRequests(s *Server, kind protocol.Listeners) []kmsg.Request {
	var requests []kmsg.Request
	for key := range advertised(servedOn(s.handlers(), kind)) {
		row, _ := protocol.Lookup(key.Int16())
		for version := row.Min; version <= row.Max; version++ {
			request := kmsg.RequestForKey(row.Key)
			request.SetVersion(version)
			if produce, ok := request.(*kmsg.ProduceRequest); ok {
				produce.Acks = 1
			}
			if versions, ok := request.(*kmsg.ApiVersionsRequest); ok {
				versions.ClientSoftwareName, versions.ClientSoftwareVersion = "test", "1"
			}
			requests = append(requests, request)
		}
	}
	return requests
}

// TestEveryVersionIsAnswered sends them all to a broker, and has kmsg read the
// answers.
func TestEveryVersionIsAnswered(t *testing.T) {
	s, _ := startBroker(t, t.TempDir())
	for listener, kind := range map[string]protocol.Listeners{"PLAINTEXT": protocol.Broker, "CONTROLLER": protocol.Controller} {
		c := dial(t, s.Addr(listener).String())
		for i, request := range plainRequests(s, kind) {
			c.send(frame(request, int32(i)))
			id, body := c.answer()
			name := kmsg.NameForKey(request.Key())
			if id != int32(i) {
				t.Fatalf("%s version %d: answer %d, not %d", name, request.GetVersion(), id, i)
			}
			if request.IsFlexible() && request.Key() != protocol.ApiVersionsKey {
				if body[0] != 0 {
					t.Fatalf("%s version %d: %d tagged fields in the header", name, request.GetVersion(), body[0])
				}
				body = body[1:]
			}
			response := request.ResponseKind()
			if err := response.ReadFrom(body); err != nil {
				t.Errorf("%s version %d: %v", name, request.GetVersion(), err)
				continue
			}
			if again := response.AppendTo(nil); len(again) != len(body) {
				t.Errorf("%s version %d: %d bytes, of which kmsg knows %d", name, request.GetVersion(), len(body), len(again))
			}
		}
	}
	if n := s.network.panics.Load(); n > 0 {
		t.Errorf("%d panics", n)
	}
}

// FuzzRequests sends any frame to a broker: it may answer or close, and must
// neither panic nor stop answering others.
func FuzzRequests(f *testing.F) {
	s, _ := startBroker(f, f.TempDir(), "auto.create.topics.enable=false", "group.min.session.timeout.ms=1")
	for _, request := range plainRequests(s, protocol.Broker) {
		f.Add(frame(request, 7))
	}
	address := s.Addr("PLAINTEXT").String()
	witness := frame(&kmsg.ApiVersionsRequest{}, 1)
	f.Fuzz(func(t *testing.T, stream []byte) {
		if len(stream) < 8 {
			return
		}
		stream = stream[:min(uint64(len(stream)), 4+uint64(binary.BigEndian.Uint32(stream)))]
		before := s.network.panics.Load()
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		if _, err := conn.Write(stream); err == nil {
			conn.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, conn)
		}
		if s.network.panics.Load() != before {
			t.Fatal("a handler panicked")
		}
		c := dial(t, address)
		defer c.Close()
		c.send(witness)
		var head [4]byte
		if _, err := io.ReadFull(c, head[:]); err != nil || binary.BigEndian.Uint32(head[:]) < 10 {
			t.Fatalf("another client gets no answer: %v", err)
		}
	})
}
