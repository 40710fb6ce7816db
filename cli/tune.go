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

// leastProcs is how many goroutines may run at once on a small machine. One that
// waits for a disk or fills a socket counts as running until the runtime looks
// after it, so with one for each of two processors requests wait for others' fsync.
const leastProcs = 8

// tune sets the garbage collector and the number of goroutines that run at once,
// unless the environment has. Where a quota of processor time holds, the runtime's
// own number stays: more at once would use it up sooner.
func tune() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) < leastProcs && !hasQuota("/") {
		runtime.GOMAXPROCS(leastProcs)
	}
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
