package cli

import (
	"os"
	"runtime"
	"runtime/debug"
)

// gcPercent lets the heap grow further between collections than Go does by
// itself: a broker's live heap is small, and what requests allocate dies with
// their answers.
const gcPercent = 200

// leastProcs is how many goroutines may run at once on a small machine. One that
// waits for a disk or fills a socket counts as running until the runtime looks
// after it, so with one for each of two processors requests wait for others' fsync.
const leastProcs = 8

// tune sets the garbage collector and the number of goroutines that run at once,
// unless the environment has. A processor quota below what the machine has, which
// the runtime follows by itself, is left alone: more at once would use it up sooner.
func tune() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if procs := runtime.GOMAXPROCS(0); os.Getenv("GOMAXPROCS") == "" && procs == runtime.NumCPU() && procs < leastProcs {
		runtime.GOMAXPROCS(leastProcs)
	}
}
