package api

import (
	"context"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/metadata"
	"ottla/metadata/controller"
)

// ListConfigResources makes the handler of ListConfigResources (74), v0 and v1:
// the names of what has configurations. v0 knows subscriptions to clients' metrics
// alone; v1 (KIP-1142) topics, brokers, their loggers and groups too. No type
// means every type.
func ListConfigResources(cluster Cluster) Handler {
	return func(_ context.Context, request *Request) Reply {
		return func(context.Context) (Response, error) {
			return listConfigResources(request, cluster.Image()), nil
		}
	}
}

func listConfigResources(request *Request, image *metadata.Image) *kmsg.ListConfigResourcesResponse {
	body := request.Body.(*kmsg.ListConfigResourcesRequest)
	response := body.ResponseKind().(*kmsg.ListConfigResourcesResponse)
	supported := []int8{metadata.ResourceTopic, metadata.ResourceBroker, metadata.ResourceBrokerLogger, metadata.ResourceClientMetrics, metadata.ResourceGroup}
	if body.Version == 0 {
		supported = []int8{metadata.ResourceClientMetrics}
	}
	asked := body.ResourceTypes
	if len(asked) == 0 {
		asked = supported
	}
	for _, kind := range asked {
		if !slices.Contains(supported, kind) {
			response.ErrorCode = kerr.UnsupportedVersion.Code
			return response
		}
	}
	add := func(kind int8, name string) {
		if slices.Contains(asked, kind) {
			resource := kmsg.NewListConfigResourcesResponseConfigResource()
			resource.Name, resource.Type = name, kind
			response.ConfigResources = append(response.ConfigResources, resource)
		}
	}
	for resource := range image.ConfigResources() {
		if resource.Type == metadata.ResourceGroup || resource.Type == metadata.ResourceClientMetrics {
			add(resource.Type, resource.Name)
		}
	}
	for broker := range image.Brokers() {
		if _, reachable := controller.EndpointOf(broker, request.Listener); reachable && !broker.Fenced {
			name := strconv.Itoa(int(broker.ID))
			add(metadata.ResourceBrokerLogger, name)
			add(metadata.ResourceBroker, name)
		}
	}
	if slices.Contains(asked, metadata.ResourceTopic) {
		for topic := range image.Topics() {
			add(metadata.ResourceTopic, topic.Name)
		}
	}
	return response
}
