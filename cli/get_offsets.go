package cli

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/cli/flags"
)

const getOffsetsHelp = "An interactive shell for getting topic-partition offsets."

// getOffsetsTool is kafka-get-offsets.
type getOffsetsTool struct {
	*tool

	bootstrap, topicPartitions, topic, partitions, time, commandConfig, excludeInternal *flags.Option
}

// partitionOffset is an offset as the tool prints it.
type partitionOffset struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

func (o partitionOffset) name() string { return fmt.Sprintf("%s-%d", o.Topic, o.Partition) }

// getOffsets prints the offsets of partitions at a time.
func getOffsets(environment Environment, arguments []string) int {
	t := &getOffsetsTool{tool: newTool(environment, arguments)}
	p := t.parser
	t.bootstrap = p.Value("bootstrap-server", flags.String, "HOST1:PORT1,...,HOST3:PORT3", "REQUIRED: the servers to connect to")
	t.topicPartitions = p.Value("topic-partitions", flags.String, "topic1:1,topic2:0-3,topic3,topic4:5-,topic5:-3", "the partitions, as a list of TOPIC:PARTITIONS: TOPIC is a regular expression, "+
		"PARTITIONS a number or a range without its end; either may be left out")
	t.topic = p.Value("topic", flags.String, "topic", "the topic, a regular expression; all if not given")
	t.partitions = p.Value("partitions", flags.String, "partition ids", "the partitions, a list of numbers; all if not given")
	t.time = p.Value("time", flags.String, "<timestamp> / -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or earliest-local / -5 or latest-tiered / -6 or earliest-pending-upload",
		"the first offset at this time or later, or one of the names").WithDefault("latest")
	t.commandConfig = p.Value("command-config", flags.String, "config file", "a file with properties of the client")
	t.excludeInternal = p.Flag("exclude-internal-topics", "leave out internal topics")
	t.formats()
	err := t.run()
	var usage *usageError
	if err != nil && !errors.Is(err, errVersion) && !errors.As(err, &usage) {
		err = fmt.Errorf("Error occurred: %w", err) //nolint:staticcheck // the stock tool's words
	}
	return t.finish(err)
}

func (t *getOffsetsTool) run() error {
	var err error
	if t.set, err = t.parser.Parse(t.arguments); err != nil {
		return err
	}
	if err := t.helpOrVersion(getOffsetsHelp); err != nil {
		return err
	}
	if err := t.demand(t.bootstrap); err != nil {
		return err
	}
	bootstrap := t.set.Text(t.bootstrap)
	if err := validBootstrap(bootstrap); err != nil {
		return err
	}
	if t.set.Has(t.topicPartitions) && t.count(t.topic, t.partitions) > 0 {
		return errors.New("--topic-partitions cannot be used with --topic or --partitions")
	}
	timestamp, err := offsetTime(t.set.Text(t.time))
	if err != nil {
		return err
	}
	rules, err := t.rules()
	if err := cmpErrors(err, t.set.Err()); err != nil {
		return err
	}
	c, err := t.admin(bootstrap, t.set.Text(t.commandConfig), "GetOffsetShell")
	if err != nil {
		return err
	}
	defer c.Close()
	wanted, err := t.matching(c, rules)
	if err != nil {
		return err
	}
	if len(wanted) == 0 {
		return errors.New("Could not match any topic-partitions with the specified filters") //nolint:staticcheck // the stock tool's words
	}
	return t.print(c, wanted, timestamp)
}

func (t *getOffsetsTool) print(c *client, wanted []partitionOffset, timestamp int64) error {
	found, failed, err := c.offsets(wanted, timestamp)
	if err != nil {
		return err
	}
	slices.SortFunc(found, func(a, b partitionOffset) int { return strings.Compare(a.name(), b.name()) })
	for _, one := range failed {
		t.complain("Skip getting offsets for topic-partition " + one.name() + " due to error: " + described(one.err))
	}
	found = slices.DeleteFunc(found, func(o partitionOffset) bool { return o.Offset == -1 })
	if t.json() {
		return t.printJSON(append([]partitionOffset{}, found...))
	}
	for _, one := range found {
		t.printf("%s:%d:%d\n", one.Topic, one.Partition, one.Offset)
	}
	return nil
}

// hostPort matches an address with a port.
const hostPort = `^(?:.*://)?\[?([0-9a-zA-Z\-._%:]*)\]?:([0-9]+)$`

// validBootstrap wants every address to have a port.
func validBootstrap(text string) error {
	if strings.TrimSpace(text) == "" {
		return &usageError{"Error while validating the bootstrap address\n"}
	}
	expression := regexp.MustCompile(hostPort)
	for _, one := range strings.Split(strings.TrimRight(text, ","), ",") {
		if !expression.MatchString(one) {
			return &usageError{"Please provide valid host:port like host1:9091,host2:9092\n"}
		}
	}
	return nil
}

// offsetTime parses --time.
func offsetTime(text string) (int64, error) {
	for i, name := range []string{"latest", "earliest", "max-timestamp", "earliest-local", "latest-tiered", "earliest-pending-upload"} {
		if text == name {
			return int64(-1 - i), nil
		}
	}
	timestamp, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, errors.New("Malformed time argument " + text + ". Please use -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or earliest-local / " +
			"-5 or latest-tiered / -6 or earliest-pending-upload, or a specified long format timestamp")
	}
	return timestamp, nil
}

