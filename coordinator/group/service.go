package group

import (
	"bytes"
	"context"
	"math"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator"
	"ottla/protocol/record"
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
	Codec                  record.Codec  // offsets.topic.compression.codec
	// MetadataVersion is the level that records are written at; nil: the newest.
	MetadataVersion func() int16
}

// DefaultConfig has Apache Kafka's defaults.
func DefaultConfig() Config {
	return Config{
		MinSessionTimeout:      6 * time.Second,
		MaxSessionTimeout:      30 * time.Minute,
		InitialRebalanceDelay:  3 * time.Second,
		MaxSize:                math.MaxInt32,
		OffsetsRetention:       7 * 24 * time.Hour,
		RetentionCheckInterval: 10 * time.Minute,
		OffsetMetadataMaxSize:  4096,
		CommitTimeout:          5 * time.Second,
		LoadBufferSize:         5 << 20,
		TopicPartitions:        50,
	}
}

// Options are what a Service needs.
type Options struct {
	Config Config
	Now    func() time.Time
	// NewID gives 16 random bytes, for member ids.
	NewID func() [16]byte
	// Translate gives the answer for an error of a log that is no *kerr.Error.
	Translate func(error) *kerr.Error
	// Limits bound what unpacking a batch may use while loading.
	Limits record.Limits
	Events func(coordinator.Event)
}

// RequestContext is who asks.
type RequestContext struct {
	ClientID   string
	ClientHost string // "/127.0.0.1"
}

// DeletedTopic is a topic that is gone.
type DeletedTopic struct {
	Name string
	ID   [16]byte
}

// Service is the group coordinator of this broker. Requests are copied where they
// hold slices of a frame, and must not be changed afterwards. A method waits for a
// write to its log at most; reply is called exactly once, later or before the method returns, by any
// goroutine, and must not block.
type Service struct {
	config  Config
	runtime *coordinator.Runtime[*Machine]

	lock       sync.RWMutex
	partitions int32
	closed     bool
}

// New makes a coordinator without partitions.
func New(options Options) *Service {
	return &Service{
		config:     options.Config,
		partitions: max(options.Config.TopicPartitions, 1),
		runtime: coordinator.New(coordinator.Options[*Machine]{
			New: func(_ int32, timers coordinator.Timers) *Machine {
				return NewMachine(options.Config, options.Now, options.NewID, timers)
			},
			Now: options.Now, Translate: options.Translate, CommitTimeout: options.Config.CommitTimeout,
			LoadBytes: options.Config.LoadBufferSize, Codec: options.Config.Codec,
			Limits: options.Limits, Events: options.Events,
		}),
	}
}

// Started begins to load a partition of __consumer_offsets that this broker leads now.
func (s *Service) Started(partition, leaderEpoch int32, log coordinator.Log) {
	s.runtime.Start(partition, leaderEpoch, log)
}

// Stopped unloads a partition that this broker leads no more since the leader
// epoch; −1 unloads it in any case (its topic is gone).
func (s *Service) Stopped(partition, leaderEpoch int32) {
	s.runtime.Stop(partition, leaderEpoch)
}

// SetPartitions tells how many partitions __consumer_offsets has.
func (s *Service) SetPartitions(count int32) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.partitions = max(count, 1)
}

// PartitionFor is the partition of __consumer_offsets that a group lives on.
func (s *Service) PartitionFor(group string) int32 {
	s.lock.RLock()
	defer s.lock.RUnlock()
	hash := javaHash(group)
	switch {
	case hash == math.MinInt32:
		hash = 0
	case hash < 0:
		hash = -hash
	}
	return hash % s.partitions
}

// Close unloads everything and waits for what runs until ctx ends. Requests are
// then answered COORDINATOR_NOT_AVAILABLE.
func (s *Service) Close(ctx context.Context) error {
	s.lock.Lock()
	s.closed = true
	s.lock.Unlock()
	return s.runtime.Close(ctx)
}

// active is the error of a coordinator that is closed.
func (s *Service) active() *kerr.Error {
	s.lock.RLock()
	defer s.lock.RUnlock()
	if s.closed {
		return kerr.CoordinatorNotAvailable
	}
	return nil
}

