package controller

import (
	"cmp"
	"slices"

	"ottla/metadata"
)

// supportedFeatures are the levels that this version can work at, of every
// feature that Kafka 4.3 has: what a registration tells.
func supportedFeatures() map[string]metadata.FeatureRange {
	return map[string]metadata.FeatureRange{
		elrFeature:            {Min: 0, Max: 1},
		"group.version":       {Min: 0, Max: 1},
		"kraft.version":       {Min: 0, Max: 1},
		"metadata.version":    {Min: 7, Max: 30},
		"share.version":       {Min: 0, Max: 1},
		"streams.version":     {Min: 0, Max: 1},
		"transaction.version": {Min: 0, Max: 2},
	}
}

func sortedFeatures() []string {
	var names []string
	for name := range supportedFeatures() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// The values of a BrokerRegistrationChangeRecord's flags.
const (
	fenceFlag    int8 = 1
	unfenceFlag  int8 = -1
	shutdownFlag int8 = 1
)

// registerController tells of the node as a controller.
func (m *machine) registerController(registration Registration) []metadata.Record {
	if m.image.MetadataVersion() < levelRegisterController {
		return nil
	}
	record := metadata.NewRegisterControllerRecord()
	record.ControllerID, record.IncarnationID = m.NodeID, registration.IncarnationID
	for _, endpoint := range registration.ControllerEndpoints {
		record.EndPoints = append(record.EndPoints, metadata.RegisterControllerRecordControllerEndpoint{
			Name: endpoint.Name, Host: endpoint.Host, Port: endpoint.Port, SecurityProtocol: endpoint.SecurityProtocol,
		})
	}
	features := supportedFeatures()
	for _, name := range sortedFeatures() {
		record.Features = append(record.Features, metadata.RegisterControllerRecordControllerFeature{
			Name: name, MinSupportedVersion: features[name].Min, MaxSupportedVersion: features[name].Max,
		})
	}
	return []metadata.Record{record}
}

// leaveAfterCrash takes the node out of every ISR where its last registration
// stands in one. After a crash it leaves the ELR too (KIP-966): a write that it
// had promised may not have reached the disk.
func (m *machine) leaveAfterCrash(registration Registration) []metadata.Record {
	broker, ok := m.image.Broker(m.NodeID)
	clean := ok && broker.Epoch == registration.PreviousEpoch
	self := []int32{m.NodeID}
	if m.elrEnabled() && !clean {
		return m.changePartitions(func(p *metadata.Partition) bool {
			return slices.Contains(p.ISR, m.NodeID) || slices.Contains(p.ELR, m.NodeID)
		}, func(c *partitionChange) {
			c.lost = self
			c.acceptable = func(id int32) bool { return id != m.NodeID && m.active(id) }
		})
	}
	return m.changePartitions(m.inISR, func(c *partitionChange) {
		c.without = self
		c.acceptable = func(id int32) bool { return id != m.NodeID && m.active(id) }
	})
}

func (m *machine) inISR(p *metadata.Partition) bool { return slices.Contains(p.ISR, m.NodeID) }

// registerBroker tells of the node as a broker that is fenced.
func (m *machine) registerBroker(registration Registration, epoch int64) []metadata.Record {
	record := metadata.NewRegisterBrokerRecord()
	record.BrokerID, record.IncarnationID, record.BrokerEpoch = m.NodeID, registration.IncarnationID, epoch
	record.Rack, record.Fenced = registration.Rack, true
	for _, endpoint := range registration.Endpoints {
		record.EndPoints = append(record.EndPoints, metadata.RegisterBrokerRecordBrokerEndpoint{
			Name: endpoint.Name, Host: endpoint.Host, Port: endpoint.Port, SecurityProtocol: endpoint.SecurityProtocol,
		})
	}
	features := supportedFeatures()
	for _, name := range sortedFeatures() {
		record.Features = append(record.Features, metadata.RegisterBrokerRecordBrokerFeature{
			Name: name, MinSupportedVersion: features[name].Min, MaxSupportedVersion: features[name].Max,
		})
	}
	if m.image.MetadataVersion() >= levelDirectoryIDs {
		record.LogDirs = slices.SortedFunc(slices.Values(registration.Directories), func(a, b [16]byte) int {
			return cmp.Compare(string(a[:]), string(b[:]))
		})
	}
	return []metadata.Record{record}
}

// unfence opens the node for use and elects it where nobody leads.
func (m *machine) unfence() []metadata.Record {
	broker, ok := m.image.Broker(m.NodeID)
	if !ok || !broker.Fenced {
		return nil
	}
	var records []metadata.Record
	if m.image.MetadataVersion() >= levelCordonedDirectories && broker.CordonedDirectories == nil {
		cordoned := metadata.NewBrokerRegistrationChangeRecord()
		cordoned.BrokerID, cordoned.BrokerEpoch, cordoned.CordonedLogDirs = m.NodeID, broker.Epoch, [][16]byte{}
		records = append(records, cordoned)
	}
	change := metadata.NewBrokerRegistrationChangeRecord()
	change.BrokerID, change.BrokerEpoch, change.Fenced = m.NodeID, broker.Epoch, unfenceFlag
	records = append(records, change)
	return append(records, m.changePartitions(func(p *metadata.Partition) bool {
		return p.Leader == metadata.NoLeader
	}, func(c *partitionChange) {
		c.acceptable = func(id int32) bool { return id == m.NodeID || m.active(id) }
	})...)
}

// beginShutdown marks the node as shutting down and takes its partitions away.
func (m *machine) beginShutdown() []metadata.Record {
	broker, ok := m.image.Broker(m.NodeID)
	if !ok {
		return nil
	}
	var records []metadata.Record
	if !broker.InControlledShutdown {
		change := metadata.NewBrokerRegistrationChangeRecord()
		change.BrokerID, change.BrokerEpoch, change.InControlledShutdown = m.NodeID, broker.Epoch, shutdownFlag
		records = append(records, change)
	}
	return append(records, m.changePartitions(m.inISR, func(c *partitionChange) {
		c.without = []int32{m.NodeID}
		c.acceptable = func(id int32) bool { return id != m.NodeID && m.active(id) }
	})...)
}

// fence closes the node.
func (m *machine) fence() []metadata.Record {
	broker, ok := m.image.Broker(m.NodeID)
	if !ok || broker.Fenced {
		return nil
	}
	change := metadata.NewBrokerRegistrationChangeRecord()
	change.BrokerID, change.BrokerEpoch, change.Fenced = m.NodeID, broker.Epoch, fenceFlag
	return []metadata.Record{change}
}
