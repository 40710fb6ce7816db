package swap

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/compat-tests/harness"
)

// member is one node of a cluster of Apache Kafka's.
type member struct {
	t                *testing.T
	id, port         int
	file, data, jars string
	process          *harness.Service
}

// newCluster lays out nodes, each in combined mode, all of them voters or only the first, and formats them.
func newCluster(t *testing.T, nodes int, allVote bool) []*member {
	t.Helper()
	const version = "4.3.1"
	jars, ports := harness.Jars(t, "kafka-"+version, harness.Tools(version)...), harness.FreePorts(t, 2*nodes)
	var voters []string
	for i := range nodes {
		if i == 0 || allVote {
			voters = append(voters, fmt.Sprintf("%d@127.0.0.1:%d", i+1, ports[2*i+1]))
		}
	}
	var all []*member
	for i := range nodes {
		directory := t.TempDir()
		m := &member{t: t, id: i + 1, port: ports[2*i], file: filepath.Join(directory, "server.properties"), data: filepath.Join(directory, "data"), jars: jars}
		lines := []string{
			fmt.Sprintf("node.id=%d", m.id), "controller.quorum.voters=" + strings.Join(voters, ","), "controller.listener.names=CONTROLLER",
			"inter.broker.listener.name=PLAINTEXT", "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT", "log.dirs=" + m.data,
			"offsets.topic.num.partitions=3", "offsets.topic.replication.factor=1", "group.initial.rebalance.delay.ms=0",
		}
		if i == 0 || allVote {
			lines = append(lines, "process.roles=broker,controller", fmt.Sprintf("listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", m.port, ports[2*i+1]))
		} else {
			lines = append(lines, "process.roles=broker", fmt.Sprintf("listeners=PLAINTEXT://127.0.0.1:%d", m.port))
		}
		check(t, os.WriteFile(m.file, []byte(strings.Join(lines, "\n")+"\n"), 0o644))
		m.tool("kafka.tools.StorageTool", "format", "-t", "4L6g3nShT-eMCtK--X86sw", "-c", m.file)
		all = append(all, m)
	}
	return all
}

// tool runs a stock tool, which must succeed.
func (m *member) tool(class string, arguments ...string) string {
	m.t.Helper()
	result := harness.StockTool(m.t, "4.3.1", class, harness.Command{}, arguments...)
	if result.Code != 0 {
		m.t.Fatalf("%s %v: exit status %d\n%s", class, arguments, result.Code, result.Output())
	}
	return result.Stdout
}

func (m *member) address() string { return fmt.Sprintf("127.0.0.1:%d", m.port) }

// start starts nodes and waits until all of them answer.
func start(t *testing.T, members ...*member) {
	t.Helper()
	for _, m := range members {
		m.process = harness.StartService(t, nil, "java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", m.jars+"/*", "kafka.Kafka", m.file)
	}
	for _, m := range members {
		check(t, harness.WaitForPort(t.Context(), m.port, 2*time.Minute))
		c, err := kgo.NewClient(kgo.SeedBrokers(m.address()))
		check(t, err)
		harness.WaitUntil(t, 2*time.Minute, "all brokers", func(ctx context.Context) bool {
			brokers, err := kadm.NewClient(c).ListBrokers(ctx)
			return err == nil && len(brokers) >= len(members)
		})
		c.Close()
	}
}

// TestNodeOfThree: the directory of one voter of three is refused before a byte changes, with replicas of others in it
// or without.
func TestNodeOfThree(t *testing.T) {
	members := newCluster(t, 3, true)
	start(t, members...)
	members[0].tool("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", members[0].address(), "--create", "--topic", "shared", "--partitions", "3", "--replication-factor", "3")
	for _, m := range members {
		m.process.Kill() // the last ones would wait for a leader, which they have no majority for
	}
	for _, m := range members {
		refuses(t, m.data, m.file, "several controllers are not supported yet")
		refuses(t, m.data, asCombined(t, m), "[1 2 3]", "this is one node of several", "kafka-metadata-quorum.sh remove-controller")
	}
}

