package config

// logRows are the keys of topics and logs.
func logRows() []row {
	return []row{
		{"num.partitions", TypeInt, "1", "[1,...]", "medium", ReadOnly, Honoured, "Partitions of a topic that is created without a number of its own."},
		{"log.dir", TypeList, "/tmp/kafka-logs", "", "high", ReadOnly, Honoured, "The data directory where log.dirs is not set."},
		{"log.dirs", TypeList, null, "", "high", ReadOnly, Honoured, "The data directories, separated by commas."},
		{"cordoned.log.dirs", TypeList, "", "", "medium", PerBroker, Honoured, "Log dirs that get no new partitions (* = all)."},
		{"log.segment.bytes", TypeInt, "1073741824", "[1048576,...]", "high", ClusterWide, Honoured, "Bytes after which a new segment begins."},
		{"log.roll.ms", TypeLong, null, "", "high", ClusterWide, Honoured, "Milliseconds after which a new segment begins; wins over log.roll.hours."},
		{"log.roll.hours", TypeInt, "168", "[1,...]", "high", ReadOnly, Honoured, "Roll a segment after this age (loses to .ms)."},
		{"log.roll.jitter.ms", TypeLong, null, "", "high", ClusterWide, Honoured, "Greatest random number of milliseconds by which a segment begins earlier."},
		{"log.roll.jitter.hours", TypeInt, "0", "[0,...]", "high", ReadOnly, Honoured, "Random reduction of roll age (loses to .ms)."},
		{"log.retention.ms", TypeLong, null, "", "high", ClusterWide, Honoured, "Retention time, beats minutes and hours (-1 = unlimited)."},
		{"log.retention.minutes", TypeInt, null, "", "high", ReadOnly, Honoured, "Minutes that records are kept; wins over log.retention.hours."},
		{"log.retention.hours", TypeInt, "168", "", "high", ReadOnly, Honoured, "Retention time, lowest precedence."},
		{"log.retention.bytes", TypeLong, "-1", "", "high", ClusterWide, Honoured, "Per-partition size limit (-1 none)."},
		{"log.retention.check.interval.ms", TypeLong, "300000", "[1,...]", "medium", ReadOnly, Honoured, "Milliseconds between two looks for segments to delete."},
		{"log.cleanup.policy", TypeList, "delete", "[compact, delete]", "medium", ClusterWide, Honoured, "Delete, compact, or both, for old segments (empty = keep forever)."},
		{"log.index.size.max.bytes", TypeInt, "10485760", "[4,...]", "medium", ClusterWide, Honoured, "Max (preallocated) offset index size."},
		{"log.index.interval.bytes", TypeInt, "4096", "[0,...]", "medium", ClusterWide, Honoured, "Bytes of log per sparse index entry."},
		{"log.flush.interval.messages", TypeLong, "9223372036854775807", "[1,...]", "high", ClusterWide, Honoured, "Records of a partition after which they are forced to the disk."},
		{"log.segment.delete.delay.ms", TypeLong, "60000", "[0,...]", "high", ClusterWide, Honoured, "Delay between renaming to .deleted and unlinking."},
		{"log.flush.scheduler.interval.ms", TypeLong, "9223372036854775807", "", "high", ReadOnly, Honoured, "How often the flusher looks for work."},
		{"log.flush.interval.ms", TypeLong, null, "", "high", ClusterWide, Honoured, "Fsync after a message waited this long."},
		{"log.flush.offset.checkpoint.interval.ms", TypeInt, "60000", "[0,...]", "high", ReadOnly, Honoured, "How often the recovery-point checkpoint is written."},
		{"log.flush.start.offset.checkpoint.interval.ms", TypeInt, "60000", "[0,...]", "high", ReadOnly, Honoured, "How often log-start-offset checkpoint is written."},
		{"log.preallocate", TypeBoolean, "false", "", "medium", ClusterWide, Honoured, "Whether a new segment takes its whole size on the disk at once."},
		{"num.recovery.threads.per.data.dir", TypeInt, "2", "[1,...]", "high", ClusterWide, Honoured, "Parallelism of start-up recovery and shutdown flush, per dir."},
		{"auto.create.topics.enable", TypeBoolean, "true", "", "high", ReadOnly, Honoured, "Create a missing topic on Metadata requests that allow it."},
		{"min.insync.replicas", TypeInt, "1", "[1,...]", "high", ClusterWide, Honoured, "Least in-sync replicas for a produce with acks=all."},
		{"log.message.timestamp.type", TypeString, "CreateTime", "[CreateTime, LogAppendTime]", "medium", ClusterWide, Honoured, "Whether a record carries its producer's time (CreateTime) or the broker's (LogAppendTime)."},
		{"log.message.timestamp.before.max.ms", TypeLong, "9223372036854775807", "[0,...]", "medium", ClusterWide, Honoured, "How far in the past a CreateTime may be."},
		{"log.message.timestamp.after.max.ms", TypeLong, "3600000", "[0,...]", "medium", ClusterWide, Honoured, "How far in the future a CreateTime may be."},
		{"create.topic.policy.class.name", TypeClass, null, "", "low", ReadOnly, NoEffect, "JVM plugin that may veto CreateTopics."},
		{"alter.config.policy.class.name", TypeClass, null, "", "low", ReadOnly, NoEffect, "JVM plugin that may veto AlterConfigs."},
		{"log.dir.failure.timeout.ms", TypeLong, "30000", "[1,...]", "low", ReadOnly, NoEffect, "Broker stops if it cannot report a failed dir for this long."},
		{"log.initial.task.delay.ms", TypeLong, "30000", "[0,...]", "low", ReadOnly, Honoured, "Test knob: delay before LogManager tasks begin."},
	}
}

