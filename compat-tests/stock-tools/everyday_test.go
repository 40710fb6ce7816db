package stocktools

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func sortLines(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestEveryday is what a user of the console tools does all day: topics, records, groups, offsets, configs.
func TestEveryday(t *testing.T) {
	for _, version := range []string{"4.3.1", "3.3.2"} {
		t.Run(version, func(t *testing.T) {
			p := newPair(t, version)
			t.Run("topics", func(t *testing.T) { p.t = t; topics(p) })
			t.Run("records", func(t *testing.T) { p.t = t; records(p) })
			t.Run("groups", func(t *testing.T) { p.t = t; groups(p) })
			t.Run("offsets", func(t *testing.T) { p.t = t; offsets(p) })
			t.Run("configs", func(t *testing.T) { p.t = t; configs(p) })
			t.Run("perf", func(t *testing.T) { p.t = t; perf(p) })
			t.Run("dump", func(t *testing.T) { p.t = t; dump(p) })
			t.Run("delete", func(t *testing.T) { p.t = t; remove(p) })
		})
	}
}

func topics(p *pair) {
	const tool = "topics"
	for _, c := range []command{
		{line: "--list", contains: nil},
		{line: "--create --topic orders --partitions 3 --replication-factor 1", contains: []string{"Created topic orders."}},
		{line: "--create --topic orders --partitions 3", code: 1, contains: []string{"Topic 'orders' already exists."}},
		{line: "--create --topic orders --if-not-exists"},
		{line: "--create --topic small --config retention.ms=60000 --config segment.bytes=1048576", contains: []string{"Created topic small."}},
		{line: "--create --topic a.b"},
		{line: "--create --topic a_b", code: 1},
		{line: "--create --topic 'bad/name'", code: 1},
		{line: "--create --topic wrong --partitions 0", code: 1},
		{line: "--create --topic wrong --replication-factor 3", code: 1},
		{line: "--create --topic wrong --config no.such.config=1", code: 1},
		{line: "--create --topic placed --replica-assignment 1,1", contains: []string{"Created topic placed."}},
		{line: "--list", contains: []string{"orders\n", "small\n"}},
		{line: "--describe", sorted: true},
		{line: "--describe --topic orders", contains: []string{"PartitionCount: 3", "Partition: 2 Leader: 1"}},
		{line: "--describe --topic absent", code: 1},
		{line: "--describe --topic absent --if-exists"},
		{line: "--describe --topics-with-overrides"},
		{line: "--describe --under-replicated-partitions"},
		{line: "--describe --unavailable-partitions"},
		{line: "--alter --topic small --partitions 4"},
		{line: "--alter --topic small --partitions 2", code: 1},
		{line: "--describe --topic small", contains: []string{"PartitionCount: 4"}},
		{line: "--delete --topic placed"},
		{line: "--delete --topic placed", code: 1},
		{line: "--list --exclude-internal"},
	} {
		c.tool, c.line = tool, "--bootstrap-server $B "+c.line
		p.run(c)
	}
}

// lines makes numbered console input.
func lines(format string, n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, format+"\n", i)
	}
	return text.String()
}

func records(p *pair) {
	const consume = "--bootstrap-server $B --topic orders --from-beginning --timeout-ms 6000 "
	property := "--property"
	if p.version == "4.3.1" {
		property = "--formatter-property"
	}
	reader := "--property"
	if p.version == "4.3.1" {
		reader = "--reader-property"
	}
	p.run(command{tool: "producer", line: "--bootstrap-server $B --topic orders", in: lines("plain %d", 20)})
	for _, codec := range []string{"gzip", "snappy", "lz4", "zstd"} {
		p.run(command{tool: "producer", line: "--bootstrap-server $B --topic orders --compression-codec " + codec, in: lines(codec+" %d", 5)})
	}
	p.run(command{
		tool: "producer",
		line: "--bootstrap-server $B --topic orders " + reader + " parse.key=true " + reader + " key.separator=: " + reader + " parse.headers=true",
		in:   "h1:v1,h2:v2\tk1:value one\nh1:x\tk2:value two\n",
	})
	p.run(command{tool: "producer", line: "--bootstrap-server $B --topic made-by-itself --request-required-acks 1", in: "hello\n", loose: true})
	p.run(command{tool: "consumer", line: consume, sorted: true, contains: []string{"plain 19", "zstd 4", "value two"}})
	p.run(command{
		tool: "consumer", sorted: true,
		line: consume + property + " print.key=true " + property + " print.headers=true " + property + " print.timestamp=true " + property + " print.partition=true",
		// The partition of a record without a key is drawn at random, so only the keyed ones are compared.
		loose: true, contains: []string{"h1:v1,h2:v2 k1 value one"},
	})
	p.run(command{tool: "consumer", line: "--bootstrap-server $B --topic made-by-itself --from-beginning --max-messages 1", contains: []string{"hello", "Processed a total of 1 messages"}})
	p.run(command{tool: "consumer", line: "--bootstrap-server $B --topic made-by-itself --partition 0 --offset 0 --max-messages 1", contains: []string{"hello"}})
	p.run(command{tool: "consumer", line: "--bootstrap-server $B --topic made-by-itself --partition 0 --offset latest --timeout-ms 3000", loose: true, contains: []string{"Processed a total of 0 messages"}})
	p.run(command{tool: "consumer", line: "--bootstrap-server $B --topic made-by-itself --group readers --from-beginning --max-messages 1", contains: []string{"hello"}})
}

