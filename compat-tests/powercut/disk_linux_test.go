package powercut

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"ottla/compat-tests/harness"
)

// inside marks the process that runs the tests: the child that contain starts.
const inside = "OTTLA_POWERCUT_INSIDE"

// contain runs the tests in a child with mounts and process ids of its own. A mount that only it and its children see,
// and processes that end with it, cannot be left behind, whatever ends the tests. It returns the child's exit status;
// ok is false where the tests are to be run right here, because this is the child or because there can be none.
func contain() (status int, ok bool) {
	if os.Getenv(inside) != "" || os.Geteuid() != 0 {
		return 0, false
	}
	// The child dies with this thread, so the thread must live as long as the process.
	runtime.LockOSThread()
	child := exec.Command(os.Args[0], os.Args[1:]...)
	child.Env = append(os.Environ(), inside+"=1")
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	if child.Start() != nil {
		return 0, false
	}
	if err := child.Wait(); err != nil {
		return max(child.ProcessState.ExitCode(), 1), true
	}
	return 0, true
}

// disk is an ext4 file system of its own whose power can be cut.
type disk struct {
	t            *testing.T
	image, mount string
	mounted      bool
	random       *rand.Rand
	// options are those of the last mount.
	options string
}

// newDisk makes a disk and mounts it at a folder. The test is skipped, saying why, where that is not possible.
func newDisk(t *testing.T, mount string, random *rand.Rand) *disk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount a disk whose power is cut")
	}
	if os.Getenv(inside) == "" {
		t.Skip("no namespace of its own for the mounts of this test can be made here")
	}
	harness.Require(t, "mkfs.ext4", "mount", "umount")
	// Mounts are not to be seen outside, and what is mounted outside later is of no interest here.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Skipf("the mounts of this test cannot be kept apart: %v", err)
	}
	d := &disk{t: t, image: filepath.Join(t.TempDir(), "image"), mount: mount, random: random}
	file, err := os.Create(d.image)
	if err == nil {
		err = errors.Join(file.Truncate(1<<30), file.Close())
	}
	if err == nil {
		err = os.MkdirAll(mount, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	if output, err := exec.Command("mkfs.ext4", "-qF", d.image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v\n%s", err, output)
	}
	if err := d.tryOn(); err != nil {
		t.Skipf("no loop device can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if d.mounted {
			if err := d.tryOff(); err != nil {
				_ = unix.Unmount(d.mount, unix.MNT_DETACH)
			}
		}
	})
	return d
}

// mountOptions are ways in which the kernel may order what nobody asked it to sync; the first is its default.
func mountOptions() []string {
	return []string{"data=ordered", "noauto_da_alloc", "nodelalloc", "data=writeback", "data=writeback,noauto_da_alloc", "commit=1"}
}

// on mounts the disk, which replays its journal.
func (d *disk) on() {
	d.t.Helper()
	if err := d.tryOn(); err != nil {
		d.t.Fatal(err)
	}
}

func (d *disk) tryOn() error {
	d.options = mountOptions()[d.random.IntN(len(mountOptions()))]
	// mount(8) finds a loop device and lets it go with the mount.
	output, err := exec.Command("mount", "-t", "ext4", "-o", "loop,"+d.options, d.image, d.mount).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mount: %w: %s", err, strings.TrimSpace(string(output)))
	}
	d.mounted = true
	return nil
}

// off unmounts the disk. Nothing uses it any more; the kernel may take a moment to see that.
func (d *disk) off() {
	d.t.Helper()
	if err := d.tryOff(); err != nil {
		d.t.Fatal(err)
	}
}

func (d *disk) tryOff() error {
	var err error
	for range 200 {
		if err = unix.Unmount(d.mount, 0); err == nil {
			d.mounted = false
			return nil
		}
		time.Sleep(25 * time.Millisecond)
	}
	return fmt.Errorf("unmount %s: %w", d.mount, err)
}

// The shutdown call of ext4 and its flags. Flag 0 would freeze and flush the disk first, which no power cut does.
const (
	shutdownCall  = 0x8004587d
	logFlush      = 1 // the journal's finished transactions are written; data that nobody synced is not
	noLogFlush    = 2 // nothing is written from now on
	syncDataWrite = unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
)

// cut takes the power away: what was not synced is lost, and every later write fails. It tells how it did that.
func (d *disk) cut() string {
	d.t.Helper()
	file, err := os.Open(d.mount)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	flag, name := uint32(noLogFlush), "NOLOGFLUSH"
	if d.random.IntN(3) == 0 {
		flag, name = logFlush, "LOGFLUSH"
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, file.Fd(), shutdownCall, uintptr(unsafe.Pointer(&flag))); errno != 0 {
		d.t.Fatalf("shut the file system down: %v", errno)
	}
	return name + " " + d.options
}

// writeBack does what the kernel may do at any time: it writes one file's dirty pages, without the order that a program
// may hope for, and sometimes the journal with it.
func (d *disk) writeBack(random *rand.Rand) {
	var files []string
	_ = filepath.WalkDir(d.mount, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files = append(files, path)
		}
		return nil
	})
	if len(files) == 0 {
		return
	}
	file, err := os.OpenFile(files[random.IntN(len(files))], os.O_RDWR, 0)
	if err != nil {
		return // renamed or deleted in between
	}
	defer func() { _ = file.Close() }()
	if random.IntN(20) == 0 {
		_ = file.Sync()
		return
	}
	_ = unix.SyncFileRange(int(file.Fd()), 0, 0, syncDataWrite)
}
