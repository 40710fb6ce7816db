package controller

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/metadata"
)

// The types of election.
const (
	preferredElection int8 = 0
	uncleanElection   int8 = 1
)

// electLeaders decides an ElectLeaders request (v0 to v2): the first replica of
// partitions is to lead (KIP-460), or anyone where nobody does. Of all partitions
// (null) only those are told that need an election. v1 added the type.
func (m *machine) electLeaders(request *kmsg.ElectLeadersRequest) ([]metadata.Record, *kmsg.ElectLeadersResponse) {
	response := request.ResponseKind().(*kmsg.ElectLeadersResponse)
	var records []metadata.Record
	for _, asked := range m.electionTopics(request) {
		topic := kmsg.NewElectLeadersResponseTopic()
		topic.Topic = asked.Topic
		for _, index := range asked.Partitions {
			record, err := m.electLeader(asked.Topic, index, request.ElectionType)
			if err != nil && err.Code == kerr.ElectionNotNeeded && request.Topics == nil {
				continue
			}
			if err == nil && len(records) >= maxRecords {
				err = tooManyRecords()
			}
			partition := kmsg.NewElectLeadersResponseTopicPartition()
			partition.Partition = index
			if err != nil {
				partition.ErrorCode, partition.ErrorMessage = wire(err)
			} else {
				records = append(records, record)
			}
			topic.Partitions = append(topic.Partitions, partition)
		}
		response.Topics = append(response.Topics, topic)
	}
	if request.ElectionType != preferredElection && request.ElectionType != uncleanElection && (request.Topics == nil || len(request.Topics) > 0) {
		response.ErrorCode = kerr.InvalidRequest.Code
	}
	return records, response
}

// electionTopics are the partitions that a request is about.
func (m *machine) electionTopics(request *kmsg.ElectLeadersRequest) []kmsg.ElectLeadersRequestTopic {
	if request.Topics != nil {
		return request.Topics
	}
	if request.ElectionType != preferredElection && request.ElectionType != uncleanElection {
		return nil
	}
	var all []kmsg.ElectLeadersRequestTopic
	for topic := range m.image.Topics() {
		asked := kmsg.NewElectLeadersRequestTopic()
		asked.Topic, asked.Partitions = topic.Name, numbers(len(topic.Partitions))
		all = append(all, asked)
	}
	return all
}

func (m *machine) electLeader(name string, index int32, kind int8) (metadata.Record, *Error) {
	if kind != preferredElection && kind != uncleanElection {
		return nil, failure(kerr.InvalidRequest, "Unknown election type "+decimal(int32(kind)))
	}
	topic, ok := m.image.Topic(name)
	if !ok {
		return nil, failure(kerr.UnknownTopicOrPartition, "No such topic as "+name)
	}
	if index < 0 || int(index) >= len(topic.Partitions) {
		return nil, failure(kerr.UnknownTopicOrPartition, "No such partition as "+name+"-"+decimal(index))
	}
	partition := &topic.Partitions[index]
	switch {
	case kind == preferredElection && len(partition.Replicas) > 0 && partition.Leader == partition.Replicas[0],
		kind == uncleanElection && partition.Leader != metadata.NoLeader:
		return nil, failure(kerr.ElectionNotNeeded, "Leader election not needed for topic partition.")
	}
	settings := m.topicConfig(name)
	record := m.changePartition(topic, index, &settings, func(c *partitionChange) {
		c.preferred, c.unclean = kind == preferredElection, kind == uncleanElection
	})
	if record != nil {
		return record, nil
	}
	if kind == preferredElection {
		return nil, failure(kerr.PreferredLeaderNotAvailable, "The preferred leader was not available.")
	}
	return nil, failure(kerr.EligibleLeadersNotAvailable, "Eligible topic partition leaders are not available.")
}
