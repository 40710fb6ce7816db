package transaction

import (
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/coordinator"
)

// The timers of a machine.
const (
	abortKey  = "abort-timed-out"
	expireKey = "remove-expired"
)

// Host is who does for a machine what a machine cannot. Its methods are called on
// the shard and do not block.
type Host interface {
	// Prepared is told of a transaction that is in the log as prepared: its markers
	// are to be written, and then Complete is to be run.
	Prepared(t Transaction)
	// TimedOut is told of a transaction that is to be aborted with a new producer
	// id at hand: Abort is to be run.
	TimedOut(t Transaction)
	// Level is the finalized level of transaction.version.
	Level() int16
	// Ended is called once, when the shard ends; it waits for what was begun.
	Ended()
}

// lastEpoch is the epoch before the current one, where the same client moved from
// the one to the other (KIP-360). It counts for this producer id and epoch alone.
type lastEpoch struct {
	producerID  int64
	epoch, last int16
}

// Machine is the transactions of one partition of __transaction_state.
//
// Hard state is transactions alone, and only Replay changes it. The last epochs
// are soft: Apache Kafka does not write them either.
type Machine struct {
	config Config
	now    func() time.Time
	timers coordinator.Timers
	host   Host

	transactions map[string]*Transaction
	lastEpochs   map[string]lastEpoch
}

// NewMachine makes a machine without transactions.
func NewMachine(config Config, now func() time.Time, timers coordinator.Timers, host Host) *Machine {
	return &Machine{
		config: config, now: now, timers: timers, host: host,
		transactions: map[string]*Transaction{}, lastEpochs: map[string]lastEpoch{},
	}
}

// Replay implements coordinator.Machine.
func (m *Machine) Replay(replayed coordinator.Replayed) (undo func(), ok bool) {
	id, ok := decodeKey(replayed.Key)
	if !ok {
		return nil, false
	}
	previous := m.transactions[id]
	if replayed.Value == nil {
		if previous == nil {
			return nil, true
		}
		delete(m.transactions, id)
		return func() { m.transactions[id] = previous }, true
	}
	t, ok := decodeValue(id, replayed.Value)
	if !ok {
		return nil, false
	}
	m.transactions[id] = t
	return func() {
		if previous == nil {
			delete(m.transactions, id)
		} else {
			m.transactions[id] = previous
		}
	}, true
}

// ReplayMarker implements coordinator.Machine: this log has no markers.
func (m *Machine) ReplayMarker(int64, int16, bool) {}

// Loaded implements coordinator.Machine: what was prepared is finished.
func (m *Machine) Loaded() {
	for _, t := range m.all() {
		if t.State.prepared() {
			m.host.Prepared(*t)
		}
	}
	m.timers.Schedule(abortKey, m.config.AbortInterval, m.abortTimedOut)
	m.timers.Schedule(expireKey, m.config.ExpireInterval, m.removeExpired)
}

// Unloaded implements coordinator.Machine.
func (m *Machine) Unloaded() { m.host.Ended() }

