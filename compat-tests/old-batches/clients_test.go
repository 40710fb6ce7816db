package oldbatches

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/compat-tests/harness"
)

// javaVersions are the Java clients that read.
var javaVersions = []string{"2.8.2", "3.3.2", "3.9.1", "4.3.1"}

func show(field []byte) string {
	switch {
	case field == nil:
		return "null"
	case len(field) == 0:
		return "-"
	}
	return fmt.Sprintf("%x", field)
}

// stamp is a time in milliseconds; −1 is none.
func stamp(at time.Time) int64 {
	if at.IsZero() {
		return -1
	}
	return at.UnixMilli()
}

// readers are the classes of the Java clients' reader, by version.
type readers map[string]string

func compileReaders(t *testing.T) readers {
	t.Helper()
	all := readers{}
	for _, v := range javaVersions {
		jars := harness.Jars(t, "clients-"+v, harness.Artifact{Group: "org.apache.kafka", Name: "kafka-clients", Version: v},
			harness.Artifact{Group: "org.slf4j", Name: "slf4j-nop", Version: "1.7.36"})
		all[v] = harness.Compile(t, jars, "Reader.java")
	}
	return all
}

// read has every client read the topic. What each told is returned by its name.
func (w *written) read(t *testing.T, b *harness.Broker, classes readers, topic string) facts {
	t.Helper()
	told := facts{}
	from, at := w.within(), w.times()
	for v, classPath := range classes {
		arguments := []string{b.Address, topic, "from"}
		for _, offset := range from {
			arguments = append(arguments, fmt.Sprint(offset))
		}
		arguments = append(arguments, "at")
		for _, timestamp := range at {
			arguments = append(arguments, fmt.Sprint(timestamp))
		}
		result := harness.Command{}.Run(t, "java", harness.Java(classPath, "Reader", arguments...)...)
		if result.Code != 0 {
			t.Errorf("%s: the Java client %s: %s", b.Name, v, result.Output())
		}
		told["Java "+v] = result.Stdout
	}
	python := harness.Python(t, "clients", "confluent-kafka==2.16.1", "kafka-python==3.0.12", "aiokafka==0.14.0",
		"python-snappy", "lz4", "zstandard", "cramjam==2.14.0") // those of compat-tests/python-clients
	for _, start := range []int64{0, withoutLZ4} {
		for _, name := range []string{"librdkafka", "kafka-python"} {
			program := filepath.Join(harness.Root(t), "compat-tests", "old-batches", "reader.py")
			result := harness.Command{Environment: []string{"BROKER=" + b.Address}}.Run(t, python, program, name, topic, fmt.Sprint(start), fmt.Sprint(w.end))
			told[fmt.Sprintf("%s from %d", name, start)] = result.Stdout
			if result.Code != 0 {
				lines := strings.Split(strings.TrimSpace(result.Stderr), "\n")
				told[fmt.Sprintf("%s from %d", name, start)] += lines[len(lines)-1]
			}
		}
		told[fmt.Sprintf("franz-go from %d", start)] = w.readFranz(t, b, topic, start)
		told[fmt.Sprintf("sarama from %d", start)] = w.readSarama(t, b, topic, start)
	}
	// It does not tell of a message that it cannot read: it asks for it again and again.
	told[fmt.Sprintf("kafka-go from %d", withoutLZ4)] = w.readKafkaGo(t, b, topic, withoutLZ4)
	return told
}

// withoutLZ4 is the offset behind which there is no message of magic 0 with lz4, whose frames some clients refuse: the
// checksum in them is wrong, which Apache Kafka's own clients do not look at.
const withoutLZ4 = 80

// within are offsets inside wrappers, and such as a compaction has taken.
func (w *written) within() []int64 {
	var list []int64
	previous := int64(-1)
	for i, line := range w.records {
		offset, _ := strconv.ParseInt(strings.Fields(line)[1], 10, 64)
		if offset > previous+1 || offset != w.last[i] && offset%4 == 0 {
			list = append(list, offset, max(previous+1, offset-1))
		}
		previous = offset
	}
	return list
}

func (w *written) readFranz(t *testing.T, b *harness.Broker, topic string, start int64) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client := harness.Client(t, b, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(start)}}))
	var text strings.Builder
	for next := start; next < w.end; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil || len(fetches.Errors()) > 0 {
			fmt.Fprintf(&text, "error %v %v\n", err, fetches.Errors())
			break
		}
		fetches.EachRecord(func(r *kgo.Record) {
			fmt.Fprintf(&text, "record %d %d %s %s\n", r.Offset, stamp(r.Timestamp), show(r.Key), show(r.Value))
			next = r.Offset + 1
		})
	}
	return text.String()
}

func (w *written) readSarama(t *testing.T, b *harness.Broker, topic string, start int64) string {
	t.Helper()
	settings := sarama.NewConfig()
	settings.Version, settings.Consumer.MaxWaitTime, settings.Consumer.Return.Errors = sarama.MaxVersion, 100*time.Millisecond, true
	consumer, err := sarama.NewConsumer([]string{b.Address}, settings)
	check(t, err)
	defer func() { _ = consumer.Close() }()
	partition, err := consumer.ConsumePartition(topic, 0, start)
	check(t, err)
	defer partition.AsyncClose()
	var text strings.Builder
	for next := start; next < w.end; {
		select {
		case m := <-partition.Messages():
			fmt.Fprintf(&text, "record %d %d %s %s\n", m.Offset, stamp(m.Timestamp), show(m.Key), show(m.Value))
			next = m.Offset + 1
		case err := <-partition.Errors():
			fmt.Fprintf(&text, "error %v\n", err.Err)
			return text.String()
		case <-time.After(time.Minute):
			text.WriteString("nothing more came\n")
			return text.String()
		}
	}
	return text.String()
}

func (w *written) readKafkaGo(t *testing.T, b *harness.Broker, topic string, start int64) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{b.Address}, Topic: topic, MaxWait: 200 * time.Millisecond})
	defer func() { _ = reader.Close() }()
	check(t, reader.SetOffset(start))
	var text strings.Builder
	for next := start; next < w.end; {
		m, err := reader.ReadMessage(ctx)
		if err != nil {
			fmt.Fprintf(&text, "error %v\n", err)
			break
		}
		fmt.Fprintf(&text, "record %d %d %s %s\n", m.Offset, stamp(m.Time), show(m.Key), show(m.Value))
		next = m.Offset + 1
	}
	return text.String()
}

// missing counts the records from an offset on that a client did not tell as Apache Kafka's own classes read them, and
// says which is the first and how the client's words end.
func (w *written) missing(told string, types, blind bool, start int64) (missing int, first string) {
	lines := map[string]bool{}
	list := strings.Split(strings.TrimSpace(told), "\n")
	for _, line := range list {
		lines[line] = true
	}
	for i, line := range w.records {
		if types {
			line += " " + w.types[i]
		}
		if blind { // the client takes what is empty for null
			line = strings.ReplaceAll(line, " -", " null")
			line = strings.ReplaceAll(line, " null1 ", " -1 ")
		}
		if w.last[i] < start || lines[line] {
			continue
		}
		if missing++; missing == 1 {
			first = fmt.Sprintf("; the first is %s; the last that it tells is %.200s", line, list[len(list)-1])
		}
	}
	return missing, first
}
