package server

import (
	"errors"
	"fmt"
	"net"
	"time"

	"ottla/protocol"
	"ottla/server/api"
)

// listener is one of the broker's listeners.
type listener struct {
	name     string
	kind     protocol.Listeners
	socket   *net.TCPListener
	handlers []api.Handler // by key, nil where the listener does not serve it
	spared   bool          // the rate of new connections does not bind it
}

// bind opens a listener. It accepts nothing before serve.
func (n *network) bind(name, address string, kind protocol.Listeners) (*listener, error) {
	opened, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listener %s: %w", name, err)
	}
	l := &listener{name: name, kind: kind, socket: opened.(*net.TCPListener)}
	n.lock.Lock()
	defer n.lock.Unlock()
	n.listeners = append(n.listeners, l)
	return l, nil
}

// serve starts to accept on every listener.
func (n *network) serve(handlers api.Handlers) {
	n.lock.Lock()
	defer n.lock.Unlock()
	others := 0
	for _, l := range n.listeners {
		if l.kind == protocol.Broker && l.name != n.InterBroker {
			others++
		}
	}
	for _, l := range n.listeners {
		l.spared = l.name == n.InterBroker && others > 0
		l.handlers = byKey(servedOn(handlers, l.kind))
		n.goroutines.Add(1)
		go n.accept(l)
	}
}

// accept accepts until the listener is closed. While there are max.connections,
// it leaves the next one to the kernel's queue.
func (n *network) accept(l *listener) {
	defer n.goroutines.Done()
	for {
		if !n.gate.enter(n.stopping) || !n.acceptOne(l) {
			return
		}
	}
}

// acceptOne accepts one connection and starts it; false when the listener is
// closed.
func (n *network) acceptOne(l *listener) bool {
	conn, err := l.socket.AcceptTCP()
	kept := false
	if err == nil && !n.slowDown(l) {
		conn.Close()
		err = net.ErrClosed
	}
	if err == nil {
		if kept, err = n.adopt(conn, l); !kept {
			conn.Close()
		}
	}
	if !kept {
		n.gate.leave()
	}
	switch {
	case err == nil:
		return true
	case errors.Is(err, net.ErrClosed):
		return false
	}
	// No file descriptor is left, or something that passes too.
	n.log.Warn().Err(err).Str("listener", l.name).Msg("accept a connection")
	select {
	case <-n.stopping:
		return false
	case <-time.After(100 * time.Millisecond):
		return true
	}
}

// slowDown counts a new connection and waits where there are too many a second,
// as Kafka's acceptor does: the connection is there, and nobody serves it yet.
// It is false when the network stops meanwhile.
func (n *network) slowDown(l *listener) bool {
	if l.spared {
		return true
	}
	rate := n.rates[0]
	if l.kind == protocol.Controller {
		rate = n.rates[1]
	}
	wait := rate.record(time.Now())
	if wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-n.stopping:
		return false
	case <-timer.C:
		return true
	}
}
