package config

import "slices"

// brokerRows is the brokers' table, in the order in which Kafka defines the keys: where two keys share a bucket of a
// java.util.HashMap, that order shows in DescribeConfigs.
func brokerRows() []row {
	return slices.Concat(
		remoteStorageRows(),
		serverRows(),
		nodeRows(),
		socketRows(),
		replicationRows(),
		classicGroupRows(),
		newGroupRows(),
		cleanerRows(),
		logRows(),
		shareRows(),
		transactionRows(),
		quorumRows(),
		metricRows(),
		tlsRows(),
		saslRows(),
		oauthRows(),
	)
}

// remoteStorageRows are the keys of tiered storage.
func remoteStorageRows() []row {
	return []row{
		{"remote.log.storage.system.enable", TypeBoolean, "false", "", "medium", ReadOnly, Refused, "Master switch of tiered storage."},
		{"remote.log.storage.manager.impl.prefix", TypeString, "rsm.config.", "non-empty string", "medium", ReadOnly, NoEffect, "Prefix of the settings that the remote storage manager gets."},
		{"remote.log.metadata.manager.impl.prefix", TypeString, "rlmm.config.", "non-empty string", "medium", ReadOnly, NoEffect, "Prefix of the settings that the remote log metadata manager gets."},
		{"remote.log.storage.manager.class.name", TypeString, null, "non-empty string", "medium", ReadOnly, NoEffect, "Class of the remote storage manager."},
		{"remote.log.storage.manager.class.path", TypeString, null, "", "medium", ReadOnly, NoEffect, "Class path of the remote storage manager."},
		{"remote.log.metadata.manager.class.name", TypeString, "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager", "non-empty string", "medium", ReadOnly, NoEffect, "Class of the remote log metadata manager."},
		{"remote.log.metadata.manager.class.path", TypeString, null, "", "medium", ReadOnly, NoEffect, "Class path of the remote log metadata manager."},
		{"remote.log.metadata.manager.listener.name", TypeString, null, "non-empty string", "medium", ReadOnly, NoEffect, "Listener by which the remote log metadata manager reaches the broker."},
		{"remote.log.metadata.custom.metadata.max.bytes", TypeInt, "128", "[0,...]", "low", ReadOnly, NoEffect, "Max custom metadata from a storage plugin."},
		{"remote.log.index.file.cache.total.size.bytes", TypeLong, "1073741824", "[1,...]", "low", ClusterWide, NoEffect, "Disk cache for remote index files."},
		{"remote.log.index.file.cache.ttl.ms", TypeLong, "900000", "[-1,...]", "low", ReadOnly, NoEffect, "Idle TTL of remote index cache entries."},
		{"remote.log.manager.thread.pool.size", TypeInt, "2", "[1,...]", "medium", ReadOnly, NoEffect, "Old name for the follower pool size."},
		{"remote.log.manager.copier.thread.pool.size", TypeInt, "10", "[1,...]", "medium", ClusterWide, NoEffect, "Upload threads."},
		{"remote.log.manager.expiration.thread.pool.size", TypeInt, "10", "[1,...]", "medium", ClusterWide, NoEffect, "Remote cleanup threads."},
		{"remote.log.manager.follower.thread.pool.size", TypeInt, "2", "[1,...]", "medium", ClusterWide, NoEffect, "Threads tracking highest uploaded offset on followers."},
		{"remote.log.manager.task.interval.ms", TypeLong, "30000", "[1,...]", "low", ReadOnly, NoEffect, "Period of copy/cleanup tasks."},
		{"remote.log.manager.task.retry.backoff.ms", TypeLong, "500", "[1,...]", "low", ReadOnly, NoEffect, "First retry backoff of remote tasks."},
		{"remote.log.manager.task.retry.backoff.max.ms", TypeLong, "30000", "[1,...]", "low", ReadOnly, NoEffect, "Max retry backoff of remote tasks."},
		{"remote.log.manager.task.retry.jitter", TypeDouble, "0.2", "[0,...,0.5]", "low", ReadOnly, NoEffect, "Random share of the backoff of remote log tasks."},
		{"remote.log.reader.threads", TypeInt, "10", "[1,...]", "medium", ClusterWide, NoEffect, "Remote read threads."},
		{"remote.log.reader.max.pending.tasks", TypeInt, "100", "[1,...]", "medium", ReadOnly, NoEffect, "Queue length of remote reads."},
		{"log.local.retention.ms", TypeLong, "-2", "[-2,...]", "medium", ClusterWide, NoEffect, "Local-tier time limit when tiered (-2 = log.retention.ms)."},
		{"log.local.retention.bytes", TypeLong, "-2", "[-2,...]", "medium", ClusterWide, NoEffect, "Local-tier size limit when tiered (-2 = log.retention.bytes)."},
		{"remote.log.manager.copy.max.bytes.per.second", TypeLong, "9223372036854775807", "[1,...]", "medium", ClusterWide, NoEffect, "Upload throttle."},
		{"remote.log.manager.copy.quota.window.num", TypeInt, "11", "[1,...]", "medium", ReadOnly, NoEffect, "Samples for the upload throttle."},
		{"remote.log.manager.copy.quota.window.size.seconds", TypeInt, "1", "[1,...]", "medium", ReadOnly, NoEffect, "Sample length for the upload throttle."},
		{"remote.log.manager.fetch.max.bytes.per.second", TypeLong, "9223372036854775807", "[1,...]", "medium", ClusterWide, NoEffect, "Remote read throttle."},
		{"remote.log.manager.fetch.quota.window.num", TypeInt, "11", "[1,...]", "medium", ReadOnly, NoEffect, "Samples for the remote read throttle."},
		{"remote.log.manager.fetch.quota.window.size.seconds", TypeInt, "1", "[1,...]", "medium", ReadOnly, NoEffect, "Sample length for the remote read throttle."},
		{"remote.fetch.max.wait.ms", TypeInt, "500", "[1,...]", "medium", ClusterWide, NoEffect, "Max wait of a Fetch that reads the remote tier."},
		{"remote.list.offsets.request.timeout.ms", TypeLong, "30000", "[1,...]", "medium", ClusterWide, NoEffect, "Max wait of a ListOffsets that reads the remote tier."},
	}
}