// shareRows are the keys of share groups' state.
func shareRows() []row {
	return []row{
		{"group.share.delivery.count.limit", TypeInt, "5", "[2,...,10]", "medium", ReadOnly, NoEffect, "Deliveries of a record before it is archived/DLQed."},
		{"group.share.max.delivery.count.limit", TypeInt, "10", "[5,...,25]", "medium", ReadOnly, NoEffect, "Ceiling for the group override of the delivery count."},
		{"group.share.min.delivery.count.limit", TypeInt, "2", "[2,...,5]", "medium", ReadOnly, NoEffect, "Floor for the group override of the delivery count."},
		{"group.share.record.lock.duration.ms", TypeInt, "30000", "[1000,...,3600000]", "medium", ReadOnly, NoEffect, "How long an acquired record stays locked to a member."},
		{"group.share.min.record.lock.duration.ms", TypeInt, "15000", "[1000,...,30000]", "medium", ReadOnly, NoEffect, "Floor for the group override of the record lock time."},
		{"group.share.max.record.lock.duration.ms", TypeInt, "60000", "[30000,...,3600000]", "medium", ReadOnly, NoEffect, "Ceiling for the group override of the record lock time."},
		{"group.share.partition.max.record.locks", TypeInt, "2000", "[100,...,10000]", "medium", ReadOnly, NoEffect, "In-flight (acquired) record limit per share-partition."},
		{"group.share.max.partition.max.record.locks", TypeInt, "4000", "[2000,...,10000]", "medium", ReadOnly, NoEffect, "Ceiling for the group override of record locks."},
		{"group.share.min.partition.max.record.locks", TypeInt, "100", "[100,...,2000]", "medium", ReadOnly, NoEffect, "Floor for the group override of record locks."},
		{"share.fetch.purgatory.purge.interval.requests", TypeInt, "1000", "", "medium", ReadOnly, NoEffect, "Purge cadence of delayed share fetches."},
		{"group.share.max.share.sessions", TypeInt, "2000", "[1,...]", "medium", ReadOnly, NoEffect, "Share-fetch sessions cached per broker."},
		{"group.share.persister.class.name", TypeString, "org.apache.kafka.server.share.persister.DefaultStatePersister", "", "medium", ReadOnly, NoEffect, "Class persisting share-group state."},
		{"share.coordinator.state.topic.num.partitions", TypeInt, "50", "[1,...]", "high", ReadOnly, NoEffect, "Partitions of __share_group_state."},
		{"share.coordinator.state.topic.replication.factor", TypeShort, "3", "[1,...]", "high", ReadOnly, Honoured, "Replication factor of __share_group_state."},
		{"share.coordinator.state.topic.min.isr", TypeShort, "2", "[1,...]", "high", ReadOnly, Honoured, "Least in-sync replicas of __share_group_state."},
		{"share.coordinator.state.topic.segment.bytes", TypeInt, "104857600", "[1,...]", "high", ReadOnly, NoEffect, "Segment size of __share_group_state."},
		{"share.coordinator.threads", TypeInt, "1", "[1,...]", "medium", ReadOnly, NoEffect, "Share coordinator threads."},
		{"share.coordinator.snapshot.update.records.per.snapshot", TypeInt, "500", "[0,...,500]", "medium", ReadOnly, NoEffect, "Updates between share-state snapshots."},
		{"share.coordinator.load.buffer.size", TypeInt, "5242880", "[1,...]", "high", ReadOnly, NoEffect, "Read batch when loading share state."},
		{"share.coordinator.state.topic.compression.codec", TypeInt, "0", "", "high", ReadOnly, NoEffect, "Codec of __share_group_state: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd."},
		{"share.coordinator.append.linger.ms", TypeInt, "-1", "[-1,...]", "medium", ReadOnly, NoEffect, "Share coordinator write batching; -1 adaptive."},
		{"share.coordinator.write.timeout.ms", TypeInt, "5000", "[1,...]", "high", ReadOnly, NoEffect, "Max wait for replicating a share-state write."},
		{"share.coordinator.state.topic.prune.interval.ms", TypeInt, "300000", "[1,...]", "low", ReadOnly, NoEffect, "How often redundant share state is pruned."},
		{"share.coordinator.cold.partition.snapshot.interval.ms", TypeInt, "300000", "[1,...]", "low", ReadOnly, NoEffect, "Forced snapshot of idle share partitions."},
		{"share.coordinator.cached.buffer.max.bytes", TypeInt, "1048588", "[524288,...]", "medium", ClusterWide, NoEffect, "Largest write buffer kept for reuse."},
	}
}

