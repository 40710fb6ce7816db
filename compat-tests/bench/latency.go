package main

import (
	"math"
	"slices"
	"time"
)

// percentile returns the smallest latency that the share q of them do not exceed (nearest rank), in ms; sorted must be.
func percentile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	// The product is rounded to a billionth first: 0.07 x 100 is a little more than 7 in floating point.
	rank := int(math.Ceil(math.Round(q*float64(len(sorted))*1e9) / 1e9))
	return float64(sorted[min(max(rank, 1), len(sorted))-1]) / float64(time.Millisecond)
}

// withLatencies adds percentiles and the worst of all to a measurement. The latencies are sorted in place.
func (m Measurement) withLatencies(latencies []time.Duration) Measurement {
	slices.Sort(latencies)
	return m.With("p50 ms", percentile(latencies, .5)).With("p99 ms", percentile(latencies, .99)).
		With("p99.9 ms", percentile(latencies, .999)).With("worst ms", percentile(latencies, 1))
}

// median is the middle value, or the mean of the two in the middle; there must be one at least.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// slope is that of the line through points with the least squares; zero for fewer than two.
func slope(x, y []float64) float64 {
	if len(x) < 2 {
		return 0
	}
	var sumX, sumY float64
	for i := range x {
		sumX, sumY = sumX+x[i], sumY+y[i]
	}
	meanX, meanY := sumX/float64(len(x)), sumY/float64(len(x))
	var above, below float64
	for i := range x {
		above += (x[i] - meanX) * (y[i] - meanY)
		below += (x[i] - meanX) * (x[i] - meanX)
	}
	if below == 0 {
		return 0
	}
	return above / below
}
