package stocktools

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ottla/compat-tests/harness"
)

// admin runs one command against both brokers; change says what is expected beside equal outputs and status 0.
func (p *pair) admin(tool, line string, change func(c *command)) {
	p.t.Helper()
	c := command{tool: tool, line: line}
	switch tool {
	case "verify-producer", "verify-consumer":
	case "cluster": // its commands come before their options
		c.line = line + " --bootstrap-server $B"
	default:
		c.line = "--bootstrap-server $B " + line
	}
	if change != nil {
		change(&c)
	}
	p.run(c)
}

// TestAdministration is what an administrator does with the stock tools: log directories, records, features, the
// quorum, elections, reassignments, and configurations of brokers, groups and clients' metrics.
func TestAdministration(t *testing.T) {
	p := newPair(t, oracleVersion)
	p.admin("topics", "--create --topic some --partitions 2", nil)
	p.run(command{tool: "producer", line: "--bootstrap-server $B --topic some --producer-property partitioner.ignore.keys=true", in: lines("record %d", 10), loose: true})
	t.Run("configs", func(t *testing.T) { p.t = t; brokerConfigs(p) })
	t.Run("records", func(t *testing.T) { p.t = t; deleteRecords(p) })
	t.Run("directories", func(t *testing.T) { p.t = t; logDirs(p) })
	t.Run("cluster", func(t *testing.T) { p.t = t; cluster(p) })
	t.Run("partitions", func(t *testing.T) { p.t = t; partitions(p) })
	t.Run("verifiable", func(t *testing.T) { p.t = t; verifiable(p) })
}

// loosely expects a status and pieces of the output, which holds figures of the run.
func loosely(code int, contains ...string) func(c *command) {
	return func(c *command) { c.code, c.contains, c.loose = code, contains, true }
}

func brokerConfigs(p *pair) {
	const broker, all = "--entity-type brokers --entity-name 1 ", "--entity-type brokers --entity-default "
	for _, c := range []struct {
		line     string
		code     int
		contains []string
	}{
		{broker + "--describe", 0, nil}, {all + "--describe", 0, nil},
		{broker + "--alter --add-config log.retention.ms=600000000,num.io.threads=9", 0, []string{"Completed updating config for broker 1."}},
		{all + "--alter --add-config message.max.bytes=2000000,log.retention.ms=700000000", 0, []string{"Completed updating default config for brokers in the cluster."}},
		{broker + "--describe", 0, []string{"log.retention.ms=600000000"}}, {all + "--describe", 0, []string{"message.max.bytes=2000000"}},
		{broker + "--alter --add-config node.id=4", 1, []string{"Cannot update these configs dynamically"}},
		{broker + "--alter --add-config num.io.threads=100", 1, nil},
		{broker + "--alter --delete-config log.retention.ms,num.io.threads", 0, nil}, {all + "--alter --delete-config message.max.bytes,log.retention.ms", 0, nil},
		{broker + "--alter --delete-config log.retention.ms", 0, nil}, {broker + "--describe", 0, nil},
		{"--entity-type groups --entity-name g --alter --add-config consumer.session.timeout.ms=50000", 0, nil},
		{"--entity-type groups --entity-name g --describe", 0, []string{"consumer.session.timeout.ms=50000"}},
		{"--entity-type groups --entity-name g --alter --add-config no.such=1", 1, nil},
		{"--entity-type groups --describe", 0, nil}, {"--entity-type groups --entity-name g --alter --delete-config consumer.session.timeout.ms", 0, nil},
		{"--entity-type client-metrics --entity-name m --alter --add-config metrics=[a.,b.],interval.ms=1000", 0, nil},
		{"--entity-type client-metrics --entity-name m --describe", 0, []string{"interval.ms=1000"}}, {"--entity-type client-metrics --describe", 0, nil},
		{"--entity-type client-metrics --entity-name m --alter --delete-config metrics,interval.ms", 0, nil},
		{"--entity-type topics --entity-name some --alter --add-config retention.ms=800000000", 0, nil}, {"--entity-type topics --describe", 0, nil},
	} {
		p.admin("configs", c.line, func(cmd *command) { cmd.code, cmd.contains, cmd.sorted = c.code, c.contains, true })
	}
}

