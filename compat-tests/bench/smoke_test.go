package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"ottla/compat-tests/harness"
)

// TestMain lets the test's own program serve as the floor.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == floorArgument {
		fmt.Fprintln(os.Stderr, serveAsFloor(os.Args[2], os.Args[3]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func ownProgram(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// loadRows are the rows about load, which the floor can do too.
func loadRows() []Row {
	var all []Row
	for _, some := range [][]Row{produceRows(), fetchRows(), latencyRows(), flushRows(), memoryRows()} {
		all = append(all, some...)
	}
	return all
}

// TestLoadRows runs every row about load once, a hundredth of it, with Ottla and the floor, through the same runner as
// the benchmark: every run must do its work without an error and measure what its goals name. No figure is judged.
func TestLoadRows(t *testing.T) {
	r := &runner{
		programs: &Programs{Ottla: harness.Build(t), Floor: ownProgram(t)}, memory: t.TempDir(), disk: t.TempDir(), subjects: []Kind{Ottla, Floor},
		rounds: 1, scale: .01, tell: func(line string) { t.Log(line) },
	}
	all, seen := loadRows(), 0
	err := r.run(t.Context(), all, func(result Result) {
		seen++
		for _, kind := range r.subjects {
			if failed := result.Failed(kind); failed != "" {
				t.Errorf("%s, %s: %s", result.Row.Name, kind, failed)
			}
		}
		for _, goal := range result.Row.Goals {
			if _, ok := result.Median(Ottla, goal.Quantity); !ok {
				t.Errorf("%s: %q was not measured", result.Row.Name, goal.Quantity)
			}
		}
	})
	if err != nil || seen != len(all) {
		t.Errorf("%d of %d rows: %v", seen, len(all), err)
	}
}

// TestFailedRow demands that a run that fails is told, that the row goes on and that the next row finds a subject.
func TestFailedRow(t *testing.T) {
	r := &runner{
		programs: &Programs{Floor: ownProgram(t)}, memory: t.TempDir(), disk: t.TempDir(), subjects: []Kind{Floor},
		rounds: 2, scale: .01, tell: func(line string) { t.Log(line) },
	}
	runs := 0
	broken := Row{Name: "broken", NoWarmUp: true, Run: func(_ context.Context, s *Subject) (Measurement, error) {
		if runs++; runs == 1 {
			return nil, errors.Join(s.Kill(), errors.New("out of luck"))
		}
		return Measurement{}.With("runs", float64(runs)), nil
	}}
	var results []Result
	if err := r.run(t.Context(), []Row{broken, produceRow("produce", plain)}, func(result Result) { results = append(results, result) }); err != nil {
		t.Fatal(err)
	}
	if samples := results[0].Samples[Floor]; len(samples) != 2 || !strings.Contains(samples[0].Failed, "out of luck") || samples[1].Failed != "" {
		t.Errorf("%+v", samples)
	}
	if failed := results[1].Failed(Floor); failed != "" {
		t.Errorf("the next row: %s", failed)
	}
}

// TestWarmUp counts the unmeasured runs: one, small, of what is compiled beforehand; of a Java machine as many as help.
func TestWarmUp(t *testing.T) {
	for _, c := range []struct {
		kind    Kind
		goals   []Goal
		figures []float64
		runs    int
	}{
		{Ottla, nil, []float64{5}, 1},
		{Kafka, nil, []float64{9, 9}, 2},
		{Kafka, nil, []float64{9, 6, 4, 3.9}, 4},
		{Kafka, nil, []float64{9, 8, 7, 6, 5, 4, 3}, 6},
		{Kafka, []Goal{atLeast("q", 1, Floor)}, []float64{100, 150, 151}, 3},
	} {
		runs := 0
		row := Row{Goals: c.goals, Run: func(_ context.Context, s *Subject) (Measurement, error) {
			if small := s.Scale < 1; small != (c.kind != Kafka) {
				t.Errorf("%s: scale %v", c.kind, s.Scale)
			}
			runs++
			return Measurement{}.With("q", c.figures[runs-1]), nil
		}}
		s := &Subject{Kind: c.kind, Scale: 1}
		if err := new(runner).warmUp(t.Context(), row, s); err != nil || runs != c.runs || s.Scale != 1 {
			t.Errorf("%s %v: %d runs, not %d; %v", c.kind, c.figures, runs, c.runs, err)
		}
	}
}
