package controller

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/metadata"
)

// The ways in which a request may move a feature's level.
const (
	upgradeOnly     int8 = 1
	safeDowngrade   int8 = 2
	unsafeDowngrade int8 = 3
)

// levelELR is the metadata.version that eligible.leader.replicas.version 1 needs.
const levelELR = 23

// featureUpdate is what a request wants of one feature.
type featureUpdate struct {
	level int16
	kind  int8
}

// updateFeatures decides an UpdateFeatures request (v0 to v2): all of it or
// nothing. v1 added the kinds of upgrade and the trial; v2 took away the answer
// for each feature.
func (m *machine) updateFeatures(request *kmsg.UpdateFeaturesRequest) ([]metadata.Record, *kmsg.UpdateFeaturesResponse) {
	response := request.ResponseKind().(*kmsg.UpdateFeaturesResponse)
	updates := make(map[string]featureUpdate, len(request.FeatureUpdates))
	for _, asked := range request.FeatureUpdates {
		kind := asked.UpgradeType
		if request.Version == 0 {
			kind = upgradeOnly // what v0 says of downgrades counts for nothing
		}
		updates[asked.Feature] = featureUpdate{asked.MaxVersionLevel, kind}
	}
	var records []metadata.Record
	for _, name := range slices.Sorted(maps.Keys(updates)) {
		record, err := m.updateFeature(name, updates)
		if err != nil {
			response.ErrorCode, response.ErrorMessage = err.Code.Code,
				new("The update failed for all features since the following feature had an error: "+*err.Message)
			return nil, response
		}
		if record != nil {
			records = append(records, record)
		}
	}
	if request.Version <= 1 {
		for _, asked := range request.FeatureUpdates {
			result := kmsg.NewUpdateFeaturesResponseResult()
			result.Feature, result.ErrorMessage = asked.Feature, new("NONE") // the name of the error that is none
			response.Results = append(response.Results, result)
		}
	}
	if request.ValidateOnly {
		return nil, response
	}
	if updates[elrFeature].level > 0 {
		records = slices.Concat(m.settleMinISR(), records)
	}
	return records, response
}

// settleMinISR makes the records that go before the feature of eligible leader
// replicas: one min.insync.replicas for all brokers, none for a single one.
func (m *machine) settleMinISR() []metadata.Record {
	var records []metadata.Record
	all := metadata.ConfigResource{Type: metadata.ResourceBroker}
	if _, ok := m.image.Config(all)[minISRKey]; !ok {
		records = append(records, configRecord(all, minISRKey, new(strconv.Itoa(int(m.MinInSyncReplicas)))))
	}
	for resource := range m.image.ConfigResources() {
		if _, ok := m.image.Config(resource)[minISRKey]; ok && resource.Type == metadata.ResourceBroker && resource.Name != "" {
			records = append(records, configRecord(resource, minISRKey, nil))
		}
	}
	return records
}

func (m *machine) updateFeature(name string, updates map[string]featureUpdate) (metadata.Record, *Error) {
	update := updates[name]
	refuse := func(why string) *Error {
		return failure(kerr.InvalidUpdateVersion, fmt.Sprintf("Invalid update version %d for feature %s. %s", update.level, name, why))
	}
	if update.kind < upgradeOnly || update.kind > unsafeDowngrade {
		return nil, refuse("The controller does not support the given upgrade type.")
	}
	current := m.image.Feature(name)
	if name == metadata.FeatureKRaftVersion {
		current = m.KRaftVersion
	}
	if update.level < 0 {
		return nil, refuse("A feature version cannot be less than 0.")
	}
	if why := m.unsupported(name, update.level); why != "" {
		return nil, refuse(why)
	}
	switch {
	case update.level < current && update.kind == upgradeOnly:
		return nil, refuse("Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.")
	case update.level > current && update.kind != upgradeOnly:
		return nil, refuse("Can't downgrade to a newer version.")
	}
	switch name {
	case metadata.FeatureMetadataVersion:
		if err := checkDowngrade(current, update); err != nil {
			return nil, err
		}
	case metadata.FeatureKRaftVersion:
		switch {
		case update.level < current:
			return nil, refuse("Can't downgrade the version of this feature.")
		case update.level > current:
			return nil, refuse("The voters of this cluster are those of controller.quorum.voters, and stay so.")
		case update.kind != upgradeOnly:
			return nil, nil
		}
		return &metadata.NoOpRecord{}, nil
	default:
		if why := m.missingDependency(name, updates); why != "" {
			return nil, refuse(why)
		}
	}
	return &metadata.FeatureLevelRecord{Name: name, FeatureLevel: update.level}, nil
}

// unsupported tells why a level cannot be had, "" if it can.
func (m *machine) unsupported(name string, level int16) string {
	why := func(who string, supported metadata.FeatureRange) string {
		switch {
		case level >= supported.Min && level <= supported.Max:
			return ""
		case supported.Max == 0:
			return who + " does not support this feature."
		case supported.Min == supported.Max:
			return fmt.Sprintf("%s only supports versions %d", who, supported.Min)
		}
		return fmt.Sprintf("%s only supports versions %d-%d", who, supported.Min, supported.Max)
	}
	if text := why("Local controller "+decimal(m.NodeID), supportedFeatures()[name]); text != "" {
		return text
	}
	for broker := range m.image.Brokers() {
		if text := why("Broker "+decimal(broker.ID), broker.Features[name]); text != "" {
			return text
		}
	}
	if m.image.MetadataVersion() < levelRegisterController {
		return ""
	}
	for controller := range m.image.Controllers() {
		if text := why("Controller "+decimal(controller.ID), controller.Features[name]); text != "" && controller.ID != m.NodeID {
			return text
		}
	}
	return ""
}

func (m *machine) missingDependency(name string, updates map[string]featureUpdate) string {
	if _, known := supportedFeatures()[name]; !known {
		return "Feature " + name + " not found."
	}
	level := m.image.MetadataVersion()
	if update, ok := updates[metadata.FeatureMetadataVersion]; ok {
		level = update.level
	}
	if name == elrFeature && updates[name].level > 0 && level < levelELR {
		return fmt.Sprintf("%s could not be set to %d because it depends on %s level %d", name, updates[name].level, metadata.FeatureMetadataVersion, levelELR)
	}
	return ""
}

// checkDowngrade refuses a lower metadata.version, except where no record is
// different in between.
func checkDowngrade(current int16, update featureUpdate) *Error {
	for level := current; level > update.level; level-- {
		if !changesRecords(level) {
			continue
		}
		why := "Refusing to perform the requested downgrade because it might delete metadata information."
		if update.kind == unsafeDowngrade {
			why = "Unsafe metadata downgrade is not supported in this version."
		}
		return failure(kerr.InvalidUpdateVersion, fmt.Sprintf("Unsupported metadata.version downgrade from %d to %d. %s", current, update.level, why))
	}
	return nil
}

// changesRecords tells whether a level of metadata.version has records, or fields
// of them, that the one below has not.
func changesRecords(level int16) bool {
	return slices.Contains([]int16{7, 8, 11, 13, 14, 15, 17, 23, 30}, level)
}
