package server

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"ottla/protocol"
	"ottla/server/api"
)

// anonymous is the principal of a connection without authentication.
const anonymous = "User:ANONYMOUS"

const (
	firstFrameTimeout = 10 * time.Second
	frameTimeout      = 30 * time.Second
	keepAlive         = time.Minute
	// parkAfter is how long a connection must have been idle before its memory
	// is worth the little work that giving it back costs.
	parkAfter = 2 * time.Second
	// releaseFrom is how many connections must have been parked before what they
	// had is given back to the system, and releaseEvery how often that may be.
	releaseFrom  = 1000
	releaseEvery = time.Minute
	// drainTimeout is how long a stop waits for the answers that are outstanding
	// before it ends their waiting.
	drainTimeout = time.Second
)

// networkOptions are the settings of the sockets.
type networkOptions struct {
	Log               zerolog.Logger
	MaxRequestBytes   int
	SendBuffer        int // bytes, -1 for the system's
	ReceiveBuffer     int
	MaxIdle           time.Duration // 0: none
	MaxConnections    int
	MaxPerAddress     int
	PerAddress        map[string]int // overrides of MaxPerAddress, by address
	RateSamples       int            // of the rate of new connections; 0: 11
	RateWindow        time.Duration  // of one sample of it; 0: a second
	InterBroker       string         // the listener that the rate spares, if there are others
	FirstFrameTimeout time.Duration  // 0: firstFrameTimeout
	FrameTimeout      time.Duration  // 0: frameTimeout
	ParkAfter         time.Duration  // 0: parkAfter
}

// network owns the listeners, the connections and their goroutines.
type network struct {
	networkOptions
	log  zerolog.Logger
	pool *protocol.Pool
	// ctx is the parent of every connection's.
	ctx        context.Context
	cancel     context.CancelFunc
	goroutines sync.WaitGroup
	stopping   chan struct{}
	draining   atomic.Bool
	panics     atomic.Uint64
	nextID     atomic.Uint64
	gate       *gate    // bounds the connections
	rates      [2]*rate // of new ones: the brokers' and clients', the controllers'
	workers    workers

	lock        sync.Mutex
	stopped     bool
	listeners   []*listener
	connections map[*connection]struct{}
	perAddress  map[string]int
}

func newNetwork(options networkOptions) *network {
	if options.FirstFrameTimeout == 0 {
		options.FirstFrameTimeout = firstFrameTimeout
	}
	if options.FrameTimeout == 0 {
		options.FrameTimeout = frameTimeout
	}
	if options.ParkAfter == 0 {
		options.ParkAfter = parkAfter
	}
	if options.RateSamples == 0 {
		options.RateSamples, options.RateWindow = 11, time.Second
	}
	n := &network{
		networkOptions: options,
		log:            options.Log,
		pool:           protocol.NewPool(),
		stopping:       make(chan struct{}),
		connections:    map[*connection]struct{}{},
		perAddress:     map[string]int{},
		gate:           newGate(options.MaxConnections),
	}
	for i := range n.rates {
		n.rates[i] = newRate(math.MaxInt32, options.RateSamples, options.RateWindow)
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.goroutines.Add(1)
	go n.sweep()
	return n
}

// adopt makes a connection of an accepted socket and starts its reader. It is
// false where the address has too many already.
func (n *network) adopt(conn *net.TCPConn, l *listener) (bool, error) {
	s, err := newSocket(conn)
	if err != nil {
		return false, err
	}
	n.configure(conn)
	c := &connection{network: n, listener: l, id: n.nextID.Add(1), socket: s, reading: true}
	c.space.L = &c.lock
	c.host = "/" + addressOf(conn)
	c.ctx, c.cancel = context.WithCancel(n.ctx)
	c.wait = waitContext{c.ctx, c}
	c.frames = protocol.NewFrameReader(protocol.FrameOptions{
		Source: s, Pool: n.pool, MaxBytes: n.MaxRequestBytes, FirstTimeout: n.FirstFrameTimeout, Timeout: n.FrameTimeout,
	})
	n.lock.Lock()
	defer n.lock.Unlock()
	limit := n.MaxPerAddress
	if override, ok := n.PerAddress[c.host[1:]]; ok {
		limit = override
	}
	if n.stopped || n.perAddress[c.host] >= limit {
		c.cancel()
		return false, nil
	}
	n.perAddress[c.host]++
	n.connections[c] = struct{}{}
	n.readLater(c)
	return true, nil
}

// configure sets a socket's options. One that cannot be set is no reason to
// refuse the client.
func (n *network) configure(conn *net.TCPConn) {
	err := errors.Join(
		conn.SetNoDelay(true),
		conn.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: keepAlive, Count: -1}))
	if n.SendBuffer > 0 {
		err = errors.Join(err, conn.SetWriteBuffer(n.SendBuffer))
	}
	if n.ReceiveBuffer > 0 {
		err = errors.Join(err, conn.SetReadBuffer(n.ReceiveBuffer))
	}
	if err != nil {
		n.log.Debug().Err(err).Msg("socket options")
	}
}

// addressOf is the peer's address without its port.
func addressOf(conn *net.TCPConn) string {
	if address, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return addressText(address.IP)
	}
	return "unknown"
}

// addressText is an address as Java prints it: IPv6 in eight groups, none left
// away.
func addressText(ip net.IP) string {
	if four := ip.To4(); four != nil {
		return four.String()
	}
	var groups []string
	for six := ip.To16(); len(six) >= 2; six = six[2:] {
		groups = append(groups, strconv.FormatUint(uint64(binary.BigEndian.Uint16(six)), 16))
	}
	return strings.Join(groups, ":")
}

