package replica

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/metadata"
	"ottla/protocol/record"
	"ottla/storage"
)

// TopicConfig is the effective configuration of one topic, as its partitions
// need it. It is shared by them and must not be changed.
type TopicConfig struct {
	Log storage.LogConfig
	// Rules say how records are validated. Topic, Partition, Now and Origin are
	// set for each append.
	Rules record.Rules
	// MinInSyncReplicas is what acks=all demands of the ISR.
	MinInSyncReplicas int
}

// Options configure a Manager.
type Options struct {
	Storage *storage.Manager
	NodeID  int32
	// Now is the clock of record timestamps; nil: time.Now.
	Now func() time.Time
	// TopicConfig works out a topic's effective configuration: what the image
	// has for the topic, over what it and the server's properties have for the
	// broker. It is called for several topics at once.
	TopicConfig func(topic string, image *metadata.Image) TopicConfig
	// Cordoned tells which log directories take no new partitions, unless none is
	// left; nil: all take them.
	Cordoned func(directory string) bool
}

// Manager holds the partitions of the metadata image. Lookups take no lock.
type Manager struct {
	storage *storage.Manager
	nodeID  int32
	now     func() time.Time
	config  func(topic string, image *metadata.Image) TopicConfig
	// cordoned is Options.Cordoned.
	cordoned func(directory string) bool

	apply  sync.Mutex
	byName index[string, Topic]
	byID   index[[16]byte, Topic]
}

// Topic is a topic as this broker serves it.
type Topic struct {
	name string
	id   [16]byte
	// partitions grows only; its elements are never replaced.
	partitions atomic.Pointer[[]*Partition]
}

// New returns a Manager without partitions; the first Apply brings them.
func New(options Options) *Manager {
	now := options.Now
	if now == nil {
		now = time.Now
	}
	return &Manager{storage: options.Storage, nodeID: options.NodeID, now: now, config: options.TopicConfig, cordoned: options.Cordoned}
}

// Name is the topic's name.
func (t *Topic) Name() string { return t.name }

// ID is the topic's id.
func (t *Topic) ID() [16]byte { return t.id }

// Partitions lists the partitions by their numbers. The slice must not be changed.
func (t *Topic) Partitions() []*Partition {
	if list := t.partitions.Load(); list != nil {
		return *list
	}
	return nil
}

// Partition finds a partition by its number, nil if there is none.
func (t *Topic) Partition(index int32) *Partition {
	if list := t.Partitions(); index >= 0 && int(index) < len(list) {
		return list[index]
	}
	return nil
}

// Topic finds a topic by its name, nil if there is none.
func (m *Manager) Topic(name string) *Topic { return m.byName.get(name) }

// TopicByID finds a topic by its id, nil if there is none.
func (m *Manager) TopicByID(id [16]byte) *Topic { return m.byID.get(id) }

// Partition finds a partition; the error is UNKNOWN_TOPIC_OR_PARTITION.
func (m *Manager) Partition(topic string, partition int32) (*Partition, *kerr.Error) {
	if t := m.byName.get(topic); t != nil {
		if p := t.Partition(partition); p != nil {
			return p, nil
		}
	}
	return nil, kerr.UnknownTopicOrPartition
}

// PartitionByID finds a partition; the error is UNKNOWN_TOPIC_ID, or
// UNKNOWN_TOPIC_OR_PARTITION where only the partition is unknown.
func (m *Manager) PartitionByID(id [16]byte, partition int32) (*Partition, *kerr.Error) {
	t := m.byID.get(id)
	if t == nil {
		return nil, kerr.UnknownTopicID
	}
	if p := t.Partition(partition); p != nil {
		return p, nil
	}
	return nil, kerr.UnknownTopicOrPartition
}

// Apply brings the partitions to the state of image, of which delta says what
// changed since the last call; a nil delta means everything: then logs that
// the metadata does not know are set aside as stray. When it returns, requests
// find the new state. What cannot be done for one partition puts that one
// offline; the error tells of all of them and is for the operator only.
func (m *Manager) Apply(delta *metadata.Delta, image *metadata.Image) error {
	m.apply.Lock()
	defer m.apply.Unlock()
	if delta == nil {
		return m.applyAll(image)
	}
	var failures []error
	for _, topic := range delta.DeletedTopics() {
		failures = append(failures, m.deleteTopic(topic.ID))
	}
	changed := delta.ChangedTopics()
	failures = append(failures, together(len(changed), func(n int) error {
		return m.changeTopic(changed[n], delta.ChangedPartitions(changed[n].ID), delta.Image(), image)
	}))
	m.applyConfigs(delta.ChangedConfigs(), image)
	return errors.Join(failures...)
}

