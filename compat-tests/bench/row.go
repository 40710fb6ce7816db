package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
)

// Row is one line of the benchmark: a piece of work that every subject does, what is measured of it and what is wanted.
type Row struct {
	// Name is how the row is asked for: lower case with dashes, unlike any other's.
	Name string
	// Title says in a phrase what the work is.
	Title string
	// Settings say what a reader must know to do the same: sizes, counts, acks, properties that differ from the stock ones.
	Settings string
	// Goals are what Ottla is to reach. Each is a line of the table. A row without goals is measured for the record.
	Goals []Goal
	// Remark says what bounds a goal that is not met, by which profile, and what was tried.
	Remark string
	// Disk puts the data on the project's disk, not in memory (tmpfs).
	Disk bool
	// Own gives every measurement a subject that is neither formatted nor started, on a directory that is removed
	// afterwards: for rows that start, stop and kill it themselves. Other rows share one running subject with the rows of the same medium
	// and properties, which stays up, warm, over all rounds.
	Own bool
	// Bytes is how much data one measurement holds at its height, if that is more than the rows about load hold.
	Bytes int64
	// Writes is how much one measurement writes at most, where that is so much that the machine must have the memory at hand.
	Writes int64
	// Properties are lines "key=value" of server.properties over the stock ones, for Ottla and Apache Kafka alike.
	Properties []string
	// Without names subjects that cannot do the work, or for which it means nothing: often the floor.
	Without []Kind
	// Rounds, if not zero, is the most rounds that are run: for what takes long and for what is measured for the record.
	Rounds int
	// NoWarmUp leaves out the unmeasured run before the first round: for Own rows that are about a cold start.
	NoWarmUp bool
	// Prepare, if there is one, readies a shared subject for the row, once before its warm-up; it is not measured.
	Prepare func(ctx context.Context, s *Subject) error
	// Run does the work once and measures it. It must leave a shared subject as it found it: topics deleted.
	Run func(ctx context.Context, s *Subject) (Measurement, error)
}

// Goal wants a quantity of Ottla's median to be at most, or at least, a bound: a number, or a multiple of another
// subject's median of the same quantity.
type Goal struct {
	Quantity string
	Least    bool
	Factor   float64
	// Of is the subject compared with; None makes Factor the bound itself.
	Of Kind
}

// atMost wants quantity <= factor x the median of the other subject, or <= factor if that is None.
func atMost(quantity string, factor float64, of Kind) Goal {
	return Goal{Quantity: quantity, Factor: factor, Of: of}
}

// atLeast wants quantity >= factor x the median of the other subject, or >= factor if that is None.
func atLeast(quantity string, factor float64, of Kind) Goal {
	return Goal{Quantity: quantity, Least: true, Factor: factor, Of: of}
}

// String is the goal without its quantity: "<= 0.5 x Kafka".
func (g Goal) String() string {
	comparison := "<="
	if g.Least {
		comparison = ">="
	}
	bound := strconv.FormatFloat(g.Factor, 'g', -1, 64)
	if g.Of == None {
		return comparison + " " + bound
	}
	return fmt.Sprintf("%s %s x %s", comparison, bound, g.Of)
}

// Verdict is what became of a goal.
type Verdict string

const (
	Met     Verdict = "met"
	NotMet  Verdict = "NOT MET"
	Unknown Verdict = "unknown" // a figure is missing: a subject was left out, or failed
)

// Judge compares medians; missing ones are NaN-free: ok tells whether each was measured.
func (g Goal) Judge(median func(Kind) (value float64, ok bool)) Verdict {
	value, ok := median(Ottla)
	if !ok {
		return Unknown
	}
	bound := g.Factor
	if g.Of != None {
		other, ok := median(g.Of)
		if !ok {
			return Unknown
		}
		bound *= other
	}
	if g.Least && value >= bound || !g.Least && value <= bound {
		return Met
	}
	return NotMet
}

// Figure is one number with its unit in the name of the quantity: "CPU s/GB", "MB/s", "p99 ms".
type Figure struct {
	Quantity string
	Value    float64
}

// Measurement holds the figures of one run of a row, in the order in which they are shown.
type Measurement []Figure

// With returns the measurement with one more figure.
func (m Measurement) With(quantity string, value float64) Measurement {
	return append(m, Figure{quantity, value})
}

// Value returns the figure of a quantity.
func (m Measurement) Value(quantity string) (float64, bool) {
	i := slices.IndexFunc(m, func(f Figure) bool { return f.Quantity == quantity })
	if i < 0 {
		return 0, false
	}
	return m[i].Value, true
}

// Sample is one measured run of a row by one subject.
type Sample struct {
	Round       int
	Measurement Measurement
	// Failed is the error of a run that failed; its Measurement is empty.
	Failed string `json:",omitempty"`
}

// Result is a row with all that was measured of it.
type Result struct {
	Row     Row
	Samples map[Kind][]Sample
}

// Fact is a named line about the machine or a version.
type Fact struct{ Name, Value string }
