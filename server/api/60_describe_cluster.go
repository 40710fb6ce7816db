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
// brokers by the client's listener, and the cluster's id. v1 (KIP-919) can ask
// about controllers, which this listener has nothing to say about; v2 about
// brokers that are fenced.
func DescribeCluster(cluster Cluster) Handler {
	return func(_ context.Context, request *Request) Reply {
		return func(context.Context) (Response, error) {
			return describeCluster(request, cluster.Image()), nil
		}
	}
}

func describeCluster(request *Request, image *metadata.Image) *kmsg.DescribeClusterResponse {
	body := request.Body.(*kmsg.DescribeClusterRequest)
	response := body.ResponseKind().(*kmsg.DescribeClusterResponse)
	switch body.EndpointType {
	case brokerEndpoints:
	case controllerEndpoints:
		refuseEndpoints(response, kerr.MismatchedEndpointType.Code,
			"The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER")
		return response
	default:
		refuseEndpoints(response, kerr.UnsupportedEndpointType.Code, "Unsupported endpoint type "+strconv.Itoa(int(body.EndpointType)))
		return response
	}
	response.ClusterID = image.ClusterID()
	if body.IncludeClusterAuthorizedOperations {
		response.ClusterAuthorizedOperations = clusterOperations
	}
	for broker := range image.Brokers() {
		endpoint, ok := controller.EndpointOf(broker, request.Listener)
		if !ok || broker.Fenced && !body.IncludeFencedBrokers {
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
	return response
}

// refuseEndpoints makes an error of the answer.
func refuseEndpoints(response *kmsg.DescribeClusterResponse, code int16, message string) {
	response.ErrorCode, response.ErrorMessage = code, &message
	if response.Version == 0 {
		response.ErrorCode = kerr.InvalidRequest.Code
	}
}
