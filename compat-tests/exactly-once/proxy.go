package exactlyonce

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// frameLimit bounds a request of the test's own clients.
const frameLimit = 64 << 20

// Requests the proxy knows by their keys.
const (
	keyProduce         = 0
	keyEndTxn          = 26
	keyTxnOffsetCommit = 28
)

// Proxy passes connections on to a broker and holds up single requests, as a network may: it keeps a request back,
// ends its client's connection, so that the client asks again on another, and lets the request go on only when the
// client is in its next transaction. It reads no more of a request than key and client id.
type Proxy struct {
	// Address is where the proxy listens.
	Address string

	target   string
	hold     func(key int16) bool
	delay    func() time.Duration
	listener net.Listener
	done     chan struct{}
	group    sync.WaitGroup

	mutex       sync.Mutex
	connections map[net.Conn]bool
	held        map[string]*heldRequest
	released    map[int16]int
}

// heldRequest waits on its connection to the broker until its client has asked for an end of the transaction and
// written again.
type heldRequest struct {
	key           int16
	frame         []byte
	server        net.Conn
	ended         bool
	producedSince int
}

// StartProxy listens on loopback. hold decides about each request that may be held, delay how long it is kept once
// the next transaction has begun; neither is called by two goroutines at once.
func StartProxy(target string, hold func(key int16) bool, delay func() time.Duration) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		Address: listener.Addr().String(), target: target, hold: hold, delay: delay, listener: listener, done: make(chan struct{}),
		connections: map[net.Conn]bool{}, held: map[string]*heldRequest{}, released: map[int16]int{},
	}
	p.group.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			p.group.Go(func() { p.serve(client) })
		}
	})
	return p, nil
}

// Close ends all connections and waits for their goroutines.
func (p *Proxy) Close() {
	close(p.done)
	_ = p.listener.Close()
	p.mutex.Lock()
	for connection := range p.connections {
		_ = connection.Close()
	}
	p.mutex.Unlock()
	p.group.Wait()
}

// Released tells by key how many held requests went on to the broker.
func (p *Proxy) Released() map[int16]int {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	counts := map[int16]int{}
	for key, n := range p.released {
		counts[key] = n
	}
	return counts
}

// track remembers an open connection; it closes the connection and returns false when the proxy is closing.
func (p *Proxy) track(connection net.Conn) bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	select {
	case <-p.done:
		_ = connection.Close()
		return false
	default:
		p.connections[connection] = true
		return true
	}
}

func (p *Proxy) drop(connection net.Conn) {
	_ = connection.Close()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	delete(p.connections, connection)
}

func (p *Proxy) serve(client net.Conn) {
	if !p.track(client) {
		return
	}
	defer p.drop(client)
	server, err := net.DialTimeout("tcp", p.target, 5*time.Second)
	if err != nil || !p.track(server) {
		return
	}
	p.group.Go(func() {
		defer p.drop(server)
		defer func() { _ = client.Close() }()
		if _, err := io.Copy(client, server); err == nil {
			return
		}
		// The client is gone. Answers that still come must be taken, or the broker would not read what is held.
		_, _ = io.Copy(io.Discard, server)
	})
	for {
		frame, err := readFrame(client)
		if err != nil {
			_ = server.Close()
			return
		}
		key, id := header(frame)
		if p.keep(key, id, frame, server) {
			return
		}
		if _, err := server.Write(frame); err != nil {
			return
		}
		p.passed(key, id)
	}
}

// keep decides whether the request is held; then its connection to the broker is the held request's.
func (p *Proxy) keep(key int16, id string, frame []byte, server net.Conn) bool {
	if key != keyProduce && key != keyEndTxn && key != keyTxnOffsetCommit {
		return false
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.held[id] != nil || !p.hold(key) {
		return false
	}
	p.held[id] = &heldRequest{key: key, frame: frame, server: server}
	return true
}

// passed tells that a client's request went on, which may be what its held one waits for. Who writes outside of
// transactions never ends one: a number of writes does instead, more than a broker remembers.
func (p *Proxy) passed(key int16, id string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	h := p.held[id]
	switch {
	case h == nil:
		return
	case key == keyEndTxn:
		h.ended = true
		return
	case key != keyProduce:
		return
	}
	h.producedSince++
	if !h.ended && h.producedSince < 8 {
		return
	}
	delete(p.held, id)
	delay := p.delay()
	p.group.Go(func() {
		select {
		case <-p.done:
			return
		case <-time.After(delay):
		}
		// The answer has nobody to go to; the connection ends once it has had time to come.
		_ = h.server.SetReadDeadline(time.Now().Add(3 * time.Second))
		if _, err := h.server.Write(h.frame); err == nil {
			p.mutex.Lock()
			p.released[h.key]++
			p.mutex.Unlock()
		}
	})
}

// readFrame reads one request with its length.
func readFrame(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n < 8 || n > frameLimit {
		return nil, fmt.Errorf("a request of %d bytes", n)
	}
	frame := make([]byte, 4+n)
	copy(frame, length[:])
	_, err := io.ReadFull(r, frame[4:])
	return frame, err
}

// header reads key and client id of a frame of at least 12 bytes.
func header(frame []byte) (key int16, id string) {
	key = int16(binary.BigEndian.Uint16(frame[4:]))
	if len(frame) < 14 {
		return key, ""
	}
	if n := int(int16(binary.BigEndian.Uint16(frame[12:]))); n > 0 && len(frame) >= 14+n {
		id = string(frame[14 : 14+n])
	}
	return key, id
}
