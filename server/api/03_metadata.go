package api

import (
	"context"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/metadata"
	"ottla/metadata/controller"
)

// Cluster tells what is committed of the cluster's metadata.
type Cluster interface {
	// Image is the newest committed image. It never changes; ask again for what
	// comes after it.
	Image() *metadata.Image
}

// TopicCreator creates topics that a client asked about.
type TopicCreator interface {
	// CreateAutomatically starts the creation of topics and does not wait. A
	// topic that is already being created, or cannot be, is left out.
	CreateAutomatically(topics []string)
}

// The operations that are allowed on a resource where nobody is refused
// anything, as a set of bits by operation code.
const (
	topicOperations   int32 = 3576
	clusterOperations int32 = 8096
	noOperations      int32 = math.MinInt32
)

// Metadata makes the handler of Metadata (3), v0 to v13: the brokers that a
// client can dial by its listener, and the partitions of topics.
//
// In v0 an empty list of topics means all of them, from v1 on a null one does.
// v4 lets the client forbid the creation of what is not there (before, it is
// allowed); v5 adds offline replicas, v7 leader epochs, v8 to v10 the allowed
// operations, v10 topic ids in the answer, v12 in the request. With one id in
// the request its names are ignored. v13 has room for an error of the whole.
//
// creator is asked to create missing topics, whose answer is error 3 until they
// are there; it is nil where auto.create.topics.enable is false.
func Metadata(cluster Cluster, creator TopicCreator) Handler {
	return func(_ context.Context, request *Request) Reply {
		// The image is read by the reply, so that a request sees what the
		// requests before it on the connection have changed.
		return func(context.Context) (Response, error) {
			return metadataOfTopics(request, cluster.Image(), creator), nil
		}
	}
}

// metadataAnswer is one answer of Metadata while it is put together.
type metadataAnswer struct {
	request  *kmsg.MetadataRequest
	response *kmsg.MetadataResponse
	image    *metadata.Image
	listener string
}

func metadataOfTopics(request *Request, image *metadata.Image, creator TopicCreator) *kmsg.MetadataResponse {
	body := request.Body.(*kmsg.MetadataRequest)
	answer := &metadataAnswer{body, body.ResponseKind().(*kmsg.MetadataResponse), image, request.Listener}
	all := body.Topics == nil || body.Version == 0 && len(body.Topics) == 0
	if !all && answer.refuseNameless() {
		return answer.response
	}
	answer.addBrokers()
	if all {
		for topic := range image.Topics() {
			answer.addTopic(topic)
		}
		answer.addOperations(0)
		return answer.response
	}
	names, ids := requestedTopics(body)
	if len(ids) > 0 {
		answer.addIDs(ids)
		return answer.response
	}
	answer.addNames(names, creator)
	answer.addOperations(0)
	return answer.response
}

// refuseNameless answers a request that names no topic, or names one by its id
// in a version that knows no ids, as Kafka does: one error for every topic.
func (a *metadataAnswer) refuseNameless() bool {
	nameless, byID := false, false
	for _, topic := range a.request.Topics {
		nameless = nameless || topic.Topic == nil
		byID = byID || topic.TopicID != [16]byte{}
	}
	refusal := kerr.InvalidRequest
	if a.request.Version >= 12 {
		// Ids make names unimportant. Without them Kafka has no answer to a topic
		// without a name.
		refusal, nameless, byID = kerr.UnknownServerError, nameless && !byID, false
	}
	if !nameless && !byID {
		return false
	}
	a.response.ErrorCode = refusal.Code // sent from v13 on
	for _, asked := range a.request.Topics {
		topic := kmsg.NewMetadataResponseTopic()
		topic.ErrorCode, topic.TopicID = refusal.Code, asked.TopicID
		topic.Topic = kmsg.StringPtr("")
		if asked.Topic != nil {
			topic.Topic = asked.Topic
		}
		a.response.Topics = append(a.response.Topics, topic)
	}
	return true
}

// requestedTopics are the names and the ids of a request, each once.
func requestedTopics(body *kmsg.MetadataRequest) (names []string, ids [][16]byte) {
	seenNames := make(map[string]bool, len(body.Topics))
	seenIDs := make(map[[16]byte]bool)
	for _, topic := range body.Topics {
		if topic.Topic != nil && !seenNames[*topic.Topic] {
			seenNames[*topic.Topic] = true
			names = append(names, *topic.Topic)
		}
		if topic.TopicID != ([16]byte{}) && !seenIDs[topic.TopicID] {
			seenIDs[topic.TopicID] = true
			ids = append(ids, topic.TopicID)
		}
	}
	return names, ids
}

func (a *metadataAnswer) addBrokers() {
	a.response.ClusterID = kmsg.StringPtr(a.image.ClusterID())
	for broker := range a.image.Brokers() {
		if broker.Fenced {
			continue
		}
		if a.response.ControllerID < 0 {
			// Any broker that is alive takes a controller's requests.
			a.response.ControllerID = broker.ID
		}
		endpoint, ok := controller.EndpointOf(broker, a.listener)
		if !ok {
			continue
		}
		b := kmsg.NewMetadataResponseBroker()
		b.NodeID, b.Host, b.Port, b.Rack = broker.ID, endpoint.Host, int32(endpoint.Port), broker.Rack
		a.response.Brokers = append(a.response.Brokers, b)
	}
}

