package config

import (
	"fmt"
	"slices"
	"strings"
)

// warnings tells, key by key, what in the configuration has no effect and why.
func (c *Config) warnings() []Warning {
	var warnings []Warning
	zookeeper := false
	for _, key := range inOrder(c.source.settings) {
		s := c.source.settings[key]
		if strings.HasPrefix(key, "zookeeper.") {
			if zookeeper {
				continue
			}
			zookeeper = true
		}
		if message := c.warning(key, s); message != "" {
			warnings = append(warnings, Warning{Key: key, Line: s.line, Message: printable(key) + ": " + message})
		}
	}
	return warnings
}

func (c *Config) warning(key string, s setting) string {
	if d, ok := Brokers().Lookup(key); ok {
		switch {
		case d.Mode == DynamicOnly:
			return "has no effect in a file: it is set with kafka-configs.sh"
		case d.Effect == NoEffect && !c.isDefault(key, d):
			return c.noEffect(d, s)
		case key == "log.cleanup.policy" && slices.Contains(c.list(key), "compact"):
			return "compaction is not supported yet: records stay until retention deletes them"
		}
		return ""
	}
	if base, ok := listenerKey(key); ok {
		d, known := Brokers().Lookup(base)
		switch {
		case !known:
			return unknown(base)
		case c.isDefault(key, d):
			return ""
		}
		return "has no effect: settings of one listener are not supported yet"
	}
	switch {
	case key == "super.users", key == "allow.everyone.if.no.acl.found" && strings.EqualFold(trim(s.raw), "false"),
		strings.HasPrefix(key, "config.providers."):
		return ""
	case key == "allow.everyone.if.no.acl.found":
		return "has no effect: authorization is not supported yet"
	case strings.HasPrefix(key, "zookeeper."):
		return "ZooKeeper is not used and none is needed: the metadata is kept in the log directory"
	}
	return unknown(key)
}

func (c *Config) noEffect(d *Definition, s setting) string {
	value := printable(trim(s.raw))
	if d.Sensitive() {
		value = "[hidden]"
	}
	switch {
	case d.Type == TypeClass || strings.HasSuffix(d.Key, ".class.name") || d.Key == "metric.reporters" || d.Key == "kafka.metrics.reporters":
		return "has no effect: no Java class is ever loaded, " + value + " neither"
	case d.Default != nil && *d.Default != "":
		return "has no effect yet: " + value + " is accepted, and the server behaves as it does with " + *d.Default
	}
	return "has no effect yet: " + value + " is accepted and ignored"
}

// unknown says what an unknown key may have been meant to be.
func unknown(key string) string {
	if hint, ok := removed()[key]; ok {
		return hint
	}
	for _, prefix := range []string{"confluent.", "rsm.config.", "rlmm.config.", "cruise.control.", "strimzi.", "metrics.jmx."} {
		if strings.HasPrefix(key, prefix) {
			return "is unknown and ignored: it belongs to a plugin for the Java Virtual Machine"
		}
	}
	if strings.HasPrefix(key, "password.encoder.") {
		return "was removed in Kafka 4.0 with ZooKeeper; it is ignored"
	}
	if near := nearest(key); near != "" {
		return "is unknown and ignored; did you mean " + near + "?"
	}
	return "is unknown and ignored"
}

// removed holds keys of older Kafkas, and what became of them.
func removed() map[string]string {
	hints := map[string]string{
		"offsets.commit.required.acks":      "was removed in Kafka 4.0: all replicas acknowledge; it is ignored",
		"delegation.token.master.key":       "was removed in Kafka 4.0: it is delegation.token.secret.key now; it is ignored",
		"unstable.metadata.versions.enable": "was removed in Kafka 4.0: it is unstable.feature.versions.enable now; it is ignored",
		"unstable.metadata.version.enable":  "was removed in Kafka 4.0: it is unstable.feature.versions.enable now; it is ignored",
		"host.name":                         "was removed in Kafka 3.0: the address stands in listeners; it is ignored",
		"port":                              "was removed in Kafka 3.0: the port stands in listeners; it is ignored",
		"advertised.host.name":              "was removed in Kafka 3.0: it stands in advertised.listeners; it is ignored",
		"advertised.port":                   "was removed in Kafka 3.0: it stands in advertised.listeners; it is ignored",
		"quota.producer.default":            "was removed in Kafka 3.0: quotas are set with kafka-configs.sh; it is ignored",
		"quota.consumer.default":            "was removed in Kafka 3.0: quotas are set with kafka-configs.sh; it is ignored",
		"log.message.timestamp.difference.max.ms": "was removed in Kafka 4.0: it is log.message.timestamp.before.max.ms and " +
			"log.message.timestamp.after.max.ms now; it is ignored",
		"replica.verification.enable": "was removed in Kafka 4.0; it is ignored",
		"group.share.enable":          "was removed in Kafka 4.2: share groups come with the feature share.version; it is ignored",
	}
	for _, key := range []string{
		"inter.broker.protocol.version", "log.message.format.version", "log.message.downconversion.enable", "broker.id.generation.enable",
		"reserved.broker.max.id", "control.plane.listener.name", "controlled.shutdown.max.retries", "controlled.shutdown.retry.backoff.ms",
		"leader.imbalance.per.broker.percentage", "group.coordinator.new.enable", "auto.include.jmx.reporter",
		"eligible.leader.replicas.enable", "broker.quota.window.num", "advertised.ports",
		"transaction.partition.verification.timeout.ms", "follower.fetch.enable",
	} {
		if _, ok := hints[key]; !ok {
			hints[key] = "was removed in Kafka 4.0; it is ignored"
		}
	}
	return hints
}

// nearest is the known key with the fewest edits to this one, "" if none is near.
func nearest(key string) string {
	best, distance := "", max(2, len(key)/6)+1
	candidates := authorizerKeys()
	for _, d := range Brokers().All() {
		candidates = append(candidates, d.Key)
	}
	for _, candidate := range candidates {
		if n := edits(strings.ToLower(key), candidate); n < distance {
			best, distance = candidate, n
		}
	}
	return best
}

// edits counts the insertions, deletions, substitutions and swaps of neighbours between two texts.
func edits(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// clamp lowers what internal topics ask for to the one broker that there is.
func (c *Config) clamp() []Warning {
	var lowered []string
	one := func(key string) bool {
		value, _ := c.Get(key)
		if c.int64(key) > 1 {
			lowered = append(lowered, fmt.Sprintf("%s from %s", key, value))
			return true
		}
		return false
	}
	if one("offsets.topic.replication.factor") {
		c.Offsets.TopicReplicationFactor = 1
	}
	if one("transaction.state.log.replication.factor") {
		c.Txn.TopicReplicationFactor = 1
	}
	if one("transaction.state.log.min.isr") {
		c.Txn.TopicMinISR = 1
	}
	if one("share.coordinator.state.topic.replication.factor") {
		c.Broker.ShareTopicReplication = 1
	}
	if one("share.coordinator.state.topic.min.isr") {
		c.Broker.ShareTopicMinISR = 1
	}
	if lowered == nil {
		return nil
	}
	return []Warning{{Message: "there is one broker, so internal topics have one replica; lowered to 1: " + strings.Join(lowered, ", ")}}
}
