package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator"
)

// rebalanceOrComplete begins a rebalance, or ends the join phase of the one that
// is under way if this was what it waited for.
func (m *Machine) rebalanceOrComplete(g *classic) coordinator.Result {
	if g.canRebalance() {
		return m.prepareRebalance(g)
	}
	return m.completeJoinIfAll(g)
}

// completeJoinIfAll ends the join phase if all have joined, except in the first
// rebalance of an empty group: that one waits for its delay.
func (m *Machine) completeJoinIfAll(g *classic) coordinator.Result {
	if g.state != preparingRebalance || g.previous == empty || !g.allJoined() {
		return coordinator.Result{}
	}
	return m.completeJoin(g)
}

// prepareRebalance asks all members to join again.
func (m *Machine) prepareRebalance(g *classic) coordinator.Result {
	if g.state == completingRebalance {
		m.assign(g, nil, kerr.RebalanceInProgress)
	}
	m.endSyncPhase(g)
	initial := g.state == empty
	if initial {
		delay := m.config.InitialRebalanceDelay
		m.delayInitialRebalance(g.id, delay, max(g.rebalanceTimeout()-delay, 0))
	}
	g.to(preparingRebalance, m.now())
	if initial {
		return coordinator.Result{}
	}
	if g.allJoined() {
		return m.completeJoin(g)
	}
	m.completeJoinLater(g)
	return coordinator.Result{}
}

// completeJoinLater ends the join phase after the rebalance timeout.
func (m *Machine) completeJoinLater(g *classic) {
	id := g.id
	m.timers.Schedule(joinKey(id), g.rebalanceTimeout(), func() coordinator.Result {
		if g := m.groups[id]; g != nil {
			return m.completeJoin(g)
		}
		return coordinator.Result{}
	})
}

// delayInitialRebalance waits for more members, again after each that came, but
// no longer than the rebalance timeout in all.
func (m *Machine) delayInitialRebalance(id string, delay, remaining time.Duration) {
	m.timers.Schedule(joinKey(id), delay, func() coordinator.Result {
		g := m.groups[id]
		if g == nil {
			return coordinator.Result{}
		}
		if !g.newMember || remaining == 0 {
			return m.completeJoin(g)
		}
		g.newMember = false
		m.delayInitialRebalance(id, min(m.config.InitialRebalanceDelay, remaining), max(remaining-delay, 0))
		return coordinator.Result{}
	})
}

// completeJoin ends the join phase: members that have not come back are out,
// static ones apart, and the others get the new generation.
func (m *Machine) completeJoin(g *classic) coordinator.Result {
	m.timers.Cancel(joinKey(g.id))
	for _, member := range g.all() {
		if member.join == nil && member.instance == nil {
			m.timers.Cancel(heartbeatKey(g.id, member.id))
			g.remove(member.id)
		}
	}
	if g.state == dead {
		return coordinator.Result{}
	}
	if !g.electJoinedLeader() && len(g.members) > 0 {
		// Only static members are left and none of them is here: their sessions
		// decide, not this rebalance.
		m.completeJoinLater(g)
		return coordinator.Result{}
	}
	g.nextGeneration(m.now())
	if g.state == empty {
		// If this cannot be written, a restart finds the last generation, whose
		// members then time out: nothing has to be taken back.
		return coordinator.Result{Records: []coordinator.Record{groupRecord(g, nil)}, Soft: true}
	}
	for _, member := range g.all() {
		g.answerJoin(member, m.joined(g, member.id))
		m.expectHeartbeat(g, member)
		member.fresh = false
		g.pendingSync[member.id] = struct{}{}
	}
	m.expectSyncs(g)
	return coordinator.Result{}
}

// joined tells a member of the current generation, and its leader of all members.
func (m *Machine) joined(g *classic, memberID string) *kmsg.JoinGroupResponse {
	response := kmsg.NewPtrJoinGroupResponse()
	response.MemberID, response.Generation, response.LeaderID = memberID, g.generation, g.leader
	response.Protocol = g.protocol
	if g.protocolType != "" {
		response.ProtocolType = kmsg.StringPtr(g.protocolType)
	}
	if g.leader == memberID {
		response.Members = joinedMembers(g)
	}
	return response
}

func joinedMembers(g *classic) []kmsg.JoinGroupResponseMember {
	members := make([]kmsg.JoinGroupResponseMember, 0, len(g.members))
	for _, member := range g.all() {
		joined := kmsg.NewJoinGroupResponseMember()
		joined.MemberID, joined.InstanceID = member.id, member.instance
		joined.ProtocolMetadata = notNil(member.metadata(*g.protocol))
		members = append(members, joined)
	}
	return members
}

// expectSyncs gives the members one rebalance timeout for their SyncGroup.
func (m *Machine) expectSyncs(g *classic) {
	id, generation := g.id, g.generation
	m.timers.Schedule(syncKey(id), g.rebalanceTimeout(), func() coordinator.Result {
		return m.expireSyncs(id, generation)
	})
}

// expireSyncs removes the members that have joined and not synced.
func (m *Machine) expireSyncs(id string, generation int32) coordinator.Result {
	g := m.groups[id]
	if g == nil || g.generation != generation || !g.in(completingRebalance, stable) || len(g.pendingSync) == 0 {
		return coordinator.Result{}
	}
	for _, memberID := range sortedKeys(g.pendingSync) {
		g.remove(memberID)
		m.timers.Cancel(heartbeatKey(id, memberID))
	}
	return m.prepareRebalance(g)
}

func (m *Machine) endSyncPhase(g *classic) {
	clear(g.pendingSync)
	m.timers.Cancel(syncKey(g.id))
}

// synced takes a member off those that are waited for.
func (m *Machine) synced(g *classic, memberID string) {
	delete(g.pendingSync, memberID)
	if len(g.pendingSync) == 0 {
		m.timers.Cancel(syncKey(g.id))
	}
}

// assign sets the members' assignments, empty ones after a failure, and answers
// those who wait for theirs.
func (m *Machine) assign(g *classic, assignment map[string][]byte, failure *kerr.Error) {
	for _, member := range g.all() {
		member.assignment = notNil(assignment[member.id])
		response := m.assigned(g, member)
		if failure != nil {
			response = syncError(failure)
		}
		if g.answerSync(member, response) {
			// While a member waited, its session's end was ignored: it starts anew.
			m.expectHeartbeat(g, member)
		}
	}
}

// assigned tells a member its assignment.
func (m *Machine) assigned(g *classic, member *member) *kmsg.SyncGroupResponse {
	response := kmsg.NewPtrSyncGroupResponse()
	response.Protocol = g.protocol
	if g.protocolType != "" {
		response.ProtocolType = kmsg.StringPtr(g.protocolType)
	}
	response.MemberAssignment = notNil(member.assignment)
	return response
}
