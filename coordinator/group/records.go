package group

import (
	"bytes"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator"
)

// The keys' versions are the records' types.
const (
	typeLegacyOffset int16 = 0
	typeOffset       int16 = 1
	typeGroup        int16 = 2
)

// What Apache Kafka 4.3 writes: offsets with topic ids, except where an old
// client gave a retention of its own, which only version 1 can hold.
const (
	groupValueVersion        int16 = 3
	offsetValueVersion       int16 = 4
	offsetValueVersionOld    int16 = 3
	offsetValueVersionExpire int16 = 1
	maxGroupValueVersion     int16 = 4
	maxOffsetValueVersion    int16 = 4

	// levelFlexibleOffsets is the metadata.version (3.5-IV0) whose servers all read
	// version 4 of an offset's value (KIP-915).
	levelFlexibleOffsets int16 = 9
)

// none stands for a timestamp, epoch or retention that was not given.
const none = -1

// offset is a committed offset.
type offset struct {
	offset      int64
	leaderEpoch int32
	metadata    string
	// committed and expires are timestamps in milliseconds; expires is −1 where
	// the configured retention holds.
	committed int64
	expires   int64
	topicID   [16]byte
	// recordOffset is where in the log it is.
	recordOffset int64
}

func appendOffsetKey(dst []byte, group, topic string, partition int32) []byte {
	key := kmsg.NewOffsetCommitKey()
	key.Version, key.Group, key.Topic, key.Partition = typeOffset, group, topic, partition
	return key.AppendTo(dst)
}

func offsetTombstone(group, topic string, partition int32) coordinator.Record {
	return coordinator.Record{Key: appendOffsetKey(nil, group, topic, partition)}
}

func offsetRecord(group, topic string, partition int32, o offset) coordinator.Record {
	return offsetRecordAt(math.MaxInt16, group, topic, partition, o)
}

// offsetRecordAt is the record of an offset at a level of metadata.version: a
// server of a lower level than levelFlexibleOffsets may not read what is newer.
func offsetRecordAt(level int16, group, topic string, partition int32, o offset) coordinator.Record {
	value := kmsg.NewOffsetCommitValue()
	value.Version = offsetValueVersion
	if level < levelFlexibleOffsets {
		value.Version = offsetValueVersionOld
	}
	if o.expires != none {
		value.Version = offsetValueVersionExpire
	}
	value.Offset, value.LeaderEpoch, value.Metadata = o.offset, o.leaderEpoch, o.metadata
	value.CommitTimestamp, value.ExpireTimestamp, value.TopicID = o.committed, o.expires, o.topicID
	// One piece of memory holds both: the key's strings, the value's, and some room for their numbers.
	both := appendOffsetKey(make([]byte, 0, 72+len(group)+len(topic)+len(o.metadata)), group, topic, partition)
	n := len(both)
	both = value.AppendTo(both)
	return coordinator.Record{Key: both[:n:n], Value: both[n:]}
}

// decodeOffset is false for what is no offset of a known version.
func decodeOffset(recordOffset int64, encoded []byte) (offset, bool) {
	value := kmsg.NewOffsetCommitValue()
	if version(encoded) < 0 || version(encoded) > maxOffsetValueVersion || value.ReadFrom(encoded) != nil {
		return offset{}, false
	}
	o := offset{
		offset: value.Offset, leaderEpoch: none, metadata: value.Metadata, committed: value.CommitTimestamp,
		expires: none, topicID: value.TopicID, recordOffset: recordOffset,
	}
	if value.Version == offsetValueVersionExpire && value.ExpireTimestamp >= 0 {
		o.expires = value.ExpireTimestamp
	}
	if value.Version >= 3 && value.LeaderEpoch >= 0 {
		o.leaderEpoch = value.LeaderEpoch
	}
	return o, true
}

func groupKey(group string) []byte {
	key := kmsg.NewGroupMetadataKey()
	key.Version, key.Group = typeGroup, group
	return key.AppendTo(nil)
}

func groupTombstone(group string) coordinator.Record {
	return coordinator.Record{Key: groupKey(group)}
}

