package cli

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestAtOnce(t *testing.T) {
	t.Setenv("GOGC", "100")
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	free, bounded := t.TempDir(), t.TempDir()
	lay(t, bounded, map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"})
	for _, test := range []struct {
		name, environment, root string
		before, started, synced int
	}{
		{"few processors", "", free, 2, 3, 8},
		{"as many as there are ever", "", free, 7, 8, 8},
		{"many processors", "", free, 8, 8, 8},
		{"more", "", free, 64, 64, 64},
		{"the environment", "2", free, 2, 2, 2},
		{"a quota", "", bounded, 2, 2, 2},
	} {
		t.Setenv("GOMAXPROCS", test.environment)
		runtime.GOMAXPROCS(test.before)
		syncs := tune(test.root)
		started := runtime.GOMAXPROCS(0)
		syncs()
		syncs()
		if synced := runtime.GOMAXPROCS(0); started != test.started || synced != test.synced {
			t.Errorf("%s: %d at once, %d with syncs, want %d and %d", test.name, started, synced, test.started, test.synced)
		}
	}
}

// lay writes files under a directory.
func lay(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestQuota(t *testing.T) {
	for _, test := range []struct {
		name   string
		files  map[string]string
		wanted bool
	}{
		{"no control groups", nil, false},
		{"none is set", map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "max 100000\n", "sys/fs/cgroup/a/cpu.max": "max 100000\n"}, false},
		{"its own", map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "50000 100000\n"}, true},
		{"one above", map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "max 100000\n", "sys/fs/cgroup/a/cpu.max": "150000 100000\n"}, true},
		{"in a container", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, true},
		{"the older kind", map[string]string{"proc/self/cgroup": "3:cpu,cpuacct:/a\n", "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "150000\n"}, true},
		{"the older kind, none", map[string]string{"proc/self/cgroup": "3:cpu,cpuacct:/a\n", "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "-1\n"}, false},
	} {
		root := t.TempDir()
		lay(t, root, test.files)
		if got := hasQuota(root); got != test.wanted {
			t.Errorf("%s: %t", test.name, got)
		}
	}
}
