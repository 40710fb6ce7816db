package server

import "sync"

// maxResting is how many goroutines rest at once.
const maxResting = 256

// workers are goroutines that have served a connection and rest until another
// one needs one, because their stacks have grown: a new goroutine would grow
// its own while it serves its first request, which costs more than many a
// request. Who rests for long ends.
//
// The lock is a leaf.
type workers struct {
	lock    sync.Mutex
	resting []*worker // the one that came last is taken first
	least   int       // the least number of them since the last trim
	ended   bool
}

// worker is one goroutine at rest.
type worker struct {
	next chan *connection // closed to end it
}

// give has a resting worker take a connection over; false where there is none.
func (w *workers) give(c *connection) bool {
	w.lock.Lock()
	defer w.lock.Unlock()
	last := len(w.resting) - 1
	if last < 0 {
		return false
	}
	w.resting[last].next <- c // has room
	w.resting[last] = nil
	w.resting = w.resting[:last]
	w.least = min(w.least, last)
	return true
}

// rest waits for a connection to serve, nil to end.
func (w *workers) rest(own *worker) *connection {
	w.lock.Lock()
	if w.ended || len(w.resting) >= maxResting {
		w.lock.Unlock()
		return nil
	}
	w.resting = append(w.resting, own)
	w.lock.Unlock()
	return <-own.next
}

// trim ends those that none was needed of since the last call.
func (w *workers) trim() {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.end(w.least)
	w.least = len(w.resting)
}

// close ends all of them, and those that come to rest later.
func (w *workers) close() {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.ended = true
	w.end(len(w.resting))
}

// end ends the count that rest longest. The lock is held.
func (w *workers) end(count int) {
	for _, resting := range w.resting[:count] {
		close(resting.next)
	}
	rest := copy(w.resting, w.resting[count:])
	clear(w.resting[rest:])
	w.resting = w.resting[:rest]
}

// read has a goroutine read a connection's requests.
func (n *network) read(c *connection) {
	if !n.workers.give(c) {
		n.goroutines.Add(1)
		go n.serveOn(c, (*connection).read)
	}
}

// readLater has a goroutine with a small stack wait for a connection's next
// request and then read.
func (n *network) readLater(c *connection) {
	n.goroutines.Add(1)
	go n.serveOn(c, (*connection).readLater)
}

// serveOn is the life of a goroutine that serves connections, one after another.
func (n *network) serveOn(c *connection, first func(*connection)) {
	defer n.goroutines.Done()
	first(c)
	own := &worker{make(chan *connection, 1)}
	for c = n.workers.rest(own); c != nil; c = n.workers.rest(own) {
		c.read()
	}
}
