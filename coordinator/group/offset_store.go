package group

import (
	"maps"
	"slices"

	"ottla/coordinator"
)

// offsetStore has offsets by group, topic and partition. Maps in it are never empty.
type offsetStore map[string]map[string]map[int32]offset

func (s offsetStore) get(group, topic string, partition int32) (offset, bool) {
	o, ok := s[group][topic][partition]
	return o, ok
}

func (s offsetStore) put(group, topic string, partition int32, o offset) {
	s.swap(group, topic, partition, o)
}

// swap is get and put in one.
func (s offsetStore) swap(group, topic string, partition int32, o offset) (previous offset, had bool) {
	topics := s[group]
	if topics == nil {
		topics = map[string]map[int32]offset{}
		s[group] = topics
	}
	partitions := topics[topic]
	if partitions == nil {
		partitions = map[int32]offset{}
		topics[topic] = partitions
	}
	previous, had = partitions[partition]
	partitions[partition] = o
	return previous, had
}

func (s offsetStore) remove(group, topic string, partition int32) {
	delete(s[group][topic], partition)
	if len(s[group][topic]) == 0 {
		delete(s[group], topic)
	}
	if len(s[group]) == 0 {
		delete(s, group)
	}
}

// each visits the offsets of a group by topic and partition.
func (s offsetStore) each(group string, visit func(topic string, partition int32, o offset)) {
	topics := s[group]
	for _, topic := range slices.Sorted(maps.Keys(topics)) {
		partitions := topics[topic]
		for _, partition := range slices.Sorted(maps.Keys(partitions)) {
			visit(topic, partition, partitions[partition])
		}
	}
}

// replayOffset folds an offset or its tombstone into the store. An offset of a
// group that is not known makes a simple group: one that only has offsets.
func (m *Machine) replayOffset(group, topic string, partition int32, replayed coordinator.Replayed) (undo func(), ok bool) {
	if replayed.Value == nil {
		return m.replayOffsetTombstone(group, topic, partition), true
	}
	o, ok := decodeOffset(replayed.Offset, replayed.Value)
	if !ok {
		return nil, false
	}
	created := m.groups[group] == nil
	if created {
		m.groups[group] = newClassic(group, m.now())
	}
	store := m.offsets
	if replayed.ProducerID >= 0 {
		store = m.pending[replayed.ProducerID]
		if store == nil {
			store = offsetStore{}
			m.pending[replayed.ProducerID] = store
		}
	}
	previous, had := store.swap(group, topic, partition, o)
	return func() {
		if had {
			store.put(group, topic, partition, previous)
		} else {
			store.remove(group, topic, partition)
		}
		if created {
			delete(m.groups, group)
		}
		m.dropEmptyPending()
	}, true
}

// replayOffsetTombstone forgets the offset, and those that open transactions
// would make of it.
func (m *Machine) replayOffsetTombstone(group, topic string, partition int32) (undo func()) {
	var undos []func()
	forget := func(store offsetStore) {
		if previous, had := store.get(group, topic, partition); had {
			store.remove(group, topic, partition)
			undos = append(undos, func() { store.put(group, topic, partition, previous) })
		}
	}
	forget(m.offsets)
	for producerID, store := range m.pending {
		if _, had := store.get(group, topic, partition); had {
			forget(store)
			undos = append(undos, func() { m.pending[producerID] = store })
		}
	}
	m.dropEmptyPending()
	if len(undos) == 0 {
		return nil
	}
	return func() {
		for _, undo := range undos {
			undo()
		}
	}
}

func (m *Machine) dropEmptyPending() {
	maps.DeleteFunc(m.pending, func(_ int64, store offsetStore) bool { return len(store) == 0 })
}

// ReplayMarker implements coordinator.Machine: the offsets of a transaction that
// committed become the groups', except where a later record was there already.
func (m *Machine) ReplayMarker(producerID int64, _ int16, commit bool) {
	store := m.pending[producerID]
	delete(m.pending, producerID)
	if !commit {
		return
	}
	for group := range store {
		store.each(group, func(topic string, partition int32, o offset) {
			existing, had := m.offsets.get(group, topic, partition)
			if !had || o.recordOffset > existing.recordOffset {
				m.offsets.put(group, topic, partition, o)
			}
		})
	}
}

// open are the offsets that open transactions have for a group; few, or none.
func (m *Machine) open(group string) openOffsets {
	var stores openOffsets
	for _, store := range m.pending {
		if store[group] != nil {
			stores = append(stores, store)
		}
	}
	return stores
}

// openOffsets are the stores of the open transactions of one group.
type openOffsets []offsetStore

// has tells whether one of the transactions has an offset for the partition.
func (o openOffsets) has(group, topic string, partition int32) bool {
	for _, store := range o {
		if _, ok := store.get(group, topic, partition); ok {
			return true
		}
	}
	return false
}

// tombstones are those of every offset of a group, open transactions' included.
func (m *Machine) tombstones(group string, wanted func(topic string, o offset) bool) []coordinator.Record {
	var records []coordinator.Record
	m.offsets.each(group, func(topic string, partition int32, o offset) {
		if wanted(topic, o) {
			records = append(records, offsetTombstone(group, topic, partition))
		}
	})
	written := map[string]map[int32]bool{}
	for _, producerID := range slices.Sorted(maps.Keys(m.pending)) {
		m.pending[producerID].each(group, func(topic string, partition int32, o offset) {
			if _, stored := m.offsets.get(group, topic, partition); stored || written[topic][partition] || !wanted(topic, o) {
				return
			}
			if written[topic] == nil {
				written[topic] = map[int32]bool{}
			}
			written[topic][partition] = true
			records = append(records, offsetTombstone(group, topic, partition))
		})
	}
	return records
}