// addIDs answers for topics asked for by id: the unknown ones first, as Kafka
// does, then the others.
func (a *metadataAnswer) addIDs(ids [][16]byte) {
	for _, id := range ids {
		if _, ok := a.image.TopicByID(id); !ok {
			topic := kmsg.NewMetadataResponseTopic()
			topic.ErrorCode, topic.TopicID = kerr.UnknownTopicID.Code, id
			a.response.Topics = append(a.response.Topics, topic)
		}
	}
	known := len(a.response.Topics)
	for _, id := range ids {
		if topic, ok := a.image.TopicByID(id); ok {
			a.addTopic(topic)
		}
	}
	a.addOperations(known)
}

// addNames answers for topics asked for by name: those that are there first, as
// Kafka does, then the others.
func (a *metadataAnswer) addNames(names []string, creator TopicCreator) {
	var missing, creatable []string
	for _, name := range names {
		if topic, ok := a.image.Topic(name); ok {
			a.addTopic(topic)
		} else {
			missing = append(missing, name)
		}
	}
	for _, name := range missing {
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic, topic.IsInternal = kmsg.StringPtr(name), controller.IsInternal(name)
		topic.ErrorCode = kerr.UnknownTopicOrPartition.Code
		if controller.ValidateName(name) != nil {
			topic.ErrorCode = kerr.InvalidTopicException.Code
		} else {
			creatable = append(creatable, name)
		}
		a.response.Topics = append(a.response.Topics, topic)
	}
	allowed := a.request.Version < 4 || a.request.AllowAutoTopicCreation
	if creator != nil && allowed && len(creatable) > 0 {
		creator.CreateAutomatically(creatable)
	}
}

// addOperations fills in the allowed operations of the topics from an index on.
func (a *metadataAnswer) addOperations(from int) {
	if a.request.Version < 8 {
		return
	}
	if a.request.Version <= 10 && a.request.IncludeClusterAuthorizedOperations {
		a.response.AuthorizedOperations = clusterOperations
	}
	if a.request.IncludeTopicAuthorizedOperations {
		for i := from; i < len(a.response.Topics); i++ {
			a.response.Topics[i].AuthorizedOperations = topicOperations
		}
	}
}

func (a *metadataAnswer) addTopic(topic *metadata.Topic) {
	t := kmsg.NewMetadataResponseTopic()
	t.Topic, t.TopicID, t.IsInternal = kmsg.StringPtr(topic.Name), topic.ID, controller.IsInternal(topic.Name)
	t.Partitions = make([]kmsg.MetadataResponseTopicPartition, len(topic.Partitions))
	for i := range topic.Partitions {
		t.Partitions[i] = a.partition(int32(i), &topic.Partitions[i])
	}
	a.response.Topics = append(a.response.Topics, t)
}

func (a *metadataAnswer) partition(index int32, partition *metadata.Partition) kmsg.MetadataResponseTopicPartition {
	p := kmsg.NewMetadataResponseTopicPartition()
	p.Partition, p.Leader, p.LeaderEpoch = index, partition.Leader, partition.LeaderEpoch
	p.Replicas, p.ISR = partition.Replicas, partition.ISR
	if a.request.Version == 0 {
		// Version 0 names only the replicas that can be dialled.
		p.Replicas, p.ISR = reachable(a.image, p.Replicas, a.listener), reachable(a.image, p.ISR, a.listener)
	}
	p.OfflineReplicas = offlineReplicas(a.image, partition, a.listener)
	leader, ok := a.image.Broker(partition.Leader)
	switch {
	case !ok:
		p.ErrorCode, p.Leader = kerr.LeaderNotAvailable.Code, -1
	case !hasListener(leader, a.listener):
		p.ErrorCode, p.Leader = kerr.ListenerNotFound.Code, -1
		if a.request.Version < 6 {
			p.ErrorCode = kerr.LeaderNotAvailable.Code
		}
	case len(p.Replicas) < len(partition.Replicas) || len(p.ISR) < len(partition.ISR):
		p.ErrorCode = kerr.ReplicaNotAvailable.Code
	}
	return p
}

func hasListener(broker *metadata.Broker, listener string) bool {
	_, ok := controller.EndpointOf(broker, listener)
	return ok
}

// reachable are those of the brokers that are alive and have the listener.
func reachable(image *metadata.Image, brokers []int32, listener string) []int32 {
	kept := make([]int32, 0, len(brokers))
	for _, id := range brokers {
		if broker, ok := image.Broker(id); ok && !broker.Fenced && hasListener(broker, listener) {
			kept = append(kept, id)
		}
	}
	return kept
}

// offlineReplicas are the replicas that cannot be dialled by the listener, or
// whose directory has failed.
func offlineReplicas(image *metadata.Image, partition *metadata.Partition, listener string) []int32 {
	var offline []int32
	for i, id := range partition.Replicas {
		broker, ok := image.Broker(id)
		if !ok || broker.Fenced || !hasListener(broker, listener) ||
			i < len(partition.Directories) && !controller.HasOnlineDirectory(broker, partition.Directories[i]) {
			offline = append(offline, id)
		}
	}
	return offline
}
