package config

import (
	"math"
	"slices"
	"strings"
	"time"
)

// value returns the value of a key of the table, nil if it has none.
func (c *Config) value(key string) any {
	if _, ok := Brokers().Lookup(key); !ok {
		panic("BUG: no such key: " + key)
	}
	return c.source.values[key]
}

func (c *Config) bool(key string) bool { return c.value(key).(bool) }

func (c *Config) int64(key string) int64 { return c.value(key).(int64) }

func (c *Config) int32(key string) int32 { return int32(c.int64(key)) } //nolint:gosec // parsed as 32 bits

func (c *Config) int16(key string) int16 { return int16(c.int64(key)) } //nolint:gosec // clamped or parsed as 16 bits

func (c *Config) int(key string) int { return int(c.int64(key)) }

func (c *Config) float(key string) float64 { return c.value(key).(float64) }

// list is nil where the key has no value.
func (c *Config) list(key string) []string {
	list, _ := c.value(key).([]string)
	return list
}

func (c *Config) text(key string) string {
	text, _ := c.value(key).(string)
	return text
}

// milliseconds stops at the longest time.Duration: Kafka's "never" is Long.MAX_VALUE.
func milliseconds(n int64) time.Duration { return units(n, time.Millisecond) }

func units(n int64, unit time.Duration) time.Duration {
	switch limit := math.MaxInt64 / int64(unit); {
	case n > limit:
		return math.MaxInt64
	case n < -limit:
		return math.MinInt64
	}
	return time.Duration(n) * unit
}

func (c *Config) ms(key string) time.Duration { return milliseconds(c.int64(key)) }

// first is the value of the first key, or that of the second in its unit of milliseconds.
func (c *Config) first(key, otherwise string, unit int64) int64 {
	if n, ok := c.value(key).(int64); ok {
		return n
	}
	return c.int64(otherwise) * unit
}

// retentionMs is log.retention.* in milliseconds; any negative number is -1, no limit.
func (c *Config) retentionMs() int64 {
	ms, ok := c.value("log.retention.ms").(int64)
	if !ok {
		ms = c.first("log.retention.minutes", "log.retention.hours", 60) * 60000
	}
	return max(ms, -1)
}

// fill copies the values into the fields.
func (c *Config) fill() {
	c.NodeID, c.Rack = c.int32("node.id"), c.text("broker.rack")
	c.MetadataLogDir = c.text("metadata.log.dir")
	if c.MetadataLogDir == "" {
		c.MetadataLogDir = c.LogDirs[0]
	}
	c.fillQuorum()
	c.fillSocket()
	c.fillLog()
	c.fillGroup()
	c.fillInternalTopics()
	c.Broker.fill(c)
	c.Topics = TopicCreation{
		AutoCreate: c.bool("auto.create.topics.enable"), DeleteEnable: c.bool("delete.topic.enable"),
		NumPartitions: c.int32("num.partitions"), DefaultReplicationFactor: c.int16("default.replication.factor"),
	}
}

func (c *Config) fillQuorum() {
	q := &c.Quorum
	q.ElectionTimeout, q.FetchTimeout = c.ms("controller.quorum.election.timeout.ms"), c.ms("controller.quorum.fetch.timeout.ms")
	q.RequestTimeout, q.RetryBackoff = c.ms("controller.quorum.request.timeout.ms"), c.ms("controller.quorum.retry.backoff.ms")
	q.ElectionBackoffMax, q.AppendLinger = c.ms("controller.quorum.election.backoff.max.ms"), c.ms("controller.quorum.append.linger.ms")
	q.FetchMaxBytes, q.SnapshotMaxBytes = c.int32("controller.quorum.fetch.max.bytes"), c.int32("controller.quorum.fetch.snapshot.max.bytes")
	q.AutoJoin = c.bool("controller.quorum.auto.join.enable")
	segment, _ := c.value("internal.metadata.log.segment.bytes").(int64)
	c.Metadata = Metadata{
		SegmentBytes: c.int32("metadata.log.segment.bytes"), InternalSegmentBytes: int32(segment), //nolint:gosec // parsed as 32 bits
		SegmentMs: c.int64("metadata.log.segment.ms"), RetentionBytes: c.int64("metadata.max.retention.bytes"),
		RetentionMs:                c.int64("metadata.max.retention.ms"),
		MaxBytesBetweenSnapshots:   c.int64("metadata.log.max.record.bytes.between.snapshots"),
		MaxSnapshotInterval:        c.ms("metadata.log.max.snapshot.interval.ms"),
		MaxIdleInterval:            c.ms("metadata.max.idle.interval.ms"),
		MaxBatchSizeBytes:          c.int32("internal.metadata.max.batch.size.in.bytes"),
		FileDeleteDelay:            c.ms("internal.metadata.delete.delay.millis"),
		InitialRegistrationTimeout: c.ms("initial.broker.registration.timeout.ms"),
		BrokerHeartbeatInterval:    c.ms("broker.heartbeat.interval.ms"), BrokerSessionTimeout: c.ms("broker.session.timeout.ms"),
		ServerMaxStartup:      c.ms("server.max.startup.time.ms"),
		LeaderImbalanceCheck:  units(c.int64("leader.imbalance.check.interval.seconds"), time.Second),
		AutoLeaderRebalance:   c.bool("auto.leader.rebalance.enable"),
		UncleanLeaderElection: c.bool("unclean.leader.election.enable"), UncleanLeaderElectionCheck: c.ms("unclean.leader.election.interval.ms"),
		UnstableAPIVersions: c.bool("unstable.api.versions.enable"), UnstableFeatureVersions: c.bool("unstable.feature.versions.enable"),
		ControllerPerformanceSample: c.ms("controller.performance.sample.period.ms"),
	}
}