// transactionRows are the keys of transactions and producer ids.
func transactionRows() []row {
	return []row{
		{"transaction.state.log.min.isr", TypeInt, "2", "[1,...]", "high", ReadOnly, Honoured, "Least in-sync replicas of __transaction_state."},
		{"transaction.state.log.load.buffer.size", TypeInt, "5242880", "[1,...]", "high", ReadOnly, Honoured, "Read batch when loading transaction state."},
		{"transaction.state.log.replication.factor", TypeShort, "3", "[1,...]", "high", ReadOnly, Honoured, "Replication factor of __transaction_state (set 1 on one node)."},
		{"transaction.state.log.num.partitions", TypeInt, "50", "[1,...]", "high", ReadOnly, Honoured, "Partitions of __transaction_state."},
		{"transaction.state.log.segment.bytes", TypeInt, "104857600", "[1,...]", "high", ReadOnly, Honoured, "Segment size of __transaction_state."},
		{"transaction.partition.verification.enable", TypeBoolean, "true", "", "low", ClusterWide, Honoured, "Check that a partition was added to the txn before append (KIP-890)."},
		{"producer.id.expiration.ms", TypeInt, "86400000", "[1,...]", "low", ClusterWide, Honoured, "Forget an idle producer id after this."},
		{"producer.id.expiration.check.interval.ms", TypeInt, "600000", "[1,...]", "low", ReadOnly, Honoured, "How often idle producer ids are swept."},
		{"transactional.id.expiration.ms", TypeInt, "604800000", "[1,...]", "high", ReadOnly, Honoured, "Forget an idle transactional.id after this."},
		{"transaction.max.timeout.ms", TypeInt, "900000", "[1,...]", "high", ReadOnly, Honoured, "Max transaction.timeout.ms a client may ask for."},
		{"transaction.abort.timed.out.transaction.cleanup.interval.ms", TypeInt, "10000", "[1,...]", "low", ReadOnly, Honoured, "How often timed-out transactions are aborted."},
		{"transaction.remove.expired.transaction.cleanup.interval.ms", TypeInt, "3600000", "[1,...]", "low", ReadOnly, Honoured, "How often expired transactional ids are removed."},
		{"transaction.two.phase.commit.enable", TypeBoolean, "false", "", "low", ReadOnly, NoEffect, "Allow 2PC participation (KIP-939)."},
	}
}

