package api

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	setOp = iota
	deleteOp
	appendOp
	subtractOp
)

// scenario is asked of an empty broker with the id 1, in this order. The
// topics that a step makes are there for the steps behind it.
func scenario() []step {
	var all []step
	for _, part := range [][]step{versionSteps(), createSteps(), createBadSteps(), metadataSteps(), clusterSteps(), partitionSteps(),
		alterSteps(), alterBadSteps(), describeSteps(), describePartitionsSteps(), deleteSteps()} {
		all = append(all, part...)
	}
	return all
}

func versionSteps() []step {
	software := func(name, version string) func() *kmsg.ApiVersionsRequest {
		return func() *kmsg.ApiVersionsRequest {
			r := kmsg.NewPtrApiVersionsRequest()
			r.ClientSoftwareName, r.ClientSoftwareVersion = name, version
			return r
		}
	}
	return []step{
		{name: "api versions", versions: versions(0, 4), build: fixed(software("a-1.b", "1"))},
		{name: "14 api versions with a space in the name", versions: versions(3, 4), build: fixed(software("a b", "1"))},
		{name: "14 api versions with an empty name", versions: versions(3, 4), build: fixed(software("", "1"))},
		{name: "14 api versions with 200 spaces", versions: versions(3, 4), build: fixed(software(strings.Repeat(" ", 200), "1"))},
		{name: "14 api versions with a dash at the end of the version", versions: versions(3, 4), build: fixed(software("a", "1-"))},
	}
}

func createSteps() []step {
	return []step{
		create("plain", false, newTopic("plain#", 3, 1)),
		create("defaults", false, newTopic("default#", -1, -1)),
		create("with configs", false, newTopic("configured#", 1, 1, "retention.ms", "1000", "cleanup.policy", "compact,delete",
			"compression.type", "lz4", "min.insync.replicas", "1")),
		create("validate only", true, newTopic("validated#", 3, 1, "segment.bytes", "1048576")),
		create("assigned", false, assigned(newTopic("assigned#", -1, -1), map[int32][]int32{0: {1}, 1: {1}}, 1, 0)),
		create("several", false, newTopic("several-a#", 1, 1), newTopic("several-b#", 0, 1), newTopic("several-c#", 1, 1)),
		create("nothing", false),
		{name: "many partitions", versions: []int16{7}, build: fixed(func() kmsg.Request {
			return createRequest(false, newTopic("many", 12, 1))
		})},
	}
}

