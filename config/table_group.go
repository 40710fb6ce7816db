package config

// groupRows is the table of what a group may set for itself.
func groupRows() []row {
	return []row{
		{"consumer.session.timeout.ms", TypeInt, "45000", "[1,...]", "medium", "", NoEffect, "Session timeout."},
		{"consumer.heartbeat.interval.ms", TypeInt, "5000", "[1,...]", "medium", "", NoEffect, "Heartbeat interval."},
		{"consumer.assignment.interval.ms", TypeInt, "1000", "[0,...]", "medium", "", NoEffect, "Min spacing of assignments."},
		{"share.session.timeout.ms", TypeInt, "45000", "[1,...]", "medium", "", NoEffect, "Session timeout."},
		{"share.heartbeat.interval.ms", TypeInt, "5000", "[1,...]", "medium", "", NoEffect, "Heartbeat interval."},
		{"share.record.lock.duration.ms", TypeInt, "30000", "[1000,...]", "medium", "", NoEffect, "Acquisition lock time."},
		{"share.delivery.count.limit", TypeInt, "5", "[2,...]", "medium", "", NoEffect, "Max deliveries."},
		{"share.partition.max.record.locks", TypeInt, "2000", "[100,...]", "medium", "", NoEffect, "In-flight record limit."},
		{"share.auto.offset.reset", TypeString, "latest", "[latest, earliest, by_duration:PnDTnHnMn.nS]", "medium", "", NoEffect, "Start offset: latest, earliest, by_duration:ISO8601."},
		{"share.isolation.level", TypeString, "read_uncommitted", "[read_committed, read_uncommitted]", "medium", "", NoEffect, "Read_committed or read_uncommitted."},
		{"share.renew.acknowledge.enable", TypeBoolean, "true", "", "medium", "", NoEffect, "Allow lock renewal acks."},
		{"share.assignment.interval.ms", TypeInt, "1000", "[0,...]", "medium", "", NoEffect, "Min spacing of assignments."},
		{"streams.session.timeout.ms", TypeInt, "45000", "[1,...]", "medium", "", NoEffect, "Streams group setting, see the group.streams.session.timeout.ms broker key."},
		{"streams.heartbeat.interval.ms", TypeInt, "5000", "[1,...]", "medium", "", NoEffect, "Streams group setting, see the group.streams.heartbeat.interval.ms broker key."},
		{"streams.num.standby.replicas", TypeInt, "0", "[0,...]", "medium", "", NoEffect, "Streams group setting, see the group.streams.num.standby.replicas broker key."},
		{"streams.initial.rebalance.delay.ms", TypeInt, "3000", "[0,...]", "medium", "", NoEffect, "Streams group setting, see the group.streams.initial.rebalance.delay.ms broker key."},
		{"streams.assignment.interval.ms", TypeInt, "1000", "[0,...]", "medium", "", NoEffect, "Streams group setting, see the group.streams.assignment.interval.ms broker key."},
	}
}
