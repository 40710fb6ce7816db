package cli

import (
	"os"
	"path"
	"runtime"
	"runtime/debug"
	"strings"
)

// gcPercent lets the heap grow further between collections than Go does by
// itself: a broker's live heap is small, and what requests allocate dies with
// their answers.
const gcPercent = 200

// procsForSyncs is how many goroutines may run at once on a small machine whose logs
// sync each append. One that waits for a disk counts as running until the runtime
// looks after it, so with one for each of two processors requests wait for others'
// fsync. Where nothing waits so, that many at once cost up to a fifth of the processors.
const procsForSyncs = 8

// tune sets the garbage collector and how many goroutines run at once, each unless the
// environment has. It returns what is to be called when appends wait for fsync.
//
// A machine with few processors gets one goroutine at once more than it has: the clients'
// programs run there too, and while one of them has taken a processor from a thread of
// this process, the goroutine on that thread holds its turn. One turn more costs nothing
// that was measured. Where a quota of processor time holds, the runtime's own number
// stays: more at once would use it up sooner.
func tune(root string) (syncs func()) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMAXPROCS") != "" || runtime.GOMAXPROCS(0) >= procsForSyncs || hasQuota(root) {
		return func() {}
	}
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	return func() { runtime.GOMAXPROCS(procsForSyncs) }
}

// hasQuota tells whether a control group of this process, or one above it, bounds
// its processor time. root is where proc and sys are.
func hasQuota(root string) bool {
	groups, err := os.ReadFile(path.Join(root, "proc/self/cgroup"))
	if err != nil {
		return false
	}
	for _, line := range strings.Split(string(groups), "\n") {
		fields := strings.SplitN(line, ":", 3)
		if len(fields) < 3 {
			continue
		}
		base, file, none := "sys/fs/cgroup", "cpu.max", "max"
		if fields[1] != "" {
			base, file, none = "sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "-1"
		}
		for group := path.Clean("/" + fields[2]); ; group = path.Dir(group) {
			quota, err := os.ReadFile(path.Join(root, base, group, file))
			if err == nil && !strings.HasPrefix(string(quota), none) {
				return true
			}
			if group == "/" {
				break
			}
		}
	}
	return false
}
