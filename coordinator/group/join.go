package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator"
)

// joining is a JoinGroup request as the machine sees it.
type joining struct {
	RequestContext
	version          int16
	group            string
	memberID         string
	instance         *string
	protocolType     string
	protocols        []protocol
	rebalanceTimeout time.Duration
	sessionTimeout   time.Duration
	reply            joinReply
}

func newJoining(c RequestContext, request *kmsg.JoinGroupRequest, reply joinReply) *joining {
	j := &joining{
		RequestContext: c, version: request.Version, group: request.Group, memberID: request.MemberID,
		instance: request.InstanceID, protocolType: request.ProtocolType, reply: reply,
		rebalanceTimeout: milliseconds(request.RebalanceTimeoutMillis),
		sessionTimeout:   milliseconds(request.SessionTimeoutMillis),
	}
	if request.Version == 0 {
		j.rebalanceTimeout = j.sessionTimeout
	}
	for _, p := range request.Protocols {
		j.protocols = append(j.protocols, protocol{name: p.Name, metadata: p.Metadata})
	}
	return j
}

// JoinGroup adds a member or brings one back. The answer may come much later,
// when the join phase ends. A group is created for a member without an id alone.
// The machine keeps the request's bytes.
func (m *Machine) JoinGroup(c RequestContext, request *kmsg.JoinGroupRequest, reply func(*kmsg.JoinGroupResponse)) coordinator.Result {
	j := newJoining(c, request, reply)
	g := m.groups[j.group]
	created := false
	if g == nil {
		if j.memberID != "" {
			reply(joinError(j.memberID, kerr.UnknownMemberID))
			return coordinator.Result{}
		}
		g = newClassic(j.group, m.now())
		m.groups[j.group] = g
		created = true
	}
	var result coordinator.Result
	switch {
	case !m.accepts(g, j.memberID):
		g.remove(j.memberID)
		reply(joinError("", kerr.GroupMaxSizeReached))
	case j.memberID == "":
		result = m.joinNew(g, j)
	default:
		result = m.joinExisting(g, j)
	}
	if created && len(result.Records) == 0 {
		return m.storeNew(g, j)
	}
	return result
}

// storeNew writes a group that was just created. If that fails the group goes
// again, and its members with it.
func (m *Machine) storeNew(g *classic, j *joining) coordinator.Result {
	return coordinator.Result{
		Records: []coordinator.Record{emptyGroupRecord(g)},
		Soft:    true,
		Done: func(failure *kerr.Error) {
			if failure == nil || m.groups[g.id] != g {
				return
			}
			for _, member := range g.all() {
				m.timers.Cancel(heartbeatKey(g.id, member.id))
				g.answerJoin(member, joinError("", storeError(failure)))
			}
			m.timers.Cancel(joinKey(g.id))
			m.timers.Cancel(syncKey(g.id))
			delete(m.groups, g.id)
		},
	}
}

// accepts tells whether the group has room. While it rebalances only those
// count that have come back: so a group that was too large gets rid of the last.
func (m *Machine) accepts(g *classic, memberID string) bool {
	member := g.members[memberID]
	switch g.state {
	case preparingRebalance:
		return member != nil && member.join != nil || g.awaitingJoin < m.config.MaxSize
	case completingRebalance, stable:
		return member != nil || len(g.members) < m.config.MaxSize
	}
	return true
}

func (m *Machine) joinNew(g *classic, j *joining) coordinator.Result {
	if g.state == dead {
		j.reply(joinError("", kerr.CoordinatorNotAvailable))
		return coordinator.Result{}
	}
	if !g.knows(j.protocolType, j.protocols) {
		j.reply(joinError("", kerr.InconsistentGroupProtocol))
		return coordinator.Result{}
	}
	newID := m.memberID(j.ClientID, j.instance)
	if j.instance != nil {
		if oldID, ok := g.statics[*j.instance]; ok {
			return m.joinStaticAgain(g, j, oldID, newID)
		}
		return m.addMember(g, j, newID)
	}
	if j.version < 4 {
		return m.addMember(g, j, newID)
	}
	// From v4 on a member must come back with the id it was given, so that
	// clients that gave up meanwhile leave nothing behind (KIP-394).
	g.pendingJoin[newID] = struct{}{}
	m.expectWithin(g, newID, j.sessionTimeout)
	j.reply(joinError(newID, kerr.MemberIDRequired))
	return coordinator.Result{}
}

