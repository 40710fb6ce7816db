package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/cli/flags"
)

const (
	producerHelp = "This tool helps to read data from standard input and publish it to Kafka."
	stockReader  = "org.apache.kafka.tools.LineMessageReader"
)

// producerTool is kafka-console-producer.
type producerTool struct {
	*tool

	topic, bootstrap, sync, codec, reader, readerConfig         *flags.Option
	property, readerProperty, producerProperty, commandProperty *flags.Option
	producerConfig, commandConfig                               *flags.Option
	merged                                                      []mergedOption
	partitionMemory                                             *flags.Option

	properties properties
	small      *client // batches of batch.size
	large      *client // for records that are larger; nil until there is one
	batch      int
}

// mergedOption is an option that stands for a property.
type mergedOption struct {
	option *flags.Option
	key    string
}

// consoleProducer sends lines of the standard input as records.
func consoleProducer(environment Environment, arguments []string) int {
	t := &producerTool{tool: newTool(environment, arguments)}
	t.declare()
	var refused *flags.Error
	err := t.run()
	if errors.As(err, &refused) {
		err = errors.New(refused.Message)
	} else if err != nil && !errors.Is(err, errVersion) && !isUsage(err) {
		err = errors.New(described(err))
	}
	return t.finish(err)
}

func isUsage(err error) bool {
	var usage *usageError
	return errors.As(err, &usage)
}

func (t *producerTool) declare() {
	p := t.parser
	t.topic = p.Value("topic", flags.String, "topic", "REQUIRED: the topic to send to")
	t.bootstrap = p.Value("bootstrap-server", flags.String, "server to connect to", "REQUIRED: the servers to connect to, HOST1:PORT1,HOST2:PORT2")
	t.sync = p.Flag("sync", "send one record at a time and wait for its answer")
	t.codec = p.Maybe("compression-codec", "compression-codec", "none, gzip, snappy, lz4 or zstd; gzip if none is named")
	merge := func(name string, kind flags.Type, label, standard, key, help string) *flags.Option {
		option := p.Value(name, kind, label, help).WithDefault(standard)
		t.merged = append(t.merged, mergedOption{option, key})
		return option
	}
	merge("timeout", flags.Long, "timeout_ms", "1000", "linger.ms", "how long a record waits for others, in milliseconds")
	merge("request-required-acks", flags.String, "request required acks", "-1", "acks", "which acknowledgement to wait for")
	merge("request-timeout-ms", flags.Integer, "request timeout ms", "1500", "request.timeout.ms", "how long an answer may take")
	merge("message-send-max-retries", flags.Integer, "", "3", "retries", "how often a record is sent anew")
	merge("retry-backoff-ms", flags.Long, "", "100", "retry.backoff.ms", "how long to wait before that")
	merge("socket-buffer-size", flags.Integer, "size", "102400", "send.buffer.bytes", "the size of the socket's buffer")
	merge("max-memory-bytes", flags.Long, "total memory in bytes", "33554432", "buffer.memory", "how much may wait to be sent")
	merge("batch-size", flags.Integer, "size", "16384", "batch.size", "the size of a batch")
	t.partitionMemory = merge("max-partition-memory-bytes", flags.Integer, "memory in bytes per partition", "16384", "batch.size", "(deprecated) as --batch-size")
	merge("metadata-expiry-ms", flags.Long, "metadata expiration interval", "300000", "metadata.max.age.ms", "how old what is known of the cluster may become")
	merge("max-block-ms", flags.Long, "max block on send", "60000", "max.block.ms", "how long a send may wait for the topic or for memory")
	t.reader = p.Value("line-reader", flags.String, "reader_class", "how lines are read; there is one way").WithDefault(stockReader)
	t.property = p.Value("property", flags.String, "prop", "(deprecated) as --reader-property")
	t.readerProperty = p.Value("reader-property", flags.String, "prop", "how lines are read: parse.key=false parse.headers=false ignore.error=false key.separator=\\t headers.delimiter=\\t "+
		"headers.separator=, headers.key.separator=: null.marker=; a whole line is h1:v1,h2:v2\\tkey\\tvalue")
	t.readerConfig = p.Value("reader-config", flags.String, "config file", "a file with such properties")
	t.producerProperty = p.Value("producer-property", flags.String, "producer_prop", "(deprecated) as --command-property")
	t.commandProperty = p.Value("command-property", flags.String, "producer_prop", "a property of the client, key=value")
	t.producerConfig = p.Value("producer.config", flags.String, "config file", "(deprecated) as --command-config")
	t.commandConfig = p.Value("command-config", flags.String, "config file", "a file with properties of the client")
}