// serverRows are the keys of the server as a whole.
func serverRows() []row {
	return []row{
		{"broker.id", TypeInt, "-1", "", "high", ReadOnly, Honoured, "Old alias of node.id (deprecated, gone in 5.0)."},
		{"message.max.bytes", TypeInt, "1048588", "[0,...]", "high", ClusterWide, Honoured, "Largest (compressed) record batch."},
		{"num.io.threads", TypeInt, "8", "[1,...]", "high", ClusterWide, NoEffect, "Threads that work on requests."},
		{"num.replica.alter.log.dirs.threads", TypeInt, null, "", "high", ReadOnly, NoEffect, "Threads moving replicas between dirs (default: number of dirs)."},
		{"background.threads", TypeInt, "10", "[1,...]", "high", ClusterWide, NoEffect, "Threads for housekeeping."},
		{"request.timeout.ms", TypeInt, "30000", "", "high", ReadOnly, NoEffect, "Timeout of requests this server sends as a client."},
		{"socket.connection.setup.timeout.ms", TypeLong, "10000", "", "medium", ReadOnly, NoEffect, "First outbound connect timeout."},
		{"socket.connection.setup.timeout.max.ms", TypeLong, "30000", "", "medium", ReadOnly, NoEffect, "Max (exponential) outbound connect timeout."},
		{"config.providers", TypeList, "", "", "low", ClusterWide, Honoured, "Aliases of ConfigProviders resolving ${alias:path:key} placeholders in values."},
		{"authorizer.class.name", TypeString, "", "non-null string", "low", ReadOnly, Refused, "Authorizer implementation; empty = no ACL checks; stock value org.apache.kafka.metadata.authorizer.StandardAuthorizer."},
		{"early.start.listeners", TypeList, null, "", "high", ReadOnly, NoEffect, "Listeners opened before the authorizer is ready."},
		{"broker.rack", TypeString, null, "", "medium", ReadOnly, Honoured, "Failure-domain label used for placement and rack-aware fetch."},
		{"controlled.shutdown.enable", TypeBoolean, "true", "", "medium", ReadOnly, Honoured, "Hand leaderships over before stopping."},
		{"delete.topic.enable", TypeBoolean, "true", "", "high", ReadOnly, Honoured, "Whether topics may be deleted."},
		{"compression.type", TypeString, "producer", "[uncompressed, zstd, lz4, snappy, gzip, producer]", "high", ClusterWide, Honoured, "Codec that records are stored with; producer leaves them as they were sent."},
		{"compression.gzip.level", TypeInt, "-1", "[1,...,9] or -1", "medium", ClusterWide, Honoured, "Level at which the broker compresses to gzip."},
		{"compression.lz4.level", TypeInt, "9", "[1,...,17]", "medium", ClusterWide, Honoured, "Level at which the broker compresses to lz4."},
		{"compression.zstd.level", TypeInt, "3", "[-131072,...,22]", "medium", ClusterWide, Honoured, "Level at which the broker compresses to zstd."},
		{"max.incremental.fetch.session.cache.slots", TypeInt, "1000", "[0,...]", "medium", ReadOnly, Honoured, "How many incremental fetch sessions (KIP-227) are kept."},
		{"fetch.max.bytes", TypeInt, "57671680", "[1024,...]", "medium", ReadOnly, Honoured, "Most bytes of one answer to a Fetch."},
		{"max.request.partition.size.limit", TypeInt, "2000", "[1,...]", "medium", ReadOnly, Honoured, "Partitions per DescribeTopicPartitions answer."},
		{"unstable.api.versions.enable", TypeBoolean, "false", "", "high", ReadOnly, NoEffect, "Advertise unreleased API versions (testing)."},
		{"unstable.feature.versions.enable", TypeBoolean, "false", "", "high", ReadOnly, NoEffect, "Allow unreleased feature levels (testing)."},
	}
}

