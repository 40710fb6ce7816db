package config

import (
	"maps"
	"testing"
)

// TestCheckDynamic holds what a running broker refuses against the sentences of Apache Kafka 4.3.1.
func TestCheckDynamic(t *testing.T) {
	c, _ := mustLoad(t, "num.io.threads=8\nlog.dirs=/a,/b\n")
	const wrapped = "Invalid value org.apache.kafka.common.config.ConfigException: "
	for _, test := range []struct {
		wanted    map[string]string
		perBroker bool
		message   string
	}{
		{map[string]string{"log.retention.ms": "5000", "num.io.threads": "16", "no.such.key": "x"}, true, ""},
		{map[string]string{"message.max.bytes": "5000", "leader.replication.throttled.rate": "5"}, false, ""},
		{map[string]string{"node.id": "1"}, true, "Cannot update these configs dynamically: [node.id]"},
		{map[string]string{"log.retention.hours": "1"}, false, "Cannot update these configs dynamically: [log.retention.hours]"},
		{map[string]string{"ssl.keystore.location": "/x"}, true, "These security configs can be dynamically updated only per-listener using the listener prefix: [ssl.keystore.location]"},
		{map[string]string{"num.io.threads": "x"}, true, "Invalid value x for configuration num.io.threads: Not a number of type INT"},
		{map[string]string{"cordoned.log.dirs": "/a"}, false, "Cannot update these configs at default cluster level, broker id must be specified: [cordoned.log.dirs]"},
		{map[string]string{"cordoned.log.dirs": "/a"}, true, ""}, {map[string]string{"cordoned.log.dirs": "*"}, true, ""},
		{map[string]string{"cordoned.log.dirs": "/c"}, true, "requirement failed: All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries : /c"},
		{map[string]string{"cordoned.log.dirs": "*,/a"}, true, "requirement failed: When cordoned.log.dirs is set to *, it must not contain other values"},
		{map[string]string{"num.io.threads": "100"}, true, wrapped + "Dynamic thread count update validation failed for num.io.threads=100, value should not be greater than double the current value 8 for configuration Invalid dynamic configuration"},
		{map[string]string{"num.io.threads": "3"}, true, wrapped + "Dynamic thread count update validation failed for num.io.threads=3, value should be at least half the current value 8 for configuration Invalid dynamic configuration"},
		{map[string]string{"log.cleaner.threads": "3"}, true, wrapped + "Log cleaner threads cannot be increased to more than double the current value 1 for configuration Invalid dynamic configuration"},
		{map[string]string{"log.retention.ms": "0"}, false, "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1"},
		{map[string]string{"max.connections.per.ip": "0"}, false, "requirement failed: max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set."},
		{map[string]string{"max.connections.per.ip.overrides": "x"}, false, "Error parsing configuration property 'max.connections.per.ip.overrides': begin 0, end -1, length 1"},
		{map[string]string{"log.local.retention.ms": "-1"}, false, wrapped + "Invalid value -1 for configuration log.local.retention.ms: Value must not be -1 as log.retention.ms value is set as 604800000. for configuration Invalid dynamic configuration"},
	} {
		err := c.CheckDynamic(Dynamic{}, test.wanted, test.perBroker)
		if got := errorText(err); got != test.message {
			t.Errorf("%v of one broker %v:\n%s\nwant\n%s", test.wanted, test.perBroker, got, test.message)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestDynamicLayers: what one broker has goes before what all have, that before the file, whatever the synonym; the
// configuration below stays as it was.
func TestDynamicLayers(t *testing.T) {
	c, _ := mustLoad(t, "log.retention.ms=1000\nmax.connections=7\nmax.connections.per.ip.overrides=10.0.0.1:3\n")
	before := maps.Clone(c.source.values)
	running, err := c.Running(Dynamic{
		Broker:  map[string]string{"max.connections": "5"},
		Default: map[string]string{"max.connections": "6", "max.connections.per.ip": "4", "producer.id.expiration.ms": "9", "node.id": "9"},
	})
	if err != nil || running.MaxConnections != 5 || running.MaxConnectionsPerIP != 4 || running.MaxConnectionsPerIPFor["10.0.0.1"] != 3 || running.ProducerIDExpiration.Milliseconds() != 9 {
		t.Errorf("%+v, %v", running, err)
	}
	if next := c.With(Dynamic{Default: map[string]string{"log.retention.ms": "2000", "node.id": "9"}}); next.retentionMs() != 2000 || next.int32("node.id") != c.NodeID {
		t.Errorf("retention %d of node %d", next.retentionMs(), next.int32("node.id"))
	}
	if len(before) != len(c.source.values) || c.retentionMs() != 1000 || c.int32("max.connections") != 7 {
		t.Error("the configuration below has changed")
	}
}
