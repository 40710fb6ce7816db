package controller

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/metadata"
)

// unregisterBroker decides an UnregisterBroker request (v0): a broker leaves the
// cluster for good, and its partitions first.
func (m *machine) unregisterBroker(request *kmsg.UnregisterBrokerRequest) ([]metadata.Record, *kmsg.UnregisterBrokerResponse) {
	response := request.ResponseKind().(*kmsg.UnregisterBrokerResponse)
	id := request.BrokerID
	broker, ok := m.image.Broker(id)
	if !ok {
		response.ErrorCode, response.ErrorMessage = wire(failure(kerr.BrokerIDNotRegistered, "Broker ID "+decimal(id)+" is not currently registered"))
		return nil, response
	}
	records := m.changePartitions(func(p *metadata.Partition) bool {
		return slices.Contains(p.ISR, id) || slices.Contains(p.ELR, id)
	}, func(c *partitionChange) {
		c.without = []int32{id}
		c.acceptable = func(other int32) bool { return other != id && m.active(other) }
	})
	return append(records, &metadata.UnregisterBrokerRecord{BrokerID: id, BrokerEpoch: broker.Epoch}), response
}
