package config

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
)

// captured is what Apache Kafka 4.3.1's own tables hold.
type captured struct {
	Broker      []capturedKey `json:"broker"`
	Topic       []capturedKey `json:"topic"`
	Group       []capturedKey `json:"group"`
	DynamicOnly []capturedKey `json:"dynamic_only"`
	BrokerOrder []string      `json:"broker_order"`
	TopicOrder  []string      `json:"topic_order"`
	GroupOrder  []string      `json:"group_order"`
}

type capturedKey struct {
	Key        string  `json:"key"`
	Type       string  `json:"type"`
	Required   bool    `json:"required"`
	Default    *string `json:"default"`
	Valid      string  `json:"valid"`
	Empty      *bool   `json:"empty"`
	Importance string  `json:"importance"`
	Internal   bool    `json:"internal"`
	Mode       string  `json:"mode"`
}

func readCaptured(t testing.TB) captured {
	t.Helper()
	content, err := os.ReadFile("testdata/kafka-4.3.1.json")
	if err != nil {
		t.Fatal(err)
	}
	var c captured
	if err := json.Unmarshal(content, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTableAsKafka(t *testing.T) {
	c := readCaptured(t)
	for i := range c.DynamicOnly {
		c.DynamicOnly[i].Mode = string(DynamicOnly)
	}
	for _, scope := range []struct {
		name  string
		table *Table
		want  []capturedKey
	}{
		{"broker", Brokers(), append(c.Broker, c.DynamicOnly...)},
		{"topic", Topics(), c.Topic},
		{"group", Groups(), c.Group},
	} {
		if len(scope.want) != len(scope.table.All()) {
			t.Errorf("%s: %d keys, Kafka has %d", scope.name, len(scope.table.All()), len(scope.want))
		}
		for _, want := range scope.want {
			d, ok := scope.table.Lookup(want.Key)
			if !ok {
				t.Errorf("%s: %s is missing", scope.name, want.Key)
				continue
			}
			compareDefinition(t, d, want)
		}
	}
}

func compareDefinition(t *testing.T, d *Definition, want capturedKey) {
	t.Helper()
	if d.Type.String() != want.Type || d.Valid != want.Valid || d.Importance != want.Importance || string(d.Mode) != want.Mode ||
		d.Internal != want.Internal || d.Required != want.Required || d.Sensitive() != (want.Type == "PASSWORD") {
		t.Errorf("%s is %+v, want %+v", d.Key, d, want)
	}
	if want.Type == "LIST" && want.Empty != nil && d.NonEmpty == *want.Empty {
		t.Errorf("%s: NonEmpty is %v", d.Key, d.NonEmpty)
	}
	switch {
	case want.Required:
	case (d.Default == nil) != (want.Default == nil):
		t.Errorf("%s: default %v, want %v", d.Key, d.Default, want.Default)
	case d.Default != nil && *d.Default != *want.Default:
		t.Errorf("%s: default %q, want %q", d.Key, *d.Default, *want.Default)
	}
	if d.Default != nil {
		if value, err := d.parse(*d.Default); err != nil || formatValue(value) != *d.Default {
			t.Errorf("%s: its default %q is read as %v, %v", d.Key, *d.Default, value, err)
		}
	}
	if d.Doc == "" || d.Doc[len(d.Doc)-1] != '.' {
		t.Errorf("%s: not documented: %q", d.Key, d.Doc)
	}
}

func TestOrderAsKafka(t *testing.T) {
	c := readCaptured(t)
	for _, scope := range []struct {
		table *Table
		want  []string
	}{{Brokers(), c.BrokerOrder}, {Topics(), c.TopicOrder}, {Groups(), c.GroupOrder}} {
		got := tableOrder(scope.table)
		if len(got) != len(scope.want) {
			t.Fatalf("%d keys, want %d", len(got), len(scope.want))
		}
		for i := range got {
			if got[i] != scope.want[i] {
				t.Errorf("key %d is %s, want %s", i, got[i], scope.want[i])
			}
		}
	}
}

// TestSynonymsAreKeys holds that each synonym is a broker's key.
func TestSynonymsAreKeys(t *testing.T) {
	for _, table := range []*Table{Topics(), Groups()} {
		for _, d := range table.All() {
			for _, synonym := range d.Synonyms {
				if _, ok := Brokers().Lookup(synonym); !ok {
					t.Errorf("%s: no broker's key %s", d.Key, synonym)
				}
			}
		}
	}
	without := []string{
		"follower.replication.throttled.replicas", "internal.segment.bytes", "leader.replication.throttled.replicas",
		"remote.log.copy.disable", "remote.log.delete.on.disable", "remote.storage.enable",
	}
	for _, d := range Topics().All() {
		if (len(d.Synonyms) == 0) != slices.Contains(without, d.Key) {
			t.Errorf("%s has the synonyms %v", d.Key, d.Synonyms)
		}
	}
}
