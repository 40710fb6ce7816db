package swap

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ottla/compat-tests/harness"
)

// dumper lets Apache Kafka's kafka-dump-log read files, and notes which it has read.
type dumper struct {
	t    *testing.T
	seat *harness.Seat
	turn int
	read map[string]bool
}

// dump reads all files that are like a pattern and wants pieces in what is printed.
func (d dumper) dump(pattern string, want []string, flags ...string) {
	d.t.Helper()
	files, err := filepath.Glob(filepath.Join(d.seat.Data, pattern))
	check(d.t, err)
	if len(files) == 0 {
		d.t.Errorf("no file is like %s", pattern)
		return
	}
	class := "kafka.tools.DumpLogSegments"
	if strings.HasPrefix(d.seat.Version, "4.") {
		class = "org.apache.kafka.tools.DumpLogSegments"
	}
	result := harness.StockTool(d.t, d.seat.Version, class, harness.Command{}, append(flags, "--files", strings.Join(files, ","))...)
	if result.Code != 0 {
		d.t.Errorf("turn %d: kafka-dump-log %v of %s: exit status %d\n%s", d.turn, flags, pattern, result.Code, lastOf(result.Output()))
		return
	}
	for _, line := range complaints(result.Output()) {
		d.t.Errorf("turn %d: kafka-dump-log %v of %s: %s", d.turn, flags, pattern, line)
	}
	for _, piece := range want {
		if !strings.Contains(result.Stdout, piece) {
			d.t.Errorf("turn %d: kafka-dump-log %v of %s: no %q in\n%s", d.turn, flags, pattern, piece, lastOf(result.Stdout))
		}
	}
	for _, file := range files {
		d.read[file] = true
	}
}

// complaints are the lines in which the tool tells of something wrong. It finds a gap before the first offset of every
// file; other gaps are where a topic is compacted.
func complaints(output string) []string {
	var all []string
	file := ""
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, "\n")
		if name, ok := strings.CutPrefix(line, "Non-consecutive offsets in "); ok {
			file = name
			continue
		}
		usual := strings.Contains(line, "payload:") || strings.Contains(line, "StaticLoggerBinder")
		gap := followed.MatchString(line) && !strings.HasPrefix(line, "  -1 ") && !cleaned.MatchString(file)
		if gap || complaint.MatchString(line) && !usual {
			all = append(all, strings.TrimSpace(file+" "+line))
		}
	}
	return all
}

var (
	followed = regexp.MustCompile(`^  -?\d+ is followed by \d+$`)
	cleaned  = regexp.MustCompile(`/(compacted|__consumer_offsets|__transaction_state)-\d+/[^/]*$`)
)

// readWithStockTools lets Apache Kafka's own tools read every file.
func readWithStockTools(t *testing.T, seat *harness.Seat, turn int, kill bool) {
	t.Helper()
	d := dumper{t, seat, turn, map[string]bool{}}
	d.dump("*-[0-9]/*.log", nil, "--deep-iteration")
	d.dump("*-[0-9]/*.index", nil, "--index-sanity-check")
	// The tool takes what is not wrong for errors: the zeroes in an active index after a kill, times that a cleaning has left
	// without a record, and what versions before 4.0 wrote, which named a record within a batch.
	if kill {
		d.pass("*-[0-9]/*.timeindex")
	} else {
		d.dump("*-[0-9]/*.index", nil, "--verify-index-only")
		d.dump("*-[0-9]/*.timeindex", nil, "--index-sanity-check")
		if seat.Version == "4.3.1" {
			for _, topic := range []string{codecs, ledger, steady, grown} {
				d.dump(topic+"-*/*.timeindex", nil)
			}
		}
	}
	d.dump("*-[0-9]/*.snapshot", nil)
	if aborted, _ := filepath.Glob(filepath.Join(seat.Data, "*-[0-9]/*.txnindex")); len(aborted) > 0 {
		d.dump("*-[0-9]/*.txnindex", []string{"lastStableOffset"})
	}
	d.dump("__cluster_metadata-0/*.log", []string{"REGISTER_BROKER_RECORD", "PARTITION_RECORD"}, "--cluster-metadata-decoder")
	for _, pattern := range []string{"__cluster_metadata-0/*.checkpoint", "bootstrap.checkpoint"} {
		if snapshots, _ := filepath.Glob(filepath.Join(seat.Data, pattern)); len(snapshots) > 0 {
			d.dump(pattern, []string{"SnapshotHeader", "SnapshotFooter"}, "--cluster-metadata-decoder")
		}
	}
	d.dump("__consumer_offsets-[0-9]/*.log", []string{"shared", "members"}, "--offsets-decoder")
	d.dump("__transaction_state-[0-9]/*.log", []string{"abandoned", "ends-true"}, "--transaction-log-decoder")
	d.shell()
	d.all()
}

// shell lets the metadata shell read the metadata log and its snapshots.
func (d dumper) shell() {
	d.t.Helper()
	for _, file := range metadataFiles(d.t, d.seat) {
		result := harness.Shell(d.t, file, "cat", "/image/features/metadataVersion")
		// The shell answers from the first image that its loader publishes, which of a long log may be that of its beginning.
		for try := 0; try < 5 && result.Code == 0 && strings.Contains(result.Stdout, "Optional.empty"); try++ {
			result = harness.Shell(d.t, file, "cat", "/image/features/metadataVersion")
		}
		if result.Code != 0 || !strings.Contains(result.Stdout, "IV") {
			d.t.Errorf("turn %d: the metadata shell on %s: exit status %d\n%s", d.turn, file, result.Code, lastOf(result.Output()))
		}
	}
}

// pass notes files that the tool would read and is not to judge.
func (d dumper) pass(pattern string) {
	files, _ := filepath.Glob(filepath.Join(d.seat.Data, pattern))
	for _, file := range files {
		d.read[file] = true
	}
}

// texts are the files for which there is no tool: Apache Kafka reads them at its start, or deletes them.
var texts = regexp.MustCompile(`/(leader-epoch-checkpoint|partition\.metadata|quorum-state|meta\.properties|\.lock|\.kafka_cleanshutdown|` +
	`(recovery-point|log-start|replication|cleaner)-offset-checkpoint)$|\.deleted$|-delete/`)

// all wants every file to have been read.
func (d dumper) all() {
	d.t.Helper()
	for name := range snapshot(d.t, d.seat.Data) {
		if !d.read[name] && !texts.MatchString(name) {
			d.t.Errorf("turn %d: no tool has read %s", d.turn, name)
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
