package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Topic is the configuration of a topic, typed. Milliseconds stay as on the wire: Long.MAX_VALUE fits no time.Duration.
type Topic struct {
	SegmentBytes              int32 // or internal.segment.bytes, where that is set
	SegmentMs                 int64
	SegmentJitterMs           int64
	SegmentIndexBytes         int32
	IndexIntervalBytes        int32
	FlushMessages             int64
	FlushMs                   int64
	RetentionBytes            int64
	RetentionMs               int64
	LocalRetentionBytes       int64 // -2 = as RetentionBytes
	LocalRetentionMs          int64 // -2 = as RetentionMs
	MaxMessageBytes           int32
	DeleteRetentionMs         int64
	MinCompactionLagMs        int64
	MaxCompactionLagMs        int64
	FileDeleteDelayMs         int64
	MinCleanableDirtyRatio    float64
	Delete                    bool // cleanup.policy holds delete
	Compact                   bool // cleanup.policy holds compact
	UncleanLeaderElection     bool
	MinInsyncReplicas         int32
	CompressionType           string // producer, uncompressed, gzip, snappy, lz4 or zstd
	GzipLevel                 int
	Lz4Level                  int
	ZstdLevel                 int
	Preallocate               bool
	LogAppendTime             bool // message.timestamp.type is LogAppendTime
	TimestampBeforeMaxMs      int64
	TimestampAfterMaxMs       int64
	RemoteStorageEnable       bool
	LeaderThrottledReplicas   []string
	FollowerThrottledReplicas []string
}

// TopicConfig returns the configuration of a topic whose own configurations are topic, with the broker's for the rest.
// Values that do not parse (they were checked when they were set) fall back to the broker's.
func (c *Config) TopicConfig(dynamic Dynamic, topic map[string]string) Topic {
	values := c.topicValues(dynamic, topic)
	integer := func(key string) int64 { return values[key].(int64) }
	short := func(key string) int32 { return int32(integer(key)) } //nolint:gosec // parsed as 32 bits
	policy := values["cleanup.policy"].([]string)
	t := Topic{
		SegmentBytes: short("segment.bytes"), SegmentMs: integer("segment.ms"), SegmentJitterMs: integer("segment.jitter.ms"),
		SegmentIndexBytes: short("segment.index.bytes"), IndexIntervalBytes: short("index.interval.bytes"),
		FlushMessages: integer("flush.messages"), FlushMs: integer("flush.ms"),
		RetentionBytes: integer("retention.bytes"), RetentionMs: integer("retention.ms"),
		LocalRetentionBytes: integer("local.retention.bytes"), LocalRetentionMs: integer("local.retention.ms"),
		MaxMessageBytes: short("max.message.bytes"), DeleteRetentionMs: integer("delete.retention.ms"),
		MinCompactionLagMs: integer("min.compaction.lag.ms"), MaxCompactionLagMs: integer("max.compaction.lag.ms"),
		FileDeleteDelayMs: integer("file.delete.delay.ms"), MinCleanableDirtyRatio: values["min.cleanable.dirty.ratio"].(float64),
		Delete: hasCleanup(policy, "delete"), Compact: hasCleanup(policy, "compact"),
		UncleanLeaderElection: values["unclean.leader.election.enable"].(bool), MinInsyncReplicas: short("min.insync.replicas"),
		CompressionType: values["compression.type"].(string), GzipLevel: int(integer("compression.gzip.level")),
		Lz4Level: int(integer("compression.lz4.level")), ZstdLevel: int(integer("compression.zstd.level")),
		Preallocate: values["preallocate"].(bool), LogAppendTime: values["message.timestamp.type"] == "LogAppendTime",
		TimestampBeforeMaxMs: integer("message.timestamp.before.max.ms"), TimestampAfterMaxMs: integer("message.timestamp.after.max.ms"),
		RemoteStorageEnable:       values["remote.storage.enable"].(bool),
		LeaderThrottledReplicas:   values["leader.replication.throttled.replicas"].([]string),
		FollowerThrottledReplicas: values["follower.replication.throttled.replicas"].([]string),
	}
	if segment, ok := values["internal.segment.bytes"].(int64); ok {
		t.SegmentBytes = int32(segment) //nolint:gosec // parsed as 32 bits
	}
	return t
}

// topicValues types every key of a topic that has a value: its own, or the broker's.
func (c *Config) topicValues(dynamic Dynamic, topic map[string]string) map[string]any {
	values := make(map[string]any, len(Topics().All()))
	for i := range Topics().All() {
		d := &Topics().All()[i]
		if raw, ok := topic[d.Key]; ok {
			if value, err := d.parse(raw); err == nil {
				values[d.Key] = value
				continue
			}
		}
		if value := c.scopedDefault(dynamic, d); value != nil {
			values[d.Key] = value
		}
	}
	return values
}

// scopedDefault is what a topic or group without a value of its own has for a key: the first of the broker's synonyms that
// has a value, else the table's default; nil if there is none.
func (c *Config) scopedDefault(dynamic Dynamic, d *Definition) any {
	for _, synonym := range d.Synonyms {
		if value := c.dynamicValue(dynamic, synonym); value != nil {
			return scale(d.Key, synonym, value)
		}
	}
	return d.standard
}

