package transaction

import (
	"math"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/coordinator"
)

const (
	maxEpoch  int16 = math.MaxInt16
	noTimeout int32 = math.MaxInt32
)

// NoNewID is given to an operation that has no new producer id at hand. If it
// turns out to need one it answers with needID and changes nothing.
const NoNewID int64 = None

// Init asks for a transactional id's producer id and epoch.
type Init struct {
	ID            string
	TimeoutMillis int32
	// ProducerID and Epoch are what the client has already (KIP-360), both None
	// otherwise.
	ProducerID int64
	Epoch      int16
}

func (i *Init) resumes() bool { return i.ProducerID != None }

// Answer is what an operation tells.
type Answer struct {
	Failure    *kerr.Error
	ProducerID int64
	Epoch      int16
	// NeedID: run it again with a new producer id.
	NeedID bool
}

func refused(failure *kerr.Error) Answer {
	return Answer{Failure: failure, ProducerID: None, Epoch: None}
}

func needID() Answer { return Answer{ProducerID: None, Epoch: None, NeedID: true} }

// InitProducerID makes the client the owner of the transactional id and shuts out
// the one before it. An open transaction is aborted first, and the client is told
// to come again (CONCURRENT_TRANSACTIONS).
func (m *Machine) InitProducerID(request Init, newID int64) (Answer, coordinator.Result) {
	t := m.transactions[request.ID]
	if t == nil {
		if newID == NoNewID {
			return needID(), coordinator.Result{}
		}
		t = &Transaction{
			ID: request.ID, ProducerID: newID, PreviousProducerID: None, NextProducerID: None, Epoch: None,
			State: Empty, StartedMillis: None,
		}
	}
	if request.resumes() && !m.mayResume(t, &request) {
		return refused(kerr.ProducerFenced), coordinator.Result{}
	}
	switch {
	case t.State.prepared():
		return refused(kerr.ConcurrentTransactions), coordinator.Result{}
	case t.State == Ongoing:
		if m.fencingNeedsID(t) && newID == NoNewID {
			return needID(), coordinator.Result{}
		}
		next := m.fencing(t, newID)
		return refused(kerr.ConcurrentTransactions), m.prepare(&next)
	}
	return m.initIdle(t, &request, newID)
}

// mayResume tells whether the producer id that the client has is, or was, the
// one of the transactional id. The epoch is looked at later.
func (m *Machine) mayResume(t *Transaction, request *Init) bool {
	return t.Epoch == None || request.ProducerID == t.ProducerID ||
		request.ProducerID == t.PreviousProducerID && exhausted(request.Epoch)
}

// initIdle gives out the next epoch, or a new producer id when there is none left.
func (m *Machine) initIdle(t *Transaction, request *Init, newID int64) (Answer, coordinator.Result) {
	next := t.next(Empty, m.millis())
	next.TimeoutMillis, next.Partitions, next.StartedMillis = request.TimeoutMillis, nil, None
	last := int16(None)
	switch {
	case exhausted(t.Epoch) && (!request.resumes() || request.Epoch == t.Epoch):
		if newID == NoNewID {
			return needID(), coordinator.Result{}
		}
		next.ProducerID, next.Epoch = newID, 0
		if request.resumes() {
			last = t.Epoch
		}
	case !request.resumes():
		next.Epoch = t.Epoch + 1
	case t.Epoch == None || request.Epoch == t.Epoch:
		next.Epoch, last = t.Epoch+1, t.Epoch
	case m.last(t) != None && request.Epoch == m.last(t):
		last = request.Epoch // sent again: the answer to the first time was lost
	default:
		return refused(kerr.ProducerFenced), coordinator.Result{}
	}
	m.setLast(&next, last)
	return Answer{ProducerID: next.ProducerID, Epoch: next.Epoch}, m.write(&next, nil)
}

// owned finds the transaction that a client's request is about.
func (m *Machine) owned(id string, producerID int64, epoch int16) (*Transaction, *kerr.Error) {
	t := m.transactions[id]
	switch {
	case t == nil || t.ProducerID != producerID:
		return t, kerr.InvalidProducerIDMapping
	case t.Epoch != epoch:
		return t, kerr.ProducerFenced
	case t.State.prepared():
		return t, kerr.ConcurrentTransactions
	}
	return t, nil
}

// AddPartitions makes partitions part of the transaction, which it opens if there
// is none. version is the client's transaction version.
func (m *Machine) AddPartitions(id string, producerID int64, epoch int16, partitions []Partition, version int16) (*kerr.Error, coordinator.Result) {
	t, failure := m.owned(id, producerID, epoch)
	if failure != nil {
		return failure, coordinator.Result{}
	}
	added := sorted(partitions)
	if t.State == Ongoing && t.has(added) {
		return nil, coordinator.Result{}
	}
	next := t.next(Ongoing, m.millis())
	if t.State != Ongoing {
		next.StartedMillis = next.UpdatedMillis
	}
	next.Partitions, next.ClientVersion = sorted(append(added, t.Partitions...)), version
	return nil, m.write(&next, nil)
}