// nodeRows are the keys of the node and of the log of the metadata.
func nodeRows() []row {
	return []row{
		{"process.roles", TypeList, required, "[broker, controller]", "high", ReadOnly, Honoured, "Whether the node is a broker, a controller or both."},
		{"node.id", TypeInt, required, "[0,...]", "high", ReadOnly, Honoured, "The id of this node in the cluster."},
		{"initial.broker.registration.timeout.ms", TypeInt, "60000", "", "medium", ReadOnly, NoEffect, "Give up (exit) if the first registration takes longer."},
		{"broker.heartbeat.interval.ms", TypeInt, "2000", "", "medium", ReadOnly, NoEffect, "How often a broker heartbeats to the controller."},
		{"broker.session.timeout.ms", TypeInt, "9000", "", "medium", ReadOnly, NoEffect, "Controller fences a broker silent for this long."},
		{"controller.listener.names", TypeList, required, "", "high", ReadOnly, Honoured, "The listeners that are the controller's."},
		{"sasl.mechanism.controller.protocol", TypeString, "GSSAPI", "", "high", ReadOnly, Refused, "Mechanism used towards controllers."},
		{"controller.performance.sample.period.ms", TypeLong, "60000", "[100,...]", "medium", ReadOnly, NoEffect, "Period of controller performance log lines."},
		{"controller.performance.always.log.threshold.ms", TypeLong, "2000", "[0,...]", "medium", ReadOnly, NoEffect, "Log controller events slower than this."},
		{"server.max.startup.time.ms", TypeLong, "9223372036854775807", "[0,...]", "medium", ReadOnly, NoEffect, "Test knob: abort a slow start."},
		{"metadata.log.max.record.bytes.between.snapshots", TypeLong, "20971520", "[1,...]", "high", ReadOnly, Honoured, "Bytes of metadata records after which a snapshot is written."},
		{"metadata.log.max.snapshot.interval.ms", TypeLong, "3600000", "[0,...]", "high", ReadOnly, Honoured, "Milliseconds after which a snapshot of the metadata is written, if anything changed."},
		{"metadata.log.dir", TypeString, null, "", "high", ReadOnly, Honoured, "Where __cluster_metadata lives (default: first log dir)."},
		{"metadata.log.segment.bytes", TypeInt, "1073741824", "[8388608,...]", "high", ReadOnly, Honoured, "Bytes after which the metadata log begins a new segment."},
		{"metadata.log.segment.ms", TypeLong, "604800000", "", "high", ReadOnly, Honoured, "Milliseconds after which the metadata log begins a new segment."},
		{"metadata.max.retention.bytes", TypeLong, "104857600", "", "high", ReadOnly, Honoured, "Size limit of metadata log plus snapshots."},
		{"metadata.max.retention.ms", TypeLong, "604800000", "", "high", ReadOnly, Honoured, "Age limit of metadata log and snapshots."},
		{"metadata.max.idle.interval.ms", TypeInt, "500", "[0,...]", "low", ReadOnly, NoEffect, "How often the controller writes a no-op record."},
		{"internal.metadata.log.segment.bytes", TypeInt, null, "", "low", ReadOnly, Honoured, "Test knob: metadata segment size."},
		{"internal.metadata.max.batch.size.in.bytes", TypeInt, "8388608", "", "low", ReadOnly, Honoured, "Test knob: max metadata batch."},
		{"internal.metadata.delete.delay.millis", TypeLong, "60000", "", "low", ReadOnly, NoEffect, "Test knob: delay before deleting metadata files."},
	}
}

