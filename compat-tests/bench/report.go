package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// number3 shows a figure with three digits that count.
func number3(v float64) string {
	switch size := math.Abs(v); {
	case size >= 100 || v == math.Trunc(v):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case size >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case size >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

// Median is that of a subject's samples of a quantity, if it has any and none of its runs failed.
func (r Result) Median(kind Kind, quantity string) (float64, bool) {
	var values []float64
	for _, sample := range r.Samples[kind] {
		value, ok := sample.Measurement.Value(quantity)
		if !ok {
			return 0, false
		}
		values = append(values, value)
	}
	if len(values) == 0 {
		return 0, false
	}
	return median(values), true
}

// Failed returns why a subject's run failed, if one did.
func (r Result) Failed(kind Kind) string {
	for _, sample := range r.Samples[kind] {
		if sample.Failed != "" {
			return sample.Failed
		}
	}
	return ""
}

// quantities are those of all samples, in the order of the first that has them.
func (r Result) quantities() (all []string) {
	for _, kind := range []Kind{Ottla, Kafka, Floor} {
		for _, sample := range r.Samples[kind] {
			for _, f := range sample.Measurement {
				if !slices.Contains(all, f.Quantity) {
					all = append(all, f.Quantity)
				}
			}
		}
	}
	return all
}

// shown are the quantities that the table shows of a row: those with goals, else the first two.
func (r Result) shown() (quantities []string) {
	for _, goal := range r.Row.Goals {
		if !slices.Contains(quantities, goal.Quantity) {
			quantities = append(quantities, goal.Quantity)
		}
	}
	if len(quantities) == 0 {
		all := r.quantities()
		quantities = all[:min(2, len(all))]
	}
	if len(quantities) == 0 {
		quantities = []string{""}
	}
	return quantities
}

// header names the columns of the table.
func header() []string {
	return []string{"row", "quantity", "Ottla", "Kafka", "floor", "Ottla/Kafka", "Ottla/floor", "goal", "verdict"}
}

// cells are the lines of the table for one row.
func (r Result) cells() (lines [][]string) {
	for i, quantity := range r.shown() {
		line := []string{r.Row.Name, quantity}
		if i > 0 {
			line[0] = ""
		}
		for _, kind := range []Kind{Ottla, Kafka, Floor} {
			line = append(line, r.cell(kind, quantity))
		}
		line = append(line, r.ratio(Kafka, quantity), r.ratio(Floor, quantity))
		var goals, verdicts []string
		for _, goal := range r.Row.Goals {
			if goal.Quantity == quantity {
				goals = append(goals, goal.String())
				verdicts = append(verdicts, string(r.verdict(goal)))
			}
		}
		lines = append(lines, append(line, strings.Join(goals, "; "), strings.Join(verdicts, "; ")))
	}
	return lines
}

// verdict judges a goal of the row.
func (r Result) verdict(goal Goal) Verdict {
	return goal.Judge(func(kind Kind) (float64, bool) { return r.Median(kind, goal.Quantity) })
}

func (r Result) cell(kind Kind, quantity string) string {
	if value, ok := r.Median(kind, quantity); ok {
		return number3(value)
	}
	if r.Failed(kind) != "" {
		return "FAILED"
	}
	return "-"
}

// ratio is that of Ottla's median to another's.
func (r Result) ratio(of Kind, quantity string) string {
	ours, ok := r.Median(Ottla, quantity)
	theirs, ok2 := r.Median(of, quantity)
	if !ok || !ok2 || theirs == 0 {
		return "-"
	}
	if ratio := ours / theirs; ratio >= .01 {
		return strconv.FormatFloat(ratio, 'f', 2, 64)
	}
	return "< 0.01"
}

// writeTable prints the table for a terminal.
func writeTable(w io.Writer, results []Result) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, strings.Join(header(), "\t"))
	for _, result := range results {
		for _, line := range result.cells() {
			fmt.Fprintln(table, strings.Join(line, "\t"))
		}
	}
	return table.Flush()
}

// tally counts the verdicts of all goals and the rows in which a run failed.
func tally(results []Result) (met, missed, unknown, failed int) {
	for _, result := range results {
		for _, goal := range result.Row.Goals {
			switch result.verdict(goal) {
			case Met:
				met++
			case NotMet:
				missed++
			default:
				unknown++
			}
		}
		if slices.ContainsFunc([]Kind{Ottla, Kafka, Floor}, func(kind Kind) bool { return result.Failed(kind) != "" }) {
			failed++
		}
	}
	return met, missed, unknown, failed
}
