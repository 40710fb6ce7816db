package metadata

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Delta folds records into what will be the next Image and knows what they changed. It belongs to one goroutine.
type Delta struct {
	image *Image // what it began on
	next  Image  // the trees so far; topics that are being changed are in topics instead
	empty bool

	topics  map[[16]byte]*topicDelta // created or changed
	created map[string][16]byte      // the latest id of the names of topics created
	deleted map[[16]byte]*Topic      // topics of image that are gone

	configs     map[ConfigResource]bool // the resources that a record named
	ownConfigs  map[ConfigResource]bool // those whose config in next is this delta's own, to be changed in place
	brokers     map[int32]bool
	controllers map[int32]bool
	features    map[string]bool
	quotas      map[string]bool
	acls        map[[16]byte]bool
	scram       map[scramKey]bool
	tokens      map[string]bool
}

// topicDelta is a topic that is being changed. Its partitions are the delta's own copy.
type topicDelta struct {
	topic   *Topic
	changed map[int32]bool // the partitions created or changed
}

// NewDelta begins a delta on an image.
func NewDelta(image *Image) *Delta {
	return &Delta{image: image, next: *image, empty: true}
}

// mark notes a key in a set that is made when first needed.
func mark[K comparable](set *map[K]bool, key K) {
	if *set == nil {
		*set = make(map[K]bool)
	}
	(*set)[key] = true
}

// Image is the image the delta began on.
func (d *Delta) Image() *Image { return d.image }

// Empty tells whether nothing was replayed.
func (d *Delta) Empty() bool { return d.empty }

// Replay folds one record in. The error says which record does not fit (a partition of a topic that is not there, …); the delta is then of
// no use. Records are kept by reference and must not be changed afterwards. Markers of transactions are for the loader, and an error here.
func (d *Delta) Replay(record Record) error {
	d.empty = false
	if err := d.replay(record); err != nil {
		return fmt.Errorf("replay %s: %w", recordName(record), err)
	}
	return nil
}

func (d *Delta) replay(record Record) error {
	switch r := record.(type) {
	case *TopicRecord:
		return d.replayTopic(r)
	case *PartitionRecord:
		return d.replayPartition(r)
	case *PartitionChangeRecord:
		return d.replayPartitionChange(r)
	case *RemoveTopicRecord:
		return d.replayRemoveTopic(r)
	case *ClearElrRecord:
		return d.replayClearELR(r)
	case *ConfigRecord:
		d.replayConfig(r)
	case *FeatureLevelRecord:
		return d.replayFeature(r)
	case *ClientQuotaRecord:
		d.replayQuota(r)
	case *ProducerIdsRecord:
		d.next.producerIDs = r
	case *NoOpRecord, *ZkMigrationStateRecord:
		// Nothing is kept of them, as in Kafka's image.
	default:
		return d.replayNodeOrSecurity(record)
	}
	return nil
}

func (d *Delta) replayNodeOrSecurity(record Record) error {
	switch r := record.(type) {
	case *RegisterBrokerRecord:
		d.setBroker(newBroker(r))
	case *UnregisterBrokerRecord:
		return d.replayUnregister(r)
	case *FenceBrokerRecord:
		return d.changeBroker(r.ID, r.Epoch, &BrokerRegistrationChangeRecord{Fenced: 1})
	case *UnfenceBrokerRecord:
		return d.changeBroker(r.ID, r.Epoch, &BrokerRegistrationChangeRecord{Fenced: -1})
	case *BrokerRegistrationChangeRecord:
		return d.changeBroker(r.BrokerID, r.BrokerEpoch, r)
	case *RegisterControllerRecord:
		mark(&d.controllers, r.ControllerID)
		d.next.controllers = d.next.controllers.with(r.ControllerID, newController(r))
	case *AccessControlEntryRecord:
		mark(&d.acls, r.ID)
		d.next.acls = d.next.acls.with(r.ID, r)
	case *RemoveAccessControlEntryRecord:
		if _, ok := d.next.acls.get(r.ID); !ok {
			return fmt.Errorf("no access control entry has the id %x", r.ID)
		}
		mark(&d.acls, r.ID)
		d.next.acls = d.next.acls.without(r.ID)
	case *UserScramCredentialRecord:
		key := scramKey{r.Mechanism, r.Name}
		mark(&d.scram, key)
		d.next.scram = d.next.scram.with(key, r)
	case *RemoveUserScramCredentialRecord:
		key := scramKey{r.Mechanism, r.Name}
		mark(&d.scram, key)
		d.next.scram = d.next.scram.without(key)
	case *DelegationTokenRecord:
		mark(&d.tokens, r.TokenID)
		d.next.tokens = d.next.tokens.with(r.TokenID, r)
	case *RemoveDelegationTokenRecord:
		mark(&d.tokens, r.TokenID)
		d.next.tokens = d.next.tokens.without(r.TokenID)
	default:
		return fmt.Errorf("a record of type %d changes no image", record.APIKey())
	}
	return nil
}

func (d *Delta) setBroker(b *Broker) {
	mark(&d.brokers, b.ID)
	d.next.brokers = d.next.brokers.with(b.ID, b)
}

