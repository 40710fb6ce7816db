// Package group is the coordinator of classic consumer groups and their offsets.
package group

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator"
)

// TopicName is the topic that groups live on.
const TopicName = "__consumer_offsets"

// Config is what server.properties says of groups.
type Config struct {
	MinSessionTimeout      time.Duration // group.min.session.timeout.ms
	MaxSessionTimeout      time.Duration // group.max.session.timeout.ms
	InitialRebalanceDelay  time.Duration // group.initial.rebalance.delay.ms
	MaxSize                int           // group.max.size
	OffsetsRetention       time.Duration // offsets.retention.minutes
	RetentionCheckInterval time.Duration // offsets.retention.check.interval.ms
	OffsetMetadataMaxSize  int           // offset.metadata.max.bytes
	CommitTimeout          time.Duration // offsets.commit.timeout.ms
	LoadBufferSize         int           // offsets.load.buffer.size
	TopicPartitions        int32         // offsets.topic.num.partitions
}

// Topics is what the coordinator asks of the metadata.
type Topics interface {
	// TopicID is the id of an existing topic.
	TopicID(name string) (id [16]byte, ok bool)
	// TopicName is the name of an existing topic.
	TopicName(id [16]byte) (name string, ok bool)
}

// Options are what a Service needs.
type Options struct {
	Config               Config
	Topics               Topics
	Now                  func() time.Time
	NewID                func() [16]byte // random, for member ids
	Translate            func(error) *kerr.Error
	MaxDecompressedBytes int64
	Events               func(coordinator.Event)
}

// RequestContext is who asks.
type RequestContext struct {
	ClientID   string
	ClientHost string // "/127.0.0.1"
}

// Service is the group coordinator of this broker. Every method returns at once;
// reply is called exactly once, later or before the method returns, by any
// goroutine, and must not block.
type Service struct{}

// New makes a coordinator without partitions.
func New(options Options) *Service { return &Service{} }

// Started begins to load a partition of __consumer_offsets that this broker leads now.
func (s *Service) Started(partition, leaderEpoch int32, log coordinator.Log) {}

// Stopped unloads a partition that this broker leads no more.
func (s *Service) Stopped(partition int32) {}

// PartitionFor is the partition of __consumer_offsets that a group lives on.
func (s *Service) PartitionFor(group string) int32 { return 0 }

// SetPartitions tells how many partitions __consumer_offsets has.
func (s *Service) SetPartitions(count int32) {}

// Close unloads everything and waits for what runs.
func (s *Service) Close(ctx context.Context) error { return nil }

// OnTopicsDeleted removes the offsets of topics that are gone.
func (s *Service) OnTopicsDeleted(topics []string) {}

// JoinGroup is v0–v9.
func (s *Service) JoinGroup(c RequestContext, request *kmsg.JoinGroupRequest, reply func(*kmsg.JoinGroupResponse)) {
}

// SyncGroup is v0–v5.
func (s *Service) SyncGroup(c RequestContext, request *kmsg.SyncGroupRequest, reply func(*kmsg.SyncGroupResponse)) {
}

// Heartbeat is v0–v4.
func (s *Service) Heartbeat(request *kmsg.HeartbeatRequest, reply func(*kmsg.HeartbeatResponse)) {}

// LeaveGroup is v0–v5.
func (s *Service) LeaveGroup(request *kmsg.LeaveGroupRequest, reply func(*kmsg.LeaveGroupResponse)) {
}

// OffsetCommit is v2–v10; topics were checked by the caller.
func (s *Service) OffsetCommit(request *kmsg.OffsetCommitRequest, reply func(*kmsg.OffsetCommitResponse)) {
}

// OffsetFetch is v1–v10.
func (s *Service) OffsetFetch(request *kmsg.OffsetFetchRequest, reply func(*kmsg.OffsetFetchResponse)) {
}

// DescribeGroups is v0–v6.
func (s *Service) DescribeGroups(request *kmsg.DescribeGroupsRequest, reply func(*kmsg.DescribeGroupsResponse)) {
}

// ListGroups is v0–v5.
func (s *Service) ListGroups(request *kmsg.ListGroupsRequest, reply func(*kmsg.ListGroupsResponse)) {
}

// DeleteGroups is v0–v2.
func (s *Service) DeleteGroups(request *kmsg.DeleteGroupsRequest, reply func(*kmsg.DeleteGroupsResponse)) {
}

// OffsetDelete is v0.
func (s *Service) OffsetDelete(request *kmsg.OffsetDeleteRequest, reply func(*kmsg.OffsetDeleteResponse)) {
}
