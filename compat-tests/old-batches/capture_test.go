package oldbatches

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ottla/compat-tests/harness"
)

var capture = flag.Bool("capture", false, "write the golden files of the unit tests anew")

// TestCapture writes the golden files of protocol/record, storage and cli with Apache Kafka's own classes.
func TestCapture(t *testing.T) {
	if !*capture {
		t.Skip("needs -capture")
	}
	w := write(t)
	root := harness.Root(t)
	directory := filepath.Join(root, "storage", "testdata", "old-batches")
	removeFiles(t, directory, "*.log", "*index")
	made, err := os.ReadDir(w.directory)
	check(t, err)
	var files []string
	for _, file := range made {
		content, err := os.ReadFile(filepath.Join(w.directory, file.Name()))
		check(t, err)
		files = append(files, filepath.Join(directory, file.Name()))
		check(t, os.WriteFile(files[len(files)-1], content, 0o644))
	}
	check(t, os.WriteFile(filepath.Join(root, "protocol", "record", "testdata", "legacy.txt"), []byte(w.text), 0o644))
	slices.Sort(files)
	dump := harness.StockTool(t, version, "org.apache.kafka.tools.DumpLogSegments", harness.Command{}, "--print-data-log", "--files", strings.Join(files, ","))
	text := strings.ReplaceAll(dump.Stdout, directory+string(filepath.Separator), "")
	check(t, os.WriteFile(filepath.Join(root, "cli", "testdata", "old-batches.txt"), []byte(text), 0o644))
}
