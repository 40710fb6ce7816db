package config

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
)

type describedEntry struct {
	Name      string      `json:"name"`
	Value     *string     `json:"value"`
	Source    string      `json:"source"`
	Sensitive bool        `json:"sensitive"`
	ReadOnly  bool        `json:"readOnly"`
	Type      string      `json:"type"`
	Synonyms  [][]*string `json:"synonyms"`
}

// TestDescribeAsKafka holds the answers against those that Apache Kafka 4.3.1 gave with the same file, the same dynamic
// configuration and the same topic. Order is TestOrderAsKafka's: the admin client that captured this keeps none.
func TestDescribeAsKafka(t *testing.T) {
	content, err := os.ReadFile("testdata/describe-4.3.1.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string][]describedEntry
	if err := json.Unmarshal(content, &want); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/describe.properties")
	if err != nil {
		t.Fatal(err)
	}
	// The start refuses sasl.jaas.config; what DescribeConfigs tells of it is put in behind its back.
	plain := slices.DeleteFunc(splitLines(string(text)), func(line string) bool { return line == "sasl.jaas.config=secret" })
	c, _ := mustLoad(t, joinLines(plain))
	c.source.settings["sasl.jaas.config"] = setting{raw: "secret", origin: fromFile}
	c.source.values["sasl.jaas.config"] = "secret"
	dynamic := Dynamic{
		Broker:  map[string]string{"log.retention.bytes": "777", "log.cleaner.threads": "2"},
		Default: map[string]string{"log.retention.bytes": "888", "log.retention.ms": "99999", "min.insync.replicas": "1"},
	}
	topic := map[string]string{"retention.ms": "1000", "min.cleanable.dirty.ratio": "0.50", "cleanup.policy": "compact, delete"}
	compareEntries(t, "broker", c.DescribeBroker(dynamic, nil), want["broker:1"])
	compareEntries(t, "brokers", c.DescribeBrokerDefaults(dynamic, nil), want["broker:"])
	compareEntries(t, "topic", c.DescribeTopic(dynamic, topic, nil), want["topic:t1"])
	compareEntries(t, "group", c.DescribeGroup(dynamic, nil, nil), want["group:g1"])
}

func compareEntries(t *testing.T, scope string, got []Entry, want []describedEntry) {
	t.Helper()
	sources := map[Source]string{
		SourceTopic: "DYNAMIC_TOPIC_CONFIG", SourceDynamicBroker: "DYNAMIC_BROKER_CONFIG", SourceStaticBroker: "STATIC_BROKER_CONFIG",
		SourceDynamicDefaultBroker: "DYNAMIC_DEFAULT_BROKER_CONFIG", SourceDefault: "DEFAULT_CONFIG",
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d entries, want %d", scope, len(got), len(want))
	}
	byName := map[string]describedEntry{}
	for _, w := range want {
		byName[w.Name] = w
	}
	for _, g := range got {
		w, ok := byName[g.Name]
		if !ok {
			t.Errorf("%s: %s is not in Kafka's answer", scope, g.Name)
			continue
		}
		entry := describedEntry{Name: g.Name, Value: g.Value, Source: sources[g.Source], Sensitive: g.Sensitive, ReadOnly: g.ReadOnly, Type: g.Type.String(), Synonyms: [][]*string{}}
		for _, s := range g.Synonyms {
			source := sources[s.Source]
			entry.Synonyms = append(entry.Synonyms, []*string{&s.Name, s.Value, &source})
		}
		a, _ := json.Marshal(entry)
		b, _ := json.Marshal(w)
		if string(a) != string(b) {
			t.Errorf("%s:\n got %s\nwant %s", scope, a, b)
		}
	}
}

func TestDescribeSelection(t *testing.T) {
	c, _ := mustLoad(t, "num.partitions=3")
	got := c.DescribeBroker(Dynamic{}, []string{"num.partitions", "none.such", "log.retention.ms"})
	if len(got) != 2 {
		t.Fatalf("%+v", got)
	}
	for _, e := range got {
		if e.Name == "num.partitions" && (*e.Value != "3" || e.Source != SourceStaticBroker || len(e.Synonyms) != 2 || e.Documentation == "") {
			t.Errorf("%+v", e)
		}
	}
}
