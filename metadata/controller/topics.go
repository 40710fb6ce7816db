package controller

import (
	"cmp"
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/config"
	"ottla/metadata"
)

// errTooManyRecords says that a topic alone would make more than maxRecords records.
var errTooManyRecords = errors.New("too many records")

// tooManyRecords is the answer to a request that would make more than maxRecords
// records.
func tooManyRecords() *Error {
	return failure(kerr.PolicyViolation, "Unable to perform excessively large batch operation.")
}

// createTopics decides a CreateTopics request (v2 to v7).
func (m *machine) createTopics(request *kmsg.CreateTopicsRequest) ([]metadata.Record, *kmsg.CreateTopicsResponse) {
	response := request.ResponseKind().(*kmsg.CreateTopicsResponse)
	asked := make(map[string]int, len(request.Topics))
	for i := range request.Topics {
		asked[request.Topics[i].Topic]++
	}
	if m.partitionsAsked(request, asked) > maxRecords {
		refusal := failure(kerr.PolicyViolation, "Excessively large number of partitions per request.")
		return nil, refuseTopics(request, response, refusal)
	}
	var records []metadata.Record
	var behind []kmsg.CreateTopicsResponseTopic // Kafka answers these after the others
	for i := range request.Topics {
		topic := &request.Topics[i]
		switch n := asked[topic.Topic]; {
		case n > 1:
			asked[topic.Topic] = 0
			behind = append(behind, refusedTopic(topic.Topic, failure(kerr.InvalidRequest, "Duplicate topic name.")))
		case n == 1 && topic.Topic == ClusterMetadataTopic:
			behind = append(behind, refusedTopic(topic.Topic, failure(kerr.InvalidRequest,
				"Creation of internal topic "+ClusterMetadataTopic+" is prohibited.")))
		case n == 1:
			made, result := m.createTopic(topic, request.Version)
			records = append(records, made...)
			response.Topics = append(response.Topics, result)
		}
		if len(records) > maxRecords {
			return nil, refuseTopics(request, response, tooManyRecords())
		}
	}
	response.Topics = append(response.Topics, behind...)
	if request.ValidateOnly {
		records = nil
	}
	return records, response
}

// partitionsAsked is how many partitions a request would make, counting what
// could be made.
func (m *machine) partitionsAsked(request *kmsg.CreateTopicsRequest, asked map[string]int) int64 {
	total := int64(0)
	for i := range request.Topics {
		topic := &request.Topics[i]
		switch {
		case asked[topic.Topic] > 1 || topic.Topic == ClusterMetadataTopic:
		case len(topic.ReplicaAssignment) > 0:
			total += int64(len(topic.ReplicaAssignment))
		case topic.NumPartitions == -1:
			total += int64(m.NumPartitions)
		case topic.NumPartitions > 0:
			total += int64(topic.NumPartitions)
		}
	}
	return total
}

// refuseTopics answers every topic of a request with one error.
func refuseTopics(request *kmsg.CreateTopicsRequest, response *kmsg.CreateTopicsResponse, refusal error) *kmsg.CreateTopicsResponse {
	response.Topics = nil
	for i := range request.Topics {
		response.Topics = append(response.Topics, refusedTopic(request.Topics[i].Topic, refusal))
	}
	return response
}

func refusedTopic(name string, refusal error) kmsg.CreateTopicsResponseTopic {
	result := kmsg.NewCreateTopicsResponseTopic()
	result.Topic, result.Configs = name, []kmsg.CreateTopicsResponseTopicConfig{}
	result.ErrorCode, result.ErrorMessage = wire(refusal)
	return result
}

// createTopic makes the records of one topic, or a refusal.
func (m *machine) createTopic(topic *kmsg.CreateTopicsRequestTopic, version int16) ([]metadata.Record, kmsg.CreateTopicsResponseTopic) {
	if err := m.checkNewName(topic.Topic); err != nil {
		return nil, refusedTopic(topic.Topic, err)
	}
	configs, err := creationConfigs(topic)
	if err == nil {
		err = m.checkTopicConfigs(nil, configs)
	}
	if err != nil {
		return nil, refusedTopic(topic.Topic, err)
	}
	partitions, err := m.newPartitions(topic)
	if err != nil {
		return nil, refusedTopic(topic.Topic, err)
	}
	id := m.NewTopicID()
	records := []metadata.Record{&metadata.TopicRecord{Name: topic.Topic, TopicID: id}}
	records = append(records, m.configRecords(topic.Topic, configs)...)
	for i, replicas := range partitions {
		records = append(records, m.partitionRecord(id, int32(i), replicas))
	}
	result := kmsg.NewCreateTopicsResponseTopic()
	result.Topic, result.TopicID = topic.Topic, id
	result.NumPartitions, result.ReplicationFactor = int32(len(partitions)), int16(len(partitions[0]))
	if version >= 5 {
		result.Configs = m.createdConfigs(configs)
	}
	return records, result
}

