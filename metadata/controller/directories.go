package controller

import (
	"context"
	"slices"

	"ottla/metadata"
)

// Placement says in which log directory of this node a partition is.
type Placement struct {
	TopicID   [16]byte
	Partition int32
	Directory [16]byte
}

// AssignDirectories notes where partitions are on this node. Those that the
// metadata does not know, or has there already, are left out.
func (c *Controller) AssignDirectories(ctx context.Context, placements []Placement) error {
	for len(placements) > 0 {
		batch := placements[:min(len(placements), maxRecords)]
		placements = placements[len(batch):]
		if err := c.do(ctx, func(m *machine) []metadata.Record { return m.assignDirectories(batch) }); err != nil {
			return err
		}
	}
	return nil
}

// SetDirectories notes which log directories of this node work, and which of them
// take no new partitions (KIP-858, KIP-1066). Partitions in the others lose their
// leader.
func (c *Controller) SetDirectories(ctx context.Context, online, cordoned [][16]byte) error {
	return c.do(ctx, func(m *machine) []metadata.Record { return m.setDirectories(online, cordoned) })
}

func (m *machine) assignDirectories(placements []Placement) []metadata.Record {
	if m.image.MetadataVersion() < levelDirectoryIDs {
		return nil
	}
	var records []metadata.Record
	for _, placement := range placements {
		topic, ok := m.image.TopicByID(placement.TopicID)
		if !ok || int(placement.Partition) >= len(topic.Partitions) || !slices.Contains(topic.Partitions[placement.Partition].Replicas, m.NodeID) {
			continue
		}
		settings := m.topicConfig(topic.Name)
		record := m.changePartition(topic, placement.Partition, &settings, func(c *partitionChange) {
			c.moved, c.unclean = placement.Directory, false
		})
		if record != nil {
			records = append(records, record)
		}
	}
	return records
}

func (m *machine) setDirectories(online, cordoned [][16]byte) []metadata.Record {
	broker, ok := m.image.Broker(m.NodeID)
	if !ok || m.image.MetadataVersion() < levelDirectoryIDs {
		return nil
	}
	lost := func(directory [16]byte) bool {
		return slices.Contains(broker.Directories, directory) && !slices.Contains(online, directory)
	}
	var records []metadata.Record
	if slices.ContainsFunc(broker.Directories, lost) {
		records = m.changePartitions(func(p *metadata.Partition) bool {
			i := slices.Index(p.Replicas, m.NodeID)
			return m.inISR(p) && i >= 0 && i < len(p.Directories) && lost(p.Directories[i])
		}, func(c *partitionChange) {
			c.without = []int32{m.NodeID}
			c.acceptable = func(id int32) bool { return id != m.NodeID && m.active(id) }
		})
		change := metadata.NewBrokerRegistrationChangeRecord()
		change.BrokerID, change.BrokerEpoch = m.NodeID, broker.Epoch
		change.LogDirs = slices.DeleteFunc(slices.Clone(broker.Directories), lost)
		records = append(records, change)
	}
	if m.image.MetadataVersion() >= levelCordonedDirectories && broker.CordonedDirectories != nil && !sameDirectories(broker.CordonedDirectories, cordoned) {
		change := metadata.NewBrokerRegistrationChangeRecord()
		change.BrokerID, change.BrokerEpoch = m.NodeID, broker.Epoch
		change.CordonedLogDirs = append([][16]byte{}, cordoned...)
		records = append(records, change)
	}
	return records
}

func sameDirectories(a, b [][16]byte) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(id [16]byte) bool { return !slices.Contains(b, id) })
}

// cordonedOff tells whether every log directory of a broker is kept from new
// partitions.
func cordonedOff(broker *metadata.Broker) bool {
	return len(broker.CordonedDirectories) > 0 && !slices.ContainsFunc(broker.Directories, func(id [16]byte) bool {
		return !slices.Contains(broker.CordonedDirectories, id)
	})
}