func createBadSteps() []step {
	long := strings.Repeat("x", 250)
	last := []step{
		create("existing", false, newTopic("many", 1, 1)),
		create("existing, validate only", true, newTopic("many", 1, 1)),
		create("50 duplicate", false, newTopic("twice", 1, 1), newTopic("once", 1, 1), newTopic("twice", 1, 1)),
		create("51 no partitions", false, newTopic("bad", 0, 1), newTopic("worse", -2, 1)),
		create("52 replication factor", false, newTopic("none", 1, 0), newTopic("negative", 1, -3), newTopic("many-replicas", 1, 2)),
		create("52 both bad", false, newTopic("both", 0, 0)),
		create("53 assignment and numbers", false,
			assigned(newTopic("numbered", 1, -1), map[int32][]int32{0: {1}}, 0),
			assigned(newTopic("replicated", -1, 1), map[int32][]int32{0: {1}}, 0)),
		create("53 gap", false, assigned(newTopic("gap", -1, -1), map[int32][]int32{0: {1}, 2: {1}}, 0, 2)),
		create("53 partition twice", false, assigned(newTopic("again", -1, -1), map[int32][]int32{0: {1}}, 0, 0)),
		create("53 replica twice", false, assigned(newTopic("replica", -1, -1), map[int32][]int32{0: {1, 1}}, 0)),
		create("53 unknown broker", false, assigned(newTopic("broker", -1, -1), map[int32][]int32{0: {7}}, 0)),
		create("53 no replicas", false, assigned(newTopic("empty", -1, -1), map[int32][]int32{0: {}}, 0)),
		create("53 uneven", false, assigned(newTopic("uneven", -1, -1), map[int32][]int32{0: {1}, 1: {}}, 0, 1)),
		create("54 too many records", false, newTopic("huge", 10001, 1)),
		create("54 too many records in two", false, newTopic("huge-a", 6000, 1), newTopic("huge-b", 6000, 1)),
		create("names", false, newTopic("", 1, 1), newTopic(".", 1, 1), newTopic("..", 1, 1), newTopic("a/b", 1, 1),
			newTopic(long, 1, 1), newTopic("ä", 1, 1), newTopic(long+"/", 1, 1)),
		create("collision", false, newTopic("col.lide_a", 1, 1)),
		create("collision with it", false, newTopic("col_lide.a", 1, 1)),
		create("collision in one request", true, newTopic("pair.a", 1, 1), newTopic("pair_a", 1, 1)),
		create("metadata topic", false, newTopic("__cluster_metadata", 1, 1)),
		create("null config", false, newTopic("nulls", 1, 1, "retention.ms", "null", "segment.ms", "null")),
		create("unknown config", false, newTopic("unknown-config", 1, 1, "no.such.key", "1")),
		create("bad config number", false, newTopic("bad-config", 1, 1, "retention.ms", "soon")),
		create("bad config range", false, newTopic("bad-range", 1, 1, "segment.bytes", "1")),
		create("bad config choice", false, newTopic("bad-choice", 1, 1, "compression.type", "rar")),
		create("bad config list", false, newTopic("bad-list", 1, 1, "cleanup.policy", "keep")),
		create("bad config list twice", false, newTopic("bad-twice", 1, 1, "cleanup.policy", "delete,delete")),
		create("bad config boolean", false, newTopic("bad-boolean", 1, 1, "preallocate", "perhaps")),
		create("bad config min in sync", false, newTopic("bad-isr", 1, 1, "min.insync.replicas", "0")),
		create("bad config ratio", false, newTopic("bad-ratio", 1, 1, "min.cleanable.dirty.ratio", "2")),
		create("bad config lag", false, newTopic("bad-lag", 1, 1, "min.compaction.lag.ms", "10", "max.compaction.lag.ms", "5")),
		create("bad config throttle", false, newTopic("bad-throttle", 1, 1, "leader.replication.throttled.replicas", "zz")),
		create("remote storage", false, newTopic("remote", 1, 1, "remote.storage.enable", "true")),
		create("empty policy", false, newTopic("empty-policy", 1, 1, "cleanup.policy", "")),
	}
	for i := range last {
		last[i] = only(7, last[i])
	}
	last = append(last, create("bad config in an old version", false, newTopic("bad-old", 1, 1, "retention.ms", "soon")))
	last[len(last)-1].versions = []int16{2}
	return last
}

func metadataSteps() []step {
	everything := func() *kmsg.MetadataRequest {
		r := kmsg.NewPtrMetadataRequest()
		r.Topics = nil
		return r
	}
	refuse := func() *kmsg.MetadataRequest {
		r := metadataOf("not-there", "plain7", "..", "a/b", strings.Repeat("x", 250), "")()
		r.AllowAutoTopicCreation = false
		return r
	}
	operations := func() *kmsg.MetadataRequest {
		r := metadataOf("plain7")()
		r.IncludeClusterAuthorizedOperations, r.IncludeTopicAuthorizedOperations = true, true
		return r
	}
	internal := []string{"cleanup.policy", "compression.type", "segment.bytes", "retention.ms", "min.insync.replicas", "unclean.leader.election.enable"}
	return []step{
		{name: "metadata of one", versions: versions(0, 13), build: fixed(metadataOf("plain7"))},
		{name: "metadata of one, twice", versions: []int16{0, 13}, build: fixed(metadataOf("plain7", "plain7"))},
		{name: "metadata of several", versions: []int16{1, 12}, build: fixed(metadataOf("plain7", "plain6", "many"))},
		{name: "metadata of all", versions: []int16{1, 13}, build: fixed(everything)},
		{name: "metadata of none", versions: versions(0, 13), build: fixed(metadataOf())},
		{name: "42 metadata of invalid names", versions: versions(4, 13), build: fixed(refuse)},
		{name: "metadata with operations", versions: versions(8, 13), build: fixed(operations)},
		{name: "metadata by id", versions: versions(12, 13), build: metadataByID(true, func(topics map[string][16]byte) [][16]byte {
			return [][16]byte{topics["plain7"]}
		})},
		{name: "43 metadata by unknown id", versions: versions(12, 13), build: metadataByID(true, func(topics map[string][16]byte) [][16]byte {
			return [][16]byte{{1, 2, 3}, topics["plain7"]}
		})},
		{name: "41 metadata with an id", versions: versions(10, 11), build: metadataByID(true, func(topics map[string][16]byte) [][16]byte {
			return [][16]byte{topics["plain7"]}
		})},
		{name: "41 metadata with a null name", versions: versions(10, 11), build: metadataByID(true, func(map[string][16]byte) [][16]byte {
			return [][16]byte{{}}
		})},
		{name: "metadata by name and by id", versions: versions(12, 13), build: fixed(func() *kmsg.MetadataRequest {
			r := metadataOf("plain7")()
			r.Topics = append(r.Topics, kmsg.MetadataRequestTopic{TopicID: [16]byte{1, 2, 3}},
				kmsg.MetadataRequestTopic{Topic: kmsg.StringPtr("plain6"), TopicID: [16]byte{1, 2, 3, 4}})
			return r
		})},
		{name: "metadata by neither name nor id", versions: versions(12, 13), build: fixed(func() *kmsg.MetadataRequest {
			r := metadataOf("plain7")()
			r.Topics = append(r.Topics, kmsg.NewMetadataRequestTopic())
			return r
		})},
		{name: "metadata that creates", versions: []int16{13}, build: fixed(creating("automatic", "..", "plain7"))},
		{name: "metadata of what it created", versions: []int16{13}, build: fixed(metadataOf("automatic"))},
		{name: "metadata that creates an internal topic", versions: []int16{13}, build: fixed(creating("__consumer_offsets", "__transaction_state", "__share_group_state"))},
		{name: "configs of the internal topic", versions: []int16{4}, build: fixed(describe(false, configsOf(kmsg.ConfigResourceTypeTopic,
			"__consumer_offsets", internal...), configsOf(kmsg.ConfigResourceTypeTopic, "__transaction_state", internal...),
			configsOf(kmsg.ConfigResourceTypeTopic, "__share_group_state", internal...)))},
		{name: "partitions of the internal topic", versions: []int16{0}, build: fixed(describePartitions(2, nil, "__consumer_offsets", "__share_group_state"))},
	}
}