func (c *Config) fillSocket() {
	limits := c.Socket.MaxConnectionsPerIPFor
	c.Socket = Socket{
		SendBufferBytes: c.int32("socket.send.buffer.bytes"), ReceiveBufferBytes: c.int32("socket.receive.buffer.bytes"),
		RequestMaxBytes: c.int32("socket.request.max.bytes"), ListenBacklog: c.int32("socket.listen.backlog.size"),
		MaxConnections: c.int32("max.connections"), MaxConnectionsPerIP: c.int32("max.connections.per.ip"),
		MaxConnectionsPerIPFor: limits, MaxConnectionCreationRate: c.int32("max.connection.creation.rate"),
		ConnectionsMaxIdle: c.ms("connections.max.idle.ms"), FailedAuthenticationDelay: c.ms("connection.failed.authentication.delay.ms"),
		QueuedMaxRequests: c.int32("queued.max.requests"), QueuedMaxBytes: c.int64("queued.max.request.bytes"),
		RequestTimeout: c.ms("request.timeout.ms"),
	}
	seconds := func(key string) time.Duration { return units(c.int64(key), time.Second) }
	c.Quota = Quota{
		WindowNum: c.int32("quota.window.num"), WindowSize: seconds("quota.window.size.seconds"),
		ReplicationWindowNum: c.int32("replication.quota.window.num"), ReplicationWindowSize: seconds("replication.quota.window.size.seconds"),
		ControllerWindowNum: c.int32("controller.quota.window.num"), ControllerWindowSize: seconds("controller.quota.window.size.seconds"),
		AlterLogDirsWindowNum:  c.int32("alter.log.dirs.replication.quota.window.num"),
		AlterLogDirsWindowSize: seconds("alter.log.dirs.replication.quota.window.size.seconds"),
	}
}

func (c *Config) fillLog() {
	c.Log = Log{
		RecoveryThreadsPerDir:         c.int("num.recovery.threads.per.data.dir"),
		RetentionCheckInterval:        c.ms("log.retention.check.interval.ms"),
		FlushSchedulerInterval:        c.ms("log.flush.scheduler.interval.ms"),
		FlushOffsetCheckpointInterval: c.ms("log.flush.offset.checkpoint.interval.ms"),
		FlushStartOffsetInterval:      c.ms("log.flush.start.offset.checkpoint.interval.ms"),
		HighWatermarkInterval:         c.ms("replica.high.watermark.checkpoint.interval.ms"),
		InitialTaskDelay:              c.ms("log.initial.task.delay.ms"), DirFailureTimeout: c.ms("log.dir.failure.timeout.ms"),
		CleanerEnable: c.bool("log.cleaner.enable"), CleanerThreads: c.int("log.cleaner.threads"),
		CleanerBackoff: c.ms("log.cleaner.backoff.ms"), CleanerDedupeBufferBytes: c.int64("log.cleaner.dedupe.buffer.size"),
		CleanerIOBufferBytes: c.int32("log.cleaner.io.buffer.size"), CleanerLoadFactor: c.float("log.cleaner.io.buffer.load.factor"),
		CleanerMaxBytesPerSecond:  c.float("log.cleaner.io.max.bytes.per.second"),
		ProducerIDExpiration:      c.ms("producer.id.expiration.ms"),
		ProducerIDExpirationCheck: c.ms("producer.id.expiration.check.interval.ms"),
	}
}

