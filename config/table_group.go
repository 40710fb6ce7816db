package config

// groupRows is the table of what a group may set for itself.
func groupRows() []row {
	return []row{
		{"consumer.session.timeout.ms", TypeInt, "45000", "[1,...]", "medium", "", NoEffect, "Milliseconds without a heartbeat after which a member of a consumer group is removed."},
		{"consumer.heartbeat.interval.ms", TypeInt, "5000", "[1,...]", "medium", "", NoEffect, "Milliseconds between two heartbeats of a member of a consumer group."},
		{"consumer.assignment.interval.ms", TypeInt, "1000", "[0,...]", "medium", "", NoEffect, "Least milliseconds between two assignments of a consumer group."},
		{"share.session.timeout.ms", TypeInt, "45000", "[1,...]", "medium", "", NoEffect, "Milliseconds without a heartbeat after which a member of a share group is removed."},
		{"share.heartbeat.interval.ms", TypeInt, "5000", "[1,...]", "medium", "", NoEffect, "Milliseconds between two heartbeats of a member of a share group."},
		{"share.record.lock.duration.ms", TypeInt, "30000", "[1000,...]", "medium", "", NoEffect, "Milliseconds that a share group's member holds a record."},
		{"share.delivery.count.limit", TypeInt, "5", "[2,...]", "medium", "", NoEffect, "How often a share group delivers a record."},
		{"share.partition.max.record.locks", TypeInt, "2000", "[100,...]", "medium", "", NoEffect, "Records of a partition that a share group may hold at once."},
		{"share.auto.offset.reset", TypeString, "latest", "[latest, earliest, by_duration:PnDTnHnMn.nS]", "medium", "", NoEffect, "Start offset: latest, earliest, by_duration:ISO8601."},
		{"share.isolation.level", TypeString, "read_uncommitted", "[read_committed, read_uncommitted]", "medium", "", NoEffect, "Read_committed or read_uncommitted."},
		{"share.renew.acknowledge.enable", TypeBoolean, "true", "", "medium", "", NoEffect, "Whether a member of a share group may renew its hold on a record."},
		{"share.assignment.interval.ms", TypeInt, "1000", "[0,...]", "medium", "", NoEffect, "Least milliseconds between two assignments of a share group."},
		{"streams.session.timeout.ms", TypeInt, "45000", "[1,...]", "medium", "", NoEffect, "Streams group setting, see the group.streams.session.timeout.ms broker key."},
		{"streams.heartbeat.interval.ms", TypeInt, "5000", "[1,...]", "medium", "", NoEffect, "Streams group setting, see the group.streams.heartbeat.interval.ms broker key."},
		{"streams.num.standby.replicas", TypeInt, "0", "[0,...]", "medium", "", NoEffect, "Streams group setting, see the group.streams.num.standby.replicas broker key."},
		{"streams.initial.rebalance.delay.ms", TypeInt, "3000", "[0,...]", "medium", "", NoEffect, "Streams group setting, see the group.streams.initial.rebalance.delay.ms broker key."},
		{"streams.assignment.interval.ms", TypeInt, "1000", "[0,...]", "medium", "", NoEffect, "Streams group setting, see the group.streams.assignment.interval.ms broker key."},
	}
}
