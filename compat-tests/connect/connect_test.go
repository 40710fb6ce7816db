package connect

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ottla/compat-tests/harness"
)

// pipe is a source connector, a topic, a sink connector and the files at both ends.
type pipe struct {
	t                    *testing.T
	broker               *harness.Broker
	topic, input, output string
	// decode takes a line out of a record's value.
	decode func([]byte) string
	lines  []string
}

func newPipe(t *testing.T, b *harness.Broker, topic string, decode func([]byte) string) *pipe {
	t.Helper()
	folder := t.TempDir()
	p := &pipe{t: t, broker: b, topic: topic, decode: decode, input: filepath.Join(folder, "input.txt"), output: filepath.Join(folder, "output.txt")}
	if err := os.WriteFile(p.input, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *pipe) connect(w *worker, more map[string]string) {
	p.t.Helper()
	source := map[string]string{
		"connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "tasks.max": "1", "file": p.input, "topic": p.topic,
		"exactly.once.support": "required", "transaction.boundary": "poll",
	}
	sink := map[string]string{
		"connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector", "tasks.max": "1", "file": p.output, "topics": p.topic,
		"consumer.override.auto.offset.reset": "earliest", "consumer.override.isolation.level": "read_committed",
	}
	for key, value := range more {
		source[key], sink[key] = value, value
	}
	w.connector(p.topic+"-source", source)
	w.connector(p.topic+"-sink", sink)
}

// write appends n new lines to the input.
func (p *pipe) write(n int) {
	p.t.Helper()
	file, err := os.OpenFile(p.input, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for i := range n {
		// In pieces, so that they go through several polls, each of which is a transaction.
		if i%50 == 49 {
			time.Sleep(50 * time.Millisecond)
		}
		line := fmt.Sprintf("%s line %d", p.topic, len(p.lines))
		p.lines = append(p.lines, line)
		if _, err := fmt.Fprintln(file, line); err != nil {
			p.t.Fatal(err)
		}
	}
}

// written are the lines that the sink has written.
func (p *pipe) written() []string {
	content, err := os.ReadFile(p.output)
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
}

// arrived waits until the last n lines' end has come through to the output.
func (p *pipe) arrived(w *worker, n int) {
	p.t.Helper()
	harness.Until(p.t, 2*time.Minute, func() bool {
		return n == 0 || slices.Contains(p.written(), p.lines[n-1])
	}, func() string {
		return fmt.Sprintf("%s: line %d is not written; %d lines are\n%s", p.topic, n-1, len(p.written()), harness.Tail(w.service.OutputFile, 40))
	})
}

// verifyTopic expects the input's lines in the topic, each once and in order.
func (p *pipe) verifyTopic() {
	p.t.Helper()
	var got []string
	for _, r := range harness.Read(p.t, p.broker, p.topic) {
		got = append(got, p.decode(r.Value))
	}
	if !slices.Equal(got, p.lines) {
		for i := range min(len(got), len(p.lines)) {
			if got[i] != p.lines[i] {
				p.t.Errorf("%s: record %d is %q, want %q", p.topic, i, got[i], p.lines[i])
				break
			}
		}
		p.t.Errorf("%s: %d records, want the %d lines, each once and in order", p.topic, len(got), len(p.lines))
	}
}

// verifyOutput expects every line in the output, the first time in order; repeats only where exactly allows them.
func (p *pipe) verifyOutput(exactly bool) {
	p.t.Helper()
	seen, first := map[string]bool{}, []string(nil)
	written := p.written()
	for _, line := range written {
		if !seen[line] {
			first = append(first, line)
		}
		seen[line] = true
	}
	if !slices.Equal(first, p.lines) {
		p.t.Errorf("%s: the sink wrote %d different lines of %d, or in another order", p.topic, len(first), len(p.lines))
	}
	if exactly && len(written) != len(p.lines) {
		p.t.Errorf("%s: the sink wrote %d lines, want %d", p.topic, len(written), len(p.lines))
	}
	p.t.Logf("%s: %d lines, %d written twice", p.topic, len(p.lines), len(written)-len(first))
}

func plain(value []byte) string { return string(value) }

// withSchema decodes what the JSON converter writes with schemas.enable=true.
func withSchema(value []byte) string {
	var envelope struct {
		Schema  struct{ Type string }
		Payload string
	}
	if err := json.Unmarshal(value, &envelope); err != nil || envelope.Schema.Type != "string" {
		return fmt.Sprintf("%s: %v", value, err)
	}
	return envelope.Payload
}

func TestConnect(t *testing.T) {
	b := harness.StartSubject(t, version, harness.Options{Properties: []string{
		"transaction.state.log.num.partitions=5", "offsets.topic.num.partitions=5",
		"transaction.abort.timed.out.transaction.cleanup.interval.ms=500",
	}})
	w := newWorker(t, b)
	text, structured := newPipe(t, b, "text", plain), newPipe(t, b, "structured", withSchema)
	harness.CreateTopics(t, b, 1, nil, "text", "structured")
	text.write(100)
	structured.write(100)
	w.start()
	text.connect(w, nil)
	structured.connect(w, map[string]string{"value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "true"})
	both := func(do func(p *pipe)) {
		t.Helper()
		do(text)
		do(structured)
	}
	all := func(p *pipe) { t.Helper(); p.arrived(w, len(p.lines)) }
	more := func(p *pipe) { t.Helper(); p.write(200) }
	both(all)
	// A clean restart of the worker: where it stopped stands in the topics of offsets, so nothing comes twice.
	w.service.Stop()
	both(more)
	w.start()
	both(all)
	both(func(p *pipe) {
		p.verifyTopic()
		p.verifyOutput(true)
	})
	// The broker goes away under a worker in the middle of its transactions.
	both(more)
	b.Kill()
	both(more)
	b.Start()
	both(all)
	// The worker is killed in the middle; the next one fences what it left open.
	both(more)
	text.arrived(w, len(text.lines)-150)
	w.service.Kill()
	both(more)
	w.start()
	both(all)
	b.Stop()
	b.Start()
	both(more)
	both(all)
	for _, name := range []string{"text-source", "text-sink", "structured-source", "structured-sink"} {
		w.running(name)
	}
	w.service.Stop()
	both(func(p *pipe) {
		p.verifyTopic()
		p.verifyOutput(false)
	})
}
