package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

// measured makes a result with one quantity.
func measured(row Row, quantity string, values map[Kind][]float64) Result {
	result := Result{Row: row, Samples: map[Kind][]Sample{}}
	for kind, all := range values {
		for i, value := range all {
			result.Samples[kind] = append(result.Samples[kind], Sample{Round: i + 1, Measurement: Measurement{}.With(quantity, value)})
		}
	}
	return result
}

func TestJudge(t *testing.T) {
	values := map[Kind][]float64{Ottla: {9, 2, 1}, Kafka: {4, 5, 3}, Floor: {1}}
	for _, c := range []struct {
		goal    Goal
		text    string
		verdict Verdict
	}{
		{atMost("q", .5, Kafka), "<= 0.5 x Kafka", Met},
		{atMost("q", .49, Kafka), "<= 0.49 x Kafka", NotMet},
		{atMost("q", 1.5, Floor), "<= 1.5 x floor", NotMet},
		{atLeast("q", 2, Floor), ">= 2 x floor", Met},
		{atLeast("q", 1, Kafka), ">= 1 x Kafka", NotMet},
		{atMost("q", 2, None), "<= 2", Met},
		{atLeast("q", 2.1, None), ">= 2.1", NotMet},
		{atMost("other", 2, None), "<= 2", Unknown},
	} {
		result := measured(Row{}, "q", values)
		if got := result.verdict(c.goal); got != c.verdict || c.goal.String() != c.text {
			t.Errorf("%s: %s: %s, not %s", c.goal.Quantity, c.goal, got, c.verdict)
		}
	}
	// One failed round makes the subject's median unknown: a goal is not met by leaving out what went wrong.
	result := measured(Row{}, "q", values)
	result.Samples[Ottla][1] = Sample{Round: 2, Failed: "gone"}
	if got := result.verdict(atMost("q", 100, None)); got != Unknown {
		t.Errorf("with a failed round: %s", got)
	}
}

func TestNumber3(t *testing.T) {
	for value, want := range map[float64]string{0: "0", 12: "12", .0123: "0.012", 1.239: "1.24", 45.67: "45.7", 678.9: "679", 123456.7: "123457"} {
		if got := number3(value); got != want {
			t.Errorf("%v: %s, not %s", value, got, want)
		}
	}
}

// TestTableAndPage demands that a table and the page show what is met, what is lost and what failed.
func TestTableAndPage(t *testing.T) {
	goals := []Goal{atMost("CPU s/GB", .5, Kafka), atMost("CPU s/GB", 1.5, Floor)}
	won := measured(Row{Name: "won", Title: "won work", Settings: "a lot", Goals: goals, Remark: "not to be told"}, "CPU s/GB", map[Kind][]float64{Ottla: {1.25, 1, 3}, Kafka: {4}, Floor: {1}})
	lost := measured(Row{Name: "lost", Goals: goals[:1], Remark: "the disk decides"}, "CPU s/GB", map[Kind][]float64{Ottla: {3}, Kafka: {4}})
	record := measured(Row{Name: "record", Properties: []string{"a=b"}}, "MB/s", map[Kind][]float64{Ottla: {300}})
	record.Samples[Kafka] = []Sample{{Round: 1, Failed: "the disk\nis full"}}
	results := []Result{won, lost, record}

	var table bytes.Buffer
	if err := writeTable(&table, results); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(table.String()), "\n")
	for i, words := range [][]string{
		header(),
		{"won", "CPU s/GB", "1.25", "4", "1", "0.31", "1.25", "<= 0.5 x Kafka; <= 1.5 x floor", "met; met"},
		{"lost", "CPU s/GB", "3", "4", "-", "0.75", "-", "<= 0.5 x Kafka", "NOT MET"},
		{"record", "MB/s", "300", "FAILED", "-", "-", "-"},
	} {
		if got := strings.Join(strings.Fields(lines[i]), " "); got != strings.Join(words, " ") {
			t.Errorf("line %d: %q", i, got)
		}
	}
	if met, missed, unknown, failed := tally(results); met != 2 || missed != 1 || unknown != 0 || failed != 1 {
		t.Error(met, missed, unknown, failed)
	}

	old, now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)
	kept := []stored{
		{Row: "won", Measured: now, Machine: []Fact{{"CPU", "fast"}, {loadName, "0.70"}}, Versions: []Fact{{"Ottla", "new"}}},
		{Row: "lost", Measured: old, Versions: []Fact{{"Ottla", "old"}}},
		{Row: "record", Measured: now, Versions: []Fact{{"Ottla", "new"}}},
	}
	directory := t.TempDir()
	for i := range kept {
		kept[i].Samples = results[i].Samples
		if err := kept[i].save(directory); err != nil {
			t.Fatal(err)
		}
	}
	all := []Row{won.Row, lost.Row, record.Row, {Name: "missing"}}
	loaded, keptLoaded, err := load(directory, all)
	if err != nil {
		t.Fatal(err)
	}
	text := page(loaded, keptLoaded, all)
	for _, want := range []string{
		"| CPU | fast |", "| Ottla | new |", "2 met, 1 not met", "Rows in which a run failed: 1", "| lost | CPU s/GB | 3 | 4 | - | 0.75 | - | <= 0.5 x Kafka | NOT MET |",
		"Not measured: missing.", "| CPU s/GB | 1.25 (1.25, 1, 3) | 4 | 1 |", "Won work. A lot.", "Measured 2026-01-02; Ottla: old.", "Kafka failed in round 1: the disk is full",
		"\n**lost**: the disk decides\n", "Properties: `a=b`.", "Measured 2026-01-03; load average before the run: 0.70.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not have %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "not to be told") {
		t.Error("the page tells what bounds a goal that is met")
	}
	if !strings.Contains(page(nil, nil, all), "Nothing has been measured") {
		t.Error("a page of nothing")
	}
}

