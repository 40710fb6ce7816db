package controller

import (
	"slices"

	"ottla/config"
	"ottla/metadata"
)

// partitionChange makes the record of what becomes of one partition when its ISR
// shrinks or a broker comes back (KIP-841, KIP-966).
type partitionChange struct {
	machine   *machine
	topic     *metadata.Topic
	partition *metadata.Partition
	index     int32
	// acceptable tells which brokers may lead.
	acceptable func(id int32) bool
	minISR     int
	// unclean: a leader from outside ISR and ELR is better than none.
	unclean bool
	// preferred: the first replica is to lead, if it can.
	preferred bool
	// without are replicas that leave the ISR; those of lost leave the ELR too,
	// because what they had may be gone.
	without, lost []int32
	// target is where the replicas are to be; nil: where they are.
	target *assignment
	// moved is the directory that this node's replica is in; zero: as before.
	moved [16]byte

	isr, elr []int32
	assignment
}

// assignment is where the replicas of a partition are, and which of them come
// and go while it is reassigned (KIP-455). isr is nil where it stays.
type assignment struct {
	replicas, adding, removing, isr []int32
}

// record is the change, nil where there is none.
func (p *partitionChange) record() *metadata.PartitionChangeRecord {
	old, elrEnabled := p.partition, p.machine.elrEnabled()
	p.assignment = assignment{old.Replicas, old.Adding, old.Removing, nil}
	before := old.ISR
	if p.target != nil {
		p.assignment = *p.target
		if p.target.isr != nil {
			before = p.target.isr
		}
	}
	p.isr = without(without(before, p.without), p.lost)
	p.complete()
	p.elr = p.targetELR(elrEnabled)
	change := metadata.NewPartitionChangeRecord()
	change.TopicID, change.PartitionID = p.topic.ID, p.index
	unclean := p.elect(change, elrEnabled)
	if change.Leader == metadata.NoLeaderChange && !containsAll(p.replicas, old.Replicas) {
		// Who is no replica any more must notice.
		change.Leader = old.Leader
	}
	if unclean || !elrEnabled {
		p.elr = nil
	}
	if !slices.Equal(p.elr, old.ELR) {
		change.EligibleLeaderReplicas = orEmpty(p.elr)
	}
	// Without an ELR the last member of an ISR never leaves it.
	if change.ISR == nil && (len(p.isr) > 0 || elrEnabled) && !slices.Equal(p.isr, old.ISR) {
		change.ISR = orEmpty(p.isr)
	}
	shrinks := change.ISR != nil && !containsAll(change.ISR, old.ISR)
	if change.Leader == metadata.NoLeaderChange && shrinks && p.machine.image.MetadataVersion() < levelShrinkKeepsEpoch {
		change.Leader = old.Leader
	}
	p.rememberLeader(change, elrEnabled)
	p.reassign(change)
	if change.ISR == nil && change.Leader == metadata.NoLeaderChange && change.EligibleLeaderReplicas == nil && change.LastKnownELR == nil &&
		change.Replicas == nil && change.AddingReplicas == nil && change.RemovingReplicas == nil && change.Directories == nil {
		return nil
	}
	return change
}

// targetELR is who could still lead without loss although it is not in the ISR:
// kept while the ISR is smaller than min.insync.replicas.
func (p *partitionChange) targetELR(enabled bool) []int32 {
	if !enabled {
		return p.partition.ELR
	}
	if len(p.isr) >= p.minISR {
		return nil
	}
	var elr []int32
	for _, id := range slices.Concat(p.partition.ELR, p.partition.ISR) {
		if !slices.Contains(p.isr, id) && !slices.Contains(p.lost, id) && !slices.Contains(elr, id) {
			elr = append(elr, id)
		}
	}
	slices.Sort(elr)
	return elr
}

// elect puts a new leader into the change where there must be one, and tells
// whether records may be lost by it.
func (p *partitionChange) elect(change *metadata.PartitionChangeRecord, elrEnabled bool) (unclean bool) {
	leader, unclean := p.findLeader(elrEnabled)
	if leader == p.partition.Leader {
		return false
	}
	if slices.Contains(p.elr, leader) {
		p.isr = []int32{leader}
		p.elr = without(p.elr, p.isr)
	}
	change.Leader = leader
	if unclean {
		change.ISR = []int32{leader}
		if p.partition.LeaderRecoveryState != metadata.LeaderRecovering {
			change.LeaderRecoveryState = metadata.LeaderRecovering
		}
	}
	return unclean
}

