package metadata

import (
	"fmt"
	"maps"
	"slices"

	"ottla/internal/uuid"
)

// maxPartition bounds a partition's number, so that a damaged record cannot ask for an array that no server has.
const maxPartition = 1 << 24

func (d *Delta) replayTopic(r *TopicRecord) error {
	if other, ok := d.topicByName(r.Name); ok {
		return fmt.Errorf("topic %s exists already, with the id %s", r.Name, uuid.String(other.ID))
	}
	if other, ok := d.topicByID(r.TopicID); ok {
		return fmt.Errorf("topic id %s is that of %s already", uuid.String(r.TopicID), other.Name)
	}
	if d.topics == nil {
		d.topics = make(map[[16]byte]*topicDelta)
	}
	if d.created == nil {
		d.created = make(map[string][16]byte)
	}
	d.created[r.Name] = r.TopicID
	d.topics[r.TopicID] = &topicDelta{topic: &Topic{Name: r.Name, ID: r.TopicID, tags: r.UnknownTags}, changed: make(map[int32]bool)}
	return nil
}

// topicByName finds a topic as it is after the records so far.
func (d *Delta) topicByName(name string) (*Topic, bool) {
	if id, ok := d.created[name]; ok {
		return d.topics[id].topic, true
	}
	t, ok := d.next.topicsByName.get(name)
	if !ok {
		return nil, false
	}
	return d.topicByID(t.ID)
}

func (d *Delta) topicByID(id [16]byte) (*Topic, bool) {
	if t, ok := d.topics[id]; ok {
		return t.topic, true
	}
	return d.next.topicsByID.get(id)
}

// own is a topic that this delta may change in place.
func (d *Delta) own(id [16]byte) (*topicDelta, error) {
	if t, ok := d.topics[id]; ok {
		return t, nil
	}
	old, ok := d.next.topicsByID.get(id)
	if !ok {
		return nil, fmt.Errorf("no topic has the id %s", uuid.String(id))
	}
	if d.topics == nil {
		d.topics = make(map[[16]byte]*topicDelta)
	}
	own := *old
	own.Partitions = slices.Clone(old.Partitions)
	t := &topicDelta{topic: &own, changed: make(map[int32]bool)}
	d.topics[id] = t
	return t, nil
}

func (d *Delta) replayPartition(r *PartitionRecord) error {
	t, err := d.own(r.TopicID)
	if err != nil {
		return err
	}
	p, err := newPartition(r)
	if err != nil {
		return fmt.Errorf("partition %s-%d: %w", t.topic.Name, r.PartitionID, err)
	}
	if r.PartitionID < 0 || r.PartitionID > maxPartition {
		return fmt.Errorf("topic %s has no partition %d", t.topic.Name, r.PartitionID)
	}
	if int(r.PartitionID) > len(t.topic.Partitions) {
		return fmt.Errorf("partition %s-%d comes before partition %d", t.topic.Name, r.PartitionID, len(t.topic.Partitions))
	}
	if int(r.PartitionID) == len(t.topic.Partitions) {
		t.topic.Partitions = append(t.topic.Partitions, p)
	} else {
		t.topic.Partitions[r.PartitionID] = p
	}
	t.changed[r.PartitionID] = true
	return nil
}

func (d *Delta) replayPartitionChange(r *PartitionChangeRecord) error {
	t, err := d.own(r.TopicID)
	if err != nil {
		return err
	}
	if r.PartitionID < 0 || int(r.PartitionID) >= len(t.topic.Partitions) {
		return fmt.Errorf("topic %s has no partition %d", t.topic.Name, r.PartitionID)
	}
	p, err := t.topic.Partitions[r.PartitionID].merged(r)
	if err != nil {
		return fmt.Errorf("partition %s-%d: %w", t.topic.Name, r.PartitionID, err)
	}
	t.topic.Partitions[r.PartitionID] = p
	t.changed[r.PartitionID] = true
	return nil
}