func (t *producerTool) check() error {
	if err := t.helpOrVersion(producerHelp); err != nil {
		return err
	}
	if err := t.demand(t.topic); err != nil {
		return err
	}
	for _, pair := range []struct{ wanted, old *flags.Option }{
		{t.commandConfig, t.producerConfig}, {t.commandProperty, t.producerProperty}, {t.readerProperty, t.property},
	} {
		if t.count(pair.wanted, pair.old) == 2 {
			return usagef("Options --%s and --%s cannot be specified together.", pair.wanted.Names[0], pair.old.Names[0])
		}
	}
	for _, pair := range []struct{ old, wanted **flags.Option }{
		{&t.producerProperty, &t.commandProperty}, {&t.producerConfig, &t.commandConfig}, {&t.property, &t.readerProperty},
	} {
		if t.set.Has(*pair.old) {
			t.printf("Warning: --%s is deprecated and will be removed in a future version. Use --%s instead.\n", (*pair.old).Names[0], (*pair.wanted).Names[0])
			*pair.wanted = *pair.old
		}
	}
	if t.set.Has(t.partitionMemory) {
		t.println("Warning: --max-partition-memory-bytes is deprecated and will be removed in Apache Kafka 5.0. Use --batch-size instead.")
	}
	return validBootstrap(t.set.Text(t.bootstrap))
}

func (t *producerTool) run() error {
	var err error
	if t.set, err = t.parser.Parse(t.arguments); err != nil {
		return &usageError{err.Error()}
	}
	if err := t.check(); err != nil {
		return err
	}
	lines, err := t.lineReader()
	if err != nil {
		return err
	}
	if err := t.merge(); err != nil {
		return err
	}
	if t.small, err = t.connectProducer(t.batch); err != nil {
		return err
	}
	finished := make(chan struct{})
	stopped := t.flushOnSignal(finished)
	err = t.loop(lines)
	close(finished)
	<-stopped
	t.flush()
	return err
}

func (t *producerTool) lineReader() (*lineReader, error) {
	if class := t.set.Text(t.reader); class != stockReader {
		return nil, &exception{"java.lang.ClassNotFoundException", class}
	}
	p := properties{}
	if t.set.Has(t.readerConfig) {
		var err error
		if p, err = loadProperties(t.set.Text(t.readerConfig)); err != nil {
			return nil, err
		}
	}
	p.add(t.set.Strings(t.readerProperty))
	return newLineReader(t.environment.Stdin, p)
}

// merge makes the client's properties: what options say wins over properties, and those over the options' defaults.
func (t *producerTool) merge() error {
	p := properties{}
	if t.set.Has(t.commandConfig) {
		var err error
		if p, err = loadProperties(t.set.Text(t.commandConfig)); err != nil {
			return err
		}
	}
	p.add(t.set.Strings(t.commandProperty))
	p["bootstrap.servers"] = t.set.Text(t.bootstrap)
	p["compression.type"] = "none"
	if t.set.Has(t.codec) {
		if p["compression.type"] = t.set.Text(t.codec); p["compression.type"] == "" {
			p["compression.type"] = "gzip"
		}
	}
	if p["client.id"] == "" {
		p["client.id"] = "console-producer"
	}
	for _, one := range t.merged {
		if _, has := p[one.key]; t.set.Has(one.option) || !has {
			p[one.key] = t.set.Text(one.option)
			if one.option.Type != flags.String {
				p[one.key] = strconv.FormatInt(t.set.Number(one.option), 10)
			}
		}
	}
	t.properties = p
	t.batch, _ = strconv.Atoi(p["batch.size"])
	return t.set.Err()
}

// connectProducer returns a client whose batches have at most so many bytes.
func (t *producerTool) connectProducer(batch int) (*client, error) {
	p := t.properties
	codec := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}[p["compression.type"]]
	number := func(key string, standard int) int {
		if n, err := strconv.Atoi(p[key]); err == nil {
			return n
		}
		return standard
	}
	options := []kgo.Opt{
		kgo.DefaultProduceTopic(t.set.Text(t.topic)),
		kgo.AllowAutoTopicCreation(),
		kgo.ProducerBatchCompression(codec),
		kgo.ProducerLinger(p.milliseconds("linger.ms", 0)),
		kgo.RecordRetries(max(1, number("retries", 3))),
		kgo.RetryBackoffFn(func(int) time.Duration { return p.milliseconds("retry.backoff.ms", 100*time.Millisecond) }),
		kgo.ProducerBatchMaxBytes(int32(max(1024, batch))),
		kgo.MaxBufferedBytes(max(1<<20, number("buffer.memory", 32<<20))),
		kgo.UnknownTopicRetries(-1),
		kgo.RecordDeliveryTimeout(max(time.Second, min(p.milliseconds("delivery.timeout.ms", 2*time.Minute), p.milliseconds("max.block.ms", time.Minute)))),
	}
	switch p["acks"] {
	case "0":
		options = append(options, kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite())
	case "1":
		options = append(options, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	default:
		if strings.EqualFold(p["enable.idempotence"], "false") {
			options = append(options, kgo.DisableIdempotentWrite())
		}
	}
	return t.connect("Failed to construct kafka producer", p, options...)
}