// scale turns hours and minutes into milliseconds. A negative retention is -1.
func scale(key, synonym string, value any) any {
	n, ok := value.(int64)
	switch {
	case !ok:
		return value
	case strings.HasSuffix(synonym, ".hours"):
		n *= 3600000
	case strings.HasSuffix(synonym, ".minutes"):
		n *= 60000
	}
	if key == "retention.ms" {
		n = max(n, -1)
	}
	return n
}

// dynamicValue is a broker's key with the dynamic configuration laid over the file's; nil if it has no value.
func (c *Config) dynamicValue(dynamic Dynamic, key string) any {
	d, ok := Brokers().Lookup(key)
	if !ok {
		panic("BUG: no such key: " + key)
	}
	for _, layer := range []map[string]string{dynamic.Broker, dynamic.Default} {
		if raw, ok := layer[key]; ok {
			if value, err := d.parse(raw); err == nil {
				return value
			}
		}
	}
	return c.source.values[key]
}

// TopicDefaults returns what a topic without configurations of its own has, by topic key. Keys without a value are left out.
func (c *Config) TopicDefaults() map[string]string {
	defaults := map[string]string{}
	for key, value := range c.topicValues(Dynamic{}, nil) {
		defaults[key] = formatValue(value)
	}
	return defaults
}

// ParseTopic checks the configurations that a topic is to have (the whole set: what it keeps and what is being set) the way
// Kafka's controller does. existing is what it has now, nil for a new topic; a nil pointer is a null value.
// The error is an *InvalidError with Kafka's message, which goes into the answer with INVALID_CONFIG.
func (c *Config) ParseTopic(existing map[string]string, topic map[string]*string) error {
	if err := checkNulls(topic, "topic"); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(topic)) {
		if _, ok := Topics().Lookup(key); !ok {
			return &InvalidError{Message: "Unknown topic config name: " + key}
		}
	}
	values, err := c.parseScope(Topics(), topic)
	if err != nil {
		return err
	}
	if low, high := values["min.compaction.lag.ms"].(int64), values["max.compaction.lag.ms"].(int64); low > high {
		return &InvalidError{Message: fmt.Sprintf("conflict topic config setting min.compaction.lag.ms (%d) > max.compaction.lag.ms (%d)", low, high)}
	}
	if values["remote.storage.enable"].(bool) {
		// The start refuses remote.log.storage.system.enable, so no broker has it.
		return &InvalidError{Message: "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage."}
	}
	if strings.EqualFold(existing["remote.storage.enable"], "true") && !values["remote.log.delete.on.disable"].(bool) {
		return &InvalidError{Message: "It is invalid to disable remote storage without deleting remote data. " +
			"If you want to keep the remote data and turn to read only, please set `remote.storage.enable=true,remote.log.copy.disable=true`. " +
			"If you want to disable remote storage and delete all remote data, please set `remote.storage.enable=false,remote.log.delete.on.disable=true`."}
	}
	return nil
}

func checkNulls(given map[string]*string, scope string) error {
	var nulls []string
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if given[key] == nil {
			nulls = append(nulls, key)
		}
	}
	if nulls != nil {
		return &InvalidError{Message: "Null value not supported for " + scope + " configs: " + strings.Join(nulls, ",")}
	}
	return nil
}

// parseScope types and checks what is given and, for the rest, the broker's.
func (c *Config) parseScope(table *Table, given map[string]*string) (map[string]any, error) {
	values := make(map[string]any, len(table.All()))
	for i := range table.All() {
		d := &table.All()[i]
		raw, ok := given[d.Key]
		if ok {
			value, err := d.parse(*raw)
			if err != nil {
				return nil, err
			}
			values[d.Key] = value
			continue
		}
		value := c.scopedDefault(Dynamic{}, d)
		if value == nil {
			continue
		}
		if err := d.check(d.Key, value); err != nil {
			return nil, err
		}
		values[d.Key] = value
	}
	return values, nil
}

// ParseGroup checks the configurations of a group in the same way.
func (c *Config) ParseGroup(group map[string]*string) error {
	if err := checkNulls(group, "group"); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(group)) {
		if _, ok := Groups().Lookup(key); !ok {
			return &InvalidError{Message: "Unknown group config name: " + key}
		}
	}
	values, err := c.parseScope(Groups(), group)
	if err != nil {
		return err
	}
	for _, key := range []string{
		"consumer.heartbeat.interval.ms", "consumer.session.timeout.ms", "consumer.assignment.interval.ms",
		"share.heartbeat.interval.ms", "share.session.timeout.ms", "share.record.lock.duration.ms", "share.delivery.count.limit",
		"share.partition.max.record.locks", "share.assignment.interval.ms",
		"streams.heartbeat.interval.ms", "streams.session.timeout.ms", "streams.num.standby.replicas", "streams.assignment.interval.ms",
	} {
		kind, what, _ := strings.Cut(key, ".")
		value := values[key].(int64)
		low, high := "group."+kind+".min."+what, "group."+kind+".max."+what
		if what == "num.standby.replicas" {
			low, high = "", "group.streams.max.standby.replicas"
		}
		if low != "" && value < c.int64(low) {
			return &InvalidError{Message: key + " must be greater than or equal to " + low}
		}
		if value > c.int64(high) {
			return &InvalidError{Message: key + " must be less than or equal to " + high}
		}
	}
	for _, kind := range []string{"consumer", "share", "streams"} {
		session, beat := kind+".session.timeout.ms", kind+".heartbeat.interval.ms"
		if values[session].(int64) <= values[beat].(int64) {
			return &InvalidError{Message: session + " must be greater than " + beat}
		}
	}
	return nil
}