// all are the transactions by id.
func (m *Machine) all() []*Transaction {
	list := slices.Collect(maps.Values(m.transactions))
	slices.SortFunc(list, func(a, b *Transaction) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return list
}

func (m *Machine) millis() int64 { return m.now().UnixMilli() }

func (m *Machine) record(t *Transaction) coordinator.Record { return encode(t, m.host.Level()) }

// last is the epoch before the transaction's, None where it does not count.
func (m *Machine) last(t *Transaction) int16 {
	if known, ok := m.lastEpochs[t.ID]; ok && known.producerID == t.ProducerID && known.epoch == t.Epoch {
		return known.last
	}
	return None
}

func (m *Machine) setLast(t *Transaction, last int16) {
	if last == None {
		delete(m.lastEpochs, t.ID)
		return
	}
	m.lastEpochs[t.ID] = lastEpoch{t.ProducerID, t.Epoch, last}
}

// write is the result that brings the transaction about; failure and success
// alike are told to done, which may be nil.
func (m *Machine) write(t *Transaction, done func(*kerr.Error)) coordinator.Result {
	return coordinator.Result{Records: []coordinator.Record{m.record(t)}, Done: done}
}

// prepare is the result that ends the transaction: once it is in the log, the
// markers go out.
func (m *Machine) prepare(t *Transaction) coordinator.Result {
	prepared := *t
	return m.write(t, func(failure *kerr.Error) {
		if failure == nil {
			m.host.Prepared(prepared)
		}
	})
}

// ending is the transaction on its way to a commit or an abort. From transaction
// version 2 on the epoch rises with it, and newID follows where none is left.
func (m *Machine) ending(t *Transaction, state State, version int16, newID int64) Transaction {
	now := m.millis()
	next := t.next(state, now)
	next.ClientVersion, next.NextProducerID = version, None
	if t.State.idle() {
		next.StartedMillis = now
	}
	if version < versionBump {
		return next
	}
	if exhausted(t.Epoch) {
		next.NextProducerID = newID
	}
	if t.Epoch < maxEpoch {
		next.Epoch = t.Epoch + 1
	}
	return next
}

// fencing is the abort of an open transaction whose producer is shut out by a
// higher epoch.
func (m *Machine) fencing(t *Transaction, newID int64) Transaction {
	if m.host.Level() >= versionBump {
		next := m.ending(t, PrepareAbort, versionBump, newID)
		// As after an EndTxn, the producer may go on with the epoch that its abort leaves, until another comes (KIP-360).
		m.setLast(&next, t.Epoch)
		return next
	}
	next := m.ending(t, PrepareAbort, 0, None)
	if next.Epoch < maxEpoch {
		next.Epoch++
	}
	return next
}

// fencingNeedsID tells whether fencing needs a producer id at hand.
func (m *Machine) fencingNeedsID(t *Transaction) bool {
	return m.host.Level() >= versionBump && exhausted(t.Epoch)
}

// Complete ends a transaction whose markers are written. It does nothing if the
// transaction is no longer the one that was prepared.
func (m *Machine) Complete(prepared Transaction) coordinator.Result {
	t := m.transactions[prepared.ID]
	if t == nil || t.State != prepared.State || t.ProducerID != prepared.ProducerID || t.Epoch != prepared.Epoch || !t.State.prepared() {
		return coordinator.Result{}
	}
	state := CompleteAbort
	if t.Commit() {
		state = CompleteCommit
	}
	next := t.next(state, m.millis())
	next.Partitions, next.NextProducerID = nil, None
	if t.ClientVersion >= versionBump && t.NextProducerID != None {
		next.ProducerID, next.Epoch = t.NextProducerID, 0
	}
	m.setLast(&next, m.last(t))
	return m.write(&next, nil)
}

// abortTimedOut aborts the transactions that have been open for too long.
func (m *Machine) abortTimedOut() coordinator.Result {
	m.timers.Schedule(abortKey, m.config.AbortInterval, m.abortTimedOut)
	now := m.millis()
	var prepared []Transaction
	result := coordinator.Result{Split: true}
	for _, t := range m.all() {
		if t.State != Ongoing || t.TimeoutMillis == noTimeout || t.StartedMillis+int64(t.TimeoutMillis) >= now {
			continue
		}
		if m.fencingNeedsID(t) {
			m.host.TimedOut(*t)
			continue
		}
		next := m.fencing(t, None)
		prepared = append(prepared, next)
		result.Records = append(result.Records, m.record(&next))
	}
	result.Done = func(failure *kerr.Error) { m.announce(prepared, failure) }
	return result
}

// announce starts the markers of those transactions that are still as prepared:
// of several batches the last ones may have failed.
func (m *Machine) announce(prepared []Transaction, failure *kerr.Error) {
	for _, p := range prepared {
		t := m.transactions[p.ID]
		if failure != nil && (t == nil || t.State != p.State || t.ProducerID != p.ProducerID || t.Epoch != p.Epoch) {
			continue
		}
		m.host.Prepared(p)
	}
}

// Abort aborts one transaction that timed out, unless it has gone on since.
func (m *Machine) Abort(timedOut Transaction, newID int64) coordinator.Result {
	t := m.transactions[timedOut.ID]
	if t == nil || t.State != Ongoing || t.ProducerID != timedOut.ProducerID || t.Epoch != timedOut.Epoch || t.StartedMillis != timedOut.StartedMillis {
		return coordinator.Result{}
	}
	next := m.fencing(t, newID)
	return m.prepare(&next)
}

// removeExpired forgets ids that were not used for long and have no transaction.
func (m *Machine) removeExpired() coordinator.Result {
	m.timers.Schedule(expireKey, m.config.ExpireInterval, m.removeExpired)
	result := coordinator.Result{Split: true}
	before := m.millis() - m.config.IDExpiration.Milliseconds()
	for _, t := range m.all() {
		if t.State.idle() && t.UpdatedMillis <= before {
			delete(m.lastEpochs, t.ID)
			result.Records = append(result.Records, tombstone(t.ID))
		}
	}
	return result
}
