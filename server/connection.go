package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"ottla/protocol"
	"ottla/server/api"
)

// maxPending is how many answers may be outstanding on one connection before
// its reader reads no further request.
const maxPending = 128

// errParked ends the wait of a reader whose client has asked nothing for some
// time.
var errParked = errors.New("parked")

// connection is one client's connection.
//
// One goroutine reads: it decodes a request, calls the handler and, while no
// answer is outstanding, the reply too. A reply that has to wait asks its
// context for Done; then that goroutine becomes the writer, another one takes
// over reading, and further replies are queued for the writer, which ends when
// the queue is empty. So an idle connection has one goroutine, answers leave in
// the order of the requests, and a ready answer costs no switch.
//
// A goroutine's stack grows with the requests that it serves and shrinks only
// where the collector finds it nearly empty. So a reader that has waited for
// parkAfter makes way for a new one, which waits on the smallest stack there is.
//
// Lock order: sendLock, then lock.
type connection struct {
	network  *network
	listener *listener
	id       uint64
	socket   *socket
	frames   *protocol.FrameReader // the reader's
	ctx      context.Context
	cancel   context.CancelFunc
	host     string
	clientID *string     // of the last request: the reader's
	wait     waitContext // what replies get
	requests atomic.Uint64
	ended    atomic.Bool // failed is set
	swept    activity

	lock    sync.Mutex
	space   sync.Cond // the queue has become shorter
	queue   []pending // what the writer has to answer, oldest first
	reading bool      // a goroutine reads
	writing bool      // a goroutine other than the reader answers
	failed  error     // why the connection closes, once it does

	sendLock   sync.Mutex
	out        *protocol.Buffer // what out's bytes lie in, nil while there are none
	outBytes   []byte
	inline     bool // the reader is calling a reply
	handedOver bool // that reply waits, so its goroutine is the writer now
}

// pending is a request whose answer has not been sent.
type pending struct {
	reply         api.Reply
	key           int16
	correlationID int32
	frame         protocol.Frame
}

// waitContext is the context of a reply: whoever asks for Done is about to wait.
type waitContext struct {
	context.Context
	connection *connection
}

// Done sends what is ready, lets another goroutine read, and returns the
// channel to wait on.
func (w *waitContext) Done() <-chan struct{} {
	w.connection.aboutToWait()
	return w.Context.Done()
}

// readLater waits for a request with next to nothing on its stack, then reads.
func (c *connection) readLater() {
	// The deadline with which drain ends a wait may be the one that was taken
	// back when this connection was parked.
	if !c.network.draining.Load() {
		c.socket.await()
	}
	c.read()
}

// read reads and serves requests until the connection ends, or is parked, or
// this goroutine has become the writer, and has done that too.
func (c *connection) read() {
	for !c.ended.Load() && !c.network.draining.Load() {
		if !c.frames.Buffered() && !c.flushOwn() {
			break
		}
		frame, err := c.frames.Next()
		if err == errParked {
			c.network.readLater(c)
			return
		}
		if err != nil {
			if !c.network.draining.Load() { // else what is outstanding is still answered
				c.fail(err)
			}
			break
		}
		if !c.serve(frame) {
			return
		}
	}
	c.readNoMore()
}

// serve serves one request; false where this goroutine reads no more, because
// it has become the writer. What it needs of the stack is not needed while the
// reader waits.
func (c *connection) serve(frame protocol.Frame) bool {
	c.requests.Add(1)
	next, err := c.handle(frame)
	if err != nil {
		c.flushOwn()
		c.fail(err)
		return true
	}
	if !c.enqueue(next) && c.answerInline(next) {
		c.write()
		return false
	}
	return true
}

// readNoMore is what the last reader does at its end.
func (c *connection) readNoMore() {
	c.frames.Close()
	c.lock.Lock()
	c.reading = false
	last := !c.writing
	c.lock.Unlock()
	if last {
		c.finish()
	}
}

// handle decodes a frame and calls the first part of its handler. Where that
// fails, the frame's memory is left to the garbage collector, because nobody
// knows what still points into it.
func (c *connection) handle(frame protocol.Frame) (next pending, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = c.network.recovered(value)
		}
	}()
	header, body, err := protocol.ReadHeader(frame.Bytes)
	if err != nil {
		return pending{}, err
	}
	handler := c.listener.handlers[header.API.Key]
	if handler == nil {
		return pending{}, fmt.Errorf("%w: %s is not served on listener %s", protocol.ErrHeader, header.API.Name, c.listener.name)
	}
	decoded, err := header.Decode(body)
	if err != nil {
		return pending{}, err
	}
	request := &api.Request{
		Body:               decoded,
		UnsupportedVersion: header.UnsupportedVersion,
		CorrelationID:      header.CorrelationID,
		ClientID:           c.rememberClientID(header.ClientID),
		ClientHost:         c.host,
		Principal:          anonymous,
		Listener:           c.listener.name,
		ConnectionID:       c.id,
		Received:           time.Now(),
	}
	if !header.API.Bytes {
		// Nothing decoded points into the frame.
		frame.Release()
	}
	return pending{handler(c.ctx, request), header.API.Key, header.CorrelationID, frame}, nil
}

