package cli

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/internal/uuid"
)

// describedTopic is a topic as --describe shows it.
type describedTopic struct {
	Name              string               `json:"topic"`
	ID                string               `json:"topicId"`
	PartitionCount    int                  `json:"partitionCount"`
	ReplicationFactor int                  `json:"replicationFactor"`
	Configs           map[string]string    `json:"configs"`
	Partitions        []describedPartition `json:"partitions"`

	configs []string // "key=value", in order
	minISR  int
	hasID   bool
}

// describedPartition is a partition as --describe shows it. A Leader of -1 is none.
type describedPartition struct {
	Partition    int32   `json:"partition"`
	Leader       int32   `json:"leader"`
	Replicas     []int32 `json:"replicas"`
	ISR          []int32 `json:"isr"`
	ELR          []int32 `json:"elr,omitempty"`
	LastKnownELR []int32 `json:"lastKnownElr,omitempty"`
	Adding       []int32 `json:"addingReplicas,omitempty"`
	Removing     []int32 `json:"removingReplicas,omitempty"`

	hasELR    bool
	reassigns bool
	target    int // how many replicas a reassignment ends with
}

// javaUUID parses an id, with the complaints of the stock tools.
func javaUUID(text string) ([16]byte, error) {
	if len(text) > 24 {
		return [16]byte{}, illegalArgument("Input string with prefix `" + text[:24] + "` is too long to be decoded as a base64 UUID")
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return [16]byte{}, illegalArgument("Illegal base64 character in " + text)
	}
	if len(raw) != 16 {
		return [16]byte{}, illegalArgument(fmt.Sprintf("Input string `%s` decoded as %d bytes, which is not equal to the expected 16 bytes of a base64-encoded UUID", text, len(raw)))
	}
	return [16]byte(raw), nil
}

func (t *topicsTool) runDescribe() error {
	described, err := t.collect()
	if err != nil {
		return err
	}
	for i := range described {
		if err := t.addConfigs(&described[i]); err != nil {
			return err
		}
	}
	live, err := t.client.brokers()
	if err != nil {
		return err
	}
	if err := t.addReassignments(described); err != nil {
		return err
	}
	reports := t.count(t.underReplicated, t.unavailable, t.underMinISR, t.atMinISR) > 0
	var shown []describedTopic
	for _, topic := range described {
		slices.SortFunc(topic.Partitions, func(a, b describedPartition) int { return int(a.Partition - b.Partition) })
		if t.set.Has(t.overrides) && len(topic.configs) == 0 {
			continue
		}
		topic.Partitions = slices.DeleteFunc(topic.Partitions, func(p describedPartition) bool {
			return t.set.Has(t.overrides) || reports && !t.reported(&topic, &p, live)
		})
		shown = append(shown, topic)
	}
	if t.json() {
		return t.printJSON(append([]describedTopic{}, shown...))
	}
	for i := range shown {
		if !reports {
			t.printTopic(&shown[i])
		}
		for j := range shown[i].Partitions {
			t.printPartition(shown[i].Name, &shown[i].Partitions[j])
		}
	}
	return nil
}

// collect asks for the topics and their partitions.
func (t *topicsTool) collect() ([]describedTopic, error) {
	if t.set.Has(t.topicID) {
		id, err := javaUUID(t.set.Text(t.topicID))
		if err != nil {
			return nil, err
		}
		if id != [16]byte{} {
			return t.collectID(id)
		}
	}
	names, err := t.wanted()
	if err != nil || len(names) == 0 {
		return nil, err
	}
	described, err := t.collectNames(names)
	inJavaOrder(described, len(described), func(d describedTopic) int32 { return javaHash(d.Name) })
	return described, err
}

func (t *topicsTool) collectID(id [16]byte) ([]describedTopic, error) {
	all, err := t.client.topics()
	if err != nil {
		return nil, err
	}
	for _, topic := range all {
		if topic.TopicID == id && !(t.set.Has(t.excludeInternal) && topic.IsInternal) {
			return []describedTopic{fromMetadata(&topic)}, nil
		}
	}
	if t.set.Has(t.ifExists) {
		return nil, nil
	}
	return nil, illegalArgument(fmt.Sprintf("TopicId '%s' does not exist as expected", uuid.String(id)))
}

