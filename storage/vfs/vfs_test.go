package vfs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func writeTo(t testing.TB, fsys FS, name, content string, sync bool) {
	t.Helper()
	f, err := fsys.Create(name)
	must(t, err)
	_, err = f.WriteAt([]byte(content), 0)
	must(t, err)
	if sync {
		must(t, f.Sync())
	}
	must(t, f.Close())
}

func read(t testing.TB, fsys FS, name string) (string, bool) {
	t.Helper()
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false
	}
	must(t, err)
	defer f.Close()
	size, err := f.Size()
	must(t, err)
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return string(b), true
}

// TestSameBehaviour plays one script on the real disk and in memory.
func TestSameBehaviour(t *testing.T) {
	for name, root := range map[string]func() (FS, string){
		"os":     func() (FS, string) { return OS{}, t.TempDir() },
		"memory": func() (FS, string) { return NewMemory(), "" },
		"traced": func() (FS, string) { return NewTrace(NewFault(NewMemory(), nil), nil), "" },
	} {
		t.Run(name, func(t *testing.T) {
			fsys, root := root()
			must(t, fsys.Mkdir(root+"/a"))
			if err := fsys.Mkdir(root + "/a"); !errors.Is(err, fs.ErrExist) {
				t.Errorf("mkdir twice: %v", err)
			}
			if _, err := fsys.Open(root + "/a/x"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("open of nothing: %v", err)
			}
			writeTo(t, fsys, root+"/a/x", "hello", true)
			writeTo(t, fsys, root+"/a/y", "old", false)
			must(t, fsys.Rename(root+"/a/x", root+"/a/y"))
			must(t, fsys.SyncDir(root+"/a"))
			if got, _ := read(t, fsys, root+"/a/y"); got != "hello" {
				t.Errorf("renamed file holds %q", got)
			}
			f, err := fsys.Open(root + "/a/y")
			must(t, err)
			must(t, f.Truncate(2))
			must(t, f.Truncate(4))
			_, err = f.WriteAt([]byte("!"), 6)
			must(t, err)
			b := make([]byte, 10)
			if n, err := f.ReadAt(b, 0); n != 7 || err != io.EOF || string(b[:n]) != "he\x00\x00\x00\x00!" {
				t.Errorf("read %q, %v", b[:n], err)
			}
			must(t, fsys.Remove(root+"/a/y"))
			if n, err := f.ReadAt(b[:2], 0); n != 2 || err != nil {
				t.Errorf("read of a removed file that is open: %v", err)
			}
			must(t, f.Close())
			writeTo(t, fsys, root+"/a/z", "", false)
			must(t, fsys.Mkdir(root+"/a/d"))
			entries, err := fsys.ReadDir(root + "/a")
			must(t, err)
			if len(entries) != 2 || entries[0] != (Entry{"d", true}) || entries[1] != (Entry{"z", false}) {
				t.Errorf("entries %v", entries)
			}
			if info, err := fsys.Stat(root + "/a/d"); err != nil || !info.Dir {
				t.Errorf("stat: %+v, %v", info, err)
			}
			if err := fsys.Remove(root + "/a"); !errors.Is(err, syscall.ENOTEMPTY) {
				t.Errorf("remove of a full directory: %v", err)
			}
			must(t, fsys.Rename(root+"/a", root+"/b"))
			must(t, fsys.RemoveAll(root+"/b"))
			must(t, fsys.RemoveAll(root+"/b"))
			if there, err := Exists(fsys, root+"/b"); there || err != nil {
				t.Errorf("directory is left: %v", err)
			}
			lock, err := fsys.Lock(root + "/l")
			must(t, err)
			if _, err := fsys.Lock(root + "/l"); !errors.Is(err, ErrLocked) {
				t.Errorf("lock twice: %v", err)
			}
			must(t, lock.Close())
			lock, err = fsys.Lock(root + "/l")
			must(t, err)
			must(t, lock.Close())
		})
	}
}

// TestLockIsSeenByFcntl: Apache Kafka's JVM takes a POSIX record lock; ours must stand in its way, and its in ours, from another process.
func TestLockIsSeenByFcntl(t *testing.T) {
	name := filepath.Join(t.TempDir(), ".lock")
	if os.Getenv("VFS_TEST_LOCK") != "" {
		name = os.Getenv("VFS_TEST_LOCK")
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
		must(t, err)
		lock := unix.Flock_t{Type: unix.F_WRLCK}
		if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lock); err != nil {
			os.Stdout.WriteString("REFUSED\n")
			return
		}
		os.Stdout.WriteString("LOCKED\n")
		_, _ = io.ReadAll(os.Stdin)
		return
	}
	lock, err := OS{}.Lock(name)
	must(t, err)
	child := func() (*exec.Cmd, io.WriteCloser, string) {
		cmd := exec.Command(os.Args[0], "-test.run=^TestLockIsSeenByFcntl$")
		cmd.Env = append(os.Environ(), "VFS_TEST_LOCK="+name)
		in, err := cmd.StdinPipe()
		must(t, err)
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		b := make([]byte, 6)
		_, err = io.ReadFull(out, b)
		must(t, err)
		go io.Copy(io.Discard, out)
		return cmd, in, string(b)
	}
	cmd, in, said := child()
	in.Close()
	_ = cmd.Wait()
	if said != "REFUSE" {
		t.Errorf("another process's F_SETLK was %s while we hold the lock", said)
	}
	must(t, lock.Close())
	cmd, in, said = child()
	if said != "LOCKED" {
		t.Fatalf("F_SETLK was %s after Close", said)
	}
	if _, err := (OS{}).Lock(name); !errors.Is(err, ErrLocked) {
		t.Errorf("lock while another process has it: %v", err)
	}
	in.Close()
	_ = cmd.Wait()
}

