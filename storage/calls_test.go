package storage

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"ottla/storage/vfs"
)

// calls counts the calls that reach a disk, by kind and by what they are made for.
type calls struct{ made map[string]int }

func counted(fsys vfs.FS) (vfs.FS, *calls) {
	c := &calls{map[string]int{}}
	return vfs.NewFault(fsys, func(op vfs.Op) error {
		name := op.Name[strings.LastIndexByte(op.Name, '/')+1:]
		if dot := strings.IndexByte(name, '.'); dot == 20 {
			name = name[dot:]
		}
		c.made[string(op.Kind)+" "+name]++
		return nil
	}), c
}

// take gives the counts since the last take.
func (c *calls) take() map[string]int {
	made := c.made
	c.made = map[string]int{}
	return made
}

func expectCalls(t *testing.T, what string, got, want map[string]int) {
	t.Helper()
	if maps.Equal(got, want) {
		return
	}
	for _, call := range slices.Sorted(maps.Keys(got)) {
		if got[call] != want[call] {
			t.Errorf("%s: %q was called %d times, %d are right", what, call, got[call], want[call])
		}
	}
	for call, n := range want {
		if got[call] == 0 {
			t.Errorf("%s: %q was not called, %d times are right", what, call, n)
		}
	}
}

// TestCallsOfAnAppend: an append is one write, and one fsync where it is asked for; index entries go to their files many at once.
func TestCallsOfAnAppend(t *testing.T) {
	fsys, made := counted(memoryDirectories(t, "/d"))
	m := openManager(t, fsys, nil)
	config := DefaultLogConfig()
	l, err := m.Create(TopicPartition{"t", 0}, [16]byte{9}, config)
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, numbered(0, 1), OriginClient)
	made.take()
	const appends = 2000
	batch := testBatch{timestamps: []int64{1000}, value: strings.Repeat("x", 5000)} // an index entry each, and a time that does not rise
	for range appends {
		mustAppend(t, l, batch, OriginClient)
	}
	settled := appends / pendingEntries
	expectCalls(t, "appends", made.take(), map[string]int{"write .log": appends, "open .index": settled, "write .index": settled, "open .timeindex": 1, "write .timeindex": 1})
	config.FlushMessages = 1
	l.SetConfig(config)
	mustAppend(t, l, numbered(1, 1), OriginClient)
	made.take()
	for range 50 {
		mustAppend(t, l, numbered(1, 1), OriginClient)
	}
	expectCalls(t, "flushed appends", made.take(), map[string]int{"write .log": 50, "sync .log": 50})
}

// TestCallsOfACleanStart: what a start does for each log, whatever it holds: one listing, the small files, the end of the active segment.
func TestCallsOfACleanStart(t *testing.T) {
	memory := memoryDirectories(t, "/d")
	m := openManager(t, memory, nil)
	const logs = 20
	for i := range logs {
		l := create(t, m, "t", int32(i))
		if err := l.SetLeaderEpoch(3); err != nil {
			t.Fatal(err)
		}
		for range 30 { // several segments
			mustAppend(t, l, numbered(i, 1+i%3), OriginClient)
		}
		if len(l.SegmentBases()) < 3 {
			t.Fatal("the logs of this test are too small")
		}
	}
	stop(t, m)
	fsys, made := counted(memory)
	m = openManager(t, fsys, nil)
	got := made.take()
	for call, n := range got { // what is done once
		if n < logs && !strings.Contains(call, " t-") {
			delete(got, call)
		}
	}
	want := map[string]int{}
	for _, call := range []string{
		"open leader-epoch-checkpoint", "read leader-epoch-checkpoint", "open partition.metadata", "read partition.metadata", "open .snapshot", "read .snapshot",
		"stat .log", "open .log", "read .log", "open .index", "read .index", "open .timeindex", "read .timeindex",
	} {
		want[call] = logs
	}
	for i := range logs {
		want[fmt.Sprintf("readdir t-%d", i)] = 1
	}
	expectCalls(t, "start", got, want)
	stop(t, m)
}