// TestNodeOfTwo: a node whose cluster has another broker is refused; the way out that the refusal names is gone, and
// then Ottla serves what is there.
func TestNodeOfTwo(t *testing.T) {
	members := newCluster(t, 2, false)
	first, second := members[0], members[1]
	start(t, members...)
	c, err := kgo.NewClient(kgo.SeedBrokers(first.address()))
	check(t, err)
	admin := kadm.NewClient(c)
	for _, topic := range []struct {
		name     string
		replicas int16
	}{{"both", 2}, {"single", 1}} {
		_, err := admin.CreateTopic(timeout(t), 2, topic.replicas, nil, topic.name)
		check(t, err)
		for n := range 20 {
			write(t, timeout(t), c, &kgo.Record{Topic: topic.name, Value: fmt.Append(nil, n)})
		}
	}
	second.process.Kill()
	first.process.Kill()
	refuses(t, first.data, first.file, "3 partitions are not this node's alone", "kafka-reassign-partitions.sh", "broker 2 is registered too", "kafka-cluster.sh unregister --id 2")
	refuses(t, second.data, asCombined(t, second), "this is one node of several")

	start(t, members...)
	plan := filepath.Join(t.TempDir(), "plan.json")
	check(t, os.WriteFile(plan, []byte(`{"version":1,"partitions":[`+
		`{"topic":"both","partition":0,"replicas":[1]},{"topic":"both","partition":1,"replicas":[1]},`+
		`{"topic":"single","partition":0,"replicas":[1]},{"topic":"single","partition":1,"replicas":[1]}]}`), 0o644))
	reassign := func(flag string) string {
		return first.tool("org.apache.kafka.tools.reassign.ReassignPartitionsCommand", "--bootstrap-server", first.address(), "--reassignment-json-file", plan, flag)
	}
	reassign("--execute")
	harness.WaitUntil(t, 2*time.Minute, "the partitions to be moved", func(context.Context) bool {
		return !strings.Contains(reassign("--verify"), "still in progress")
	})
	second.process.Stop()
	first.tool("org.apache.kafka.tools.ClusterTool", "unregister", "--bootstrap-server", first.address(), "--id", "2")
	first.process.Stop()
	c.Close()

	program := harness.Build(t)
	if result := (harness.Command{}).Run(t, program, "adopt", "--dry-run", first.file); result.Code != 0 {
		t.Fatalf("the dry run: exit status %d\n%s", result.Code, result.Output())
	}
	ottla := harness.StartService(t, nil, program, "start", first.file)
	check(t, harness.WaitForPort(t.Context(), first.port, time.Minute))
	records := harness.Read(t, &harness.Broker{Name: "Ottla", Address: first.address()}, "both")
	records = append(records, harness.Read(t, &harness.Broker{Name: "Ottla", Address: first.address()}, "single")...)
	if len(records) != 40 {
		t.Errorf("%d records of 40 are there", len(records))
	}
	ottla.Stop()
}

// asCombined writes a file for a node as if it were alone, broker and controller: who tries to start Ottla with it gets
// as far as the directory.
func asCombined(t *testing.T, m *member) string {
	t.Helper()
	controller := harness.FreePorts(t, 1)[0]
	text := fmt.Sprintf("node.id=%d\nprocess.roles=broker,controller\ncontroller.listener.names=CONTROLLER\nlog.dirs=%s\n"+
		"listeners=PLAINTEXT://%s,CONTROLLER://127.0.0.1:%d\ncontroller.quorum.voters=%d@127.0.0.1:%d\n", m.id, m.data, m.address(), controller, m.id, controller)
	file := m.file + ".alone"
	check(t, os.WriteFile(file, []byte(text), 0o644))
	return file
}