func deleteRecords(p *pair) {
	file := filepath.Join(p.t.TempDir(), "offsets.json")
	write(p.t, file, `{"partitions":[{"topic":"some","partition":0,"offset":0},{"topic":"some","partition":1,"offset":0}],"version":1}`)
	p.admin("delete-records", "--offset-json-file "+file, func(c *command) { c.sorted, c.contains = true, []string{"low_watermark: 0"} })
	write(p.t, file, `{"partitions":[{"topic":"some","partition":0,"offset":999},{"topic":"absent","partition":0,"offset":0}],"version":1}`)
	p.admin("delete-records", "--offset-json-file "+file, func(c *command) { c.sorted, c.loose = true, true })
	p.admin("get-offsets", "--topic some --time -2", nil)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func logDirs(p *pair) {
	p.admin("log-dirs", "--describe --topic-list some", loosely(0, `"partition":"some-0"`, `"error":null`, `"isFuture":false`))
	p.admin("log-dirs", "--describe --broker-list 1", loosely(0, `"logDir":"DATA"`, `"partition":"some-1"`))
	p.admin("log-dirs", "--describe --broker-list 7", func(c *command) { c.code = 1 })
}

func cluster(p *pair) {
	p.admin("cluster", "cluster-id", loosely(0, "Cluster ID: "))
	p.admin("cluster", "list-endpoints", nil)
	p.admin("cluster", "unregister --id 7", func(c *command) { c.code, c.contains = 1, []string{"Broker ID 7 is not currently registered"} })
	p.admin("features", "describe", loosely(0, "Feature: metadata.version", "SupportedMaxVersion: 4.3-IV0", "FinalizedVersionLevel: 4.3-IV0"))
	p.admin("features", "upgrade --metadata 4.3-IV0 --dry-run", nil)
	p.admin("features", "upgrade --feature group.version=7", func(c *command) { c.code = 1 })
	p.admin("features", "downgrade --metadata 4.2-IV1", func(c *command) { c.code = 1 })
	p.admin("quorum", "describe --status", loosely(0, "LeaderId: 1", "CurrentObservers: []", "MaxFollowerLag: 0", `"id": 1`))
	p.admin("quorum", "describe --replication", loosely(0, "NodeId", "LogEndOffset", "Leader"))
	p.admin("broker-versions", "", loosely(0, "DescribeLogDirs(35): 1 to 5", "ListConfigResources(74): 0 to 1", "DescribeQuorum(55): 0 to 2"))
}

func partitions(p *pair) {
	p.admin("elections", "--election-type preferred --topic some --partition 0", nil)
	p.admin("elections", "--election-type unclean --all-topic-partitions", nil)
	p.admin("elections", "--election-type preferred --topic absent --partition 0", func(c *command) { c.code = 1 })
	dir := p.t.TempDir()
	plan, topics := filepath.Join(dir, "plan.json"), filepath.Join(dir, "topics.json")
	write(p.t, topics, `{"topics":[{"topic":"some"}],"version":1}`)
	p.admin("reassign", "--generate --broker-list 1 --topics-to-move-json-file "+topics, nil)
	write(p.t, plan, `{"version":1,"partitions":[{"topic":"some","partition":0,"replicas":[1],"log_dirs":["any"]}]}`)
	p.admin("reassign", "--execute --reassignment-json-file "+plan, nil)
	p.admin("reassign", "--verify --reassignment-json-file "+plan, nil)
	p.admin("reassign", "--list", nil)
	write(p.t, plan, `{"version":1,"partitions":[{"topic":"some","partition":0,"replicas":[1,2]}]}`)
	p.admin("reassign", "--execute --reassignment-json-file "+plan, func(c *command) { c.code = 1 })
	p.admin("topics", "--describe --topic some", nil)
}

func verifiable(p *pair) {
	p.admin("topics", "--create --topic checked --partitions 1", nil)
	p.admin("verify-producer", "--bootstrap-server $B --topic checked --max-messages 50 --acks -1", loosely(0, `"name":"shutdown_complete"`, `"sent":50`, `"acked":50`))
	p.admin("verify-consumer", "--bootstrap-server $B --topic checked --group-id checkers --max-messages 50 --reset-policy earliest",
		loosely(0, `"name":"partitions_assigned"`, `"count":50`))
}

// TestSeveralLogDirs runs kafka-log-dirs and kafka-topics against brokers with two log directories.
func TestSeveralLogDirs(t *testing.T) {
	harness.Jars(t, "kafka-"+oracleVersion, harness.Tools(oracleVersion)...)
	p := &pair{t: t, version: oracleVersion}
	for _, start := range []func(testing.TB, string, harness.Options) *harness.Broker{harness.StartSubject, harness.StartKafka} {
		directory := t.TempDir()
		options := harness.Options{Directory: directory, Properties: []string{fmt.Sprintf("log.dirs=%s/data,%s/more", directory, directory)}}
		p.brokers = append(p.brokers, start(t, oracleVersion, options))
	}
	p.admin("topics", "--create --topic spread --partitions 4", nil)
	p.run(command{tool: "producer", line: "--bootstrap-server $B --topic spread", in: lines("record %d", 20), loose: true})
	p.admin("log-dirs", "--describe --topic-list spread", loosely(0, `"logDir":"DATA"`, `/more"`, `"partition":"spread-3"`))
	for _, broker := range p.brokers {
		for _, dir := range []string{broker.Data, filepath.Join(broker.Directory, "more")} {
			found, err := filepath.Glob(filepath.Join(dir, "spread-*"))
			if err != nil || len(found) != 2 {
				t.Errorf("%s: %s holds %s, %v", broker.Name, dir, strings.Join(found, ", "), err)
			}
		}
		broker.Stop()
		broker.Start()
	}
	p.admin("topics", "--describe --topic spread", nil)
	p.run(command{tool: "consumer", line: "--bootstrap-server $B --topic spread --from-beginning --max-messages 20", sorted: true, contains: []string{"record 19"}})
}
