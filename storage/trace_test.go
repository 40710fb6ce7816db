package storage

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"ottla/storage/vfs"
)

var update = flag.Bool("update", false, "write the golden traces anew")

// TestGoldenTrace pins the order of the calls that change the disk: what is synced before what is renamed, and what is told to be clean last.
func TestGoldenTrace(t *testing.T) {
	memory := memoryDirectories(t, "/d")
	trace := vfs.NewTrace(memory, nil)
	var got strings.Builder
	step := func(what string) { got.WriteString("# " + what + "\n" + trace.Take()) }
	m := openManager(t, trace, nil)
	step("open an empty directory")
	config := smallConfig()
	config.FlushMessages = 1
	l, err := m.Create(TopicPartition{"t", 0}, [16]byte{9}, config)
	if err != nil {
		t.Fatal(err)
	}
	step("create a log")
	if err := l.SetLeaderEpoch(0); err != nil {
		t.Fatal(err)
	}
	step("become leader")
	mustAppend(t, l, numbered(0, 1), OriginClient)
	step("first append, flushed")
	mustAppend(t, l, numbered(1, 1), OriginClient)
	step("second append, flushed")
	b := testBatch{producerID: 1, transactional: true, value: strings.Repeat("x", 300)}
	mustAppend(t, l, b, OriginClient)
	mustAppend(t, l, testBatch{producerID: 1, marker: &endMarker{aborted: true}}, OriginCoordinator)
	step("a transaction, aborted")
	mustAppend(t, l, testBatch{value: strings.Repeat("x", 300)}, OriginClient)
	step("an append that rolls")
	l.SetHighWatermark(l.EndOffset())
	if err := l.DeleteRecordsBefore(5); err != nil {
		t.Fatal(err)
	}
	step("delete records")
	if _, err := l.DeleteOldSegments(); err != nil {
		t.Fatal(err)
	}
	step("retention")
	if err := l.TruncateTo(4); err != nil {
		t.Fatal(err)
	}
	step("truncate")
	mustAppend(t, l, numbered(2, 1), OriginClient)
	step("append again")
	stop(t, m)
	step("clean stop")
	m = openManager(t, trace, nil)
	step("start after a clean stop")
	if err := m.Delete(TopicPartition{"t", 0}); err != nil {
		t.Fatal(err)
	}
	step("delete the log")
	stop(t, m)
	step("clean stop")

	text := regexp.MustCompile(`\.[0-9a-f]{32}-`).ReplaceAllString(got.String(), ".<id>-")
	const file = "testdata/trace.golden"
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("the calls are\n%s\nwant\n%s", text, want)
	}
}