// socketRows are the keys of listeners and connections.
func socketRows() []row {
	return []row{
		{"listeners", TypeList, "PLAINTEXT://:9092", "", "high", PerBroker, Honoured, "Sockets to bind: NAME://host:port list (empty host = default interface, 0.0.0.0 = all)."},
		{"advertised.listeners", TypeList, null, "", "high", ReadOnly, Honoured, "Host:port per listener name that goes into Metadata responses; falls back to listeners; 0.0.0.0 not allowed."},
		{"listener.security.protocol.map", TypeString, "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT", "", "low", PerBroker, Honoured, "Listener name -> PLAINTEXT/SSL/SASL_PLAINTEXT/SASL_SSL."},
		{"socket.send.buffer.bytes", TypeInt, "102400", "", "high", ReadOnly, Honoured, "SO_SNDBUF of accepted sockets (-1 = OS)."},
		{"socket.receive.buffer.bytes", TypeInt, "102400", "", "high", ReadOnly, Honoured, "SO_RCVBUF of accepted sockets (-1 = OS)."},
		{"socket.request.max.bytes", TypeInt, "104857600", "[1,...]", "high", ReadOnly, Honoured, "Most bytes of one request."},
		{"socket.listen.backlog.size", TypeInt, "50", "[1,...]", "medium", ReadOnly, NoEffect, "Connections that may wait to be accepted."},
		{"max.connections.per.ip", TypeInt, "2147483647", "[0,...]", "medium", ClusterWide, Honoured, "Connections that one address may have open."},
		{"max.connections.per.ip.overrides", TypeString, "", "", "medium", ClusterWide, Honoured, "Host:limit list overriding the per-IP limit."},
		{"max.connections", TypeInt, "2147483647", "[0,...]", "medium", ClusterWide, Honoured, "Open connections, broker-wide (inter-broker listener is spared)."},
		{"max.connection.creation.rate", TypeInt, "2147483647", "[0,...]", "medium", ClusterWide, Honoured, "New connections per second, broker-wide (the inter-broker listener is spared where there are others)."},
		{"connections.max.idle.ms", TypeLong, "600000", "", "medium", ReadOnly, Honoured, "Close connections idle longer than this."},
		{"connection.failed.authentication.delay.ms", TypeInt, "100", "[0,...]", "low", ReadOnly, NoEffect, "Delay before closing a connection that failed auth (slows brute force)."},
		{"queued.max.requests", TypeInt, "500", "[1,...]", "high", ReadOnly, NoEffect, "Requests queued before network threads block."},
		{"queued.max.request.bytes", TypeLong, "-1", "", "medium", ReadOnly, NoEffect, "Byte budget of queued requests (-1 = none)."},
		{"num.network.threads", TypeInt, "3", "[1,...]", "high", ClusterWide, NoEffect, "Threads that read requests and write answers, for each listener."},
	}
}