// forget takes a connection that has ended off the books.
func (n *network) forget(c *connection) {
	n.lock.Lock()
	delete(n.connections, c)
	if n.perAddress[c.host]--; n.perAddress[c.host] <= 0 {
		delete(n.perAddress, c.host)
	}
	n.lock.Unlock()
	n.gate.leave()
}

// limits are how many connections there may be, in all and from one address, and
// how many new ones in a second.
type limits struct {
	all, perAddress int
	overrides       map[string]int // of perAddress
	perSecond       int
}

// setLimits changes the limits. The connections that are there stay.
func (n *network) setLimits(to limits) {
	n.gate.setLimit(to.all)
	for _, rate := range n.rates {
		rate.setLimit(to.perSecond)
	}
	n.lock.Lock()
	defer n.lock.Unlock()
	n.MaxPerAddress, n.PerAddress = to.perAddress, to.overrides
}

// recovered turns a panic of decoding or of a handler into the connection's
// error. A panic that went through a part that keeps state, whose state is not
// to be trusted then, ends the process.
func (n *network) recovered(value any) error {
	stack := debug.Stack()
	if endsProcess(value, callers()) {
		n.log.Error().Str("panic", fmt.Sprint(value)).Bytes("stack", stack).Msg("bug: the process ends")
		panic(value)
	}
	n.panics.Add(1)
	n.log.Error().Str("panic", fmt.Sprint(value)).Bytes("stack", stack).Uint64("panics", n.panics.Load()).Msg("panic while serving a request: the connection is closed")
	return fmt.Errorf("panic: %v", value)
}

// callers are the functions on the stack, the innermost first.
func callers() []string {
	var counters [128]uintptr
	frames := runtime.CallersFrames(counters[:runtime.Callers(2, counters[:])])
	var names []string
	for {
		frame, more := frames.Next()
		names = append(names, frame.Function)
		if !more {
			return names
		}
	}
}

// endsProcess tells whether a panic must not be survived.
func endsProcess(value any, functions []string) bool {
	if text, ok := value.(string); ok && strings.HasPrefix(text, "BUG:") {
		return true
	}
	for _, function := range functions {
		for _, keeper := range []string{"ottla/storage", "ottla/replica", "ottla/metadata", "ottla/coordinator"} {
			if strings.HasPrefix(function, keeper) {
				return true
			}
		}
	}
	return false
}

// activity is what sweep has seen of a connection, and its alone.
type activity struct {
	requests uint64
	since    time.Time // of the first look that saw so many
}

// sweep has connections on which nothing has moved for ParkAfter need less
// memory, and closes those on which nothing has for MaxIdle.
func (n *network) sweep() {
	defer n.goroutines.Done()
	every := n.ParkAfter
	if n.MaxIdle > 0 {
		every = min(every, max(n.MaxIdle/10, 10*time.Millisecond))
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	parked := 0
	var released time.Time
	for {
		select {
		case <-n.stopping:
			return
		case now := <-ticker.C:
			newly := 0
			n.lock.Lock()
			for c := range n.connections {
				if n.look(c, now) {
					newly++
				}
			}
			n.lock.Unlock()
			n.workers.trim()
			parked += newly
			if newly == 0 && parked >= releaseFrom && now.Sub(released) >= releaseEvery {
				// Else the system has it back only after the collections to come,
				// which an idle broker makes every two minutes.
				debug.FreeOSMemory()
				parked, released = 0, now
			}
		}
	}
}

// look is sweep's look at one connection; true where it has been parked now.
func (n *network) look(c *connection, now time.Time) bool {
	requests := c.requests.Load()
	if c.swept.since.IsZero() || c.swept.requests != requests {
		c.swept = activity{requests, now}
		return false
	}
	idle := now.Sub(c.swept.since)
	if n.MaxIdle > 0 && idle >= n.MaxIdle {
		c.socket.Close()
		return false
	}
	return idle >= n.ParkAfter && c.socket.park()
}

// stopAccepting closes the listeners.
func (n *network) stopAccepting() {
	n.lock.Lock()
	defer n.lock.Unlock()
	if n.stopped {
		return
	}
	n.stopped = true
	close(n.stopping)
	for _, l := range n.listeners {
		l.socket.Close()
	}
}

// drain reads no further request, waits until what is outstanding has been
// answered, for drainTimeout or until ctx ends, then closes every connection
// and returns when no goroutine is left.
func (n *network) drain(ctx context.Context) {
	n.stopAccepting()
	n.draining.Store(true)
	n.workers.close()
	n.lock.Lock()
	for c := range n.connections {
		c.socket.SetReadDeadline(time.Unix(1, 0)) // the reader ends
	}
	n.lock.Unlock()
	done := make(chan struct{})
	go func() {
		n.goroutines.Wait()
		close(done)
	}()
	timer := time.NewTimer(drainTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
	n.cancel()
	n.lock.Lock()
	for c := range n.connections {
		c.socket.Close()
	}
	n.lock.Unlock()
	<-done
}

// byKey is a dispatch table as connections use it.
func byKey(handlers api.Handlers) []api.Handler {
	table := make([]api.Handler, protocol.MaxKey+1)
	for key, handler := range handlers {
		table[key] = handler
	}
	return table
}
