package differential

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// alterations are the keys of one resource and their values; nil is null.
type alterations map[string]*string

func text(value string) *string { return &value }

const (
	onTopic   = kmsg.ConfigResourceTypeTopic
	onBroker  = kmsg.ConfigResourceTypeBroker
	onLogger  = kmsg.ConfigResourceTypeBrokerLogger
	onMetrics = kmsg.ConfigResourceTypeClientMetrics
	onGroup   = kmsg.ConfigResourceTypeGroupConfig
)

// replaceConfigs is an AlterConfigs of one resource.
func replaceConfigs(name string, kind kmsg.ConfigResourceType, resource string, configs alterations) testCase {
	return testCase{name: "replace " + name, key: kmsg.AlterConfigs, build: func(*side, int16) kmsg.Request {
		r := kmsg.NewPtrAlterConfigsRequest()
		r.ValidateOnly = strings.HasPrefix(name, "validate")
		item := kmsg.NewAlterConfigsRequestResource()
		item.ResourceType, item.ResourceName = kind, resource
		for _, key := range slices.Sorted(maps.Keys(configs)) {
			c := kmsg.NewAlterConfigsRequestResourceConfig()
			c.Name, c.Value = key, configs[key]
			item.Configs = append(item.Configs, c)
		}
		r.Resources = append(r.Resources, item)
		return r
	}}
}

// changeConfig is an IncrementalAlterConfigs of one key; op is set, delete, append or subtract.
func changeConfig(kind kmsg.ConfigResourceType, resource, op, key string, value *string) testCase {
	ops := map[string]kmsg.IncrementalAlterConfigOp{"set": 0, "delete": 1, "append": 2, "subtract": 3, "burn": 9}
	name := fmt.Sprintf("%s %s of %d %q", op, key, kind, resource)
	if value != nil {
		name += " " + (*value)[:min(len(*value), 40)]
	}
	return testCase{name: name, key: kmsg.IncrementalAlterConfigs, build: func(*side, int16) kmsg.Request {
		r := kmsg.NewPtrIncrementalAlterConfigsRequest()
		item := kmsg.NewIncrementalAlterConfigsRequestResource()
		item.ResourceType, item.ResourceName = kind, resource
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		c.Name, c.Op, c.Value = key, ops[op], value
		item.Configs = append(item.Configs, c)
		r.Resources = append(r.Resources, item)
		return r
	}}
}

// showConfigs is a DescribeConfigs of one resource, with synonyms.
func showConfigs(name string, kind kmsg.ConfigResourceType, resource string, keys ...string) testCase {
	return testCase{name: "show " + name, key: kmsg.DescribeConfigs, build: func(*side, int16) kmsg.Request {
		r := kmsg.NewPtrDescribeConfigsRequest()
		r.IncludeSynonyms = true
		item := kmsg.NewDescribeConfigsRequestResource()
		item.ResourceType, item.ResourceName, item.ConfigNames = kind, resource, keys
		r.Resources = append(r.Resources, item)
		return r
	}}
}

