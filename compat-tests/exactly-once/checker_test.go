package exactlyonce

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestMadeUpHistories: each file holds a history, and in its first line the anomalies that are in it.
func TestMadeUpHistories(t *testing.T) {
	files, err := filepath.Glob("testdata/histories/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no histories: %v", err)
	}
	covered := map[string]bool{}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(content), "\n")
			want := strings.Fields(strings.TrimPrefix(first, "# finds"))
			want = slices.DeleteFunc(want, func(name string) bool { return name == "none" })
			operations, err := ReadHistory(bytes.NewReader(content))
			if err != nil {
				t.Fatal(err)
			}
			report := Check(operations)
			if have := slices.Sorted(maps.Keys(report.Anomalies)); !slices.Equal(have, want) {
				t.Errorf("found %v, want %v\n%s", have, want, report)
			}
			for _, name := range want {
				covered[name] = true
			}
		})
	}
	for _, name := range anomalies() {
		if !covered[name] {
			t.Errorf("no history holds %s", name)
		}
	}
}

func anomalies() []string {
	return []string{LostWrite, Unseen, Duplicate, InconsistentOffsets, AbortedRead, PrecommittedRead, NeverSent, InternalPollSkip,
		InternalNonmonotonic, PollSkip, NonmonotonicPoll, InternalNonmonotonicOut, OffsetBackwards, StuckLSO, CopiedTwice, NotCopied,
		ForbiddenError, InterleavedWrites, Rewound}
}

// TestGoodHistories: whatever a broker that does everything right may show, nothing forbidden is found, and a history
// is the same after it has been written and read.
func TestGoodHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		operations := draw(t)
		report := Check(operations)
		if names := report.Forbidden(); len(names) > 0 {
			t.Fatalf("found %v\n%s", names, report)
		}
		var text bytes.Buffer
		if err := WriteHistory(&text, operations); err != nil {
			t.Fatal(err)
		}
		again, err := ReadHistory(&text)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(again, operations) {
			t.Fatalf("written and read again it is %v, was %v", again, operations)
		}
	})
}

// TestMutatedHistories: one wrong thing put into a good history is found under its name.
func TestMutatedHistories(t *testing.T) {
	for name, mutate := range mutations() {
		t.Run(name, func(t *testing.T) {
			done := 0
			rapid.Check(t, func(t *rapid.T) {
				operations := draw(t)
				if !mutate(t, operations) {
					return
				}
				done++
				if report := Check(operations); len(report.Anomalies[name]) == 0 {
					t.Fatalf("not found; found %s", report)
				}
			})
			if done == 0 {
				t.Error("no history could be mutated so")
			}
		})
	}
}

// TestCircles holds the components against a search from every node.
func TestCircles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		next := make([][]int, rapid.IntRange(1, 12).Draw(t, "nodes"))
		for range rapid.IntRange(0, 25).Draw(t, "edges") {
			from := rapid.IntRange(0, len(next)-1).Draw(t, "from")
			if to := rapid.IntRange(0, len(next)-1).Draw(t, "to"); to != from {
				next[from] = append(next[from], to)
			}
		}
		var want []int
		for node := range next {
			seen, queue := map[int]bool{}, slices.Clone(next[node])
			for len(queue) > 0 {
				at := queue[0]
				queue = queue[1:]
				if !seen[at] {
					seen[at] = true
					queue = append(queue, next[at]...)
				}
			}
			if seen[node] {
				want = append(want, node)
			}
		}
		if have := circles(next); !slices.Equal(have, want) {
			t.Fatalf("%v, want %v of %v", have, want, next)
		}
	})
}

// TestUnreadableHistories: what is no history is refused with its line.
func TestUnreadableHistories(t *testing.T) {
	for text, want := range map[string]string{
		"a poll 1 0":                   "line 1: 4 words are too few for an operation",
		"\na poll x 0 1 ok -":          "line 2: strconv.ParseInt",
		"a poll 1 0 1 ok - read:a":     `line 1: "read:a" is no step`,
		"a poll 1 0 1 ok - read:a:x:1": "line 1: strconv.ParseInt",
	} {
		if _, err := ReadHistory(strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if text := fmt.Sprint(Report{}); !strings.Contains(text, "0 values committed") {
		t.Error(text)
	}
}
