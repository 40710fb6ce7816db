package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestPercentile holds percentiles against their definition: the smallest value that a share q of all do not exceed.
func TestPercentile(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		sorted := make([]time.Duration, 1+random.IntN(300))
		for i := range sorted {
			sorted[i] = time.Duration(random.IntN(50)) * time.Millisecond
		}
		slices.Sort(sorted)
		for _, per := range []int{0, 1, 500, 750, 990, 999, 1000} {
			want := sorted[len(sorted)-1]
			for i, v := range sorted {
				if (i+1)*1000 >= per*len(sorted) {
					want = v
					break
				}
			}
			if got := percentile(sorted, float64(per)/1000); got != float64(want)/1e6 {
				t.Fatalf("seed %d: %d per mille of %v is %v, not %v", seed, per, sorted, got, want)
			}
		}
	}
	if got := percentile(nil, .5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

func TestMedianAndSlope(t *testing.T) {
	values := []float64{9, 1, 5}
	if got := median(values); got != 5 || values[0] != 9 {
		t.Errorf("median %v, %v", got, values)
	}
	if got := median([]float64{4, 1, 2, 9}); got != 3 {
		t.Errorf("median of four: %v", got)
	}
	if got := slope([]float64{1, 2, 4}, []float64{5, 7, 11}); math.Abs(got-2) > 1e-9 {
		t.Errorf("slope %v", got)
	}
	if slope([]float64{1}, []float64{1}) != 0 || slope([]float64{2, 2}, []float64{1, 3}) != 0 {
		t.Error("a slope without a line")
	}
}
