package api

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator/transaction"
	"ottla/metadata"
)

// AddPartitionsToTxn makes the handler of AddPartitionsToTxn (24), v0 to v5:
// partitions become part of a transaction before a record is written to them.
//
// Up to v3 a client asks for its own transaction, from v4 on a broker for those of
// many clients; it may ask to be told only whether the partitions are in it. One
// partition that does not exist fails the whole transaction: it alone is told why,
// the others were not attempted. Before v2 PRODUCER_FENCED is called
// INVALID_PRODUCER_EPOCH.
func AddPartitionsToTxn(cluster Cluster, transactions Transactions) Handler {
	return func(_ context.Context, request *Request) Reply {
		body := request.Body.(*kmsg.AddPartitionsToTxnRequest)
		return await(func(reply func(*kmsg.AddPartitionsToTxnResponse)) {
			addPartitions(body, cluster.Image(), transactions, reply)
		})
	}
}

// transactionsAsked are the transactions of a request of any version.
func transactionsAsked(body *kmsg.AddPartitionsToTxnRequest) []kmsg.AddPartitionsToTxnRequestTransaction {
	if body.Version >= 4 {
		return body.Transactions
	}
	asked := kmsg.NewAddPartitionsToTxnRequestTransaction()
	asked.TransactionalID, asked.ProducerID, asked.ProducerEpoch = body.TransactionalID, body.ProducerID, body.ProducerEpoch
	for _, topic := range body.Topics {
		asked.Topics = append(asked.Topics, kmsg.AddPartitionsToTxnRequestTransactionTopic{Topic: topic.Topic, Partitions: topic.Partitions})
	}
	return []kmsg.AddPartitionsToTxnRequestTransaction{asked}
}

func addPartitions(body *kmsg.AddPartitionsToTxnRequest, image *metadata.Image, transactions Transactions, reply func(*kmsg.AddPartitionsToTxnResponse)) {
	asked := transactionsAsked(body)
	results := make([]kmsg.AddPartitionsToTxnResponseTransaction, len(asked))
	var lock sync.Mutex
	left := len(asked) + 1
	done := func(set func()) {
		lock.Lock()
		set()
		left--
		last := left == 0
		lock.Unlock()
		if last {
			reply(addedResponse(body, results))
		}
	}
	for i := range asked {
		one := &asked[i]
		answer := func(codes func(place int) int16) {
			done(func() { results[i] = transactionResult(one, codes) })
		}
		addTransaction(body.Version, one, image, transactions, answer)
	}
	done(func() {})
}

// addTransaction answers for one transaction of a request.
func addTransaction(version int16, asked *kmsg.AddPartitionsToTxnRequestTransaction, image *metadata.Image, transactions Transactions, answer func(codes func(place int) int16)) {
	var partitions []transaction.Partition
	var unknown []bool
	refused := false
	for _, topic := range asked.Topics {
		known, _ := image.Topic(topic.Topic)
		for _, index := range topic.Partitions {
			partitions = append(partitions, transaction.Partition{Topic: topic.Topic, Index: index})
			missing := known == nil || !hasPartition(known, index)
			unknown = append(unknown, missing)
			refused = refused || missing
		}
	}
	switch {
	case refused:
		answer(func(place int) int16 {
			if unknown[place] {
				return kerr.UnknownTopicOrPartition.Code
			}
			return kerr.OperationNotAttempted.Code
		})
	case version >= 4 && asked.VerifyOnly:
		transactions.VerifyPartitions(asked.TransactionalID, asked.ProducerID, asked.ProducerEpoch, partitions, func(verdicts []*kerr.Error) {
			answer(func(place int) int16 { return fencedCode(verdicts[place], true) })
		})
	default:
		client := int16(0)
		if version >= 4 {
			client = 2
		}
		transactions.AddPartitions(asked.TransactionalID, asked.ProducerID, asked.ProducerEpoch, partitions, client, func(failure *kerr.Error) {
			answer(func(int) int16 { return fencedCode(failure, version >= 2) })
		})
	}
}

// transactionResult lays out the codes of a transaction's partitions, which are
// counted through its topics.
func transactionResult(asked *kmsg.AddPartitionsToTxnRequestTransaction, codes func(place int) int16) kmsg.AddPartitionsToTxnResponseTransaction {
	result := kmsg.NewAddPartitionsToTxnResponseTransaction()
	result.TransactionalID = asked.TransactionalID
	place := 0
	for _, topic := range asked.Topics {
		answer := kmsg.NewAddPartitionsToTxnResponseTransactionTopic()
		answer.Topic = topic.Topic
		for _, index := range topic.Partitions {
			answer.Partitions = append(answer.Partitions, kmsg.AddPartitionsToTxnResponseTransactionTopicPartition{Partition: index, ErrorCode: codes(place)})
			place++
		}
		result.Topics = append(result.Topics, answer)
	}
	return result
}

func addedResponse(body *kmsg.AddPartitionsToTxnRequest, results []kmsg.AddPartitionsToTxnResponseTransaction) *kmsg.AddPartitionsToTxnResponse {
	response := body.ResponseKind().(*kmsg.AddPartitionsToTxnResponse)
	if body.Version >= 4 {
		response.Transactions = results
		return response
	}
	for _, topic := range results[0].Topics {
		answer := kmsg.NewAddPartitionsToTxnResponseTopic()
		answer.Topic = topic.Topic
		for _, p := range topic.Partitions {
			answer.Partitions = append(answer.Partitions, kmsg.AddPartitionsToTxnResponseTopicPartition{Partition: p.Partition, ErrorCode: p.ErrorCode})
		}
		response.Topics = append(response.Topics, answer)
	}
	return response
}
