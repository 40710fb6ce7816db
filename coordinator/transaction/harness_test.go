package transaction

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/coordinator"
)

// bench is a machine, the log that it has written and whom it has asked to do
// what. After every step the log is replayed into another machine, which must have
// the same hard state.
type bench struct {
	fatal func(format string, args ...any)

	machine *Machine
	log     []coordinator.Record
	clock   time.Time
	level   int16
	// failing: the next write fails.
	failing  bool
	timers   map[string]deadline
	prepared []Transaction
	timedOut []Transaction
	ended    int
	// written are the records of the last step.
	written []coordinator.Record
}

type deadline struct {
	at        time.Time
	operation func() coordinator.Result
}

func newBench(fatal func(string, ...any)) *bench {
	b := &bench{fatal: fatal, clock: time.UnixMilli(1_000_000), level: 2}
	b.load()
	return b
}

func (b *bench) config() Config {
	config := DefaultConfig()
	config.AbortInterval, config.ExpireInterval, config.IDExpiration = time.Second, time.Minute, time.Hour
	return config
}

func (b *bench) replayed() *Machine {
	m := NewMachine(b.config(), func() time.Time { return b.clock }, b, b)
	for i, r := range b.log {
		if _, ok := m.Replay(coordinator.Replayed{Record: r, Offset: int64(i), ProducerID: -1}); !ok {
			b.fatal("record %d cannot be replayed", i)
		}
	}
	return m
}

func (b *bench) load() {
	if b.machine != nil {
		b.machine.Unloaded()
	}
	b.timers, b.prepared, b.timedOut = map[string]deadline{}, nil, nil
	b.machine = b.replayed()
	b.machine.Loaded()
}

// do writes what an operation wants written, or takes it back, and calls Done. It
// tells whether the write went well.
func (b *bench) do(result coordinator.Result) (ok bool) {
	b.written = nil
	var undo []func()
	for _, r := range result.Records {
		back, ok := b.machine.Replay(coordinator.Replayed{Record: r, ProducerID: -1})
		if !ok {
			b.fatal("a machine cannot replay what it wrote")
		}
		if back != nil {
			undo = append(undo, back)
		}
	}
	var failure *kerr.Error
	if b.failing && len(result.Records) > 0 {
		failure, b.failing = kerr.KafkaStorageError, false
		for _, back := range slices.Backward(undo) {
			back()
		}
	} else {
		b.written = result.Records
		b.log = append(b.log, result.Records...)
	}
	if result.Done != nil {
		result.Done(failure)
	}
	if other := b.replayed(); !reflect.DeepEqual(other.transactions, b.machine.transactions) {
		b.fatal("the log says\n%s\nthe machine\n%s", describe(other), describe(b.machine))
	}
	return failure == nil
}

// advance lets time pass and runs the timers that are due, in order.
func (b *bench) advance(by time.Duration) {
	until := b.clock.Add(by)
	for {
		next := ""
		for _, key := range slices.Sorted(maps.Keys(b.timers)) {
			if at := b.timers[key].at; !at.After(until) && (next == "" || at.Before(b.timers[next].at)) {
				next = key
			}
		}
		if next == "" {
			b.clock = until
			return
		}
		due := b.timers[next]
		delete(b.timers, next)
		b.clock = due.at
		b.do(due.operation())
	}
}

// complete runs Complete for everything that is prepared, as if its markers were
// written. What could not be written is tried again the next time.
func (b *bench) complete() {
	prepared := b.prepared
	b.prepared = nil
	for _, t := range prepared {
		if !b.do(b.machine.Complete(t)) {
			b.prepared = append(b.prepared, t)
		}
	}
}

// Schedule implements coordinator.Timers.
func (b *bench) Schedule(key string, delay time.Duration, operation func() coordinator.Result) {
	b.timers[key] = deadline{b.clock.Add(delay), operation}
}

// Cancel implements coordinator.Timers.
func (b *bench) Cancel(key string) { delete(b.timers, key) }

// Prepared implements Host.
func (b *bench) Prepared(t Transaction) {
	if !t.State.prepared() {
		b.fatal("markers for a transaction in state %s", t.State)
	}
	b.prepared = append(b.prepared, t)
}

// TimedOut implements Host.
func (b *bench) TimedOut(t Transaction) { b.timedOut = append(b.timedOut, t) }

// Level implements Host.
func (b *bench) Level() int16 { return b.level }

// Ended implements Host.
func (b *bench) Ended() { b.ended++ }

func describe(m *Machine) string {
	var lines []string
	for _, t := range m.all() {
		lines = append(lines, t.text())
	}
	return strings.Join(lines, "\n")
}

// text is the whole of a transaction in a line.
func (t *Transaction) text() string {
	parts := []string{}
	for _, p := range t.Partitions {
		parts = append(parts, fmt.Sprintf("%s-%d", p.Topic, p.Index))
	}
	line := fmt.Sprintf("%s %s pid=%d epoch=%d previous=%d", t.ID, t.State, t.ProducerID, t.Epoch, t.PreviousProducerID)
	if t.NextProducerID != None {
		line += fmt.Sprintf(" next=%d", t.NextProducerID)
	}
	return line + fmt.Sprintf(" timeout=%d started=%d updated=%d client=%d [%s]",
		t.TimeoutMillis, t.StartedMillis, t.UpdatedMillis, t.ClientVersion, strings.Join(parts, " "))
}

func (a Answer) text() string {
	switch {
	case a.NeedID:
		return "needs a producer id"
	case a.Failure != nil:
		return a.Failure.Message
	}
	return fmt.Sprintf("ok pid=%d epoch=%d", a.ProducerID, a.Epoch)
}
