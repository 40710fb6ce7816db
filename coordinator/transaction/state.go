package transaction

import (
	"math"
	"slices"
)

// State is where a transactional id is in the life of its transaction.
type State int8

// The states, by the number that the log has for them. Dead and PrepareEpochFence
// are never written: an expired id is removed, and fencing goes straight to
// PrepareAbort. They are here because a log and a filter can name them.
const (
	Empty State = iota
	Ongoing
	PrepareCommit
	PrepareAbort
	CompleteCommit
	CompleteAbort
	Dead
	PrepareEpochFence
	states
)

// String is the state's name in answers.
func (s State) String() string {
	switch s {
	case Empty:
		return "Empty"
	case Ongoing:
		return "Ongoing"
	case PrepareCommit:
		return "PrepareCommit"
	case PrepareAbort:
		return "PrepareAbort"
	case CompleteCommit:
		return "CompleteCommit"
	case CompleteAbort:
		return "CompleteAbort"
	case Dead:
		return "Dead"
	case PrepareEpochFence:
		return "PrepareEpochFence"
	}
	return "Unknown"
}

// stateByName finds a state by its name.
func stateByName(name string) (State, bool) {
	for s := range states {
		if s.String() == name {
			return s, true
		}
	}
	return 0, false
}

// from tells which states may come before a state.
func (s State) from() []State {
	switch s {
	case Empty:
		return []State{Empty, CompleteCommit, CompleteAbort}
	case Ongoing:
		return []State{Ongoing, Empty, CompleteCommit, CompleteAbort}
	case PrepareCommit:
		return []State{Ongoing}
	case PrepareAbort:
		return []State{Ongoing, Empty, CompleteCommit, CompleteAbort}
	case CompleteCommit:
		return []State{PrepareCommit}
	case CompleteAbort:
		return []State{PrepareAbort}
	}
	return nil
}

func (s State) prepared() bool { return s == PrepareCommit || s == PrepareAbort }

// idle tells that no transaction is open or being ended.
func (s State) idle() bool { return s == Empty || s == CompleteCommit || s == CompleteAbort }

// None stands for a producer id, an epoch or a time that is not there.
const None = -1

// versionBump is the transaction version from which on the epoch rises with each
// transaction (KIP-890).
const versionBump int16 = 2

// Partition is one partition of a topic.
type Partition struct {
	Topic string
	Index int32
}

// Transaction is what is known of a transactional id. A value is never changed
// once it is in the machine.
type Transaction struct {
	ID         string
	ProducerID int64
	// PreviousProducerID is the producer id before the last change, None at first.
	PreviousProducerID int64
	// NextProducerID is the producer id that will follow on completion because the
	// epochs of this one are used up; None otherwise.
	NextProducerID int64
	Epoch          int16
	TimeoutMillis  int32
	State          State
	// Partitions are sorted and distinct.
	Partitions []Partition
	// StartedMillis is None without a transaction.
	StartedMillis int64
	UpdatedMillis int64
	// ClientVersion is the transaction version that the client used last.
	ClientVersion int16
}

// Commit tells how a prepared transaction ends.
func (t *Transaction) Commit() bool { return t.State == PrepareCommit }

// exhausted tells that the producer id has no epoch left for a client: the
// greatest is kept for fencing.
func exhausted(epoch int16) bool { return epoch >= math.MaxInt16-1 }

// next is the transaction in another state, for the caller to complete.
func (t *Transaction) next(state State, now int64) Transaction {
	if !slices.Contains(state.from(), t.State) {
		panic("BUG: transaction " + t.ID + " goes from " + t.State.String() + " to " + state.String())
	}
	n := *t
	n.PreviousProducerID, n.State, n.UpdatedMillis = t.ProducerID, state, now
	return n
}

// has tells whether the transaction has all the partitions, which are sorted.
func (t *Transaction) has(partitions []Partition) bool {
	for _, p := range partitions {
		if _, found := slices.BinarySearchFunc(t.Partitions, p, comparePartitions); !found {
			return false
		}
	}
	return true
}
