package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/cli/flags"
	"ottla/config"
)

const (
	topicsHelp   = "This tool helps to create, delete, describe, or change a topic."
	topicsLogger = "org.apache.kafka.tools.TopicCommand"
	alterInstead = " (To alter topic configurations, the kafka-configs tool can be used.)"
)

// topicsTool is kafka-topics.
type topicsTool struct {
	*tool
	client *client

	bootstrap, commandConfig, topic, topicID, config, deleteConfig *flags.Option
	partitions, replicationFactor, replicaAssignment, sizeLimit    *flags.Option
	list, create, delete, alter, describe                          *flags.Option
	underReplicated, unavailable, underMinISR, atMinISR, overrides *flags.Option
	ifExists, ifNotExists, excludeInternal                         *flags.Option
}

// topics creates, deletes, describes, lists and alters topics.
func topics(environment Environment, arguments []string) int {
	t := &topicsTool{tool: newTool(environment, arguments)}
	t.declare()
	return t.finish(t.run())
}

func (t *topicsTool) declare() {
	p := t.parser
	t.bootstrap = p.Value("bootstrap-server", flags.String, "server to connect to", "REQUIRED: the servers to connect to")
	t.commandConfig = p.Value("command-config", flags.String, "command config property file", "a file with properties of the client")
	t.list = p.Flag("list", "list the topics")
	t.create = p.Flag("create", "create a topic")
	t.delete = p.Flag("delete", "delete topics")
	t.alter = p.Flag("alter", "add partitions to topics"+alterInstead)
	t.describe = p.Flag("describe", "show topics and their partitions")
	t.topic = p.Value("topic", flags.String, "topic", "the topic; a regular expression, except with --create")
	t.topicID = p.Value("topic-id", flags.String, "topic-id", "the id of the topic to describe")
	t.config = p.Value("config", flags.String, "name=value", "a configuration of the new topic; may be given again")
	t.deleteConfig = p.Value("delete-config", flags.String, "name", "without effect since 4.0")
	t.partitions = p.Value("partitions", flags.Integer, "# of partitions", "how many partitions the topic is to have; the cluster's default if not given")
	t.replicationFactor = p.Value("replication-factor", flags.Integer, "replication factor", "how many replicas each partition is to have; the cluster's default if not given")
	t.replicaAssignment = p.Value("replica-assignment", flags.String, "broker_id_for_part1_replica1 : broker_id_for_part1_replica2 , ...", "the brokers of each partition")
	t.underReplicated = p.Flag("under-replicated-partitions", "describe only partitions that lack replicas in sync")
	t.unavailable = p.Flag("unavailable-partitions", "describe only partitions whose leader is not available")
	t.underMinISR = p.Flag("under-min-isr-partitions", "describe only partitions with fewer replicas in sync than the minimum")
	t.atMinISR = p.Flag("at-min-isr-partitions", "describe only partitions with just the minimum of replicas in sync")
	t.overrides = p.Flag("topics-with-overrides", "describe only topics with configurations of their own")
	t.ifExists = p.Flag("if-exists", "with --alter, --delete or --describe: no error where the topic does not exist")
	t.ifNotExists = p.Flag("if-not-exists", "with --create: no error where the topic exists")
	t.excludeInternal = p.Flag("exclude-internal", "leave out internal topics")
	t.sizeLimit = p.Value("partition-size-limit-per-response", flags.Integer, "maximum number of partitions per response", "how many partitions one answer may hold")
	t.formats()
}

func (t *topicsTool) run() error {
	var err error
	if t.set, err = t.parser.Parse(t.arguments); err != nil && len(t.arguments) > 0 {
		return err
	}
	if err := t.check(); err != nil {
		return err
	}
	t.client, err = t.admin(t.set.Text(t.bootstrap), t.set.Text(t.commandConfig), "adminclient-1")
	if err == nil {
		defer t.client.Close()
		err = t.set.Err()
	}
	if err != nil {
		return err
	}
	action := t.runList
	for option, run := range map[*flags.Option]func() error{t.create: t.runCreate, t.alter: t.runAlter, t.describe: t.runDescribe, t.delete: t.runDelete} {
		if t.set.Has(option) {
			action = run
		}
	}
	if err := action(); err != nil {
		t.println("Error while executing topic command : " + err.Error())
		t.logLine("ERROR", topicsLogger, described(err)+"\n")
		return errSilent
	}
	return nil
}