// checkNewName holds a name against the rules and against the topics there are.
func (m *machine) checkNewName(name string) error {
	if _, ok := m.image.Topic(name); ok {
		return failure(kerr.TopicAlreadyExists, "Topic '"+name+"' already exists.")
	}
	if normalized, ok := collisionName(name); ok {
		if others := m.colliding[normalized]; len(others) > 0 {
			return failure(kerr.InvalidTopicException, "Topic '"+name+"' collides with existing topic: "+others[0])
		}
	}
	if err := ValidateName(name); err != nil {
		return err
	}
	return nil
}

// creationConfigs are the configurations that a new topic is to have.
func creationConfigs(topic *kmsg.CreateTopicsRequestTopic) (map[string]string, error) {
	configs := make(map[string]string, len(topic.Configs))
	nulls := ""
	for _, entry := range topic.Configs {
		if entry.Value == nil {
			nulls += "," + entry.Name
			continue
		}
		configs[entry.Name] = *entry.Value
	}
	if nulls != "" {
		return nil, failure(kerr.InvalidConfig, "Null value not supported for topic configs: "+nulls[1:])
	}
	return configs, nil
}

// checkTopicConfigs has the configurations checked that a topic is to have.
func (m *machine) checkTopicConfigs(existing, configs map[string]string) error {
	wanted := make(map[string]*string, len(configs))
	for key, value := range configs {
		wanted[key] = &value
		if lengthInUTF16(value) > maxConfigLength {
			return failure(kerr.InvalidConfig, "The configuration value cannot be added because it exceeds the maximum value size of 32767 bytes.")
		}
	}
	if len(configs) == 0 {
		return nil
	}
	return invalidConfig(m.Configs.ParseTopic(existing, wanted))
}

// configRecords sets the configurations of a new topic.
func (m *machine) configRecords(topic string, configs map[string]string) []metadata.Record {
	var records []metadata.Record
	for _, key := range sortedKeys(configs) {
		records = append(records, configRecord(topicResource(topic), key, new(configs[key])))
	}
	return append(records, m.clearELR(records)...)
}

