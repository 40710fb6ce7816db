package coordinator

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/protocol/record"
)

// memoryLog is a log in memory that fails and waits when the test wants.
type memoryLog struct {
	lock    sync.Mutex
	batches []record.Batch
	start   int64
	end     int64
	// high is the high watermark; −1: it is the end.
	high       int64
	waiting    map[int64][]func()
	appendErr  error
	readErr    error
	limit      int
	appendGate chan struct{}
	readGate   chan struct{}
	// skew is added to what Append returns.
	skew int64
	// syncs: an append may wait for a disk.
	syncs bool
}

func newMemoryLog() *memoryLog {
	return &memoryLog{high: -1, limit: 1 << 20, waiting: map[int64][]func(){}}
}

func (l *memoryLog) Append(batch []byte) (int64, error) {
	if l.appendGate != nil {
		<-l.appendGate
	}
	l.lock.Lock()
	defer l.lock.Unlock()
	if l.appendErr != nil {
		return 0, l.appendErr
	}
	b, rest, err := record.Next(batch)
	if err != nil || len(rest) > 0 {
		return 0, fmt.Errorf("not one batch: %v", err)
	}
	if len(batch) > l.limit {
		return 0, kerr.MessageTooLarge
	}
	if !b.CheckCRC() {
		return 0, kerr.CorruptMessage
	}
	stored := record.Batch(bytes.Clone(b))
	stored.SetBaseOffset(l.end)
	l.batches = append(l.batches, stored)
	l.end = stored.NextOffset()
	return l.end + l.skew, nil
}

// put appends what no shard wrote.
func (l *memoryLog) put(batches ...record.Batch) {
	for _, b := range batches {
		b.SetBaseOffset(l.end)
		l.batches = append(l.batches, b)
		l.end = b.NextOffset()
	}
}

func (l *memoryLog) Read(offset int64, maxBytes int) ([]byte, error) {
	if l.readGate != nil {
		<-l.readGate
	}
	l.lock.Lock()
	defer l.lock.Unlock()
	if l.readErr != nil {
		return nil, l.readErr
	}
	var out []byte
	for _, b := range l.batches {
		if b.NextOffset() <= offset || len(out) > 0 && len(out)+len(b) > maxBytes {
			continue
		}
		out = append(out, b...)
	}
	return out, nil
}

func (l *memoryLog) StartOffset() int64 { l.lock.Lock(); defer l.lock.Unlock(); return l.start }
func (l *memoryLog) EndOffset() int64   { l.lock.Lock(); defer l.lock.Unlock(); return l.end }
func (l *memoryLog) MaxBatchBytes() int { return l.limit }
func (l *memoryLog) Syncs() bool        { return l.syncs }

func (l *memoryLog) WhenCommitted(end int64, notify func()) bool {
	l.lock.Lock()
	defer l.lock.Unlock()
	if l.high < 0 || l.high >= end {
		return false
	}
	l.waiting[end] = append(l.waiting[end], notify)
	return true
}

// commit raises the high watermark.
func (l *memoryLog) commit(high int64) {
	l.lock.Lock()
	l.high = high
	var notified []func()
	for _, end := range slices.Sorted(maps.Keys(l.waiting)) {
		if end <= high {
			notified = append(notified, l.waiting[end]...)
			delete(l.waiting, end)
		}
	}
	l.lock.Unlock()
	for _, notify := range notified {
		notify()
	}
}

// table is a machine: keys and values, and what it has heard.
type table struct {
	t        testing.TB
	values   map[string]string
	pending  map[int64]map[string]string
	loaded   bool
	unloaded bool
	timers   Timers
}

func (m *table) Replay(r Replayed) (func(), bool) {
	if r.Key == nil || bytes.HasPrefix(r.Key, []byte("garbage")) {
		return nil, false
	}
	key := string(r.Key)
	if r.ProducerID >= 0 {
		if m.pending[r.ProducerID] == nil {
			m.pending[r.ProducerID] = map[string]string{}
		}
		previous, had := m.pending[r.ProducerID][key]
		m.pending[r.ProducerID][key] = string(r.Value)
		return func() {
			if had {
				m.pending[r.ProducerID][key] = previous
			} else {
				delete(m.pending[r.ProducerID], key)
			}
		}, true
	}
	previous, had := m.values[key]
	if r.Value == nil {
		delete(m.values, key)
	} else {
		m.values[key] = string(r.Value)
	}
	return func() {
		if had {
			m.values[key] = previous
		} else {
			delete(m.values, key)
		}
	}, true
}

