package quorum

import (
	"encoding/binary"
	"errors"
	"fmt"

	"ottla/metadata"
)

// voter is the one voter of the set, as a VotersRecord has it.
type voterSet struct {
	record *metadata.VotersRecord // nil: not known, kraft.version 0
	inLog  bool                   // it stands in the log, not only in the snapshot of a format
}

// loader folds batches into an image. It knows transactions: what stands in one is folded in when it ends, or dropped when it is aborted.
type loader struct {
	nodeID       int32
	delta        *metadata.Delta
	offset       int64 // of the last record seen, control records too; −1: none
	epoch        int32 // of that record
	timestamp    int64 // of the last batch
	kraftVersion int16
	voters       voterSet

	inTransaction bool
	pending       []metadata.Record
	records       int // metadata records seen
}

func newLoader(nodeID int32, clusterID string) *loader {
	return &loader{nodeID: nodeID, delta: metadata.NewDelta(metadata.NewImage(clusterID)), offset: -1}
}

// image is everything folded in so far; the loader takes no more then.
func (l *loader) image() *metadata.Image { return l.delta.Apply(l.offset, l.epoch) }

// replay folds in one record of the log.
func (l *loader) replay(r metadata.Record) error {
	l.records++
	switch r.(type) {
	case *metadata.BeginTransactionRecord:
		if l.inTransaction {
			return errors.New("a transaction begins within another")
		}
		l.inTransaction = true
		return nil
	case *metadata.EndTransactionRecord:
		if !l.inTransaction {
			return errors.New("a transaction ends that did not begin")
		}
		for _, pending := range l.pending {
			if err := l.delta.Replay(pending); err != nil {
				return err
			}
		}
		l.inTransaction, l.pending = false, nil
		return nil
	case *metadata.AbortTransactionRecord:
		if !l.inTransaction {
			return errors.New("a transaction is aborted that did not begin")
		}
		l.inTransaction, l.pending = false, nil
		return nil
	}
	if l.inTransaction {
		l.pending = append(l.pending, r)
		return nil
	}
	return l.delta.Replay(r)
}

// bodyVersion is the version of a control record's body, which its first field tells.
func bodyVersion(body []byte) int16 {
	if len(body) < 2 {
		return -1
	}
	return int16(binary.BigEndian.Uint16(body))
}

// otherVoters is the way out for a directory with other voters.
const otherVoters = "; this is one node of several: go on with Apache Kafka, or make this one the only voter there first (kafka-metadata-quorum.sh remove-controller)"

// control understands one control record of the log; snapshots have two more that their reader understands.
func (l *loader) control(_ int64, kind int16, body []byte) error {
	switch kind {
	case controlLeaderChange:
		var r metadata.LeaderChangeMessage
		if err := r.ReadFrom(body, bodyVersion(body)); err != nil {
			return err
		}
		for _, v := range r.Voters {
			if v.VoterID != l.nodeID {
				return fmt.Errorf("the metadata quorum has voter %d: only %d, this node, may be one"+otherVoters, v.VoterID, l.nodeID)
			}
		}
		return nil
	case controlKRaftVersion:
		var r metadata.KRaftVersionRecord
		if err := r.ReadFrom(body, bodyVersion(body)); err != nil {
			return err
		}
		if r.KRaftVersion < 0 || r.KRaftVersion > 1 {
			return fmt.Errorf("kraft.version %d: 0 and 1 are known", r.KRaftVersion)
		}
		l.kraftVersion = r.KRaftVersion
		return nil
	case controlKRaftVoters:
		r := new(metadata.VotersRecord)
		if err := r.ReadFrom(body, bodyVersion(body)); err != nil {
			return err
		}
		if err := checkVoters(r, l.nodeID); err != nil {
			return err
		}
		l.voters.record = r
		return nil
	}
	return fmt.Errorf("control record of unknown type %d", kind)
}

func checkVoters(r *metadata.VotersRecord, nodeID int32) error {
	if len(r.Voters) != 1 || r.Voters[0].VoterID != nodeID {
		var ids []int32
		for _, v := range r.Voters {
			ids = append(ids, v.VoterID)
		}
		return fmt.Errorf("the metadata quorum has the voters %d: only %d, this node, may be one"+otherVoters, ids, nodeID)
	}
	return nil
}