// replicationRows are the keys of replication.
func replicationRows() []row {
	return []row{
		{"controller.socket.timeout.ms", TypeInt, "30000", "", "medium", ReadOnly, NoEffect, "Socket timeout on controller channels."},
		{"default.replication.factor", TypeInt, "1", "", "medium", ReadOnly, Honoured, "Replicas of a topic that is created without a number of its own."},
		{"replica.lag.time.max.ms", TypeLong, "30000", "", "high", ReadOnly, NoEffect, "Drop a follower from ISR after lagging this long."},
		{"replica.socket.timeout.ms", TypeInt, "30000", "", "high", ReadOnly, NoEffect, "Socket timeout of replication."},
		{"replica.socket.receive.buffer.bytes", TypeInt, "65536", "", "high", ReadOnly, NoEffect, "SO_RCVBUF for replication."},
		{"replica.fetch.max.bytes", TypeInt, "1048576", "[0,...]", "medium", ReadOnly, NoEffect, "Follower bytes per partition per fetch."},
		{"replica.fetch.wait.max.ms", TypeInt, "500", "", "high", ReadOnly, NoEffect, "Follower long-poll time (keep below replica.lag.time.max.ms)."},
		{"replica.fetch.backoff.ms", TypeInt, "1000", "[0,...]", "medium", ReadOnly, NoEffect, "Follower sleep after a partition fetch error."},
		{"replica.fetch.min.bytes", TypeInt, "1", "", "high", ReadOnly, NoEffect, "Follower min bytes per fetch."},
		{"replica.fetch.response.max.bytes", TypeInt, "10485760", "[0,...]", "medium", ReadOnly, NoEffect, "Follower bytes per whole fetch."},
		{"num.replica.fetchers", TypeInt, "1", "[1,...]", "high", ClusterWide, NoEffect, "Fetcher threads per source broker."},
		{"replica.high.watermark.checkpoint.interval.ms", TypeLong, "5000", "", "high", ReadOnly, Honoured, "How often high watermarks are written to disk."},
		{"fetch.purgatory.purge.interval.requests", TypeInt, "1000", "", "medium", ReadOnly, NoEffect, "Purge cadence of the delayed-fetch list."},
		{"producer.purgatory.purge.interval.requests", TypeInt, "1000", "", "medium", ReadOnly, NoEffect, "Purge cadence of the delayed-produce list."},
		{"delete.records.purgatory.purge.interval.requests", TypeInt, "1", "", "medium", ReadOnly, NoEffect, "Purge cadence of the DeleteRecords waiting list."},
		{"auto.leader.rebalance.enable", TypeBoolean, "true", "", "high", ReadOnly, NoEffect, "Periodically move leadership back to preferred replicas."},
		{"leader.imbalance.check.interval.seconds", TypeLong, "300", "[1,...]", "high", ReadOnly, NoEffect, "How often preferred-leader imbalance is checked."},
		{"unclean.leader.election.interval.ms", TypeLong, "300000", "[1,...]", "medium", ReadOnly, NoEffect, "How often unclean elections are considered."},
		{"unclean.leader.election.enable", TypeBoolean, "false", "", "high", ClusterWide, Honoured, "Whether a replica that is not in sync may lead, at the price of records."},
		{"security.inter.broker.protocol", TypeString, "PLAINTEXT", "[PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL]", "medium", ReadOnly, Honoured, "Security protocol between brokers (when no inter.broker.listener.name)."},
		{"inter.broker.listener.name", TypeString, null, "", "medium", ReadOnly, Honoured, "Listener brokers use among themselves (excludes security.inter.broker.protocol)."},
		{"replica.selector.class", TypeString, null, "", "medium", ReadOnly, NoEffect, "Plugin choosing the read replica (KIP-392); RackAwareReplicaSelector is stock."},
		{"follower.fetch.last.tiered.offset.enable", TypeBoolean, "false", "", "medium", ClusterWide, NoEffect, "Empty follower starts after the last tiered offset."},
	}
}

