package controller

import (
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/metadata"
)

// complete ends a reassignment as soon as it can: the replicas that come are in
// the ISR, and something stays in it when those that go have left.
func (p *partitionChange) complete() {
	if len(p.adding) == 0 && len(p.removing) == 0 {
		return
	}
	isr, replicas := without(p.isr, p.removing), without(p.replicas, p.removing)
	if len(p.removing) > 0 && (len(isr) == 0 || len(replicas) == 0) || !containsAll(isr, p.adding) {
		return
	}
	// Where there are to be fewer replicas, all of them must be in the ISR, or it
	// would shrink for nothing.
	if len(p.adding) < len(p.removing) && !containsAll(isr, replicas) {
		return
	}
	p.isr, p.replicas, p.adding, p.removing = isr, replicas, nil, nil
}

// reassign puts into a change where the replicas are now.
func (p *partitionChange) reassign(change *metadata.PartitionChangeRecord) {
	old := p.partition
	if len(p.replicas) > 0 && p.machine.image.MetadataVersion() >= levelDirectoryIDs {
		directories := make([][16]byte, len(p.replicas))
		for i, id := range p.replicas {
			if id == p.machine.NodeID && p.moved != unassignedDirectory {
				directories[i] = p.moved
			} else if at := slices.Index(old.Replicas, id); at >= 0 && at < len(old.Directories) {
				directories[i] = old.Directories[at]
			} else {
				directories[i] = p.machine.defaultDirectory(id)
			}
		}
		if !slices.Equal(directories, old.Directories) {
			change.Directories = directories
		}
	}
	if len(p.replicas) > 0 && !slices.Equal(p.replicas, old.Replicas) {
		change.Replicas = p.replicas
	}
	if !slices.Equal(p.adding, old.Adding) {
		change.AddingReplicas = orEmpty(p.adding)
	}
	if !slices.Equal(p.removing, old.Removing) {
		change.RemovingReplicas = orEmpty(p.removing)
	}
}

func reassigning(p *metadata.Partition) bool { return len(p.Adding) > 0 || len(p.Removing) > 0 }

// alterPartitionReassignments decides an AlterPartitionReassignments request (v0,
// v1). v1 (KIP-860) can forbid another number of replicas.
func (m *machine) alterPartitionReassignments(request *kmsg.AlterPartitionAssignmentsRequest) ([]metadata.Record, *kmsg.AlterPartitionAssignmentsResponse) {
	response := request.ResponseKind().(*kmsg.AlterPartitionAssignmentsResponse)
	if len(request.Topics) == 0 {
		// Kafka's fields as they are without a word about them.
		response.AllowReplicationFactorChange, response.ErrorMessage = true, new("")
		return nil, response
	}
	response.AllowReplicationFactorChange = request.AllowReplicationFactorChange
	var records []metadata.Record
	for i := range request.Topics {
		asked := &request.Topics[i]
		topic := kmsg.NewAlterPartitionAssignmentsResponseTopic()
		topic.Topic = asked.Topic
		for j := range asked.Partitions {
			partition := kmsg.NewAlterPartitionAssignmentsResponseTopicPartition()
			partition.Partition = asked.Partitions[j].Partition
			record, err := m.alterReassignment(asked.Topic, &asked.Partitions[j], request.AllowReplicationFactorChange)
			if err == nil && record != nil && len(records) >= maxRecords {
				err = tooManyRecords()
			} else if err == nil && record != nil {
				records = append(records, record)
			}
			partition.ErrorCode, partition.ErrorMessage = wire(err)
			topic.Partitions = append(topic.Partitions, partition)
		}
		response.Topics = append(response.Topics, topic)
	}
	return records, response
}

