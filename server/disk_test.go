package server

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/storage/vfs"
)

// writesTo matches what changes files of a directory.
func writesTo(directory string) func(vfs.Op) bool {
	return func(op vfs.Op) bool {
		return (op.Kind == vfs.OpWrite || op.Kind == vfs.OpSync) && strings.Contains(op.Name, "/"+directory+"/")
	}
}

// TestDiskFails has the disk fail under a partition and under the metadata: the
// producer gets an error that it may retry, the server says that it cannot go
// on, and what was acknowledged is there at the next start.
func TestDiskFails(t *testing.T) {
	for _, failing := range []string{"doomed-0", "__cluster_metadata-0"} {
		t.Run(failing, func(t *testing.T) {
			directory := t.TempDir()
			disk := vfs.NewFault(vfs.OS{}, nil)
			s, err := Start(t.Context(), settings(t, directory), Options{Log: zerolog.Nop(), FS: disk})
			if err != nil {
				t.Fatal(err)
			}
			cl := newClient(t, s, kgo.RecordRetries(0), kgo.DisableIdempotentWrite(), kgo.RetryTimeout(time.Second))
			createTopic(t, cl, "doomed", 1, nil)
			if err := cl.ProduceSync(timeout(t), &kgo.Record{Topic: "doomed", Value: []byte("kept")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			matches := writesTo(failing)
			disk.Set(func(op vfs.Op) error {
				if matches(op) {
					return syscall.EIO
				}
				return nil
			})
			if failing == "doomed-0" {
				err := cl.ProduceSync(timeout(t), &kgo.Record{Topic: "doomed", Value: []byte("lost")}).FirstErr()
				if !errors.Is(err, kerr.KafkaStorageError) && !errors.Is(err, kgo.ErrRecordRetries) {
					t.Errorf("produce: %v", err)
				}
			} else if _, err := kadm.NewClient(cl).CreateTopic(timeout(t), 1, 1, nil, "never"); err == nil {
				t.Error("a topic was created that is not on the disk")
			}
			select {
			case err := <-s.Failed():
				if err == nil {
					t.Error("failed without an error")
				}
			case <-timeout(t).Done():
				t.Error("the server goes on")
			}
			if err := s.Stop(context.Background()); err == nil {
				t.Error("stopped without an error")
			}
			again, _ := startBroker(t, directory)
			if got := values(t, again, "doomed", 1)[0]; got[0] != "kept" {
				t.Errorf("%q", got)
			}
		})
	}
}

// TestNoSpace fills the disk: appends are refused, reads are served, and when
// there is space again, so are appends, with no start between.
func TestNoSpace(t *testing.T) {
	disk := vfs.NewFault(vfs.OS{}, nil)
	s, err := Start(t.Context(), settings(t, t.TempDir()), Options{Log: zerolog.Nop(), FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(context.Background())
	cl := newClient(t, s, kgo.RecordRetries(0), kgo.DisableIdempotentWrite())
	createTopic(t, cl, "full", 1, nil)
	produce := func(value string) error {
		return cl.ProduceSync(timeout(t), &kgo.Record{Topic: "full", Value: []byte(value)}).FirstErr()
	}
	if err := produce("first"); err != nil {
		t.Fatal(err)
	}
	matches := writesTo("full-0")
	disk.Set(func(op vfs.Op) error {
		if op.Kind == vfs.OpWrite && matches(op) {
			return &vfs.ShortWriteError{Length: -1, Err: syscall.ENOSPC}
		}
		return nil
	})
	if err := produce("refused"); err == nil {
		t.Error("an append on a full disk was acknowledged")
	}
	if got := values(t, s, "full", 1)[0]; len(got) != 1 {
		t.Errorf("%q", got)
	}
	disk.Set(nil)
	if err := produce("second"); err != nil {
		t.Errorf("with space again: %v", err)
	}
	if got := values(t, s, "full", 2)[0]; got[0] != "first" || got[1] != "second" {
		t.Errorf("%q", got)
	}
	select {
	case err := <-s.Failed():
		t.Errorf("a full disk ends the server: %v", err)
	default:
	}
}
