package api

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// step is one request of the scenario, asked in each of the versions.
type step struct {
	name     string
	versions []int16
	build    func(version int16, topics map[string][16]byte) kmsg.Request
}

func versions(first, last int16) []int16 {
	var all []int16
	for v := first; v <= last; v++ {
		all = append(all, v)
	}
	return all
}

// fixed is a request that no earlier answer decides.
func fixed[R kmsg.Request](request func() R) func(int16, map[string][16]byte) kmsg.Request {
	return func(int16, map[string][16]byte) kmsg.Request { return request() }
}

func createRequest(validateOnly bool, topics ...kmsg.CreateTopicsRequestTopic) kmsg.Request {
	r := kmsg.NewPtrCreateTopicsRequest()
	r.TimeoutMillis = 30000
	r.ValidateOnly = validateOnly
	r.Topics = topics
	return r
}

func newTopic(name string, partitions int32, replication int16, configs ...string) kmsg.CreateTopicsRequestTopic {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, replication
	for i := 0; i+1 < len(configs); i += 2 {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name = configs[i]
		if configs[i+1] != "null" {
			c.Value = kmsg.StringPtr(configs[i+1])
		}
		t.Configs = append(t.Configs, c)
	}
	return t
}

func assigned(t kmsg.CreateTopicsRequestTopic, assignments map[int32][]int32, order ...int32) kmsg.CreateTopicsRequestTopic {
	for _, p := range order {
		a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		a.Partition, a.Replicas = p, assignments[p]
		t.ReplicaAssignment = append(t.ReplicaAssignment, a)
	}
	return t
}

// create makes steps of one CreateTopics request, once per version, with the
// version in place of %d in the topics' names.
func create(name string, validateOnly bool, topics ...kmsg.CreateTopicsRequestTopic) step {
	return step{name: "create " + name, versions: versions(2, 7), build: func(v int16, _ map[string][16]byte) kmsg.Request {
		named := make([]kmsg.CreateTopicsRequestTopic, len(topics))
		for i, t := range topics {
			named[i] = t
			named[i].Topic = versioned(t.Topic, v)
		}
		return createRequest(validateOnly, named...)
	}}
}

func versioned(name string, v int16) string {
	if len(name) > 1 && name[len(name)-1] == '#' {
		return fmt.Sprintf("%s%d", name[:len(name)-1], v)
	}
	return name
}

func only(v int16, s step) step {
	s.versions = []int16{v}
	return s
}

func metadataOf(names ...string) func() *kmsg.MetadataRequest {
	return func() *kmsg.MetadataRequest {
		r := kmsg.NewPtrMetadataRequest()
		r.Topics = []kmsg.MetadataRequestTopic{}
		for _, name := range names {
			t := kmsg.NewMetadataRequestTopic()
			t.Topic = kmsg.StringPtr(name)
			r.Topics = append(r.Topics, t)
		}
		return r
	}
}

// creating asks for topics, to be created where they are not there.
func creating(names ...string) func() *kmsg.MetadataRequest {
	return func() *kmsg.MetadataRequest {
		r := metadataOf(names...)()
		r.AllowAutoTopicCreation = true
		return r
	}
}

func metadataByID(autoCreate bool, ids func(map[string][16]byte) [][16]byte) func(int16, map[string][16]byte) kmsg.Request {
	return func(_ int16, topics map[string][16]byte) kmsg.Request {
		r := kmsg.NewPtrMetadataRequest()
		r.AllowAutoTopicCreation = autoCreate
		for _, id := range ids(topics) {
			t := kmsg.NewMetadataRequestTopic()
			t.TopicID = id
			r.Topics = append(r.Topics, t)
		}
		return r
	}
}

func alter(validateOnly bool, resources ...kmsg.IncrementalAlterConfigsRequestResource) func() *kmsg.IncrementalAlterConfigsRequest {
	return func() *kmsg.IncrementalAlterConfigsRequest {
		r := kmsg.NewPtrIncrementalAlterConfigsRequest()
		r.ValidateOnly = validateOnly
		r.Resources = resources
		return r
	}
}

