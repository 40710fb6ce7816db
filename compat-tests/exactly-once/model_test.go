package exactlyonce

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"
)

// world is a broker that does everything right: logs of values, each of a transaction that is open, committed or
// aborted, and a clock that every step moves.
type world struct {
	t          *rapid.T
	clock      int64
	values     int64
	logs       map[string][]entry
	operations []Operation
	// open holds for each writer its transaction.
	open map[string]*opened
	at   map[string]int64
	// copied is the group's offset in the partition that is copied.
	copied int64
}

type entry struct {
	value int64
	owner *opened
}

type opened struct {
	operation Operation
	// seen: the broker has committed; ended: it has committed or aborted.
	seen, ended bool
}

func (w *world) tick() int64 { w.clock++; return w.clock }

func draw(t *rapid.T) []Operation {
	w := &world{t: t, logs: map[string][]entry{"in": nil, "b": nil, "out": nil}, open: map[string]*opened{}, at: map[string]int64{}}
	for _, reader := range []string{"r1", "r2"} {
		w.operations = append(w.operations, Operation{Process: reader, Kind: Assign, Start: w.tick(), End: w.tick(), Outcome: Ok, Steps: []Step{
			{From, "in", 0, 0, 0}, {From, "b", 0, 0, 0}, {From, "out", 0, 0, 0},
		}})
	}
	for range rapid.IntRange(5, 60).Draw(t, "steps") {
		who := rapid.SampledFrom([]string{"p1", "p2", "p3"}).Draw(t, "writer")
		switch rapid.IntRange(0, 7).Draw(t, "step") {
		case 0, 1, 2:
			w.write(who, rapid.SampledFrom([]string{"in", "b"}).Draw(t, "partition"))
		case 3:
			w.end(who)
		case 4:
			w.send()
		case 5:
			w.poll(rapid.SampledFrom([]string{"r1", "r2"}).Draw(t, "reader"))
		case 6:
			w.copy(rapid.Bool().Draw(t, "commit"))
		case 7:
			w.operations = append(w.operations, Operation{Process: "o", Kind: Offsets, Start: w.tick(), End: w.tick(), Outcome: Ok, Steps: []Step{{Found, "g/in", 0, w.copied, 0}}})
		}
	}
	for _, who := range []string{"p1", "p2", "p3"} {
		w.end(who)
	}
	w.copy(true)
	w.poll("r1")
	w.poll("r2")
	ends := Operation{Process: "x", Kind: Ends, Start: w.tick(), End: w.tick(), Outcome: Ok}
	for _, partition := range []string{"in", "b", "out"} {
		ends.Steps = append(ends.Steps, Step{Stable, partition, w.stable(partition), int64(len(w.logs[partition])), 0})
	}
	w.operations = append(w.operations, ends)
	return w.operations
}

func (w *world) append(owner *opened, verb Verb, partition string, source int64) {
	w.values++
	owner.operation.Steps = append(owner.operation.Steps, Step{verb, partition, w.values, int64(len(w.logs[partition])), source})
	w.logs[partition] = append(w.logs[partition], entry{w.values, owner})
}

func (w *world) write(who, partition string) {
	if w.open[who] == nil {
		w.open[who] = &opened{operation: Operation{Process: who, Kind: Transaction, Start: w.tick()}}
	}
	w.append(w.open[who], Wrote, partition, 0)
}

func (w *world) end(who string) {
	o := w.open[who]
	if o == nil {
		return
	}
	delete(w.open, who)
	o.ended = true
	switch rapid.IntRange(0, 4).Draw(w.t, "end") {
	case 0:
		o.operation.Outcome = Failed
	case 1:
		o.operation.Decided, o.operation.Outcome = w.tick(), Unknown
	case 2:
		o.operation.Decided, o.operation.Outcome, o.seen = w.tick(), Unknown, true
	default:
		o.operation.Decided, o.operation.Outcome, o.seen = w.tick(), Ok, true
	}
	for partition, log := range w.logs {
		if slices.ContainsFunc(log, func(e entry) bool { return e.owner == o }) {
			w.logs[partition] = append(log, entry{})
		}
	}
	o.operation.End = w.tick()
	w.operations = append(w.operations, o.operation)
}

