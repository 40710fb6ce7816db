package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/metadata"
	"ottla/metadata/controller"
)

// KeyPartitions tells where a coordinator keeps what it knows of a group or a
// transactional id.
type KeyPartitions interface {
	// PartitionFor is the partition, of the coordinator's topic, of a key.
	PartitionFor(key string) int32
}

// The types of coordinators, by the number in a request.
const (
	groupCoordinator       int8 = 0
	transactionCoordinator int8 = 1
	shareCoordinator       int8 = 2
)

const (
	groupTopic       = "__consumer_offsets"
	transactionTopic = "__transaction_state"
)

// FindCoordinator makes the handler of FindCoordinator (10), v0 to v6: the
// broker that coordinates a group or a transactional id.
//
// v1 adds the type of coordinator and error messages, v4 asks for several keys
// at once, v6 adds share coordinators. The first request creates
// __consumer_offsets or __transaction_state, and is told to come again (error 15).
//
// There is no coordinator of share groups here: who asks for one makes no sense.
func FindCoordinator(cluster Cluster, creator TopicCreator, groups, transactions KeyPartitions) Handler {
	return func(_ context.Context, request *Request) Reply {
		return func(context.Context) (Response, error) {
			return findCoordinators(request, &finder{cluster.Image(), creator, groups, transactions, request.Listener}), nil
		}
	}
}

// finder finds coordinators in one image, for clients of one listener.
type finder struct {
	image        *metadata.Image
	creator      TopicCreator
	groups       KeyPartitions
	transactions KeyPartitions
	listener     string
}

func findCoordinators(request *Request, finder *finder) *kmsg.FindCoordinatorResponse {
	body := request.Body.(*kmsg.FindCoordinatorRequest)
	response := body.ResponseKind().(*kmsg.FindCoordinatorResponse)
	if body.Version >= 4 {
		for _, key := range body.CoordinatorKeys {
			found, failure := finder.find(body.CoordinatorType, key)
			if failure != nil && body.CoordinatorType <= shareCoordinator {
				// Kafka has no message in these versions, except for types that it does not know.
				found.ErrorMessage = kmsg.StringPtr("")
			}
			response.Coordinators = append(response.Coordinators, found)
		}
		return response
	}
	found, failure := finder.find(body.CoordinatorType, body.CoordinatorKey)
	response.NodeID, response.Host, response.Port, response.ErrorCode = found.NodeID, found.Host, found.Port, found.ErrorCode
	response.ErrorMessage = kmsg.StringPtr("NONE")
	if failure != nil {
		response.ErrorMessage = kmsg.StringPtr(failure.Description)
	}
	return response
}

func (f *finder) find(coordinatorType int8, key string) (kmsg.FindCoordinatorResponseCoordinator, *kerr.Error) {
	found := kmsg.NewFindCoordinatorResponseCoordinator()
	found.Key, found.NodeID, found.Port, found.ErrorMessage = key, -1, -1, kmsg.StringPtr("")
	var failure *kerr.Error
	switch coordinatorType {
	case groupCoordinator:
		failure = f.lookUp(groupTopic, f.groups.PartitionFor(key), &found)
	case transactionCoordinator:
		failure = f.lookUp(transactionTopic, f.transactions.PartitionFor(key), &found)
	default:
		failure = kerr.InvalidRequest
	}
	if failure != nil {
		found.ErrorCode = failure.Code
		found.ErrorMessage = kmsg.StringPtr(failure.Description)
	}
	return found, failure
}

// lookUp finds the leader of a partition of a coordinator's topic.
func (f *finder) lookUp(name string, partition int32, found *kmsg.FindCoordinatorResponseCoordinator) *kerr.Error {
	topic, ok := f.image.Topic(name)
	if !ok {
		if f.creator != nil {
			f.creator.CreateAutomatically([]string{name})
		}
		return kerr.CoordinatorNotAvailable
	}
	if !hasPartition(topic, partition) {
		return kerr.CoordinatorNotAvailable
	}
	broker, ok := f.image.Broker(topic.Partitions[partition].Leader)
	if !ok || broker.Fenced {
		return kerr.CoordinatorNotAvailable
	}
	endpoint, ok := controller.EndpointOf(broker, f.listener)
	if !ok {
		return kerr.CoordinatorNotAvailable
	}
	found.NodeID, found.Host, found.Port = broker.ID, endpoint.Host, int32(endpoint.Port)
	return nil
}
