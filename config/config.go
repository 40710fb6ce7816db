package config

import "time"

// Config is the configuration of one node, checked and typed. It is immutable after Load.
// Fields carry the unit that their type says: durations are time.Duration, sizes are bytes.
// A negative number means "no limit" where Kafka's key says so.
type Config struct {
	// NodeID is node.id (or broker.id of older files).
	NodeID int32
	// Rack is broker.rack, "" if there is none.
	Rack string

	// Listeners are all that are opened, in the order of the file: brokers' and controllers'.
	Listeners []Listener
	// ControllerListenerNames is controller.listener.names, normalised.
	ControllerListenerNames []string
	// InterBrokerListenerName is the listener by which brokers talk to each other, normalised.
	InterBrokerListenerName string

	// LogDirs holds log.dirs (or log.dir) as the file says: neither absolute nor clean.
	LogDirs []string
	// MetadataLogDir is metadata.log.dir, or the first of LogDirs.
	MetadataLogDir string
	// InitialClusterID is the id for a first start ("" = make one): CLUSTER_ID, where the environment is asked.
	InitialClusterID string

	Quorum   Quorum
	Metadata Metadata
	Socket   Socket
	Log      Log
	Topics   TopicCreation
	Group    Group
	Offsets  Offsets
	Txn      Transaction
	Broker   Broker
	Quota    Quota

	source source
}

// Listener is one entry of listeners, with the address that clients are told to dial.
type Listener struct {
	// Name is upper case: PLAINTEXT, CONTROLLER, ….
	Name string
	// Host is where to bind: "" is every interface. An IPv6 address comes without brackets.
	Host string
	// Port is where to bind: 0 lets the system choose.
	Port int
	// Protocol is PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.
	Protocol string
	// Controller is true for a listener of controller.listener.names.
	Controller bool
	// Advertised is false for a broker listener that advertised.listeners leaves out: it is opened and told to nobody.
	Advertised bool
	// AdvertisedHost and AdvertisedPort are what Metadata tells. AdvertisedHost is never empty: without any host in the
	// file it is the machine's name. AdvertisedPort is 0 where it follows a Port of 0: the server puts the bound port.
	AdvertisedHost string
	AdvertisedPort int
}

// Voter is one entry of controller.quorum.voters.
type Voter struct {
	ID   int32
	Host string
	Port int
}

// Address is host and port of controller.quorum.bootstrap.servers.
type Address struct {
	Host string
	Port int
}

// Quorum holds controller.quorum.*.
type Quorum struct {
	// Voters is controller.quorum.voters: not empty means static voters (kraft.version 0).
	Voters []Voter
	// BootstrapServers is controller.quorum.bootstrap.servers.
	BootstrapServers []Address
	// ElectionTimeout, FetchTimeout, RequestTimeout, RetryBackoff, ElectionBackoffMax, AppendLinger: their keys' values.
	ElectionTimeout    time.Duration
	FetchTimeout       time.Duration
	RequestTimeout     time.Duration
	RetryBackoff       time.Duration
	ElectionBackoffMax time.Duration
	AppendLinger       time.Duration
	FetchMaxBytes      int32
	SnapshotMaxBytes   int32
	AutoJoin           bool
}

// Metadata holds metadata.*: the log of the cluster's metadata.
type Metadata struct {
	SegmentBytes                int32         // metadata.log.segment.bytes
	InternalSegmentBytes        int32         // internal.metadata.log.segment.bytes, 0 if not given: stands in for SegmentBytes
	SegmentMs                   int64         // metadata.log.segment.ms
	RetentionBytes              int64         // metadata.max.retention.bytes
	RetentionMs                 int64         // metadata.max.retention.ms
	MaxBytesBetweenSnapshots    int64         // metadata.log.max.record.bytes.between.snapshots
	MaxSnapshotInterval         time.Duration // metadata.log.max.snapshot.interval.ms, 0 = by bytes alone
	MaxIdleInterval             time.Duration // metadata.max.idle.interval.ms, 0 = no NoOp records
	MaxBatchSizeBytes           int32         // internal.metadata.max.batch.size.in.bytes
	FileDeleteDelay             time.Duration // internal.metadata.delete.delay.millis
	InitialRegistrationTimeout  time.Duration // initial.broker.registration.timeout.ms
	BrokerHeartbeatInterval     time.Duration // broker.heartbeat.interval.ms
	BrokerSessionTimeout        time.Duration // broker.session.timeout.ms
	ServerMaxStartup            time.Duration // server.max.startup.time.ms
	LeaderImbalanceCheck        time.Duration // leader.imbalance.check.interval.seconds
	AutoLeaderRebalance         bool          // auto.leader.rebalance.enable
	UncleanLeaderElection       bool          // unclean.leader.election.enable
	UncleanLeaderElectionCheck  time.Duration // unclean.leader.election.interval.ms
	UnstableAPIVersions         bool          // unstable.api.versions.enable
	UnstableFeatureVersions     bool          // unstable.feature.versions.enable
	ControllerPerformanceSample time.Duration // controller.performance.sample.period.ms
}