func sortedKeys(configs map[string]string) []string {
	keys := make([]string, 0, len(configs))
	for key := range configs {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// newPartitions are the replicas of each partition of a new topic.
func (m *machine) newPartitions(topic *kmsg.CreateTopicsRequestTopic) ([][]int32, error) {
	switch {
	case len(topic.ReplicaAssignment) > 0:
		return m.assignedPartitions(topic)
	case topic.ReplicationFactor < -1 || topic.ReplicationFactor == 0:
		return nil, failure(kerr.InvalidReplicationFactor, "Replication factor must be larger than 0, or -1 to use the default value.")
	case topic.NumPartitions < -1 || topic.NumPartitions == 0:
		return nil, failure(kerr.InvalidPartitions, "Number of partitions was set to an invalid non-positive value.")
	}
	count, factor := topic.NumPartitions, topic.ReplicationFactor
	if count == -1 {
		count = m.NumPartitions
	}
	if factor == -1 {
		factor = m.ReplicationFactor
	}
	partitions, err := m.place(0, int(count), int(factor))
	if err != nil {
		return nil, unableToReplicate(int(factor), err.Error())
	}
	for _, replicas := range partitions {
		if len(m.activeOf(replicas)) == 0 {
			return nil, unableToReplicate(int(factor), "All brokers are currently fenced or in controlled shutdown.")
		}
	}
	return partitions, nil
}

func (m *machine) assignedPartitions(topic *kmsg.CreateTopicsRequestTopic) ([][]int32, error) {
	if topic.ReplicationFactor != -1 {
		return nil, failure(kerr.InvalidRequest, "A manual partition assignment was specified, but replication factor was not set to -1.")
	}
	if topic.NumPartitions != -1 {
		return nil, failure(kerr.InvalidRequest, "A manual partition assignment was specified, but numPartitions was not set to -1.")
	}
	assigned := make(map[int32][]int32, len(topic.ReplicaAssignment))
	factor := 0 // 0: none yet
	for _, assignment := range topic.ReplicaAssignment {
		if _, twice := assigned[assignment.Partition]; twice {
			return nil, failure(kerr.InvalidReplicaAssignment,
				"Found multiple manual partition assignments for partition "+decimal(assignment.Partition))
		}
		if err := m.checkAssignment(assignment.Partition, assignment.Replicas, factor); err != nil {
			return nil, err
		}
		factor = len(assignment.Replicas)
		assigned[assignment.Partition] = assignment.Replicas
	}
	partitions := make([][]int32, len(assigned))
	for i := range partitions {
		replicas, ok := assigned[int32(i)]
		if !ok {
			return nil, failure(kerr.InvalidReplicaAssignment, "partitions should be a consecutive 0-based integer sequence")
		}
		partitions[i] = replicas
	}
	return partitions, nil
}

// partitionRecord makes a new partition, led by its first active replica.
func (m *machine) partitionRecord(topic [16]byte, index int32, replicas []int32) *metadata.PartitionRecord {
	isr := m.activeOf(replicas)
	record := metadata.NewPartitionRecord()
	record.TopicID, record.PartitionID = topic, index
	record.Replicas, record.ISR, record.Leader = replicas, isr, isr[0]
	record.LeaderEpoch, record.PartitionEpoch = 0, 0
	if m.image.MetadataVersion() >= levelDirectoryIDs {
		for _, id := range replicas {
			record.Directories = append(record.Directories, m.defaultDirectory(id))
		}
	}
	return record
}

// createdConfigs are what CreateTopics tells of a new topic's configuration.
func (m *machine) createdConfigs(configs map[string]string) []kmsg.CreateTopicsResponseTopicConfig {
	entries := m.Configs.DescribeTopic(m.dynamic(), configs, nil)
	slices.SortFunc(entries, func(a, b config.Entry) int { return cmp.Compare(a.Name, b.Name) })
	told := make([]kmsg.CreateTopicsResponseTopicConfig, len(entries))
	for i, entry := range entries {
		told[i] = kmsg.NewCreateTopicsResponseTopicConfig()
		told[i].Name, told[i].Value, told[i].ReadOnly = entry.Name, entry.Value, entry.ReadOnly
		told[i].Source, told[i].IsSensitive = int8(entry.Source), entry.Sensitive
		if raw, ok := configs[entry.Name]; ok && !entry.Sensitive {
			told[i].Value = &raw // as the client wrote it
		}
	}
	return told
}

// createPartitions decides a CreatePartitions request (v0 to v3).
func (m *machine) createPartitions(request *kmsg.CreatePartitionsRequest) ([]metadata.Record, *kmsg.CreatePartitionsResponse) {
	response := request.ResponseKind().(*kmsg.CreatePartitionsResponse)
	answer := func(topic string, err error) {
		result := kmsg.NewCreatePartitionsResponseTopic()
		result.Topic = topic
		result.ErrorCode, result.ErrorMessage = wire(err)
		response.Topics = append(response.Topics, result)
	}
	asked := make(map[string]int, len(request.Topics))
	for i := range request.Topics {
		if asked[request.Topics[i].Topic]++; asked[request.Topics[i].Topic] == 2 {
			answer(request.Topics[i].Topic, failure(kerr.InvalidRequest, "Duplicate topic name."))
		}
	}
	var records []metadata.Record
	for i := range request.Topics {
		topic := &request.Topics[i]
		if asked[topic.Topic] > 1 {
			continue
		}
		made, err := m.growTopic(topic)
		answer(topic.Topic, err)
		records = append(records, made...)
		if len(records) > maxRecords || errors.Is(err, errTooManyRecords) {
			response.Topics = nil
			for j := range request.Topics {
				answer(request.Topics[j].Topic, tooManyRecords())
			}
			return nil, response
		}
	}
	if request.ValidateOnly {
		records = nil
	}
	return records, response
}

// growTopic makes the records of a topic's new partitions.
func (m *machine) growTopic(asked *kmsg.CreatePartitionsRequestTopic) ([]metadata.Record, error) {
	topic, ok := m.image.Topic(asked.Topic)
	if !ok {
		return nil, plain(kerr.UnknownTopicOrPartition)
	}
	have := int32(len(topic.Partitions))
	switch {
	case asked.Count == have:
		return nil, failure(kerr.InvalidPartitions, "Topic already has "+decimal(have)+" partition(s).")
	case asked.Count < have:
		return nil, failure(kerr.InvalidPartitions, "The topic "+asked.Topic+" currently has "+decimal(have)+" partition(s); "+
			decimal(asked.Count)+" would not be an increase.")
	}
	more := asked.Count - have
	if asked.Assignment != nil && int32(len(asked.Assignment)) != more {
		return nil, failure(kerr.InvalidReplicaAssignment, "Attempted to add "+decimal(more)+" additional partition(s), but only "+
			decimal(int32(len(asked.Assignment)))+" assignment(s) were specified.")
	}
	if more > maxRecords {
		return nil, errTooManyRecords
	}
	factor := len(topic.Partitions[0].Replicas)
	var partitions [][]int32
	if asked.Assignment == nil {
		var err error
		if partitions, err = m.place(int(have), int(more), factor); err != nil {
			return nil, failure(kerr.InvalidReplicationFactor, err.Error())
		}
	}
	for i, assignment := range asked.Assignment {
		if err := m.checkAssignment(have+int32(i), assignment.Replicas, factor); err != nil {
			return nil, err
		}
		partitions = append(partitions, assignment.Replicas)
	}
	var records []metadata.Record
	for i, replicas := range partitions {
		if len(m.activeOf(replicas)) == 0 {
			return nil, unableToReplicate(factor, "All brokers are currently fenced or in controlled shutdown.")
		}
		records = append(records, m.partitionRecord(topic.ID, have+int32(i), replicas))
	}
	return records, nil
}
