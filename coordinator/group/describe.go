package group

import (
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator"
)

// classicType is the type that ListGroups gives and filters by.
const classicType = "classic"

// DescribeGroup tells of one group. One that is not there is Dead, and from v6
// on also an error.
func (m *Machine) DescribeGroup(id string, version int16) kmsg.DescribeGroupsResponseGroup {
	response := kmsg.NewDescribeGroupsResponseGroup()
	response.Group = id
	g := m.groups[id]
	if g == nil {
		response.State = dead.String()
		if version >= 6 {
			response.ErrorCode = kerr.GroupIDNotFound.Code
			response.ErrorMessage = kmsg.StringPtr("Group " + id + " not found.")
		}
		return response
	}
	response.State, response.ProtocolType = g.state.String(), g.protocolType
	detailed := g.state == stable && g.protocol != nil
	if detailed {
		response.Protocol = *g.protocol
	}
	for _, member := range g.all() {
		described := kmsg.NewDescribeGroupsResponseGroupMember()
		described.MemberID, described.InstanceID = member.id, member.instance
		described.ClientID, described.ClientHost = member.clientID, member.clientHost
		described.MemberAssignment = notNil(member.assignment)
		described.ProtocolMetadata = []byte{}
		if detailed {
			described.ProtocolMetadata = notNil(member.metadata(*g.protocol))
		}
		response.Members = append(response.Members, described)
	}
	return response
}

// ListGroups tells of the groups in one of the states, if any are given, and of
// one of the types. Both are compared without regard to case.
func (m *Machine) ListGroups(states, types []string) []kmsg.ListGroupsResponseGroup {
	if len(types) > 0 && !slices.ContainsFunc(types, func(name string) bool { return strings.EqualFold(name, classicType) }) {
		return nil
	}
	var listed []kmsg.ListGroupsResponseGroup
	for _, id := range slices.Sorted(maps.Keys(m.groups)) {
		g := m.groups[id]
		inState := func(name string) bool { return strings.EqualFold(strings.TrimSpace(name), g.state.String()) }
		if len(states) > 0 && !slices.ContainsFunc(states, inState) {
			continue
		}
		group := kmsg.NewListGroupsResponseGroup()
		group.Group, group.ProtocolType, group.GroupState, group.GroupType = id, g.protocolType, g.state.String(), classicType
		listed = append(listed, group)
	}
	return listed
}

// DeleteGroups removes groups without members, with all their offsets.
func (m *Machine) DeleteGroups(ids []string) ([]kmsg.DeleteGroupsResponseGroup, coordinator.Result) {
	var deleted []kmsg.DeleteGroupsResponseGroup
	var result coordinator.Result
	for _, id := range ids {
		answer := kmsg.NewDeleteGroupsResponseGroup()
		answer.Group = id
		g := m.groups[id]
		switch {
		case g == nil || g.state == dead:
			answer.ErrorCode = kerr.GroupIDNotFound.Code
		case g.state != empty:
			answer.ErrorCode = kerr.NonEmptyGroup.Code
		default:
			result.Records = append(result.Records, m.tombstones(id, func(string, offset) bool { return true })...)
			result.Records = append(result.Records, groupTombstone(id))
		}
		deleted = append(deleted, answer)
	}
	return deleted, result
}
