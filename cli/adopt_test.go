package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"ottla/config"
	"ottla/server"
)

// propertiesFile is a server.properties with its data in a folder of the test.
func propertiesFile(t *testing.T) (file, data string) {
	t.Helper()
	folder := t.TempDir()
	file, data = filepath.Join(folder, "server.properties"), filepath.Join(folder, "data")
	text := "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.bootstrap.servers=localhost:0\n" +
		"listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0\ncontroller.listener.names=CONTROLLER\nlog.dirs=" + data + "\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file, data
}

// TestAdopt reports on a directory that is not there, one that was stopped
// cleanly, and one that is another node's, and makes nothing.
func TestAdopt(t *testing.T) {
	file, data := propertiesFile(t)
	status, out, complaint := run("adopt", "--dry-run", file)
	if status != exitDone || !strings.Contains(out, "is not there") || !strings.Contains(out, "format the directories for node 1") || complaint != "" {
		t.Errorf("no directory: status %d\n%s%s", status, out, complaint)
	}
	if _, err := os.Stat(data); err == nil {
		t.Fatal("the directory was made")
	}
	settings, _, err := config.Load(config.Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.Start(t.Context(), settings, server.Options{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	if status, out, _ := run("adopt", "--dry-run", file); status != exitFailed || !strings.Contains(out, "in use by another process") {
		t.Errorf("a running server: status %d\n%s", status, out)
	}
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	status, out, _ = run("adopt", "--dry-run", file)
	for _, piece := range []string{"belongs to node 1", "the last stop was clean", "kraft.version 1", "metadata.version 30 (4.3-IV0)", "transaction.version 2", "begin leader epoch 2"} {
		if status != exitDone || !strings.Contains(out, piece) {
			t.Errorf("a stopped server: status %d, want %q in\n%s", status, piece, out)
		}
	}
	if status, out, _ := run("adopt", "--dry-run", file, "--override", "node.id=2"); status != exitFailed || !strings.Contains(out, "A start would be refused") {
		t.Errorf("another node: status %d\n%s", status, out)
	}
}

func TestAdoptMisuse(t *testing.T) {
	for _, arguments := range [][]string{{"adopt"}, {"adopt", "file"}, {"adopt", "--dry-run"}, {"adopt", "--dry-run", "a", "b"}, {"adopt", "--dry-run", "a", "--pid-file", "p"}} {
		if status, _, complaint := run(arguments...); status != exitMisuse || !strings.Contains(complaint, "Usage:") {
			t.Errorf("%q: status %d, %q", arguments, status, complaint)
		}
	}
	if status, out, _ := run("adopt", "--help"); status != exitDone || !strings.Contains(out, "--dry-run") {
		t.Errorf("help: status %d, %q", status, out)
	}
}