// flushOnSignal sends what waits when the process is told to end, and ends it.
// The channel that it returns is closed once it no longer does.
func (t *producerTool) flushOnSignal(finished <-chan struct{}) <-chan struct{} {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		defer signal.Stop(signals)
		select {
		case got := <-signals:
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			_ = t.small.Flush(ctx)
			os.Exit(128 + int(got.(syscall.Signal)))
		case <-finished:
		}
	}()
	return stopped
}

// flush sends what waits and closes the clients.
func (t *producerTool) flush() {
	for _, c := range []*client{t.small, t.large} {
		if c != nil {
			_ = c.Flush(context.Background())
			c.Close()
		}
	}
}

func (t *producerTool) loop(lines *lineReader) error {
	in, ok := t.environment.Stdin.(*os.File)
	prompts := ok && isTerminal(in) && isTerminal(t.environment.Stdout)
	for {
		if prompts {
			t.printf(">")
			_ = t.out.Flush()
		}
		record, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = t.send(record)
		}
		if err != nil {
			return err
		}
	}
}

// send sends one record. An error that is not returned has been printed.
func (t *producerTool) send(record *kgo.Record) error {
	c, size := t.small, recordSize(record)
	limit := 1048576
	if n, err := strconv.Atoi(t.properties["max.request.size"]); err == nil {
		limit = n
	}
	if size > limit {
		err := &exception{"org.apache.kafka.common.errors.RecordTooLargeException",
			fmt.Sprintf("The message is %d bytes when serialized which is larger than %d, which is the value of the max.request.size configuration.", size, limit)}
		return t.sent(record, err)
	}
	if size > t.batch {
		// A batch of its own, after all that came before it.
		if t.large == nil {
			var err error
			if t.large, err = t.connectProducer(limit); err != nil {
				return err
			}
		}
		_ = t.small.Flush(context.Background())
		return t.sent(record, t.failure(t.large.ProduceSync(context.Background(), record).FirstErr()))
	}
	if t.set.Has(t.sync) {
		return t.sent(record, t.failure(c.ProduceSync(context.Background(), record).FirstErr()))
	}
	c.Produce(context.Background(), record, func(record *kgo.Record, err error) { _ = t.sent(record, t.failure(err)) })
	return nil
}

// recordSize is an upper bound of a record's size in a batch of its own, as the stock client reckons it.
func recordSize(record *kgo.Record) int {
	size := 61 + 21 + len(record.Key) + len(record.Value)
	for _, header := range record.Headers {
		size += 10 + len(header.Key) + len(header.Value)
	}
	return size + 5
}

// failure makes an exception of a client's error.
func (t *producerTool) failure(err error) error {
	var answer *kerr.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer):
		return answered(answer.Code, nil)
	case errors.Is(err, kgo.ErrRecordTimeout), errors.Is(err, kgo.ErrRecordRetries):
		return &exception{"org.apache.kafka.common.errors.TimeoutException",
			fmt.Sprintf("Topic %s not present in metadata after %s ms.", t.set.Text(t.topic), t.properties["max.block.ms"])}
	}
	return kafkaException(err.Error())
}

// sent says what became of a record: with --sync a failure ends the tool, without it is logged.
func (t *producerTool) sent(record *kgo.Record, err error) error {
	if err == nil {
		return nil
	}
	if t.set.Has(t.sync) {
		return execution(err)
	}
	length := func(field []byte) string {
		if field == nil {
			return "null"
		}
		return fmt.Sprintf("%d bytes", len(field))
	}
	fmt.Fprintf(t.environment.Stderr, "[%s] ERROR Error when sending message to topic %s with key: %s, value: %s with error: (org.apache.kafka.clients.producer.internals.ErrorLoggingCallback)\n%s\n",
		time.Now().Format("2006-01-02 15:04:05,000"), t.set.Text(t.topic), length(record.Key), length(record.Value), described(err))
	return nil
}
