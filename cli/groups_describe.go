package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// topicPartition names a partition.
type topicPartition struct {
	topic     string
	partition int32
}

func (p topicPartition) String() string { return fmt.Sprintf("%s-%d", p.topic, p.partition) }

func comparePartitions(a, b topicPartition) int {
	if order := strings.Compare(a.topic, b.topic); order != 0 {
		return order
	}
	return int(a.partition) - int(b.partition)
}

func (p topicPartition) hash() int32 { return partitionHash(p.topic, p.partition) }

// committed is the offset that a group has; epoch is -1 where it is not known.
type committed struct {
	offset int64
	epoch  int32
}

// describedGroup is a group as the cluster tells it. Numbers of -1 are not told.
type describedGroup struct {
	id, state, assignor string
	epoch, targetEpoch  int32
	members             []describedMember
}

// describedMember is a member of a group.
type describedMember struct {
	id, instance, host, clientID string
	epoch                        int32
	assignment, target           []topicPartition
	kind                         int8 // -1 not told, 0 classic, 1 of the new protocol
}

// describeGroups returns the groups, sorted by their ids. The first error about one of them is returned alone.
func (t *groupsTool) describeGroups(ids []string) ([]describedGroup, error) {
	var groups []describedGroup
	for _, id := range ids {
		group, err := t.describeGroup(id)
		if err != nil {
			return nil, execution(err)
		}
		groups = append(groups, *group)
	}
	slices.SortFunc(groups, func(a, b describedGroup) int { return strings.Compare(a.id, b.id) })
	return groups, nil
}

// describeGroup asks for a group of the new protocol, and where it is none for a classic one.
func (t *groupsTool) describeGroup(id string) (*describedGroup, error) {
	request := kmsg.NewPtrConsumerGroupDescribeRequest()
	request.Groups = []string{id}
	answer, err := t.client.send("describeConsumerGroups", request)
	if err != nil {
		var timeout *exception
		if errors.As(err, &timeout) && isAnswer(err, "TimeoutException") {
			return nil, err
		}
		return t.describeClassic(id)
	}
	for _, group := range answer.(*kmsg.ConsumerGroupDescribeResponse).Groups {
		switch group.ErrorCode {
		case kerr.GroupIDNotFound.Code, kerr.UnsupportedVersion.Code:
			return t.describeClassic(id)
		}
		if err := answered(group.ErrorCode, group.ErrorMessage); err != nil {
			return nil, err
		}
		d := &describedGroup{id: id, state: group.State, assignor: group.AssignorName, epoch: group.Epoch, targetEpoch: group.AssignmentEpoch}
		for _, member := range group.Members {
			m := describedMember{id: member.MemberID, instance: orEmpty(member.InstanceID), host: member.ClientHost, clientID: member.ClientID,
				epoch: member.MemberEpoch, kind: member.MemberType}
			for _, topic := range member.Assignment.TopicPartitions {
				for _, p := range topic.Partitions {
					m.assignment = append(m.assignment, topicPartition{topic.Topic, p})
				}
			}
			for _, topic := range member.TargetAssignment.TopicPartitions {
				for _, p := range topic.Partitions {
					m.target = append(m.target, topicPartition{topic.Topic, p})
				}
			}
			d.members = append(d.members, m)
		}
		return d, nil
	}
	return t.describeClassic(id)
}

