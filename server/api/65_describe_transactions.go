package api

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator/transaction"
)

// TransactionDescriber tells what the coordinator knows.
type TransactionDescriber interface {
	// Describe answers at once or later; it waits for an append to a log at most.
	Describe(id string, reply func(transaction.Transaction, *kerr.Error))
	// List answers at once or later; it waits for an append to a log at most.
	List(filter transaction.Filter, reply func(transaction.List))
}

// DescribeTransactions makes the handler of DescribeTransactions (65), v0: the
// state of transactional ids and the partitions of their transactions.
func DescribeTransactions(transactions TransactionDescriber) Handler {
	return func(_ context.Context, request *Request) Reply {
		body := request.Body.(*kmsg.DescribeTransactionsRequest)
		return await(func(reply func(*kmsg.DescribeTransactionsResponse)) { describeTransactions(body, transactions, reply) })
	}
}

func describeTransactions(body *kmsg.DescribeTransactionsRequest, transactions TransactionDescriber, reply func(*kmsg.DescribeTransactionsResponse)) {
	response := body.ResponseKind().(*kmsg.DescribeTransactionsResponse)
	response.TransactionStates = make([]kmsg.DescribeTransactionsResponseTransactionState, len(body.TransactionalIDs))
	var lock sync.Mutex
	left := len(body.TransactionalIDs) + 1
	done := func(set func()) {
		lock.Lock()
		set()
		left--
		last := left == 0
		lock.Unlock()
		if last {
			reply(response)
		}
	}
	for i, id := range body.TransactionalIDs {
		transactions.Describe(id, func(t transaction.Transaction, failure *kerr.Error) {
			done(func() { response.TransactionStates[i] = describedTransaction(id, t, failure) })
		})
	}
	done(func() {})
}

func describedTransaction(id string, t transaction.Transaction, failure *kerr.Error) kmsg.DescribeTransactionsResponseTransactionState {
	answer := kmsg.NewDescribeTransactionsResponseTransactionState()
	answer.TransactionalID = id
	if failure != nil {
		answer.ErrorCode = failure.Code
		return answer
	}
	answer.State, answer.TimeoutMillis, answer.StartTimestamp = t.State.String(), t.TimeoutMillis, t.StartedMillis
	answer.ProducerID, answer.ProducerEpoch = t.ProducerID, t.Epoch
	for _, p := range t.Partitions {
		if n := len(answer.Topics); n == 0 || answer.Topics[n-1].Topic != p.Topic {
			topic := kmsg.NewDescribeTransactionsResponseTransactionStateTopic()
			topic.Topic = p.Topic
			answer.Topics = append(answer.Topics, topic)
		}
		last := &answer.Topics[len(answer.Topics)-1]
		last.Partitions = append(last.Partitions, p.Index)
	}
	return answer
}