// partitionRule admits some partitions of some topics: those in the set, or, where it is nil, from first to before end.
type partitionRule struct {
	topics     *topicFilter
	set        []int32
	first, end int32
}

func (r *partitionRule) admits(topic string, partition int32) bool {
	if !r.topics.matches(topic) {
		return false
	}
	if r.set != nil {
		return slices.Contains(r.set, partition)
	}
	return partition >= r.first && partition < r.end
}

// rulePattern matches TOPIC:PARTITION and TOPIC:FIRST-END.
const rulePattern = `^([^:,]*)(?::(?:([0-9]*)|(?:([0-9]*)-([0-9]*))))?$`

// rules returns what the command line admits.
func (t *getOffsetsTool) rules() ([]partitionRule, error) {
	if !t.set.Has(t.topicPartitions) {
		text := ".*"
		if t.set.Has(t.topic) {
			text = t.set.Text(t.topic)
		}
		filter, err := newTopicFilter(text)
		if err != nil {
			return nil, err
		}
		rule := partitionRule{topics: filter, end: math.MaxInt32}
		if list := t.set.Text(t.partitions); list != "" {
			for _, word := range strings.Split(strings.TrimRight(list, ","), ",") {
				number, err := strconv.ParseInt(word, 10, 32)
				if err != nil {
					return nil, errors.New("--partitions expects a comma separated list of numeric partition ids, but received: " + list)
				}
				rule.set = append(rule.set, int32(number))
			}
		}
		return []partitionRule{rule}, nil
	}
	var rules []partitionRule
	expression := regexp.MustCompile(rulePattern)
	for _, text := range strings.Split(strings.TrimRight(t.set.Text(t.topicPartitions), ","), ",") {
		found := expression.FindStringSubmatch(text)
		if found == nil {
			return nil, errors.New("org.apache.kafka.tools.TerseException: Invalid rule specification: " + text)
		}
		rule, err := parseRule(found)
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

func parseRule(found []string) (partitionRule, error) {
	if found[1] == "" {
		found[1] = ".*"
	}
	filter, err := newTopicFilter(found[1])
	rule := partitionRule{topics: filter, end: math.MaxInt32}
	for i, target := range []*int32{nil, nil, &rule.first, &rule.first, &rule.end} {
		if i < 2 || found[i] == "" {
			continue
		}
		number, bad := strconv.ParseInt(found[i], 10, 32)
		if bad != nil {
			err = cmpErrors(err, fmt.Errorf("For input string: %q", found[i])) //nolint:staticcheck // the stock tool's words
		}
		*target = int32(number)
		if i == 2 {
			rule.set = []int32{int32(number)}
		}
	}
	return rule, err
}

// matching returns the partitions that a rule admits.
func (t *getOffsetsTool) matching(c *client, rules []partitionRule) ([]partitionOffset, error) {
	topics, err := c.topics()
	if err != nil {
		return nil, err
	}
	var wanted []partitionOffset
	for _, topic := range topics {
		if t.set.Has(t.excludeInternal) && topic.IsInternal {
			continue
		}
		for _, p := range topic.Partitions {
			if slices.ContainsFunc(rules, func(r partitionRule) bool { return r.admits(*topic.Topic, p.Partition) }) {
				wanted = append(wanted, partitionOffset{Topic: *topic.Topic, Partition: p.Partition})
			}
		}
	}
	return wanted, nil
}

// failedOffset is a partition whose offset could not be told.
type failedOffset struct {
	partitionOffset
	err error
}

// offsets asks for the offset of each partition at a time (-1 latest, -2 earliest, ...).
func (c *client) offsets(wanted []partitionOffset, timestamp int64) (found []partitionOffset, failed []failedOffset, err error) {
	if len(wanted) == 0 {
		return nil, nil, nil
	}
	ctx, cancel := c.context()
	defer cancel()
	for _, shard := range c.RequestSharded(ctx, offsetsRequest(wanted, timestamp)) {
		if shard.Err != nil {
			if ctx.Err() != nil {
				return nil, nil, c.late("listOffsets")
			}
			for _, topic := range shard.Req.(*kmsg.ListOffsetsRequest).Topics {
				for _, p := range topic.Partitions {
					failed = append(failed, failedOffset{partitionOffset{topic.Topic, p.Partition, -1}, kgoError(shard.Err)})
				}
			}
			continue
		}
		for _, topic := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range topic.Partitions {
				one := partitionOffset{topic.Topic, p.Partition, p.Offset}
				if err := answered(p.ErrorCode, nil); err != nil {
					failed = append(failed, failedOffset{one, err})
				} else {
					found = append(found, one)
				}
			}
		}
	}
	return found, failed, nil
}

func offsetsRequest(wanted []partitionOffset, timestamp int64) *kmsg.ListOffsetsRequest {
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID = -1
	request.TimeoutMillis = 30000
	for _, one := range wanted {
		i := slices.IndexFunc(request.Topics, func(t kmsg.ListOffsetsRequestTopic) bool { return t.Topic == one.Topic })
		if i < 0 {
			topic := kmsg.NewListOffsetsRequestTopic()
			topic.Topic = one.Topic
			request.Topics, i = append(request.Topics, topic), len(request.Topics)
		}
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp = one.Partition, timestamp
		request.Topics[i].Partitions = append(request.Topics[i].Partitions, p)
	}
	return request
}
