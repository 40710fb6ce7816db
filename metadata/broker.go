package metadata

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// Endpoint is where a broker or controller listens.
type Endpoint struct {
	Name             string
	Host             string
	Port             uint16
	SecurityProtocol int16
	tags             []UnknownTag
}

// FeatureRange is the range of levels that a broker or controller supports of a feature.
type FeatureRange struct {
	Min, Max int16
	tags     string // unknown tags, encoded, so that ranges stay comparable
}

// Broker is a broker's registration. It must not be changed.
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
	CordonedDirectories  [][16]byte // nil if the broker has not told them
	tags                 []UnknownTag
}

// ControllerRegistration is a controller's registration. It must not be changed.
type ControllerRegistration struct {
	ID               int32
	IncarnationID    [16]byte
	ZkMigrationReady bool
	Endpoints        []Endpoint
	Features         map[string]FeatureRange
	tags             []UnknownTag
}

// newBroker is the registration that a record gives.
func newBroker(r *RegisterBrokerRecord) *Broker {
	b := &Broker{
		ID: r.BrokerID, Epoch: r.BrokerEpoch, IncarnationID: r.IncarnationID, Rack: r.Rack, Fenced: r.Fenced,
		InControlledShutdown: r.InControlledShutdown, IsMigratingZkBroker: r.IsMigratingZkBroker,
		Directories: sortedIDs(r.LogDirs), CordonedDirectories: r.CordonedLogDirs, Features: make(map[string]FeatureRange),
		tags: r.UnknownTags,
	}
	for _, e := range r.EndPoints {
		b.Endpoints = append(b.Endpoints, Endpoint{e.Name, e.Host, e.Port, e.SecurityProtocol, e.UnknownTags})
	}
	for _, f := range r.Features {
		b.Features[f.Name] = FeatureRange{f.MinSupportedVersion, f.MaxSupportedVersion, packTags(f.UnknownTags)}
	}
	return b
}

// record is the registration as a snapshot has it.
func (b *Broker) record(level int16) *RegisterBrokerRecord {
	r := &RegisterBrokerRecord{
		BrokerID: b.ID, BrokerEpoch: b.Epoch, IncarnationID: b.IncarnationID, Rack: b.Rack, Fenced: b.Fenced,
		InControlledShutdown: b.InControlledShutdown, IsMigratingZkBroker: b.IsMigratingZkBroker,
		UnknownTags: b.tags,
	}
	if level >= versionDirectories {
		r.LogDirs = b.Directories
	}
	if level >= 30 {
		r.CordonedLogDirs = b.CordonedDirectories
	}
	for _, e := range b.Endpoints {
		r.EndPoints = append(r.EndPoints, RegisterBrokerRecordBrokerEndpoint{e.Name, e.Host, e.Port, e.SecurityProtocol, e.tags})
	}
	for _, name := range slices.Sorted(maps.Keys(b.Features)) {
		f := b.Features[name]
		r.Features = append(r.Features, RegisterBrokerRecordBrokerFeature{name, f.Min, f.Max, unpackTags(f.tags)})
	}
	return r
}

// newController is the registration that a record gives.
func newController(r *RegisterControllerRecord) *ControllerRegistration {
	c := &ControllerRegistration{
		ID: r.ControllerID, IncarnationID: r.IncarnationID, ZkMigrationReady: r.ZkMigrationReady,
		Features: make(map[string]FeatureRange), tags: r.UnknownTags,
	}
	for _, e := range r.EndPoints {
		c.Endpoints = append(c.Endpoints, Endpoint{e.Name, e.Host, e.Port, e.SecurityProtocol, e.UnknownTags})
	}
	for _, f := range r.Features {
		c.Features[f.Name] = FeatureRange{f.MinSupportedVersion, f.MaxSupportedVersion, packTags(f.UnknownTags)}
	}
	return c
}

// record is the registration as a snapshot has it.
func (c *ControllerRegistration) record() *RegisterControllerRecord {
	r := &RegisterControllerRecord{
		ControllerID: c.ID, IncarnationID: c.IncarnationID, ZkMigrationReady: c.ZkMigrationReady, UnknownTags: c.tags,
	}
	for _, e := range c.Endpoints {
		r.EndPoints = append(r.EndPoints, RegisterControllerRecordControllerEndpoint{e.Name, e.Host, e.Port, e.SecurityProtocol, e.tags})
	}
	for _, name := range slices.Sorted(maps.Keys(c.Features)) {
		f := c.Features[name]
		r.Features = append(r.Features, RegisterControllerRecordControllerFeature{name, f.Min, f.Max, unpackTags(f.tags)})
	}
	return r
}

// changed is the registration after a change; fenced and inControlledShutdown are 1, −1 (where it can go back) or 0 for no change.
func (b *Broker) changed(r *BrokerRegistrationChangeRecord) (*Broker, error) {
	next := *b
	switch r.Fenced {
	case 0:
	case 1:
		next.Fenced = true
	case -1:
		next.Fenced = false
	default:
		return nil, fmt.Errorf("unknown value %d of fenced", r.Fenced)
	}
	switch r.InControlledShutdown {
	case 0:
	case 1:
		next.InControlledShutdown = true
	default:
		return nil, fmt.Errorf("unknown value %d of inControlledShutdown", r.InControlledShutdown)
	}
	if len(r.LogDirs) > 0 {
		next.Directories = sortedIDs(r.LogDirs)
	}
	if r.CordonedLogDirs != nil {
		next.CordonedDirectories = r.CordonedLogDirs
	}
	next.tags = mergeTags(b.tags, r.UnknownTags)
	return &next, nil
}

func sortedIDs(ids [][16]byte) [][16]byte {
	sorted := slices.Clone(ids)
	slices.SortFunc(sorted, func(a, b [16]byte) int {
		return cmp.Or(compareHalves(a[:8], b[:8]), compareHalves(a[8:], b[8:]))
	})
	return sorted
}

// compareHalves compares as Kafka does: the halves of an id are signed.
func compareHalves(a, b []byte) int {
	return cmp.Compare(int64(binary.BigEndian.Uint64(a)), int64(binary.BigEndian.Uint64(b)))
}
