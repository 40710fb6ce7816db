package owntools

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ottla/compat-tests/harness"
)

const version = "4.3.1"

// classes are the classes that the stock scripts run.
var classes = map[string]string{
	"topics":           "org.apache.kafka.tools.TopicCommand",
	"console-producer": "org.apache.kafka.tools.ConsoleProducer",
	"console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
	"consumer-groups":  "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
	"configs":          "kafka.admin.ConfigCommand",
	"get-offsets":      "org.apache.kafka.tools.GetOffsetShell",
	"storage":          "kafka.tools.StorageTool",
	"dump-log":         "org.apache.kafka.tools.DumpLogSegments",
}

// place is a broker with the tools that run against it.
type place struct {
	side
	name   string
	broker *harness.Broker
	folder string
	run    func(t *testing.T, c *command, arguments []string) (harness.Result, error)
}

func newPlace(t *testing.T, name string, b *harness.Broker, run func(*testing.T, *command, []string) (harness.Result, error)) *place {
	t.Helper()
	return &place{name: name, broker: b, folder: t.TempDir(), run: run}
}

// settle sets what words stand for in a place.
func (p *place) settle(first, last *harness.Broker) {
	b := p.broker
	controller := fmt.Sprintf("127.0.0.1:%d", b.ControllerPort)
	host, port, _ := strings.Cut(b.Address, ":")
	p.replacer = strings.NewReplacer("$B", b.Address, "$C", controller, "$F", p.folder, "$O", first.Data, "$S", last.Data)
	p.restorer = strings.NewReplacer(b.Address, "$B", controller, "$C", p.folder, "$F", host+" "+port, "$B", first.Data, "$O", last.Data, "$S")
}

// places starts the brokers: Apache Kafka with the stock tools, which is the first, Apache Kafka and Ottla with ours.
func places(t *testing.T) []*place {
	t.Helper()
	logging := harness.Jars(t, "log4j-slf4j-2.25.4", harness.Artifact{Group: "org.apache.logging.log4j", Name: "log4j-slf4j-impl", Version: "2.25.4"})
	jvm := harness.StartResident(t, version, []string{logging + "/*"},
		"-Dlog4j2.configurationFile="+filepath.Join(harness.Root(t), "compat-tests", "own-tools", "testdata", "log4j2.properties"))
	binary := harness.Build(t)
	ours := func(t *testing.T, c *command, arguments []string) (harness.Result, error) {
		return harness.Command{Stdin: c.in}.Run(t, binary, append([]string{c.words[0]}, arguments...)...), nil
	}
	all := []*place{
		newPlace(t, "the stock tool", harness.StartKafka(t, version, harness.Options{}), func(t *testing.T, c *command, arguments []string) (harness.Result, error) {
			return jvm.Run(classes[c.words[0]], c.in, arguments...)
		}),
		newPlace(t, "ours on Apache Kafka", harness.StartKafka(t, version, harness.Options{}), ours),
	}
	if os.Getenv("OTTLA_CONTROL") == "" {
		all = append(all, newPlace(t, "ours on Ottla", harness.StartOttla(t, harness.Options{}), ours))
	}
	for _, p := range all {
		p.settle(all[0].broker, all[len(all)-1].broker)
	}
	return all
}

// TestOwnTools runs every script in every place.
func TestOwnTools(t *testing.T) {
	harness.Require(t, "java", "mvn")
	scripts, all := scripts(t)
	t.Logf("%d command lines", all)
	everywhere, normal := places(t), newExpressions()
	for _, path := range slices.Sorted(func(yield func(string) bool) {
		for path := range scripts {
			if !yield(path) {
				return
			}
		}
	}) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			for i := range scripts[path] {
				compare(t, everywhere, normal, &scripts[path][i])
			}
		})
	}
}

// scripts reads the scripts, and holds them to what they are for: every tool, and every option of each, is in one.
func scripts(t *testing.T) (map[string][]command, int) {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	all, n := map[string][]command{}, 0
	for _, path := range paths {
		if all[path], err = read(path); err != nil {
			t.Fatal(err)
		}
		n += len(all[path])
	}
	return all, n
}

// compare runs a command in every place and holds the results against the first.
func compare(t *testing.T, everywhere []*place, normal *expressions, c *command) {
	t.Helper()
	if classes[c.words[0]] == "" {
		t.Fatalf("%s: no tool %s", c.place, c.words[0])
	}
	if c.kafkaOnly {
		everywhere = slices.DeleteFunc(slices.Clone(everywhere), func(p *place) bool { return p.broker.Name == "Ottla" })
	}
	tries := 1
	if c.eventually {
		tries = 20
	}
	var wrong []string
	for range tries {
		if wrong = once(t, everywhere, normal, c); wrong == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	for _, text := range wrong {
		t.Error(text)
	}
}

// once runs a command in every place and returns what is wrong.
func once(t *testing.T, everywhere []*place, normal *expressions, c *command) (wrong []string) {
	t.Helper()
	complain := func(format string, arguments ...any) { wrong = append(wrong, fmt.Sprintf(format, arguments...)) }
	results, errs := make([]harness.Result, len(everywhere)), make([]error, len(everywhere))
	var running sync.WaitGroup
	for i, p := range everywhere {
		running.Go(func() {
			for name, content := range c.files {
				if errs[i] = os.WriteFile(filepath.Join(p.folder, name), []byte(p.replacer.Replace(content)), 0o644); errs[i] != nil {
					return
				}
			}
			var arguments []string
			for _, word := range c.words[1:] {
				arguments = append(arguments, p.replacer.Replace(word))
			}
			results[i], errs[i] = p.run(t, c, arguments)
		})
	}
	running.Wait()
	var wanted harness.Result
	for i, p := range everywhere {
		if errs[i] != nil {
			t.Fatalf("%s: %s: %s: %v", c.place, p.name, c.line, errs[i])
		}
		got := harness.Result{Code: results[i].Code, Stdout: normal.output(&p.side, results[i].Stdout)}
		if !c.quiet {
			got.Stderr = normal.errors(&p.side, got.Stdout, results[i].Stderr)
		}
		if c.sorted {
			got.Stdout, got.Stderr = sortLines(got.Stdout), sortLines(got.Stderr)
		}
		if c.status >= 0 && got.Code != c.status {
			complain("%s: %s: exit status %d of %s, want %d", c.place, c.line, got.Code, p.name, c.status)
		}
		if i == 0 {
			wanted = got
			continue
		}
		if got.Code != wanted.Code || !c.loose && (got.Stdout != wanted.Stdout || got.Stderr != wanted.Stderr) {
			complain("%s: %s\n%s: status %d\n%s\n-- errors\n%s\n%s: status %d\n%s\n-- errors\n%s", c.place, c.line,
				everywhere[0].name, wanted.Code, wanted.Stdout, wanted.Stderr, p.name, got.Code, got.Stdout, got.Stderr)
		}
	}
	return wrong
}

func sortLines(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
