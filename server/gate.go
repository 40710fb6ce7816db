package server

import "sync"

// gate bounds how many connections there are at once. The bound may change; who
// is inside stays.
type gate struct {
	mu      sync.Mutex
	limit   int
	held    int
	changed chan struct{} // closed and replaced when somebody may enter who could not
}

func newGate(limit int) *gate {
	return &gate{limit: limit, changed: make(chan struct{})}
}

// enter waits for a place; false when stopping is closed first.
func (g *gate) enter(stopping <-chan struct{}) bool {
	for {
		g.mu.Lock()
		if g.held < g.limit {
			g.held++
			g.mu.Unlock()
			return true
		}
		changed := g.changed
		g.mu.Unlock()
		select {
		case <-changed:
		case <-stopping:
			return false
		}
	}
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held--
	g.wake()
}

func (g *gate) setLimit(limit int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit = limit
	g.wake()
}

// wake is called with mu held.
func (g *gate) wake() {
	close(g.changed)
	g.changed = make(chan struct{})
}
