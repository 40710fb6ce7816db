package transaction

import (
	"strings"
	"testing"

	"ottla/coordinator"
)

// TestEveryEventInEveryState holds each kind of request against each state. The
// transaction has producer id 10 and epoch 5, its previous producer id is 9. The
// answer is followed by the state that is written, if one is.
func TestEveryEventInEveryState(t *testing.T) {
	events := []struct {
		name string
		run  func(b *bench) string
	}{
		{"init", func(b *bench) string { return b.init(Init{"a", 1000, None, None}) }},
		{"resume", func(b *bench) string { return b.init(Init{"a", 1000, 10, 5}) }},
		{"resume with the epoch before", func(b *bench) string { return b.init(Init{"a", 1000, 10, 4}) }},
		{"resume with another id", func(b *bench) string { return b.init(Init{"a", 1000, 11, 5}) }},
		{"add", func(b *bench) string { return b.add(10, 5) }},
		{"add with another id", func(b *bench) string { return b.add(11, 5) }},
		{"add with another epoch", func(b *bench) string { return b.add(10, 4) }},
		{"commit v0", func(b *bench) string { return b.end(End{"a", 10, 5, true, 0}) }},
		{"abort v0", func(b *bench) string { return b.end(End{"a", 10, 5, false, 0}) }},
		{"commit v0 with the epoch before", func(b *bench) string { return b.end(End{"a", 10, 4, true, 0}) }},
		{"commit v2", func(b *bench) string { return b.end(End{"a", 10, 5, true, 2}) }},
		{"abort v2", func(b *bench) string { return b.end(End{"a", 10, 5, false, 2}) }},
		{"commit v2 with the epoch before", func(b *bench) string { return b.end(End{"a", 10, 4, true, 2}) }},
		{"abort v2 with the epoch before", func(b *bench) string { return b.end(End{"a", 10, 4, false, 2}) }},
		{"abort v2 with the epoch after", func(b *bench) string { return b.end(End{"a", 10, 6, false, 2}) }},
		{"abort v2 with another id", func(b *bench) string { return b.end(End{"a", 11, 5, false, 2}) }},
		{"markers written", func(b *bench) string { b.complete(); return "" }},
	}
	const (
		fenced, mapping     = "PRODUCER_FENCED", "INVALID_PRODUCER_ID_MAPPING"
		wait, wrong         = "CONCURRENT_TRANSACTIONS", "INVALID_TXN_STATE"
		again               = "ok pid=10 epoch=5"
		next, ended, fences = "ok pid=10 epoch=6 → Empty", "ok pid=10 epoch=6 → PrepareAbort", "CONCURRENT_TRANSACTIONS → PrepareAbort"
	)
	// By event: Empty, Ongoing, PrepareCommit, PrepareAbort, CompleteCommit, CompleteAbort.
	want := map[string][]string{
		"init":                            {next, fences, wait, wait, next, next},
		"resume":                          {next, fences, wait, wait, next, next},
		"resume with the epoch before":    {fenced, fences, wait, wait, fenced, fenced},
		"resume with another id":          {fenced, fenced, fenced, fenced, fenced, fenced},
		"add":                             {again + " → Ongoing", again + " → Ongoing", wait, wait, again + " → Ongoing", again + " → Ongoing"},
		"add with another id":             {mapping, mapping, mapping, mapping, mapping, mapping},
		"add with another epoch":          {fenced, fenced, fenced, fenced, fenced, fenced},
		"commit v0":                       {wrong, "ok pid=-1 epoch=-1 → PrepareCommit", wait, wrong, "ok pid=-1 epoch=-1", wrong},
		"abort v0":                        {wrong, "ok pid=-1 epoch=-1 → PrepareAbort", wrong, wait, wrong, "ok pid=-1 epoch=-1"},
		"commit v0 with the epoch before": {fenced, fenced, fenced, fenced, fenced, fenced},
		"commit v2":                       {wrong, "ok pid=10 epoch=6 → PrepareCommit", fenced, fenced, wrong, wrong},
		"abort v2":                        {ended, ended, fenced, fenced, ended, ended},
		"commit v2 with the epoch before": {fenced, fenced, wait, wrong, again, wrong},
		"abort v2 with the epoch before":  {fenced, fenced, wrong, wait, wrong, again},
		"abort v2 with the epoch after":   {fenced, fenced, fenced, fenced, fenced, fenced},
		"abort v2 with another id":        {mapping, mapping, mapping, mapping, mapping, mapping},
		"markers written":                 {"", "", " → CompleteCommit", " → CompleteAbort", "", ""},
	}
	for _, event := range events {
		for state := Empty; state <= CompleteAbort; state++ {
			b := newBench(t.Fatalf)
			seeded := Transaction{
				ID: "a", ProducerID: 10, PreviousProducerID: 9, NextProducerID: None, Epoch: 5, TimeoutMillis: 60000,
				State: state, StartedMillis: 1, UpdatedMillis: 1, ClientVersion: 2,
			}
			if state == Ongoing || state.prepared() {
				seeded.Partitions = []Partition{{"t", 0}}
			}
			b.do(b.machine.write(&seeded, nil))
			b.load()
			b.written = nil
			said := event.run(b)
			for _, r := range b.written {
				written, _ := decodeValue("a", r.Value)
				said += " → " + written.State.String()
			}
			if said != want[event.name][state] {
				t.Errorf("%s in %s: %q, want %q", event.name, state, said, want[event.name][state])
			}
		}
	}
}

