package config

import (
	"slices"
	"strings"
	"sync"
)

// Type is a key's type, with the numbers of DescribeConfigs' config_type.
type Type int8

// The types, in Kafka's numbers.
const (
	TypeUnknown  Type = 0
	TypeBoolean  Type = 1
	TypeString   Type = 2
	TypeInt      Type = 3
	TypeShort    Type = 4
	TypeLong     Type = 5
	TypeDouble   Type = 6
	TypeList     Type = 7
	TypeClass    Type = 8
	TypePassword Type = 9
)

// String returns Kafka's name of the type: INT, LIST, ….
func (t Type) String() string {
	names := [...]string{"UNKNOWN", "BOOLEAN", "STRING", "INT", "SHORT", "LONG", "DOUBLE", "LIST", "CLASS", "PASSWORD"}
	if t < 0 || int(t) >= len(names) {
		return names[0]
	}
	return names[t]
}

// Mode says whether a broker's key may change while it runs.
type Mode string

// The modes, in Kafka's words. DynamicOnly keys cannot stand in the file: they are set with kafka-configs.sh alone.
const (
	ReadOnly    Mode = "read-only"
	PerBroker   Mode = "per-broker"
	ClusterWide Mode = "cluster-wide"
	DynamicOnly Mode = "dynamic-only"
)

// Effect says what this server does with a key.
type Effect uint8

// The effects.
const (
	Honoured Effect = iota // does what Kafka's does
	NoEffect               // accepted, and told by DescribeConfigs, without an effect; another value than the default warns
	Refused                // another value than the default stops the start: its absence would weaken security or durability
)

// String says the effect as the documentation does.
func (e Effect) String() string {
	return [...]string{"honoured", "no effect", "refused"}[e]
}

// Definition is one row of the table.
type Definition struct {
	Key  string
	Type Type
	// Default is nil where there is none, or null.
	Default *string
	// Required is true for the keys that Kafka demands; here they have a Default all the same.
	Required bool
	// Valid is Kafka's own text of what is allowed, "" for anything.
	Valid string
	// NonEmpty is true for a list that must have an element.
	NonEmpty   bool
	Importance string // high, medium or low
	Mode       Mode   // of brokers' keys
	Internal   bool   // not told by DescribeConfigs unless it was set
	Effect     Effect
	// Synonyms are the brokers' keys from which a topic's or group's takes its default, first the one that wins.
	Synonyms []string
	// Doc is one sentence about what it does.
	Doc string

	check func(key string, value any) error
	// standard is Default, read; nil without one.
	standard any
}

// Sensitive tells whether values of the key are never shown.
func (d *Definition) Sensitive() bool { return d.Type == TypePassword }

// Table is the definitions of one scope. It is immutable.
type Table struct {
	definitions []Definition
	byKey       map[string]*Definition
}

// Brokers is the table of server.properties: the keys of Kafka 4.3, in the order in which Kafka defines them.
func Brokers() *Table { return brokerTable() }

// Topics is the table of what a topic may set for itself.
func Topics() *Table { return topicTable() }

// Groups is the table of what a group may set for itself.
func Groups() *Table { return groupTable() }

// ClientMetrics is the table of what a subscription to clients' metrics may have.
func ClientMetrics() *Table { return clientMetricsTable() }

// All returns the definitions in Kafka's order. The slice must not be changed.
func (t *Table) All() []Definition { return t.definitions }

// Lookup returns the definition of a key, by its exact case.
func (t *Table) Lookup(key string) (*Definition, bool) {
	d, ok := t.byKey[key]
	return d, ok
}

var (
	brokerTable = sync.OnceValue(func() *Table {
		return newTable(append(brokerRows(), dynamicOnlyRows()...), nil)
	})
	topicTable = sync.OnceValue(func() *Table { return newTable(topicRows(), topicSynonyms()) })
	groupTable = sync.OnceValue(func() *Table { return newTable(groupRows(), groupSynonyms()) })

	clientMetricsTable = sync.OnceValue(func() *Table { return newTable(clientMetricsRows(), nil) })
)

// row is a Definition as the tables write it.
type row struct {
	key        string
	kind       Type
	value      string // the default, null or required
	valid      string
	importance string
	mode       Mode
	effect     Effect
	doc        string
}

const (
	null     = "\x00null"
	required = "\x00required"
)

// dynamicOnlyRows are brokers' keys that DescribeConfigs knows once they are set, and no file may hold.
func dynamicOnlyRows() []row {
	const unlimited = "9223372036854775807"
	return []row{
		{"leader.replication.throttled.rate", TypeLong, unlimited, "[0,...]", "medium", DynamicOnly, NoEffect, "Bytes a second that leaders may send for throttled replicas."},
		{"follower.replication.throttled.rate", TypeLong, unlimited, "[0,...]", "medium", DynamicOnly, NoEffect, "Bytes a second that followers may take for throttled replicas."},
		{"replica.alter.log.dirs.io.max.bytes.per.second", TypeLong, unlimited, "[0,...]", "medium", DynamicOnly, NoEffect, "Bytes a second for moving replicas between log directories."},
	}
}

// ownDefaults are what stands in for the keys that Kafka demands.
func ownDefaults(key string) string {
	switch key {
	case "node.id":
		return "1"
	case "process.roles":
		return "broker,controller"
	case "controller.listener.names":
		return "CONTROLLER"
	}
	panic("BUG: required key without a default: " + key)
}