// quorumRows are the keys of the quorum of controllers.
func quorumRows() []row {
	return []row{
		{"controller.quorum.voters", TypeList, "", "non-empty list", "high", ReadOnly, Honoured, "The controllers with fixed places, each as {id}@{host}:{port}."},
		{"controller.quorum.bootstrap.servers", TypeList, "", "non-empty list", "high", ReadOnly, Honoured, "Host:port list used to find the KRaft quorum (dynamic quorum)."},
		{"controller.quorum.election.timeout.ms", TypeInt, "1000", "[0,...]", "high", ReadOnly, NoEffect, "Follower without leader contact starts an election after this."},
		{"controller.quorum.fetch.timeout.ms", TypeInt, "2000", "[0,...]", "high", ReadOnly, NoEffect, "Follower/leader resigns when fetches stop for this long."},
		{"controller.quorum.election.backoff.max.ms", TypeInt, "1000", "[0,...]", "high", ReadOnly, NoEffect, "Max random backoff between elections."},
		{"controller.quorum.append.linger.ms", TypeInt, "25", "[0,...]", "medium", ReadOnly, NoEffect, "How long the metadata leader batches writes before fsync."},
		{"controller.quorum.request.timeout.ms", TypeInt, "2000", "[0,...]", "medium", ReadOnly, NoEffect, "Timeout of one raft RPC."},
		{"controller.quorum.retry.backoff.ms", TypeInt, "20", "[0,...]", "low", ReadOnly, NoEffect, "Backoff between raft RPC retries."},
		{"controller.quorum.auto.join.enable", TypeBoolean, "false", "", "low", ReadOnly, NoEffect, "Controller adds itself as voter automatically."},
		{"controller.quorum.fetch.snapshot.max.bytes", TypeInt, "1048576", "[1,...]", "low", ReadOnly, NoEffect, "Max bytes per FetchSnapshot."},
		{"controller.quorum.fetch.max.bytes", TypeInt, "1048576", "[1,...]", "low", ReadOnly, NoEffect, "Max bytes per metadata-log Fetch."},
	}
}

// metricRows are the keys of metrics and quotas.
func metricRows() []row {
	return []row{
		{"metrics.num.samples", TypeInt, "2", "[1,...]", "low", ReadOnly, NoEffect, "Samples per rate/avg metric."},
		{"metrics.sample.window.ms", TypeLong, "30000", "[1,...]", "low", ReadOnly, NoEffect, "Length of one metric sample."},
		{"metric.reporters", TypeList, "org.apache.kafka.common.metrics.JmxReporter", "", "low", ClusterWide, NoEffect, "Kafka metrics reporter classes (JVM)."},
		{"metrics.recording.level", TypeString, "INFO", "", "low", ReadOnly, NoEffect, "Verbosity of metrics: INFO, DEBUG, TRACE."},
		{"kafka.metrics.reporters", TypeList, "", "", "low", ReadOnly, NoEffect, "Yammer metric reporter classes (JVM)."},
		{"kafka.metrics.polling.interval.secs", TypeInt, "10", "[1,...]", "low", ReadOnly, NoEffect, "Poll period for Yammer metric reporters."},
		{"telemetry.max.bytes", TypeInt, "1048576", "[1,...]", "low", ReadOnly, NoEffect, "Max compressed size of a PushTelemetry."},
		{"quota.window.num", TypeInt, "11", "[1,...]", "low", ReadOnly, Honoured, "Samples kept for the rate of new connections."},
		{"replication.quota.window.num", TypeInt, "11", "[1,...]", "low", ReadOnly, NoEffect, "Samples for replication throttles."},
		{"alter.log.dirs.replication.quota.window.num", TypeInt, "11", "[1,...]", "low", ReadOnly, NoEffect, "Samples kept for the log-dir-move throttle."},
		{"controller.quota.window.num", TypeInt, "11", "[1,...]", "low", ReadOnly, NoEffect, "Samples kept for controller-mutation quotas."},
		{"quota.window.size.seconds", TypeInt, "1", "[1,...]", "low", ReadOnly, Honoured, "Length of one sample of the rate of new connections, and the longest delay of one."},
		{"replication.quota.window.size.seconds", TypeInt, "1", "[1,...]", "low", ReadOnly, NoEffect, "Sample length for replication throttles."},
		{"alter.log.dirs.replication.quota.window.size.seconds", TypeInt, "1", "[1,...]", "low", ReadOnly, NoEffect, "Length of one sample of the log-dir-move throttle."},
		{"controller.quota.window.size.seconds", TypeInt, "1", "[1,...]", "low", ReadOnly, NoEffect, "Length of one controller-mutation quota sample."},
		{"client.quota.callback.class", TypeClass, null, "", "low", ReadOnly, NoEffect, "JVM plugin that computes client quotas."},
	}
}

