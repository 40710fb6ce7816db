package exactlyonce

import (
	"cmp"
	"slices"
	"strings"
)

// polls looks at the order in which each client was given values.
func (c *checker) polls() {
	type reader struct{ process, partition string }
	// last is the rank of what the client was given last; −1 stands before the first value.
	last := map[reader]int{}
	operations := make([]int, len(c.operations))
	for i := range operations {
		operations[i] = i
	}
	slices.SortStableFunc(operations, func(a, b int) int { return cmp.Compare(c.operations[a].Start, c.operations[b].Start) })
	for _, i := range operations {
		o := c.operations[i]
		within := map[string]bool{}
		if o.Kind == Poll {
			c.report.Polls++
		}
		for _, s := range o.Steps {
			key := reader{o.Process, s.Partition}
			switch s.Verb {
			case From:
				// What stands before the place was not asked for.
				n, _ := slices.BinarySearch(c.order[s.Partition], s.Offset)
				last[key] = n - 1
				continue
			case Read:
			default:
				continue
			}
			rank := c.rank[place{s.Partition, s.Offset}]
			before, known := last[key]
			last[key] = rank
			skip, back := InternalPollSkip, InternalNonmonotonic
			if !within[s.Partition] {
				if skip, back = PollSkip, NonmonotonicPoll; o.Kind == Transaction {
					skip, back = Rewound, Rewound
				}
			}
			within[s.Partition] = true
			switch {
			case !known:
			case rank <= before:
				c.found(back, "%s at %d: %s offset %d after %d", o.Process, o.Start, s.Partition, s.Offset, c.order[s.Partition][before])
			case rank > before+1:
				c.found(skip, "%s at %d: %s offset %d passes over %d", o.Process, o.Start, s.Partition, s.Offset, c.order[s.Partition][before+1])
			}
		}
	}
}

// sends looks at the order of what one transaction wrote to one partition, and at the errors clients were told.
func (c *checker) sends() {
	for _, o := range c.operations {
		for _, forbidden := range []string{"UNKNOWN_SERVER_ERROR", "OFFSET_OUT_OF_RANGE", "CORRUPT_MESSAGE"} {
			if strings.Contains(o.Error, forbidden) {
				c.found(ForbiddenError, "%s at %d: %s", o.Process, o.Start, o.Error)
			}
		}
		if o.Kind != Transaction {
			continue
		}
		last := map[string]int64{}
		for _, s := range o.Steps {
			if !writes(s) || s.Offset == NoOffset {
				continue
			}
			if before, ok := last[s.Partition]; ok && s.Offset <= before {
				c.found(InternalNonmonotonicOut, "%s at %d: %s offset %d after %d", o.Process, o.Start, s.Partition, s.Offset, before)
			}
			last[s.Partition] = s.Offset
		}
	}
}

// groupOffsets looks whether what is known to be a group's offset at one time is still reached at a later one.
func (c *checker) groupOffsets() {
	type event struct {
		time      int64
		partition string
		offset    int64
		reading   bool
	}
	// Something is known from the end of the operation that told it; a reading must show what was known at its start.
	// Only transactions that certainly were committed tell of their offsets.
	var events []event
	for _, o := range c.operations {
		for _, s := range o.Steps {
			switch {
			case s.Verb == Committed && o.Outcome == Ok:
				events = append(events, event{o.End, s.Partition, s.Offset, false})
			case s.Verb == Found:
				c.report.Readings++
				events = append(events, event{o.Start, s.Partition, s.Offset, true}, event{o.End, s.Partition, s.Offset, false})
			}
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.time, b.time) })
	known := map[string]int64{}
	for _, e := range events {
		switch before, ok := known[e.partition]; {
		case e.reading && ok && e.offset < before:
			c.found(OffsetBackwards, "%s at %d: %d, after it had been %d", e.partition, e.time, e.offset, before)
		case !e.reading && (!ok || e.offset > before):
			known[e.partition] = e.offset
		}
	}
}

// atRest looks whether readers of committed records can come to the end.
func (c *checker) atRest() {
	for _, o := range c.operations {
		for _, s := range o.Steps {
			if s.Verb == Stable && s.Value < s.Offset {
				c.found(StuckLSO, "%s is stable to %d of %d", s.Partition, s.Value, s.Offset)
			}
		}
	}
}

// interleaved counts the transactions that stand in a circle of writes: a's before b's in one place, b's before a's
// in another. Neighbours in a partition make the edges, as Jepsen has it.
func (c *checker) interleaved() {
	at := map[place]int{}
	for value, places := range c.reads {
		if w, ok := c.writes[value]; ok && c.operations[w.operation].Kind == Transaction {
			for _, p := range places {
				at[p] = w.operation
			}
		}
	}
	next := make([][]int, len(c.operations))
	for partition, offsets := range c.order {
		before := -1
		for _, offset := range offsets {
			operation, ok := at[place{partition, offset}]
			if !ok {
				before = -1
				continue
			}
			if before >= 0 && before != operation {
				next[before] = append(next[before], operation)
			}
			before = operation
		}
	}
	for _, operation := range circles(next) {
		c.found(InterleavedWrites, "%s at %d", c.operations[operation].Process, c.operations[operation].Start)
	}
}

// circles returns the nodes of a directed graph that lie on a circle, in order: Tarjan's strongly connected
// components with a stack of its own, since histories are long.
func circles(next [][]int) []int {
	const unseen = 0
	number, low, taken := make([]int, len(next)), make([]int, len(next)), make([]bool, len(next))
	var stack, found []int
	type visit struct{ node, edge int }
	count := unseen
	for root := range next {
		if number[root] != unseen {
			continue
		}
		path := []visit{{root, 0}}
		for len(path) > 0 {
			v := &path[len(path)-1]
			if v.edge == 0 {
				count++
				number[v.node], low[v.node], taken[v.node] = count, count, true
				stack = append(stack, v.node)
			}
			descended := false
			for v.edge < len(next[v.node]) {
				to := next[v.node][v.edge]
				v.edge++
				if number[to] == unseen {
					path, descended = append(path, visit{to, 0}), true
					break
				}
				if taken[to] {
					low[v.node] = min(low[v.node], number[to])
				}
			}
			if descended {
				continue
			}
			node := v.node
			path = path[:len(path)-1]
			if len(path) > 0 {
				parent := path[len(path)-1].node
				low[parent] = min(low[parent], low[node])
			}
			if low[node] != number[node] {
				continue
			}
			from := len(stack) - 1
			for stack[from] != node {
				from--
			}
			for _, member := range stack[from:] {
				taken[member] = false
			}
			if len(stack)-from > 1 {
				found = append(found, stack[from:]...)
			}
			stack = stack[:from]
		}
	}
	slices.Sort(found)
	return found
}
