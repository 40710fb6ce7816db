package cli

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestMoreAtOnce(t *testing.T) {
	t.Setenv("GOMAXPROCS", "1")
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if moreAtOnce(); runtime.GOMAXPROCS(0) != 1 {
		t.Errorf("%d run at once, against the environment", runtime.GOMAXPROCS(0))
	}
	t.Setenv("GOMAXPROCS", "")
	if moreAtOnce(); runtime.GOMAXPROCS(0) < procsForSyncs && !hasQuota("/") {
		t.Errorf("%d run at once", runtime.GOMAXPROCS(0))
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
		for name, content := range test.files {
			name = filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := hasQuota(root); got != test.wanted {
			t.Errorf("%s: %t", test.name, got)
		}
	}
}
