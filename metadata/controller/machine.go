package controller

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/config"
	"ottla/metadata"
)

const (
	// maxRecords is how many records one request may make: Kafka refuses more.
	maxRecords = 10_000
	// producerIDBlock is how many producer ids are given out at a time.
	producerIDBlock = 1000
)

// The levels of metadata.version from on which something is there.
const (
	levelShrinkKeepsEpoch    = 12 // 3.6: a smaller ISR alone no longer raises the leader epoch
	levelRegisterController  = 15 // 3.7: controllers register
	levelDirectoryIDs        = 17 // 3.7: partitions know the directories of their replicas
	levelCordonedDirectories = 30 // 4.3: brokers tell which directories take no new partitions
)

const elrFeature = "eligible.leader.replicas.version"

// machine is the state that decisions are made against, and the rules. It has
// no goroutine, clock, disk or network; ids are handed in. Only apply changes
// its state.
type machine struct {
	Options
	// image is what was appended, committed or not.
	image *metadata.Image
	// last is the offset of the last record appended.
	last int64
	// colliding has, for names that contain '.' or '_', the names that a metric
	// could not tell apart, in the order of their creation.
	colliding map[string][]string
}

func newMachine(options Options) *machine {
	options.fillIn()
	m := &machine{Options: options, image: options.Quorum.Image(), colliding: make(map[string][]string)}
	m.last = options.Quorum.Committed() - 1
	for topic := range m.image.Topics() {
		m.noteCreated(topic.Name)
	}
	return m
}

// apply folds appended records into the state.
func (m *machine) apply(records []metadata.Record, last int64, epoch int32) (*metadata.Delta, *metadata.Image) {
	delta := metadata.NewDelta(m.image)
	for i, record := range records {
		if err := delta.Replay(record); err != nil {
			panic(fmt.Sprintf("BUG: the controller made a record that does not fit: record %d of %d: %v", i, len(records), err))
		}
	}
	for _, topic := range delta.DeletedTopics() {
		m.noteDeleted(topic.Name)
	}
	for _, topic := range delta.ChangedTopics() {
		if old, ok := m.image.Topic(topic.Name); !ok || old.ID != topic.ID {
			m.noteCreated(topic.Name)
		}
	}
	m.image = delta.Apply(last, epoch)
	m.last = last
	return delta, m.image
}

func (m *machine) noteCreated(name string) {
	if normalized, ok := collisionName(name); ok {
		m.colliding[normalized] = append(m.colliding[normalized], name)
	}
}

func (m *machine) noteDeleted(name string) {
	normalized, ok := collisionName(name)
	if !ok {
		return
	}
	names := m.colliding[normalized]
	if i := slices.Index(names, name); i >= 0 {
		names = slices.Delete(names, i, i+1)
	}
	if len(names) == 0 {
		delete(m.colliding, normalized)
		return
	}
	m.colliding[normalized] = names
}

// dynamic are the configurations of this broker and of all brokers.
func (m *machine) dynamic() config.Dynamic { return Dynamic(m.image, m.NodeID) }

// Dynamic are the configurations that an image keeps for a broker and for all
// brokers.
func Dynamic(image *metadata.Image, node int32) config.Dynamic {
	return config.Dynamic{
		Broker:  image.Config(metadata.ConfigResource{Type: metadata.ResourceBroker, Name: fmt.Sprint(node)}),
		Default: image.Config(metadata.ConfigResource{Type: metadata.ResourceBroker}),
	}
}

// topicConfig is the configuration of a topic that is there.
func (m *machine) topicConfig(name string) config.Topic {
	return m.Configs.TopicConfig(m.dynamic(), m.image.Config(topicResource(name)))
}

func topicResource(name string) metadata.ConfigResource {
	return metadata.ConfigResource{Type: metadata.ResourceTopic, Name: name}
}

func (m *machine) elrEnabled() bool { return m.image.Feature(elrFeature) > 0 }

// active tells whether a broker takes part: registered, not fenced, not shutting down.
func (m *machine) active(id int32) bool {
	broker, ok := m.image.Broker(id)
	return ok && !broker.Fenced && !broker.InControlledShutdown
}

// defaultDirectory is the directory that a new replica on a broker is said to be in.
func (m *machine) defaultDirectory(id int32) [16]byte {
	broker, ok := m.image.Broker(id)
	switch {
	case !ok:
		return unassignedDirectory
	case len(broker.Directories) == 0:
		return migratingDirectory
	case len(broker.Directories) == 1:
		return broker.Directories[0]
	default:
		return unassignedDirectory
	}
}

// Directory ids that mean something else than a directory.
var (
	unassignedDirectory = [16]byte{}
	lostDirectory       = [16]byte{15: 1}
	migratingDirectory  = [16]byte{15: 2}
)

// HasOnlineDirectory tells whether a directory, as a partition names it, can be
// one that works on the broker.
func HasOnlineDirectory(broker *metadata.Broker, directory [16]byte) bool {
	switch {
	case directory == unassignedDirectory || directory == migratingDirectory:
		return true
	case directory == lostDirectory:
		return false
	case len(broker.Directories) == 0:
		// A registration from before directory ids: nobody knows.
		return true
	default:
		return slices.Contains(broker.Directories, directory)
	}
}

// EndpointOf finds a broker's endpoint by the name of its listener.
func EndpointOf(broker *metadata.Broker, listener string) (metadata.Endpoint, bool) {
	for _, endpoint := range broker.Endpoints {
		if endpoint.Name == listener {
			return endpoint, true
		}
	}
	return metadata.Endpoint{}, false
}

// allocateProducerIDs gives out the next block.
func (m *machine) allocateProducerIDs() (first int64, records []metadata.Record, refusal error) {
	broker, ok := m.image.Broker(m.NodeID)
	if !ok {
		return 0, nil, defaulted(kerr.StaleBrokerEpoch)
	}
	first = m.image.NextProducerID()
	if first > 1<<63-1-producerIDBlock {
		return 0, nil, failure(kerr.UnknownServerError, "Exhausted all producerIds as the next block's end producerId has exceeded the int64 type limit")
	}
	return first, []metadata.Record{&metadata.ProducerIdsRecord{
		BrokerID: m.NodeID, BrokerEpoch: broker.Epoch, NextProducerID: first + producerIDBlock,
	}}, nil
}
