package controller

import (
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/config"
	"ottla/metadata"
)

// maxConfigLength is the longest value of a configuration, in UTF-16 units.
const maxConfigLength = 32767

const minISRKey = "min.insync.replicas"

func configRecord(resource metadata.ConfigResource, key string, value *string) *metadata.ConfigRecord {
	return &metadata.ConfigRecord{ResourceType: resource.Type, ResourceName: resource.Name, Name: key, Value: value}
}

// clearELR makes the records that go with new values of min.insync.replicas: who
// was eligible under the old one may not be under the new one.
func (m *machine) clearELR(configs []metadata.Record) []metadata.Record {
	var records []metadata.Record
	for _, record := range configs {
		c, ok := record.(*metadata.ConfigRecord)
		if !ok || c.Name != minISRKey || !m.elrEnabled() {
			continue
		}
		clear := &metadata.ClearElrRecord{}
		if c.ResourceType == metadata.ResourceTopic {
			clear.TopicName = c.ResourceName
		}
		records = append(records, clear)
	}
	return records
}

// alteration is what a request wants of one resource.
type alteration struct {
	resource   metadata.ConfigResource
	operations []operationOn
	// whole: what is not named goes (AlterConfigs).
	whole bool
}

// operationOn is what a request wants of one key.
type operationOn struct {
	key   string
	op    kmsg.IncrementalAlterConfigOp
	value *string
}

// incrementalAlterConfigs decides an IncrementalAlterConfigs request (v0, v1).
func (m *machine) incrementalAlterConfigs(request *kmsg.IncrementalAlterConfigsRequest) ([]metadata.Record, *kmsg.IncrementalAlterConfigsResponse) {
	response := request.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	asked := make([]alteration, len(request.Resources))
	for i := range request.Resources {
		resource := &request.Resources[i]
		asked[i].resource = metadata.ConfigResource{Type: int8(resource.ResourceType), Name: resource.ResourceName}
		for _, c := range resource.Configs {
			asked[i].operations = append(asked[i].operations, operationOn{c.Name, c.Op, c.Value})
		}
	}
	records, failures := m.alterAll(asked)
	for i, err := range failures {
		result := kmsg.NewIncrementalAlterConfigsResponseResource()
		result.ResourceType, result.ResourceName = request.Resources[i].ResourceType, request.Resources[i].ResourceName
		result.ErrorCode, result.ErrorMessage = wire(err)
		response.Resources = append(response.Resources, result)
	}
	if request.ValidateOnly {
		return nil, response
	}
	return records, response
}

// alterConfigs decides an AlterConfigs request (v0 to v2): what it names is what
// a resource has afterwards.
func (m *machine) alterConfigs(request *kmsg.AlterConfigsRequest) ([]metadata.Record, *kmsg.AlterConfigsResponse) {
	response := request.ResponseKind().(*kmsg.AlterConfigsResponse)
	asked := make([]alteration, len(request.Resources))
	for i := range request.Resources {
		resource := &request.Resources[i]
		asked[i].resource = metadata.ConfigResource{Type: int8(resource.ResourceType), Name: resource.ResourceName}
		asked[i].whole = true
		for _, c := range resource.Configs {
			asked[i].operations = append(asked[i].operations, operationOn{c.Name, kmsg.IncrementalAlterConfigOpSet, c.Value})
		}
	}
	records, failures := m.alterAll(asked)
	for i, err := range failures {
		result := kmsg.NewAlterConfigsResponseResource()
		result.ResourceType, result.ResourceName = request.Resources[i].ResourceType, request.Resources[i].ResourceName
		result.ErrorCode, result.ErrorMessage = wire(err)
		response.Resources = append(response.Resources, result)
	}
	if request.ValidateOnly {
		return nil, response
	}
	return records, response
}

// alterAll makes the records of several resources' changes, and tells for each
// why it cannot be changed.
func (m *machine) alterAll(asked []alteration) (records []metadata.Record, failures []error) {
	failures = make([]error, len(asked))
	times := make(map[metadata.ConfigResource]int, len(asked))
	for i := range asked {
		times[asked[i].resource]++
	}
	var clears []metadata.Record
	for i := range asked {
		if times[asked[i].resource] > 1 {
			failures[i] = failure(kerr.InvalidRequest, "Each resource must appear at most once.")
			continue
		}
		made, err := m.alterResource(&asked[i])
		failures[i] = err
		records = append(records, made...)
		clears = append(clears, m.clearELR(made)...)
		if len(records)+len(clears) > maxRecords {
			for j := range failures {
				failures[j] = tooManyRecords()
			}
			return nil, failures
		}
	}
	return append(records, clears...), failures
}

