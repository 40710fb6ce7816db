package exactlyonce

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The anomalies. Those of Counted are allowed in Kafka's model and only counted.
const (
	LostWrite               = "lost-write"                 // committed, below what was read, and never read
	Unseen                  = "unseen"                     // committed and never read, at the end of what was read
	Duplicate               = "duplicate"                  // one value at several offsets
	InconsistentOffsets     = "inconsistent-offsets"       // one offset with several values
	AbortedRead             = "G1a"                        // read, though its transaction was aborted
	PrecommittedRead        = "precommitted-read"          // read before its commit was asked for
	NeverSent               = "never-sent"                 // read, though nobody wrote it
	InternalPollSkip        = "int-poll-skip"              // within one poll a value was passed over
	InternalNonmonotonic    = "int-nonmonotonic-poll"      // within one poll offsets went back
	PollSkip                = "poll-skip"                  // the same from poll to poll of a client with chosen partitions
	NonmonotonicPoll        = "nonmonotonic-poll"          //
	InternalNonmonotonicOut = "int-nonmonotonic-send"      // within one transaction offsets of writes went back
	OffsetBackwards         = "committed-offset-backwards" // a group's committed offset went back
	StuckLSO                = "lso-stuck"                  // at rest, yet an open transaction holds back readers
	CopiedTwice             = "copied-twice"               // two committed copies of one value
	NotCopied               = "not-copied"                 // committed and read, but without a committed copy
	ForbiddenError          = "forbidden-error"            // an error no client may ever be told here
	InterleavedWrites       = "G0"                         // counted: transactions whose writes stand in a circle
	Rewound                 = "rewound-poll"               // counted: a group's member read again, or left out, what it had
)

// Counted are the anomalies that Apache Kafka allows.
func Counted() []string { return []string{InterleavedWrites, Rewound} }

// Report is what a check found: lines by anomaly, and how much there was to look at.
type Report struct {
	Anomalies map[string][]string
	// Transactions by outcome, values written in those known or seen to be committed, and different values read.
	Outcomes         map[Outcome]int
	CommittedValues  int
	ReadValues       int
	Polls, Readings  int
	CopiesOfDistinct int
}

// Forbidden returns the names of the anomalies found that must not be, in order.
func (r Report) Forbidden() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(r.Anomalies)) {
		if !slices.Contains(Counted(), name) {
			names = append(names, name)
		}
	}
	return names
}

// String is one line on what was looked at and a few lines on each anomaly.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "transactions %d committed, %d aborted, %d unknown; %d values committed, %d read in %d polls, %d copied; %d readings of committed offsets",
		r.Outcomes[Ok], r.Outcomes[Failed], r.Outcomes[Unknown], r.CommittedValues, r.ReadValues, r.Polls, r.CopiesOfDistinct, r.Readings)
	for _, name := range slices.Sorted(maps.Keys(r.Anomalies)) {
		lines := r.Anomalies[name]
		fmt.Fprintf(&b, "\n%s: %d", name, len(lines))
		if slices.Contains(Counted(), name) {
			continue
		}
		for _, line := range lines[:min(5, len(lines))] {
			fmt.Fprintf(&b, "\n    %s", line)
		}
	}
	return b.String()
}

type place struct {
	partition string
	offset    int64
}

type written struct {
	operation int
	step      Step
}

// checker is the state of one check. Each of its passes takes time linear in the history, but for sorting.
type checker struct {
	operations []Operation
	report     Report
	writes     map[int64]written
	// reads holds where each value was read, firstRead when the earliest reading poll of it ended.
	reads     map[int64][]place
	firstRead map[int64]int64
	// order holds the offsets of a partition that hold a value somebody read, rising.
	order map[string][]int64
	rank  map[place]int
	// committed tells of each transaction whether it was, by its outcome or by what was read of it.
	committed []bool
}

// Check looks through a history whose clients have ended and whose last polls read to the end.
func Check(operations []Operation) Report {
	c := &checker{
		operations: operations, writes: map[int64]written{}, reads: map[int64][]place{}, firstRead: map[int64]int64{},
		order: map[string][]int64{}, rank: map[place]int{}, committed: make([]bool, len(operations)),
		report: Report{Anomalies: map[string][]string{}, Outcomes: map[Outcome]int{}},
	}
	c.index()
	c.offsetsAndValues()
	c.readsOfWrites()
	c.writesAreRead()
	c.copies()
	c.polls()
	c.sends()
	c.groupOffsets()
	c.atRest()
	c.interleaved()
	return c.report
}

func (c *checker) found(name, format string, arguments ...any) {
	c.report.Anomalies[name] = append(c.report.Anomalies[name], fmt.Sprintf(format, arguments...))
}

func writes(s Step) bool { return s.Verb == Wrote || s.Verb == Copied }

