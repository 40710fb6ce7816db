package swap

import (
	"maps"
	"slices"
	"testing"
	"time"

	"ottla/compat-tests/harness"
)

// TestSameFiles sends the same requests to Ottla and to Apache Kafka, each on a fresh directory of its own, stops both,
// and holds their directories against each other, file by file. OTTLA_CONTROL compares Apache Kafka with itself.
func TestSameFiles(t *testing.T) {
	options := harness.Options{Properties: append(properties(), "offsets.topic.num.partitions=1", "transaction.state.log.num.partitions=1",
		"log.retention.check.interval.ms=500", "metadata.max.idle.interval.ms=0", "log.flush.offset.checkpoint.interval.ms=1000")}
	begun := time.Now()
	var directories []map[string][]string
	for _, broker := range []*harness.Broker{harness.StartKafka(t, "4.3.1", options), harness.StartSubject(t, "4.3.1", options)} {
		dial(t, broker).script()
		broker.Stop()
		directories = append(directories, newReader(t, broker, begun).read())
	}
	kafka, subject := directories[0], directories[1]
	for _, name := range slices.Sorted(maps.Keys(kafka)) {
		if name == "cleaner-offset-checkpoint" {
			continue // nothing is cleaned here, and Apache Kafka takes no file for an empty one
		}
		if _, ok := subject[name]; !ok {
			t.Errorf("%s is not there", name)
			continue
		}
		compareLines(t, name, kafka[name], subject[name])
	}
	for _, name := range slices.Sorted(maps.Keys(subject)) {
		if _, ok := kafka[name]; !ok {
			t.Errorf("%s is not there with Apache Kafka", name)
		}
	}
}

// compareLines tells the first lines that differ.
func compareLines(t *testing.T, name string, want, got []string) {
	t.Helper()
	const most = 6
	differences := 0
	for i := range max(len(want), len(got)) {
		one, other := "nothing", "nothing"
		if i < len(want) {
			one = want[i]
		}
		if i < len(got) {
			other = got[i]
		}
		if one == other {
			continue
		}
		if differences++; differences > most {
			t.Errorf("%s: … and more; %d lines, Apache Kafka's has %d", name, len(got), len(want))
			return
		}
		t.Errorf("%s, line %d:\n  Apache Kafka: %s\n  here:         %s", name, i+1, one, other)
	}
}