// TestCrashClone: what was synced is there in every crash, and every other outcome occurs in some.
func TestCrashClone(t *testing.T) {
	m := NewMemory()
	must(t, m.Mkdir("/d"))
	must(t, m.SyncDir("/"))
	writeTo(t, m, "/d/both", "synced", true)
	must(t, m.SyncDir("/d"))
	writeTo(t, m, "/d/name", "x", true) // its name is not synced
	must(t, m.Rename("/d/both", "/d/renamed"))
	f, err := m.Open("/d/renamed")
	must(t, err)
	tail := strings.Repeat("t", 2000)
	_, err = f.WriteAt([]byte(tail), 6)
	must(t, err)
	seen := map[string]bool{}
	for seed := range uint64(300) {
		c := m.CrashClone(rand.New(rand.NewPCG(seed, 0)))
		old, hasOld := read(t, c, "/d/both")
		renamed, hasNew := read(t, c, "/d/renamed")
		if hasOld == hasNew {
			t.Fatalf("seed %d: old name %v, new name %v", seed, hasOld, hasNew)
		}
		content := old + renamed
		if !strings.HasPrefix(content, "synced") {
			t.Fatalf("seed %d: %q", seed, content[:min(len(content), 10)])
		}
		_, there := read(t, c, "/d/name")
		seen[map[bool]string{true: "name kept", false: "name lost"}[there]] = true
		seen[map[bool]string{true: "rename kept", false: "rename lost"}[hasNew]] = true
		rest := content[6:]
		switch {
		case rest == "":
			seen["write lost"] = true
		case rest == tail:
			seen["write kept"] = true
		case len(rest) < len(tail) && strings.Trim(rest, "t") == "":
			seen["write torn"] = true
		case strings.Trim(rest, "\x00") == "":
			seen["length alone"] = true
		case strings.Trim(rest, "\x00t") == "":
			seen["some sectors"] = true
		default:
			t.Fatalf("seed %d: %q", seed, rest)
		}
		again := m.CrashClone(rand.New(rand.NewPCG(seed, 0)))
		for _, name := range []string{"/d/both", "/d/renamed", "/d/name"} {
			a, _ := read(t, c, name)
			if b, _ := read(t, again, name); a != b {
				t.Fatalf("seed %d gives two disks", seed)
			}
		}
	}
	for _, want := range []string{"name kept", "name lost", "rename kept", "rename lost", "write lost", "write kept", "write torn", "length alone", "some sectors"} {
		if !seen[want] {
			t.Errorf("never in 300 crashes: %s", want)
		}
	}
	killed := m.CrashClone(nil)
	if got, _ := read(t, killed, "/d/renamed"); got != "synced"+tail {
		t.Error("a killed process loses what it wrote")
	}
}

func TestFault(t *testing.T) {
	m := NewMemory()
	fault := NewFault(m, FailNth(2, func(op Op) bool { return op.Kind == OpWrite }, &ShortWriteError{Length: -1, Err: syscall.ENOSPC}))
	f, err := fault.Create("/x")
	must(t, err)
	_, err = f.WriteAt([]byte("0123"), 0)
	must(t, err)
	if n, err := f.WriteAt([]byte("4567"), 4); n != 2 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("short write: %d, %v", n, err)
	}
	_, err = f.WriteAt([]byte("89"), 8)
	must(t, err)
	if got, _ := read(t, m, "/x"); got != "012345\x00\x0089" {
		t.Errorf("file holds %q", got)
	}
	fault.Set(func(op Op) error { return syscall.EIO })
	if err := f.Sync(); err != syscall.EIO {
		t.Errorf("sync: %v", err)
	}
	fault.Set(nil)
	trace := NewTrace(m, nil)
	writeTo(t, trace, "/y", "ab", true)
	must(t, trace.SyncDir("/"))
	if _, err := trace.Open("/y"); err != nil {
		t.Error(err)
	}
	if got := trace.Take(); got != "create /y\nwrite /y 0+2\nsync /y\nsyncdir /\n" || trace.Take() != "" {
		t.Errorf("trace %q", got)
	}
	if !bytes.Equal([]byte((Op{Kind: OpRename, Name: "a", To: "b"}).String()), []byte("rename a -> b")) {
		t.Error("rename is told differently")
	}
}