func fromMetadata(topic *kmsg.MetadataResponseTopic) describedTopic {
	d := describedTopic{Name: *topic.Topic, ID: uuid.String(topic.TopicID), hasID: topic.TopicID != [16]byte{}}
	for _, p := range topic.Partitions {
		d.Partitions = append(d.Partitions, describedPartition{Partition: p.Partition, Leader: p.Leader, Replicas: p.Replicas, ISR: p.ISR})
	}
	return d
}

// collectNames asks with DescribeTopicPartitions, page by page, or, where a
// broker is too old for it, with Metadata.
func (t *topicsTool) collectNames(names []string) ([]describedTopic, error) {
	request := kmsg.NewPtrDescribeTopicPartitionsRequest()
	request.ResponsePartitionLimit = 2000
	if t.set.Has(t.sizeLimit) {
		request.ResponsePartitionLimit = int32(t.set.Number(t.sizeLimit))
		if err := t.set.Err(); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		topic := kmsg.NewDescribeTopicPartitionsRequestTopic()
		topic.Topic = name
		request.Topics = append(request.Topics, topic)
	}
	var described []describedTopic
	for {
		answer, err := t.client.send("describeTopics", request)
		if isAnswer(err, "UnsupportedVersionException") || err != nil && t.client.lacks(request.Key()) {
			return t.collectOld(names)
		}
		if err != nil {
			return nil, err
		}
		response := answer.(*kmsg.DescribeTopicPartitionsResponse)
		for _, topic := range response.Topics {
			if err := answered(topic.ErrorCode, nil); err != nil {
				return nil, err
			}
			if len(described) == 0 || described[len(described)-1].Name != *topic.Topic {
				described = append(described, describedTopic{Name: *topic.Topic, ID: uuid.String(topic.TopicID), hasID: topic.TopicID != [16]byte{}})
			}
			last := &described[len(described)-1]
			for _, p := range topic.Partitions {
				last.Partitions = append(last.Partitions, describedPartition{Partition: p.Partition, Leader: p.LeaderID, Replicas: p.Replicas,
					ISR: p.ISR, ELR: p.EligibleLeaderReplicas, LastKnownELR: p.LastKnownELR, hasELR: true})
			}
		}
		if response.NextCursor == nil {
			return described, nil
		}
		cursor := kmsg.NewDescribeTopicPartitionsRequestCursor()
		cursor.Topic, cursor.Partition = response.NextCursor.Topic, response.NextCursor.Partition
		request.Cursor = &cursor
		request.Topics = slices.DeleteFunc(request.Topics, func(topic kmsg.DescribeTopicPartitionsRequestTopic) bool { return topic.Topic < cursor.Topic })
	}
}

func (t *topicsTool) collectOld(names []string) ([]describedTopic, error) {
	all, err := t.client.topics()
	var described []describedTopic
	for _, topic := range all {
		if slices.Contains(names, *topic.Topic) {
			described = append(described, fromMetadata(&topic))
		}
	}
	return described, err
}

// addConfigs adds what is configured for a topic, and not by default.
func (t *topicsTool) addConfigs(topic *describedTopic) error {
	entries, err := t.client.configs(kmsg.ConfigResourceTypeTopic, topic.Name, false)
	if err != nil {
		return err
	}
	inJavaOrder(entries, 0, func(e kmsg.DescribeConfigsResponseResourceConfig) int32 { return javaHash(e.Name) })
	topic.Configs = map[string]string{}
	for _, entry := range entries {
		value := "null"
		if entry.Value != nil {
			value = *entry.Value
		}
		if entry.Name == "min.insync.replicas" {
			topic.minISR, _ = strconv.Atoi(value)
		}
		if entry.Source != kmsg.ConfigSourceDefaultConfig {
			topic.configs = append(topic.configs, entry.Name+"="+value)
			topic.Configs[entry.Name] = value
		}
	}
	topic.PartitionCount = len(topic.Partitions)
	return nil
}