func (c *Config) fillGroup() {
	c.Group = Group{
		MinSessionTimeout: c.ms("group.min.session.timeout.ms"), MaxSessionTimeout: c.ms("group.max.session.timeout.ms"),
		MaxSize: c.int32("group.max.size"), InitialRebalanceDelay: c.ms("group.initial.rebalance.delay.ms"),
		RebalanceProtocols: c.list("group.coordinator.rebalance.protocols"), CoordinatorThreads: c.int("group.coordinator.threads"),
		AppendLinger:                 c.ms("group.coordinator.append.linger.ms"),
		ConsumerAssignors:            c.list("group.consumer.assignors"),
		ConsumerMigrationPolicy:      strings.ToLower(c.text("group.consumer.migration.policy")),
		ConsumerSessionTimeout:       c.ms("group.consumer.session.timeout.ms"),
		ConsumerMinSessionTimeout:    c.ms("group.consumer.min.session.timeout.ms"),
		ConsumerMaxSessionTimeout:    c.ms("group.consumer.max.session.timeout.ms"),
		ConsumerHeartbeatInterval:    c.ms("group.consumer.heartbeat.interval.ms"),
		ConsumerMinHeartbeatInterval: c.ms("group.consumer.min.heartbeat.interval.ms"),
		ConsumerMaxHeartbeatInterval: c.ms("group.consumer.max.heartbeat.interval.ms"),
		ConsumerMaxSize:              c.int32("group.consumer.max.size"), ConsumerRegexRefresh: c.ms("group.consumer.regex.refresh.interval.ms"),
	}
}

func (c *Config) fillInternalTopics() {
	c.Offsets = Offsets{
		TopicPartitions: c.int32("offsets.topic.num.partitions"), TopicReplicationFactor: c.int16("offsets.topic.replication.factor"),
		TopicSegmentBytes:      c.int32("offsets.topic.segment.bytes"),
		TopicCompressionCodec:  int8(c.int64("offsets.topic.compression.codec")), //nolint:gosec // 0 to 4
		Retention:              units(c.int64("offsets.retention.minutes"), time.Minute),
		RetentionCheckInterval: c.ms("offsets.retention.check.interval.ms"),
		MetadataMaxBytes:       c.int32("offset.metadata.max.bytes"), LoadBufferBytes: c.int32("offsets.load.buffer.size"),
		CommitTimeout: c.ms("offsets.commit.timeout.ms"),
	}
	c.Txn = Transaction{
		TopicPartitions:        c.int32("transaction.state.log.num.partitions"),
		TopicReplicationFactor: c.int16("transaction.state.log.replication.factor"), TopicMinISR: c.int32("transaction.state.log.min.isr"),
		TopicSegmentBytes: c.int32("transaction.state.log.segment.bytes"), LoadBufferBytes: c.int32("transaction.state.log.load.buffer.size"),
		MaxTimeout: c.ms("transaction.max.timeout.ms"), IDExpiration: c.ms("transactional.id.expiration.ms"),
		AbortTimedOutInterval: c.ms("transaction.abort.timed.out.transaction.cleanup.interval.ms"),
		RemoveExpiredInterval: c.ms("transaction.remove.expired.transaction.cleanup.interval.ms"),
		PartitionVerification: c.bool("transaction.partition.verification.enable"), TwoPhaseCommit: c.bool("transaction.two.phase.commit.enable"),
	}
}

func (b *Broker) fill(c *Config) {
	*b = Broker{
		FetchMaxBytes: c.int32("fetch.max.bytes"), MaxFetchSessionCacheSlots: c.int32("max.incremental.fetch.session.cache.slots"),
		MaxRequestPartitionSize: c.int32("max.request.partition.size.limit"), ReplicaLagTimeMax: c.ms("replica.lag.time.max.ms"),
		ReplicaFetchMaxBytes: c.int32("replica.fetch.max.bytes"), ReplicaFetchWaitMax: c.ms("replica.fetch.wait.max.ms"),
		ControlledShutdown: c.bool("controlled.shutdown.enable"), TelemetryMaxBytes: c.int32("telemetry.max.bytes"),
		MessageMaxBytes: c.int32("message.max.bytes"), MinInsyncReplicas: c.int32("min.insync.replicas"),
		NumIOThreads: c.int("num.io.threads"), NumNetworkThreads: c.int("num.network.threads"), BackgroundThreads: c.int("background.threads"),
		ShareTopicPartitions:       c.int32("share.coordinator.state.topic.num.partitions"),
		ShareTopicReplication:      c.int16("share.coordinator.state.topic.replication.factor"),
		ShareTopicMinISR:           c.int32("share.coordinator.state.topic.min.isr"),
		PartitionVerificationRetry: c.ms("add.partitions.to.txn.retry.backoff.ms"),
	}
}

// hasCleanup tells whether a cleanup.policy names one.
func hasCleanup(list []string, policy string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, policy) })
}
