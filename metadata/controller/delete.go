package controller

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/metadata"
)

// deleteTopics decides a DeleteTopics request (v1 to v6). Up to v5 it gives
// names, from v6 on each of its topics a name or an id.
func (m *machine) deleteTopics(request *kmsg.DeleteTopicsRequest) ([]metadata.Record, *kmsg.DeleteTopicsResponse) {
	response := request.ResponseKind().(*kmsg.DeleteTopicsResponse)
	asked := request.Topics
	if request.Version < 6 {
		asked = nil
		for i := range request.TopicNames {
			asked = append(asked, kmsg.DeleteTopicsRequestTopic{Topic: &request.TopicNames[i]})
		}
	}
	if !m.DeleteTopics {
		refusal := kerr.TopicDeletionDisabled
		if request.Version < 3 {
			refusal = kerr.InvalidRequest
		}
		for _, topic := range asked {
			response.Topics = append(response.Topics, deleted(topic.Topic, topic.TopicID, plain(refusal)))
		}
		return nil, response
	}
	batch := newDeletions(m, asked)
	var records []metadata.Record
	for _, topic := range asked {
		result, record := batch.decide(topic)
		if result != nil {
			response.Topics = append(response.Topics, *result)
		}
		if record != nil {
			records = append(records, record)
		}
	}
	if len(records) > maxRecords {
		response.Topics = nil
		for _, topic := range asked {
			response.Topics = append(response.Topics, deleted(topic.Topic, topic.TopicID, plain(kerr.PolicyViolation)))
		}
		return nil, response
	}
	return records, response
}

func deleted(name *string, id [16]byte, err error) kmsg.DeleteTopicsResponseTopic {
	result := kmsg.NewDeleteTopicsResponseTopic()
	result.Topic, result.TopicID = name, id
	result.ErrorCode, result.ErrorMessage = wire(err)
	return result
}

// deletions knows how often a request names each topic.
type deletions struct {
	machine *machine
	names   map[string]int
	ids     map[[16]byte]int
	// named are the ids of topics that are given by name.
	named map[[16]byte]bool
}

func newDeletions(m *machine, asked []kmsg.DeleteTopicsRequestTopic) *deletions {
	d := &deletions{m, make(map[string]int), make(map[[16]byte]int), make(map[[16]byte]bool)}
	for _, topic := range asked {
		switch zero := topic.TopicID == [16]byte{}; {
		case topic.Topic == nil && !zero:
			d.ids[topic.TopicID]++
		case topic.Topic != nil && zero:
			d.names[*topic.Topic]++
		}
	}
	for name, count := range d.names {
		if topic, ok := m.image.Topic(name); ok && count == 1 {
			d.named[topic.ID] = true
		}
	}
	return d
}

// decide answers for one topic; no result where another entry answers for it.
func (d *deletions) decide(asked kmsg.DeleteTopicsRequestTopic) (*kmsg.DeleteTopicsResponseTopic, metadata.Record) {
	zero := asked.TopicID == [16]byte{}
	refuse := func(err error) (*kmsg.DeleteTopicsResponseTopic, metadata.Record) {
		result := deleted(asked.Topic, asked.TopicID, err)
		return &result, nil
	}
	switch {
	case asked.Topic == nil && zero:
		return refuse(failure(kerr.InvalidRequest, "Neither topic name nor id were specified."))
	case asked.Topic != nil && !zero:
		return refuse(failure(kerr.InvalidRequest, "You may not specify both topic name and topic id."))
	case asked.Topic != nil:
		return d.decideName(*asked.Topic, refuse)
	}
	switch count := d.ids[asked.TopicID]; {
	case count < 0:
		return nil, nil
	case count > 1:
		d.ids[asked.TopicID] = -1
		return refuse(failure(kerr.InvalidRequest, "Duplicate topic id."))
	}
	topic, ok := d.machine.image.TopicByID(asked.TopicID)
	switch {
	case !ok:
		return refuse(defaulted(kerr.UnknownTopicID))
	case d.named[topic.ID]:
		return nil, nil // the name is refused, that is the answer
	}
	result := deleted(&topic.Name, topic.ID, nil)
	return &result, &metadata.RemoveTopicRecord{TopicID: topic.ID}
}

func (d *deletions) decideName(name string, refuse func(error) (*kmsg.DeleteTopicsResponseTopic, metadata.Record)) (*kmsg.DeleteTopicsResponseTopic, metadata.Record) {
	switch count := d.names[name]; {
	case count < 0:
		return nil, nil
	case count > 1:
		d.names[name] = -1
		return refuse(failure(kerr.InvalidRequest, "Duplicate topic name."))
	}
	topic, ok := d.machine.image.Topic(name)
	if !ok {
		return refuse(defaulted(kerr.UnknownTopicOrPartition))
	}
	if d.ids[topic.ID] != 0 {
		result := deleted(&topic.Name, topic.ID, failure(kerr.InvalidRequest, "The provided topic name maps to an ID that was already supplied."))
		return &result, nil
	}
	result := deleted(&topic.Name, topic.ID, nil)
	return &result, &metadata.RemoveTopicRecord{TopicID: topic.ID}
}