// index fills the maps.
func (c *checker) index() {
	for i, o := range c.operations {
		if o.Kind == Transaction {
			c.report.Outcomes[o.Outcome]++
		}
		for _, s := range o.Steps {
			switch {
			case writes(s):
				if _, twice := c.writes[s.Value]; twice {
					panic(fmt.Sprintf("BUG: value %d was written by two steps", s.Value))
				}
				c.writes[s.Value] = written{i, s}
			case s.Verb == Read:
				at := place{s.Partition, s.Offset}
				if !slices.Contains(c.reads[s.Value], at) {
					c.reads[s.Value] = append(c.reads[s.Value], at)
				}
				if first, ok := c.firstRead[s.Value]; !ok || o.End < first {
					c.firstRead[s.Value] = o.End
				}
				if _, known := c.rank[at]; !known {
					c.rank[at] = 0
					c.order[s.Partition] = append(c.order[s.Partition], s.Offset)
				}
			}
		}
	}
	for partition, offsets := range c.order {
		slices.Sort(offsets)
		for i, offset := range offsets {
			c.rank[place{partition, offset}] = i
		}
	}
	for i, o := range c.operations {
		c.committed[i] = (o.Kind == Transaction || o.Kind == Send) && (o.Outcome == Ok || o.Outcome == Unknown && c.visible(o))
	}
	c.report.ReadValues = len(c.reads)
}

// visible tells whether anything the operation wrote was read: then all of it must be.
func (c *checker) visible(o Operation) bool {
	return slices.ContainsFunc(o.Steps, func(s Step) bool { return writes(s) && len(c.reads[s.Value]) > 0 })
}

// offsetsAndValues holds offsets and values against each other, those told to writers with those told to readers.
func (c *checker) offsetsAndValues() {
	at := map[place]int64{}
	for _, value := range slices.Sorted(maps.Keys(c.reads)) {
		places := c.reads[value]
		if w, ok := c.writes[value]; ok && w.step.Offset != NoOffset {
			if p := (place{w.step.Partition, w.step.Offset}); !slices.Contains(places, p) {
				places = append(places[:len(places):len(places)], p)
			}
		}
		if len(places) > 1 {
			c.found(Duplicate, "value %d is at %v", value, places)
		}
		for _, p := range places {
			if other, ok := at[p]; ok && other != value {
				c.found(InconsistentOffsets, "%v holds %d and %d", p, other, value)
			}
			at[p] = value
		}
	}
	// Two writers may also have been told the same offset, whether or not anybody read it.
	told := map[place]int64{}
	for value, w := range c.writes {
		if w.step.Offset == NoOffset {
			continue
		}
		p := place{w.step.Partition, w.step.Offset}
		if other, ok := told[p]; ok {
			c.found(InconsistentOffsets, "the writers of %d and %d were told %v", other, value, p)
		}
		told[p] = value
	}
}

// readsOfWrites looks at where each value that was read came from.
func (c *checker) readsOfWrites() {
	for _, value := range slices.Sorted(maps.Keys(c.reads)) {
		w, ok := c.writes[value]
		if !ok {
			c.found(NeverSent, "value %d at %v", value, c.reads[value])
			continue
		}
		switch o := c.operations[w.operation]; {
		case o.Outcome == Failed:
			c.found(AbortedRead, "value %d at %v of %s's transaction at %d, which was aborted", value, c.reads[value], o.Process, o.Start)
		case o.Kind == Transaction && c.firstRead[value] < o.Decided:
			c.found(PrecommittedRead, "value %d was read at %d, its commit asked for at %d by %s", value, c.firstRead[value], o.Decided, o.Process)
		}
	}
}

// writesAreRead looks for committed values that nobody read.
func (c *checker) writesAreRead() {
	for i, o := range c.operations {
		if !c.committed[i] {
			continue
		}
		for _, s := range o.Steps {
			if !writes(s) {
				continue
			}
			c.report.CommittedValues++
			if len(c.reads[s.Value]) > 0 {
				continue
			}
			offsets := c.order[s.Partition]
			if s.Offset != NoOffset && len(offsets) > 0 && s.Offset < offsets[len(offsets)-1] {
				c.found(LostWrite, "value %d, written by %s to %s at %d (%s), with reads as far as %d", s.Value, o.Process, s.Partition, s.Offset, o.Outcome, offsets[len(offsets)-1])
			} else {
				c.found(Unseen, "value %d, written by %s to %s at %d (%s)", s.Value, o.Process, s.Partition, s.Offset, o.Outcome)
			}
		}
	}
}

// copies looks whether each value that was to be copied was so once. Only the partitions that copiers polled count.
func (c *checker) copies() {
	copied, sources := map[int64]int{}, map[string]bool{}
	for i, o := range c.operations {
		copier := slices.ContainsFunc(o.Steps, func(s Step) bool { return s.Verb == Copied })
		for _, s := range o.Steps {
			if copier && s.Verb == Read {
				sources[s.Partition] = true
			}
			if s.Verb == Copied && c.committed[i] {
				copied[s.Source]++
			}
		}
	}
	for _, source := range slices.Sorted(maps.Keys(copied)) {
		if n := copied[source]; n > 1 {
			c.found(CopiedTwice, "value %d has %d committed copies", source, n)
		}
	}
	for _, value := range slices.Sorted(maps.Keys(c.reads)) {
		if at := c.reads[value][0]; sources[at.partition] && copied[value] == 0 {
			c.found(NotCopied, "value %d at %v", value, at)
		}
	}
	c.report.CopiesOfDistinct = len(copied)
}
