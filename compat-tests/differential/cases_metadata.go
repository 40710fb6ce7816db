package differential

import (
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func timeName(timestamp int64) string {
	if timestamp < 1000 {
		return fmt.Sprintf("time %d", timestamp)
	}
	return fmt.Sprintf("time now%+d", timestamp-now)
}

func metadataCases() []testCase {
	ask := func(name string, change func(s *side, r *kmsg.MetadataRequest)) testCase {
		return testCase{
			name: name, key: kmsg.Metadata,
			build: func(s *side, version int16) kmsg.Request {
				r := kmsg.NewPtrMetadataRequest()
				r.Topics = []kmsg.MetadataRequestTopic{}
				change(s, r)
				return r
			},
		}
	}
	named := func(names ...string) func(s *side, r *kmsg.MetadataRequest) {
		return func(s *side, r *kmsg.MetadataRequest) {
			for i := range names {
				t := kmsg.NewMetadataRequestTopic()
				t.Topic = &names[i]
				r.Topics = append(r.Topics, t)
			}
		}
	}
	byID := func(id func(s *side) [16]byte, name *string) func(s *side, r *kmsg.MetadataRequest) {
		return func(s *side, r *kmsg.MetadataRequest) {
			t := kmsg.NewMetadataRequestTopic()
			t.TopicID, t.Topic = id(s), name
			r.Topics = append(r.Topics, t)
		}
	}
	alpha := "alpha"
	return []testCase{
		ask("one", named("alpha")), ask("several", named("filled", "alpha", "alpha")),
		ask("none", func(s *side, r *kmsg.MetadataRequest) {}),
		ask("absent", named("absent")), ask("dots", named("..")), ask("slash", named("a/b")), ask("empty name", named("")),
		ask("long name", named(strings.Repeat("n", 250))), ask("internal", named("__consumer_offsets")),
		ask("by id", byID(func(s *side) [16]byte { return s.topicID("alpha") }, nil)),
		ask("by unknown id", byID(func(*side) [16]byte { return madeUp }, nil)),
		ask("by id and name", byID(func(s *side) [16]byte { return s.topicID("alpha") }, &alpha)),
		ask("neither id nor name", byID(func(*side) [16]byte { return [16]byte{} }, nil)),
		ask("authorized operations", func(s *side, r *kmsg.MetadataRequest) {
			r.IncludeClusterAuthorizedOperations, r.IncludeTopicAuthorizedOperations = true, true
			named("alpha")(s, r)
		}),
		{
			name: "all", key: kmsg.Metadata, build: func(s *side, version int16) kmsg.Request {
				r := kmsg.NewPtrMetadataRequest()
				if version == 0 {
					r.Topics = []kmsg.MetadataRequestTopic{}
				}
				return r
			},
		},
		{name: "cluster", key: kmsg.DescribeCluster, build: func(s *side, version int16) kmsg.Request { return kmsg.NewPtrDescribeClusterRequest() }},
		{name: "cluster authorized", key: kmsg.DescribeCluster, build: func(s *side, version int16) kmsg.Request {
			r := kmsg.NewPtrDescribeClusterRequest()
			r.IncludeClusterAuthorizedOperations = true
			return r
		}},
		{name: "cluster controllers", key: kmsg.DescribeCluster, min: 1, build: func(s *side, version int16) kmsg.Request {
			r := kmsg.NewPtrDescribeClusterRequest()
			r.EndpointType = 2
			return r
		}},
	}
}

func topicPartitionsCases() []testCase {
	ask := func(name string, limit int32, cursor *kmsg.DescribeTopicPartitionsRequestCursor, topics ...string) testCase {
		return testCase{
			name: name, key: kmsg.DescribeTopicPartitions,
			build: func(s *side, version int16) kmsg.Request {
				r := kmsg.NewPtrDescribeTopicPartitionsRequest()
				r.ResponsePartitionLimit, r.Cursor = limit, cursor
				for _, topic := range topics {
					t := kmsg.NewDescribeTopicPartitionsRequestTopic()
					t.Topic = topic
					r.Topics = append(r.Topics, t)
				}
				return r
			},
		}
	}
	cursor := func(topic string, partition int32) *kmsg.DescribeTopicPartitionsRequestCursor {
		c := kmsg.NewDescribeTopicPartitionsRequestCursor()
		c.Topic, c.Partition = topic, partition
		return &c
	}
	return []testCase{
		ask("all", 100, nil), ask("some", 100, nil, "filled", "alpha"), ask("absent", 100, nil, "absent", "alpha"),
		ask("limit 2", 2, nil, "alpha", "filled"), ask("limit 0", 0, nil, "alpha"), ask("limit -1", -1, nil, "alpha"),
		ask("cursor", 100, cursor("alpha", 1), "alpha", "filled"), ask("cursor not asked for", 100, cursor("beta", 0), "alpha", "filled"),
		ask("cursor negative", 100, cursor("alpha", -1), "alpha"), ask("cursor beyond", 100, cursor("alpha", 9), "alpha", "filled"),
		ask("cursor after the last", 100, cursor("zzz", 0), "alpha"), ask("bad name", 100, nil, "a/b"),
	}
}

func versionCases() []testCase {
	ask := func(name, software, version string) testCase {
		return testCase{name: name, key: kmsg.ApiVersions, build: func(s *side, v int16) kmsg.Request {
			r := kmsg.NewPtrApiVersionsRequest()
			r.ClientSoftwareName, r.ClientSoftwareVersion = software, version
			return r
		}}
	}
	return []testCase{
		ask("good", "differential", "1.0"), ask("blank in the name", "a b", "1"), ask("empty name", "", "1"),
		ask("blanks", strings.Repeat(" ", 200), "1"), ask("empty version", "x", ""), ask("dashes", "-x-", "1"),
	}
}

func createTopicsCases() []testCase {
	ask := func(name string, topics ...func(t *kmsg.CreateTopicsRequestTopic)) testCase {
		return testCase{
			name: name, key: kmsg.CreateTopics,
			build: func(s *side, version int16) kmsg.Request {
				r := kmsg.NewPtrCreateTopicsRequest()
				r.TimeoutMillis, r.ValidateOnly = 10000, strings.HasPrefix(name, "validate")
				for i, change := range topics {
					t := kmsg.NewCreateTopicsRequestTopic()
					t.Topic, t.NumPartitions, t.ReplicationFactor = fmt.Sprintf("made-%s-v%d-%d", strings.ReplaceAll(name, " ", "-"), version, i), 1, 1
					change(&t)
					r.Topics = append(r.Topics, t)
				}
				return r
			},
		}
	}
	type topic = *kmsg.CreateTopicsRequestTopic
	config := func(name string, value *string) func(t topic) {
		return func(t topic) {
			c := kmsg.NewCreateTopicsRequestTopicConfig()
			c.Name, c.Value = name, value
			t.Configs = append(t.Configs, c)
		}
	}
	text := func(v string) *string { return &v }
	assign := func(partition int32, replicas ...int32) func(t topic) {
		return func(t topic) {
			t.NumPartitions, t.ReplicationFactor = -1, -1
			a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
			a.Partition, a.Replicas = partition, replicas
			t.ReplicaAssignment = append(t.ReplicaAssignment, a)
		}
	}
	name := func(n string) func(t topic) { return func(t topic) { t.Topic = n } }
	plain := func(topic) {}
	return []testCase{
		ask("plain", plain), ask("validate plain", plain), ask("two", plain, plain), ask("nothing"),
		ask("defaults", func(t topic) { t.NumPartitions, t.ReplicationFactor = -1, -1 }),
		ask("exists", name("alpha")), ask("collides", name("al.pha_x"), name("al_pha_x")),
		ask("same name twice", name("twin"), name("twin")),
		ask("zero partitions", func(t topic) { t.NumPartitions = 0 }), ask("minus two partitions", func(t topic) { t.NumPartitions = -2 }),
		ask("zero replicas", func(t topic) { t.ReplicationFactor = 0 }), ask("minus three replicas", func(t topic) { t.ReplicationFactor = -3 }),
		ask("three replicas", func(t topic) { t.ReplicationFactor = 3 }), ask("10001 partitions", func(t topic) { t.NumPartitions = 10001 }),
		ask("assigned", assign(0, 1)), ask("assigned and counted", func(t topic) { assign(0, 1)(t); t.NumPartitions = 1 }),
		ask("assigned with a gap", assign(1, 1)), ask("assigned to a stranger", assign(0, 7)), ask("assigned twice", func(t topic) { assign(0, 1)(t); assign(0, 1)(t) }),
		ask("assigned to nobody", assign(0)), ask("assigned to one twice", assign(0, 1, 1)),
		ask("empty name", name("")), ask("dot", name(".")), ask("dots", name("..")), ask("slash", name("a/b")), ask("long", name(strings.Repeat("l", 250))),
		ask("korean", name("주문")), ask("internal", name("__consumer_offsets")), ask("metadata", name("__cluster_metadata")),
		ask("config", config("retention.ms", text("1000"))), ask("validate config", config("retention.ms", text("1000"))),
		ask("config unknown", config("no.such.key", text("1"))), ask("config null", config("retention.ms", nil)),
		ask("config bad number", config("retention.ms", text("x"))), ask("config out of range", config("segment.bytes", text("1"))),
		ask("config bad list", config("cleanup.policy", text("burn"))), ask("config bad boolean", config("preallocate", text("yes"))),
		ask("config remote", config("remote.storage.enable", text("true"))), ask("config min isr", config("min.insync.replicas", text("0"))),
	}
}

func configCases() []testCase {
	describe := func(name string, kind kmsg.ConfigResourceType, resource string, synonyms, docs bool, keys ...string) testCase {
		return testCase{name: name, key: kmsg.DescribeConfigs, build: func(s *side, version int16) kmsg.Request {
			r := kmsg.NewPtrDescribeConfigsRequest()
			r.IncludeSynonyms, r.IncludeDocumentation = synonyms, docs
			res := kmsg.NewDescribeConfigsRequestResource()
			res.ResourceType, res.ResourceName, res.ConfigNames = kind, resource, keys
			r.Resources = append(r.Resources, res)
			return r
		}}
	}
	alter := func(name string, kind kmsg.ConfigResourceType, resource, key string, op kmsg.IncrementalAlterConfigOp, value *string) testCase {
		return testCase{name: name, key: kmsg.IncrementalAlterConfigs, build: func(s *side, version int16) kmsg.Request {
			r := kmsg.NewPtrIncrementalAlterConfigsRequest()
			res := kmsg.NewIncrementalAlterConfigsRequestResource()
			res.ResourceType, res.ResourceName = kind, resource
			c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
			c.Name, c.Op, c.Value = key, op, value
			res.Configs = append(res.Configs, c)
			r.Resources = append(r.Resources, res)
			return r
		}}
	}
	const topic, broker = kmsg.ConfigResourceTypeTopic, kmsg.ConfigResourceTypeBroker
	text := func(v string) *string { return &v }
	return []testCase{
		describe("topic", topic, "alpha", false, false), describe("topic synonyms", topic, "narrow", true, false),
		describe("topic keys", topic, "narrow", true, false, "max.message.bytes", "retention.ms", "no.such.key"),
		describe("topic absent", topic, "absent", false, false), describe("topic bad name", topic, "a/b", false, false),
		describe("broker", broker, "1", true, false), describe("broker keys", broker, "1", true, false, "num.partitions", "log.retention.ms", "log.retention.hours"),
		describe("broker other", broker, "7", false, false), describe("broker text", broker, "x", false, false), describe("broker default", broker, "", true, false),
		describe("unknown kind", 99, "x", false, false),
		alter("set", topic, "settable", "retention.ms", 0, text("5000")), alter("set null", topic, "settable", "retention.ms", 0, nil),
		alter("set bad", topic, "settable", "retention.ms", 0, text("x")), alter("set unknown", topic, "settable", "no.such", 0, text("x")),
		alter("append", topic, "settable", "cleanup.policy", 2, text("compact")), alter("append to a number", topic, "settable", "retention.ms", 2, text("1")),
		alter("subtract", topic, "settable", "cleanup.policy", 3, text("compact")), alter("delete", topic, "settable", "retention.ms", 1, nil),
		alter("delete what is not set", topic, "settable", "segment.ms", 1, nil), alter("absent topic", topic, "absent", "retention.ms", 0, text("1")),
		alter("unknown op", topic, "settable", "retention.ms", 9, text("1")), alter("unknown kind", 77, "settable", "retention.ms", 0, text("1")),
		describe("settable after", topic, "settable", true, false),
	}
}

func otherTopicCases() []testCase {
	return []testCase{
		{name: "absent", key: kmsg.DeleteTopics, build: func(s *side, version int16) kmsg.Request {
			r := kmsg.NewPtrDeleteTopicsRequest()
			r.TimeoutMillis, r.TopicNames = 5000, []string{"absent"}
			t := kmsg.NewDeleteTopicsRequestTopic()
			t.Topic = kmsg.StringPtr("absent")
			r.Topics = append(r.Topics, t)
			return r
		}},
		{name: "unknown id", key: kmsg.DeleteTopics, min: 6, build: func(s *side, version int16) kmsg.Request {
			r := kmsg.NewPtrDeleteTopicsRequest()
			t := kmsg.NewDeleteTopicsRequestTopic()
			t.TopicID = madeUp
			r.TimeoutMillis, r.Topics = 5000, append(r.Topics, t)
			return r
		}},
		{name: "both name and id", key: kmsg.DeleteTopics, min: 6, build: func(s *side, version int16) kmsg.Request {
			r := kmsg.NewPtrDeleteTopicsRequest()
			t := kmsg.NewDeleteTopicsRequestTopic()
			t.TopicID, t.Topic = s.topicID("alpha"), kmsg.StringPtr("alpha")
			r.TimeoutMillis, r.Topics = 5000, append(r.Topics, t)
			return r
		}},
		{name: "neither name nor id", key: kmsg.DeleteTopics, min: 6, build: func(s *side, version int16) kmsg.Request {
			r := kmsg.NewPtrDeleteTopicsRequest()
			r.TimeoutMillis, r.Topics = 5000, append(r.Topics, kmsg.NewDeleteTopicsRequestTopic())
			return r
		}},
		partitions("fewer", "alpha", 1, nil), partitions("same", "alpha", 3, nil), partitions("absent", "absent", 3, nil),
		partitions("zero", "alpha", 0, nil), partitions("negative", "alpha", -4, nil), partitions("assigned badly", "alpha", 4, [][]int32{{9}}),
		partitions("assigned too many", "alpha", 4, [][]int32{{1}, {1}}), partitions("too many", "alpha", 20000, nil),
	}
}

func partitions(name, topic string, count int32, assignment [][]int32) testCase {
	return testCase{name: name, key: kmsg.CreatePartitions, build: func(s *side, version int16) kmsg.Request {
		r := kmsg.NewPtrCreatePartitionsRequest()
		r.TimeoutMillis, r.ValidateOnly = 5000, true
		t := kmsg.NewCreatePartitionsRequestTopic()
		t.Topic, t.Count = topic, count
		for _, replicas := range assignment {
			a := kmsg.NewCreatePartitionsRequestTopicAssignment()
			a.Replicas = replicas
			t.Assignment = append(t.Assignment, a)
		}
		r.Topics = append(r.Topics, t)
		return r
	}}
}