func replaceCases() []testCase {
	return []testCase{
		replaceConfigs("one", onTopic, "settable", alterations{"retention.ms": text("7000000"), "segment.bytes": text("1048576")}),
		showConfigs("after one", onTopic, "settable"),
		replaceConfigs("another", onTopic, "settable", alterations{"retention.ms": text("8000000")}), showConfigs("after another", onTopic, "settable"),
		replaceConfigs("validate only", onTopic, "settable", alterations{"retention.ms": text("9000")}), showConfigs("after a trial", onTopic, "settable"),
		replaceConfigs("bad value", onTopic, "settable", alterations{"retention.ms": text("x")}),
		replaceConfigs("unknown", onTopic, "settable", alterations{"no.such": text("x")}),
		replaceConfigs("null", onTopic, "settable", alterations{"retention.ms": nil, "segment.bytes": nil}),
		replaceConfigs("absent topic", onTopic, "absent", alterations{"retention.ms": text("1")}),
		replaceConfigs("bad topic", onTopic, "a/b", alterations{"retention.ms": text("1")}),
		replaceConfigs("no topic", onTopic, "", alterations{"retention.ms": text("1")}),
		replaceConfigs("unknown kind", 77, "settable", alterations{"retention.ms": text("1")}),
		replaceConfigs("logger", onLogger, "1", alterations{"root": text("INFO")}),
		replaceConfigs("group", onGroup, "some-group", alterations{"consumer.session.timeout.ms": text("50000")}), showConfigs("group", onGroup, "some-group"),
		replaceConfigs("metrics", onMetrics, "some-metrics", alterations{"metrics": text("a,b"), "interval.ms": text("1000")}), showConfigs("metrics", onMetrics, "some-metrics"),
		replaceConfigs("metrics unknown", onMetrics, "some-metrics", alterations{"no.such": text("a,b")}),
		replaceConfigs("broker", onBroker, "1", alterations{"background.threads": text("9")}),
		replaceConfigs("broker static", onBroker, "1", alterations{"node.id": text("9")}),
		replaceConfigs("broker other", onBroker, "2", alterations{"background.threads": text("9")}),
		replaceConfigs("broker nothing", onBroker, "1", alterations{}),
		replaceConfigs("nothing", onTopic, "settable", alterations{}), replaceConfigs("group nothing", onGroup, "some-group", alterations{}),
		replaceConfigs("metrics nothing", onMetrics, "some-metrics", alterations{}), showConfigs("after nothing", onTopic, "settable"),
	}
}

// dynamicCases change what brokers have while they run, and look.
func dynamicCases() []testCase {
	all := []testCase{}
	for _, c := range []struct {
		resource, op, key string
		value             *string
	}{
		{"1", "set", "node.id", text("1")}, {"1", "set", "log.dirs", text("/x")}, {"", "set", "log.retention.hours", text("1")},
		{"1", "set", "no.such.key", text("1")}, {"1", "delete", "no.such.key", nil}, {"1", "append", "no.such.key", text("1")},
		{"1", "set", "num.io.threads", text("x")}, {"1", "set", "num.io.threads", text("0")}, {"1", "set", "num.io.threads", text("100")}, {"1", "set", "num.io.threads", text("2")},
		{"1", "set", "num.io.threads", text("9")}, {"1", "set", "num.network.threads", text("50")}, {"1", "set", "log.cleaner.threads", text("9")},
		{"", "set", "log.retention.ms", text("-2")}, {"", "set", "log.retention.ms", text("0")}, {"", "set", "log.retention.ms", text("770000000")}, {"1", "set", "log.retention.ms", text("880000000")},
		{"", "set", "log.cleanup.policy", text("compact")}, {"", "append", "log.cleanup.policy", text("delete")}, {"", "subtract", "log.cleanup.policy", text("compact")}, {"", "append", "log.retention.ms", text("1")},
		{"", "set", "log.cleanup.policy", text("burn")}, {"", "delete", "log.cleanup.policy", nil},
		{"", "set", "message.max.bytes", text("-1")}, {"", "set", "message.max.bytes", text("5000")},
		{"1", "set", "min.insync.replicas", text("2")}, {"", "delete", "min.insync.replicas", nil}, {"", "set", "min.insync.replicas", text("1")},
		{"", "set", "max.connections.per.ip", text("0")}, {"", "set", "max.connections", text("5000")}, {"", "set", "max.connections.per.ip.overrides", text("x")},
		{"", "set", "max.connections.per.ip.overrides", text("10.0.0.1:5")}, {"", "set", "listeners", text("PLAINTEXT://:1")}, {"1", "set", "ssl.keystore.location", text("/x")},
		{"", "set", "listener.name.plaintext.ssl.keystore.location", text("/x")}, {"", "set", "log.local.retention.ms", text("99999999")}, {"", "set", "log.local.retention.ms", text("-1")},
		{"1", "set", "cordoned.log.dirs", text("/nowhere")}, {"", "set", "cordoned.log.dirs", text("/nowhere")}, {"", "set", "leader.replication.throttled.rate", text("1000")},
		{"1", "set", "leader.replication.throttled.rate", text("-1")}, {"1", "burn", "num.io.threads", text("9")}, {"x", "set", "num.io.threads", text("9")}, {"2", "set", "num.io.threads", text("9")},
		{"", "set", "unclean.leader.election.enable", text("maybe")}, {"", "set", "compression.type", text("zstd")}, {"", "set", "log.roll.ms", text("0")},
		{"", "set", "group.consumer.assignment.interval.ms", text("2000")}, {"", "set", "log.message.timestamp.type", text("LogAppendTime")}, {"", "delete", "log.message.timestamp.type", nil},
	} {
		all = append(all, changeConfig(onBroker, c.resource, c.op, c.key, c.value))
	}
	all = append(all,
		showConfigs("broker dynamic", onBroker, "1", "num.io.threads", "log.retention.ms", "message.max.bytes", "no.such.key", "log.cleanup.policy", "compression.type", "min.insync.replicas", "max.connections", "leader.replication.throttled.rate"),
		showConfigs("brokers dynamic", onBroker, ""), showConfigs("topic under dynamic", onTopic, "alpha"), showConfigs("broker all", onBroker, "1"),
		changeConfig(onBroker, "1", "delete", "log.retention.ms", nil), showConfigs("topic under all brokers", onTopic, "alpha", "retention.ms"),
	)
	for _, key := range []string{"num.io.threads", "no.such.key"} {
		all = append(all, changeConfig(onBroker, "1", "delete", key, nil))
	}
	for _, key := range []string{"log.retention.ms", "message.max.bytes", "max.connections", "max.connections.per.ip.overrides", "compression.type",
		"leader.replication.throttled.rate", "group.consumer.assignment.interval.ms"} {
		all = append(all, changeConfig(onBroker, "", "delete", key, nil))
	}
	return append(all, showConfigs("brokers at last", onBroker, ""), showConfigs("broker at last", onBroker, "1"))
}

