package quickstart

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ottla/compat-tests/harness"
)

// classes are what the stock scripts run.
var classes = map[string]map[string]string{
	"4.3.1": {
		"kafka-topics.sh": "org.apache.kafka.tools.TopicCommand", "kafka-console-producer.sh": "org.apache.kafka.tools.ConsoleProducer",
		"kafka-console-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleConsumer", "kafka-consumer-groups.sh": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
	},
	"3.3.2": {
		"kafka-topics.sh": "kafka.admin.TopicCommand", "kafka-console-producer.sh": "kafka.tools.ConsoleProducer",
		"kafka-console-consumer.sh": "kafka.tools.ConsoleConsumer", "kafka-consumer-groups.sh": "kafka.admin.ConsumerGroupCommand",
	},
}

// readmeLines are the lines of the README that run a stock tool, in order.
func readmeLines(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(harness.Root(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, line := range strings.Split(string(text), "\n") {
		if strings.Contains(line, "kafka-") && strings.Contains(line, ".sh --bootstrap-server localhost:9092") && !strings.HasPrefix(line, "bin/") {
			lines = append(lines, line)
		}
	}
	if len(lines) < 7 {
		t.Fatalf("the README has only %d lines that run a tool: %q", len(lines), lines)
	}
	return lines
}

func TestReadme(t *testing.T) {
	harness.Require(t, "bash", "go")
	for _, version := range []string{"4.3.1", "3.3.2"} {
		t.Run(version, func(t *testing.T) {
			harness.Jars(t, "kafka-"+version, harness.Tools(version)...)
			address := startByScript(t)
			printed := ""
			for _, line := range readmeLines(t) {
				printed += runLine(t, version, address, line)
			}
			for _, want := range []string{"Created topic orders.", "orders\n", "PartitionCount: 3", "hello\n", "Processed a total of 1 messages", "LAG"} {
				if !strings.Contains(strings.ReplaceAll(printed, "\t", " "), want) {
					t.Errorf("nothing printed %q:\n%s", want, printed)
				}
			}
		})
	}
}

// startByScript starts the server as the README says and stops it by the script when the test ends.
func startByScript(t *testing.T) string {
	t.Helper()
	root, folder, ports := harness.Root(t), t.TempDir(), harness.FreePorts(t, 2)
	environment := []string{"OTTLA_PID_DIR=" + filepath.Join(folder, "run"), "LOG_DIR=" + filepath.Join(folder, "logs")}
	start := filepath.Join(root, "bin", "kafka-server-start.sh")
	listeners := fmt.Sprintf("=PLAINTEXT://localhost:%d,CONTROLLER://localhost:%d", ports[0], ports[1])
	result := harness.Command{Environment: environment, Limit: 5 * time.Minute}.Run(t, start, "-daemon", filepath.Join(root, "server.properties.example"),
		"--override", "listeners"+listeners, "--override", "advertised.listeners"+listeners,
		"--override", fmt.Sprintf("controller.quorum.bootstrap.servers=localhost:%d", ports[1]), "--override", "log.dirs="+filepath.Join(folder, "data"))
	if result.Code != 0 {
		t.Fatalf("start: %s", result.Output())
	}
	t.Cleanup(func() {
		stop := harness.Command{Environment: environment}.Run(t, filepath.Join(root, "bin", "kafka-server-stop.sh"))
		if stop.Code != 0 {
			t.Errorf("stop: %s", stop.Output())
		}
		if _, err := os.Stat(filepath.Join(folder, "data", ".kafka_cleanshutdown")); err != nil {
			t.Errorf("the server did not stop cleanly: %v", err)
		}
	})
	if err := harness.WaitForPort(t.Context(), ports[0], 20*time.Second); err != nil {
		t.Fatalf("%v\n%s", err, harness.Tail(filepath.Join(folder, "logs", "kafkaServer.out"), 30))
	}
	return fmt.Sprintf("localhost:%d", ports[0])
}

// runLine runs one line of the README: perhaps an echo into it, then a stock tool.
func runLine(t *testing.T, version, address, line string) string {
	t.Helper()
	var command harness.Command
	if echo, rest, ok := strings.Cut(line, " | "); ok {
		command.Stdin = strings.Trim(strings.TrimPrefix(echo, "echo "), `"`) + "\n"
		line = rest
	}
	words := strings.Fields(strings.ReplaceAll(line, "localhost:9092", address))
	class, ok := classes[version][words[0]]
	if !ok {
		t.Fatalf("no class for %q", words[0])
	}
	result := harness.StockTool(t, version, class, command, words[1:]...)
	if result.Code != 0 {
		t.Errorf("%s: exit status %d\n%s", line, result.Code, result.Output())
	}
	return result.Output()
}
