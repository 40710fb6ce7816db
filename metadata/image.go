package metadata

import (
	"bytes"
	"cmp"
	"iter"
	"strings"
)

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

func compareResources(a, b ConfigResource) int {
	return cmp.Or(cmp.Compare(a.Type, b.Type), strings.Compare(a.Name, b.Name))
}

// config is what is set for one resource. Tags are the unknown tags of the records, by name of the key; usually nil.
type config struct {
	values map[string]string
	tags   map[string][]UnknownTag
}

// feature is a finalized level.
type feature struct {
	level int16
	tags  []UnknownTag
}

// scramKey orders credentials as a snapshot has them: by mechanism, then by user.
type scramKey struct {
	mechanism int8
	user      string
}

// Image is the whole metadata after the records up to Offset. It never changes.
type Image struct {
	clusterID    string
	offset       int64
	epoch        int32
	features     tree[string, feature]
	brokers      tree[int32, *Broker]
	controllers  tree[int32, *ControllerRegistration]
	topicsByName tree[string, *Topic]
	topicsByID   tree[[16]byte, *Topic]
	configs      tree[ConfigResource, *config]
	quotas       tree[string, *ClientQuota]
	producerIDs  *ProducerIdsRecord // the last one; nil if there was none
	acls         tree[[16]byte, *AccessControlEntryRecord]
	scram        tree[scramKey, *UserScramCredentialRecord]
	tokens       tree[string, *DelegationTokenRecord]
}

// NewImage is the image before the first record.
func NewImage(clusterID string) *Image {
	compareIDs := func(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) }
	return &Image{
		clusterID:    clusterID,
		offset:       -1,
		features:     newTree[string, feature](strings.Compare),
		brokers:      newTree[int32, *Broker](cmp.Compare[int32]),
		controllers:  newTree[int32, *ControllerRegistration](cmp.Compare[int32]),
		topicsByName: newTree[string, *Topic](strings.Compare),
		topicsByID:   newTree[[16]byte, *Topic](compareIDs),
		configs:      newTree[ConfigResource, *config](compareResources),
		quotas:       newTree[string, *ClientQuota](strings.Compare),
		acls:         newTree[[16]byte, *AccessControlEntryRecord](compareIDs),
		scram: newTree[scramKey, *UserScramCredentialRecord](func(a, b scramKey) int {
			return cmp.Or(cmp.Compare(a.mechanism, b.mechanism), strings.Compare(a.user, b.user))
		}),
		tokens: newTree[string, *DelegationTokenRecord](strings.Compare),
	}
}

// ClusterID is the id in meta.properties.
func (i *Image) ClusterID() string { return i.clusterID }

// Offset is that of the last record folded in, −1 at first.
func (i *Image) Offset() int64 { return i.offset }

// Epoch is the leader epoch of the record at Offset.
func (i *Image) Epoch() int32 { return i.epoch }

// Topic finds a topic by its name.
func (i *Image) Topic(name string) (*Topic, bool) { return i.topicsByName.get(name) }

// TopicByID finds a topic by its id.
func (i *Image) TopicByID(id [16]byte) (*Topic, bool) { return i.topicsByID.get(id) }

// Topics yields all topics, sorted by name.
func (i *Image) Topics() iter.Seq[*Topic] { return i.topicsByName.values() }

// TopicCount is the number of topics.
func (i *Image) TopicCount() int { return i.topicsByName.size }

// Broker finds a broker's registration.
func (i *Image) Broker(id int32) (*Broker, bool) { return i.brokers.get(id) }

// Brokers yields all registered brokers, sorted by id.
func (i *Image) Brokers() iter.Seq[*Broker] { return i.brokers.values() }

// Controller finds a controller's registration.
func (i *Image) Controller(id int32) (*ControllerRegistration, bool) { return i.controllers.get(id) }

// Controllers yields all registered controllers, sorted by id.
func (i *Image) Controllers() iter.Seq[*ControllerRegistration] { return i.controllers.values() }

// Config is what was set for a resource; it must not be changed; nil if nothing was set.
func (i *Image) Config(resource ConfigResource) map[string]string {
	if c, ok := i.configs.get(resource); ok {
		return c.values
	}
	return nil
}

// ConfigResources yields the resources for which something was set, sorted by type and name.
func (i *Image) ConfigResources() iter.Seq[ConfigResource] {
	return func(yield func(ConfigResource) bool) {
		for resource := range i.configs.all() {
			if !yield(resource) {
				return
			}
		}
	}
}

// Feature is the finalized level of a feature, 0 if it has none. "metadata.version" is one of them.
func (i *Image) Feature(name string) int16 {
	f, _ := i.features.get(name)
	return f.level
}

// Features yields the finalized features sorted by name, metadata.version among them.
func (i *Image) Features() iter.Seq2[string, int16] {
	return func(yield func(string, int16) bool) {
		for name, f := range i.features.all() {
			if !yield(name, f.level) {
				return
			}
		}
	}
}

// MetadataVersion is the level of metadata.version; 0 before its record was seen.
func (i *Image) MetadataVersion() int16 { return i.Feature(FeatureMetadataVersion) }

// NextProducerID is the first producer id that no block given out holds; 0 before the first block.
func (i *Image) NextProducerID() int64 {
	if i.producerIDs == nil {
		return 0
	}
	return i.producerIDs.NextProducerID
}

// Quotas yields what is set for clients, users and addresses, sorted by entity.
func (i *Image) Quotas() iter.Seq[*ClientQuota] { return i.quotas.values() }

// ACLs yields the access control entries, sorted by id. The records must not be changed.
func (i *Image) ACLs() iter.Seq[*AccessControlEntryRecord] { return i.acls.values() }

// ScramCredentials yields the SCRAM credentials, sorted by mechanism and user. The records must not be changed.
func (i *Image) ScramCredentials() iter.Seq[*UserScramCredentialRecord] { return i.scram.values() }

// ScramCredential finds a user's credential of a mechanism (1: SCRAM-SHA-256, 2: SCRAM-SHA-512).
func (i *Image) ScramCredential(user string, mechanism int8) (*UserScramCredentialRecord, bool) {
	return i.scram.get(scramKey{mechanism, user})
}

// DelegationTokens yields the delegation tokens, sorted by id. The records must not be changed.
func (i *Image) DelegationTokens() iter.Seq[*DelegationTokenRecord] { return i.tokens.values() }
