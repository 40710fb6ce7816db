package cli

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// topics returns the metadata of all topics, in the order of their names.
func (c *client) topics() ([]kmsg.MetadataResponseTopic, error) {
	request := kmsg.NewPtrMetadataRequest()
	response, err := c.send("listTopics", request)
	if err != nil {
		return nil, err
	}
	topics := slices.DeleteFunc(response.(*kmsg.MetadataResponse).Topics, func(t kmsg.MetadataResponseTopic) bool { return t.Topic == nil })
	slices.SortFunc(topics, func(a, b kmsg.MetadataResponseTopic) int { return strings.Compare(*a.Topic, *b.Topic) })
	return topics, nil
}

// brokers returns the ids of the brokers that are there.
func (c *client) brokers() ([]int32, error) {
	if c.direct {
		return c.controllers()
	}
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = []kmsg.MetadataRequestTopic{}
	response, err := c.send("listNodes", request)
	if err != nil {
		return nil, err
	}
	var ids []int32
	for _, broker := range response.(*kmsg.MetadataResponse).Brokers {
		ids = append(ids, broker.NodeID)
	}
	return ids, nil
}

// controllers returns the ids of the controllers, asked for where only they are known.
func (c *client) controllers() ([]int32, error) {
	request := kmsg.NewPtrDescribeClusterRequest()
	request.EndpointType = 2
	answer, err := c.send("listNodes", request)
	if err != nil {
		return nil, err
	}
	response := answer.(*kmsg.DescribeClusterResponse)
	var ids []int32
	for _, node := range response.Brokers {
		ids = append(ids, node.NodeID)
	}
	return ids, answered(response.ErrorCode, response.ErrorMessage)
}

// configs returns the configurations of one resource, in the order of the answer.
func (c *client) configs(kind kmsg.ConfigResourceType, name string, synonyms bool) ([]kmsg.DescribeConfigsResponseResourceConfig, error) {
	request := kmsg.NewPtrDescribeConfigsRequest()
	request.IncludeSynonyms = synonyms
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kind, name
	request.Resources = append(request.Resources, resource)
	response, err := c.send("describeConfigs", request)
	if err != nil {
		return nil, err
	}
	for _, resource := range response.(*kmsg.DescribeConfigsResponse).Resources {
		return resource.Configs, answered(resource.ErrorCode, resource.ErrorMessage)
	}
	return nil, nil
}

// groups returns the groups of all brokers, of the states and types wanted; none given: of all.
func (c *client) groups(states, types []string) ([]kmsg.ListGroupsResponseGroup, error) {
	request := kmsg.NewPtrListGroupsRequest()
	request.StatesFilter, request.TypesFilter = states, types
	answer, err := c.send("listGroups", request)
	if err != nil {
		return nil, err
	}
	response := answer.(*kmsg.ListGroupsResponse)
	return response.Groups, answered(response.ErrorCode, nil)
}

// lacks tells whether the cluster does not know an API.
func (c *client) lacks(key int16) bool {
	response, err := c.send("apiVersions", kmsg.NewPtrApiVersionsRequest())
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(response.(*kmsg.ApiVersionsResponse).ApiKeys, func(k kmsg.ApiVersionsResponseApiKey) bool { return k.ApiKey == key })
}

func joinNumbers(numbers []int32, separator string) string {
	words := make([]string, len(numbers))
	for i, n := range numbers {
		words[i] = strconv.Itoa(int(n))
	}
	return strings.Join(words, separator)
}

// cmpErrors returns the first error there is.
func cmpErrors(errs ...error) error { return cmp.Or(errs...) }

// printJSON prints a value as one JSON document.
func (t *tool) printJSON(value any) error {
	encoder := json.NewEncoder(t.out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// bold and warning colour a word where the output is a terminal.
func (t *tool) bold(word string) string    { return t.coloured("1", word) }
func (t *tool) warning(word string) string { return t.coloured("31", word) }

func (t *tool) coloured(code, word string) string {
	if !isTerminal(t.environment.Stdout) || slices.ContainsFunc(t.environment.Variables, func(v string) bool { return strings.HasPrefix(v, "NO_COLOR=") && v != "NO_COLOR=" }) {
		return word
	}
	return "\x1b[" + code + "m" + word + "\x1b[0m"
}
