package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/storage/vfs"
)

// copyTree copies a directory as it is now, locks apart: what a kill would leave.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, _ := filepath.Rel(from, name)
		target := filepath.Join(to, relative)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// snapshot is every file below a directory and its content.
func snapshot(t *testing.T, directory string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(directory, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == ".lock" {
			return err
		}
		content, err := os.ReadFile(name)
		files[name] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestRefusedDirectories starts on directories that are not handled: the error
// says why, and nothing has changed.
func TestRefusedDirectories(t *testing.T) {
	formatted := t.TempDir()
	s, _ := startBroker(t, formatted)
	if err := s.Stop(timeout(t)); err != nil {
		t.Fatal(err)
	}
	write := func(name, content string) func(string) {
		return func(directory string) {
			path := filepath.Join(directory, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, test := range []struct {
		name      string
		formatted bool
		change    func(directory string)
		message   string
	}{
		{"another node", true, write("meta.properties", "version=1\nnode.id=7\ncluster.id=4L6g3nShT-eMCtK--X86sw\n"), "node.id 7"},
		{"a ZooKeeper broker", true, write("meta.properties", "version=0\nbroker.id=1\ncluster.id=4L6g3nShT-eMCtK--X86sw\n"), "version 0"},
		{"partitions of nobody", false, write("topic-0/00000000000000000000.log", ""), "no meta.properties"},
		{"a metadata log of nobody", false, write("__cluster_metadata-0/00000000000000000000.log", "x"), "no meta.properties"},
		{"another folder", true, write("photos/summer.jpeg", "x"), "photos"},
		{"another file in the metadata log", true, write("__cluster_metadata-0/notes.txt", "x"), "notes.txt"},
		{"no metadata", false, write("meta.properties", "version=1\nnode.id=1\ncluster.id=4L6g3nShT-eMCtK--X86sw\n"), "no metadata"},
	} {
		directory := t.TempDir()
		if test.formatted {
			copyTree(t, formatted, directory)
		}
		test.change(directory)
		before := snapshot(t, directory)
		running, err := Start(t.Context(), settings(t, directory), Options{Log: zerolog.Nop()})
		if err == nil {
			running.Stop(context.Background())
			t.Errorf("%s: it starts", test.name)
			continue
		}
		if !strings.Contains(err.Error(), test.message) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", test.name, err)
		}
		after := snapshot(t, directory)
		for name, content := range before {
			if after[name] != content {
				t.Errorf("%s: %s was changed", test.name, name)
			}
		}
		if len(after) != len(before) {
			t.Errorf("%s: %d files were there, %d are", test.name, len(before), len(after))
		}
	}
}

// TestFormatCutOff formats again what a format left that did not reach its end.
func TestFormatCutOff(t *testing.T) {
	directory := t.TempDir()
	if _, err := prepareHome(vfs.OS{}, settings(t, directory), nil); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(directory, "meta.properties")); err != nil {
		t.Fatal(err)
	}
	s, _ := startBroker(t, directory)
	if err := s.Stop(timeout(t)); err != nil {
		t.Error(err)
	}
}

// TestKilled takes the directory of a running server as a kill would leave it,
// while an idempotent producer writes, and starts on it: what was acknowledged
// by then is there, once and in order.
func TestKilled(t *testing.T) {
	directory := t.TempDir()
	s, _ := startBroker(t, directory)
	createTopic(t, newClient(t, s), "kept", 2, nil)
	producer := newClient(t, s, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(100))
	var lock sync.Mutex
	acknowledged := [2]int{}
	ctx, cancel := context.WithCancel(timeout(t))
	var running sync.WaitGroup
	running.Add(1)
	go func() {
		defer running.Done()
		for i := 0; ctx.Err() == nil; i++ {
			r := &kgo.Record{Topic: "kept", Partition: int32(i % 2), Value: strconv.AppendInt(nil, int64(i/2), 10)}
			producer.Produce(ctx, r, func(r *kgo.Record, err error) {
				if err == nil {
					lock.Lock()
					acknowledged[r.Partition]++
					lock.Unlock()
				}
			})
		}
	}()
	for round := range 3 {
		for target := 1000 * (round + 1); ; {
			lock.Lock()
			enough := acknowledged[0] >= target && acknowledged[1] >= target
			before := acknowledged
			lock.Unlock()
			if !enough {
				time.Sleep(time.Millisecond)
				continue
			}
			left := filepath.Join(t.TempDir(), fmt.Sprint(round))
			copyTree(t, directory, left)
			survivor, lines := startBroker(t, left)
			if !strings.Contains(lines.String(), "not clean") {
				t.Errorf("round %d: the stop is taken for a clean one", round)
			}
			ends, err := kadm.NewClient(newClient(t, survivor)).ListEndOffsets(timeout(t), "kept")
			if err != nil {
				t.Fatal(err)
			}
			there := 0
			for partition, count := range before {
				end, _ := ends.Lookup("kept", int32(partition))
				there += int(end.Offset)
				if end.Offset < int64(count) {
					t.Errorf("round %d: partition %d ends at %d, %d records were acknowledged", round, partition, end.Offset, count)
				}
			}
			for partition, got := range values(t, survivor, "kept", there) {
				for i, value := range got {
					if value != strconv.Itoa(i) {
						t.Fatalf("round %d: record %d of partition %d is %s", round, i, partition, value)
					}
				}
			}
			if err := survivor.Stop(timeout(t)); err != nil {
				t.Error(err)
			}
			break
		}
	}
	cancel()
	running.Wait()
}

// TestPIDFile writes the process id while the server runs.
func TestPIDFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	s, err := Start(t.Context(), settings(t, t.TempDir()), Options{Log: zerolog.Nop(), PIDFile: path})
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if strings.TrimSpace(string(content)) != strconv.Itoa(os.Getpid()) {
		t.Errorf("%q, %v", content, err)
	}
	if err := s.Stop(timeout(t)); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the stop: %v", err)
	}
}

// TestStartGivesUp ends the context before and while the server starts.
func TestStartGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, settings(t, t.TempDir()), Options{Log: zerolog.Nop()}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