// tlsRows are the keys of security, and of TLS.
func tlsRows() []row {
	return []row{
		{"connections.max.reauth.ms", TypeLong, "0", "", "medium", ReadOnly, NoEffect, "If >0, SASL session lifetime after which the client must re-authenticate."},
		{"sasl.server.max.receive.size", TypeInt, "524288", "", "medium", ReadOnly, Refused, "Max request size before authentication completes."},
		{"security.providers", TypeString, null, "", "low", ReadOnly, Refused, "JCA provider classes (JVM)."},
		{"principal.builder.class", TypeClass, "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder", "", "medium", PerBroker, Refused, "Class turning TLS/SASL identity into a principal."},
		{"ssl.client.auth", TypeString, "none", "[required, requested, none]", "medium", PerBroker, Refused, "Mutual TLS: none, requested, required."},
		{"ssl.principal.mapping.rules", TypeString, "DEFAULT", "", "low", ReadOnly, Refused, "Rules mapping a DN to a short name."},
		{"ssl.allow.dn.changes", TypeBoolean, "false", "", "low", ReadOnly, Refused, "Allow subject change on keystore reload."},
		{"ssl.allow.san.changes", TypeBoolean, "false", "", "low", ReadOnly, Refused, "Allow SAN change on keystore reload."},
		{"ssl.protocol", TypeString, "TLSv1.3", "", "medium", PerBroker, Refused, "TLS version of the context."},
		{"ssl.provider", TypeString, null, "", "medium", PerBroker, Refused, "JCA provider (JVM)."},
		{"ssl.enabled.protocols", TypeList, "TLSv1.2,TLSv1.3", "", "medium", PerBroker, Refused, "TLS versions."},
		{"ssl.keystore.type", TypeString, "JKS", "", "medium", PerBroker, Refused, "JKS, PKCS12 or PEM."},
		{"ssl.keystore.location", TypeString, null, "", "medium", PerBroker, Refused, "Keystore path."},
		{"ssl.keystore.password", TypePassword, null, "", "medium", PerBroker, Refused, "Keystore password."},
		{"ssl.key.password", TypePassword, null, "", "medium", PerBroker, Refused, "Password of the private key."},
		{"ssl.keystore.key", TypePassword, null, "", "medium", PerBroker, Refused, "PEM private key inline."},
		{"ssl.keystore.certificate.chain", TypePassword, null, "", "medium", PerBroker, Refused, "PEM chain inline."},
		{"ssl.truststore.type", TypeString, "JKS", "", "medium", PerBroker, Refused, "JKS, PKCS12 or PEM."},
		{"ssl.truststore.location", TypeString, null, "", "medium", PerBroker, Refused, "Truststore path."},
		{"ssl.truststore.password", TypePassword, null, "", "medium", PerBroker, Refused, "Truststore password."},
		{"ssl.truststore.certificates", TypePassword, null, "", "medium", PerBroker, Refused, "PEM CA certificates inline."},
		{"ssl.keymanager.algorithm", TypeString, "SunX509", "", "medium", PerBroker, Refused, "Key manager algorithm (JVM)."},
		{"ssl.trustmanager.algorithm", TypeString, "PKIX", "", "medium", PerBroker, Refused, "Trust manager algorithm (JVM)."},
		{"ssl.endpoint.identification.algorithm", TypeString, "https", "", "low", PerBroker, Refused, "Hostname check when connecting out (empty = off)."},
		{"ssl.secure.random.implementation", TypeString, null, "", "low", PerBroker, Refused, "PRNG (JVM)."},
		{"ssl.cipher.suites", TypeList, "", "", "medium", PerBroker, Refused, "TLS suites allowed (JVM names)."},
		{"ssl.engine.factory.class", TypeClass, null, "", "low", PerBroker, Refused, "SSLEngine factory (JVM)."},
	}
}