// admit is the error of a request that needs a group's name.
func (s *Service) admit(group string) *kerr.Error {
	if failure := s.active(); failure != nil {
		return failure
	}
	if group == "" {
		return kerr.InvalidGroupID
	}
	return nil
}

// run runs an operation on the group's shard, on this goroutine if nobody else does. failed is told what a failure means to a client.
func (s *Service) run(group string, operation func(*Machine) coordinator.Result, failed func(*kerr.Error)) {
	s.runtime.Serve(s.PartitionFor(group), operation, func(failure *kerr.Error) { failed(storeError(failure)) })
}

// answering adds to a result what is to be called when it is committed.
func answering(result coordinator.Result, done func(), failed func(*kerr.Error)) coordinator.Result {
	inner := result.Done
	result.Done = func(failure *kerr.Error) {
		if inner != nil {
			inner(failure)
		}
		if failure != nil {
			failed(storeError(failure))
			return
		}
		done()
	}
	return result
}

// TopicsDeleted removes the offsets of topics that are gone.
func (s *Service) TopicsDeleted(topics []DeletedTopic) {
	for _, partition := range s.runtime.Partitions() {
		s.runtime.Run(partition, func(m *Machine) coordinator.Result { return m.TopicsDeleted(topics) }, func(*kerr.Error) {})
	}
}

// JoinGroup answers v0 to v9.
func (s *Service) JoinGroup(c RequestContext, request *kmsg.JoinGroupRequest, reply func(*kmsg.JoinGroupResponse)) {
	answer := func(response *kmsg.JoinGroupResponse) {
		response.Version = request.Version
		// "No protocol" is an empty name before v7 and null from then on.
		if response.Version < 7 && response.Protocol == nil {
			response.Protocol = kmsg.StringPtr("")
		} else if response.Version >= 7 && response.Protocol != nil && *response.Protocol == "" {
			response.Protocol = nil
		}
		reply(response)
	}
	failure := s.admit(request.Group)
	session := milliseconds(request.SessionTimeoutMillis)
	if failure == nil && (session < s.config.MinSessionTimeout || session > s.config.MaxSessionTimeout) {
		failure = kerr.InvalidSessionTimeout
	}
	if failure != nil {
		answer(joinError(request.MemberID, failure))
		return
	}
	for i := range request.Protocols {
		request.Protocols[i].Metadata = bytes.Clone(request.Protocols[i].Metadata)
	}
	s.run(request.Group,
		func(m *Machine) coordinator.Result { return m.JoinGroup(c, request, answer) },
		func(failure *kerr.Error) { answer(joinError("", failure)) })
}

// SyncGroup answers v0 to v5.
func (s *Service) SyncGroup(request *kmsg.SyncGroupRequest, reply func(*kmsg.SyncGroupResponse)) {
	answer := func(response *kmsg.SyncGroupResponse) {
		response.Version = request.Version
		response.MemberAssignment = notNil(response.MemberAssignment)
		reply(response)
	}
	failed := func(failure *kerr.Error) { answer(syncError(failure)) }
	switch {
	case request.Version >= 5 && (request.ProtocolType == nil || request.Protocol == nil):
		failed(kerr.InconsistentGroupProtocol)
	case s.admit(request.Group) != nil:
		failed(s.admit(request.Group))
	default:
		for i := range request.GroupAssignment {
			request.GroupAssignment[i].MemberAssignment = bytes.Clone(request.GroupAssignment[i].MemberAssignment)
		}
		s.run(request.Group, func(m *Machine) coordinator.Result { return m.SyncGroup(request, answer) }, failed)
	}
}

// Heartbeat answers v0 to v4. While the group loads, its members are told that all is well.
func (s *Service) Heartbeat(request *kmsg.HeartbeatRequest, reply func(*kmsg.HeartbeatResponse)) {
	answer := func(failure *kerr.Error) {
		response := request.ResponseKind().(*kmsg.HeartbeatResponse)
		if failure != nil && failure != kerr.CoordinatorLoadInProgress {
			response.ErrorCode = failure.Code
		}
		reply(response)
	}
	if failure := s.admit(request.Group); failure != nil {
		answer(failure)
		return
	}
	s.run(request.Group, func(m *Machine) coordinator.Result {
		failure := m.Heartbeat(request)
		return answering(coordinator.Result{}, func() { answer(failure) }, answer)
	}, answer)
}