// otherConfigCases are about groups, clients' metrics, loggers and the lists of resources.
func otherConfigCases() []testCase {
	all := []testCase{
		changeConfig(onGroup, "grouped", "set", "consumer.session.timeout.ms", text("50000")), changeConfig(onGroup, "grouped", "set", "consumer.session.timeout.ms", text("1")),
		changeConfig(onGroup, "grouped", "set", "consumer.session.timeout.ms", text("x")), changeConfig(onGroup, "grouped", "set", "consumer.heartbeat.interval.ms", text("60000")),
		changeConfig(onGroup, "grouped", "set", "no.such", text("1")), changeConfig(onGroup, "grouped", "append", "consumer.session.timeout.ms", text("1")),
		changeConfig(onGroup, "", "set", "consumer.session.timeout.ms", text("50000")), changeConfig(onGroup, "grouped", "set", "share.auto.offset.reset", text("never")),
		changeConfig(onGroup, "grouped", "set", "share.auto.offset.reset", text("by_duration:PT1H")), showConfigs("grouped", onGroup, "grouped"), showConfigs("no group", onGroup, ""),
		showConfigs("any group", onGroup, "never-seen"),
		changeConfig(onMetrics, "sub", "set", "metrics", text("org.apache.,x")), changeConfig(onMetrics, "sub", "append", "metrics", text("x,y")), changeConfig(onMetrics, "sub", "subtract", "metrics", text("x")),
		changeConfig(onMetrics, "sub", "set", "metrics", text("")), changeConfig(onMetrics, "sub", "set", "metrics", text("a,a")), changeConfig(onMetrics, "sub", "set", "metrics", text("a,,b")),
		changeConfig(onMetrics, "sub", "set", "interval.ms", text("99")), changeConfig(onMetrics, "sub", "set", "interval.ms", text("x")), changeConfig(onMetrics, "sub", "set", "interval.ms", text("100")),
		changeConfig(onMetrics, "sub", "set", "match", text("client_id=a.*,client_software_name=x")), changeConfig(onMetrics, "sub", "set", "match", text("client_id")), changeConfig(onMetrics, "sub", "set", "match", text("no=1")),
		changeConfig(onMetrics, "sub", "set", "match", text("client_id=[")), changeConfig(onMetrics, "sub", "set", "match", text("client_id=a=b")), changeConfig(onMetrics, "sub", "set", "no.such", text("1")),
		changeConfig(onMetrics, "", "set", "interval.ms", text("100")), showConfigs("sub", onMetrics, "sub"), showConfigs("sub keys", onMetrics, "sub", "match"), showConfigs("no sub", onMetrics, ""), showConfigs("any sub", onMetrics, "never-seen"),
		changeConfig(onLogger, "1", "append", "kafka", text("INFO")), changeConfig(onLogger, "1", "set", "no.such.logger", text("INFO")),
		changeConfig(onLogger, "2", "set", "kafka", text("INFO")), changeConfig(onLogger, "x", "set", "kafka", text("INFO")),
	}
	for _, types := range [][]int8{nil, {2}, {4}, {8}, {16}, {32}, {2, 32, 16}, {77}, {2, 77}} {
		all = append(all, testCase{name: fmt.Sprint("list ", types), key: kmsg.ListConfigResources, build: func(*side, int16) kmsg.Request {
			r := kmsg.NewPtrListConfigResourcesRequest()
			r.ResourceTypes = types
			return r
		}})
	}
	return all
}

