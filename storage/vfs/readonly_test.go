package vfs

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// TestOpenOfAReadOnlyFile opens a file of mode 0400 as its owner. Root may do everything, so a process of another user does it.
func TestOpenOfAReadOnlyFile(t *testing.T) {
	if name := os.Getenv("VFS_TEST_READ_ONLY"); name != "" {
		f, err := OS{}.Open(name)
		must(t, err)
		b := make([]byte, 4)
		_, err = f.ReadAt(b, 0)
		must(t, err)
		must(t, f.Close())
		if string(b) != "text" {
			t.Errorf("read %q", b)
		}
		return
	}
	// A directory of t.TempDir is closed to other users.
	dir, err := os.MkdirTemp("/tmp", "vfs")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	name, program := filepath.Join(dir, "snapshot"), filepath.Join(dir, "test")
	must(t, os.WriteFile(name, []byte("text"), 0o400))
	content, err := os.ReadFile(os.Args[0])
	must(t, err)
	must(t, os.WriteFile(program, content, 0o755))
	cmd := exec.Command(program, "-test.run=^TestOpenOfAReadOnlyFile$")
	cmd.Env = append(os.Environ(), "VFS_TEST_READ_ONLY="+name)
	cmd.Dir = dir
	if os.Getuid() == 0 {
		const other = 65534
		must(t, os.Chown(name, other, other))
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: other, Gid: other}}
	}
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}