func orEmpty(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

func (t *groupsTool) describeClassic(id string) (*describedGroup, error) {
	request := kmsg.NewPtrDescribeGroupsRequest()
	request.Groups = []string{id}
	answer, err := t.client.send("describeConsumerGroups", request)
	if err != nil {
		return nil, err
	}
	for _, group := range answer.(*kmsg.DescribeGroupsResponse).Groups {
		if err := answered(group.ErrorCode, group.ErrorMessage); err != nil {
			return nil, err
		}
		if group.ProtocolType != "" && group.ProtocolType != "consumer" {
			return nil, illegalArgument(fmt.Sprintf("GroupId %s is not a consumer group (%s).", id, group.ProtocolType))
		}
		d := &describedGroup{id: id, state: group.State, assignor: group.Protocol, epoch: -1, targetEpoch: -1}
		for _, member := range group.Members {
			m := describedMember{id: member.MemberID, instance: orEmpty(member.InstanceID), host: member.ClientHost, clientID: member.ClientID, epoch: -1, kind: -1}
			assignment := kmsg.NewConsumerMemberAssignment()
			if len(member.MemberAssignment) > 0 && assignment.ReadFrom(member.MemberAssignment) == nil {
				for _, topic := range assignment.Topics {
					for _, p := range topic.Partitions {
						m.assignment = append(m.assignment, topicPartition{topic.Topic, p})
					}
				}
			}
			d.members = append(d.members, m)
		}
		return d, nil
	}
	return nil, answered(kerr.GroupIDNotFound.Code, nil)
}

// committed returns the offsets of a group.
func (t *groupsTool) committed(group string) (map[topicPartition]committed, error) {
	ctx, cancel := t.client.context()
	defer cancel()
	responses, err := t.offsetAdmin.FetchOffsets(ctx, group)
	if err != nil {
		return nil, runtimeException(execution(kgoError(err)))
	}
	offsets := map[topicPartition]committed{}
	for topic, partitions := range responses {
		for number, response := range partitions {
			if response.Err != nil {
				return nil, runtimeException(execution(kgoError(response.Err)))
			}
			if response.At >= 0 {
				offsets[topicPartition{topic, number}] = committed{response.At, response.LeaderEpoch}
			}
		}
	}
	return offsets, nil
}

// offsetRow is a line of --describe.
type offsetRow struct {
	Group     string `json:"group"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Epoch     *int32 `json:"leaderEpoch,omitempty"`
	Current   *int64 `json:"currentOffset"`
	End       *int64 `json:"logEndOffset"`
	Lag       *int64 `json:"lag"`
	Consumer  string `json:"consumerId,omitempty"`
	Host      string `json:"host,omitempty"`
	ClientID  string `json:"clientId,omitempty"`
}

func (t *groupsTool) runDescribe() error {
	ids, err := t.chosen()
	if err != nil {
		return err
	}
	groups, err := t.describeGroups(ids)
	if err != nil {
		return err
	}
	switch {
	case t.set.Has(t.members):
		return t.describeMembers(groups)
	case t.set.Has(t.state):
		return t.describeStates(groups)
	}
	return t.describeOffsets(groups)
}

func (t *groupsTool) describeOffsets(groups []describedGroup) error {
	rows := make([][]offsetRow, len(groups))
	for i := range groups {
		var err error
		if rows[i], err = t.offsetRows(&groups[i]); err != nil {
			return err
		}
	}
	if t.json() {
		return t.printJSON(append([]offsetRow{}, slices.Concat(rows...)...))
	}
	for i := range groups {
		shown, err := t.showState(&groups[i], len(rows[i]))
		if err != nil {
			return err
		}
		if shown {
			t.printOffsets(rows[i])
		}
	}
	return nil
}

// offsetRows makes the lines of a group: first what its members have, then the rest.
func (t *groupsTool) offsetRows(group *describedGroup) ([]offsetRow, error) {
	offsets, err := t.committed(group.id)
	if err != nil {
		return nil, err
	}
	var rows []offsetRow
	assigned := map[topicPartition]bool{}
	members := slices.Clone(group.members)
	slices.SortStableFunc(members, func(a, b describedMember) int { return len(b.assignment) - len(a.assignment) })
	for _, member := range members {
		if len(member.assignment) == 0 {
			continue
		}
		for _, p := range member.assignment {
			assigned[p] = true
		}
		some, err := t.partitionRows(group.id, member.assignment, offsets)
		if err != nil {
			return nil, err
		}
		for _, row := range some {
			row.Consumer, row.Host, row.ClientID = member.id, member.host, member.clientID
			rows = append(rows, row)
		}
	}
	var rest []topicPartition
	for p := range offsets {
		if !assigned[p] {
			rest = append(rest, p)
		}
	}
	some, err := t.partitionRows(group.id, rest, offsets)
	return append(rows, some...), err
}

func (t *groupsTool) partitionRows(group string, partitions []topicPartition, offsets map[topicPartition]committed) ([]offsetRow, error) {
	if len(partitions) == 0 {
		return nil, nil
	}
	ends, err := t.endOffsets(partitions)
	if err != nil {
		return nil, err
	}
	partitions = slices.Clone(partitions)
	slices.SortFunc(partitions, comparePartitions)
	var rows []offsetRow
	for _, p := range partitions {
		row := offsetRow{Group: group, Topic: p.topic, Partition: p.partition}
		if offset, ok := offsets[p]; ok {
			row.Current = &offset.offset
			if offset.epoch >= 0 {
				row.Epoch = &offset.epoch
			}
		}
		if end, ok := ends[p]; ok {
			row.End = &end
			if row.Current != nil {
				lag := end - *row.Current
				row.Lag = &lag
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// endOffsets returns the end of each partition that has a leader.
func (t *groupsTool) endOffsets(partitions []topicPartition) (map[topicPartition]int64, error) {
	leaders, err := t.leaders(partitions)
	if err != nil {
		return nil, runtimeException(execution(err))
	}
	led := slices.DeleteFunc(slices.Clone(partitions), func(p topicPartition) bool { leader, ok := leaders[p]; return ok && leader < 0 })
	return t.offsetsAt(led, -1)
}

// offsetsAt returns the offset of each partition at a time.
func (t *groupsTool) offsetsAt(partitions []topicPartition, timestamp int64) (map[topicPartition]int64, error) {
	var wanted []partitionOffset
	for _, p := range partitions {
		wanted = append(wanted, partitionOffset{Topic: p.topic, Partition: p.partition})
	}
	found, failed, err := t.client.offsets(wanted, timestamp)
	if err == nil && len(failed) > 0 {
		err = failed[0].err
	}
	if err != nil {
		return nil, runtimeException(execution(err))
	}
	offsets := map[topicPartition]int64{}
	for _, one := range found {
		offsets[topicPartition{one.Topic, one.Partition}] = one.Offset
	}
	return offsets, nil
}

// leaders returns the leader of each partition of the topics, -1 where there is none.
func (t *groupsTool) leaders(partitions []topicPartition) (map[topicPartition]int32, error) {
	var topics []string
	for _, p := range partitions {
		if !slices.Contains(topics, p.topic) {
			topics = append(topics, p.topic)
		}
	}
	leaders := map[topicPartition]int32{}
	if len(topics) == 0 {
		return leaders, nil
	}
	request := kmsg.NewPtrMetadataRequest()
	for _, name := range topics {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr(name)
		request.Topics = append(request.Topics, topic)
	}
	answer, err := t.client.send("describeTopics", request)
	if err != nil {
		return nil, err
	}
	for _, topic := range answer.(*kmsg.MetadataResponse).Topics {
		if err := answered(topic.ErrorCode, nil); err != nil {
			return nil, err
		}
		for _, p := range topic.Partitions {
			leaders[topicPartition{*topic.Topic, p.Partition}] = p.Leader
		}
	}
	return leaders, nil
}

// showState says what there is to say of a group's state and tells whether its rows are to be printed.
func (t *groupsTool) showState(group *describedGroup, rows int) (bool, error) {
	switch group.state {
	case "Dead":
		t.wrong("Consumer group '" + group.id + "' does not exist.")
	case "Empty":
		t.complain("\nConsumer group '" + group.id + "' has no active members.")
	case "PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling":
		t.complain("\nWarning: Consumer group '" + group.id + "' is rebalancing.")
	case "Stable":
	default:
		return false, kafkaException("Expected a valid consumer group state, but found '" + group.state + "'.")
	}
	return group.state != "Dead" && rows > 0, nil
}

func number[N int32 | int64](n *N) string {
	if n == nil {
		return "-"
	}
	return strconv.FormatInt(int64(*n), 10)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func (t *groupsTool) printOffsets(rows []offsetRow) {
	widths := [4]int{15, 15, 15, 15}
	for _, row := range rows {
		for i, text := range []string{row.Group, row.Topic, row.Consumer, row.Host} {
			widths[i] = max(widths[i], len(text))
		}
	}
	print := func(group, topic, partition, epoch, current, end, lag, consumer, host, client string) {
		t.printf("\n%-*s %-*s %-10s ", widths[0], group, widths[1], topic, partition)
		if t.set.Has(t.verbose) {
			t.printf("%-15s ", epoch)
		}
		t.printf("%-15s %-15s %-15s %-*s %-*s %s", current, end, lag, widths[2], consumer, widths[3], host, client)
	}
	print("GROUP", "TOPIC", "PARTITION", "LEADER-EPOCH", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "CONSUMER-ID", "HOST", "CLIENT-ID")
	for _, row := range rows {
		print(row.Group, row.Topic, strconv.Itoa(int(row.Partition)), number(row.Epoch), number(row.Current), number(row.End), number(row.Lag),
			orDash(row.Consumer), orDash(row.Host), orDash(row.ClientID))
	}
	t.println("")
}

// assignmentText is "topic:0,1;other:2".
func assignmentText(partitions []topicPartition) string {
	if len(partitions) == 0 {
		return "-"
	}
	sorted := slices.Clone(partitions)
	slices.SortFunc(sorted, comparePartitions)
	var topics []string
	for i, p := range sorted {
		if i > 0 && sorted[i-1].topic == p.topic {
			topics[len(topics)-1] += "," + strconv.Itoa(int(p.partition))
		} else {
			topics = append(topics, p.topic+":"+strconv.Itoa(int(p.partition)))
		}
	}
	return strings.Join(topics, ";")
}

func (t *groupsTool) describeMembers(groups []describedGroup) error {
	if t.json() {
		return t.printMembersJSON(groups)
	}
	for i := range groups {
		shown, err := t.showState(&groups[i], len(groups[i].members))
		if err != nil {
			return err
		}
		t.printMembers(&groups[i], shown)
	}
	return nil
}

func (t *groupsTool) printMembersJSON(groups []describedGroup) error {
	type member struct {
		Group      string `json:"group"`
		Consumer   string `json:"consumerId"`
		Instance   string `json:"groupInstanceId,omitempty"`
		Host       string `json:"host"`
		ClientID   string `json:"clientId"`
		Assignment string `json:"assignment"`
	}
	all := []member{}
	for _, group := range groups {
		for _, m := range group.members {
			all = append(all, member{group.id, m.id, m.instance, m.host, m.clientID, assignmentText(m.assignment)})
		}
	}
	return t.printJSON(all)
}

// printMembers prints the table of members. The header is printed also where there is none, as the stock tool does;
// sized tells whether the columns are to fit.
func (t *groupsTool) printMembers(group *describedGroup, sized bool) {
	widths := [7]int{15, 15, 17, 15, 15, 20, 20}
	instances, classic, modern := false, false, false
	for _, m := range group.members {
		if !sized {
			break
		}
		for i, text := range []string{group.id, m.id, m.instance, m.host, m.clientID, assignmentText(m.assignment), assignmentText(m.target)} {
			widths[i] = max(widths[i], len(text))
		}
		instances = instances || m.instance != ""
		classic, modern = classic || m.kind == 0, modern || m.kind == 1
	}
	first := func(group, id, instance, host, client, partitions string) {
		t.printf("%-*s %-*s ", widths[0], group, widths[1], id)
		if instances {
			t.printf("%-*s ", widths[2], instance)
		}
		t.printf("%-*s %-*s %-15s ", widths[3], host, widths[4], client, partitions)
	}
	second := func(epoch, assignment, targetEpoch, target, upgraded string) {
		t.printf("%-15s %-*s %-15s %-*s", epoch, widths[5], assignment, targetEpoch, widths[6], target)
		if classic && modern {
			t.printf(" %s", upgraded)
		}
	}
	t.printf("\n")
	first("GROUP", "CONSUMER-ID", "GROUP-INSTANCE-ID", "HOST", "CLIENT-ID", "#PARTITIONS")
	if t.set.Has(t.verbose) {
		second("CURRENT-EPOCH", "CURRENT-ASSIGNMENT", "TARGET-EPOCH", "TARGET-ASSIGNMENT", "UPGRADED")
	}
	t.println("")
	for _, m := range group.members {
		first(group.id, m.id, m.instance, m.host, m.clientID, strconv.Itoa(len(m.assignment)))
		if t.set.Has(t.verbose) {
			second(notBelow(m.epoch), assignmentText(m.assignment), notBelow(group.targetEpoch), assignmentText(m.target), strconv.FormatBool(m.kind == 1))
		}
		t.println("")
	}
}

// notBelow is a number, or a dash for one that is not told.
func notBelow(n int32) string {
	if n < 0 {
		return "-"
	}
	return strconv.Itoa(int(n))
}

func (t *groupsTool) describeStates(groups []describedGroup) error {
	type state struct {
		Group       string `json:"group"`
		Coordinator string `json:"coordinator"`
		Assignor    string `json:"assignmentStrategy"`
		State       string `json:"state"`
		Members     int    `json:"members"`
	}
	all := []state{}
	for i := range groups {
		group := &groups[i]
		coordinator, err := t.coordinator(group.id)
		if err != nil {
			return err
		}
		if t.json() {
			all = append(all, state{group.id, coordinator, group.assignor, group.state, len(group.members)})
			continue
		}
		shown, err := t.showState(group, 1)
		if err != nil {
			return err
		}
		if !shown {
			continue
		}
		widths := [2]int{max(15, len(group.id)), max(25, len(coordinator))}
		row := func(id, coordinator, assignor, state, epoch, target, members string) {
			t.printf("\n%-*s %-*s %-20s %-20s ", widths[0], id, widths[1], coordinator, assignor, state)
			if t.set.Has(t.verbose) {
				t.printf("%-15s %-25s ", epoch, target)
			}
			t.printf("%s", members)
		}
		row("GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE", "GROUP-EPOCH", "TARGET-ASSIGNMENT-EPOCH", "#MEMBERS")
		row(group.id, coordinator, orDash(group.assignor), group.state, notBelow(group.epoch), notBelow(group.targetEpoch), strconv.Itoa(len(group.members)))
		t.println("")
	}
	if t.json() {
		return t.printJSON(all)
	}
	return nil
}

// coordinator returns "host:port  (id)" of a group's coordinator.
func (t *groupsTool) coordinator(group string) (string, error) {
	request := kmsg.NewPtrFindCoordinatorRequest()
	request.CoordinatorKey, request.CoordinatorKeys = group, []string{group}
	answer, err := t.client.send("findCoordinator", request)
	if err != nil {
		return "", execution(err)
	}
	response := answer.(*kmsg.FindCoordinatorResponse)
	host, port, id, code, message := response.Host, response.Port, response.NodeID, response.ErrorCode, response.ErrorMessage
	for _, one := range response.Coordinators {
		host, port, id, code, message = one.Host, one.Port, one.NodeID, one.ErrorCode, one.ErrorMessage
	}
	if err := answered(code, message); err != nil {
		return "", execution(err)
	}
	return fmt.Sprintf("%s:%d  (%d)", host, port, id), nil
}