// addReassignments adds the reassignments under way. A cluster that does not tell
// them has none to show.
func (t *topicsTool) addReassignments(described []describedTopic) error {
	request := kmsg.NewPtrListPartitionReassignmentsRequest()
	request.TimeoutMillis = 30000
	for _, topic := range described {
		one := kmsg.NewListPartitionReassignmentsRequestTopic()
		one.Topic = topic.Name
		for _, p := range topic.Partitions {
			one.Partitions = append(one.Partitions, p.Partition)
		}
		request.Topics = append(request.Topics, one)
	}
	answer, err := t.client.send("listPartitionReassignments", request)
	response, ok := answer.(*kmsg.ListPartitionReassignmentsResponse)
	if err == nil && ok {
		err = answered(response.ErrorCode, response.ErrorMessage)
	}
	if isAnswer(err, "TimeoutException") {
		return err
	}
	for i := range described {
		topic := &described[i]
		for j := range topic.Partitions {
			p := &topic.Partitions[j]
			p.target = len(p.Replicas)
			if err == nil && ok {
				p.reassign(topic.Name, response)
			}
			if topic.ReplicationFactor == 0 || p.Partition == 0 {
				topic.ReplicationFactor = p.target
			}
		}
	}
	return nil
}

func (p *describedPartition) reassign(topic string, response *kmsg.ListPartitionReassignmentsResponse) {
	for _, one := range response.Topics {
		for _, r := range one.Partitions {
			if one.Topic != topic || r.Partition != p.Partition {
				continue
			}
			p.reassigns, p.Adding, p.Removing = true, r.AddingReplicas, r.RemovingReplicas
			changing := slices.Concat(r.AddingReplicas, r.RemovingReplicas)
			if slices.ContainsFunc(p.Replicas, func(id int32) bool { return slices.Contains(changing, id) }) {
				p.target = len(r.Replicas) - len(r.AddingReplicas)
			}
		}
	}
}

// reported tells whether one of the reports that were asked for shows the partition.
func (t *topicsTool) reported(topic *describedTopic, p *describedPartition, live []int32) bool {
	return t.set.Has(t.underReplicated) && p.target > len(p.ISR) ||
		t.set.Has(t.unavailable) && (p.Leader < 0 || !slices.Contains(live, p.Leader)) ||
		t.set.Has(t.underMinISR) && (p.Leader < 0 || len(p.ISR) < topic.minISR) ||
		t.set.Has(t.atMinISR) && len(p.ISR) == topic.minISR
}

func (t *topicsTool) printTopic(topic *describedTopic) {
	id := ""
	if topic.hasID {
		id = "\tTopicId: " + topic.ID
	}
	t.printf("Topic: %s%s\tPartitionCount: %d\tReplicationFactor: %d\tConfigs: %s\n",
		t.bold(topic.Name), id, topic.PartitionCount, topic.ReplicationFactor, strings.Join(topic.configs, ","))
}

func (t *topicsTool) printPartition(name string, p *describedPartition) {
	leader := "none"
	if p.Leader >= 0 {
		leader = strconv.Itoa(int(p.Leader))
	}
	replicas, isr := joinNumbers(p.Replicas, ","), joinNumbers(p.ISR, ",")
	if p.Leader < 0 || len(p.ISR) < p.target {
		leader, isr = t.warning(leader), t.warning(isr)
	}
	t.printf("\tTopic: %s\tPartition: %d\tLeader: %s\tReplicas: %s\tIsr: %s", name, p.Partition, leader, replicas, isr)
	if p.reassigns {
		t.printf("\tAdding Replicas: %s\tRemoving Replicas: %s", joinNumbers(p.Adding, ","), joinNumbers(p.Removing, ","))
	}
	elr, last := "N/A", "N/A"
	if p.hasELR {
		elr, last = joinNumbers(p.ELR, ","), joinNumbers(p.LastKnownELR, ",")
	}
	t.printf("\tElr: %s\tLastKnownElr: %s\n", elr, last)
}
