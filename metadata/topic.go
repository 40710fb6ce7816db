package metadata

import (
	"fmt"
	"slices"
)

// The values of a record's leader and leader recovery state.
const (
	NoLeader       int32 = -1
	NoLeaderChange int32 = -2

	LeaderRecovered       int8 = 0
	LeaderRecovering      int8 = 1
	NoLeaderRecoverChange int8 = -1
)

// Topic is a topic with all its partitions; the index into Partitions is the partition's number. It must not be changed.
type Topic struct {
	Name       string
	ID         [16]byte
	Partitions []Partition
	tags       []UnknownTag
}

// Partition is the state of one partition. Its slices must not be changed.
type Partition struct {
	Replicas            []int32
	ISR                 []int32
	ELR                 []int32 // eligible leader replicas (KIP-966)
	LastKnownELR        []int32
	Adding              []int32
	Removing            []int32
	Directories         [][16]byte // one for each replica; the zero id means that it is not known
	Leader              int32      // NoLeader if none
	LeaderRecoveryState int8
	LeaderEpoch         int32
	PartitionEpoch      int32
	tags                []UnknownTag
}

// newPartition is the state that a record gives in full.
func newPartition(r *PartitionRecord) (Partition, error) {
	p := Partition{
		Replicas: r.Replicas, ISR: r.ISR, ELR: r.EligibleLeaderReplicas, LastKnownELR: r.LastKnownELR,
		Adding: r.AddingReplicas, Removing: r.RemovingReplicas,
		Leader: r.Leader, LeaderRecoveryState: r.LeaderRecoveryState, LeaderEpoch: r.LeaderEpoch, PartitionEpoch: r.PartitionEpoch,
		tags: r.UnknownTags,
	}
	if err := p.setDirectories(r.Directories); err != nil {
		return p, err
	}
	return p, p.check()
}

// merged is the state after a change. The leader epoch rises with every record that names a leader, the partition epoch with every record.
func (p Partition) merged(r *PartitionChangeRecord) (Partition, error) {
	if r.Replicas != nil {
		p.Replicas = r.Replicas
	}
	if r.ISR != nil {
		p.ISR = r.ISR
	}
	if r.RemovingReplicas != nil {
		p.Removing = r.RemovingReplicas
	}
	if r.AddingReplicas != nil {
		p.Adding = r.AddingReplicas
	}
	if r.EligibleLeaderReplicas != nil {
		p.ELR = r.EligibleLeaderReplicas
	}
	if r.LastKnownELR != nil {
		p.LastKnownELR = r.LastKnownELR
	}
	if r.Leader != NoLeaderChange {
		p.Leader = r.Leader
		p.LeaderEpoch++
	}
	if r.LeaderRecoveryState != NoLeaderRecoverChange {
		p.LeaderRecoveryState = r.LeaderRecoveryState
	}
	p.PartitionEpoch++
	p.tags = mergeTags(p.tags, r.UnknownTags)
	directories := p.Directories
	if r.Directories != nil {
		directories = r.Directories
	}
	if err := p.setDirectories(directories); err != nil {
		return p, err
	}
	return p, p.check()
}

// setDirectories puts directories beside the replicas; where none of them is known, there are as many zero ids as replicas.
func (p *Partition) setDirectories(directories [][16]byte) error {
	if !slices.ContainsFunc(directories, func(id [16]byte) bool { return id != [16]byte{} }) {
		if len(directories) != len(p.Replicas) {
			directories = make([][16]byte, len(p.Replicas))
		}
	}
	if len(directories) != len(p.Replicas) {
		return fmt.Errorf("%d directories for %d replicas", len(directories), len(p.Replicas))
	}
	p.Directories = directories
	return nil
}

func (p *Partition) check() error {
	if p.LeaderRecoveryState != LeaderRecovered && p.LeaderRecoveryState != LeaderRecovering {
		return fmt.Errorf("leader recovery state %d", p.LeaderRecoveryState)
	}
	return nil
}

// withoutELR is the state after a ClearElrRecord; ok is false if there was nothing to clear.
func (p Partition) withoutELR() (cleared Partition, ok bool) {
	if len(p.ELR) == 0 && len(p.LastKnownELR) == 0 {
		return p, false
	}
	p.ELR, p.LastKnownELR = nil, nil
	p.PartitionEpoch++
	return p, true
}

// record is the state in full. With elr false the eligible leader replicas are left out, as Kafka does where the feature is off.
func (p *Partition) record(topicID [16]byte, partition int32, level int16, elr bool) *PartitionRecord {
	r := &PartitionRecord{
		PartitionID: partition, TopicID: topicID, Replicas: p.Replicas, ISR: p.ISR,
		RemovingReplicas: p.Removing, AddingReplicas: p.Adding,
		Leader: p.Leader, LeaderRecoveryState: p.LeaderRecoveryState, LeaderEpoch: p.LeaderEpoch, PartitionEpoch: p.PartitionEpoch,
		UnknownTags: p.tags,
	}
	if level >= versionDirectories {
		r.Directories = p.Directories
	}
	if elr && len(p.ELR) > 0 {
		r.EligibleLeaderReplicas = p.ELR
	}
	if elr && len(p.LastKnownELR) > 0 {
		r.LastKnownELR = p.LastKnownELR
	}
	return r
}

// mergeTags lays the tags of a change over those that are there.
func mergeTags(old, change []UnknownTag) []UnknownTag {
	if len(change) == 0 {
		return old
	}
	merged := slices.DeleteFunc(slices.Clone(old), func(t UnknownTag) bool {
		return slices.ContainsFunc(change, func(c UnknownTag) bool { return c.Tag == t.Tag })
	})
	return append(merged, change...)
}