// check looks for contradictions in the command line, in the order of the stock tool.
func (t *topicsTool) check() error {
	if len(t.arguments) == 0 {
		return &usageError{"Create, delete, describe, or change a topic."}
	}
	if err := t.helpOrVersion(topicsHelp); err != nil {
		return err
	}
	if t.count(t.create, t.list, t.alter, t.describe, t.delete) != 1 {
		return &usageError{"Command must include exactly one action: --list, --describe, --create, --alter or --delete"}
	}
	if t.set.Has(t.deleteConfig) {
		t.complain("delete-config option is no longer supported and deprecated since version 4.0. The config will be fully removed in future releases.")
	}
	if !t.set.Has(t.bootstrap) {
		return illegalArgument("--bootstrap-server must be specified")
	}
	if t.set.Has(t.describe) && t.set.Has(t.ifExists) {
		if t.count(t.topic, t.topicID) == 0 {
			return &usageError{"--topic or --topic-id is required to describe a topic"}
		}
		if t.count(t.topic, t.topicID) == 2 {
			t.println("Only topic id will be used when both --topic and --topic-id are specified and topicId is not Uuid.ZERO_UUID")
		}
	}
	if t.count(t.list, t.describe) == 0 {
		if err := t.demand(t.topic); err != nil {
			return err
		}
	}
	if t.set.Has(t.alter) {
		if t.set.Has(t.config) {
			return usagef("Option combination \"[[bootstrap-server], [config]]\" can't be used with option \"[alter]\"%s", alterInstead)
		}
		if err := t.demand(t.partitions); err != nil {
			return err
		}
	}
	return t.checkExclusions()
}

func (t *topicsTool) checkExclusions() error {
	actions := []*flags.Option{t.alter, t.create, t.describe, t.list, t.delete}
	without := func(allowed ...*flags.Option) []*flags.Option {
		return slices.DeleteFunc(slices.Clone(actions), func(o *flags.Option) bool { return slices.Contains(allowed, o) })
	}
	rules := []struct {
		used   *flags.Option
		others []*flags.Option
	}{
		{t.config, without(t.alter, t.create)},
		{t.partitions, without(t.alter, t.create)},
		{t.replicationFactor, without(t.create)},
		{t.replicaAssignment, without(t.alter, t.create)},
	}
	if t.set.Has(t.create) {
		rules = append(rules, struct {
			used   *flags.Option
			others []*flags.Option
		}{t.replicaAssignment, []*flags.Option{t.partitions, t.replicationFactor}})
	}
	for _, rule := range rules {
		if err := t.exclude(rule.used, rule.others...); err != nil {
			return err
		}
	}
	reports := []*flags.Option{t.underReplicated, t.underMinISR, t.atMinISR, t.unavailable}
	for _, report := range reports {
		if err := t.exclude(report, append(without(t.describe), t.overrides)...); err != nil {
			return err
		}
	}
	return errors.Join(
		t.exclude(t.overrides, append(without(t.describe), reports...)...),
		t.exclude(t.ifExists, without(t.alter, t.delete, t.describe)...),
		t.exclude(t.ifNotExists, without(t.create)...),
		t.exclude(t.excludeInternal, without(t.list, t.describe)...),
	)
}

// named returns the topics that --topic matches, sorted; all where it is not given.
func (t *topicsTool) named() ([]string, error) {
	all, err := t.client.topics()
	if err != nil {
		return nil, err
	}
	filter := &topicFilter{}
	if t.set.Has(t.topic) {
		if filter, err = newTopicFilter(t.set.Text(t.topic)); err != nil {
			return nil, err
		}
	}
	exclude := t.set.Has(t.excludeInternal)
	var names []string
	for _, topic := range all {
		if exclude && (topic.IsInternal || internalTopic(*topic.Topic)) || !filter.matches(*topic.Topic) {
			continue
		}
		names = append(names, *topic.Topic)
	}
	slices.Sort(names)
	return names, t.set.Err()
}

func (t *topicsTool) runList() error {
	names, err := t.named()
	switch {
	case err != nil:
		return err
	case t.json():
		return t.printJSON(append([]string{}, names...))
	}
	t.println(strings.Join(names, "\n"))
	return nil
}

// wanted returns the topics to act on; none is an error unless --if-exists is given.
func (t *topicsTool) wanted() ([]string, error) {
	names, err := t.named()
	if err == nil && len(names) == 0 && t.set.Text(t.topic) != "" && !t.set.Has(t.ifExists) {
		err = illegalArgument(fmt.Sprintf("Topic '%s' does not exist as expected", t.set.Text(t.topic)))
	}
	return names, err
}

// configs returns the configurations for a new topic.
func (t *topicsTool) configs() (map[string]string, error) {
	configs := map[string]string{}
	for _, word := range t.set.Strings(t.config) {
		parts := strings.Split(word, "=")
		for len(parts) > 0 && parts[len(parts)-1] == "" {
			parts = parts[:len(parts)-1]
		}
		if len(parts) != 2 {
			return nil, illegalArgument("requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\".")
		}
		configs[strings.TrimSpace(parts[0])] = strings.TrimSpace(parts[1])
	}
	for key := range configs {
		if _, known := config.Topics().Lookup(key); !known {
			return nil, &exception{"org.apache.kafka.common.errors.InvalidConfigurationException", "Unknown topic config name: " + key}
		}
	}
	return configs, nil
}

