package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sys/unix"

	"ottla/cli/flags"
)

const (
	consumerHelp   = "This tool helps to read data from Kafka topics and outputs it to standard output."
	consumerLogger = "org.apache.kafka.tools.consumer.ConsoleConsumer"
)

// consumerTool is kafka-console-consumer.
type consumerTool struct {
	*tool

	topic, include, partition, offset, group, isolation          *flags.Option
	fromBeginning, maxMessages, timeout, skipOnError, systemTest *flags.Option
	formatter, formatterConfig, property, formatterProperty      *flags.Option
	keyDeserializer, valueDeserializer, layout                   *flags.Option
	bootstrap, consumerProperty, commandProperty                 *flags.Option
	consumerConfig, commandConfig                                *flags.Option

	properties properties
	start      int64 // -1 the end, -2 the beginning
	records    recordFormatter
	printed    int64
	signal     syscall.Signal // that ended the consuming; 0: none
}

// consoleConsumer prints records.
func consoleConsumer(environment Environment, arguments []string) int {
	t := &consumerTool{tool: newTool(environment, arguments)}
	t.declare()
	err := t.run()
	status := t.finish(err)
	if err == nil && t.signal != 0 {
		return 128 + int(t.signal)
	}
	return status
}

func (t *consumerTool) declare() {
	p := t.parser
	t.topic = p.Value("topic", flags.String, "topic", "the topic to read")
	t.include = p.Value("include", flags.String, "Java regex (String)", "a regular expression of topics to read")
	t.partition = p.Value("partition", flags.Integer, "partition", "the partition to read, from its end unless --offset says otherwise")
	t.offset = p.Value("offset", flags.String, "consume offset", "where to begin: a number, earliest or latest").WithDefault("latest")
	t.consumerProperty = p.Value("consumer-property", flags.String, "consumer_prop", "(deprecated) as --command-property")
	t.commandProperty = p.Value("command-property", flags.String, "consumer_prop", "a property of the client, key=value")
	t.consumerConfig = p.Value("consumer.config", flags.String, "config file", "(deprecated) as --command-config")
	t.commandConfig = p.Value("command-config", flags.String, "config file", "a file with properties of the client")
	t.formatter = p.Value("formatter", flags.String, "class", "how records are printed").WithDefault(formatters + "DefaultMessageFormatter")
	t.property = p.Value("property", flags.String, "prop", "(deprecated) as --formatter-property")
	t.formatterProperty = p.Value("formatter-property", flags.String, "prop", "what is printed: print.timestamp, print.key, print.offset, print.epoch, print.partition, print.headers, print.value (true or false), "+
		"key.separator, line.separator, headers.separator, null.literal, key.deserializer, value.deserializer, headers.deserializer")
	t.formatterConfig = p.Value("formatter-config", flags.String, "config file", "a file with such properties")
	t.fromBeginning = p.Flag("from-beginning", "where the group has no offset, begin with the earliest record")
	t.maxMessages = p.Value("max-messages", flags.Integer, "num_messages", "how many records to print; without end if not given")
	t.timeout = p.Value("timeout-ms", flags.Long, "timeout_ms", "end after so many milliseconds without a record")
	t.skipOnError = p.Flag("skip-message-on-error", "go on after a record that cannot be printed")
	t.bootstrap = p.Value("bootstrap-server", flags.String, "server to connect to", "REQUIRED: the servers to connect to")
	t.keyDeserializer = p.Value("key-deserializer", flags.String, "deserializer for keys", "what keys are")
	t.valueDeserializer = p.Value("value-deserializer", flags.String, "deserializer for values", "what values are")
	t.systemTest = p.Flag("enable-systest-events", "print also when the consumer ends")
	t.isolation = p.Value("isolation-level", flags.String, "", "read_committed leaves out what is not committed").WithDefault("read_uncommitted")
	t.group = p.Value("group", flags.String, "consumer group id", "the consumer group")
	t.layout = p.Add(&flags.Option{Names: []string{"print-format", "f"}, Kind: flags.Required, Type: flags.String, Label: "layout",
		Help: `a layout with %t topic, %p partition, %o offset, %k key, %v value, %h{...} headers, %d timestamp, \n newline`})
	t.formats()
}

