package metadata

import "iter"

// The types of a ConfigResource, as on the wire.
const (
	ResourceTopic         int8 = 2
	ResourceBroker        int8 = 4
	ResourceBrokerLogger  int8 = 8
	ResourceClientMetrics int8 = 16
	ResourceGroup         int8 = 32
)

// ConfigResource names what a configuration belongs to. The name "" of a broker means the default of all brokers.
type ConfigResource struct {
	Type int8
	Name string
}

// The values of a PartitionRecord's leader and leader recovery state.
const (
	NoLeader       int32 = -1
	NoLeaderChange int32 = -2

	LeaderRecovered  int8 = 0
	LeaderRecovering int8 = 1
)

// Partition is the state of one partition. Its slices must not be changed.
type Partition struct {
	Replicas            []int32
	ISR                 []int32
	ELR                 []int32 // eligible leader replicas (KIP-966)
	LastKnownELR        []int32
	Adding              []int32
	Removing            []int32
	Directories         [][16]byte // one for each replica
	Leader              int32      // NoLeader if none
	LeaderRecoveryState int8
	LeaderEpoch         int32
	PartitionEpoch      int32
}

// Topic is a topic with all its partitions; the index into Partitions is the partition's number.
type Topic struct {
	Name       string
	ID         [16]byte
	Partitions []Partition
}

// Endpoint is where a broker or controller listens.
type Endpoint struct {
	Name             string
	Host             string
	Port             uint16
	SecurityProtocol int16
}

// FeatureRange is the range of levels that a broker or controller supports of a feature.
type FeatureRange struct{ Min, Max int16 }

// Broker is a broker's registration.
type Broker struct {
	ID                   int32
	Epoch                int64 // the offset of its RegisterBrokerRecord
	IncarnationID        [16]byte
	Endpoints            []Endpoint // in the order of their registration
	Features             map[string]FeatureRange
	Rack                 *string
	Fenced               bool
	InControlledShutdown bool
	IsMigratingZkBroker  bool
	Directories          [][16]byte // sorted
	CordonedDirectories  [][16]byte
}

// ControllerRegistration is a controller's registration.
type ControllerRegistration struct {
	ID               int32
	IncarnationID    [16]byte
	ZkMigrationReady bool
	Endpoints        []Endpoint
	Features         map[string]FeatureRange
}

// Image is the whole metadata after the records up to Offset. It never changes.
type Image struct{}

// NewImage is the image before the first record.
func NewImage(clusterID string) *Image { panic("BUG: not yet") }

// ClusterID is the id in meta.properties.
func (i *Image) ClusterID() string { panic("BUG: not yet") }

// Offset is that of the last record folded in, −1 at first.
func (i *Image) Offset() int64 { panic("BUG: not yet") }

// Epoch is the leader epoch of the record at Offset.
func (i *Image) Epoch() int32 { panic("BUG: not yet") }

// Topic finds a topic by its name.
func (i *Image) Topic(name string) (*Topic, bool) { panic("BUG: not yet") }

// TopicByID finds a topic by its id.
func (i *Image) TopicByID(id [16]byte) (*Topic, bool) { panic("BUG: not yet") }

// Topics yields all topics, sorted by name.
func (i *Image) Topics() iter.Seq[*Topic] { panic("BUG: not yet") }

// TopicCount is the number of topics.
func (i *Image) TopicCount() int { panic("BUG: not yet") }

// Broker finds a broker's registration.
func (i *Image) Broker(id int32) (*Broker, bool) { panic("BUG: not yet") }

// Brokers yields all registered brokers, sorted by id.
func (i *Image) Brokers() iter.Seq[*Broker] { panic("BUG: not yet") }

// Controllers yields all registered controllers, sorted by id.
func (i *Image) Controllers() iter.Seq[*ControllerRegistration] { panic("BUG: not yet") }

// Config is what was set for a resource; it must not be changed; nil if nothing was set.
func (i *Image) Config(resource ConfigResource) map[string]string { panic("BUG: not yet") }

// ConfigResources yields the resources for which something was set, sorted by type and name.
func (i *Image) ConfigResources() iter.Seq[ConfigResource] { panic("BUG: not yet") }

// Feature is the finalized level of a feature, 0 if it has none. "metadata.version" is one of them.
func (i *Image) Feature(name string) int16 { panic("BUG: not yet") }

// Features yields the finalized features sorted by name, metadata.version among them.
func (i *Image) Features() iter.Seq2[string, int16] { panic("BUG: not yet") }

// MetadataVersion is the level of metadata.version; 0 before its record was seen.
func (i *Image) MetadataVersion() int16 { panic("BUG: not yet") }

// NextProducerID is the first producer id that no block given out holds.
func (i *Image) NextProducerID() int64 { panic("BUG: not yet") }

// Records are the records of a snapshot of the image, in Kafka's order, for a level of metadata.version. Each is to be written at
// RecordVersion(record, level).
func (i *Image) Records(level int16) []Record { panic("BUG: not yet") }