// emptyGroupRecord makes a group known that has nothing yet.
func emptyGroupRecord(g *classic) coordinator.Record {
	value := kmsg.NewGroupMetadataValue()
	value.Version, value.CurrentStateTimestamp = groupValueVersion, g.since
	return coordinator.Record{Key: groupKey(g.id), Value: value.AppendTo(nil)}
}

// groupRecord is the group with the given assignment.
func groupRecord(g *classic, assignment map[string][]byte) coordinator.Record {
	value := kmsg.NewGroupMetadataValue()
	value.Version, value.CurrentStateTimestamp = groupValueVersion, g.since
	value.ProtocolType, value.Generation, value.Protocol = g.protocolType, g.generation, g.protocol
	if g.leader != "" {
		value.Leader = &g.leader
	}
	for _, m := range g.all() {
		if g.protocol == nil {
			panic("BUG: a group with members and no protocol is written: " + g.id)
		}
		encoded := kmsg.NewGroupMetadataValueMember()
		encoded.MemberID, encoded.InstanceID = m.id, m.instance
		encoded.ClientID, encoded.ClientHost = m.clientID, m.clientHost
		encoded.RebalanceTimeoutMillis = int32(m.rebalanceTimeout.Milliseconds())
		encoded.SessionTimeoutMillis = int32(m.sessionTimeout.Milliseconds())
		encoded.Subscription = notNil(m.metadata(*g.protocol))
		encoded.Assignment = notNil(assignment[m.id])
		value.Members = append(value.Members, encoded)
	}
	return coordinator.Record{Key: groupKey(g.id), Value: value.AppendTo(nil)}
}

// decodeGroup makes a group from its record; false for what cannot be one.
func decodeGroup(id string, encoded []byte) (*classic, bool) {
	value := kmsg.NewGroupMetadataValue()
	if version(encoded) < 0 || version(encoded) > maxGroupValueVersion || value.ReadFrom(encoded) != nil {
		return nil, false
	}
	g := newClassic(id, time.UnixMilli(none))
	g.generation, g.protocolType, g.protocol = value.Generation, value.ProtocolType, value.Protocol
	if value.Version >= 2 {
		g.since = value.CurrentStateTimestamp
	}
	if value.Leader != nil {
		g.leader = *value.Leader
	}
	if len(value.Members) == 0 {
		g.leader = ""
		g.subscribed = g.subscriptions()
		return g, true
	}
	g.state = stable
	for i := range value.Members {
		if !g.addDecoded(&value.Members[i]) {
			return nil, false
		}
	}
	if g.members[g.leader] == nil {
		g.leader = g.order[0]
	}
	g.subscribed = g.subscriptions()
	return g, true
}

func (g *classic) addDecoded(encoded *kmsg.GroupMetadataValueMember) bool {
	rebalance := encoded.RebalanceTimeoutMillis
	if rebalance < 0 {
		rebalance = encoded.SessionTimeoutMillis
	}
	if g.members[encoded.MemberID] != nil {
		return false
	}
	if encoded.InstanceID != nil {
		if _, twice := g.statics[*encoded.InstanceID]; twice {
			return false
		}
	}
	name := ""
	if g.protocol != nil {
		name = *g.protocol
	} else {
		g.protocol = &name
	}
	g.add(&member{
		id: encoded.MemberID, instance: encoded.InstanceID,
		clientID: encoded.ClientID, clientHost: encoded.ClientHost, protocolType: g.protocolType,
		protocols:        []protocol{{name: name, metadata: bytes.Clone(encoded.Subscription)}},
		assignment:       bytes.Clone(encoded.Assignment),
		rebalanceTimeout: milliseconds(rebalance), sessionTimeout: milliseconds(encoded.SessionTimeoutMillis),
	}, nil)
	return true
}

// version is the number that a key or a value begins with; −1 without one.
func version(encoded []byte) int16 {
	if len(encoded) < 2 {
		return none
	}
	return int16(encoded[0])<<8 | int16(encoded[1])
}

func milliseconds(count int32) time.Duration { return time.Duration(count) * time.Millisecond }

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