// saslRows are the keys of SASL.
func saslRows() []row {
	return []row{
		{"sasl.mechanism.inter.broker.protocol", TypeString, "GSSAPI", "", "medium", PerBroker, Refused, "Mechanism used between brokers."},
		{"sasl.enabled.mechanisms", TypeList, "GSSAPI", "", "medium", PerBroker, Refused, "Mechanisms accepted: GSSAPI, PLAIN, SCRAM-SHA-256/512, OAUTHBEARER."},
		{"sasl.server.callback.handler.class", TypeClass, null, "", "medium", ReadOnly, Refused, "Server-side SASL callback class, prefixed per listener+mechanism."},
		{"sasl.kerberos.principal.to.local.rules", TypeList, "DEFAULT", "", "medium", PerBroker, Refused, "Auth_to_local rules."},
		{"sasl.jaas.config", TypePassword, null, "", "medium", PerBroker, Refused, "JAAS entry; for brokers prefixed listener.name.<l>.<mechanism>."},
		{"sasl.client.callback.handler.class", TypeClass, null, "", "medium", ReadOnly, Refused, "Client-side SASL callback class (JVM)."},
		{"sasl.login.class", TypeClass, null, "", "medium", ReadOnly, Refused, "Login class (JVM)."},
		{"sasl.login.callback.handler.class", TypeClass, null, "", "medium", ReadOnly, Refused, "Login callback class (JVM)."},
		{"sasl.kerberos.service.name", TypeString, null, "", "medium", PerBroker, Refused, "Broker's Kerberos service name."},
		{"sasl.kerberos.kinit.cmd", TypeString, "/usr/bin/kinit", "", "medium", PerBroker, Refused, "Kinit path."},
		{"sasl.kerberos.ticket.renew.window.factor", TypeDouble, "0.8", "", "medium", PerBroker, Refused, "Fraction of ticket life before renewal."},
		{"sasl.kerberos.ticket.renew.jitter", TypeDouble, "0.05", "", "medium", PerBroker, Refused, "Jitter on ticket renewal."},
		{"sasl.kerberos.min.time.before.relogin", TypeLong, "60000", "", "medium", PerBroker, Refused, "Sleep between Kerberos refresh attempts."},
		{"sasl.login.refresh.window.factor", TypeDouble, "0.8", "", "medium", PerBroker, Refused, "Fraction of credential life before refresh."},
		{"sasl.login.refresh.window.jitter", TypeDouble, "0.05", "", "medium", PerBroker, Refused, "Random share of the time at which a login is refreshed."},
		{"sasl.login.refresh.min.period.seconds", TypeShort, "60", "", "medium", PerBroker, Refused, "Least seconds between two refreshes of a login."},
		{"sasl.login.refresh.buffer.seconds", TypeShort, "300", "", "medium", PerBroker, Refused, "Refresh credentials this long before expiry."},
		{"sasl.login.connect.timeout.ms", TypeInt, null, "", "low", ReadOnly, Refused, "Connect timeout to the OAuth provider."},
		{"sasl.login.read.timeout.ms", TypeInt, null, "", "low", ReadOnly, Refused, "Read timeout to the OAuth provider."},
		{"sasl.login.retry.backoff.max.ms", TypeLong, "10000", "", "low", ReadOnly, Refused, "Max backoff of provider logins."},
		{"sasl.login.retry.backoff.ms", TypeLong, "100", "", "low", ReadOnly, Refused, "First backoff of provider logins."},
	}
}