// replayRemoveTopic takes the topic's configuration away too, as Kafka does.
func (d *Delta) replayRemoveTopic(r *RemoveTopicRecord) error {
	topic, ok := d.topicByID(r.TopicID)
	if !ok {
		return fmt.Errorf("no topic has the id %s", uuid.String(r.TopicID))
	}
	delete(d.topics, r.TopicID)
	if d.created[topic.Name] == r.TopicID {
		delete(d.created, topic.Name)
	}
	if old, ok := d.image.topicsByID.get(r.TopicID); ok {
		if d.deleted == nil {
			d.deleted = make(map[[16]byte]*Topic)
		}
		d.deleted[r.TopicID] = old
		d.next.topicsByID = d.next.topicsByID.without(r.TopicID)
		d.next.topicsByName = d.next.topicsByName.without(topic.Name)
	}
	resource := ConfigResource{ResourceTopic, topic.Name}
	if _, ok := d.next.configs.get(resource); ok {
		mark(&d.configs, resource)
		d.removeConfig(resource)
	}
	return nil
}

// replayClearELR forgets the eligible leader replicas of one topic, or of all if it names none.
func (d *Delta) replayClearELR(r *ClearElrRecord) error {
	if r.TopicName != "" {
		topic, ok := d.topicByName(r.TopicName)
		if !ok {
			return fmt.Errorf("no topic has the name %s", r.TopicName)
		}
		return d.clearELR(topic.ID)
	}
	ids := slices.Collect(maps.Keys(d.topics))
	for topic := range d.next.topicsByID.values() {
		if d.topics[topic.ID] == nil {
			ids = append(ids, topic.ID)
		}
	}
	for _, id := range ids {
		if err := d.clearELR(id); err != nil {
			return err
		}
	}
	return nil
}

func (d *Delta) clearELR(id [16]byte) error {
	topic, _ := d.topicByID(id)
	for number := range topic.Partitions {
		cleared, ok := topic.Partitions[number].withoutELR()
		if !ok {
			continue
		}
		t, err := d.own(id)
		if err != nil {
			return err
		}
		t.topic.Partitions[number] = cleared
		t.changed[int32(number)] = true
	}
	return nil
}

// buildTopics gives an image without topics those of the delta: many at once, as at a start, cost less than one after the other.
func (d *Delta) buildTopics(image *Image) {
	topics := d.ChangedTopics()
	names, ids := make([]string, len(topics)), make([][16]byte, len(topics))
	for i, t := range topics {
		names[i] = t.Name
	}
	image.topicsByName = treeOf(image.topicsByName.compare, names, topics)
	topics = slices.Clone(topics)
	slices.SortFunc(topics, func(a, b *Topic) int { return image.topicsByID.compare(a.ID, b.ID) })
	for i, t := range topics {
		ids[i] = t.ID
	}
	image.topicsByID = treeOf(image.topicsByID.compare, ids, topics)
}

// ChangedTopics are the topics created or changed, as they are now, sorted by name.
func (d *Delta) ChangedTopics() []*Topic {
	topics := make([]*Topic, 0, len(d.topics))
	for _, t := range d.topics {
		topics = append(topics, t.topic)
	}
	slices.SortFunc(topics, compareTopics)
	return topics
}

// DeletedTopics are the topics of the old image that are gone, sorted by name. A topic deleted and created again under its name is in
// DeletedTopics with the old id and in ChangedTopics with the new one.
func (d *Delta) DeletedTopics() []*Topic {
	return slices.SortedFunc(maps.Values(d.deleted), compareTopics)
}

// ChangedPartitions are the numbers of the partitions of a changed topic that were created or changed, in order.
func (d *Delta) ChangedPartitions(topicID [16]byte) []int32 {
	if t, ok := d.topics[topicID]; ok {
		return slices.Sorted(maps.Keys(t.changed))
	}
	return nil
}