// alterResource makes the records of one resource's changes: all or none.
func (m *machine) alterResource(asked *alteration) ([]metadata.Record, error) {
	if err := checkOperations(asked.operations); err != nil {
		return nil, err
	}
	resource := asked.resource
	switch {
	case resource.Type == metadata.ResourceBrokerLogger && !asked.whole:
		return nil, m.alterLoggers(asked)
	case resource.Type == metadata.ResourceBroker:
		if err := m.checkBrokerName(resource.Name); err != nil {
			return nil, err
		}
		if err := m.checkBrokerConfigs(asked); err != nil {
			return nil, err
		}
	case resource.Type == metadata.ResourceTopic, resource.Type == metadata.ResourceClientMetrics, resource.Type == metadata.ResourceGroup:
	default:
		return nil, failure(kerr.InvalidRequest, "Unknown resource type "+strconv.Itoa(int(resource.Type)))
	}
	records, wanted, err := m.applyOperations(asked)
	if err != nil {
		return nil, err
	}
	if err := m.checkRecords(records); err != nil {
		return nil, err
	}
	if err := m.checkWanted(resource, wanted); err != nil {
		return nil, err
	}
	return records, nil
}

// applyOperations makes the records of the operations, and what the resource has
// afterwards.
func (m *machine) applyOperations(asked *alteration) (records []metadata.Record, wanted map[string]string, err error) {
	existing := m.image.Config(asked.resource)
	wanted = make(map[string]string, len(existing))
	for key, value := range existing {
		wanted[key] = value
	}
	named := make(map[string]bool, len(asked.operations))
	for _, operation := range asked.operations {
		named[operation.key] = true
		value, err := m.newValue(asked.resource, operation, existing)
		if err != nil {
			return nil, nil, err
		}
		old, had := existing[operation.key]
		if value == nil {
			delete(wanted, operation.key)
		} else {
			wanted[operation.key] = *value
		}
		// A broker's is written even if it stays, as Kafka does to have it read again.
		if had != (value != nil) || had && old != *value || asked.resource.Type == metadata.ResourceBroker {
			records = append(records, configRecord(asked.resource, operation.key, value))
		}
	}
	if asked.whole {
		for _, key := range sortedKeys(existing) {
			if !named[key] {
				delete(wanted, key)
				records = append(records, configRecord(asked.resource, key, nil))
			}
		}
	}
	return records, wanted, nil
}

// checkOperations holds the operations on one resource against each other.
func checkOperations(operations []operationOn) error {
	seen := make(map[string]bool, len(operations))
	var nulls []string
	for _, operation := range operations {
		if seen[operation.key] {
			return failure(kerr.InvalidRequest, "Error due to duplicate config keys")
		}
		seen[operation.key] = true
		if operation.op != kmsg.IncrementalAlterConfigOpDelete && operation.value == nil {
			nulls = append(nulls, operation.key)
		}
	}
	if len(nulls) > 0 {
		return failure(kerr.InvalidRequest, "Null value not supported for : "+strings.Join(nulls, ", "))
	}
	return nil
}

// newValue is what an operation makes of a value; nil: it is taken away.
func (m *machine) newValue(resource metadata.ConfigResource, operation operationOn, existing map[string]string) (*string, error) {
	switch operation.op {
	case kmsg.IncrementalAlterConfigOpSet:
		return operation.value, nil
	case kmsg.IncrementalAlterConfigOpDelete:
		return nil, nil
	case kmsg.IncrementalAlterConfigOpAppend, kmsg.IncrementalAlterConfigOpSubtract:
	default:
		return nil, plain(kerr.UnknownServerError) // as Kafka, which has no answer to it
	}
	definition := listOf(resource.Type, operation.key)
	if definition == nil {
		return nil, failure(kerr.InvalidConfig, "Can't "+operation.op.String()+" to key "+operation.key+" because its type is not LIST.")
	}
	return new(changedList(operation, definition, existing)), nil
}

// changedList is a list with what an operation puts in or takes out.
func changedList(operation operationOn, definition *config.Definition, existing map[string]string) string {
	old, ok := existing[operation.key]
	if !ok && definition.Default != nil {
		// What the key has by itself, whatever the broker says.
		old = *definition.Default
	}
	values := slices.DeleteFunc(strings.Split(old, ","), func(value string) bool { return value == "" })
	for _, value := range splitAsJava(*operation.value) {
		i := slices.Index(values, value)
		switch {
		case operation.op == kmsg.IncrementalAlterConfigOpAppend && i < 0:
			values = append(values, value)
		case operation.op == kmsg.IncrementalAlterConfigOpSubtract && i >= 0:
			values = slices.Delete(values, i, i+1)
		}
	}
	return strings.Join(values, ",")
}

// listOf is the definition of a key whose value is a list that can be changed in
// parts, nil for others. Kafka changes those of topics and brokers alone.
func listOf(kind int8, key string) *config.Definition {
	table := config.Topics()
	switch kind {
	case metadata.ResourceBroker:
		table = config.Brokers()
	case metadata.ResourceGroup, metadata.ResourceClientMetrics:
		return nil
	}
	if definition, known := table.Lookup(key); known && definition.Type == config.TypeList {
		return definition
	}
	return nil
}

// splitAsJava splits at commas and leaves out what is empty at the end, except
// that the empty text is one empty part.
func splitAsJava(text string) []string {
	parts := strings.Split(text, ",")
	for text != "" && len(parts) > 0 && parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	return parts
}