// classicGroupRows are the keys of the group coordinator, offsets and classic groups.
func classicGroupRows() []row {
	return []row{
		{"group.coordinator.rebalance.protocols", TypeList, "classic,consumer,streams", "[consumer, classic, share, streams]", "medium", ReadOnly, NoEffect, "Enabled group protocols: classic, consumer, share, streams (deprecated)."},
		{"group.coordinator.threads", TypeInt, "4", "[1,...]", "high", ReadOnly, NoEffect, "Coordinator worker threads."},
		{"group.coordinator.background.threads", TypeInt, "2", "[1,...]", "high", ReadOnly, NoEffect, "Threads for regex and offloaded assignment work."},
		{"group.coordinator.append.linger.ms", TypeInt, "-1", "[-1,...]", "medium", ReadOnly, NoEffect, "Coordinator write batching time; -1 = adaptive."},
		{"offsets.commit.timeout.ms", TypeInt, "5000", "[1,...]", "high", ReadOnly, Honoured, "Max wait for replication of an offset commit."},
		{"offsets.load.buffer.size", TypeInt, "5242880", "[1,...]", "high", ReadOnly, NoEffect, "Read batch when loading offsets."},
		{"offsets.topic.replication.factor", TypeShort, "3", "[1,...]", "high", ReadOnly, Honoured, "Replicas of __consumer_offsets."},
		{"offsets.topic.num.partitions", TypeInt, "50", "[1,...]", "high", ReadOnly, Honoured, "Partitions of __consumer_offsets."},
		{"offsets.topic.segment.bytes", TypeInt, "104857600", "[1,...]", "high", ReadOnly, Honoured, "Segment size of __consumer_offsets."},
		{"offsets.topic.compression.codec", TypeInt, "0", "", "high", ReadOnly, Honoured, "Codec of __consumer_offsets: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd."},
		{"group.coordinator.cached.buffer.max.bytes", TypeInt, "1048588", "[524288,...]", "medium", ClusterWide, NoEffect, "Largest write buffer the coordinator keeps for reuse."},
		{"offset.metadata.max.bytes", TypeInt, "4096", "", "high", ReadOnly, Honoured, "Max size of an offset commit's metadata string."},
		{"offsets.retention.minutes", TypeInt, "10080", "[1,...]", "high", ReadOnly, Honoured, "Offsets of an inactive group/partition expire after this."},
		{"offsets.retention.check.interval.ms", TypeLong, "600000", "[1,...]", "high", ReadOnly, Honoured, "How often expired offsets are swept."},
		{"group.min.session.timeout.ms", TypeInt, "6000", "", "medium", ReadOnly, Honoured, "Min session.timeout.ms a classic member may ask for."},
		{"group.max.session.timeout.ms", TypeInt, "1800000", "", "medium", ReadOnly, Honoured, "Max session.timeout.ms a classic member may ask for."},
		{"group.initial.rebalance.delay.ms", TypeInt, "3000", "", "medium", ReadOnly, Honoured, "Wait for more members before the first classic rebalance."},
		{"group.max.size", TypeInt, "2147483647", "[1,...]", "medium", ReadOnly, Honoured, "Most members of a classic group."},
	}
}

