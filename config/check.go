package config

import (
	"fmt"
	"regexp"
	"slices"
)

// refuse stops the start where a key asks for a protection that is not there yet.
func (c *Config) refuse() error {
	for _, key := range inOrder(c.source.settings) {
		s := c.source.settings[key]
		if key == "super.users" && trim(s.raw) != "" {
			return c.fail(key, "authorization is not supported yet; starting without it would leave the server open", "no super.users")
		}
		d, ok := Brokers().Lookup(baseKey(key))
		if !ok || d.Effect != Refused || c.isDefault(key, d) {
			continue
		}
		allowed := "no such key"
		if d.Default != nil {
			allowed = "its default, " + *d.Default
			if *d.Default == "" {
				allowed = "its default, nothing"
			}
		}
		return c.fail(key, "is not supported yet; starting without it would weaken "+weakened(d.Key), allowed)
	}
	return c.refuseShape()
}

func weakened(key string) string {
	if key == "remote.log.storage.system.enable" {
		return "durability"
	}
	return "security"
}

// isDefault tells whether a key was set to what its base has anyway.
func (c *Config) isDefault(key string, d *Definition) bool {
	value, ok := c.source.values[key]
	if !ok {
		return true
	}
	if d.standard == nil {
		return formatValue(value) == ""
	}
	return formatValue(value) == formatValue(d.standard)
}

// refuseShape stops the start where the file describes more than one node.
func (c *Config) refuseShape() error {
	roles := slices.Clone(c.list("process.roles"))
	slices.Sort(roles)
	if !slices.Equal(roles, []string{"broker", "controller"}) {
		return c.fail("process.roles", "a node that is only one of both is not supported yet", "broker,controller")
	}
	if c.int32("node.id") != c.int32("broker.id") {
		return c.fail("node.id", "You must set `node.id` to the same value as `broker.id`.", "")
	}
	if c.LogDirs = c.list("log.dirs"); c.LogDirs == nil {
		c.LogDirs = c.list("log.dir")
	}
	return nil
}

// checkTogether holds keys against each other, as Kafka does when it starts.
func (c *Config) checkTogether() error {
	type rule struct {
		wrong   bool
		key     string
		message string
	}
	retention := c.retentionMs()
	idle, wait := c.int64("connections.max.idle.ms"), c.int64("replica.fetch.wait.max.ms")
	rules := []rule{
		{c.first("log.roll.ms", "log.roll.hours", 3600000) < 1, c.winner("log.roll.ms", "log.roll.hours"), "log.roll.ms must be greater than or equal to 1"},
		{c.first("log.roll.jitter.ms", "log.roll.jitter.hours", 3600000) < 0, c.winner("log.roll.jitter.ms", "log.roll.jitter.hours"), "log.roll.jitter.ms must be greater than or equal to 0"},
		{retention < 1 && retention != -1, c.winner("log.retention.ms", "log.retention.minutes", "log.retention.hours"), "log.retention.ms must be unlimited (-1) or, greater than or equal to 1"},
		{c.int64("log.cleaner.dedupe.buffer.size")/max(1, c.int64("log.cleaner.threads")) <= 1024*1024, "log.cleaner.dedupe.buffer.size", "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread."},
		{wait > c.int64("replica.socket.timeout.ms"), "replica.fetch.wait.max.ms", "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent unnecessary socket timeouts"},
		{wait > c.int64("replica.lag.time.max.ms"), "replica.fetch.wait.max.ms", "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to prevent frequent changes in ISR"},
		{c.int64("queued.max.request.bytes") > 0 && c.int64("queued.max.request.bytes") < c.int64("socket.request.max.bytes"), "queued.max.request.bytes", "queued.max.request.bytes must be larger or equal to socket.request.max.bytes"},
		{idle >= 0 && c.int64("connection.failed.authentication.delay.ms") >= idle, "connections.max.idle.ms", fmt.Sprintf("connection.failed.authentication.delay.ms=%d should always be less than connections.max.idle.ms=%d to prevent failed authentication responses from timing out", c.int64("connection.failed.authentication.delay.ms"), idle)},
		{!slices.Contains(c.list("group.coordinator.rebalance.protocols"), "classic"), "group.coordinator.rebalance.protocols", "Disabling the 'classic' protocol is not supported."},
		{len(c.list("group.share.assignors")) != 1, "group.share.assignors", fmt.Sprintf("group.share.assignors must contain exactly one assignor, but found %d", len(c.list("group.share.assignors")))},
		{c.int64("log.cleaner.min.compaction.lag.ms") > c.int64("log.cleaner.max.compaction.lag.ms"), "log.cleaner.min.compaction.lag.ms", fmt.Sprintf("conflict topic config setting min.compaction.lag.ms (%d) > max.compaction.lag.ms (%d)", c.int64("log.cleaner.min.compaction.lag.ms"), c.int64("log.cleaner.max.compaction.lag.ms"))},
	}
	for _, r := range rules {
		if r.wrong {
			return c.fail(r.key, r.message, "")
		}
	}
	if err := c.checkOrder(); err != nil {
		return err
	}
	return c.checkConnectionLimits()
}