func TestChosenAndStages(t *testing.T) {
	all := []Row{{Name: "a"}, {Name: "a-disk", Disk: true}, {Name: "b", Own: true}, {Name: "c"}, {Name: "d", Properties: []string{"x=y"}}, {Name: "e", Own: true}}
	rows, whole, err := chosen(all, "c, a*")
	if err != nil || whole || len(rows) != 3 || rows[0].Name != "c" || rows[2].Name != "a-disk" {
		t.Error(rows, whole, err)
	}
	if _, whole, _ := chosen(all, ""); !whole {
		t.Error("no names do not mean all rows")
	}
	if _, _, err := chosen(all, "a x"); err == nil {
		t.Error("an unknown name passes")
	}
	var shape [][]int
	for _, s := range stages(all) {
		shape = append(shape, s.rows)
	}
	want := [][]int{{0, 3}, {1}, {2}, {4}, {5}}
	if !slices.EqualFunc(shape, want, slices.Equal[[]int]) {
		t.Error(shape)
	}
	if subjects, err := kinds("floor, OTTLA"); err != nil || !slices.Equal(subjects, []Kind{Floor, Ottla}) {
		t.Error(subjects, err)
	}
	if _, err := kinds("ottla,redpanda"); err == nil {
		t.Error("an unknown subject passes")
	}
}

// TestRows demands of the list that names differ and can be written on a command line, and that a goal compares with a
// subject that takes part.
func TestRows(t *testing.T) {
	names := map[string]bool{}
	for _, row := range rows() {
		if names[row.Name] || row.Name == "" || strings.Trim(row.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Errorf("the name %q", row.Name)
		}
		names[row.Name] = true
		if row.Title == "" || row.Settings == "" || row.Run == nil {
			t.Errorf("%s: something is missing", row.Name)
		}
		for _, goal := range row.Goals {
			if slices.Contains(row.Without, goal.Of) {
				t.Errorf("%s: %s is compared with %s, which does not take part", row.Name, goal.Quantity, goal.Of)
			}
		}
	}
}

func TestParseStat(t *testing.T) {
	cpu, err := parseStat("42 (a name) with ) R 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0 1 0 5 6 7")
	if err != nil || cpu != 1750*time.Millisecond {
		t.Error(cpu, err)
	}
	if _, err := parseStat("nonsense"); err == nil {
		t.Error("nonsense passes")
	}
	if got := statusBytes("Name:\tx\nVmRSS:\t   12 kB\n", "VmRSS:"); got != 12<<10 {
		t.Error(got)
	}
}