func groups(p *pair) {
	const tool = "groups"
	for _, c := range []command{
		{line: "--list", sorted: true, contains: []string{"readers"}},
		{line: "--describe --group readers", contains: []string{"made-by-itself 0 1 1 0"}},
		{line: "--describe --group readers --members"},
		{line: "--describe --group readers --state", contains: []string{"Empty"}},
		{line: "--describe --group absent", loose: true},
		{line: "--list --state", sorted: true},
		{line: "--reset-offsets --group readers --topic made-by-itself --to-earliest --dry-run"},
		{line: "--reset-offsets --group readers --topic made-by-itself --to-earliest --execute"},
		{line: "--describe --group readers", contains: []string{"made-by-itself 0 0 1 1"}},
		{line: "--reset-offsets --group readers --all-topics --to-latest --execute"},
		{line: "--reset-offsets --group fresh --topic made-by-itself --to-offset 1 --execute"},
		{line: "--describe --group fresh"},
		{line: "--describe --all-groups", sorted: true},
		{line: "--delete --group fresh"},
		{line: "--delete --group fresh", contains: []string{"GroupIdNotFoundException"}},
		{line: "--list", sorted: true},
	} {
		c.tool, c.line = tool, "--bootstrap-server $B "+c.line
		p.run(c)
	}
}

func offsets(p *pair) {
	for _, time := range []string{"-1", "-2", "-3", "latest", "earliest", "1"} {
		if p.version == "3.3.2" && (time == "latest" || time == "earliest") {
			continue
		}
		p.run(command{tool: "get-offsets", line: "--bootstrap-server $B --topic made-by-itself --time " + time})
	}
	p.run(command{tool: "get-offsets", line: "--bootstrap-server $B --topic small", contains: []string{"small:3:0"}})
	p.run(command{tool: "get-offsets", line: "--bootstrap-server $B --topic-partitions orders:0-2 --time -2", contains: []string{"orders:0:0"}})
}

func configs(p *pair) {
	const tool = "configs"
	for _, c := range []command{
		{line: "--entity-type topics --entity-name small --describe", contains: []string{"retention.ms=60000"}},
		{line: "--entity-type topics --entity-name small --alter --add-config max.message.bytes=2000,cleanup.policy=[delete]"},
		{line: "--entity-type topics --entity-name small --describe", contains: []string{"max.message.bytes=2000"}},
		{line: "--entity-type topics --entity-name small --alter --delete-config retention.ms"},
		{line: "--entity-type topics --entity-name small --alter --add-config retention.ms=never", code: 1},
		{line: "--entity-type topics --entity-name small --describe"},
		{line: "--entity-type topics --entity-name small --describe --all", loose: true, contains: []string{"compression.type=producer", "segment.bytes=1048576"}},
		{line: "--entity-type brokers --entity-name 1 --describe --all", loose: true, contains: []string{"num.partitions=1", "node.id=1"}},
	} {
		c.tool, c.line = tool, "--bootstrap-server $B "+c.line
		p.run(c)
	}
}

func perf(p *pair) {
	p.run(command{tool: "producer-perf", line: "--topic perf --num-records 5000 --record-size 200 --throughput -1 --producer-props bootstrap.servers=$B acks=all", loose: true, contains: []string{"5000 records sent"}})
	p.run(command{tool: "consumer-perf", line: "--bootstrap-server $B --topic perf " + perfCount(p.version) + " 5000 --timeout 20000", loose: true, contains: []string{"5000,"}})
}

// perfCount is the switch that says how many records to read: 4.3.1 renamed it.
func perfCount(version string) string {
	if version == "4.3.1" {
		return "--num-records"
	}
	return "--messages"
}

func dump(p *pair) {
	const file = "--files $D/made-by-itself-0/00000000000000000000."
	p.run(command{tool: "dump-log", line: "--deep-iteration --print-data-log " + file + "log", contains: []string{"payload: hello"}})
	p.run(command{tool: "dump-log", line: "--index-sanity-check " + file + "index"})
	p.run(command{tool: "dump-log", line: "--files $D/perf-0/00000000000000000000.index", loose: true})
	p.run(command{tool: "dump-log", line: "--files $D/perf-0/00000000000000000000.timeindex", loose: true})
}

func remove(p *pair) {
	for _, c := range []command{
		{line: "--delete --topic orders"},
		{line: "--delete --topic made-by-itself"},
		{line: "--list", contains: []string{"small\n"}},
	} {
		c.tool, c.line = "topics", "--bootstrap-server $B "+c.line
		p.run(c)
	}
}