// Socket holds the keys of connections and requests.
type Socket struct {
	SendBufferBytes           int32          // socket.send.buffer.bytes, -1 = the system's
	ReceiveBufferBytes        int32          // socket.receive.buffer.bytes, -1 = the system's
	RequestMaxBytes           int32          // socket.request.max.bytes
	ListenBacklog             int32          // socket.listen.backlog.size
	MaxConnections            int32          // max.connections
	MaxConnectionsPerIP       int32          // max.connections.per.ip
	MaxConnectionsPerIPFor    map[string]int // max.connections.per.ip.overrides
	MaxConnectionCreationRate int32          // max.connection.creation.rate
	ConnectionsMaxIdle        time.Duration  // connections.max.idle.ms, negative = never closed
	FailedAuthenticationDelay time.Duration  // connection.failed.authentication.delay.ms
	QueuedMaxRequests         int32          // queued.max.requests
	QueuedMaxBytes            int64          // queued.max.request.bytes, -1 = no limit
	RequestTimeout            time.Duration  // request.timeout.ms
}

// Log holds what concerns all logs of the node. What a topic may set for itself is in TopicDefaults.
type Log struct {
	RecoveryThreadsPerDir         int           // num.recovery.threads.per.data.dir
	RetentionCheckInterval        time.Duration // log.retention.check.interval.ms
	FlushSchedulerInterval        time.Duration // log.flush.scheduler.interval.ms; the default never comes
	FlushOffsetCheckpointInterval time.Duration // log.flush.offset.checkpoint.interval.ms
	FlushStartOffsetInterval      time.Duration // log.flush.start.offset.checkpoint.interval.ms
	HighWatermarkInterval         time.Duration // replica.high.watermark.checkpoint.interval.ms
	InitialTaskDelay              time.Duration // log.initial.task.delay.ms
	DirFailureTimeout             time.Duration // log.dir.failure.timeout.ms
	CleanerEnable                 bool          // log.cleaner.enable
	CleanerThreads                int           // log.cleaner.threads
	CleanerBackoff                time.Duration // log.cleaner.backoff.ms
	CleanerDedupeBufferBytes      int64         // log.cleaner.dedupe.buffer.size
	CleanerIOBufferBytes          int32         // log.cleaner.io.buffer.size
	CleanerLoadFactor             float64       // log.cleaner.io.buffer.load.factor
	CleanerMaxBytesPerSecond      float64       // log.cleaner.io.max.bytes.per.second
	ProducerIDExpiration          time.Duration // producer.id.expiration.ms
	ProducerIDExpirationCheck     time.Duration // producer.id.expiration.check.interval.ms
}

// TopicCreation holds how topics come and go.
type TopicCreation struct {
	AutoCreate               bool  // auto.create.topics.enable
	DeleteEnable             bool  // delete.topic.enable
	NumPartitions            int32 // num.partitions
	DefaultReplicationFactor int16 // default.replication.factor
}