func clusterSteps() []step {
	cluster := func(endpoint int8, operations, fenced bool) func() *kmsg.DescribeClusterRequest {
		return func() *kmsg.DescribeClusterRequest {
			r := kmsg.NewPtrDescribeClusterRequest()
			r.EndpointType, r.IncludeClusterAuthorizedOperations, r.IncludeFencedBrokers = endpoint, operations, fenced
			return r
		}
	}
	return []step{
		{name: "cluster", versions: versions(0, 2), build: fixed(cluster(1, false, false))},
		{name: "cluster with operations", versions: versions(0, 2), build: fixed(cluster(1, true, true))},
		{name: "cluster of controllers", versions: versions(1, 2), build: fixed(cluster(2, false, false))},
		{name: "cluster of nothing known", versions: versions(1, 2), build: fixed(cluster(9, false, false))},
	}
}

func partitionSteps() []step {
	return []step{
		{name: "grow, validate only", versions: versions(0, 3), build: fixed(morePartitions(true, grow("plain2", 5)))},
		{name: "grow", versions: []int16{0}, build: fixed(morePartitions(false, grow("plain2", 5), grow("plain3", 4, []int32{1})))},
		{name: "grow badly", versions: versions(0, 3), build: fixed(morePartitions(false,
			grow("plain2", 5), grow("plain3", 2), grow("not-there", 2), grow("plain4", 5, []int32{1}), grow("plain5", 4, []int32{9}),
			grow("plain6", 4, []int32{1, 1}), grow("plain7", 4, []int32{})))},
		{name: "grow twice", versions: []int16{3}, build: fixed(morePartitions(false, grow("plain4", 5), grow("plain4", 6)))},
		{name: "grow two, one twice", versions: []int16{3}, build: fixed(morePartitions(true, grow("plain5", 5), grow("plain4", 5), grow("plain4", 6)))},
		{name: "grow to negative", versions: []int16{3}, build: fixed(morePartitions(false, grow("plain4", -1), grow("plain5", 0)))},
	}
}

func alterSteps() []step {
	topic := kmsg.ConfigResourceTypeTopic
	return []step{
		{name: "alter, validate only", versions: versions(0, 1), build: fixed(alter(true, change(topic, "plain4", setOp, "retention.ms", "5")))},
		{name: "alter: set", versions: versions(0, 1), build: fixed(alter(false, change(topic, "plain4", setOp, "retention.ms", "5", setOp, "max.message.bytes", "100")))},
		{name: "alter: delete", versions: []int16{1}, build: fixed(alter(false, change(topic, "plain4", deleteOp, "max.message.bytes", nil, deleteOp, "segment.ms", nil)))},
		{name: "alter: append", versions: []int16{1}, build: fixed(alter(false, change(topic, "plain4", appendOp, "cleanup.policy", "compact")))},
		{name: "configs after append", versions: []int16{4}, build: fixed(describe(true, configsOf(topic, "plain4", "cleanup.policy", "retention.ms", "max.message.bytes")))},
		{name: "alter: subtract", versions: []int16{1}, build: fixed(alter(false, change(topic, "plain4", subtractOp, "cleanup.policy", "delete")))},
		{name: "configs after subtract", versions: []int16{4}, build: fixed(describe(true, configsOf(topic, "plain4", "cleanup.policy")))},
		{name: "alter: subtract the last", versions: []int16{1}, build: fixed(alter(false, change(topic, "plain4", subtractOp, "cleanup.policy", "compact")))},
		{name: "alter two", versions: []int16{1}, build: fixed(alter(false, change(topic, "plain5", setOp, "retention.ms", "7"), change(topic, "plain6", setOp, "retention.ms", "x")))},
		{name: "alter nothing", versions: []int16{1}, build: fixed(alter(false))},
		{name: "alter without operations", versions: []int16{1}, build: fixed(alter(false, change(topic, "plain5")))},
	}
}

