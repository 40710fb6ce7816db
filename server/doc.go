// Package server is the broker: sockets, and the wiring of every part.
//
// Invariants: answers leave a connection in the order of its requests; a client
// that misbehaves loses its connection and nothing else; an idle connection
// costs one goroutine and no buffer; what was acknowledged is in the log.
//
// The package owns the goroutines of the listeners and the connections, and
// every part that it starts; Stop waits for all of them, in the reverse order.
package server
