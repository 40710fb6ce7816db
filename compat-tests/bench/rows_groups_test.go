package main

import "testing"

// TestCohort demands that a group is stable only once all its members are settled in one generation at once.
func TestCohort(t *testing.T) {
	c := &cohort{settled: map[int]int32{}, stable: make(chan struct{})}
	for i := range groupSize {
		c.settle(i, 1)
		if i == 0 {
			c.settle(0, 0)
		}
	}
	if c.isStable() {
		t.Fatal("stable while one member is joining")
	}
	c.settle(0, 2)
	if c.isStable() {
		t.Fatal("stable with members of two generations")
	}
	for i := range groupSize {
		c.settle(i, 2)
	}
	if !c.isStable() {
		t.Fatal("not stable with all members in one generation")
	}
}
