package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator/transaction"
)

// AddOffsetsToTxn makes the handler of AddOffsetsToTxn (25), v0 to v4: a group's
// offsets become part of a transaction, that is, the partition of
// __consumer_offsets that the group lives on. Before v2 PRODUCER_FENCED is called
// INVALID_PRODUCER_EPOCH.
func AddOffsetsToTxn(groups KeyPartitions, transactions Transactions) Handler {
	return func(_ context.Context, request *Request) Reply {
		body := request.Body.(*kmsg.AddOffsetsToTxnRequest)
		partition := transaction.Partition{Topic: groupTopic, Index: groups.PartitionFor(body.Group)}
		return await(func(reply func(*kmsg.AddOffsetsToTxnResponse)) {
			transactions.AddPartitions(body.TransactionalID, body.ProducerID, body.ProducerEpoch, []transaction.Partition{partition}, 0, func(failure *kerr.Error) {
				response := body.ResponseKind().(*kmsg.AddOffsetsToTxnResponse)
				response.ErrorCode = fencedCode(failure, body.Version >= 2)
				reply(response)
			})
		})
	}
}