// Group holds the keys of the group coordinator.
type Group struct {
	MinSessionTimeout     time.Duration // group.min.session.timeout.ms
	MaxSessionTimeout     time.Duration // group.max.session.timeout.ms
	MaxSize               int32         // group.max.size
	InitialRebalanceDelay time.Duration // group.initial.rebalance.delay.ms
	RebalanceProtocols    []string      // group.coordinator.rebalance.protocols
	CoordinatorThreads    int           // group.coordinator.threads
	AppendLinger          time.Duration // group.coordinator.append.linger.ms, -1 ms = adaptive

	ConsumerAssignors            []string      // group.consumer.assignors
	ConsumerMigrationPolicy      string        // group.consumer.migration.policy, lower case
	ConsumerSessionTimeout       time.Duration // group.consumer.session.timeout.ms
	ConsumerMinSessionTimeout    time.Duration
	ConsumerMaxSessionTimeout    time.Duration
	ConsumerHeartbeatInterval    time.Duration // group.consumer.heartbeat.interval.ms
	ConsumerMinHeartbeatInterval time.Duration
	ConsumerMaxHeartbeatInterval time.Duration
	ConsumerMaxSize              int32         // group.consumer.max.size
	ConsumerRegexRefresh         time.Duration // group.consumer.regex.refresh.interval.ms
}

// Offsets holds offsets.*: __consumer_offsets and what is kept in it.
type Offsets struct {
	TopicPartitions        int32         // offsets.topic.num.partitions
	TopicReplicationFactor int16         // offsets.topic.replication.factor, clamped to the brokers there are
	TopicSegmentBytes      int32         // offsets.topic.segment.bytes
	TopicCompressionCodec  int8          // offsets.topic.compression.codec: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd
	Retention              time.Duration // offsets.retention.minutes
	RetentionCheckInterval time.Duration // offsets.retention.check.interval.ms
	MetadataMaxBytes       int32         // offset.metadata.max.bytes
	LoadBufferBytes        int32         // offsets.load.buffer.size
	CommitTimeout          time.Duration // offsets.commit.timeout.ms
}

// Transaction holds transaction.* and transactional.*.
type Transaction struct {
	TopicPartitions        int32         // transaction.state.log.num.partitions
	TopicReplicationFactor int16         // transaction.state.log.replication.factor, clamped
	TopicMinISR            int32         // transaction.state.log.min.isr, clamped
	TopicSegmentBytes      int32         // transaction.state.log.segment.bytes
	LoadBufferBytes        int32         // transaction.state.log.load.buffer.size
	MaxTimeout             time.Duration // transaction.max.timeout.ms
	IDExpiration           time.Duration // transactional.id.expiration.ms
	AbortTimedOutInterval  time.Duration // transaction.abort.timed.out.transaction.cleanup.interval.ms
	RemoveExpiredInterval  time.Duration // transaction.remove.expired.transaction.cleanup.interval.ms
	PartitionVerification  bool          // transaction.partition.verification.enable
	TwoPhaseCommit         bool          // transaction.two.phase.commit.enable
}

// Broker holds the keys of fetching, and the broker's own.
type Broker struct {
	FetchMaxBytes              int32         // fetch.max.bytes
	MaxFetchSessionCacheSlots  int32         // max.incremental.fetch.session.cache.slots
	MaxRequestPartitionSize    int32         // max.request.partition.size.limit
	ReplicaLagTimeMax          time.Duration // replica.lag.time.max.ms
	ReplicaFetchMaxBytes       int32         // replica.fetch.max.bytes
	ReplicaFetchWaitMax        time.Duration // replica.fetch.wait.max.ms
	ControlledShutdown         bool          // controlled.shutdown.enable
	TelemetryMaxBytes          int32         // telemetry.max.bytes
	MessageMaxBytes            int32         // message.max.bytes
	MinInsyncReplicas          int32         // min.insync.replicas
	NumIOThreads               int           // num.io.threads
	NumNetworkThreads          int           // num.network.threads
	BackgroundThreads          int           // background.threads
	ShareTopicPartitions       int32         // share.coordinator.state.topic.num.partitions
	ShareTopicReplication      int16         // share.coordinator.state.topic.replication.factor, clamped
	ShareTopicMinISR           int32         // share.coordinator.state.topic.min.isr, clamped
	PartitionVerificationRetry time.Duration // add.partitions.to.txn.retry.backoff.ms
}

// Quota holds the windows in which rates are measured.
type Quota struct {
	WindowNum              int32         // quota.window.num
	WindowSize             time.Duration // quota.window.size.seconds
	ReplicationWindowNum   int32
	ReplicationWindowSize  time.Duration
	ControllerWindowNum    int32
	ControllerWindowSize   time.Duration
	AlterLogDirsWindowNum  int32
	AlterLogDirsWindowSize time.Duration
}
