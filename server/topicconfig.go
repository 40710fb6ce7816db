package server

import (
	"strconv"

	"ottla/config"
	"ottla/metadata"
	"ottla/protocol/record"
	"ottla/replica"
	"ottla/storage"
)

// topicConfig is a topic's effective configuration: its own, over what the
// metadata and the file have for the broker.
func (s *Server) topicConfig(topic string, image *metadata.Image) replica.TopicConfig {
	own := image.Config(metadata.ConfigResource{Type: metadata.ResourceTopic, Name: topic})
	effective := s.settings.TopicConfig(dynamicOf(s.settings, image), own)
	return replica.TopicConfig{
		Log:               logConfig(effective),
		Rules:             rules(topic, effective),
		MinInSyncReplicas: int(effective.MinInsyncReplicas),
	}
}

// dynamicOf is what the metadata has for this broker and for all brokers.
func dynamicOf(settings *config.Config, image *metadata.Image) config.Dynamic {
	return config.Dynamic{
		Broker:  image.Config(metadata.ConfigResource{Type: metadata.ResourceBroker, Name: strconv.Itoa(int(settings.NodeID))}),
		Default: image.Config(metadata.ConfigResource{Type: metadata.ResourceBroker}),
	}
}

// logConfig is the part of a topic's configuration that its logs obey.
func logConfig(topic config.Topic) storage.LogConfig {
	return storage.LogConfig{
		SegmentBytes:       topic.SegmentBytes,
		SegmentMs:          topic.SegmentMs,
		SegmentJitterMs:    topic.SegmentJitterMs,
		SegmentIndexBytes:  topic.SegmentIndexBytes,
		IndexIntervalBytes: topic.IndexIntervalBytes,
		RetentionBytes:     topic.RetentionBytes,
		RetentionMs:        topic.RetentionMs,
		FileDeleteDelayMs:  topic.FileDeleteDelayMs,
		FlushMessages:      topic.FlushMessages,
		FlushMs:            topic.FlushMs,
		Preallocate:        topic.Preallocate,
		Delete:             topic.Delete,
		Compact:            topic.Compact,
		MaxMessageBytes:    topic.MaxMessageBytes,
	}
}

// rules is the part of a topic's configuration that records are held against.
func rules(name string, topic config.Topic) record.Rules {
	codec, ok := record.CodecByName(topic.CompressionType)
	if !ok {
		codec = record.CodecProducer
	}
	timestamps := record.CreateTime
	if topic.LogAppendTime {
		timestamps = record.LogAppendTime
	}
	return record.Rules{
		Topic:           name,
		MaxMessageBytes: int(topic.MaxMessageBytes),
		Codec:           codec,
		GzipLevel:       max(topic.GzipLevel, 0), // -1 is the default, which Rules write as 0
		LZ4Level:        topic.Lz4Level,
		ZstdLevel:       topic.ZstdLevel,
		TimestampType:   timestamps,
		BeforeMaxMs:     topic.TimestampBeforeMaxMs,
		AfterMaxMs:      topic.TimestampAfterMaxMs,
		Compacted:       topic.Compact,
	}
}