func (b *bench) init(request Init) string {
	return b.answered(b.machine.InitProducerID(request, NoNewID))
}

func (b *bench) end(request End) string { return b.answered(b.machine.EndTxn(request, NoNewID)) }

func (b *bench) add(producerID int64, epoch int16) string {
	failure, result := b.machine.AddPartitions("a", producerID, epoch, []Partition{{"t", 1}}, 2)
	return b.answered(Answer{failure, producerID, epoch, false}, result)
}

// TestMovesAreThoseOfTheTable: a move that the table does not have is a bug.
func TestMovesAreThoseOfTheTable(t *testing.T) {
	legal := map[string]bool{}
	for _, pair := range strings.Fields(`Empty>Empty Empty>Ongoing Empty>PrepareAbort Ongoing>Ongoing Ongoing>PrepareCommit
		Ongoing>PrepareAbort PrepareCommit>CompleteCommit PrepareAbort>CompleteAbort CompleteCommit>Empty CompleteCommit>Ongoing
		CompleteCommit>PrepareAbort CompleteAbort>Empty CompleteAbort>Ongoing CompleteAbort>PrepareAbort`) {
		legal[pair] = true
	}
	for from := range states {
		for to := range states {
			panicked := func() (panicked bool) {
				defer func() { panicked = recover() != nil }()
				before := &Transaction{State: from}
				before.next(to, 1)
				return false
			}()
			if panicked == legal[from.String()+">"+to.String()] {
				t.Errorf("%s to %s: panicked %v", from, to, panicked)
			}
		}
	}
}

// TestGarbageIsNoTransaction: what cannot be read changes nothing.
func TestGarbageIsNoTransaction(t *testing.T) {
	b := newBench(t.Fatalf)
	good := encode(&Transaction{ID: "a", ProducerID: 1, PreviousProducerID: None, NextProducerID: None, State: Ongoing, Partitions: []Partition{{"t", 1}}}, 2)
	for name, r := range map[string]coordinator.Record{
		"no key": {}, "key of another type": {Key: []byte{0, 7, 0, 1, 'a'}}, "short key": {Key: []byte{0, 0, 0, 9, 'a'}},
		"value of another version": {Key: good.Key, Value: append([]byte{0, 9}, good.Value[2:]...)},
		"short value":              {Key: good.Key, Value: good.Value[:len(good.Value)-3]},
		"no value's version":       {Key: good.Key, Value: []byte{0}},
	} {
		if _, ok := b.machine.Replay(coordinator.Replayed{Record: r}); ok || len(b.machine.transactions) != 0 {
			t.Errorf("%s was taken for a transaction", name)
		}
	}
	for state := Dead; state <= states; state++ {
		odd := encode(&Transaction{ID: "a", State: state}, 2)
		if _, ok := b.machine.Replay(coordinator.Replayed{Record: odd}); ok {
			t.Errorf("state %d was taken for one", state)
		}
	}
}

// TestLateCompletion: one who has written the markers of a transaction ends that one, never the next (T7). Where the epoch does not rise, the next
// one looks the same once it ends the same way; that it is prepared tells that the one before is complete.
func TestLateCompletion(t *testing.T) {
	for _, version := range []int16{0, 2} {
		b := newBench(t.Fatalf)
		b.level = version
		b.do(b.machine.write(&Transaction{ID: "a", ProducerID: 10, PreviousProducerID: 9, NextProducerID: None, Epoch: 5, TimeoutMillis: 60000, State: Empty, StartedMillis: None}, nil))
		epoch := int16(5)
		round := func(commit bool) Transaction {
			if failure, result := b.machine.AddPartitions("a", 10, epoch, []Partition{{"t", 1}}, version); failure != nil || !b.do(result) {
				t.Fatal(failure)
			}
			b.prepared = nil
			answer, result := b.machine.EndTxn(End{"a", 10, epoch, commit, version}, NoNewID)
			if answer.Failure != nil || !b.do(result) {
				t.Fatal(answer.Failure)
			}
			epoch = b.machine.transactions["a"].Epoch
			return b.prepared[0]
		}
		first := round(true)
		if !b.do(b.machine.Complete(first)) || b.machine.transactions["a"].State != CompleteCommit {
			t.Fatalf("version %d: %s", version, describe(b.machine))
		}
		for _, late := range []string{"while nothing is open", "while one is open", "while one is prepared"} {
			if late == "while one is open" {
				_, result := b.machine.AddPartitions("a", 10, epoch, []Partition{{"t", 1}}, version)
				b.do(result)
			}
			if late == "while one is prepared" {
				round(false)
			}
			before := describe(b.machine)
			if result := b.machine.Complete(first); len(result.Records) > 0 {
				t.Errorf("version %d, %s: the transaction %s was ended", version, late, before)
			}
		}
	}
}
