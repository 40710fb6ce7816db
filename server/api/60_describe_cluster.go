package api

import (
	"context"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/metadata"
	"ottla/metadata/controller"
)

// The kinds of endpoint that DescribeCluster can ask about.
const (
	brokerEndpoints     int8 = 1
	controllerEndpoints int8 = 2
)

// DescribeCluster makes the handler of DescribeCluster (60), v0 to v2: the
// cluster's id and, by the client's listener, its brokers or, on a listener of
// controllers (onController), its controllers (KIP-919, v1). v2 can ask about
// brokers that are fenced. Asked about the other kind, it refuses.
func DescribeCluster(cluster Cluster, onController func(listener string) bool) Handler {
	return func(_ context.Context, request *Request) Reply {
		return func(context.Context) (Response, error) {
			return describeCluster(request, cluster.Image(), onController(request.Listener)), nil
		}
	}
}

func describeCluster(request *Request, image *metadata.Image, onController bool) *kmsg.DescribeClusterResponse {
	body := request.Body.(*kmsg.DescribeClusterRequest)
	response := body.ResponseKind().(*kmsg.DescribeClusterResponse)
	names := map[int8]string{brokerEndpoints: "BROKER", controllerEndpoints: "CONTROLLER"}
	served := brokerEndpoints
	if onController {
		served = controllerEndpoints
	}
	switch body.EndpointType {
	case served:
	case brokerEndpoints, controllerEndpoints:
		refuseEndpoints(response, kerr.MismatchedEndpointType.Code,
			"The request was sent to an endpoint of type "+names[served]+", but we wanted an endpoint of type "+names[body.EndpointType])
		return response
	default:
		refuseEndpoints(response, kerr.UnsupportedEndpointType.Code, "Unsupported endpoint type "+strconv.Itoa(int(body.EndpointType)))
		return response
	}
	response.ClusterID, response.EndpointType = image.ClusterID(), served
	if body.IncludeClusterAuthorizedOperations {
		response.ClusterAuthorizedOperations = clusterOperations
	}
	if onController {
		describeControllers(request, response, image)
	} else {
		describeBrokers(request, response, image, body.IncludeFencedBrokers)
	}
	return response
}

func describeBrokers(request *Request, response *kmsg.DescribeClusterResponse, image *metadata.Image, fenced bool) {
	for broker := range image.Brokers() {
		endpoint, ok := controller.EndpointOf(broker, request.Listener)
		if !ok || broker.Fenced && !fenced {
			continue
		}
		b := kmsg.NewDescribeClusterResponseBroker()
		b.NodeID, b.Host, b.Port = broker.ID, endpoint.Host, int32(endpoint.Port)
		b.Rack, b.IsFenced = broker.Rack, broker.Fenced
		response.Brokers = append(response.Brokers, b)
		if response.ControllerID < 0 && !broker.Fenced {
			// Any broker that is alive takes a controller's requests.
			response.ControllerID = broker.ID
		}
	}
}

func describeControllers(request *Request, response *kmsg.DescribeClusterResponse, image *metadata.Image) {
	for registration := range image.Controllers() {
		for _, endpoint := range registration.Endpoints {
			if endpoint.Name != request.Listener {
				continue
			}
			b := kmsg.NewDescribeClusterResponseBroker()
			b.NodeID, b.Host, b.Port = registration.ID, endpoint.Host, int32(endpoint.Port)
			response.Brokers = append(response.Brokers, b)
			// The one that answers leads: there is no other voter.
			response.ControllerID = registration.ID
		}
	}
}

// refuseEndpoints makes an error of the answer.
func refuseEndpoints(response *kmsg.DescribeClusterResponse, code int16, message string) {
	response.ErrorCode, response.ErrorMessage = code, &message
	if response.Version == 0 {
		response.ErrorCode = kerr.InvalidRequest.Code
	}
}
