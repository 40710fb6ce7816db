package controller

import (
	"strconv"

	"ottla/config"
	"ottla/internal/uuid"
	"ottla/metadata"
)

// Configs knows what topics, groups and brokers may have for configurations.
type Configs interface {
	// ParseGroup checks the configurations a group is to have; the error is a
	// *config.InvalidError.
	ParseGroup(group map[string]*string) error
	// CheckDynamic tells whether this broker (perBroker), or every broker, could
	// take up these configurations while it runs; the error is a
	// *config.InvalidError.
	CheckDynamic(dynamic config.Dynamic, wanted map[string]string, perBroker bool) error
	// ParseTopic checks the configurations a topic is to have; the error is a
	// *config.InvalidError.
	ParseTopic(existing map[string]string, topic map[string]*string) error
	// DescribeTopic gives the entries of a topic with these configurations.
	DescribeTopic(dynamic config.Dynamic, topic map[string]string, keys []string) []config.Entry
	// TopicConfig gives the same, typed.
	TopicConfig(dynamic config.Dynamic, topic map[string]string) config.Topic
}

// Options are what a controller is made of.
type Options struct {
	Quorum Quorum
	NodeID int32
	// Configs checks and describes configurations.
	Configs Configs
	// MinInSyncReplicas is min.insync.replicas of the file.
	MinInSyncReplicas int32
	// KRaftVersion is the level of kraft.version, which is the quorum's.
	KRaftVersion int16
	// NumPartitions and ReplicationFactor are taken where a client gives −1.
	NumPartitions     int32
	ReplicationFactor int16
	// DeleteTopics is delete.topic.enable.
	DeleteTopics bool
	// Internal says how the topics are created that the server writes to.
	Internal map[string]InternalTopic
	// NewTopicID makes ids for topics; nil: random ones.
	NewTopicID func() [16]byte
	// Failed is called once, when the metadata log has failed: the process must
	// end. It must not wait for the controller.
	Failed func(err error)
	// Created is told how the creation of a topic went that a client did not
	// wait for; nil where nobody is interested.
	Created func(topic string, err error)
}

// InternalTopic says how a topic is created that the server writes to.
type InternalTopic struct {
	Partitions int32
	// ReplicationFactor is lowered to the number of brokers there are.
	ReplicationFactor int16
	Configs           map[string]string
}

// FromConfig fills in the options that the node's configuration holds.
func FromConfig(c *config.Config) Options {
	shareSegmentBytes, _ := c.Get("share.coordinator.state.topic.segment.bytes")
	return Options{
		NodeID:            c.NodeID,
		Configs:           c,
		NumPartitions:     c.Topics.NumPartitions,
		ReplicationFactor: c.Topics.DefaultReplicationFactor,
		DeleteTopics:      c.Topics.DeleteEnable,
		MinInSyncReplicas: c.Broker.MinInsyncReplicas,
		Internal: map[string]InternalTopic{
			GroupMetadataTopic: {
				Partitions:        c.Offsets.TopicPartitions,
				ReplicationFactor: c.Offsets.TopicReplicationFactor,
				Configs: map[string]string{
					"cleanup.policy":   "compact",
					"compression.type": "producer",
					"segment.bytes":    strconv.Itoa(int(c.Offsets.TopicSegmentBytes)),
				},
			},
			TransactionStateTopic: {
				Partitions:        c.Txn.TopicPartitions,
				ReplicationFactor: c.Txn.TopicReplicationFactor,
				Configs: map[string]string{
					"cleanup.policy":                 "compact",
					"compression.type":               "uncompressed",
					"min.insync.replicas":            strconv.Itoa(int(c.Txn.TopicMinISR)),
					"segment.bytes":                  strconv.Itoa(int(c.Txn.TopicSegmentBytes)),
					"unclean.leader.election.enable": "false",
				},
			},
			ShareGroupStateTopic: {
				Partitions:        c.Broker.ShareTopicPartitions,
				ReplicationFactor: c.Broker.ShareTopicReplication,
				Configs: map[string]string{
					"cleanup.policy":      "delete",
					"compression.type":    "producer",
					"min.insync.replicas": strconv.Itoa(int(c.Broker.ShareTopicMinISR)),
					"retention.ms":        "-1",
					"segment.bytes":       shareSegmentBytes,
				},
			},
		},
	}
}

// Registration is what a node tells of itself when it starts.
type Registration struct {
	// IncarnationID is new at each start.
	IncarnationID [16]byte
	// Endpoints are what clients are told to dial.
	Endpoints []metadata.Endpoint
	// ControllerEndpoints are the listeners of the controller.
	ControllerEndpoints []metadata.Endpoint
	Rack                *string
	// Directories are the ids of the log directories that work.
	Directories [][16]byte
	// PreviousEpoch is the broker epoch in the marker of the last clean stop, −1
	// without one.
	PreviousEpoch int64
}

func (o *Options) fillIn() {
	if o.NewTopicID == nil {
		o.NewTopicID = uuid.New
	}
}
