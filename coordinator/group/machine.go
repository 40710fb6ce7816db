package group

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator"
)

// newMemberTimeout is how long a new member's first JoinGroup may wait: its
// client cannot heartbeat yet, and one that has gone would stay for ever.
const newMemberTimeout = 5 * time.Minute

// expirationKey is the timer of the search for expired offsets.
const expirationKey = "expire-group-metadata"

// Machine is the groups and offsets of one partition of __consumer_offsets.
type Machine struct {
	config Config
	now    func() time.Time
	newID  func() [16]byte
	timers coordinator.Timers

	groups  map[string]*classic
	offsets offsetStore
	// pending are the offsets of open transactions, by producer id.
	pending map[int64]offsetStore
}

// NewMachine makes a machine without groups. newID gives random bits for member ids.
func NewMachine(config Config, now func() time.Time, newID func() [16]byte, timers coordinator.Timers) *Machine {
	return &Machine{
		config: config, now: now, newID: newID, timers: timers,
		groups: map[string]*classic{}, offsets: offsetStore{}, pending: map[int64]offsetStore{},
	}
}

// offsetRecord is the record of an offset at the cluster's level.
func (m *Machine) offsetRecord(group, topic string, partition int32, o offset) coordinator.Record {
	if m.config.MetadataVersion == nil {
		return offsetRecord(group, topic, partition, o)
	}
	return offsetRecordAt(m.config.MetadataVersion(), group, topic, partition, o)
}

// Replay implements coordinator.Machine. Records of newer kinds of groups are
// left alone: they stay in the log for a server that knows them.
func (m *Machine) Replay(replayed coordinator.Replayed) (undo func(), ok bool) {
	switch version(replayed.Key) {
	case typeLegacyOffset, typeOffset:
		key := kmsg.NewOffsetCommitKey()
		if key.ReadFrom(replayed.Key) != nil {
			return nil, false
		}
		return m.replayOffset(key.Group, key.Topic, key.Partition, replayed)
	case typeGroup:
		key := kmsg.NewGroupMetadataKey()
		if key.ReadFrom(replayed.Key) != nil {
			return nil, false
		}
		return m.replayGroup(key.Group, replayed.Value)
	}
	return nil, false
}

func (m *Machine) replayGroup(id string, value []byte) (undo func(), ok bool) {
	previous := m.groups[id]
	if value == nil {
		delete(m.groups, id)
	} else {
		g, ok := decodeGroup(id, value)
		if !ok {
			return nil, false
		}
		m.groups[id] = g
	}
	return func() { m.restore(id, previous) }, true
}

func (m *Machine) restore(id string, previous *classic) {
	if previous == nil {
		delete(m.groups, id)
	} else {
		m.groups[id] = previous
	}
}

// Loaded implements coordinator.Machine: members that were there have one
// session timeout to show that they still are.
func (m *Machine) Loaded() {
	for _, id := range slices.Sorted(maps.Keys(m.groups)) {
		g := m.groups[id]
		if m.ghost(g) {
			delete(m.groups, id)
			continue
		}
		for _, member := range g.all() {
			m.expectHeartbeat(g, member)
		}
		if len(g.members) > m.config.MaxSize {
			m.prepareRebalance(g)
		}
	}
	m.scheduleExpiration()
}

// ghost tells whether a group is what is left of a simple group whose offsets
// are all gone: to delete one, Apache Kafka before 4.0 writes tombstones of its
// offsets and none of the group.
func (m *Machine) ghost(g *classic) bool {
	if g.protocolType != "" || g.generation != 0 || len(g.members) > 0 || len(m.offsets[g.id]) > 0 {
		return false
	}
	for _, store := range m.pending {
		if len(store[g.id]) > 0 {
			return false
		}
	}
	return true
}

// Unloaded implements coordinator.Machine.
func (m *Machine) Unloaded() {
	for _, id := range slices.Sorted(maps.Keys(m.groups)) {
		g := m.groups[id]
		g.to(dead, m.now())
		for _, member := range g.all() {
			g.answerJoin(member, joinError(member.id, kerr.NotCoordinator))
			g.answerSync(member, syncError(kerr.NotCoordinator))
		}
	}
}

// expectHeartbeat gives the member another session timeout.
func (m *Machine) expectHeartbeat(g *classic, member *member) {
	m.expectWithin(g, member.id, member.sessionTimeout)
}

func (m *Machine) expectWithin(g *classic, memberID string, timeout time.Duration) {
	id := g.id
	m.timers.Schedule(heartbeatKey(id, memberID), timeout, func() coordinator.Result {
		return m.expireMember(id, memberID)
	})
}

// expireMember removes a member that has not been heard of.
func (m *Machine) expireMember(id, memberID string) coordinator.Result {
	g := m.groups[id]
	if g == nil || g.state == dead {
		return coordinator.Result{}
	}
	if _, pending := g.pendingJoin[memberID]; pending {
		g.remove(memberID)
		if g.state == preparingRebalance && g.allJoined() {
			return m.completeJoin(g)
		}
		return coordinator.Result{}
	}
	member := g.members[memberID]
	if member == nil || member.alive() {
		return coordinator.Result{}
	}
	g.remove(memberID)
	switch {
	case g.in(stable, completingRebalance):
		return m.rebalanceOrComplete(g)
	case g.state == preparingRebalance && g.allJoined():
		return m.completeJoin(g)
	}
	return coordinator.Result{}
}

// memberID makes a member's id: what the client calls itself and random bits.
func (m *Machine) memberID(clientID string, instance *string) string {
	prefix := clientID
	if instance != nil {
		prefix = *instance
	}
	id := m.newID()
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%s-%x-%x-%x-%x-%x", prefix, id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

func heartbeatKey(group, member string) string { return "heartbeat-" + group + "-" + member }
func joinKey(group string) string              { return "join-" + group }
func syncKey(group string) string              { return "sync-" + group }

func joinError(memberID string, failure *kerr.Error) *kmsg.JoinGroupResponse {
	response := kmsg.NewPtrJoinGroupResponse()
	response.MemberID, response.ErrorCode = memberID, failure.Code
	return response
}

func syncError(failure *kerr.Error) *kmsg.SyncGroupResponse {
	response := kmsg.NewPtrSyncGroupResponse()
	response.ErrorCode = failure.Code
	return response
}

// storeError is what a failure to write a group means to its members.
func storeError(failure *kerr.Error) *kerr.Error {
	switch failure {
	case kerr.UnknownTopicOrPartition, kerr.NotEnoughReplicas, kerr.RequestTimedOut:
		return kerr.CoordinatorNotAvailable
	case kerr.NotLeaderForPartition, kerr.KafkaStorageError:
		return kerr.NotCoordinator
	case kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidFetchSize:
		return kerr.UnknownServerError
	case kerr.NetworkException:
		return kerr.CoordinatorLoadInProgress
	}
	return failure
}