func (m *Manager) applyAll(image *metadata.Image) error {
	var failures []error
	for _, log := range m.storage.Logs() {
		tp := log.TopicPartition()
		if topic, ok := image.Topic(tp.Topic); ok && int(tp.Partition) < len(topic.Partitions) &&
			(log.TopicID() == topic.ID || log.TopicID() == [16]byte{}) && m.assigned(&topic.Partitions[tp.Partition]) {
			continue
		}
		if err := m.storage.Stray(tp); err != nil {
			failures = append(failures, fmt.Errorf("set aside the log of %s, which the metadata does not know: %w", tp, err))
		}
	}
	topics := slices.Collect(image.Topics())
	failures = append(failures, together(len(topics), func(n int) error {
		changed := make([]int32, len(topics[n].Partitions))
		for i := range changed {
			changed[i] = int32(i)
		}
		return m.changeTopic(topics[n], changed, nil, image)
	}))
	return errors.Join(failures...)
}

func (m *Manager) assigned(state *metadata.Partition) bool {
	return slices.Contains(state.Replicas, m.nodeID)
}

// changeTopic creates the topic or the partitions that it lacks, and changes the
// roles of the others. New partitions are in place before they are found. before
// is the image that the change began on, nil at the start.
func (m *Manager) changeTopic(state *metadata.Topic, changed []int32, before, image *metadata.Image) error {
	topic := m.byID.get(state.ID)
	fresh := topic == nil
	if fresh {
		topic = &Topic{name: state.Name, id: state.ID}
	}
	partitions := topic.Partitions()
	config := m.topicConfig(topic, image)
	if len(state.Partitions) > len(partitions) {
		// The old list may be in use: it is copied, not appended to.
		partitions = append(make([]*Partition, 0, len(state.Partitions)), partitions...)
		for i := len(partitions); i < len(state.Partitions); i++ {
			partitions = append(partitions, &Partition{manager: m, topic: topic, index: int32(i)})
		}
	}
	err := m.changePartitions(partitions, state, changed, known(before, state), config)
	topic.partitions.Store(&partitions)
	if fresh {
		m.byID.set(topic.id, topic)
		m.byName.set(topic.name, topic)
	}
	return err
}

// known is how many partitions of a topic were there before; all of them at the
// start.
func known(before *metadata.Image, state *metadata.Topic) int32 {
	if before == nil {
		return int32(len(state.Partitions))
	}
	if old, ok := before.TopicByID(state.ID); ok {
		return int32(len(old.Partitions))
	}
	return 0
}

// changePartitions changes the partitions named, of which those from known on are
// new.
func (m *Manager) changePartitions(partitions []*Partition, state *metadata.Topic, changed []int32, known int32, config *TopicConfig) error {
	return together(len(changed), func(n int) error {
		i := changed[n]
		return m.changePartition(partitions[i], &state.Partitions[i], i >= known, config)
	})
}

// applyWorkers is how many topics, and how many partitions of each, are worked on
// at once. Making a log and beginning an epoch wait for the disk most of the time.
const applyWorkers = 8

// together calls work for each number below count, several at once, and returns
// when all are done.
func together(count int, work func(n int) error) error {
	failures := make([]error, count)
	var next atomic.Int64
	worker := func() {
		for n := int(next.Add(1)) - 1; n < count; n = int(next.Add(1)) - 1 {
			failures[n] = work(n)
		}
	}
	var others sync.WaitGroup
	for range min(applyWorkers, count) - 1 {
		others.Go(worker)
	}
	worker()
	others.Wait()
	return errors.Join(failures...)
}

