package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestKeepCheckpoints demands that what is kept comes back as it was, that a file of later is taken away, and that a
// directory that was stopped cleanly is not taken for one that was not.
func TestKeepCheckpoints(t *testing.T) {
	directory := t.TempDir()
	recovery, start, clean := filepath.Join(directory, "recovery-point-offset-checkpoint"),
		filepath.Join(directory, "log-start-offset-checkpoint"), filepath.Join(directory, ".kafka_cleanshutdown")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(recovery, "before")
	kept, err := keepCheckpoints(directory)
	if err != nil {
		t.Fatal(err)
	}
	write(recovery, "after")
	write(start, "new")
	write(clean, "stopped")
	if _, err := keepCheckpoints(directory); err == nil {
		t.Error("a directory that was stopped cleanly was kept")
	}
	if err := kept.restore(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(recovery); err != nil || string(text) != "before" {
		t.Errorf("%q, %v", text, err)
	}
	for _, path := range []string{start, clean} {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s is there: %v", path, err)
		}
	}
}