func logDirsCases() []testCase {
	ask := func(name string, topics []kmsg.DescribeLogDirsRequestTopic) testCase {
		return testCase{name: name, key: kmsg.DescribeLogDirs, build: func(*side, int16) kmsg.Request {
			r := kmsg.NewPtrDescribeLogDirsRequest()
			r.Topics = topics
			return r
		}}
	}
	return []testCase{
		ask("none", []kmsg.DescribeLogDirsRequestTopic{}), ask("one", []kmsg.DescribeLogDirsRequestTopic{{Topic: "filled", Partitions: []int32{0}}}),
		ask("some", []kmsg.DescribeLogDirsRequestTopic{{Topic: "alpha", Partitions: []int32{0, 2, 9}}, {Topic: "absent", Partitions: []int32{0}}, {Topic: "alpha", Partitions: []int32{0}}}),
	}
}

func electionCases() []testCase {
	ask := func(name string, kind int8, topics []kmsg.ElectLeadersRequestTopic) testCase {
		return testCase{name: name, key: kmsg.ElectLeaders, build: func(*side, int16) kmsg.Request {
			r := kmsg.NewPtrElectLeadersRequest()
			r.ElectionType, r.Topics, r.TimeoutMillis = kind, topics, 30000
			return r
		}}
	}
	alpha := []kmsg.ElectLeadersRequestTopic{{Topic: "alpha", Partitions: []int32{0, 1, 7, -1}}, {Topic: "absent", Partitions: []int32{0}}}
	reassign := func(name string, otherCount bool, topic string, partition int32, replicas []int32) testCase {
		return testCase{name: "reassign " + name, key: kmsg.AlterPartitionAssignments, build: func(*side, int16) kmsg.Request {
			r := kmsg.NewPtrAlterPartitionAssignmentsRequest()
			r.TimeoutMillis, r.AllowReplicationFactorChange = 30000, otherCount
			t := kmsg.NewAlterPartitionAssignmentsRequestTopic()
			p := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
			t.Topic, p.Partition, p.Replicas = topic, partition, replicas
			t.Partitions = append(t.Partitions, p)
			if topic != "" {
				r.Topics = append(r.Topics, t)
			}
			return r
		}}
	}
	list := func(name string, topics []kmsg.ListPartitionReassignmentsRequestTopic) testCase {
		return testCase{name: "list " + name, key: kmsg.ListPartitionReassignments, build: func(*side, int16) kmsg.Request {
			r := kmsg.NewPtrListPartitionReassignmentsRequest()
			r.TimeoutMillis, r.Topics = 30000, topics
			return r
		}}
	}
	return []testCase{
		ask("preferred", 0, alpha), ask("unclean", 1, alpha), ask("unknown", 5, alpha), ask("nothing", 0, []kmsg.ElectLeadersRequestTopic{}), ask("all", 0, nil), ask("all unclean", 1, nil),
		ask("all unknown", 5, nil), ask("nothing unknown", 5, []kmsg.ElectLeadersRequestTopic{}),
		reassign("as it is", true, "alpha", 0, []int32{1}), reassign("as it is fixed", false, "alpha", 0, []int32{1}), reassign("stranger", true, "alpha", 0, []int32{1, 2}),
		reassign("twice", true, "alpha", 0, []int32{1, 1}), reassign("nobody", true, "alpha", 0, []int32{}), reassign("back", true, "alpha", 0, nil),
		reassign("absent", true, "absent", 0, []int32{1}), reassign("absent partition", true, "alpha", 9, []int32{1}), reassign("negative partition", true, "alpha", -1, []int32{1}),
		reassign("nothing", true, "", 0, nil), reassign("nothing fixed", false, "", 0, nil),
		list("all", nil), list("none", []kmsg.ListPartitionReassignmentsRequestTopic{}), list("some", []kmsg.ListPartitionReassignmentsRequestTopic{{Topic: "alpha", Partitions: []int32{0, 9}}, {Topic: "absent"}}),
		{name: "unregister stranger", key: kmsg.UnregisterBroker, build: func(*side, int16) kmsg.Request {
			r := kmsg.NewPtrUnregisterBrokerRequest()
			r.BrokerID = 7
			return r
		}},
	}
}

