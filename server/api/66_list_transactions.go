package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator/transaction"
)

// ListTransactions makes the handler of ListTransactions (66), v0 to v2: the
// transactional ids that this broker coordinates. v1 can ask for those whose
// transaction has been open for a time, v2 for ids that match an expression.
func ListTransactions(transactions TransactionDescriber) Handler {
	return func(_ context.Context, request *Request) Reply {
		body := request.Body.(*kmsg.ListTransactionsRequest)
		filter := transaction.Filter{ProducerIDs: body.ProducerIDFilters, States: body.StateFilters, LongerMillis: -1}
		if body.Version >= 1 {
			filter.LongerMillis = body.DurationFilterMillis
		}
		if body.Version >= 2 && body.TransactionalIDPattern != nil {
			filter.Pattern = *body.TransactionalIDPattern
		}
		return await(func(reply func(*kmsg.ListTransactionsResponse)) {
			transactions.List(filter, func(list transaction.List) {
				response := body.ResponseKind().(*kmsg.ListTransactionsResponse)
				response.ErrorCode, response.UnknownStateFilters = codeOf(list.Failure), list.UnknownStates
				for _, t := range list.Transactions {
					state := kmsg.NewListTransactionsResponseTransactionState()
					state.TransactionalID, state.ProducerID, state.TransactionState = t.ID, t.ProducerID, t.State.String()
					response.TransactionStates = append(response.TransactionStates, state)
				}
				reply(response)
			})
		})
	}
}
