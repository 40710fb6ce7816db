package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Parse types and checks values of a table's keys, in the table's order. Keys that the table does not know are left out.
// The error is an *InvalidError.
func (t *Table) Parse(given map[string]string) (map[string]any, error) {
	values := make(map[string]any, len(given))
	for i := range t.definitions {
		d := &t.definitions[i]
		raw, ok := given[d.Key]
		if !ok {
			continue
		}
		value, err := d.parse(raw)
		if err != nil {
			return nil, err
		}
		values[d.Key] = value
	}
	return values, nil
}

// CheckDynamic tells, as Kafka does, whether this broker (perBroker), or all brokers, could take up these dynamic configurations while
// it runs. wanted is the whole set that the resource is to have; dynamic is what is in force. The error is an *InvalidError.
func (c *Config) CheckDynamic(dynamic Dynamic, wanted map[string]string, perBroker bool) error {
	if err := checkDynamicKeys(wanted, perBroker); err != nil {
		return err
	}
	layers := Dynamic{Broker: dynamic.Broker, Default: wanted}
	if perBroker {
		layers = Dynamic{Broker: wanted, Default: dynamic.Default}
	}
	next, before := c.With(layers), c.With(dynamic)
	if err := next.checkTogether(); err != nil {
		return &InvalidError{Message: togetherMessage(err)}
	}
	if err := next.checkDirectories(); err != nil {
		return err
	}
	if err := next.checkChange(before); err != nil {
		// Kafka makes a value of the reason, and a key of its sentence.
		return &InvalidError{Message: "Invalid value org.apache.kafka.common.config.ConfigException: " + err.Error() +
			" for configuration Invalid dynamic configuration"}
	}
	return nil
}

// togetherMessage is Kafka's sentence about keys that do not go together.
func togetherMessage(err error) string {
	e, ok := err.(*Error) //nolint:errorlint // made here, never wrapped
	if !ok {
		return err.Error()
	}
	for _, own := range []string{"conflict topic config", "Error parsing", "For input string"} {
		if strings.HasPrefix(e.Message, own) {
			return e.Message
		}
	}
	if strings.HasPrefix(e.Key, "group.") {
		return e.Message
	}
	return "requirement failed: " + e.Message
}

// With is the configuration with dynamic ones laid over it. Its typed fields stay those of the file: it is to be asked by key.
func (c *Config) With(dynamic Dynamic) *Config {
	next := *c
	next.source.values = maps.Clone(c.source.values)
	for _, layer := range []map[string]string{dynamic.Default, dynamic.Broker} {
		for _, key := range slices.Sorted(maps.Keys(layer)) {
			d, ok := Brokers().Lookup(key)
			if !ok || d.Mode == ReadOnly {
				continue
			}
			value, err := d.parse(layer[key])
			if err != nil {
				continue // it was checked when it was set; what another version let in is not in force
			}
			for _, synonym := range brokerSynonyms(key) {
				if other, ok := Brokers().Lookup(synonym); ok && other.standard == nil {
					delete(next.source.values, synonym)
				}
			}
			next.source.values[key] = value
		}
	}
	return &next
}

// Running is what a server takes up of its dynamic configuration while it runs, beside what topics have of it.
type Running struct {
	MaxConnections            int32
	MaxConnectionsPerIP       int32
	MaxConnectionsPerIPFor    map[string]int
	MaxConnectionCreationRate int32
	ProducerIDExpiration      time.Duration
}

// Running is the file's configuration with the dynamic one laid over it.
func (c *Config) Running(dynamic Dynamic) (Running, error) {
	next := c.With(dynamic)
	if err := next.checkConnectionLimits(); err != nil {
		return Running{}, err
	}
	return Running{
		MaxConnections: next.int32("max.connections"), MaxConnectionsPerIP: next.int32("max.connections.per.ip"),
		MaxConnectionsPerIPFor: next.Socket.MaxConnectionsPerIPFor, MaxConnectionCreationRate: next.int32("max.connection.creation.rate"),
		ProducerIDExpiration: next.ms("producer.id.expiration.ms"),
	}, nil
}

// CordonedLogDirs is cordoned.log.dirs: the directories that take no new partitions, or "*" for all of them.
func (c *Config) CordonedLogDirs(dynamic Dynamic) []string {
	list, _ := c.dynamicValue(dynamic, "cordoned.log.dirs").([]string)
	return list
}

