package quorum

import (
	"context"
	"flag"
	"os"
	"strings"
	"testing"

	"ottla/metadata"
	"ottla/storage/vfs"
)

var update = flag.Bool("update", false, "write the golden traces anew")

// ours are the lines of a trace about files that this package writes, and writes and syncs of the log. Everything else belongs to storage.
func ours(trace string) string {
	var lines strings.Builder
	renamed := false // the line before was a rename or mkdir of ours
	for line := range strings.Lines(trace) {
		words := strings.Fields(line)
		mine := len(words) > 1 && (strings.Contains(words[1], snapshotSuffix) || strings.Contains(words[1], stateName) || words[0] == "mkdir" ||
			strings.HasSuffix(words[1], ".log") && (words[0] == "write" || words[0] == "sync"))
		if mine || renamed && words[0] == "syncdir" {
			lines.WriteString(line)
		}
		renamed = mine && (words[0] == "rename" || words[0] == "mkdir")
	}
	return lines.String()
}

// The order of writes, syncs and renames is what makes a crash harmless: each change of it is to be looked at.
func TestTrace(t *testing.T) {
	for name, static := range map[string]bool{"static": true, "standalone": false} {
		disk := vfs.NewMemory()
		if err := disk.Mkdir(testDir); err != nil {
			t.Fatal(err)
		}
		trace := vfs.NewTrace(disk, nil)
		var got strings.Builder
		section := func(title string) {
			got.WriteString("# " + title + "\n" + ours(strings.ReplaceAll(trace.Take(), testDir+"/", "")) + "\n")
		}
		err := Format(trace, testDir, FormatOptions{
			NodeID: 1, ClusterID: testCluster, DirectoryID: [16]byte{9}, StaticVoters: static, Endpoints: testEndpoints(), Now: testNow,
		})
		if err != nil {
			t.Fatal(err)
		}
		section("format")
		options := testOptions(trace)
		options.SnapshotBytes = 1
		written := make(chan struct{}, 10)
		options.Events = func(Event) { written <- struct{}{} }
		q := open(t, options)
		section("open")
		records := []metadata.Record{topicRecord(1)}
		_, last, err := q.Append(records)
		if err != nil {
			t.Fatal(err)
		}
		if err := q.WaitCommitted(context.Background(), last); err != nil {
			t.Fatal(err)
		}
		section("append and commit")
		q.Snapshot(apply(t, q.Image(), records, last, q.Epoch()))
		<-written
		section("snapshot")
		closeQuorum(t, q)
		golden := "testdata/trace-" + name + ".txt"
		if *update {
			if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || got.String() != string(want) {
			t.Errorf("%s: %v; with -update it becomes:\n%s", golden, err, got.String())
		}
	}
}