func (w *world) send() {
	o := &opened{operation: Operation{Process: "s", Kind: Send, Start: w.tick(), Outcome: Ok}, seen: true, ended: true}
	w.append(o, Wrote, "b", 0)
	o.operation.End = w.tick()
	w.operations = append(w.operations, o.operation)
}

// stable is the first offset of an open transaction, or the end.
func (w *world) stable(partition string) int64 {
	for i, e := range w.logs[partition] {
		if e.owner != nil && !e.owner.ended {
			return int64(i)
		}
	}
	return int64(len(w.logs[partition]))
}

// read returns the steps that read a partition from an offset to where it is stable.
func (w *world) read(partition string, from int64) (steps []Step, end int64) {
	end = w.stable(partition)
	for i := from; i < end; i++ {
		if e := w.logs[partition][i]; e.owner != nil && e.owner.seen {
			steps = append(steps, Step{Read, partition, e.value, i, 0})
		}
	}
	return steps, end
}

func (w *world) poll(who string) {
	o := Operation{Process: who, Kind: Poll, Start: w.tick(), Outcome: Ok}
	for _, partition := range []string{"in", "b", "out"} {
		key := fmt.Sprint(who, partition)
		steps, end := w.read(partition, w.at[key])
		w.at[key] = max(w.at[key], end)
		o.Steps = append(o.Steps, steps...)
	}
	o.End = w.tick()
	w.operations = append(w.operations, o)
}

func (w *world) copy(commit bool) {
	steps, end := w.read("in", w.copied)
	if len(steps) == 0 {
		return
	}
	o := &opened{operation: Operation{Process: "c", Kind: Transaction, Start: w.tick(), Outcome: Failed, Steps: steps}, ended: true}
	for _, s := range steps {
		w.append(o, Copied, "out", s.Value)
	}
	if commit {
		o.seen, o.operation.Outcome, o.operation.Decided, w.copied = true, Ok, w.tick(), end
		o.operation.Steps = append(o.operation.Steps, Step{Committed, "g/in", 0, end, 0})
	}
	w.logs["out"] = append(w.logs["out"], entry{})
	o.operation.End = w.tick()
	w.operations = append(w.operations, o.operation)
}

// spot is one step of one operation.
type spot struct{ operation, step int }

// spots returns the steps that satisfy want.
func spots(operations []Operation, want func(Operation, int) bool) []spot {
	var found []spot
	for i, o := range operations {
		for j := range o.Steps {
			if want(o, j) {
				found = append(found, spot{i, j})
			}
		}
	}
	return found
}

// pick draws one of the spots; ok is false where there is none.
func pick(t *rapid.T, found []spot) (spot, bool) {
	if len(found) == 0 {
		return spot{}, false
	}
	return found[rapid.IntRange(0, len(found)-1).Draw(t, "spot")], true
}