// checkOrder holds each least, usual and greatest of the groups' keys in that order.
func (c *Config) checkOrder() error {
	type ordered struct {
		low, high string
		less      bool // Kafka says it of the lower one
	}
	var pairs []ordered
	for _, kind := range []string{"consumer", "share", "streams"} {
		for _, what := range []string{"heartbeat.interval.ms", "session.timeout.ms", "assignment.interval.ms"} {
			low, usual, high := "group."+kind+".min."+what, "group."+kind+"."+what, "group."+kind+".max."+what
			pairs = append(pairs, ordered{low, high, false}, ordered{low, usual, false}, ordered{usual, high, true})
		}
	}
	for _, what := range []string{"delivery.count.limit", "partition.max.record.locks", "record.lock.duration.ms"} {
		low, usual, high := "group.share.min."+what, "group.share."+what, "group.share.max."+what
		pairs = append(pairs, ordered{usual, high, false}, ordered{low, usual, false})
	}
	pairs = append(pairs, ordered{"group.share.max.size", "group.share.max.share.sessions", false},
		ordered{"group.streams.num.standby.replicas", "group.streams.max.standby.replicas", true})
	for _, p := range pairs {
		if c.int64(p.low) > c.int64(p.high) {
			message := p.high + " must be greater than or equal to " + p.low
			if p.less {
				message = p.low + " must be less than or equal to " + p.high
			}
			return c.fail(c.given(p.high, p.low), message, "")
		}
	}
	for _, kind := range []string{"consumer", "share", "streams"} {
		beat, session := "group."+kind+".heartbeat.interval.ms", "group."+kind+".session.timeout.ms"
		if c.int64(beat) >= c.int64(session) {
			return c.fail(c.given(beat, session), beat+" must be less than "+session, "")
		}
	}
	return nil
}

func (c *Config) checkConnectionLimits() error {
	const key = "max.connections.per.ip.overrides"
	text, _ := c.Get(key)
	limits, err := parseLimits(text)
	if err != nil {
		return c.fail(key, err.Error(), "{host}:{number},…")
	}
	if c.int64("max.connections.per.ip") == 0 && len(limits) == 0 {
		return c.fail("max.connections.per.ip", "max.connections.per.ip can be set to zero only if "+key+" property is set.", "")
	}
	c.Socket.MaxConnectionsPerIPFor = limits
	return nil
}

func parseLimits(text string) (map[string]int, error) {
	const key = "max.connections.per.ip.overrides"
	pairs, err := parsePairs(key, text)
	if err != nil {
		return nil, err
	}
	host := regexp.MustCompile(`^[0-9a-zA-Z\-%._:]*$`)
	limits := map[string]int{}
	for _, p := range pairs {
		n, err := parseInteger(p[1], 32)
		if err != nil {
			return nil, &InvalidError{Message: `For input string: "` + p[1] + `"`}
		}
		if !host.MatchString(p[0]) {
			return nil, &InvalidError{Message: key + " contains invalid addresses : " + p[0]}
		}
		limits[p[0]] = int(n.(int64))
	}
	return limits, nil
}

// given is the first of the keys that was set, or the first.
func (c *Config) given(keys ...string) string {
	for _, key := range keys {
		if _, ok := c.source.settings[key]; ok {
			return key
		}
	}
	return keys[0]
}

// winner is the first of the keys that has a value, or the last.
func (c *Config) winner(keys ...string) string {
	for _, key := range keys {
		if _, ok := c.source.values[key]; ok {
			return key
		}
	}
	return keys[len(keys)-1]
}
