package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDumpOldSegments prints segments of magic 0 and 1 and their indexes as kafka-dump-log of Apache Kafka 4.3.1 printed
// them into testdata, but for the folder in front of the files' names.
func TestDumpOldSegments(t *testing.T) {
	content, err := os.ReadFile("testdata/old-batches.txt")
	if err != nil {
		t.Fatal(err)
	}
	directory := filepath.Join("..", "storage", "testdata", "old-batches")
	var files []string
	for _, pattern := range []string{"*.log", "*index"} {
		found, err := filepath.Glob(filepath.Join(directory, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		files = append(files, found...)
	}
	slices.Sort(files)
	status, stdout, stderr := run("dump-log", "--print-data-log", "--files", strings.Join(files, ","))
	stdout = strings.ReplaceAll(stdout, directory+string(filepath.Separator), "")
	if status != exitDone || stdout != string(content) {
		mine, theirs := strings.Split(stdout, "\n"), strings.Split(string(content), "\n")
		for i := range min(len(mine), len(theirs)) {
			if mine[i] != theirs[i] {
				t.Fatalf("line %d:\n%s\nApache Kafka's:\n%s", i+1, mine[i], theirs[i])
			}
		}
		t.Fatalf("exit status %d, %d lines, Apache Kafka's are %d\n%s", status, len(mine), len(theirs), stderr)
	}
}
