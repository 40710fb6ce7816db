package config

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// TestTopicsAsKafka holds the checks of topics' configurations against what Apache Kafka 4.3.1 said about each.
func TestTopicsAsKafka(t *testing.T) {
	content, err := os.ReadFile("testdata/topics-4.3.1.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Topic  map[string]string `json:"topic"`
		Values map[string]string `json:"values"`
		Error  string            `json:"error"`
	}
	if err := json.Unmarshal(content, &cases); err != nil {
		t.Fatal(err)
	}
	c, _ := mustLoad(t, "")
	for _, test := range cases {
		given := map[string]*string{}
		for key, value := range test.Topic {
			given[key] = &value
		}
		err := c.ParseTopic(nil, given)
		if test.Error != "" {
			if err == nil || err.Error() != test.Error {
				t.Errorf("%q: %v, want %s", test.Topic, err, test.Error)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", test.Topic, err)
			continue
		}
		for _, e := range c.DescribeTopic(Dynamic{}, test.Topic, nil) {
			if want, ok := test.Values[e.Name]; ok && (e.Value == nil || *e.Value != want) {
				t.Errorf("%q: told as %v, want %s", test.Topic, e.Value, want)
			}
		}
	}
}

func TestParseTopicOther(t *testing.T) {
	c, _ := mustLoad(t, "log.cleaner.max.compaction.lag.ms=50")
	value := func(s string) *string { return &s }
	for _, test := range []struct {
		existing map[string]string
		topic    map[string]*string
		want     string
	}{
		{nil, map[string]*string{"retention.ms": nil, "cleanup.policy": nil}, "Null value not supported for topic configs: cleanup.policy,retention.ms"},
		{nil, map[string]*string{"min.compaction.lag.ms": value("51")}, "conflict topic config setting min.compaction.lag.ms (51) > max.compaction.lag.ms (50)"},
		{nil, map[string]*string{"min.compaction.lag.ms": value("50")}, ""},
		{map[string]string{"remote.storage.enable": "true"}, map[string]*string{"remote.log.delete.on.disable": value("true")}, ""},
	} {
		err := c.ParseTopic(test.existing, test.topic)
		if (err == nil) != (test.want == "") || err != nil && err.Error() != test.want {
			t.Errorf("%v: %v, want %q", test.topic, err, test.want)
		}
	}
	if err := c.ParseTopic(map[string]string{"remote.storage.enable": "true"}, nil); err == nil {
		t.Error("remote storage goes without its data")
	}
}

func TestParseGroup(t *testing.T) {
	c, _ := mustLoad(t, "")
	value := func(s string) *string { return &s }
	for want, group := range map[string]map[string]*string{
		"": {"consumer.session.timeout.ms": value("50000"), "share.auto.offset.reset": value("by_duration:PT1H"), "share.isolation.level": value("read_committed")},
		"Unknown group config name: retention.ms":                                                            {"retention.ms": value("1")},
		"Null value not supported for group configs: share.isolation.level":                                  {"share.isolation.level": nil},
		"consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms": {"consumer.session.timeout.ms": value("44999")},
		"streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas":      {"streams.num.standby.replicas": value("3")},
		"Invalid value never for configuration share.auto.offset.reset: Invalid value `never` for configuration share.auto.offset.reset. The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.": {"share.auto.offset.reset": value("never")},
	} {
		err := c.ParseGroup(group)
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestTopicConfig(t *testing.T) {
	c, _ := mustLoad(t, "log.retention.hours=2\nlog.roll.hours=3\nlog.flush.scheduler.interval.ms=70\nlog.flush.interval.messages=1\nlog.segment.bytes=2000000\nlog.cleanup.policy=delete")
	got := c.TopicConfig(Dynamic{}, nil)
	if got.RetentionMs != 2*3600000 || got.SegmentMs != 3*3600000 || got.FlushMs != 70 || got.FlushMessages != 1 || got.SegmentBytes != 2000000 ||
		!got.Delete || got.Compact || got.MaxMessageBytes != 1048588 || got.TimestampBeforeMaxMs != math.MaxInt64 || got.CompressionType != "producer" {
		t.Errorf("%+v", got)
	}
	dynamic := Dynamic{Broker: map[string]string{"log.flush.interval.ms": "5"}, Default: map[string]string{"log.retention.ms": "-7", "log.flush.interval.ms": "6", "min.insync.replicas": "2"}}
	got = c.TopicConfig(dynamic, map[string]string{"cleanup.policy": "compact", "segment.bytes": "nonsense", "internal.segment.bytes": "100"})
	if got.RetentionMs != -1 || got.FlushMs != 5 || got.MinInsyncReplicas != 2 || got.Delete || !got.Compact || got.SegmentBytes != 100 {
		t.Errorf("%+v", got)
	}
	if d := c.TopicDefaults(); d["retention.ms"] != "7200000" || d["min.cleanable.dirty.ratio"] != "0.5" || len(d) != 33 {
		t.Errorf("%v", d)
	}
	for want, text := range map[int64]string{60000: "log.retention.minutes=1\nlog.retention.hours=9", 5: "log.retention.ms=5\nlog.retention.minutes=1", -1: "log.retention.hours=-1"} {
		c, _ := mustLoad(t, text)
		if got := c.TopicConfig(Dynamic{}, nil).RetentionMs; got != want {
			t.Errorf("%q: retention %d, want %d", text, got, want)
		}
	}
}

func BenchmarkTopicConfig(b *testing.B) {
	c, _, err := Load(Options{})
	if err != nil {
		b.Fatal(err)
	}
	topic := map[string]string{"retention.ms": "1000"}
	for b.Loop() {
		c.TopicConfig(Dynamic{}, topic)
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, _, err := Load(Options{File: "../server.properties.example"}); err != nil {
			b.Fatal(err)
		}
	}
}
