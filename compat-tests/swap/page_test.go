package swap

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/compat-tests/harness"
)

// blocks are the commands of a page, each block as it stands there.
var blocks = regexp.MustCompile("(?s)```sh\n(.*?)```")

// tools are the scripts of Apache Kafka's that the page names, and their classes. The scripts are not in Maven Central.
var tools = map[string]string{
	"kafka-topics.sh": "org.apache.kafka.tools.TopicCommand", "kafka-get-offsets.sh": "org.apache.kafka.tools.GetOffsetShell",
	"kafka-consumer-groups.sh": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", "kafka-configs.sh": "kafka.admin.ConfigCommand",
	"kafka-dump-log.sh": "org.apache.kafka.tools.DumpLogSegments",
}

// script writes a program.
func script(t *testing.T, file, format string, values ...any) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Dir(file), 0o755))
	check(t, os.WriteFile(file, []byte("#!/bin/bash\n"+fmt.Sprintf(format, values...)+"\n"), 0o755))
}

// installKafka makes a folder like that of an installed Apache Kafka: the scripts that the page names.
func installKafka(t *testing.T, folder, version string) {
	t.Helper()
	classes := harness.Jars(t, "kafka-"+version, harness.Tools(version)...) + "/*"
	for name, class := range tools {
		script(t, filepath.Join(folder, name), `exec java -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp '%s' %s "$@"`, classes, class)
	}
	pid := filepath.Join(folder, "pid")
	script(t, filepath.Join(folder, "kafka-server-start.sh"), `[ "$1" = -daemon ] && shift
nohup java -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp '%s' kafka.Kafka "$@" > '%s' 2>&1 </dev/null &
echo $! > '%s'`, classes, filepath.Join(folder, "server.log"), pid)
	script(t, filepath.Join(folder, "kafka-server-stop.sh"), `kill "$(cat '%s')" && while kill -0 "$(cat '%s')" 2>/dev/null; do sleep 0.1; done; rm '%s'`, pid, pid, pid)
}

// TestThePage runs the commands of the page that tells operators how to move, as they stand there, but for the names of
// folders and the address.
func TestThePage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(harness.Root(t), "docs", "moving-from-apache-kafka.md"))
	check(t, err)
	seat := harness.NewSeat(t, harness.SeatOptions{Version: "4.3.1", Properties: properties()})
	folder := filepath.Dir(seat.File)
	kafka := filepath.Join(folder, "kafka", "bin")
	installKafka(t, kafka, seat.Version)
	installOttla(t, filepath.Join(folder, "ottla"))
	names := strings.NewReplacer("localhost:9092", seat.Kafka.Address, "/var/lib/kafka", seat.Data)
	var commands []string
	for _, block := range blocks.FindAllStringSubmatch(string(page), -1) {
		commands = append(commands, names.Replace(block[1]))
	}
	if len(commands) != 9 {
		t.Fatalf("the page has %d blocks of commands; this test knows 9", len(commands))
	}
	run := func(command string) string {
		t.Helper()
		result := harness.Command{Directory: folder, Environment: []string{"OTTLA_PID_DIR=" + filepath.Join(folder, "run"), "LOG_DIR=" + filepath.Join(folder, "ottla", "logs")}}.Run(t, "bash", "-e", "-o", "pipefail", "-c", command)
		if result.Code != 0 {
			t.Fatalf("%s\nexit status %d\n%s", command, result.Code, result.Output())
		}
		return result.Stdout
	}
	stops := []string{"kafka/bin/kafka-server-stop.sh", "ottla/bin/kafka-server-stop.sh"}
	t.Cleanup(func() {
		for _, stop := range stops {
			_ = harness.Command{Directory: folder, Environment: []string{"OTTLA_PID_DIR=" + filepath.Join(folder, "run")}}.Run(t, "bash", "-c", stop)
		}
	})
	up := func(who string) {
		t.Helper()
		check(t, harness.WaitForPort(t.Context(), seat.Kafka.Port, 2*time.Minute))
		awaitLeaders(t, &harness.Broker{Name: who, Address: seat.Kafka.Address})
	}
	run("kafka/bin/kafka-server-start.sh -daemon server.properties")
	up("Apache Kafka")
	order(t, seat.Kafka, 20)
	note, stop, backup, look, start, compare, back, read, restore := commands[0], commands[1], commands[2], commands[3], commands[4], commands[5], commands[6], commands[7], commands[8]
	run(note)
	run(stop)
	run(backup)
	if report := run(look); !strings.Contains(report, "the last stop was clean") || !strings.Contains(report, "A start would\n") {
		t.Errorf("the dry run says\n%s", report)
	}
	run(start)
	up("Ottla")
	if differences := run(compare); differences != "" {
		t.Errorf("under Ottla:\n%s", differences)
	}
	order(t, seat.Kafka, 5)
	stopOttla, startKafka, _ := strings.Cut(back, "\n")
	run(stopOttla)
	if dumped := run(read); !strings.Contains(dumped, "offset: 24") {
		t.Errorf("the tool does not see the last record:\n%s", lastOf(dumped))
	}
	run(startKafka)
	up("Apache Kafka")
	if records := harness.Read(t, seat.Kafka, "orders"); len(records) != 25 {
		t.Errorf("back with Apache Kafka there are %d records of 25", len(records))
	}
	run(stop)
	run(restore)
	run(startKafka)
	up("Apache Kafka")
	if differences := run(compare); differences != "" {
		t.Errorf("with the copy:\n%s", differences)
	}
	run(stop)
}

// installOttla makes a folder like that of an installed Ottla.
func installOttla(t *testing.T, folder string) {
	t.Helper()
	check(t, os.CopyFS(filepath.Join(folder, "bin"), os.DirFS(filepath.Join(harness.Root(t), "bin"))))
	program, err := os.ReadFile(harness.Build(t))
	check(t, err)
	_ = os.Remove(filepath.Join(folder, "bin", "ottla"))
	check(t, os.WriteFile(filepath.Join(folder, "bin", "ottla"), program, 0o755))
	for _, name := range []string{"kafka-server-start.sh", "kafka-server-stop.sh"} {
		check(t, os.Chmod(filepath.Join(folder, "bin", name), 0o755))
	}
}

// order writes records, and commits for a group.
func order(t *testing.T, server *harness.Broker, n int) {
	t.Helper()
	c := client(t, server)
	admin := kadm.NewClient(c)
	if topics, err := admin.ListTopics(timeout(t)); err != nil || !topics.Has("orders") {
		_, err := admin.CreateTopic(timeout(t), 1, 1, map[string]*string{"retention.ms": kadm.StringPtr("-1")}, "orders")
		check(t, err)
	}
	for i := range n {
		write(t, timeout(t), c, &kgo.Record{Topic: "orders", Value: fmt.Appendf(nil, "order %d", i)})
	}
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: "orders", At: int64(n), LeaderEpoch: -1})
	check(t, admin.CommitAllOffsets(timeout(t), "billing", offsets))
}