func (m *Machine) joinExisting(g *classic, j *joining) coordinator.Result {
	refuse := func(failure *kerr.Error) coordinator.Result {
		j.reply(joinError(j.memberID, failure))
		return coordinator.Result{}
	}
	if g.state == dead {
		return refuse(kerr.CoordinatorNotAvailable)
	}
	if !g.knows(j.protocolType, j.protocols) {
		return refuse(kerr.InconsistentGroupProtocol)
	}
	if _, pending := g.pendingJoin[j.memberID]; pending {
		if j.instance != nil {
			return refuse(kerr.UnknownServerError)
		}
		return m.addMember(g, j, j.memberID)
	}
	if failure := g.validate(j.memberID, j.instance); failure != nil {
		return refuse(failure)
	}
	member := g.members[j.memberID]
	switch g.state {
	case preparingRebalance:
		return m.joinAgain(g, member, j)
	case completingRebalance:
		// With nothing changed, the answer was probably lost: it is given again.
		if !member.matches(j.protocols) {
			return m.joinAgain(g, member, j)
		}
	case stable:
		// A leader that joins wants a rebalance: what it assigns may have changed.
		if g.leader == j.memberID || !member.matches(j.protocols) {
			return m.joinAgain(g, member, j)
		}
	default:
		return refuse(kerr.UnknownMemberID)
	}
	j.reply(m.joined(g, j.memberID))
	return coordinator.Result{}
}

// joinAgain takes what the member says now, and rebalances.
func (m *Machine) joinAgain(g *classic, member *member, j *joining) coordinator.Result {
	g.update(member, j.protocols, j.rebalanceTimeout, j.sessionTimeout, j.reply)
	return m.rebalanceOrComplete(g)
}

func (m *Machine) addMember(g *classic, j *joining, memberID string) coordinator.Result {
	if g.state == preparingRebalance && g.previous == empty {
		g.newMember = true
	}
	g.add(&member{
		id: memberID, instance: j.instance, clientID: j.ClientID, clientHost: j.ClientHost,
		protocolType: j.protocolType, protocols: j.protocols, assignment: []byte{},
		rebalanceTimeout: j.rebalanceTimeout, sessionTimeout: j.sessionTimeout, fresh: true,
	}, j.reply)
	m.expectWithin(g, memberID, newMemberTimeout)
	return m.rebalanceOrComplete(g)
}

// joinStaticAgain lets a static member that has restarted take its place under a
// new id. In a stable group nothing else changes if the protocol stays (KIP-345).
func (m *Machine) joinStaticAgain(g *classic, j *joining, oldID, newID string) coordinator.Result {
	leader := g.leader
	member := g.replaceStatic(*j.instance, oldID, newID)
	m.expectHeartbeat(g, member)
	before := *member
	g.update(member, j.protocols, j.rebalanceTimeout, j.sessionTimeout, j.reply)
	switch g.state {
	case stable:
		if g.protocol == nil || *g.protocol != g.elect() {
			return m.rebalanceOrComplete(g)
		}
		return m.storeReplaced(g, j, &before, oldID, newID, leader)
	case completingRebalance:
		// The leader may be assigning to the old id right now.
		return m.prepareRebalance(g)
	}
	return m.completeJoinIfAll(g)
}

// storeReplaced writes the group with the new id and answers then. If it cannot
// be written, the member gets its old id back.
func (m *Machine) storeReplaced(g *classic, j *joining, before *member, oldID, newID, leader string) coordinator.Result {
	assignment := map[string][]byte{}
	for _, member := range g.all() {
		assignment[member.id] = member.assignment
	}
	done := func(failure *kerr.Error) {
		member := g.members[newID]
		if member == nil {
			return
		}
		if failure == nil {
			g.answerJoin(member, m.replaced(g, j.version, newID, leader))
			return
		}
		response := m.joined(g, newID)
		response.MemberID, response.LeaderID, response.Members = "", leader, nil
		response.ErrorCode = storeError(failure).Code
		g.answerJoin(member, response)
		g.update(member, before.protocols, before.rebalanceTimeout, before.sessionTimeout, nil)
		m.expectHeartbeat(g, g.replaceStatic(*j.instance, newID, oldID))
	}
	return coordinator.Result{Records: []coordinator.Record{groupRecord(g, assignment)}, Soft: true, Done: done}
}

// replaced is the answer to a static member that took its place in a stable
// group. A leader must not assign now: from v9 on it is told so, before that it
// is shown its old id as the leader's, and thinks that another one leads.
func (m *Machine) replaced(g *classic, version int16, newID, leader string) *kmsg.JoinGroupResponse {
	response := m.joined(g, newID)
	if version >= 9 {
		response.SkipAssignment = g.leader == newID
		return response
	}
	response.LeaderID, response.Members = leader, nil
	return response
}
