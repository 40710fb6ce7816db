package metadata

import (
	"maps"
	"slices"
)

// Records are the records of a snapshot of the image, in Kafka's order, for a level of metadata.version: features (metadata.version first),
// brokers, controllers, topics with their partitions, configurations, quotas, producer ids, access control entries, SCRAM credentials,
// delegation tokens. Within a kind they are sorted. What the level cannot express is left out. Each is to be written at
// RecordVersion(record, level).
func (i *Image) Records(level int16) []Record {
	var records []Record
	metadataVersion, _ := i.features.get(FeatureMetadataVersion)
	records = append(records, &FeatureLevelRecord{Name: FeatureMetadataVersion, FeatureLevel: level, UnknownTags: metadataVersion.tags})
	for name, f := range i.features.all() {
		if name != FeatureMetadataVersion {
			records = append(records, &FeatureLevelRecord{Name: name, FeatureLevel: f.level, UnknownTags: f.tags})
		}
	}
	for broker := range i.Brokers() {
		records = append(records, broker.record(level))
	}
	for controller := range i.Controllers() {
		if level >= versionRegisterController {
			records = append(records, controller.record())
		}
	}
	records = i.topicRecords(records, level)
	for resource, c := range i.configs.all() {
		for _, name := range slices.Sorted(maps.Keys(c.values)) {
			value := c.values[name]
			records = append(records, &ConfigRecord{
				ResourceType: resource.Type, ResourceName: resource.Name, Name: name, Value: &value, UnknownTags: c.tags[name],
			})
		}
	}
	for quota := range i.Quotas() {
		records = append(records, quota.records()...)
	}
	if i.producerIDs != nil {
		records = append(records, &ProducerIdsRecord{
			BrokerID: -1, BrokerEpoch: -1, NextProducerID: i.producerIDs.NextProducerID, UnknownTags: i.producerIDs.UnknownTags,
		})
	}
	for acl := range i.ACLs() {
		records = append(records, acl)
	}
	for credential := range i.ScramCredentials() {
		if level >= versionScram {
			records = append(records, credential)
		}
	}
	for token := range i.DelegationTokens() {
		if level >= versionDelegationTokens {
			records = append(records, token)
		}
	}
	return records
}

func (i *Image) topicRecords(records []Record, level int16) []Record {
	elr := level >= versionELR && i.Feature(FeatureEligibleLeaderReplicas) >= 1
	for topic := range i.Topics() {
		records = append(records, &TopicRecord{Name: topic.Name, TopicID: topic.ID, UnknownTags: topic.tags})
		for p := range topic.Partitions {
			records = append(records, topic.Partitions[p].record(topic.ID, int32(p), level, elr))
		}
	}
	return records
}