func (d *Delta) replayUnregister(r *UnregisterBrokerRecord) error {
	if _, err := d.broker(r.BrokerID, r.BrokerEpoch); err != nil {
		return err
	}
	mark(&d.brokers, r.BrokerID)
	d.next.brokers = d.next.brokers.without(r.BrokerID)
	return nil
}

func (d *Delta) broker(id int32, epoch int64) (*Broker, error) {
	b, ok := d.next.brokers.get(id)
	if !ok {
		return nil, fmt.Errorf("broker %d is not registered", id)
	}
	if b.Epoch != epoch {
		return nil, fmt.Errorf("broker %d is registered with epoch %d, not %d", id, b.Epoch, epoch)
	}
	return b, nil
}

func (d *Delta) changeBroker(id int32, epoch int64, change *BrokerRegistrationChangeRecord) error {
	b, err := d.broker(id, epoch)
	if err != nil {
		return err
	}
	next, err := b.changed(change)
	if err != nil {
		return err
	}
	d.setBroker(next)
	return nil
}

func (d *Delta) replayFeature(r *FeatureLevelRecord) error {
	if r.Name == FeatureKRaftVersion {
		return nil // belongs to the quorum; some versions of Kafka wrote it here by mistake
	}
	mark(&d.features, r.Name)
	if r.Name == FeatureMetadataVersion && VersionName(r.FeatureLevel) == "" {
		return fmt.Errorf("metadata.version %d is not known: %d (%s) to %d (%s) are"+newerLevel,
			r.FeatureLevel, MinVersion, VersionName(MinVersion), MaxVersion, VersionName(MaxVersion))
	}
	if r.FeatureLevel == 0 {
		d.next.features = d.next.features.without(r.Name)
		return nil
	}
	d.next.features = d.next.features.with(r.Name, feature{r.FeatureLevel, r.UnknownTags})
	return nil
}

func (d *Delta) replayQuota(r *ClientQuotaRecord) {
	entity, key := quotaEntity(r)
	quota, ok := d.next.quotas.get(key)
	if !ok {
		quota = &ClientQuota{Entity: entity}
	}
	mark(&d.quotas, key)
	if quota = quota.with(r); len(quota.Values) == 0 {
		d.next.quotas = d.next.quotas.without(key)
		return
	}
	d.next.quotas = d.next.quotas.with(key, quota)
}

func (d *Delta) replayConfig(r *ConfigRecord) {
	resource := ConfigResource{r.ResourceType, r.ResourceName}
	mark(&d.configs, resource)
	c := d.ownConfig(resource)
	delete(c.tags, r.Name)
	if r.Value == nil {
		if delete(c.values, r.Name); len(c.values) == 0 {
			d.removeConfig(resource)
		}
		return
	}
	c.values[r.Name] = *r.Value
	if len(r.UnknownTags) > 0 {
		if c.tags == nil {
			c.tags = make(map[string][]UnknownTag)
		}
		c.tags[r.Name] = r.UnknownTags
	}
}

// ownConfig is the configuration of a resource that this delta may change in place.
func (d *Delta) ownConfig(resource ConfigResource) *config {
	c, ok := d.next.configs.get(resource)
	if ok && d.ownConfigs[resource] {
		return c
	}
	own := &config{values: make(map[string]string)}
	if ok {
		maps.Copy(own.values, c.values)
		own.tags = maps.Clone(c.tags)
	}
	mark(&d.ownConfigs, resource)
	d.next.configs = d.next.configs.with(resource, own)
	return own
}

func (d *Delta) removeConfig(resource ConfigResource) {
	d.next.configs = d.next.configs.without(resource)
	delete(d.ownConfigs, resource)
}

// Apply makes the next image: the one the delta began on and all that was replayed. The delta may still be asked what changed, and takes no
// more records.
func (d *Delta) Apply(offset int64, epoch int32) *Image {
	d.ownConfigs = nil
	next := d.next
	next.offset, next.epoch = offset, epoch
	if next.topicsByID.size == 0 {
		d.buildTopics(&next)
		return &next
	}
	for id, t := range d.topics {
		next.topicsByID = next.topicsByID.with(id, t.topic)
		next.topicsByName = next.topicsByName.with(t.topic.Name, t.topic)
	}
	return &next
}

// ChangedConfigs are the resources whose configuration a record named, sorted by type and name; a deleted topic's too.
func (d *Delta) ChangedConfigs() []ConfigResource {
	return slices.SortedFunc(maps.Keys(d.configs), compareResources)
}

// ChangedBrokers are the ids of brokers whose registration was made, changed or removed, sorted.
func (d *Delta) ChangedBrokers() []int32 { return slices.Sorted(maps.Keys(d.brokers)) }

// ChangedControllers are the ids of controllers whose registration was made, sorted.
func (d *Delta) ChangedControllers() []int32 { return slices.Sorted(maps.Keys(d.controllers)) }

// ChangedFeatures are the names of features whose level a record named, sorted.
func (d *Delta) ChangedFeatures() []string { return slices.Sorted(maps.Keys(d.features)) }

// ChangedSecurity tells whether access control entries, SCRAM credentials, delegation tokens or quotas changed.
func (d *Delta) ChangedSecurity() (acls, scram, tokens, quotas bool) {
	return len(d.acls) > 0, len(d.scram) > 0, len(d.tokens) > 0, len(d.quotas) > 0
}

func compareTopics(a, b *Topic) int { return strings.Compare(a.Name, b.Name) }
