package main

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// classicMember is a member by JoinGroup, SyncGroup and Heartbeat.
type classicMember struct {
	cohort *cohort

	id         string
	generation int32
	// settled: the assignment of generation is there.
	settled bool
}

// oneTopic renders a list with one topic the way the consumer's embedded protocol does: version 0, the topics, what
// follows each, no user data.
func oneTopic(topic string, tail ...byte) []byte {
	text := binary.BigEndian.AppendUint16([]byte{0, 0, 0, 0, 0, 1}, uint16(len(topic)))
	return append(append(append(text, topic...), tail...), 0xff, 0xff, 0xff, 0xff)
}

// step does what is next and returns the generation that the member is settled in; 0 if it has something to do at once.
func (m *classicMember) step(c *conn) (int32, error) {
	if m.settled {
		return m.heartbeat(c)
	}
	request := kmsg.NewPtrJoinGroupRequest()
	request.Version, request.Group, request.MemberID = 7, m.cohort.group, m.id
	request.SessionTimeoutMillis, request.RebalanceTimeoutMillis, request.ProtocolType = 45_000, 60_000, "consumer"
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name, protocol.Metadata = "range", oneTopic(m.cohort.topic)
	request.Protocols = append(request.Protocols, protocol)
	joined, err := ask[*kmsg.JoinGroupResponse](c, request)
	if err != nil {
		return 0, err
	}
	switch err := kerr.ErrorForCode(joined.ErrorCode); {
	case err == kerr.MemberIDRequired:
		m.id = joined.MemberID
		return 0, nil
	case kerr.IsRetriable(err) || err == kerr.RebalanceInProgress:
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("join: %w", err)
	}
	m.id, m.generation = joined.MemberID, joined.Generation
	return m.sync(c, joined)
}

// sync fetches the member's assignment; the leader of the group gives each member a partition.
func (m *classicMember) sync(c *conn, joined *kmsg.JoinGroupResponse) (int32, error) {
	request := kmsg.NewPtrSyncGroupRequest()
	request.Version, request.Group, request.Generation, request.MemberID = 5, m.cohort.group, m.generation, m.id
	request.ProtocolType, request.Protocol = kmsg.StringPtr("consumer"), kmsg.StringPtr("range")
	if joined.LeaderID == m.id {
		for i, other := range joined.Members {
			assignment := kmsg.NewSyncGroupRequestGroupAssignment()
			assignment.MemberID = other.MemberID
			assignment.MemberAssignment = oneTopic(m.cohort.topic, 0, 0, 0, 1, 0, 0, 0, byte(i))
			request.GroupAssignment = append(request.GroupAssignment, assignment)
		}
	}
	synced, err := ask[*kmsg.SyncGroupResponse](c, request)
	if err != nil {
		return 0, err
	}
	switch err := kerr.ErrorForCode(synced.ErrorCode); {
	case err == kerr.RebalanceInProgress || err == kerr.IllegalGeneration || kerr.IsRetriable(err):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("sync: %w", err)
	}
	m.settled = true
	return m.generation, nil
}

// heartbeat asks whether the generation still stands.
func (m *classicMember) heartbeat(c *conn) (int32, error) {
	request := kmsg.NewPtrHeartbeatRequest()
	request.Version, request.Group, request.Generation, request.MemberID = 4, m.cohort.group, m.generation, m.id
	answer, err := ask[*kmsg.HeartbeatResponse](c, request)
	if err != nil {
		return 0, err
	}
	switch err := kerr.ErrorForCode(answer.ErrorCode); {
	case err == kerr.RebalanceInProgress || err == kerr.IllegalGeneration:
		m.settled = false
		return 0, nil
	case err != nil && !kerr.IsRetriable(err):
		return 0, fmt.Errorf("heartbeat: %w", err)
	}
	return m.generation, nil
}

// leave takes the member out of its group.
func (m *classicMember) leave(c *conn) error {
	request := kmsg.NewPtrLeaveGroupRequest()
	request.Version, request.Group = 4, m.cohort.group
	member := kmsg.NewLeaveGroupRequestMember()
	member.MemberID = m.id
	request.Members = append(request.Members, member)
	answer, err := ask[*kmsg.LeaveGroupResponse](c, request)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(answer.ErrorCode)
}
