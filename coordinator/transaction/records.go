package transaction

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"ottla/coordinator"
)

const keyVersion int16 = 0

// valueVersion is the version of a value at a level of transaction.version.
func valueVersion(level int16) int16 { return min(level, 1) }

func comparePartitions(a, b Partition) int {
	return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Index, b.Index))
}

// sorted are the partitions in order, each once.
func sorted(partitions []Partition) []Partition {
	all := slices.Clone(partitions)
	slices.SortFunc(all, comparePartitions)
	return slices.Compact(all)
}

func versioned(version int16) []byte { return binary.BigEndian.AppendUint16(nil, uint16(version)) }

func encodeKey(id string) []byte {
	key := NewTransactionLogKey()
	key.TransactionalID = id
	return key.AppendTo(versioned(keyVersion), keyVersion)
}

func tombstone(id string) coordinator.Record { return coordinator.Record{Key: encodeKey(id)} }

// encode is the record of a transaction in Kafka's schema; level is that of
// transaction.version.
func encode(t *Transaction, level int16) coordinator.Record {
	version := valueVersion(level)
	value := NewTransactionLogValue()
	value.ProducerID, value.ProducerEpoch = t.ProducerID, t.Epoch
	value.TransactionTimeoutMs, value.TransactionStatus = t.TimeoutMillis, int8(t.State)
	value.TransactionLastUpdateTimestampMs, value.TransactionStartTimestampMs = t.UpdatedMillis, t.StartedMillis
	if version >= 1 {
		value.PreviousProducerID, value.NextProducerID, value.ClientTransactionVersion = t.PreviousProducerID, t.NextProducerID, t.ClientVersion
	}
	if t.State != Empty {
		value.TransactionPartitions = []TransactionLogValuePartitionsSchema{}
	}
	for _, p := range t.Partitions {
		if n := len(value.TransactionPartitions); n == 0 || value.TransactionPartitions[n-1].Topic != p.Topic {
			value.TransactionPartitions = append(value.TransactionPartitions, TransactionLogValuePartitionsSchema{Topic: p.Topic})
		}
		last := &value.TransactionPartitions[len(value.TransactionPartitions)-1]
		last.PartitionIDs = append(last.PartitionIDs, p.Index)
	}
	return coordinator.Record{Key: encodeKey(t.ID), Value: value.AppendTo(versioned(version), version)}
}

// decodeKey is the transactional id of a record; false for what is no key of ours.
func decodeKey(encoded []byte) (string, bool) {
	key := NewTransactionLogKey()
	if len(encoded) < 2 || binary.BigEndian.Uint16(encoded) != uint16(keyVersion) || key.ReadFrom(encoded[2:], keyVersion) != nil {
		return "", false
	}
	return key.TransactionalID, true
}

// decodeValue is false for what is no value of a known version and state.
func decodeValue(id string, encoded []byte) (*Transaction, bool) {
	if len(encoded) < 2 {
		return nil, false
	}
	version := int16(binary.BigEndian.Uint16(encoded))
	value := NewTransactionLogValue()
	if version < 0 || version > value.MaxVersion() || value.ReadFrom(encoded[2:], version) != nil {
		return nil, false
	}
	state := State(value.TransactionStatus)
	if state < Empty || state >= Dead {
		return nil, false
	}
	t := &Transaction{
		ID: id, ProducerID: value.ProducerID, PreviousProducerID: value.PreviousProducerID, NextProducerID: value.NextProducerID,
		Epoch: value.ProducerEpoch, TimeoutMillis: value.TransactionTimeoutMs, State: state,
		StartedMillis: value.TransactionStartTimestampMs, UpdatedMillis: value.TransactionLastUpdateTimestampMs,
		ClientVersion: value.ClientTransactionVersion,
	}
	if state != Empty {
		var partitions []Partition
		for _, topic := range value.TransactionPartitions {
			for _, index := range topic.PartitionIDs {
				partitions = append(partitions, Partition{strings.Clone(topic.Topic), index})
			}
		}
		t.Partitions = sorted(partitions)
	}
	return t, true
}
