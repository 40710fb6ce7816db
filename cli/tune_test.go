package cli

import (
	"runtime"
	"testing"
)

func TestTuneLeavesWhatIsSet(t *testing.T) {
	t.Setenv("GOGC", "100")
	processors := runtime.NumCPU()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, test := range []struct {
		name, set     string
		before, after int
	}{
		{"a machine without a quota", "", processors, max(processors, leastProcs)},
		{"what is not one for each processor, such as a quota", "", processors + 1, processors + 1},
		{"the environment", "1", processors, processors},
	} {
		t.Setenv("GOMAXPROCS", test.set)
		runtime.GOMAXPROCS(test.before)
		tune()
		if got := runtime.GOMAXPROCS(0); got != test.after {
			t.Errorf("%s: %d, wanted %d", test.name, got, test.after)
		}
	}
}