func (t *consumerTool) run() error {
	var err error
	if t.set, err = t.parser.Parse(t.arguments); err != nil {
		return &usageError{err.Error()}
	}
	if err := t.check(); err != nil {
		return err
	}
	if err := t.merge(); err != nil {
		return err
	}
	if t.start, err = t.startOffset(); err != nil {
		return err
	}
	if t.records, err = t.newRecordFormatter(); err != nil {
		return err
	}
	limit, timeout := int64(-1), time.Duration(math.MaxInt64)
	if t.set.Has(t.maxMessages) {
		limit = t.set.Number(t.maxMessages)
	}
	if ms := t.set.Number(t.timeout); t.set.Has(t.timeout) && ms >= 0 {
		timeout = time.Duration(min(ms, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
	}
	if err := t.set.Err(); err != nil {
		return err
	}
	if err := t.consume(limit, timeout); err != nil {
		t.logLine("ERROR", consumerLogger, "Unknown error when running consumer: ")
		t.complain(described(err))
		return errSilent
	}
	return nil
}

func (t *consumerTool) check() error {
	if err := t.helpOrVersion(consumerHelp); err != nil {
		return err
	}
	if t.count(t.topic, t.include) != 1 {
		return &usageError{"Exactly one of the following arguments is required: [topic], [include]"}
	}
	switch {
	case t.set.Has(t.partition) && !t.set.Has(t.topic):
		return &usageError{"The topic is required when partition is specified."}
	case t.set.Has(t.partition) && t.count(t.fromBeginning, t.offset) == 2:
		return &usageError{"Options from-beginning and offset cannot be specified together."}
	case !t.set.Has(t.partition) && t.set.Has(t.offset):
		return &usageError{"The partition is required when offset is specified."}
	}
	if err := t.demand(t.bootstrap); err != nil {
		return err
	}
	if t.count(t.consumerProperty, t.commandProperty) == 2 {
		return &usageError{"Options --consumer-property and --command-property cannot be specified together."}
	}
	if t.count(t.consumerConfig, t.commandConfig) == 2 {
		return &usageError{"Options --consumer.config and --command-config cannot be specified together."}
	}
	for _, pair := range []struct{ old, wanted **flags.Option }{{&t.consumerProperty, &t.commandProperty}, {&t.consumerConfig, &t.commandConfig}} {
		if t.set.Has(*pair.old) {
			t.deprecated(*pair.old, *pair.wanted)
			*pair.wanted = *pair.old
		}
	}
	return nil
}

func (t *consumerTool) deprecated(old, wanted *flags.Option) {
	t.printf("Option --%s is deprecated and will be removed in a future version. Use --%s instead.\n", old.Names[0], wanted.Names[0])
}

// merge makes the client's properties.
func (t *consumerTool) merge() error {
	file, words := properties{}, properties{}
	if t.set.Has(t.commandConfig) {
		var err error
		if file, err = loadProperties(t.set.Text(t.commandConfig)); err != nil {
			return err
		}
	}
	words.add(t.set.Strings(t.commandProperty))
	group, err := t.groupOf(file, words)
	if err != nil {
		return err
	}
	p := properties{}
	for _, source := range []properties{file, words} {
		for key, value := range source {
			p[key] = value
		}
	}
	beginning := t.set.Has(t.fromBeginning)
	if reset, ok := p["auto.offset.reset"]; ok {
		if beginning && reset != "earliest" {
			return fmt.Errorf("Can't simultaneously specify --from-beginning and 'auto.offset.reset=%s', please remove one option", reset) //nolint:staticcheck // the stock tool's words
		}
	} else if p["auto.offset.reset"] = "latest"; beginning {
		p["auto.offset.reset"] = "earliest"
	}
	p["bootstrap.servers"] = t.set.Text(t.bootstrap)
	if p["client.id"] == "" {
		p["client.id"] = "console-consumer"
	}
	if _, has := p["isolation.level"]; t.set.Has(t.isolation) || !has {
		p["isolation.level"] = t.set.Text(t.isolation)
	}
	if p["group.id"] = group; group == "" {
		p["group.id"] = fmt.Sprintf("console-consumer-%d", rand.IntN(100000))
		if _, has := p["enable.auto.commit"]; !has {
			p["enable.auto.commit"] = "false"
		}
	}
	t.properties = p
	return t.set.Err()
}

// groupOf returns the one group that is named in up to three places; "" is none.
func (t *consumerTool) groupOf(file, words properties) (string, error) {
	var named []string
	add := func(name string, given bool) {
		if given && !strings.Contains("\x00"+strings.Join(named, "\x00")+"\x00", "\x00"+name+"\x00") {
			named = append(named, name)
		}
	}
	add(t.set.Text(t.group), t.set.Has(t.group))
	value, has := file["group.id"]
	add(value, has)
	value, has = words["group.id"]
	add(value, has)
	inJavaOrder(named, 0, javaHash)
	if len(named) > 1 {
		return "", usagef("The group ids provided in different places (directly using '--group', via '--consumer-property', or via '--consumer.config') do not match. Detected group ids: '%s'",
			strings.Join(named, "', '"))
	}
	if len(named) > 0 && t.set.Has(t.partition) {
		return "", &usageError{"Options group and partition cannot be specified together."}
	}
	return strings.Join(named, ""), nil
}

func (t *consumerTool) startOffset() (int64, error) {
	if !t.set.Has(t.offset) {
		if t.set.Has(t.fromBeginning) {
			return -2, nil
		}
		return -1, nil
	}
	text := t.set.Text(t.offset)
	switch strings.ToLower(text) {
	case "earliest":
		return -2, nil
	case "latest":
		return -1, nil
	}
	offset, err := strconv.ParseInt(text, 10, 64)
	if err != nil || offset < 0 {
		return 0, usagef("The provided offset value '%s' is incorrect. Valid values are 'earliest', 'latest', or a non-negative long.", text)
	}
	return offset, nil
}

func (t *consumerTool) newRecordFormatter() (recordFormatter, error) {
	if t.count(t.formatterProperty, t.property) == 2 {
		return nil, &usageError{"Options --property and --formatter-property cannot be specified together."}
	}
	if t.set.Has(t.property) {
		t.deprecated(t.property, t.formatterProperty)
		t.formatterProperty = t.property
	}
	p := properties{}
	if t.set.Has(t.formatterConfig) {
		var err error
		if p, err = loadProperties(t.set.Text(t.formatterConfig)); err != nil {
			return nil, &usageError{err.Error()}
		}
	}
	for option, key := range map[*flags.Option]string{t.keyDeserializer: "key.deserializer", t.valueDeserializer: "value.deserializer"} {
		if class := t.set.Text(option); class != "" {
			p[key] = class
		}
	}
	p.add(t.set.Strings(t.formatterProperty))
	if t.set.Has(t.layout) {
		layout, err := kgo.NewRecordFormatter(t.set.Text(t.layout))
		if err != nil {
			return nil, usagef("--print-format: %v", err)
		}
		return layoutFormatter{layout}, nil
	}
	if t.json() {
		return jsonFormatter{}, nil
	}
	formatter, err := t.newFormatter(t.set.Text(t.formatter), p)
	if err != nil {
		return nil, &usageError{err.Error()}
	}
	return formatter, nil
}

// options are the client's, for what is to be read.
func (t *consumerTool) options() ([]kgo.Opt, error) {
	p := t.properties
	var reset kgo.Offset
	switch value := p["auto.offset.reset"]; {
	case value == "earliest":
		reset = kgo.NewOffset().AtStart()
	case value == "latest":
		reset = kgo.NewOffset().AtEnd()
	case value == "none":
		reset = kgo.NoResetOffset()
	default:
		return nil, invalidProperty("auto.offset.reset", value, "Invalid value `"+value+"` for configuration auto.offset.reset. The value must be either 'earliest', 'latest', 'none' or of the format 'by_duration:<PnDTnHnMn.nS.>'.")
	}
	options := []kgo.Opt{
		kgo.ConsumeResetOffset(reset),
		kgo.FetchMaxWait(p.milliseconds("fetch.max.wait.ms", 500*time.Millisecond)),
		kgo.RetryTimeout(0),
	}
	if p["isolation.level"] == "read_committed" {
		options = append(options, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	if !strings.EqualFold(p["allow.auto.create.topics"], "false") {
		options = append(options, kgo.AllowAutoTopicCreation())
	}
	if t.set.Has(t.partition) {
		offset := kgo.NewOffset().At(t.start)
		switch t.start {
		case -1:
			offset = kgo.NewOffset().AtEnd()
		case -2:
			offset = kgo.NewOffset().AtStart()
		}
		number := int32(t.set.Number(t.partition))
		return append(options, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{t.set.Text(t.topic): {number: offset}})), t.set.Err()
	}
	return t.subscription(options)
}

// subscription adds the group and its topics.
func (t *consumerTool) subscription(options []kgo.Opt) ([]kgo.Opt, error) {
	p := t.properties
	options = append(options, kgo.ConsumerGroup(p["group.id"]),
		kgo.SessionTimeout(p.milliseconds("session.timeout.ms", 45*time.Second)),
		kgo.HeartbeatInterval(p.milliseconds("heartbeat.interval.ms", 3*time.Second)),
		kgo.RebalanceTimeout(p.milliseconds("max.poll.interval.ms", 5*time.Minute)))
	if instance := p["group.instance.id"]; instance != "" {
		options = append(options, kgo.InstanceID(instance))
	}
	if strings.EqualFold(p["group.protocol"], "consumer") {
		options = append(options, kgo.GroupProtocol("consumer"))
	} else {
		options = append(options, kgo.Balancers(kgo.RangeBalancer(), kgo.CooperativeStickyBalancer()))
	}
	if strings.EqualFold(strings.TrimSpace(p["enable.auto.commit"]), "false") {
		options = append(options, kgo.DisableAutoCommit())
	} else {
		options = append(options, kgo.AutoCommitMarks(), kgo.AutoCommitInterval(max(100*time.Millisecond, p.milliseconds("auto.commit.interval.ms", 5*time.Second))))
	}
	if t.set.Has(t.topic) {
		return append(options, kgo.ConsumeTopics(t.set.Text(t.topic))), nil
	}
	text := t.set.Text(t.include)
	if _, err := regexp.Compile(text); err != nil {
		return nil, &exception{"java.util.regex.PatternSyntaxException", err.Error()}
	}
	options = append(options, kgo.ConsumeRegex(), kgo.ConsumeTopics("^(?:"+text+")$"))
	if !strings.EqualFold(p["exclude.internal.topics"], "false") {
		options = append(options, kgo.ConsumeExcludeTopics("^__(consumer_offsets|transaction_state|share_group_state)$"))
	}
	return options, nil
}

// consume prints records until there are enough of them, none comes in time, or a signal does.
func (t *consumerTool) consume(limit int64, timeout time.Duration) error {
	options, err := t.options()
	if err != nil {
		return err
	}
	c, err := t.connect("Failed to construct kafka consumer", t.properties, options...)
	if err != nil {
		return err
	}
	if !t.set.Has(t.partition) && !strings.EqualFold(t.properties["group.protocol"], "consumer") {
		t.complain("The consumer rebalance protocol (KIP-848) is production-ready! Set group.protocol=consumer to try it out. See https://kafka.apache.org/documentation/#consumer_rebalance_protocol")
	}
	// A pipe that nobody reads is an error of the write, not the end of the process.
	signal.Ignore(syscall.SIGPIPE)
	ctx, cancel := context.WithCancel(context.Background())
	stopped := t.cancelOnSignal(ctx, cancel)
	err = t.loop(ctx, c, limit, timeout)
	cancel()
	<-stopped
	t.leave(c)
	t.complain(fmt.Sprintf("Processed a total of %d messages", t.printed))
	if t.set.Has(t.systemTest) {
		t.println("shutdown_complete")
	}
	return err
}

// cancelOnSignal ends the consuming when the process is told to end, and notes by which signal. The channel that it
// returns is closed once the context has ended.
func (t *consumerTool) cancelOnSignal(ctx context.Context, cancel context.CancelFunc) <-chan struct{} {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		defer signal.Stop(signals)
		select {
		case got := <-signals:
			t.signal, _ = got.(syscall.Signal)
			cancel()
		case <-ctx.Done():
		}
	}()
	return stopped
}

// leave commits what was printed and leaves the group.
func (t *consumerTool) leave(c *client) {
	if !t.set.Has(t.partition) && !strings.EqualFold(strings.TrimSpace(t.properties["enable.auto.commit"]), "false") {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := c.CommitMarkedOffsets(ctx); err != nil {
			t.logLine("WARN", "ottla", "the offsets were not committed: "+err.Error())
		}
	}
	c.Close()
}

func (t *consumerTool) loop(ctx context.Context, c *client, limit int64, timeout time.Duration) error {
	waiting := time.Now()
	for limit < 0 || t.printed < limit {
		if t.out.Flush() != nil || abandoned(t.environment.Stdout) {
			t.complain("Unable to write to standard out, closing consumer.")
			return nil
		}
		records, err := t.poll(ctx, c, limit, min(idleCheck, timeout-min(time.Since(waiting), timeout)))
		if ctx.Err() != nil {
			return nil
		}
		if err == nil && len(records) == 0 && time.Since(waiting) >= timeout {
			err = &exception{"org.apache.kafka.common.errors.TimeoutException", ""}
		}
		if err != nil {
			t.logLine("ERROR", consumerLogger, "Error processing message, terminating consumer process: ")
			t.complain(described(err))
			return nil
		}
		for _, record := range records {
			t.printed++
			if err := t.records.format(t.out, record); err != nil {
				if !t.set.Has(t.skipOnError) {
					return err
				}
				t.logLine("ERROR", consumerLogger, "Error processing message, skipping this message: ")
				t.complain(described(err))
			}
			c.MarkCommitRecords(record)
		}
		if len(records) > 0 {
			waiting = time.Now()
		}
	}
	return nil
}

// idleCheck is how often a consumer that gets no records looks whether anyone reads its output.
const idleCheck = time.Second

// abandoned tells whether the output is a pipe that nobody reads.
func abandoned(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	poll := []unix.PollFd{{Fd: int32(file.Fd())}}
	n, err := unix.Poll(poll, 0)
	return err == nil && n > 0 && poll[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
}

// poll waits for records for so long.
func (t *consumerTool) poll(ctx context.Context, c *client, limit int64, timeout time.Duration) ([]*kgo.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	most := 500
	if limit >= 0 {
		most = int(min(500, limit-t.printed))
	}
	fetches := c.PollRecords(ctx, most)
	for _, failed := range fetches.Errors() {
		if errors.Is(failed.Err, context.DeadlineExceeded) || errors.Is(failed.Err, context.Canceled) {
			continue
		}
		if !passing(failed.Err) {
			return nil, kgoError(failed.Err)
		}
	}
	return fetches.Records(), nil
}
