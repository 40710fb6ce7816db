package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator/transaction"
)

// WriteTxnMarkers makes the handler of WriteTxnMarkers (27), v1 and v2: the
// markers of transactions that this or another broker coordinates, for partitions
// that are led here. v2 tells the transaction version, upon which the marker's
// epoch must be above that of the records.
//
// It is for brokers, and for an administrator who ends a transaction that hangs.
func WriteTxnMarkers(markers transaction.MarkerWriter) Handler {
	return func(_ context.Context, request *Request) Reply {
		return func(ctx context.Context) (Response, error) {
			return writeMarkers(ctx, request.Body.(*kmsg.WriteTxnMarkersRequest), markers)
		}
	}
}

func writeMarkers(ctx context.Context, body *kmsg.WriteTxnMarkersRequest, markers transaction.MarkerWriter) (Response, error) {
	response := body.ResponseKind().(*kmsg.WriteTxnMarkersResponse)
	for _, asked := range body.Markers {
		answer := kmsg.NewWriteTxnMarkersResponseMarker()
		answer.ProducerID = asked.ProducerID
		marker := transaction.Marker{
			ProducerID: asked.ProducerID, Epoch: asked.ProducerEpoch, Commit: asked.Committed,
			CoordinatorEpoch: asked.CoordinatorEpoch, Version: int16(asked.TransactionVersion),
		}
		for _, topic := range asked.Topics {
			written := kmsg.NewWriteTxnMarkersResponseMarkerTopic()
			written.Topic = topic.Topic
			for _, index := range topic.Partitions {
				failure := markers.WriteMarker(ctx, transaction.Partition{Topic: topic.Topic, Index: index}, marker)
				if ctx.Err() != nil {
					return nil, ErrClose
				}
				written.Partitions = append(written.Partitions, kmsg.WriteTxnMarkersResponseMarkerTopicPartition{Partition: index, ErrorCode: codeOf(failure)})
			}
			answer.Topics = append(answer.Topics, written)
		}
		response.Markers = append(response.Markers, answer)
	}
	return response, nil
}

func codeOf(failure *kerr.Error) int16 { return fencedCode(failure, true) }
