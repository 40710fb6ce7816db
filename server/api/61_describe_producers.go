package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/metadata/controller"
	"ottla/replica"
)

// DescribeProducers makes the handler of DescribeProducers (61), v0: what the
// partitions led here know of their producers, first of all where the transactions
// that are open in them began.
func DescribeProducers(cluster Cluster, replicas *replica.Manager) Handler {
	return func(_ context.Context, request *Request) Reply {
		body := request.Body.(*kmsg.DescribeProducersRequest)
		image := cluster.Image()
		response := body.ResponseKind().(*kmsg.DescribeProducersResponse)
		for _, asked := range body.Topics {
			topic := kmsg.NewDescribeProducersResponseTopic()
			topic.Topic = asked.Topic
			var failure *kerr.Error
			message := ""
			if err := controller.ValidateName(asked.Topic); err != nil {
				failure, message = kerr.InvalidTopicException, err.Error()
			} else if _, ok := image.Topic(asked.Topic); !ok {
				failure, message = kerr.UnknownTopicOrPartition, kerr.UnknownTopicOrPartition.Description
			}
			for _, index := range asked.Partitions {
				partition := describeProducersOf(replicas, asked.Topic, index, failure)
				if failure != nil {
					partition.ErrorMessage = &message
				}
				topic.Partitions = append(topic.Partitions, partition)
			}
			response.Topics = append(response.Topics, topic)
		}
		return Answer(response)
	}
}

func describeProducersOf(replicas *replica.Manager, topic string, index int32, failure *kerr.Error) kmsg.DescribeProducersResponseTopicPartition {
	answer := kmsg.NewDescribeProducersResponseTopicPartition()
	answer.Partition = index
	var partition *replica.Partition
	if failure == nil {
		partition, failure = replicas.Partition(topic, index)
	}
	if failure != nil {
		answer.ErrorCode = failure.Code
		return answer
	}
	log := partition.Log()
	if log == nil {
		answer.ErrorCode = kerr.NotLeaderForPartition.Code
		return answer
	}
	for _, known := range log.ProducerStates() {
		producer := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
		producer.ProducerID, producer.ProducerEpoch = known.ProducerID, int32(known.ProducerEpoch)
		producer.LastSequence, producer.LastTimestamp = known.LastSequence, known.LastTimestamp
		producer.CoordinatorEpoch, producer.CurrentTxnStartOffset = known.CoordinatorEpoch, known.CurrentTxnStartOffset
		answer.ActiveProducers = append(answer.ActiveProducers, producer)
	}
	return answer
}
