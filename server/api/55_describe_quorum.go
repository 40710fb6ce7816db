package api

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// QuorumState is what the leader of the metadata log knows of its quorum.
type QuorumState struct {
	LeaderID    int32
	LeaderEpoch int32
	// HighWatermark is the end of what is committed.
	HighWatermark int64
	Voters        []QuorumVoter
}

// QuorumVoter is a voter and how far its log is.
type QuorumVoter struct {
	ID          int32
	DirectoryID [16]byte // zero where the voters are those of the configuration
	EndOffset   int64
	Endpoints   []NamedEndpoint
}

// NamedEndpoint is a listener and where it is dialled.
type NamedEndpoint struct {
	Name, Host string
	Port       uint16
}

const (
	metadataTopic     = "__cluster_metadata"
	metadataPartition = 0
)

// DescribeQuorum makes the handler of DescribeQuorum (55), v0 to v2: the leader,
// voters and observers of the metadata log, the one partition that can be asked
// about. v1 (KIP-836) added when a voter has fetched, v2 (KIP-853) directories and
// the voters' listeners.
func DescribeQuorum(state func() QuorumState, now func() time.Time) Handler {
	return func(_ context.Context, request *Request) Reply {
		return func(context.Context) (Response, error) {
			return describeQuorum(request.Body.(*kmsg.DescribeQuorumRequest), state(), now()), nil
		}
	}
}

func describeQuorum(body *kmsg.DescribeQuorumRequest, state QuorumState, now time.Time) *kmsg.DescribeQuorumResponse {
	response := body.ResponseKind().(*kmsg.DescribeQuorumResponse)
	response.ErrorMessage = kmsg.StringPtr("")
	if len(body.Topics) != 1 || body.Topics[0].Topic != metadataTopic ||
		len(body.Topics[0].Partitions) != 1 || body.Topics[0].Partitions[0].Partition != metadataPartition {
		refuseQuorum(body, response)
		return response
	}
	partition := kmsg.NewDescribeQuorumResponseTopicPartition()
	partition.ErrorMessage = kmsg.StringPtr("")
	partition.LeaderID, partition.LeaderEpoch, partition.HighWatermark = state.LeaderID, state.LeaderEpoch, state.HighWatermark
	for _, voter := range state.Voters {
		replica := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
		replica.ReplicaID, replica.ReplicaDirectoryID, replica.LogEndOffset = voter.ID, voter.DirectoryID, voter.EndOffset
		if voter.ID == state.LeaderID {
			replica.LastFetchTimestamp, replica.LastCaughtUpTimestamp = now.UnixMilli(), now.UnixMilli()
		}
		partition.CurrentVoters = append(partition.CurrentVoters, replica)
		node := kmsg.NewDescribeQuorumResponseNode()
		node.NodeID = voter.ID
		for _, endpoint := range voter.Endpoints {
			listener := kmsg.NewDescribeQuorumResponseNodeListener()
			listener.Name, listener.Host, listener.Port = endpoint.Name, endpoint.Host, endpoint.Port
			node.Listeners = append(node.Listeners, listener)
		}
		response.Nodes = append(response.Nodes, node)
	}
	topic := kmsg.NewDescribeQuorumResponseTopic()
	topic.Topic, topic.Partitions = metadataTopic, append(topic.Partitions, partition)
	response.Topics = append(response.Topics, topic)
	return response
}

// refuseQuorum answers that nothing is known of what was asked about.
func refuseQuorum(body *kmsg.DescribeQuorumRequest, response *kmsg.DescribeQuorumResponse) {
	for _, asked := range body.Topics {
		topic := kmsg.NewDescribeQuorumResponseTopic()
		topic.Topic = asked.Topic
		for _, p := range asked.Partitions {
			partition := kmsg.NewDescribeQuorumResponseTopicPartition()
			partition.Partition = p.Partition
			partition.ErrorCode, partition.ErrorMessage = kerr.UnknownTopicOrPartition.Code, kmsg.StringPtr(kerr.UnknownTopicOrPartition.Description)
			topic.Partitions = append(topic.Partitions, partition)
		}
		response.Topics = append(response.Topics, topic)
	}
}
