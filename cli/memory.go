package cli

import (
	"os"
	"runtime/debug"
)

// gcPercent lets the heap grow further between collections than Go does by
// itself: a broker's live heap is small, and what requests allocate dies with
// their answers.
const gcPercent = 200

// tuneMemory sets the garbage collector, unless the environment has.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
