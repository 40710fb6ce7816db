//go:build !race

package group

import (
	"runtime/debug"
	"testing"
)

// TestOffsetCommitAllocations bounds what a commit of ten offsets allocates: the answer, and some pieces of memory for each. A race
// detector's build allocates as it likes.
func TestOffsetCommitAllocations(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	commit := commitTen(t)
	commit()
	if n := testing.AllocsPerRun(200, commit); n > 54 {
		t.Errorf("%v allocations for a commit of ten offsets", n)
	}
}
