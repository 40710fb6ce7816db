package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator/transaction"
)

// TransactionEnder ends transactions.
type TransactionEnder interface {
	// EndTxn answers at once or later; it waits for an append to a log at most.
	EndTxn(request transaction.End, reply func(transaction.Answer))
}

// EndTxn makes the handler of EndTxn (26), v0 to v5: a transaction commits or
// aborts. The answer leaves once that is decided, before the markers are written.
//
// From v5 on (KIP-890) the epoch rises with every transaction, and the answer has
// what the producer is to use for the next one. Before v2 PRODUCER_FENCED is
// called INVALID_PRODUCER_EPOCH.
func EndTxn(transactions TransactionEnder) Handler {
	return func(_ context.Context, request *Request) Reply {
		body := request.Body.(*kmsg.EndTxnRequest)
		end := transaction.End{ID: body.TransactionalID, ProducerID: body.ProducerID, Epoch: body.ProducerEpoch, Commit: body.Commit}
		if body.Version >= 5 {
			end.Version = 2
		}
		return await(func(reply func(*kmsg.EndTxnResponse)) {
			transactions.EndTxn(end, func(answer transaction.Answer) {
				response := body.ResponseKind().(*kmsg.EndTxnResponse)
				response.ErrorCode = fencedCode(answer.Failure, body.Version >= 2)
				response.ProducerID, response.ProducerEpoch = answer.ProducerID, answer.Epoch
				reply(response)
			})
		})
	}
}