// VerifyPartitions tells for each partition whether it is part of the
// transaction: nil, or TRANSACTION_ABORTABLE. A failure is that of all.
func (m *Machine) VerifyPartitions(id string, producerID int64, epoch int16, partitions []Partition) ([]*kerr.Error, *kerr.Error) {
	t, failure := m.owned(id, producerID, epoch)
	if failure != nil {
		return nil, failure
	}
	verdicts := make([]*kerr.Error, len(partitions))
	for i := range partitions {
		if !t.has(partitions[i : i+1]) {
			verdicts[i] = kerr.TransactionAbortable
		}
	}
	return verdicts, nil
}

// End is a client's wish to end its transaction.
type End struct {
	ID         string
	ProducerID int64
	Epoch      int16
	Commit     bool
	// Version is the client's transaction version: 2 for one whose epoch rises
	// with every transaction.
	Version int16
}

func (e *End) prepare() State {
	if e.Commit {
		return PrepareCommit
	}
	return PrepareAbort
}

// agrees tells whether a state is on the way to what is asked for.
func (e *End) agrees(state State) bool {
	return e.Commit == (state == PrepareCommit || state == CompleteCommit)
}

// EndTxn begins to commit or abort. The answer leaves once that is in the log; the
// markers follow.
//
// A request that is sent again is one that agrees with the state: with version 0
// by the state alone, with version 2 by an epoch that is one behind.
//
//	            version 0           version 2: epoch before   version 2: epoch now
//	Empty       INVALID_TXN_STATE   PRODUCER_FENCED           abort: again; commit: INVALID_TXN_STATE
//	Ongoing     ends                PRODUCER_FENCED           ends
//	Prepare…    agrees: CONCURRENT_TRANSACTIONS, else INVALID_TXN_STATE; version 2 now: PRODUCER_FENCED
//	Complete…   agrees: done, else INVALID_TXN_STATE          abort: again; commit: INVALID_TXN_STATE
func (m *Machine) EndTxn(request End, newID int64) (Answer, coordinator.Result) {
	t := m.transactions[request.ID]
	if t == nil {
		return refused(kerr.InvalidProducerIDMapping), coordinator.Result{}
	}
	if request.Version < versionBump {
		return m.endV0(t, &request)
	}
	overflowed := t.PreviousProducerID == request.ProducerID && request.Epoch == maxEpoch-1 && t.Epoch == 0
	again := overflowed || t.Epoch == request.Epoch+1
	if t.ProducerID != request.ProducerID && !overflowed {
		return refused(kerr.InvalidProducerIDMapping), coordinator.Result{}
	}
	switch {
	case t.State == Ongoing:
		if request.Epoch != t.Epoch {
			return refused(kerr.ProducerFenced), coordinator.Result{}
		}
		return m.end(t, &request, newID)
	case t.State.prepared():
		if t.Epoch != request.Epoch+1 {
			return refused(kerr.ProducerFenced), coordinator.Result{}
		}
		return refused(inTransition(t, &request)), coordinator.Result{}
	case t.State != Empty && again:
		if !request.agrees(t.State) {
			return refused(kerr.InvalidTxnState), coordinator.Result{}
		}
		return Answer{ProducerID: t.ProducerID, Epoch: t.Epoch}, coordinator.Result{}
	case request.Epoch != t.Epoch:
		return refused(kerr.ProducerFenced), coordinator.Result{}
	case request.Commit:
		return refused(kerr.InvalidTxnState), coordinator.Result{}
	}
	return m.end(t, &request, newID)
}

func inTransition(t *Transaction, request *End) *kerr.Error {
	if request.agrees(t.State) {
		return kerr.ConcurrentTransactions
	}
	return kerr.InvalidTxnState
}

func (m *Machine) endV0(t *Transaction, request *End) (Answer, coordinator.Result) {
	switch {
	case t.ProducerID != request.ProducerID:
		return refused(kerr.InvalidProducerIDMapping), coordinator.Result{}
	case t.Epoch != request.Epoch:
		return refused(kerr.ProducerFenced), coordinator.Result{}
	case t.State == Ongoing:
		return m.end(t, request, NoNewID)
	case t.State.prepared():
		return refused(inTransition(t, request)), coordinator.Result{}
	case t.State == Empty || !request.agrees(t.State):
		return refused(kerr.InvalidTxnState), coordinator.Result{}
	}
	return refused(nil), coordinator.Result{}
}

// end writes the beginning of the end. What the client is told is what it will
// have once the transaction is complete.
func (m *Machine) end(t *Transaction, request *End, newID int64) (Answer, coordinator.Result) {
	if request.Version >= versionBump && exhausted(t.Epoch) && newID == NoNewID {
		return needID(), coordinator.Result{}
	}
	next := m.ending(t, request.prepare(), request.Version, newID)
	answer := refused(nil)
	if request.Version >= versionBump {
		m.setLast(&next, t.Epoch)
		answer.ProducerID, answer.Epoch = next.ProducerID, next.Epoch
		if next.NextProducerID != None {
			answer.ProducerID, answer.Epoch = next.NextProducerID, 0
		}
	}
	return answer, m.prepare(&next)
}