// checkDynamicKeys holds the keys alone against the table.
func checkDynamicKeys(wanted map[string]string, perBroker bool) error {
	var static, secret, single []string
	for key := range wanted {
		d, known := Brokers().Lookup(key)
		base, scoped := listenerKey(key)
		switch {
		case known && d.Mode == ReadOnly:
			static = append(static, key)
		case known && slices.Contains(listenerSecurityKeys(), key):
			secret = append(secret, key)
		}
		if known && d.Mode == PerBroker || scoped && !slices.Contains([]string{"max.connections", "max.connection.creation.rate", "num.network.threads"}, base) {
			single = append(single, key)
		}
	}
	if len(static) > 0 {
		return &InvalidError{Message: "Cannot update these configs dynamically: " + javaSet(static)}
	}
	if len(secret) > 0 {
		return &InvalidError{Message: "These security configs can be dynamically updated only per-listener using the listener prefix: " + javaSet(secret)}
	}
	plain := make(map[string]string, len(wanted))
	for key, value := range wanted {
		plain[baseKey(key)] = value
	}
	if _, err := Brokers().Parse(plain); err != nil {
		return err
	}
	if len(single) > 0 && !perBroker {
		return &InvalidError{Message: "Cannot update these configs at default cluster level, broker id must be specified: " + javaSet(single)}
	}
	return nil
}

// javaSet prints keys as a java.util.HashSet of them prints itself.
func javaSet(keys []string) string {
	slices.Sort(keys)
	return "[" + strings.Join(javaOrder(keys, len(keys)), ", ") + "]"
}

// listenerSecurityKeys can only be changed for one listener.
func listenerSecurityKeys() []string {
	return []string{
		"ssl.keystore.type", "ssl.keystore.location", "ssl.keystore.password", "ssl.key.password", "ssl.truststore.type",
		"ssl.truststore.location", "ssl.truststore.password", "ssl.keystore.certificate.chain", "ssl.keystore.key", "ssl.truststore.certificates",
	}
}

// checkDirectories holds cordoned.log.dirs against the directories there are.
func (c *Config) checkDirectories() error {
	cordoned := c.list("cordoned.log.dirs")
	if slices.Contains(cordoned, "*") {
		if len(cordoned) > 1 {
			return &InvalidError{Message: "requirement failed: When cordoned.log.dirs is set to *, it must not contain other values"}
		}
		return nil
	}
	unknown := slices.DeleteFunc(slices.Clone(cordoned), func(dir string) bool { return slices.Contains(c.LogDirs, dir) })
	if len(unknown) > 0 {
		return &InvalidError{Message: "requirement failed: All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries : " +
			strings.Join(unknown, ", ")}
	}
	return nil
}

// checkChange tells what a running broker cannot change into.
func (c *Config) checkChange(before *Config) error {
	for _, key := range []string{"num.io.threads", "num.network.threads", "num.replica.fetchers", "num.recovery.threads.per.data.dir", "background.threads"} {
		if err := checkThreads(key, before.int64(key), c.int64(key)); err != nil {
			return err
		}
	}
	switch old, threads := before.int64("log.cleaner.threads"), c.int64("log.cleaner.threads"); {
	case threads < 1:
		return &InvalidError{Message: "Log cleaner threads should be at least 1"}
	case threads < old/2:
		return &InvalidError{Message: fmt.Sprintf("Log cleaner threads cannot be reduced to less than half the current value %d", old)}
	case threads > old*2:
		return &InvalidError{Message: fmt.Sprintf("Log cleaner threads cannot be increased to more than double the current value %d", old)}
	}
	if err := checkLocal("ms", "log.retention.ms", c.retentionMs(), c.int64("log.local.retention.ms")); err != nil {
		return err
	}
	if err := checkLocal("bytes", "log.retention.bytes", c.int64("log.retention.bytes"), c.int64("log.local.retention.bytes")); err != nil {
		return err
	}
	for _, key := range []string{"listeners", "listener.security.protocol.map", "metric.reporters"} {
		if !slices.Equal(before.list(key), c.list(key)) || before.text(key) != c.text(key) {
			return &InvalidError{Message: key + " cannot change while this server runs"}
		}
	}
	return nil
}

func checkThreads(key string, old, threads int64) error {
	failed := func(why string) error {
		return &InvalidError{Message: fmt.Sprintf("Dynamic thread count update validation failed for %s=%d, %s", key, threads, why)}
	}
	switch {
	case threads == old:
		return nil
	case threads <= 0:
		return failed("value should be at least 1")
	case threads < old/2:
		return failed(fmt.Sprintf("value should be at least half the current value %d", old))
	case threads > old*2:
		return failed(fmt.Sprintf("value should not be greater than double the current value %d", old))
	}
	return nil
}

// checkLocal holds the local retention against the whole one.
func checkLocal(unit, key string, whole, local int64) error {
	name := "log.local.retention." + unit
	switch {
	case whole < 0 || local == -2:
		return nil
	case local == -1:
		return invalid(name, "-1", fmt.Sprintf("Value must not be -1 as %s value is set as %d.", key, whole))
	case local > whole:
		return invalid(name, formatValue(local), fmt.Sprintf("Value must not be more than %s property value: %d", key, whole))
	}
	return nil
}

// DescribeClientMetrics returns the entries that DescribeConfigs answers for a subscription to clients' metrics.
func (c *Config) DescribeClientMetrics(given map[string]string, keys []string) []Entry {
	entries := c.describeScope(ClientMetrics(), SourceClientMetrics, Dynamic{}, given, keys)
	return entries
}
