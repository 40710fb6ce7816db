package swap

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ottla/compat-tests/harness"
)

// readWithStockTools lets Apache Kafka's own tools read every file.
func readWithStockTools(t *testing.T, seat *harness.Seat, turn int, kill bool) {
	t.Helper()
	class := "kafka.tools.DumpLogSegments"
	if strings.HasPrefix(seat.Version, "4.") {
		class = "org.apache.kafka.tools.DumpLogSegments"
	}
	dump := func(pattern string, want []string, flags ...string) {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(seat.Data, pattern))
		check(t, err)
		if len(files) == 0 {
			t.Errorf("no file is like %s", pattern)
			return
		}
		result := harness.StockTool(t, seat.Version, class, harness.Command{}, append(flags, "--files", strings.Join(files, ","))...)
		if result.Code != 0 {
			t.Errorf("turn %d: kafka-dump-log %v of %s: exit status %d\n%s", turn, flags, pattern, result.Code, lastOf(result.Output()))
			return
		}
		lines := strings.Split(result.Output(), "\n")
		for i, line := range lines {
			if complaint.MatchString(line) && !strings.Contains(line, "payload:") && !strings.Contains(line, "StaticLoggerBinder") {
				t.Errorf("turn %d: kafka-dump-log %v of %s: %s", turn, flags, pattern, strings.Join(lines[i:min(len(lines), i+4)], "\n"))
			}
		}
		for _, piece := range want {
			if !strings.Contains(result.Stdout, piece) {
				t.Errorf("turn %d: kafka-dump-log %v of %s: no %q in\n%s", turn, flags, pattern, piece, lastOf(result.Stdout))
			}
		}
	}
	dump("*[!_]*-[0-9]/*.log", nil, "--deep-iteration")
	dump("*-[0-9]/*.index", nil, "--index-sanity-check")
	// The tool takes what is not wrong for errors: the zeroes at the end of an active time index after a kill, times that a
	// cleaning has left without a record, and what versions before 4.0 wrote, which named a record within a batch.
	if !kill && seat.Version == "4.3.1" {
		for _, topic := range []string{codecs, ledger, steady, grown} {
			dump(topic+"-*/*.timeindex", nil)
		}
	}
	dump("*-[0-9]/*.snapshot", nil)
	if aborted, _ := filepath.Glob(filepath.Join(seat.Data, "ledger-*/*.txnindex")); len(aborted) > 0 {
		dump("ledger-*/*.txnindex", []string{"lastStableOffset"})
	}
	dump("__cluster_metadata-0/*.log", []string{"REGISTER_BROKER_RECORD", "PARTITION_RECORD"}, "--cluster-metadata-decoder")
	dump("__consumer_offsets-[0-9]/*.log", []string{"shared", "members"}, "--offsets-decoder")
	dump("__transaction_state-[0-9]/*.log", []string{"abandoned", "ends-true"}, "--transaction-log-decoder")
	for _, file := range metadataFiles(t, seat) {
		result := harness.Shell(t, file, "cat", "/image/features/metadataVersion")
		// The shell answers from the first image that its loader publishes, which of a long log may be that of its beginning.
		for try := 0; try < 5 && result.Code == 0 && strings.Contains(result.Stdout, "Optional.empty"); try++ {
			result = harness.Shell(t, file, "cat", "/image/features/metadataVersion")
		}
		if result.Code != 0 || !strings.Contains(result.Stdout, "IV") {
			t.Errorf("turn %d: the metadata shell on %s: exit status %d\n%s", turn, file, result.Code, lastOf(result.Output()))
		}
	}
}

var complaint = regexp.MustCompile(`(?i)exception|mismatch|corrupt|non-?consecutive|found error|invalid|isvalid: false|out of order|not found|fail|could not|unsupported`)

// metadataFiles are what the metadata shell can read on its own: the newest snapshot if there is one that has records,
// else the log from its start.
func metadataFiles(t *testing.T, seat *harness.Seat) []string {
	t.Helper()
	directory := filepath.Join(seat.Data, "__cluster_metadata-0")
	files, err := filepath.Glob(filepath.Join(directory, "*.checkpoint"))
	check(t, err)
	var all []string
	for _, file := range files {
		if !strings.HasPrefix(filepath.Base(file), "00000000000000000000-") {
			all = append(all, file)
		}
	}
	if log := filepath.Join(directory, "00000000000000000000.log"); exists(log) {
		all = append(all, log)
	}
	if len(all) == 0 {
		t.Errorf("%s holds neither a snapshot nor a log from offset 0", directory)
	}
	return all
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func lastOf(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
