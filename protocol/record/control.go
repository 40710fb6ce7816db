package record

import (
	"encoding/binary"
	"fmt"
)

// ControlType is the type of a control record; it is in the record's key.
type ControlType int16

// The control types. A reader ignores the ones that it does not know.
const (
	ControlAbort          ControlType = 0
	ControlCommit         ControlType = 1
	ControlLeaderChange   ControlType = 2
	ControlSnapshotHeader ControlType = 3
	ControlSnapshotFooter ControlType = 4
	ControlKRaftVersion   ControlType = 5
	ControlKRaftVoters    ControlType = 6
)

// EncodeControlKey is the key of a control record: version 0 and the type.
func EncodeControlKey(kind ControlType) []byte {
	return binary.BigEndian.AppendUint16([]byte{0, 0}, uint16(kind))
}

// DecodeControlKey reads the key of a control record. A later version than 0 is
// read as 0, as Kafka reads it. The error wraps ErrCorrupt.
func DecodeControlKey(key []byte) (ControlType, error) {
	if len(key) < 4 {
		return 0, corrupt(fmt.Sprintf("Invalid value size found for control record key. Must have at least 4 bytes, but found only %d", len(key)))
	}
	if version := int16(binary.BigEndian.Uint16(key)); version < 0 {
		return 0, corrupt(fmt.Sprintf("Invalid version found for control record: %d. May indicate data corruption", version))
	}
	return ControlType(binary.BigEndian.Uint16(key[2:])), nil
}

// EndTxnMarker is the value of a commit or abort marker.
type EndTxnMarker struct {
	Version          int16
	CoordinatorEpoch int32
}

// Encode is the marker's value as Kafka writes it: in version 0 if the version is 0.
func (m EndTxnMarker) Encode() []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(nil, uint16(m.Version)), uint32(m.CoordinatorEpoch))
}

// DecodeEndTxnMarker reads the value of a commit or abort marker. What a later
// version has behind the coordinator's epoch is ignored. The error wraps ErrCorrupt.
func DecodeEndTxnMarker(value []byte) (EndTxnMarker, error) {
	if len(value) < 6 {
		return EndTxnMarker{}, corrupt(fmt.Sprintf("End transaction marker of %d bytes", len(value)))
	}
	m := EndTxnMarker{Version: int16(binary.BigEndian.Uint16(value)), CoordinatorEpoch: int32(binary.BigEndian.Uint32(value[2:]))}
	if m.Version < 0 {
		return EndTxnMarker{}, corrupt(fmt.Sprintf("Invalid version found for end transaction marker: %d. May indicate data corruption", m.Version))
	}
	return m, nil
}

// EndTxnBatch is the batch with one marker that ends a producer's transaction.
func EndTxnBatch(timestamp, producerID int64, producerEpoch int16, commit bool, marker EndTxnMarker) Batch {
	kind := ControlAbort
	if commit {
		kind = ControlCommit
	}
	b := NewBuilder(BuilderOptions{
		LeaderEpoch: NoLeaderEpoch, ProducerID: producerID, ProducerEpoch: producerEpoch, BaseSequence: NoSequence,
		Transactional: true, Control: true,
	})
	b.Append(timestamp, EncodeControlKey(kind), marker.Encode())
	return b.Build()
}