// mutations break a good history, each so that its anomaly must be found. They tell whether they could.
func mutations() map[string]func(t *rapid.T, operations []Operation) bool {
	isRead := func(o Operation, j int) bool { return o.Kind == Poll && o.Steps[j].Verb == Read }
	// at changes one of the steps that satisfy want.
	at := func(want func(Operation, int) bool, change func(o *Operation, j int)) func(*rapid.T, []Operation) bool {
		return func(t *rapid.T, operations []Operation) bool {
			s, ok := pick(t, spots(operations, want))
			if ok {
				operations[s.operation].Steps = slices.Clone(operations[s.operation].Steps)
				change(&operations[s.operation], s.step)
			}
			return ok
		}
	}
	samePartitionBefore := func(o Operation, j int) bool {
		return j > 0 && isRead(o, j) && o.Steps[j-1].Partition == o.Steps[j].Partition
	}
	return map[string]func(*rapid.T, []Operation) bool{
		LostWrite:           func(t *rapid.T, operations []Operation) bool { return forget(t, operations, false) },
		Unseen:              func(t *rapid.T, operations []Operation) bool { return forget(t, operations, true) },
		Duplicate:           at(isRead, func(o *Operation, j int) { o.Steps[j].Offset += 1000 }),
		InconsistentOffsets: at(samePartitionBefore, func(o *Operation, j int) { o.Steps[j].Offset = o.Steps[j-1].Offset }),
		NeverSent:           at(isRead, func(o *Operation, j int) { o.Steps[j].Value += 1000000 }),
		AbortedRead: func(t *rapid.T, operations []Operation) bool {
			read := map[int64]bool{}
			for _, s := range spots(operations, func(o Operation, j int) bool { return o.Steps[j].Verb == Read }) {
				read[operations[s.operation].Steps[s.step].Value] = true
			}
			return at(func(o Operation, j int) bool { return writes(o.Steps[j]) && read[o.Steps[j].Value] }, func(o *Operation, _ int) { o.Outcome = Failed })(t, operations)
		},
		PrecommittedRead: func(t *rapid.T, operations []Operation) bool {
			read := map[int64]bool{}
			for _, s := range spots(operations, func(o Operation, j int) bool { return o.Steps[j].Verb == Read }) {
				read[operations[s.operation].Steps[s.step].Value] = true
			}
			return at(func(o Operation, j int) bool {
				return o.Kind == Transaction && writes(o.Steps[j]) && read[o.Steps[j].Value]
			},
				func(o *Operation, _ int) { o.Decided = 1 << 60 })(t, operations)
		},
		InternalPollSkip: at(func(o Operation, j int) bool {
			return j > 1 && samePartitionBefore(o, j) && samePartitionBefore(o, j-1) && (o.Process == "r1" || o.Process == "r2")
		}, func(o *Operation, j int) { o.Steps = slices.Delete(o.Steps, j-1, j) }),
		InternalNonmonotonic: at(samePartitionBefore, func(o *Operation, j int) { o.Steps[j], o.Steps[j-1] = o.Steps[j-1], o.Steps[j] }),
		OffsetBackwards: func(t *rapid.T, operations []Operation) bool {
			told := spots(operations, func(o Operation, j int) bool { return o.Kind == Offsets })
			if len(told) < 2 {
				return false
			}
			i := rapid.IntRange(1, len(told)-1).Draw(t, "reading")
			operations[told[i].operation].Steps[0].Offset = operations[told[i-1].operation].Steps[0].Offset - 1
			return true
		},
		StuckLSO: at(func(o Operation, _ int) bool { return o.Kind == Ends }, func(o *Operation, j int) { o.Steps[j].Value = o.Steps[j].Offset - 1 }),
		CopiedTwice: func(t *rapid.T, operations []Operation) bool {
			return at(func(o Operation, j int) bool {
				return o.Outcome == Ok && j > 0 && o.Steps[j].Verb == Copied && o.Steps[j-1].Verb == Copied
			}, func(o *Operation, j int) { o.Steps[j].Source = o.Steps[j-1].Source })(t, operations)
		},
		NotCopied: at(func(o Operation, j int) bool { return o.Outcome == Ok && o.Steps[j].Verb == Copied },
			func(o *Operation, j int) { o.Steps[j].Source += 1000000 }),
	}
}

// forget takes a committed value out of every reading: the last one of its partition, or one before that.
func forget(t *rapid.T, operations []Operation, last bool) bool {
	end := map[string]int64{}
	for _, s := range spots(operations, func(o Operation, j int) bool { return o.Steps[j].Verb == Read }) {
		step := operations[s.operation].Steps[s.step]
		end[step.Partition] = max(end[step.Partition], step.Offset)
	}
	committed := map[int64]bool{}
	for _, o := range operations {
		for _, s := range o.Steps {
			if writes(s) && o.Outcome == Ok {
				committed[s.Value] = true
			}
		}
	}
	s, ok := pick(t, spots(operations, func(o Operation, j int) bool {
		step := o.Steps[j]
		return step.Verb == Read && committed[step.Value] && (step.Offset == end[step.Partition]) == last
	}))
	if !ok {
		return false
	}
	value := operations[s.operation].Steps[s.step].Value
	for i := range operations {
		operations[i].Steps = slices.DeleteFunc(slices.Clone(operations[i].Steps), func(step Step) bool { return step.Verb == Read && step.Value == value })
	}
	return true
}