// topicConfig is the configuration that the topic's partitions share, worked out
// where there is none yet.
func (m *Manager) topicConfig(topic *Topic, image *metadata.Image) *TopicConfig {
	for _, p := range topic.Partitions() {
		if current := p.role.Load(); current != nil {
			return current.config
		}
	}
	config := m.config(topic.name, image)
	return &config
}

// changePartition opens or makes the log where this broker has a replica, and
// takes up the role.
func (m *Manager) changePartition(p *Partition, state *metadata.Partition, fresh bool, config *TopicConfig) error {
	tp := storage.TopicPartition{Topic: p.topic.name, Partition: p.index}
	if !m.assigned(state) {
		return p.become(state, nil, kerr.NotLeaderForPartition, config)
	}
	log, err := m.openLog(p, tp, m.directoryOf(state), fresh, config)
	if err != nil {
		err = fmt.Errorf("open the log of %s: %w", tp, err)
		return errors.Join(err, p.become(state, nil, kerr.KafkaStorageError, config))
	}
	if err := p.become(state, log, nil, config); err != nil {
		return fmt.Errorf("begin leader epoch %d of %s: %w", state.LeaderEpoch, tp, err)
	}
	return nil
}

// directoryOf is the id of the directory that the metadata has this broker's
// replica in; zero where it does not know.
func (m *Manager) directoryOf(state *metadata.Partition) [16]byte {
	i := slices.Index(state.Replicas, m.nodeID)
	if i < 0 || i >= len(state.Directories) {
		return [16]byte{}
	}
	return state.Directories[i]
}

// openLog finds the log, or makes it where directory says. A log that was there
// and is not found is not made anew while it may be in a directory that is not in
// use: that would lose what it holds.
func (m *Manager) openLog(p *Partition, tp storage.TopicPartition, directory [16]byte, fresh bool, config *TopicConfig) (*storage.Log, error) {
	if current := p.role.Load(); current != nil && current.log != nil {
		return current.log, current.log.Offline()
	}
	if log, ok := m.storage.Log(tp); ok {
		if err := log.Offline(); err != nil {
			return nil, err
		}
		log.SetConfig(config.Log)
		if log.TopicID() == ([16]byte{}) {
			return log, log.SetTopicID(p.topic.id)
		}
		return log, nil
	}
	if err := m.storage.Failed(tp); err != nil {
		return nil, err
	}
	if directory == migratingDirectory {
		directory = [16]byte{}
	}
	if offline := len(m.storage.OfflineDirectories()); offline > 0 && !fresh && directory == [16]byte{} {
		return nil, fmt.Errorf("%d log directories, in which it may be, are offline: %w", offline, storage.ErrDirectoryOffline)
	}
	return m.storage.CreateIn(tp, p.topic.id, config.Log, directory, m.cordoned)
}

// migratingDirectory stands for the directory of a broker that has told none.
var migratingDirectory = [16]byte{15: 2}

// deleteTopic makes the partitions unknown and then frees their names on disk.
func (m *Manager) deleteTopic(id [16]byte) error {
	topic := m.byID.get(id)
	if topic == nil {
		return nil
	}
	m.byID.remove(id)
	m.byName.remove(topic.name)
	var failures []error
	for _, p := range topic.Partitions() {
		p.remove()
		tp := storage.TopicPartition{Topic: topic.name, Partition: p.index}
		if err := m.storage.Delete(tp); err != nil && !errors.Is(err, storage.ErrNotFound) {
			failures = append(failures, fmt.Errorf("delete the log of %s: %w", tp, err))
		}
	}
	return errors.Join(failures...)
}

// applyConfigs works out again the configurations of the topics that the
// resources name; a broker's are in those of all topics.
func (m *Manager) applyConfigs(resources []metadata.ConfigResource, image *metadata.Image) {
	for _, resource := range resources {
		switch resource.Type {
		case metadata.ResourceTopic:
			m.configure(resource.Name, image)
		case metadata.ResourceBroker:
			for topic := range image.Topics() {
				m.configure(topic.Name, image)
			}
			return
		}
	}
}

func (m *Manager) configure(name string, image *metadata.Image) {
	topic := m.byName.get(name)
	if topic == nil {
		return
	}
	config := m.config(name, image)
	m.storage.SetConfig(name, config.Log)
	for _, p := range topic.Partitions() {
		p.configure(&config)
	}
}
