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

func configRecord(topic, key string, value *string) *metadata.ConfigRecord {
	return &metadata.ConfigRecord{ResourceType: metadata.ResourceTopic, ResourceName: topic, Name: key, Value: value}
}

// clearELR makes the records that go with new values of min.insync.replicas: who
// was eligible under the old one may not be under the new one.
func (m *machine) clearELR(configs []metadata.Record) []metadata.Record {
	var records []metadata.Record
	for _, record := range configs {
		if c, ok := record.(*metadata.ConfigRecord); ok && c.Name == "min.insync.replicas" && m.elrEnabled() {
			records = append(records, &metadata.ClearElrRecord{TopicName: c.ResourceName})
		}
	}
	return records
}

// resourceName is what one resource of a request is about.
type resourceName struct {
	kind kmsg.ConfigResourceType
	name string
}

// incrementalAlterConfigs decides an IncrementalAlterConfigs request (v0, v1).
func (m *machine) incrementalAlterConfigs(request *kmsg.IncrementalAlterConfigsRequest) ([]metadata.Record, *kmsg.IncrementalAlterConfigsResponse) {
	response := request.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	answer := func(resource *kmsg.IncrementalAlterConfigsRequestResource, err error) {
		result := kmsg.NewIncrementalAlterConfigsResponseResource()
		result.ResourceType, result.ResourceName = resource.ResourceType, resource.ResourceName
		result.ErrorCode, result.ErrorMessage = wire(err)
		response.Resources = append(response.Resources, result)
	}
	asked := make(map[resourceName]int, len(request.Resources))
	for i := range request.Resources {
		asked[resourceName{request.Resources[i].ResourceType, request.Resources[i].ResourceName}]++
	}
	var records, clears []metadata.Record
	for i := range request.Resources {
		resource := &request.Resources[i]
		if asked[resourceName{resource.ResourceType, resource.ResourceName}] > 1 {
			answer(resource, failure(kerr.InvalidRequest, "Each resource must appear at most once."))
			continue
		}
		made, err := m.alterResource(resource)
		answer(resource, err)
		records = append(records, made...)
		clears = append(clears, m.clearELR(made)...)
		if len(records)+len(clears) > maxRecords {
			response.Resources = nil
			for j := range request.Resources {
				answer(&request.Resources[j], tooManyRecords())
			}
			return nil, response
		}
	}
	if request.ValidateOnly {
		return nil, response
	}
	return append(records, clears...), response
}

func (m *machine) alterResource(resource *kmsg.IncrementalAlterConfigsRequestResource) ([]metadata.Record, error) {
	if err := checkOperations(resource.Configs); err != nil {
		return nil, err
	}
	switch resource.ResourceType {
	case kmsg.ConfigResourceTypeTopic:
		return m.alterTopic(resource)
	case kmsg.ConfigResourceTypeBroker:
		if err := m.checkBrokerName(resource.ResourceName); err != nil {
			return nil, err
		}
	case kmsg.ConfigResourceTypeBrokerLogger, kmsg.ConfigResourceTypeClientMetrics, kmsg.ConfigResourceTypeGroupConfig:
	default:
		return nil, failure(kerr.InvalidRequest, "Unknown resource type "+strconv.Itoa(int(resource.ResourceType)))
	}
	return nil, failure(kerr.InvalidRequest, "This server changes the configurations of topics alone; those of resource type "+
		resource.ResourceType.String()+" are read-only")
}

// checkOperations holds the operations on one resource against each other.
func checkOperations(operations []kmsg.IncrementalAlterConfigsRequestResourceConfig) error {
	seen := make(map[string]bool, len(operations))
	var nulls []string
	for _, operation := range operations {
		if seen[operation.Name] {
			return failure(kerr.InvalidRequest, "Error due to duplicate config keys")
		}
		seen[operation.Name] = true
		if operation.Op != kmsg.IncrementalAlterConfigOpDelete && operation.Value == nil {
			nulls = append(nulls, operation.Name)
		}
	}
	if len(nulls) > 0 {
		return failure(kerr.InvalidRequest, "Null value not supported for : "+strings.Join(nulls, ", "))
	}
	return nil
}

func (m *machine) checkBrokerName(name string) error {
	if name == "" {
		return nil
	}
	id, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return failure(kerr.InvalidRequest, "Node id must be an integer, but it is: "+name)
	}
	if int32(id) != m.NodeID {
		return failure(kerr.InvalidRequest, "Unexpected broker id, expected "+decimal(m.NodeID)+", but received "+name)
	}
	return nil
}

// alterTopic makes the records of one topic's changes: all or none.
func (m *machine) alterTopic(resource *kmsg.IncrementalAlterConfigsRequestResource) ([]metadata.Record, error) {
	name := resource.ResourceName
	existing := m.image.Config(topicResource(name))
	wanted := make(map[string]string, len(existing))
	for key, value := range existing {
		wanted[key] = value
	}
	var records []metadata.Record
	for _, operation := range resource.Configs {
		value, err := m.newValue(operation, existing)
		if err != nil {
			return nil, err
		}
		old, had := existing[operation.Name]
		if value == nil {
			delete(wanted, operation.Name)
		} else {
			wanted[operation.Name] = *value
		}
		if had != (value != nil) || had && old != *value {
			records = append(records, configRecord(name, operation.Name, value))
		}
	}
	if name == "" {
		return nil, failure(kerr.InvalidRequest, "Default topic resources are not allowed.")
	}
	if err := ValidateName(name); err != nil {
		return nil, err
	}
	if err := m.checkTopicConfigs(existing, wanted); err != nil {
		return nil, err
	}
	if _, ok := m.image.Topic(name); !ok {
		return nil, failure(kerr.UnknownTopicOrPartition, "The topic '"+name+"' does not exist.")
	}
	return records, nil
}

// newValue is what an operation makes of a value; nil: it is taken away.
func (m *machine) newValue(operation kmsg.IncrementalAlterConfigsRequestResourceConfig, existing map[string]string) (*string, error) {
	switch operation.Op {
	case kmsg.IncrementalAlterConfigOpSet:
		return operation.Value, nil
	case kmsg.IncrementalAlterConfigOpDelete:
		return nil, nil
	case kmsg.IncrementalAlterConfigOpAppend, kmsg.IncrementalAlterConfigOpSubtract:
	default:
		return nil, plain(kerr.UnknownServerError) // as Kafka, which has no answer to it
	}
	definition, known := config.Topics().Lookup(operation.Name)
	if !known || definition.Type != config.TypeList {
		return nil, failure(kerr.InvalidConfig, "Can't "+operation.Op.String()+" to key "+operation.Name+" because its type is not LIST.")
	}
	old, ok := existing[operation.Name]
	if !ok && definition.Default != nil {
		// What the key has by itself, whatever the broker says.
		old = *definition.Default
	}
	values := slices.DeleteFunc(strings.Split(old, ","), func(value string) bool { return value == "" })
	for _, value := range splitAsJava(*operation.Value) {
		i := slices.Index(values, value)
		switch {
		case operation.Op == kmsg.IncrementalAlterConfigOpAppend && i < 0:
			values = append(values, value)
		case operation.Op == kmsg.IncrementalAlterConfigOpSubtract && i >= 0:
			values = slices.Delete(values, i, i+1)
		}
	}
	return new(strings.Join(values, ",")), nil
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