// LeaveGroup answers v0 to v5.
func (s *Service) LeaveGroup(request *kmsg.LeaveGroupRequest, reply func(*kmsg.LeaveGroupResponse)) {
	answer := func(response *kmsg.LeaveGroupResponse) {
		response.Version = request.Version
		reply(response)
	}
	failed := func(failure *kerr.Error) {
		response := kmsg.NewPtrLeaveGroupResponse()
		response.ErrorCode = failure.Code
		answer(response)
	}
	if failure := s.admit(request.Group); failure != nil {
		failed(failure)
		return
	}
	s.run(request.Group, func(m *Machine) coordinator.Result {
		response, result := m.LeaveGroup(request)
		return answering(result, func() { answer(response) }, failed)
	}, failed)
}

// OffsetCommit answers v2 to v10 for topics that exist: each has its name and its id.
func (s *Service) OffsetCommit(request *kmsg.OffsetCommitRequest, reply func(*kmsg.OffsetCommitResponse)) {
	answer := func(response *kmsg.OffsetCommitResponse) {
		response.Version = request.Version
		reply(response)
	}
	failed := func(failure *kerr.Error) { answer(commitError(request, failure)) }
	if failure := s.active(); failure != nil {
		failed(failure)
		return
	}
	s.run(request.Group, func(m *Machine) coordinator.Result {
		response, result, failure := m.OffsetCommit(request)
		if failure != nil {
			response = commitError(request, failure)
		}
		return answering(result, func() { answer(response) }, failed)
	}, failed)
}

// commitError gives every partition of a request the error.
func commitError(request *kmsg.OffsetCommitRequest, failure *kerr.Error) *kmsg.OffsetCommitResponse {
	response := kmsg.NewPtrOffsetCommitResponse()
	for _, topic := range request.Topics {
		answer := kmsg.NewOffsetCommitResponseTopic()
		answer.Topic, answer.TopicID = topic.Topic, topic.TopicID
		for _, p := range topic.Partitions {
			failed := kmsg.NewOffsetCommitResponseTopicPartition()
			failed.Partition, failed.ErrorCode = p.Partition, failure.Code
			answer.Partitions = append(answer.Partitions, failed)
		}
		response.Topics = append(response.Topics, answer)
	}
	return response
}

// OffsetFetch answers for one group of a request of any version; nil topics are
// all, otherwise each has its name.
func (s *Service) OffsetFetch(request *kmsg.OffsetFetchRequestGroup, requireStable bool, reply func(*kmsg.OffsetFetchResponseGroup)) {
	failed := func(failure *kerr.Error) {
		// Clients before 3.9 do not expect COORDINATOR_NOT_AVAILABLE here.
		if failure == kerr.CoordinatorNotAvailable && s.active() == nil {
			failure = kerr.NotCoordinator
		}
		response := kmsg.NewOffsetFetchResponseGroup()
		response.Group, response.ErrorCode = request.Group, failure.Code
		reply(&response)
	}
	if failure := s.active(); failure != nil {
		failed(failure)
		return
	}
	s.run(request.Group, func(m *Machine) coordinator.Result {
		response := m.OffsetFetch(request, requireStable)
		return answering(coordinator.Result{}, func() { reply(response) }, failed)
	}, failed)
}

// OffsetDelete answers v0.
func (s *Service) OffsetDelete(request *kmsg.OffsetDeleteRequest, reply func(*kmsg.OffsetDeleteResponse)) {
	failed := func(failure *kerr.Error) {
		response := kmsg.NewPtrOffsetDeleteResponse()
		response.ErrorCode = failure.Code
		reply(response)
	}
	if failure := s.admit(request.Group); failure != nil {
		failed(failure)
		return
	}
	s.run(request.Group, func(m *Machine) coordinator.Result {
		response, result := m.OffsetDelete(request)
		return answering(result, func() { reply(response) }, failed)
	}, failed)
}
