package storage

import "testing"

// TestCrashCampaignsAreRepeatable: the same seed cuts the power at the same moments, else what fails once is never seen again.
func TestCrashCampaignsAreRepeatable(t *testing.T) {
	type outcome struct {
		points, disks int
		next          uint64
	}
	run := func(seed uint64) outcome {
		r := newCrashRun(t, seed, 1)
		for range 30 {
			r.step()
		}
		return outcome{r.points, r.disks, r.random.Uint64()}
	}
	for seed := range uint64(2) {
		if first, second := run(seed), run(seed); first != second {
			t.Errorf("the seed %d gave %+v and %+v", seed, first, second)
		}
	}
}
