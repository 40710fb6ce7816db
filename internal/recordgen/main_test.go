package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The generated files are those that the schemas give.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	files, err := filepath.Glob("schema/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no schemas: %v", err)
	}
	for _, name := range files {
		output, want, err := generate(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("../..", output))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what %s gives: run go run ./internal/recordgen", output, name)
		}
	}
}

func TestGoName(t *testing.T) {
	for name, want := range map[string]string{
		"topicId": "TopicID", "Isr": "ISR", "LastKnownElr": "LastKnownELR", "PartitionIds": "PartitionIDs", "Identity": "Identity",
		"group": "Group", "TokenId": "TokenID", "Idle": "Idle", "VoterIdsIdle": "VoterIDsIdle",
	} {
		if got := goName(name); got != want {
			t.Errorf("goName(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"nonsense",
		"  Name string",
		"record A x versions 0-0",
		"record A 1 versions 2-1",
		"record A 1 versions 0-0\n  Name",
		"record A 1 versions 0-0\n  Name nothing",
		"record A 1 versions 0-0\n  Name string\n    Below string",
		"record A 1 versions 0-0\n  Name string ++",
		"record A 1 versions 0-0\n  Name string tag x",
		"record A 1 versions 0-0\n    Name string\n  Less string",
	} {
		if _, err := parse(strings.NewReader(text)); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}