// oauthRows are the keys of OAUTHBEARER, delegation tokens, and what else there is.
func oauthRows() []row {
	return []row{
		{"sasl.oauthbearer.jwt.retriever.class", TypeClass, "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever", "", "medium", ReadOnly, Refused, "Class fetching tokens (JVM)."},
		{"sasl.oauthbearer.jwt.validator.class", TypeClass, "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator", "", "medium", ReadOnly, Refused, "Class validating tokens (JVM)."},
		{"sasl.oauthbearer.scope", TypeString, null, "", "medium", ReadOnly, Refused, "Scope asked of the provider."},
		{"sasl.oauthbearer.client.credentials.client.id", TypeString, null, "", "medium", ReadOnly, Refused, "Client_id for client-credentials grants."},
		{"sasl.oauthbearer.client.credentials.client.secret", TypePassword, null, "", "medium", ReadOnly, Refused, "Client_secret for client-credentials grants."},
		{"sasl.oauthbearer.assertion.algorithm", TypeString, "RS256", "(case insensitive) [ES256, RS256]", "medium", ReadOnly, Refused, "Signing algorithm of client assertions."},
		{"sasl.oauthbearer.assertion.claim.aud", TypeString, null, "", "medium", ReadOnly, Refused, "Aud claim of the assertion."},
		{"sasl.oauthbearer.assertion.claim.exp.seconds", TypeInt, "300", "[0,...,86400]", "low", ReadOnly, Refused, "Assertion lifetime."},
		{"sasl.oauthbearer.assertion.claim.iss", TypeString, null, "", "medium", ReadOnly, Refused, "Iss claim of the assertion."},
		{"sasl.oauthbearer.assertion.claim.jti.include", TypeBoolean, "false", "", "medium", ReadOnly, Refused, "Add a random jti."},
		{"sasl.oauthbearer.assertion.claim.nbf.seconds", TypeInt, "60", "[0,...,3600]", "low", ReadOnly, Refused, "Nbf offset into the past."},
		{"sasl.oauthbearer.assertion.claim.sub", TypeString, null, "", "medium", ReadOnly, Refused, "Sub claim of the assertion."},
		{"sasl.oauthbearer.assertion.file", TypeString, null, "", "medium", ReadOnly, Refused, "Ready-made assertion file."},
		{"sasl.oauthbearer.assertion.private.key.file", TypeString, null, "", "medium", ReadOnly, Refused, "PEM key signing assertions."},
		{"sasl.oauthbearer.assertion.private.key.passphrase", TypePassword, null, "", "medium", ReadOnly, Refused, "Passphrase of the key that signs assertions."},
		{"sasl.oauthbearer.assertion.template.file", TypeString, null, "", "medium", ReadOnly, Refused, "Template for assertion header/claims."},
		{"sasl.oauthbearer.scope.claim.name", TypeString, "scope", "", "low", ReadOnly, Refused, "Claim that carries the scope."},
		{"sasl.oauthbearer.sub.claim.name", TypeString, "sub", "", "low", ReadOnly, Refused, "Claim that carries the principal."},
		{"sasl.oauthbearer.token.endpoint.url", TypeString, null, "", "medium", ReadOnly, Refused, "Token endpoint (also gated by the allowed-urls system property)."},
		{"sasl.oauthbearer.jwks.endpoint.url", TypeString, null, "", "medium", ReadOnly, Refused, "JWKS location (http(s) or file)."},
		{"sasl.oauthbearer.jwks.endpoint.refresh.ms", TypeLong, "3600000", "", "low", ReadOnly, Refused, "JWKS refresh period."},
		{"sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", TypeLong, "100", "", "low", ReadOnly, Refused, "First backoff of JWKS fetches."},
		{"sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", TypeLong, "10000", "", "low", ReadOnly, Refused, "Max backoff of JWKS fetches."},
		{"sasl.oauthbearer.clock.skew.seconds", TypeInt, "30", "", "low", ReadOnly, Refused, "Allowed clock skew for JWT times."},
		{"sasl.oauthbearer.expected.audience", TypeList, "", "", "high", ReadOnly, Refused, "Audiences accepted."},
		{"sasl.oauthbearer.expected.issuer", TypeString, null, "", "high", ReadOnly, Refused, "Issuer accepted."},
		{"delegation.token.secret.key", TypePassword, null, "", "medium", ReadOnly, NoEffect, "Shared HMAC secret; unset = delegation tokens off."},
		{"delegation.token.max.lifetime.ms", TypeLong, "604800000", "[1,...]", "medium", ReadOnly, NoEffect, "Hard lifetime of a delegation token."},
		{"delegation.token.expiry.time.ms", TypeLong, "86400000", "[1,...]", "medium", ReadOnly, NoEffect, "Token validity before renewal is needed."},
		{"delegation.token.expiry.check.interval.ms", TypeLong, "3600000", "[1,...]", "low", ReadOnly, NoEffect, "How often expired delegation tokens are swept."},
		{"add.partitions.to.txn.retry.backoff.max.ms", TypeInt, "100", "[0,...]", "high", ReadOnly, NoEffect, "Upper bound on the broker-side wait while it keeps retrying AddPartitionsToTxn on a client's behalf."},
		{"add.partitions.to.txn.retry.backoff.ms", TypeInt, "20", "[1,...]", "high", ReadOnly, NoEffect, "Pause between broker-side retries of AddPartitionsToTxn."},
	}
}
