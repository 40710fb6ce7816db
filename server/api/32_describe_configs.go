package api

import (
	"context"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/config"
	"ottla/metadata"
	"ottla/metadata/controller"
)

// Configs knows the configuration of this broker and of the topics on it.
type Configs interface {
	DescribeBroker(dynamic config.Dynamic, keys []string) []config.Entry
	DescribeBrokerDefaults(dynamic config.Dynamic, keys []string) []config.Entry
	DescribeTopic(dynamic config.Dynamic, topic map[string]string, keys []string) []config.Entry
	DescribeGroup(dynamic config.Dynamic, group map[string]string, keys []string) []config.Entry
	DescribeClientMetrics(given map[string]string, keys []string) []config.Entry
}

// DescribeConfigs makes the handler of DescribeConfigs (32), v1 to v4: the
// values of configurations and where they come from. v1 added the sources and
// synonyms, v3 the types and the documentation.
//
// Of topics, groups and this broker (node) every key is told, whoever set it; of
// the broker "" only what is set for all brokers. A sensitive value is null.
func DescribeConfigs(cluster Cluster, configs Configs, node int32) Handler {
	return func(_ context.Context, request *Request) Reply {
		return func(context.Context) (Response, error) {
			d := describer{image: cluster.Image(), configs: configs, node: node, request: request.Body.(*kmsg.DescribeConfigsRequest)}
			return d.describe(), nil
		}
	}
}

type describer struct {
	image   *metadata.Image
	configs Configs
	node    int32
	request *kmsg.DescribeConfigsRequest
}

func (d *describer) describe() *kmsg.DescribeConfigsResponse {
	response := d.request.ResponseKind().(*kmsg.DescribeConfigsResponse)
	for i := range d.request.Resources {
		if !knownResource(d.request.Resources[i].ResourceType) {
			// Kafka refuses the whole request.
			return d.refuseAll(response)
		}
	}
	for i := range d.request.Resources {
		response.Resources = append(response.Resources, d.resource(&d.request.Resources[i]))
	}
	return response
}

func knownResource(kind kmsg.ConfigResourceType) bool {
	switch kind {
	case kmsg.ConfigResourceTypeTopic, kmsg.ConfigResourceTypeBroker, kmsg.ConfigResourceTypeBrokerLogger,
		kmsg.ConfigResourceTypeClientMetrics, kmsg.ConfigResourceTypeGroupConfig:
		return true
	default:
		return false
	}
}

func (d *describer) refuseAll(response *kmsg.DescribeConfigsResponse) *kmsg.DescribeConfigsResponse {
	for i := range d.request.Resources {
		result := kmsg.NewDescribeConfigsResponseResource()
		result.ResourceType, result.ResourceName = d.request.Resources[i].ResourceType, d.request.Resources[i].ResourceName
		result.ErrorCode, result.ErrorMessage = kerr.InvalidRequest.Code, kmsg.StringPtr(kerr.InvalidRequest.Description)
		response.Resources = append(response.Resources, result)
	}
	return response
}

func (d *describer) resource(asked *kmsg.DescribeConfigsRequestResource) kmsg.DescribeConfigsResponseResource {
	result := kmsg.NewDescribeConfigsResponseResource()
	result.ResourceType, result.ResourceName = asked.ResourceType, asked.ResourceName
	result.ErrorMessage = kmsg.StringPtr("")
	entries, refusal := d.entries(asked)
	if refusal != nil {
		result.ErrorCode, result.ErrorMessage = refusal.Code.Code, refusal.Message
		return result
	}
	for i := range entries {
		result.Configs = append(result.Configs, d.entry(&entries[i]))
	}
	return result
}

// entries are what is told of one resource.
func (d *describer) entries(asked *kmsg.DescribeConfigsRequestResource) ([]config.Entry, *controller.Error) {
	name, keys := asked.ResourceName, asked.ConfigNames
	if keys != nil && len(keys) == 0 {
		// An empty list asks for all, as null does.
		keys = nil
	}
	dynamic := controller.Dynamic(d.image, d.node)
	switch asked.ResourceType {
	case kmsg.ConfigResourceTypeTopic:
		return d.topicEntries(dynamic, name, keys)
	case kmsg.ConfigResourceTypeBroker:
		if name == "" {
			return d.configs.DescribeBrokerDefaults(dynamic, keys), nil
		}
		if refusal := d.checkBroker(name, " or empty string, but"); refusal != nil {
			return nil, refusal
		}
		return d.configs.DescribeBroker(dynamic, keys), nil
	case kmsg.ConfigResourceTypeGroupConfig:
		if name == "" {
			return nil, invalidRequest("Group name must not be empty")
		}
		group := d.image.Config(metadata.ConfigResource{Type: metadata.ResourceGroup, Name: name})
		return d.configs.DescribeGroup(dynamic, group, keys), nil
	case kmsg.ConfigResourceTypeBrokerLogger:
		if name == "" {
			return nil, invalidRequest("Broker id must not be empty")
		}
		// This server has no loggers by class.
		return nil, d.checkBroker(name, " but")
	default:
		if name == "" {
			return nil, invalidRequest("Client metrics subscription name must not be empty")
		}
		given := d.image.Config(metadata.ConfigResource{Type: metadata.ResourceClientMetrics, Name: name})
		return d.configs.DescribeClientMetrics(given, keys), nil
	}
}

func (d *describer) topicEntries(dynamic config.Dynamic, name string, keys []string) ([]config.Entry, *controller.Error) {
	if err := controller.ValidateName(name); err != nil {
		return nil, err
	}
	if _, ok := d.image.Topic(name); !ok {
		// Kafka has no message here, and its field no null.
		return nil, &controller.Error{Code: kerr.UnknownTopicOrPartition, Message: kmsg.StringPtr("")}
	}
	topic := d.image.Config(metadata.ConfigResource{Type: metadata.ResourceTopic, Name: name})
	return d.configs.DescribeTopic(dynamic, topic, keys), nil
}

// checkBroker tells whether a resource's name is the id of this broker.
func (d *describer) checkBroker(name, received string) *controller.Error {
	id, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return invalidRequest("Broker id must be an integer, but it is: " + name)
	}
	if int32(id) != d.node {
		return invalidRequest("Unexpected broker id, expected " + strconv.Itoa(int(d.node)) + received + " received " + name)
	}
	return nil
}

func invalidRequest(message string) *controller.Error {
	return &controller.Error{Code: kerr.InvalidRequest, Message: &message}
}

func (d *describer) entry(entry *config.Entry) kmsg.DescribeConfigsResponseResourceConfig {
	told := kmsg.NewDescribeConfigsResponseResourceConfig()
	told.Name, told.Value, told.ReadOnly = entry.Name, entry.Value, entry.ReadOnly
	told.Source, told.IsSensitive = kmsg.ConfigSource(entry.Source), entry.Sensitive
	told.ConfigType = kmsg.ConfigType(entry.Type)
	if d.request.IncludeSynonyms {
		for _, synonym := range entry.Synonyms {
			s := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
			s.Name, s.Value, s.Source = synonym.Name, synonym.Value, kmsg.ConfigSource(synonym.Source)
			told.ConfigSynonyms = append(told.ConfigSynonyms, s)
		}
	}
	if d.request.IncludeDocumentation && entry.Documentation != "" {
		told.Documentation = &entry.Documentation
	}
	return told
}