// newGroupRows are the keys of consumer, share and streams groups.
func newGroupRows() []row {
	return []row{
		{"group.consumer.session.timeout.ms", TypeInt, "45000", "[1,...]", "medium", ReadOnly, NoEffect, "KIP-848 member considered dead after this silence."},
		{"group.consumer.min.session.timeout.ms", TypeInt, "45000", "[1,...]", "medium", ReadOnly, NoEffect, "Floor for the group override of the session timeout."},
		{"group.consumer.max.session.timeout.ms", TypeInt, "60000", "[1,...]", "medium", ReadOnly, NoEffect, "Ceiling for the group override of the session timeout."},
		{"group.consumer.heartbeat.interval.ms", TypeInt, "5000", "[1,...]", "medium", ReadOnly, NoEffect, "Heartbeat interval told to KIP-848 members."},
		{"group.consumer.min.heartbeat.interval.ms", TypeInt, "5000", "[1,...]", "medium", ReadOnly, NoEffect, "Floor for the group override of the heartbeat interval."},
		{"group.consumer.max.heartbeat.interval.ms", TypeInt, "15000", "[1,...]", "medium", ReadOnly, NoEffect, "Ceiling for the group override of the heartbeat interval."},
		{"group.consumer.max.size", TypeInt, "2147483647", "[1,...]", "medium", ReadOnly, NoEffect, "Most members of a consumer group (KIP-848)."},
		{"group.consumer.assignors", TypeList, "uniform,range", "", "medium", ReadOnly, NoEffect, "Server-side assignors (KIP-848); first is default."},
		{"group.consumer.migration.policy", TypeString, "bidirectional", "(case insensitive) [DISABLED, DOWNGRADE, UPGRADE, BIDIRECTIONAL]", "medium", ReadOnly, NoEffect, "Whether groups may convert classic<->consumer online."},
		{"group.consumer.assignment.interval.ms", TypeInt, "1000", "[0,...]", "medium", ClusterWide, NoEffect, "Min spacing of assignment computations (consumer groups)."},
		{"group.consumer.min.assignment.interval.ms", TypeInt, "0", "[0,...]", "medium", ReadOnly, NoEffect, "Floor for the group override of the assignment interval."},
		{"group.consumer.max.assignment.interval.ms", TypeInt, "15000", "[0,...]", "medium", ReadOnly, NoEffect, "Ceiling for the group override of the assignment interval."},
		{"group.consumer.regex.refresh.interval.ms", TypeInt, "600000", "[10000,...]", "medium", ReadOnly, NoEffect, "How often regex subscriptions are re-evaluated."},
		{"group.share.session.timeout.ms", TypeInt, "45000", "[1,...]", "medium", ReadOnly, NoEffect, "Share member considered dead after this silence."},
		{"group.share.min.session.timeout.ms", TypeInt, "45000", "[1,...]", "medium", ReadOnly, NoEffect, "Floor for the group override of share session timeout."},
		{"group.share.max.session.timeout.ms", TypeInt, "60000", "[1,...]", "medium", ReadOnly, NoEffect, "Ceiling for the group override of share session timeout."},
		{"group.share.heartbeat.interval.ms", TypeInt, "5000", "[1,...]", "medium", ReadOnly, NoEffect, "Heartbeat interval told to share members."},
		{"group.share.min.heartbeat.interval.ms", TypeInt, "5000", "[1,...]", "medium", ReadOnly, NoEffect, "Floor for the group override of share heartbeats."},
		{"group.share.max.heartbeat.interval.ms", TypeInt, "15000", "[1,...]", "medium", ReadOnly, NoEffect, "Ceiling for the group override of share heartbeats."},
		{"group.share.max.size", TypeInt, "200", "[1,...,1000]", "medium", ReadOnly, NoEffect, "Most members of a share group."},
		{"group.share.assignors", TypeList, "simple", "", "medium", ReadOnly, NoEffect, "Server-side share assignor (single entry)."},
		{"group.share.assignment.interval.ms", TypeInt, "1000", "[0,...]", "medium", ClusterWide, NoEffect, "Min spacing of assignment computations (share groups)."},
		{"group.share.min.assignment.interval.ms", TypeInt, "0", "[0,...]", "medium", ReadOnly, NoEffect, "Floor for the group override of the share assignment interval."},
		{"group.share.max.assignment.interval.ms", TypeInt, "15000", "[0,...]", "medium", ReadOnly, NoEffect, "Ceiling for the group override of the share assignment interval."},
		{"group.share.initialize.retry.interval.ms", TypeInt, "30000", "[1,...]", "low", ReadOnly, NoEffect, "Retry wait for initialising share state."},
		{"group.streams.session.timeout.ms", TypeInt, "45000", "[1,...]", "medium", ReadOnly, NoEffect, "Streams member considered dead after this silence."},
		{"group.streams.min.session.timeout.ms", TypeInt, "45000", "[1,...]", "medium", ReadOnly, NoEffect, "Floor for the group override of streams session timeout."},
		{"group.streams.max.session.timeout.ms", TypeInt, "60000", "[1,...]", "medium", ReadOnly, NoEffect, "Ceiling for the group override of streams session timeout."},
		{"group.streams.heartbeat.interval.ms", TypeInt, "5000", "[1,...]", "medium", ReadOnly, NoEffect, "Heartbeat interval told to streams members."},
		{"group.streams.min.heartbeat.interval.ms", TypeInt, "5000", "[1,...]", "medium", ReadOnly, NoEffect, "Floor for the group override of streams heartbeats."},
		{"group.streams.max.heartbeat.interval.ms", TypeInt, "15000", "[1,...]", "medium", ReadOnly, NoEffect, "Ceiling for the group override of streams heartbeats."},
		{"group.streams.max.size", TypeInt, "2147483647", "[1,...]", "medium", ReadOnly, NoEffect, "Most members of a streams group."},
		{"group.streams.num.standby.replicas", TypeInt, "0", "[0,...]", "medium", ReadOnly, NoEffect, "Standby tasks per task."},
		{"group.streams.max.standby.replicas", TypeInt, "2", "[0,...]", "medium", ReadOnly, NoEffect, "Ceiling for the group override of standby replicas."},
		{"group.streams.initial.rebalance.delay.ms", TypeInt, "3000", "[0,...]", "medium", ReadOnly, NoEffect, "Wait for more streams members before first assignment."},
		{"group.streams.assignment.interval.ms", TypeInt, "1000", "[0,...]", "medium", ClusterWide, NoEffect, "Min spacing of assignment computations (streams groups)."},
		{"group.streams.min.assignment.interval.ms", TypeInt, "0", "[0,...]", "medium", ReadOnly, NoEffect, "Floor for the group override of the streams assignment interval."},
		{"group.streams.max.assignment.interval.ms", TypeInt, "15000", "[0,...]", "medium", ReadOnly, NoEffect, "Ceiling for the group override of the streams assignment interval."},
	}
}