func alterBadSteps() []step {
	topic, broker := kmsg.ConfigResourceTypeTopic, kmsg.ConfigResourceTypeBroker
	requests := map[string][]kmsg.IncrementalAlterConfigsRequestResource{
		"58 alter the same twice":  {change(topic, "plain4", setOp, "retention.ms", "5"), change(topic, "plain4", setOp, "retention.ms", "6")},
		"alter one key twice":      {change(topic, "plain4", setOp, "retention.ms", "5", deleteOp, "retention.ms", nil)},
		"alter to null":            {change(topic, "plain4", setOp, "retention.ms", nil, appendOp, "cleanup.policy", nil)},
		"alter an unknown key":     {change(topic, "plain4", setOp, "no.such.key", "5")},
		"alter an unknown topic":   {change(topic, "not-there", setOp, "retention.ms", "5")},
		"alter an invalid topic":   {change(topic, "a/b", setOp, "retention.ms", "5")},
		"alter the empty topic":    {change(topic, "", setOp, "retention.ms", "5")},
		"append nothing":           {change(topic, "plain4", appendOp, "cleanup.policy", "")},
		"an unknown operation":     {change(topic, "plain4", 9, "retention.ms", "5")},
		"append to a number":       {change(topic, "plain4", appendOp, "retention.ms", "5")},
		"subtract from a number":   {change(topic, "plain4", subtractOp, "retention.ms", "5")},
		"append to an unknown key": {change(topic, "plain4", appendOp, "no.such.key", "5")},
		"alter an unknown kind":    {change(kmsg.ConfigResourceType(77), "x", setOp, "a", "b")},
		"alter kind 0":             {change(kmsg.ConfigResourceTypeUnknown, "x", setOp, "a", "b")},
		"alter a bad broker":       {change(broker, "x", setOp, "log.cleaner.threads", "2")},
		"alter another broker":     {change(broker, "77", setOp, "log.cleaner.threads", "2")},
		"alter with a bad value":   {change(topic, "plain4", setOp, "min.insync.replicas", "0")},
	}
	names := []string{"58 alter the same twice", "alter one key twice", "alter to null", "alter an unknown key", "alter an unknown topic",
		"alter an invalid topic", "alter the empty topic", "append nothing", "an unknown operation", "append to a number", "subtract from a number", "append to an unknown key",
		"alter an unknown kind", "alter kind 0", "alter a bad broker", "alter another broker", "alter with a bad value"}
	var steps []step
	for _, name := range names {
		steps = append(steps, step{name: name, versions: []int16{1}, build: fixed(alter(false, requests[name]...))})
	}
	return steps
}