func quorumCases() []testCase {
	ask := func(name, topic string, partitions ...int32) testCase {
		return testCase{name: name, key: kmsg.DescribeQuorum, build: func(*side, int16) kmsg.Request {
			r := kmsg.NewPtrDescribeQuorumRequest()
			t := kmsg.NewDescribeQuorumRequestTopic()
			t.Topic = topic
			for _, index := range partitions {
				p := kmsg.NewDescribeQuorumRequestTopicPartition()
				p.Partition = index
				t.Partitions = append(t.Partitions, p)
			}
			r.Topics = append(r.Topics, t)
			if strings.HasSuffix(name, "nothing") {
				r.Topics = nil
			}
			return r
		}}
	}
	return []testCase{
		ask("metadata", "__cluster_metadata", 0), ask("other partition", "__cluster_metadata", 1), ask("both", "__cluster_metadata", 0, 1),
		ask("other topic", "alpha", 0), ask("no partition", "__cluster_metadata"), ask("nothing", ""),
	}
}

func featureCases() []testCase {
	type update struct {
		name  string
		level int16
		kind  int8
	}
	ask := func(name string, updates ...update) testCase {
		return testCase{name: name, key: kmsg.UpdateFeatures, build: func(*side, int16) kmsg.Request {
			r := kmsg.NewPtrUpdateFeaturesRequest()
			r.TimeoutMillis, r.ValidateOnly = 30000, strings.HasPrefix(name, "validate")
			for _, u := range updates {
				f := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
				f.Feature, f.MaxVersionLevel, f.UpgradeType, f.AllowDowngrade = u.name, u.level, u.kind, u.kind > 1
				r.FeatureUpdates = append(r.FeatureUpdates, f)
			}
			return r
		}}
	}
	trial := ask("validate down", update{"group.version", 0, 2})
	trial.min = 1
	return []testCase{
		ask("nothing"), ask("same", update{"group.version", 1, 1}), ask("two", update{"group.version", 1, 1}, update{"transaction.version", 2, 1}),
		ask("down as up", update{"group.version", 0, 1}), trial, ask("too high", update{"group.version", 9, 1}),
		ask("unknown", update{"no.such", 1, 1}), ask("unknown off", update{"no.such", 0, 1}), ask("negative", update{"group.version", -1, 1}), ask("unknown kind", update{"group.version", 1, 9}),
		ask("metadata same", update{"metadata.version", 30, 1}), ask("metadata down", update{"metadata.version", 29, 2}), ask("metadata down unsafe", update{"metadata.version", 29, 3}),
		ask("metadata up", update{"metadata.version", 31, 1}), ask("metadata zero", update{"metadata.version", 0, 2}), ask("kraft same", update{"kraft.version", 1, 1}), ask("kraft same down", update{"kraft.version", 1, 2}),
		ask("kraft down", update{"kraft.version", 0, 2}), ask("kraft up", update{"kraft.version", 2, 1}),
	}
}
