package main

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"ottla/compat-tests/harness"
)

// TestScenarioRows does every scenario once, small, with Ottla: it must run through, keep what it wrote and measure every
// quantity that a goal names.
func TestScenarioRows(t *testing.T) {
	program := harness.Build(t)
	for _, row := range scenarioRows() {
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			ports := harness.FreePorts(t, 2)
			directory := t.TempDir()
			s := &Subject{
				Kind: Ottla, Address: fmt.Sprintf("127.0.0.1:%d", ports[0]), Directory: directory, Data: filepath.Join(directory, "data"),
				Scale: 0.005, port: ports[0], controllerPort: ports[1], programs: &Programs{Ottla: program},
			}
			t.Cleanup(func() { _ = s.Kill() })
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			if err := s.configure(row.Properties); err != nil {
				t.Fatal(err)
			}
			if !row.Own {
				if err := formatAndStart(ctx, s); err != nil {
					t.Fatal(err)
				}
			}
			measured, err := row.Run(ctx, s)
			if err != nil {
				t.Fatalf("%v; the end of its log:\n%s", err, s.logTail())
			}
			t.Log(measured)
			for _, goal := range row.Goals {
				if _, ok := measured.Value(goal.Quantity); !ok {
					t.Errorf("%q was not measured", goal.Quantity)
				}
			}
		})
	}
}