func (m *table) ReplayMarker(producerID int64, _ int16, commit bool) {
	if commit {
		maps.Copy(m.values, m.pending[producerID])
	}
	delete(m.pending, producerID)
}

func (m *table) Loaded() { m.loaded = true }

func (m *table) Unloaded() {
	if m.unloaded {
		m.t.Error("unloaded twice")
	}
	m.unloaded = true
}

// rig is a runtime of tables and what became of its operations.
type rig struct {
	t       testing.TB
	runtime *Runtime[*table]
	lock    sync.Mutex
	said    []string
	events  []Event
	serves  bool
}

func newRig(t testing.TB, change func(*Options[*table])) *rig {
	r := &rig{t: t}
	options := Options[*table]{
		New: func(_ int32, timers Timers) *table {
			return &table{t: t, values: map[string]string{}, pending: map[int64]map[string]string{}, timers: timers}
		},
		Now:    time.Now,
		Events: func(e Event) { r.lock.Lock(); defer r.lock.Unlock(); r.events = append(r.events, e) },
	}
	if change != nil {
		change(&options)
	}
	r.runtime = New(options)
	return r
}

func (r *rig) say(format string, args ...any) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

// expect takes what was said since the last time, once everybody is idle.
func (r *rig) expect(want ...string) {
	r.t.Helper()
	synctest.Wait()
	r.lock.Lock()
	defer r.lock.Unlock()
	if strings.Join(r.said, "\n") != strings.Join(want, "\n") {
		r.t.Fatalf("said\n%s\nwanted\n%s", strings.Join(r.said, "\n"), strings.Join(want, "\n"))
	}
	r.said = nil
}

// kinds are the events of a kind.
func (r *rig) kinds(kind EventKind) (found []Event) {
	r.lock.Lock()
	defer r.lock.Unlock()
	for _, e := range r.events {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}

func (r *rig) done(name string) func(*kerr.Error) {
	return func(failure *kerr.Error) {
		if failure != nil {
			r.say("%s: %s", name, failure.Message)
		} else {
			r.say("%s: done", name)
		}
	}
}

// put writes keys and values: "a=1", or "a=" for a tombstone.
func (r *rig) put(name string, pairs ...string) { r.run(name, Result{Records: records(pairs...)}) }

// offer gives an operation to the runtime, by the one way or the other.
func (r *rig) offer(operation func(*table) Result, failed func(*kerr.Error)) {
	if r.serves {
		go r.runtime.Serve(0, operation, failed) // which may wait for an append
		synctest.Wait()
		return
	}
	r.runtime.Run(0, operation, failed)
}

func (r *rig) run(name string, result Result) {
	r.offer(func(*table) Result {
		result.Done = r.done(name)
		return result
	}, func(failure *kerr.Error) { r.say("%s refused: %s", name, failure.Message) })
}

// get reads the whole table.
func (r *rig) get(name string) {
	r.offer(func(m *table) Result {
		var all []string
		for _, key := range slices.Sorted(maps.Keys(m.values)) {
			all = append(all, key+"="+m.values[key])
		}
		return Result{Done: func(failure *kerr.Error) {
			if failure != nil {
				r.say("%s: %s", name, failure.Message)
			} else {
				r.say("%s: %s", name, strings.Join(all, " "))
			}
		}}
	}, func(failure *kerr.Error) { r.say("%s refused: %s", name, failure.Message) })
}

func (r *rig) close() {
	r.t.Helper()
	if err := r.runtime.Close(r.t.Context()); err != nil {
		r.t.Error(err)
	}
	if n := len(r.runtime.living); n > 0 {
		r.t.Errorf("%d shards are left", n)
	}
}

func records(pairs ...string) (all []Record) {
	for _, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		one := Record{Key: []byte(key)}
		if value != "" {
			one.Value = []byte(value)
		}
		all = append(all, one)
	}
	return all
}

// foreign is a batch that no shard wrote.
func foreign(options record.BuilderOptions, all ...Record) record.Batch {
	options.BaseSequence = -1
	if options.ProducerID == 0 {
		options.ProducerID = -1
	}
	builder := record.NewBuilder(options)
	for _, r := range all {
		builder.Append(1, r.Key, r.Value)
	}
	return builder.Build()
}

func marker(producerID int64, commit bool) record.Batch {
	kind := record.ControlAbort
	if commit {
		kind = record.ControlCommit
	}
	return foreign(record.BuilderOptions{ProducerID: producerID, Transactional: true, Control: true},
		Record{Key: []byte{0, 0, 0, byte(kind)}, Value: []byte{0, 0, 0, 0, 0, 0}})
}

var errDisk = errors.New("disk")