func describeSteps() []step {
	topic, broker := kmsg.ConfigResourceTypeTopic, kmsg.ConfigResourceTypeBroker
	return []step{
		{name: "configs of a topic", versions: versions(1, 4), build: fixed(describe(false, configsOf(topic, "configured7")))},
		{name: "configs of a topic with synonyms", versions: []int16{4}, build: fixed(describe(true, configsOf(topic, "configured7")))},
		{name: "configs by key", versions: versions(1, 4), build: fixed(describe(true, configsOf(topic, "configured7", "retention.ms", "no.such.key", "segment.bytes")))},
		{name: "configs of bad topics", versions: []int16{4}, build: fixed(describe(false, configsOf(topic, "not-there"), configsOf(topic, "a/b"), configsOf(topic, "")))},
		{name: "configs of the broker", versions: []int16{4}, build: fixed(describe(true, configsOf(broker, "1")))},
		{name: "configs of the broker by key", versions: []int16{4}, build: fixed(describe(true, configsOf(broker, "1", "log.retention.ms", "num.partitions", "node.id")))},
		{name: "configs of all brokers", versions: []int16{4}, build: fixed(describe(true, configsOf(broker, "")))},
		{name: "configs of other brokers", versions: []int16{4}, build: fixed(describe(false, configsOf(broker, "77"), configsOf(broker, "x"), configsOf(broker, "-1")))},
		{name: "configs of this broker in other words", versions: []int16{4}, build: fixed(describe(false, configsOf(broker, "01", "node.id"), configsOf(broker, "+1", "node.id")))},
		{name: "configs of nobody", versions: []int16{4}, build: fixed(describe(false, configsOf(kmsg.ConfigResourceTypeGroupConfig, ""),
			configsOf(kmsg.ConfigResourceTypeBrokerLogger, ""), configsOf(kmsg.ConfigResourceTypeBrokerLogger, "2"), configsOf(kmsg.ConfigResourceTypeClientMetrics, "")))},
		{name: "configs of a group", versions: []int16{4}, build: fixed(describe(true, configsOf(kmsg.ConfigResourceTypeGroupConfig, "g")))},
		{name: "configs of nothing known", versions: []int16{4}, build: fixed(describe(false, configsOf(kmsg.ConfigResourceType(77), "x")))},
		{name: "configs with a duplicate", versions: []int16{4}, build: fixed(describe(false, configsOf(topic, "plain7", "retention.ms"), configsOf(topic, "plain7", "retention.ms")))},
	}
}

func describePartitionsSteps() []step {
	return []step{
		{name: "describe partitions", versions: []int16{0}, build: fixed(describePartitions(2000, nil, "plain7", "many"))},
		{name: "describe partitions of all", versions: []int16{0}, build: fixed(describePartitions(20, nil))},
		{name: "describe partitions, limited", versions: []int16{0}, build: fixed(describePartitions(5, nil, "many", "plain7"))},
		{name: "describe partitions, limited to a topic", versions: []int16{0}, build: fixed(describePartitions(12, nil, "many", "plain7"))},
		{name: "describe partitions from a cursor", versions: []int16{0}, build: fixed(describePartitions(5, cursorAt("many", 10), "many", "plain7"))},
		{name: "describe partitions from a cursor of all", versions: []int16{0}, build: fixed(describePartitions(5, cursorAt("many", 10)))},
		{name: "describe partitions from a cursor past the end", versions: []int16{0}, build: fixed(describePartitions(5, cursorAt("many", 100), "many", "plain7"))},
		{name: "describe partitions from a cursor in no topic, of all", versions: []int16{0}, build: fixed(describePartitions(5, cursorAt("manx", 3)))},
		{name: "describe partitions with a limit of 0", versions: []int16{0}, build: fixed(describePartitions(0, nil, "plain7"))},
		{name: "describe partitions of bad topics", versions: []int16{0}, build: fixed(describePartitions(9, nil, "a/b", "not-there", "plain7"))},
		{name: "describe partitions of a topic twice", versions: []int16{0}, build: fixed(describePartitions(9, nil, "plain7", "plain7"))},
		{name: "44 cursor not in the list", versions: []int16{0}, build: fixed(describePartitions(9, cursorAt("many", 0), "plain7"))},
		{name: "44 cursor before the first partition", versions: []int16{0}, build: fixed(describePartitions(9, cursorAt("plain7", -1), "plain7"))},
	}
}

func deleteSteps() []step {
	return []step{
		{name: "delete", versions: versions(1, 6), build: deleteNames("configured#")},
		{name: "delete again", versions: versions(1, 6), build: deleteNames("configured#")},
		{name: "delete twice at once", versions: []int16{5}, build: deleteNames("plain6", "plain6", "many")},
		{name: "delete by id", versions: []int16{6}, build: deleteEntries(topicOrID{"", "plain5"}, topicOrID{"", "unknown"})},
		{name: "55 delete with both and with neither", versions: []int16{6}, build: deleteEntries(topicOrID{"plain4", "plain4"}, topicOrID{"", ""})},
		{name: "delete by id twice", versions: []int16{6}, build: deleteEntries(topicOrID{"", "plain4"}, topicOrID{"", "plain4"})},
		{name: "delete by name and id", versions: []int16{6}, build: deleteEntries(topicOrID{"plain4", ""}, topicOrID{"", "plain4"})},
		{name: "delete nothing", versions: []int16{6}, build: deleteEntries()},
		{name: "metadata after deletes", versions: []int16{13}, build: fixed(func() *kmsg.MetadataRequest {
			r := metadataOf("plain4", "plain5", "plain6", "many")()
			r.AllowAutoTopicCreation = false
			return r
		})},
	}
}
