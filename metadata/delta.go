package metadata

// Delta folds records into what will be the next Image and knows what they changed.
type Delta struct{}

// NewDelta begins a delta on an image.
func NewDelta(image *Image) *Delta { panic("BUG: not yet") }

// Image is the image the delta began on.
func (d *Delta) Image() *Image { panic("BUG: not yet") }

// Replay folds one record in. The error says which record does not fit (a partition of a topic that is not there, …); the delta is then of
// no use. Records are kept by reference and must not be changed afterwards. Markers of transactions are for the loader, and an error here.
func (d *Delta) Replay(record Record) error { panic("BUG: not yet") }

// Apply makes the next image: the one the delta began on and all that was replayed. The delta may still be asked what changed.
func (d *Delta) Apply(offset int64, epoch int32) *Image { panic("BUG: not yet") }

// ChangedTopics are the topics created or changed, as they are now, sorted by name.
func (d *Delta) ChangedTopics() []*Topic { panic("BUG: not yet") }

// DeletedTopics are the topics of the old image that are gone, sorted by name. A topic deleted and created again under its name is in
// DeletedTopics with the old id and in ChangedTopics with the new one.
func (d *Delta) DeletedTopics() []*Topic { panic("BUG: not yet") }

// ChangedPartitions are the numbers of the partitions of a changed topic that were created or changed, in order.
func (d *Delta) ChangedPartitions(topicID [16]byte) []int32 { panic("BUG: not yet") }

// ChangedConfigs are the resources whose configuration a record named, sorted by type and name; a deleted topic's too.
func (d *Delta) ChangedConfigs() []ConfigResource { panic("BUG: not yet") }

// ChangedBrokers are the ids of brokers whose registration was made, changed or removed, sorted.
func (d *Delta) ChangedBrokers() []int32 { panic("BUG: not yet") }

// ChangedFeatures are the names of features whose level a record named, sorted.
func (d *Delta) ChangedFeatures() []string { panic("BUG: not yet") }

// Empty tells whether nothing was replayed.
func (d *Delta) Empty() bool { panic("BUG: not yet") }