func (m *machine) alterReassignment(name string, asked *kmsg.AlterPartitionAssignmentsRequestTopicPartition, otherCount bool) (metadata.Record, error) {
	topic, ok := m.image.Topic(name)
	if !ok {
		return nil, failure(kerr.UnknownTopicOrPartition, "Unable to find a topic named "+name+".")
	}
	if asked.Partition < 0 || int(asked.Partition) >= len(topic.Partitions) {
		return nil, failure(kerr.UnknownTopicOrPartition, "Unable to find partition "+name+":"+decimal(asked.Partition)+".")
	}
	partition := &topic.Partitions[asked.Partition]
	settings := m.topicConfig(name)
	target, unclean, err := m.targetAssignment(partition, asked, otherCount)
	if err != nil {
		return nil, err
	}
	if unclean && !settings.UncleanLeaderElection {
		return nil, failure(kerr.InvalidReplicaAssignment, "Unable to revert partition assignment for "+name+":"+decimal(asked.Partition)+
			" because it would require an unclean leader election.")
	}
	record := m.changePartition(topic, asked.Partition, &settings, func(c *partitionChange) {
		c.target = target
		c.unclean = c.unclean && asked.Replicas == nil
	})
	if record == nil {
		return nil, nil
	}
	return record, nil
}

// targetAssignment is where a request wants the replicas; without replicas it
// takes back the reassignment under way. unclean tells that records may be lost
// by that.
func (m *machine) targetAssignment(p *metadata.Partition, asked *kmsg.AlterPartitionAssignmentsRequestTopicPartition, otherCount bool) (target *assignment, unclean bool, err error) {
	if asked.Replicas == nil {
		if !reassigning(p) {
			return nil, false, plain(kerr.NoReassignmentInProgress)
		}
		target = &assignment{replicas: without(p.Replicas, p.Adding), isr: without(p.ISR, p.Adding)}
		if len(target.isr) > 0 {
			return target, false, nil
		}
		if len(target.replicas) == 0 {
			return nil, false, failure(kerr.InvalidReplicaAssignment, "Invalid replica assignment: addingReplicas contains all replicas.")
		}
		target.isr = target.replicas[:1:1]
		return target, true, nil
	}
	if err := m.checkReplicas(asked.Replicas, 0); err != nil {
		return nil, false, err
	}
	if count := len(without(union(p.Replicas, p.Adding), p.Removing)); !otherCount && count != len(asked.Replicas) {
		return nil, false, failure(kerr.InvalidReplicationFactor, "The replication factor is changed from "+strconv.Itoa(count)+
			" to "+strconv.Itoa(len(asked.Replicas)))
	}
	removing, adding := without(p.Replicas, asked.Replicas), without(asked.Replicas, p.Replicas)
	slices.Sort(removing)
	slices.Sort(adding)
	target = &assignment{replicas: slices.Concat(asked.Replicas, removing), adding: adding, removing: removing}
	if len(removing) == 0 {
		target.removing = p.Removing
	}
	if len(adding) == 0 {
		target.adding = p.Adding
	}
	return target, false, nil
}

func union(a, b []int32) []int32 {
	return append(slices.Clone(a), without(b, a)...)
}

// ListPartitionReassignments answers a ListPartitionReassignments request (v0):
// the partitions whose replicas come or go, of the topics asked for or of all.
func ListPartitionReassignments(image *metadata.Image, request *kmsg.ListPartitionReassignmentsRequest) *kmsg.ListPartitionReassignmentsResponse {
	response := request.ResponseKind().(*kmsg.ListPartitionReassignmentsResponse)
	add := func(topic *metadata.Topic, partitions []int32) {
		listed := kmsg.NewListPartitionReassignmentsResponseTopic()
		listed.Topic = topic.Name
		for _, index := range partitions {
			if index < 0 || int(index) >= len(topic.Partitions) || !reassigning(&topic.Partitions[index]) {
				continue
			}
			state := &topic.Partitions[index]
			partition := kmsg.NewListPartitionReassignmentsResponseTopicPartition()
			partition.Partition, partition.Replicas = index, state.Replicas
			partition.AddingReplicas, partition.RemovingReplicas = state.Adding, state.Removing
			listed.Partitions = append(listed.Partitions, partition)
		}
		if len(listed.Partitions) > 0 {
			response.Topics = append(response.Topics, listed)
		}
	}
	if request.Topics == nil {
		for topic := range image.Topics() {
			add(topic, numbers(len(topic.Partitions)))
		}
		return response
	}
	for _, asked := range request.Topics {
		if topic, ok := image.Topic(asked.Topic); ok {
			add(topic, asked.Partitions)
		}
	}
	return response
}

func numbers(count int) []int32 {
	list := make([]int32, count)
	for i := range list {
		list[i] = int32(i)
	}
	return list
}