// change is one resource of an IncrementalAlterConfigs: operations in threes of
// operation, key and value.
func change(kind kmsg.ConfigResourceType, name string, operations ...any) kmsg.IncrementalAlterConfigsRequestResource {
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kind, name
	for i := 0; i+2 < len(operations); i += 3 {
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		c.Op = kmsg.IncrementalAlterConfigOp(operations[i].(int))
		c.Name = operations[i+1].(string)
		if value, ok := operations[i+2].(string); ok {
			c.Value = kmsg.StringPtr(value)
		}
		r.Configs = append(r.Configs, c)
	}
	return r
}

func describe(synonyms bool, resources ...kmsg.DescribeConfigsRequestResource) func() *kmsg.DescribeConfigsRequest {
	return func() *kmsg.DescribeConfigsRequest {
		r := kmsg.NewPtrDescribeConfigsRequest()
		r.IncludeSynonyms = synonyms
		r.IncludeDocumentation = synonyms
		r.Resources = resources
		return r
	}
}

func configsOf(kind kmsg.ConfigResourceType, name string, keys ...string) kmsg.DescribeConfigsRequestResource {
	r := kmsg.NewDescribeConfigsRequestResource()
	r.ResourceType, r.ResourceName, r.ConfigNames = kind, name, keys
	return r
}

func morePartitions(validateOnly bool, topics ...kmsg.CreatePartitionsRequestTopic) func() *kmsg.CreatePartitionsRequest {
	return func() *kmsg.CreatePartitionsRequest {
		r := kmsg.NewPtrCreatePartitionsRequest()
		r.TimeoutMillis, r.ValidateOnly, r.Topics = 30000, validateOnly, topics
		return r
	}
}

func grow(name string, count int32, assignments ...[]int32) kmsg.CreatePartitionsRequestTopic {
	t := kmsg.NewCreatePartitionsRequestTopic()
	t.Topic, t.Count = name, count
	for _, replicas := range assignments {
		a := kmsg.NewCreatePartitionsRequestTopicAssignment()
		a.Replicas = replicas
		t.Assignment = append(t.Assignment, a)
	}
	return t
}

func deleteNames(names ...string) func(int16, map[string][16]byte) kmsg.Request {
	return func(v int16, _ map[string][16]byte) kmsg.Request {
		r := kmsg.NewPtrDeleteTopicsRequest()
		r.TimeoutMillis = 30000
		for _, name := range names {
			name = versioned(name, v)
			r.TopicNames = append(r.TopicNames, name)
			t := kmsg.NewDeleteTopicsRequestTopic()
			t.Topic = kmsg.StringPtr(name)
			r.Topics = append(r.Topics, t)
		}
		return r
	}
}

// topicOrID is one entry of DeleteTopics 6: an id of "" is zero.
type topicOrID struct{ name, id string }

func deleteEntries(entries ...topicOrID) func(int16, map[string][16]byte) kmsg.Request {
	return func(_ int16, topics map[string][16]byte) kmsg.Request {
		r := kmsg.NewPtrDeleteTopicsRequest()
		r.TimeoutMillis = 30000
		for _, entry := range entries {
			t := kmsg.NewDeleteTopicsRequestTopic()
			if entry.name != "" {
				t.Topic = kmsg.StringPtr(entry.name)
			}
			if entry.id == "unknown" {
				t.TopicID = [16]byte{1, 2, 3}
			} else if entry.id != "" {
				t.TopicID = topics[entry.id]
			}
			r.Topics = append(r.Topics, t)
		}
		return r
	}
}

func describePartitions(limit int32, cursor *kmsg.DescribeTopicPartitionsRequestCursor, names ...string) func() *kmsg.DescribeTopicPartitionsRequest {
	return func() *kmsg.DescribeTopicPartitionsRequest {
		r := kmsg.NewPtrDescribeTopicPartitionsRequest()
		r.ResponsePartitionLimit, r.Cursor = limit, cursor
		for _, name := range names {
			t := kmsg.NewDescribeTopicPartitionsRequestTopic()
			t.Topic = name
			r.Topics = append(r.Topics, t)
		}
		return r
	}
}

func cursorAt(topic string, partition int32) *kmsg.DescribeTopicPartitionsRequestCursor {
	c := kmsg.NewDescribeTopicPartitionsRequestCursor()
	c.Topic, c.Partition = topic, partition
	return &c
}