func (p *partitionChange) findLeader(elrEnabled bool) (leader int32, unclean bool) {
	eligible := func(id int32) bool {
		return (slices.Contains(p.isr, id) || len(p.isr) == 0 && slices.Contains(p.elr, id)) && p.acceptable(id)
	}
	if p.preferred && len(p.replicas) > 0 && eligible(p.replicas[0]) {
		return p.replicas[0], false
	}
	if eligible(p.partition.Leader) {
		return p.partition.Leader, false
	}
	if i := slices.IndexFunc(p.replicas, eligible); i >= 0 {
		return p.replicas[i], false
	}
	last := p.partition.LastKnownELR
	if elrEnabled && len(p.isr) == 0 && len(p.elr) == 0 && len(last) == 1 && p.acceptable(last[0]) {
		return last[0], true
	}
	if p.unclean {
		if i := slices.IndexFunc(p.replicas, p.acceptable); i >= 0 {
			return p.replicas[i], true
		}
	}
	return metadata.NoLeader, false
}

// rememberLeader keeps the leader that is lost in LastKnownELR, and forgets it
// when there is a leader again.
func (p *partitionChange) rememberLeader(change *metadata.PartitionChangeRecord, elrEnabled bool) {
	switch {
	case !elrEnabled:
	case change.Leader == metadata.NoLeader && len(p.partition.LastKnownELR) == 0:
		change.LastKnownELR = []int32{p.partition.Leader}
	case change.Leader >= 0 && len(p.partition.LastKnownELR) > 0:
		change.LastKnownELR = []int32{}
	}
}

func without(all, gone []int32) []int32 {
	kept := make([]int32, 0, len(all))
	for _, id := range all {
		if !slices.Contains(gone, id) {
			kept = append(kept, id)
		}
	}
	return kept
}

func containsAll(all, wanted []int32) bool {
	for _, id := range wanted {
		if !slices.Contains(all, id) {
			return false
		}
	}
	return true
}

// orEmpty makes nil, which means "no change" in a record, an empty list.
func orEmpty(ids []int32) []int32 {
	if ids == nil {
		return []int32{}
	}
	return ids
}

// changePartitions makes the changes of all partitions that concern a broker.
// concerned tells which do; fill says what happens to one.
func (m *machine) changePartitions(concerned func(*metadata.Partition) bool, fill func(*partitionChange)) []metadata.Record {
	var records []metadata.Record
	for topic := range m.image.Topics() {
		var settings *config.Topic
		for i := range topic.Partitions {
			if !concerned(&topic.Partitions[i]) {
				continue
			}
			if settings == nil {
				settings = new(m.topicConfig(topic.Name))
			}
			if record := m.changePartition(topic, int32(i), settings, fill); record != nil {
				records = append(records, record)
			}
		}
	}
	return records
}

// changePartition makes the change of one partition, nil where there is none.
func (m *machine) changePartition(topic *metadata.Topic, index int32, settings *config.Topic, fill func(*partitionChange)) *metadata.PartitionChangeRecord {
	change := &partitionChange{
		machine: m, topic: topic, partition: &topic.Partitions[index], index: index,
		minISR:  min(int(settings.MinInsyncReplicas), len(topic.Partitions[0].Replicas)),
		unclean: settings.UncleanLeaderElection, acceptable: m.active,
	}
	fill(change)
	mayLead := change.acceptable
	change.acceptable = func(id int32) bool { return mayLead(id) && m.replicaOnline(change.partition, id) }
	return change.record()
}

// replicaOnline tells whether the directory of a replica works.
func (m *machine) replicaOnline(partition *metadata.Partition, id int32) bool {
	broker, ok := m.image.Broker(id)
	i := slices.Index(partition.Replicas, id)
	if !ok || i < 0 || i >= len(partition.Directories) {
		return ok
	}
	return HasOnlineDirectory(broker, partition.Directories[i])
}
