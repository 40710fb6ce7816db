package controller

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/metadata"
)

// CreateAutomatically starts the creation of topics that somebody asked about,
// and does not wait for it. A topic that is being created already, or whose name
// is not allowed, is left out; so is every one while the queue is full, as who
// asked will ask again. How it went is told to Options.Created.
func (c *Controller) CreateAutomatically(topics []string) {
	names := c.claim(topics)
	if len(names) == 0 {
		return
	}
	var response *kmsg.CreateTopicsResponse
	op := &operation{
		decide: func(m *machine) (records []metadata.Record) {
			records, response = m.createTopics(m.automaticRequest(names))
			return records
		},
		finish: func(err error) { c.created(names, response, err) },
	}
	select {
	case <-c.closing:
	case c.queue <- op:
		return
	default:
	}
	c.release(names)
}

// claim keeps those of the topics that nobody is creating.
func (c *Controller) claim(topics []string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for _, name := range topics {
		if ValidateName(name) == nil && !c.creating[name] {
			c.creating[name] = true
			names = append(names, name)
		}
	}
	return names
}

func (c *Controller) release(names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range names {
		delete(c.creating, name)
	}
}

// created tells how an automatic creation went.
func (c *Controller) created(names []string, response *kmsg.CreateTopicsResponse, err error) {
	c.release(names)
	if c.tell == nil {
		return
	}
	if err != nil {
		for _, name := range names {
			c.tell(name, err)
		}
		return
	}
	for i := range response.Topics {
		c.tell(response.Topics[i].Topic, resultError(&response.Topics[i]))
	}
}

// resultError is what a topic's result says, as an error.
func resultError(topic *kmsg.CreateTopicsResponseTopic) error {
	if topic.ErrorCode == 0 {
		return nil
	}
	var code *kerr.Error
	if !errors.As(kerr.ErrorForCode(topic.ErrorCode), &code) {
		code = kerr.UnknownServerError
	}
	return &Error{code, topic.ErrorMessage}
}

// automaticRequest is the request that creates topics as this server would have
// them: its own as Options.Internal says, others by the defaults.
func (m *machine) automaticRequest(names []string) *kmsg.CreateTopicsRequest {
	request := kmsg.NewPtrCreateTopicsRequest()
	request.Version = 2 // nobody reads what later versions tell
	for _, name := range names {
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, -1, -1
		if internal, ok := m.Internal[name]; ok {
			topic.NumPartitions = internal.Partitions
			topic.ReplicationFactor = min(internal.ReplicationFactor, m.brokersInUse())
			for _, key := range sortedKeys(internal.Configs) {
				config := kmsg.NewCreateTopicsRequestTopicConfig()
				config.Name, config.Value = key, new(internal.Configs[key])
				topic.Configs = append(topic.Configs, config)
			}
		}
		request.Topics = append(request.Topics, topic)
	}
	return request
}

// brokersInUse is the number of brokers that can take a replica, at least 1.
func (m *machine) brokersInUse() int16 {
	n := int16(0)
	for broker := range m.image.Brokers() {
		if m.active(broker.ID) {
			n++
		}
	}
	return max(n, 1)
}