// assignment parses --replica-assignment: brokers by partition.
func (t *topicsTool) assignment() ([][]int32, error) {
	text := t.set.Text(t.replicaAssignment)
	if text == "" {
		return nil, nil
	}
	var assignment [][]int32
	for i, partition := range strings.Split(strings.TrimRight(text, ","), ",") {
		var brokers []int32
		var twice []string
		for _, word := range strings.Split(strings.TrimRight(partition, ":"), ":") {
			word = strings.TrimSpace(word)
			broker, err := strconv.ParseInt(word, 10, 32)
			if err != nil {
				return nil, &exception{"java.lang.NumberFormatException", fmt.Sprintf("For input string: %q", word)}
			}
			if slices.Contains(brokers, int32(broker)) && !slices.Contains(twice, word) {
				twice = append(twice, word)
			}
			brokers = append(brokers, int32(broker))
		}
		if twice != nil {
			return nil, &exception{"org.apache.kafka.tools.AdminCommandFailedException", "Partition replica lists may not contain duplicate entries: " + strings.Join(twice, ",")}
		}
		if i > 0 && len(brokers) != len(assignment[0]) {
			return nil, &exception{"org.apache.kafka.tools.AdminOperationException", fmt.Sprintf("Partition %d has different replication factor: [%s]", i, joinNumbers(brokers, ", "))}
		}
		assignment = append(assignment, brokers)
	}
	return assignment, nil
}

func (t *topicsTool) runCreate() error {
	name, partitions, factor := t.set.Text(t.topic), t.set.Number(t.partitions), t.set.Number(t.replicationFactor)
	assignment, err := t.assignment()
	configs, wrong := t.configs()
	if err := cmpErrors(t.set.Err(), err, wrong); err != nil {
		return err
	}
	if strings.ContainsAny(name, "._") {
		t.println("WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. To avoid issues it is best to use either, but not both.")
	}
	if t.set.Has(t.replicationFactor) && (factor < 1 || factor > 32767) {
		return illegalArgument("The replication factor must be between 1 and 32767 inclusive")
	}
	if t.set.Has(t.partitions) && partitions < 1 {
		return illegalArgument("The partitions must be greater than 0")
	}
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, -1, -1
	if t.set.Has(t.partitions) {
		topic.NumPartitions = int32(partitions)
	}
	if t.set.Has(t.replicationFactor) {
		topic.ReplicationFactor = int16(factor)
	}
	for i, brokers := range assignment {
		one := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		one.Partition, one.Replicas = int32(i), brokers
		topic.ReplicaAssignment = append(topic.ReplicaAssignment, one)
	}
	for key, value := range configs {
		one := kmsg.NewCreateTopicsRequestTopicConfig()
		one.Name, one.Value = key, kmsg.StringPtr(value)
		topic.Configs = append(topic.Configs, one)
	}
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis, request.Topics = 30000, append(request.Topics, topic)
	response, err := t.client.send("createTopics", request)
	if err != nil {
		return err
	}
	for _, result := range response.(*kmsg.CreateTopicsResponse).Topics {
		err := answered(result.ErrorCode, result.ErrorMessage)
		if err != nil && !(t.set.Has(t.ifNotExists) && isAnswer(err, "TopicExistsException")) {
			return err
		}
		if err == nil {
			t.println("Created topic " + name + ".")
		}
	}
	return nil
}

func (t *topicsTool) runAlter() error {
	partitions := t.set.Number(t.partitions)
	assignment, err := t.assignment()
	if err := cmpErrors(t.set.Err(), err); err != nil {
		return err
	}
	names, err := t.wanted()
	if err != nil || len(names) == 0 {
		return err
	}
	existing, err := t.client.topics()
	if err != nil {
		return err
	}
	request := kmsg.NewPtrCreatePartitionsRequest()
	request.TimeoutMillis = 30000
	for _, name := range names {
		topic := kmsg.NewCreatePartitionsRequestTopic()
		topic.Topic, topic.Count = name, int32(partitions)
		for i, brokers := range assignment {
			has := slices.ContainsFunc(existing, func(e kmsg.MetadataResponseTopic) bool { return *e.Topic == name && i < len(e.Partitions) })
			if !has {
				one := kmsg.NewCreatePartitionsRequestTopicAssignment()
				one.Replicas = brokers
				topic.Assignment = append(topic.Assignment, one)
			}
		}
		request.Topics = append(request.Topics, topic)
	}
	response, err := t.client.send("createPartitions", request)
	if err != nil {
		return err
	}
	for _, result := range response.(*kmsg.CreatePartitionsResponse).Topics {
		if err := answered(result.ErrorCode, result.ErrorMessage); err != nil {
			return err
		}
	}
	return nil
}

func (t *topicsTool) runDelete() error {
	names, err := t.wanted()
	if err != nil || len(names) == 0 {
		return err
	}
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.TimeoutMillis, request.TopicNames = 30000, names
	for _, name := range names {
		topic := kmsg.NewDeleteTopicsRequestTopic()
		topic.Topic = kmsg.StringPtr(name)
		request.Topics = append(request.Topics, topic)
	}
	response, err := t.client.send("deleteTopics", request)
	if err != nil {
		return err
	}
	for _, result := range response.(*kmsg.DeleteTopicsResponse).Topics {
		if err := answered(result.ErrorCode, result.ErrorMessage); err != nil {
			return err
		}
	}
	return nil
}
