package stocktools

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"ottla/compat-tests/harness"
)

const oracleVersion = "4.3.1"

// classes maps a tool's stock name to the class that its script runs, by version.
var classes = map[string]map[string]string{
	"4.3.1": {
		"topics":          "org.apache.kafka.tools.TopicCommand",
		"producer":        "org.apache.kafka.tools.ConsoleProducer",
		"consumer":        "org.apache.kafka.tools.consumer.ConsoleConsumer",
		"groups":          "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
		"get-offsets":     "org.apache.kafka.tools.GetOffsetShell",
		"configs":         "kafka.admin.ConfigCommand",
		"producer-perf":   "org.apache.kafka.tools.ProducerPerformance",
		"consumer-perf":   "org.apache.kafka.tools.ConsumerPerformance",
		"dump-log":        "org.apache.kafka.tools.DumpLogSegments",
		"broker-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
		"log-dirs":        "org.apache.kafka.tools.LogDirsCommand",
		"delete-records":  "org.apache.kafka.tools.DeleteRecordsCommand",
		"features":        "org.apache.kafka.tools.FeatureCommand",
		"quorum":          "org.apache.kafka.tools.MetadataQuorumCommand",
		"cluster":         "org.apache.kafka.tools.ClusterTool",
		"elections":       "org.apache.kafka.tools.LeaderElectionCommand",
		"reassign":        "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
		"verify-producer": "org.apache.kafka.tools.VerifiableProducer",
		"verify-consumer": "org.apache.kafka.tools.VerifiableConsumer",
		"transactions":    "org.apache.kafka.tools.TransactionsCommand",
		"all-groups":      "org.apache.kafka.tools.GroupsCommand",
	},
	"3.3.2": {
		"topics":        "kafka.admin.TopicCommand",
		"producer":      "kafka.tools.ConsoleProducer",
		"consumer":      "kafka.tools.ConsoleConsumer",
		"groups":        "kafka.admin.ConsumerGroupCommand",
		"get-offsets":   "kafka.tools.GetOffsetShell",
		"configs":       "kafka.admin.ConfigCommand",
		"producer-perf": "org.apache.kafka.tools.ProducerPerformance",
		"consumer-perf": "kafka.tools.ConsumerPerformance",
		"dump-log":      "kafka.tools.DumpLogSegments",
	},
}

// pair runs every command of one version's tools against both brokers.
type pair struct {
	t       *testing.T
	version string
	brokers []*harness.Broker
	// residents, if there are any, are the JVMs that run the tools, one for each broker; else each command has its own.
	residents []*harness.Resident
}

// newPair starts both brokers with the same properties.
func newPair(t *testing.T, version string, properties ...string) *pair {
	t.Helper()
	harness.Jars(t, "kafka-"+version, harness.Tools(version)...)
	options := harness.Options{Properties: properties}
	return &pair{t: t, version: version, brokers: []*harness.Broker{
		harness.StartSubject(t, oracleVersion, options),
		harness.StartKafka(t, oracleVersion, options),
	}}
}

// command is one command line. $B stands for the bootstrap address, $D for the data directory.
type command struct {
	tool string
	line string
	in   string
	// code is the exit status that both must end with.
	code int
	// contains are pieces that the output of both must hold, once normalised.
	contains []string
	// loose: the outputs hold figures of the run; only code and contains are held.
	loose bool
	// sorted: the order of lines depends on timing.
	sorted bool
}

// run runs the command against both brokers and holds one answer against the other.
func (p *pair) run(c command) {
	p.t.Helper()
	class, ok := classes[p.version][c.tool]
	if !ok {
		p.t.Fatalf("no class for tool %q of %s", c.tool, p.version)
	}
	results := make([]harness.Result, len(p.brokers))
	var running sync.WaitGroup
	for i, broker := range p.brokers {
		running.Go(func() {
			line := strings.NewReplacer("$B", broker.Address, "$D", broker.Data).Replace(c.line)
			if p.residents != nil {
				var err error
				if results[i], err = p.residents[i].Run(class, c.in, split(line)...); err != nil {
					p.t.Error(err)
				}
				return
			}
			results[i] = harness.StockTool(p.t, p.version, class, harness.Command{Stdin: c.in}, split(line)...)
		})
	}
	running.Wait()
	var outputs []string
	for i, broker := range p.brokers {
		result, line := results[i], c.line
		output := p.normalise(broker, result.Stdout+noise(result.Stderr))
		if result.Code != c.code {
			p.t.Errorf("%s: %s %s: exit status %d, want %d\n%s", broker.Name, c.tool, line, result.Code, c.code, output)
		}
		for _, piece := range c.contains {
			if !strings.Contains(output, piece) {
				p.t.Errorf("%s: %s %s: the output lacks %q:\n%s", broker.Name, c.tool, line, piece, output)
			}
		}
		outputs = append(outputs, output)
	}
	if c.loose {
		return
	}
	if c.sorted {
		outputs = []string{sortLines(outputs[0]), sortLines(outputs[1])}
	}
	if outputs[0] != outputs[1] {
		p.t.Errorf("%s %s prints\n%s\non %s, but\n%s\non %s", c.tool, c.line,
			outputs[0], p.brokers[0].Name, outputs[1], p.brokers[1].Name)
	}
}

var (
	topicID   = regexp.MustCompile(`TopicId: [A-Za-z0-9_-]{22}`)
	stamp     = regexp.MustCompile(`(CreateTime|LogAppendTime|baseTimestamp|maxTimestamp|CreateTime:|timestamp)(: ?)\d+`)
	member    = regexp.MustCompile(`(console-consumer|consumer-[a-zA-Z0-9.-]+?)-[0-9a-f]{8}-[0-9a-f-]{27}`)
	columns   = regexp.MustCompile(`[ \t]+`)
	crc       = regexp.MustCompile(`crc: \d+`)
	ephemeral = regexp.MustCompile(`console-consumer-\d+`)
	// A time and the duration beside it; what a marker was written at is a time too.
	moment = regexp.MustCompile(`\b1[0-9]{12}\b( \d+)?`)
)

// normalise takes out of an output what differs between two runs of one broker.
func (p *pair) normalise(b *harness.Broker, output string) string {
	output = strings.ReplaceAll(output, b.Address, "BROKER")
	output = strings.ReplaceAll(output, b.Data, "DATA")
	output = regexp.MustCompile(fmt.Sprintf(`\b%d\b`, b.Port)).ReplaceAllString(output, "PORT")
	output = topicID.ReplaceAllString(output, "TopicId: ID")
	output = stamp.ReplaceAllString(output, "$1${2}TIME")
	output = member.ReplaceAllString(output, "$1-ID")
	output = crc.ReplaceAllString(output, "crc: CRC")
	output = ephemeral.ReplaceAllString(output, "console-consumer-N")
	return moment.ReplaceAllString(columns.ReplaceAllString(output, " "), "TIME")
}

// noise drops the lines that the JVM's loggers print by themselves.
func noise(stderr string) string {
	var kept []string
	for _, line := range strings.SplitAfter(stderr, "\n") {
		if strings.Contains(line, "log4j") || strings.Contains(line, "SLF4J") || strings.Contains(line, "StatusLogger") {
			continue
		}
		kept = append(kept, line)
	}
	return strings.Join(kept, "")
}

// split splits a command line at blanks; single quotes keep a word together.
func split(line string) []string {
	var words []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}