// cleanerRows are the keys of compaction.
func cleanerRows() []row {
	return []row{
		{"log.cleaner.threads", TypeInt, "1", "[0,...]", "medium", ClusterWide, NoEffect, "Compaction threads."},
		{"log.cleaner.io.max.bytes.per.second", TypeDouble, "1.7976931348623157E308", "", "medium", ClusterWide, NoEffect, "I/O throttle of the cleaner."},
		{"log.cleaner.dedupe.buffer.size", TypeLong, "134217728", "", "medium", ClusterWide, NoEffect, "Memory for the compaction offset map, all threads together."},
		{"log.cleaner.io.buffer.size", TypeInt, "524288", "[0,...]", "medium", ClusterWide, NoEffect, "I/O buffers for cleaning, all threads together."},
		{"log.cleaner.io.buffer.load.factor", TypeDouble, "0.9", "", "medium", ClusterWide, NoEffect, "How full the offset map may get."},
		{"log.cleaner.backoff.ms", TypeLong, "15000", "[0,...]", "medium", ClusterWide, NoEffect, "Cleaner sleep when nothing is dirty."},
		{"log.cleaner.min.cleanable.ratio", TypeDouble, "0.5", "[0,...,1]", "medium", ClusterWide, NoEffect, "Share of a log that must be dirty before it is compacted."},
		{"log.cleaner.enable", TypeBoolean, "true", "", "medium", ReadOnly, NoEffect, "Run the compaction threads (deprecated switch)."},
		{"log.cleaner.delete.retention.ms", TypeLong, "86400000", "[0,...]", "medium", ClusterWide, NoEffect, "How long tombstones/txn markers survive compaction."},
		{"log.cleaner.min.compaction.lag.ms", TypeLong, "0", "[0,...]", "medium", ClusterWide, NoEffect, "Records younger than this are not compacted."},
		{"log.cleaner.max.compaction.lag.ms", TypeLong, "9223372036854775807", "[1,...]", "medium", ClusterWide, NoEffect, "Force a clean once a record waited this long."},
	}
}