func newTable(rows []row, synonyms map[string][]string) *Table {
	t := &Table{definitions: make([]Definition, len(rows)), byKey: make(map[string]*Definition, len(rows))}
	for i, r := range rows {
		d := &t.definitions[i]
		*d = Definition{
			Key: r.key, Type: r.kind, Valid: r.valid, Importance: r.importance, Mode: r.mode, Effect: r.effect, Doc: r.doc,
			NonEmpty: slices.Contains(nonEmptyLists(), r.key), Internal: slices.Contains(internalKeys(), r.key),
			Synonyms: synonyms[r.key],
		}
		switch r.value {
		case null:
		case required:
			d.Required = true
			value := ownDefaults(r.key)
			d.Default = &value
		default:
			d.Default = &r.value
		}
		d.check = validator(d)
		if d.Default != nil {
			value, err := d.parse(*d.Default)
			if err != nil {
				panic("BUG: default of " + d.Key + ": " + err.Error())
			}
			d.standard = value
		}
		if t.byKey[r.key] != nil {
			panic("BUG: key twice in a table: " + r.key)
		}
		t.byKey[r.key] = d
	}
	return t
}

func nonEmptyLists() []string {
	return []string{
		"advertised.listeners", "controller.listener.names", "group.consumer.assignors", "group.coordinator.rebalance.protocols",
		"group.share.assignors", "listeners", "log.dir", "log.dirs", "process.roles",
	}
}

func internalKeys() []string {
	return []string{
		"remote.log.index.file.cache.ttl.ms", "remote.log.manager.task.retry.backoff.ms", "remote.log.manager.task.retry.backoff.max.ms",
		"remote.log.manager.task.retry.jitter", "unstable.api.versions.enable", "unstable.feature.versions.enable",
		"controller.performance.sample.period.ms", "controller.performance.always.log.threshold.ms", "server.max.startup.time.ms",
		"internal.metadata.log.segment.bytes", "internal.metadata.max.batch.size.in.bytes", "internal.metadata.delete.delay.millis",
		"unclean.leader.election.interval.ms", "group.consumer.regex.refresh.interval.ms", "group.share.initialize.retry.interval.ms",
		"log.initial.task.delay.ms", "group.share.persister.class.name", "share.coordinator.state.topic.prune.interval.ms",
		"share.coordinator.cold.partition.snapshot.interval.ms", "producer.id.expiration.check.interval.ms", "internal.segment.bytes",
	}
}

// topicSynonyms tells, for a topic's key, the brokers' keys that give its default, first the one that wins.
func topicSynonyms() map[string][]string {
	synonyms := map[string][]string{
		"segment.ms":                {"log.roll.ms", "log.roll.hours"},
		"segment.jitter.ms":         {"log.roll.jitter.ms", "log.roll.jitter.hours"},
		"segment.index.bytes":       {"log.index.size.max.bytes"},
		"flush.messages":            {"log.flush.interval.messages"},
		"flush.ms":                  {"log.flush.interval.ms", "log.flush.scheduler.interval.ms"},
		"retention.ms":              {"log.retention.ms", "log.retention.minutes", "log.retention.hours"},
		"max.message.bytes":         {"message.max.bytes"},
		"file.delete.delay.ms":      {"log.segment.delete.delay.ms"},
		"min.cleanable.dirty.ratio": {"log.cleaner.min.cleanable.ratio"},
	}
	for _, key := range []string{
		"segment.bytes", "retention.bytes", "index.interval.bytes", "cleanup.policy", "preallocate", "message.timestamp.type",
		"message.timestamp.before.max.ms", "message.timestamp.after.max.ms", "local.retention.ms", "local.retention.bytes",
	} {
		synonyms[key] = []string{"log." + key}
	}
	for _, key := range []string{"delete.retention.ms", "min.compaction.lag.ms", "max.compaction.lag.ms"} {
		synonyms[key] = []string{"log.cleaner." + key}
	}
	for _, key := range []string{
		"unclean.leader.election.enable", "min.insync.replicas", "compression.type", "compression.gzip.level",
		"compression.lz4.level", "compression.zstd.level",
	} {
		synonyms[key] = []string{key}
	}
	return synonyms
}

// groupSynonyms tells, for a group's key, the broker's key that gives its default.
func groupSynonyms() map[string][]string {
	synonyms := map[string][]string{}
	for _, r := range groupRows() {
		switch r.key {
		case "share.auto.offset.reset", "share.isolation.level", "share.renew.acknowledge.enable":
		default:
			synonyms[r.key] = []string{"group." + r.key}
		}
	}
	return synonyms
}

// brokerSynonyms returns the keys from which a broker's key takes its value, first the one that wins; at least the key itself.
func brokerSynonyms(key string) []string {
	for _, synonyms := range [][]string{
		{"log.roll.ms", "log.roll.hours"},
		{"log.roll.jitter.ms", "log.roll.jitter.hours"},
		{"log.retention.ms", "log.retention.minutes", "log.retention.hours"},
	} {
		if slices.Contains(synonyms, key) {
			return synonyms
		}
	}
	if key == "log.flush.interval.ms" {
		return []string{key, "log.flush.scheduler.interval.ms"}
	}
	if base, ok := listenerKey(key); ok {
		return []string{key, base}
	}
	return []string{key}
}

// listenerKey takes the plain key out of listener.name.<listener>.[<mechanism>.]<key>.
func listenerKey(key string) (string, bool) {
	rest, ok := strings.CutPrefix(key, "listener.name.")
	if !ok {
		return "", false
	}
	_, base, ok := strings.Cut(rest, ".")
	if !ok {
		return "", false
	}
	for _, scoped := range []string{
		"sasl.jaas.config", "sasl.login.callback.handler.class", "sasl.login.class", "sasl.server.callback.handler.class",
		"connections.max.reauth.ms",
	} {
		if strings.HasSuffix(base, scoped) {
			return scoped, true
		}
	}
	return base, true
}
