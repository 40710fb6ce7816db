package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator"
)

// SyncGroup gives a member its assignment: at once in a stable group, otherwise
// when the leader's has come and is written. The machine keeps the request's bytes.
func (m *Machine) SyncGroup(request *kmsg.SyncGroupRequest, reply func(*kmsg.SyncGroupResponse)) coordinator.Result {
	g := m.groups[request.Group]
	if g == nil || g.state == empty {
		reply(syncError(kerr.UnknownMemberID))
		return coordinator.Result{}
	}
	if failure := validateSync(g, request); failure != nil {
		reply(syncError(failure))
		return coordinator.Result{}
	}
	member := g.members[request.MemberID]
	switch g.state {
	case preparingRebalance:
		reply(syncError(kerr.RebalanceInProgress))
	case completingRebalance:
		g.answerSync(member, syncError(kerr.RebalanceInProgress))
		member.sync = reply
		m.synced(g, member.id)
		if g.leader == member.id {
			return m.storeAssignment(g, request)
		}
	case stable:
		m.synced(g, member.id)
		reply(m.assigned(g, member))
	}
	return coordinator.Result{}
}

func validateSync(g *classic, request *kmsg.SyncGroupRequest) *kerr.Error {
	if g.state == dead {
		return kerr.CoordinatorNotAvailable
	}
	if failure := g.validate(request.MemberID, request.InstanceID); failure != nil {
		return failure
	}
	if request.Generation != g.generation {
		return kerr.IllegalGeneration
	}
	otherType := request.ProtocolType != nil && g.protocolType != "" && *request.ProtocolType != g.protocolType
	otherProtocol := request.Protocol != nil && g.protocol != nil && *request.Protocol != *g.protocol
	if otherType || otherProtocol {
		return kerr.InconsistentGroupProtocol
	}
	return nil
}

// storeAssignment writes the leader's assignment and makes the group stable
// with it. A rebalance that began meanwhile makes it void.
func (m *Machine) storeAssignment(g *classic, request *kmsg.SyncGroupRequest) coordinator.Result {
	assignment := map[string][]byte{}
	for _, assigned := range request.GroupAssignment {
		if g.members[assigned.MemberID] != nil {
			assignment[assigned.MemberID] = notNil(assigned.MemberAssignment)
		}
	}
	generation := g.generation
	done := func(failure *kerr.Error) {
		if m.groups[g.id] != g || g.state != completingRebalance || g.generation != generation {
			return
		}
		if failure == nil {
			m.assign(g, assignment, nil)
			g.to(stable, m.now())
			return
		}
		m.assign(g, nil, storeError(failure))
		m.rebalanceOrComplete(g)
	}
	return coordinator.Result{Records: []coordinator.Record{groupRecord(g, assignment)}, Soft: true, Done: done}
}

// Heartbeat keeps a member's session, and tells it of a rebalance.
func (m *Machine) Heartbeat(request *kmsg.HeartbeatRequest) *kerr.Error {
	g := m.groups[request.Group]
	if g == nil {
		return kerr.UnknownMemberID
	}
	if g.state == dead {
		return kerr.CoordinatorNotAvailable
	}
	if failure := g.validate(request.MemberID, request.InstanceID); failure != nil {
		return failure
	}
	if request.Generation != g.generation {
		return kerr.IllegalGeneration
	}
	m.expectHeartbeat(g, g.members[request.MemberID])
	if g.state == preparingRebalance {
		return kerr.RebalanceInProgress
	}
	return nil
}

// LeaveGroup takes members out: by member id, or a static one by its instance id
// alone, which is how an administrator does it (KIP-345).
func (m *Machine) LeaveGroup(request *kmsg.LeaveGroupRequest) (*kmsg.LeaveGroupResponse, coordinator.Result) {
	response := kmsg.NewPtrLeaveGroupResponse()
	members := leavers(request)
	g := m.groups[request.Group]
	if g != nil && g.state == dead {
		response.ErrorCode = kerr.CoordinatorNotAvailable.Code
		return response, coordinator.Result{}
	}
	left := false
	for _, leaver := range members {
		answer := kmsg.NewLeaveGroupResponseMember()
		answer.MemberID, answer.InstanceID = leaver.MemberID, leaver.InstanceID
		if failure := m.leave(g, leaver); failure != nil {
			answer.ErrorCode = failure.Code
		} else {
			left = true
		}
		response.Members = append(response.Members, answer)
	}
	if request.Version < 3 {
		response.ErrorCode = response.Members[0].ErrorCode
		response.Members = nil
	}
	if !left {
		return response, coordinator.Result{}
	}
	switch g.state {
	case stable, completingRebalance:
		return response, m.rebalanceOrComplete(g)
	case preparingRebalance:
		return response, m.completeJoinIfAll(g)
	}
	return response, coordinator.Result{}
}

// leavers are the members of the request, which before v3 names just one.
func leavers(request *kmsg.LeaveGroupRequest) []kmsg.LeaveGroupRequestMember {
	if request.Version >= 3 {
		return request.Members
	}
	leaver := kmsg.NewLeaveGroupRequestMember()
	leaver.MemberID = request.MemberID
	return []kmsg.LeaveGroupRequestMember{leaver}
}

func (m *Machine) leave(g *classic, leaver kmsg.LeaveGroupRequestMember) *kerr.Error {
	if g == nil {
		return kerr.UnknownMemberID
	}
	memberID := leaver.MemberID
	if memberID == "" {
		if leaver.InstanceID == nil || g.statics[*leaver.InstanceID] == "" {
			return kerr.UnknownMemberID
		}
		memberID = g.statics[*leaver.InstanceID]
	} else if _, pending := g.pendingJoin[memberID]; !pending {
		if failure := g.validate(memberID, leaver.InstanceID); failure != nil {
			return failure
		}
	}
	m.timers.Cancel(heartbeatKey(g.id, memberID))
	g.remove(memberID)
	return nil
}