// rememberClientID returns a client id as a string, the same one while it does
// not change.
func (c *connection) rememberClientID(id []byte) *string {
	if id == nil {
		return nil
	}
	if c.clientID == nil || *c.clientID != string(id) {
		text := string(id)
		c.clientID = &text
	}
	return c.clientID
}

// enqueue gives a reply to the writer; it is false where there is none.
func (c *connection) enqueue(next pending) bool {
	c.lock.Lock()
	defer c.lock.Unlock()
	for c.writing && len(c.queue) >= maxPending {
		c.space.Wait()
	}
	if !c.writing {
		return false
	}
	c.queue = append(c.queue, next)
	return true
}

// answerInline answers on the reader's goroutine. It is true where the reply
// had to wait, so that this goroutine is the writer now.
func (c *connection) answerInline(next pending) bool {
	c.sendLock.Lock()
	c.inline = true
	c.sendLock.Unlock()
	c.answer(next)
	c.sendLock.Lock()
	defer c.sendLock.Unlock()
	handedOver := c.handedOver
	c.inline, c.handedOver = false, false
	return handedOver
}

// aboutToWait is called where a reply is going to wait.
func (c *connection) aboutToWait() {
	c.sendLock.Lock()
	defer c.sendLock.Unlock()
	c.flush()
	if !c.inline || c.handedOver {
		return
	}
	c.handedOver = true
	c.lock.Lock()
	c.writing = true
	c.lock.Unlock()
	c.network.read(c)
}

// write answers what is queued until there is nothing left.
func (c *connection) write() {
	for {
		next, ok := c.dequeue()
		if ok {
			c.answer(next)
			continue
		}
		c.flushOwn()
		c.lock.Lock()
		if len(c.queue) > 0 {
			c.lock.Unlock()
			continue
		}
		c.queue = nil
		c.writing = false
		last := !c.reading
		c.lock.Unlock()
		if last {
			c.finish()
		}
		return
	}
}

func (c *connection) dequeue() (pending, bool) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if len(c.queue) == 0 {
		return pending{}, false
	}
	next := c.queue[0]
	c.queue[0] = pending{}
	c.queue = c.queue[1:]
	c.space.Signal()
	return next, true
}

// answer calls a reply and puts its response, where there is one, into what is
// sent next. Errors end the connection, behind the answers that were ready.
func (c *connection) answer(next pending) {
	if err := c.respond(next); err != nil {
		c.flushOwn()
		c.fail(err)
		return
	}
	next.frame.Release()
}

// respond calls a reply and gathers its response. A panic in it is the
// connection's error.
func (c *connection) respond(next pending) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = c.network.recovered(value)
		}
	}()
	response, err := next.reply(&c.wait)
	if err != nil || response == nil {
		return err
	}
	c.sendLock.Lock()
	defer c.sendLock.Unlock()
	return c.send(response, next)
}

// fail closes the connection. The first reason is the one that is logged.
func (c *connection) fail(err error) {
	c.lock.Lock()
	first := c.failed == nil
	if first {
		c.failed = err
	}
	c.lock.Unlock()
	c.ended.Store(true)
	if !first {
		return
	}
	c.cancel()
	if errors.Is(err, io.EOF) {
		// The peer may have closed its half only: what is ready can still be sent.
		return
	}
	c.socket.Close()
	if !ordinary(err) {
		level := zerolog.DebugLevel
		if errors.Is(err, errRegion) && !errors.Is(err, syscall.EPIPE) {
			level = zerolog.WarnLevel // not the client's doing
		}
		c.network.log.WithLevel(level).Err(err).Str("client", c.host).Str("listener", c.listener.name).Uint64("connection", c.id).Msg("connection closed")
	}
}

// ordinary tells whether a connection ends in such a way every day.
func ordinary(err error) bool {
	var timeout net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, api.ErrClose) || errors.Is(err, context.Canceled) ||
		errors.As(err, &timeout) && timeout.Timeout() || strings.Contains(err.Error(), "connection reset by peer")
}

// finish is called once, by the last goroutine of the connection.
func (c *connection) finish() {
	c.cancel()
	c.socket.Close()
	c.network.forget(c)
}
