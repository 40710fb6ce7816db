package api

import (
	"context"
	"errors"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator/transaction"
)

// AllocateProducerIDs gives a block of producer ids that nobody else was or will
// be given: first and the length-1 that follow.
type AllocateProducerIDs func(ctx context.Context) (first int64, length int32, err error)

// ProducerInitializer makes a client the owner of a transactional id.
type ProducerInitializer interface {
	// InitProducerID answers at once or later; it waits for an append to a log at most.
	InitProducerID(request transaction.Init, reply func(transaction.Answer))
}

// InitProducerID makes the handler of InitProducerId (22), v0 to v5: it gives an
// idempotent producer an id of its own, with epoch 0, and a transactional one the
// id and the next epoch of its transactional id.
//
// v3 (KIP-360) lets a producer name the id and epoch that it has: both or
// neither. Without a transactional id they decide nothing, since a new id is
// given anyhow. Before v4 PRODUCER_FENCED is called INVALID_PRODUCER_EPOCH.
func InitProducerID(ids *ProducerIDs, transactions ProducerInitializer) Handler {
	return func(_ context.Context, request *Request) Reply {
		body := request.Body.(*kmsg.InitProducerIDRequest)
		if (body.ProducerID == -1) != (body.ProducerEpoch == -1) {
			return Answer(initialized(body, transaction.Answer{Failure: kerr.InvalidRequest, ProducerID: -1, Epoch: -1}))
		}
		if body.TransactionalID == nil {
			return func(ctx context.Context) (Response, error) { return ids.answer(ctx, body) }
		}
		return await(func(reply func(*kmsg.InitProducerIDResponse)) {
			transactions.InitProducerID(transaction.Init{
				ID: *body.TransactionalID, TimeoutMillis: body.TransactionTimeoutMillis,
				ProducerID: body.ProducerID, Epoch: body.ProducerEpoch,
			}, func(answer transaction.Answer) { reply(initialized(body, answer)) })
		})
	}
}

func initialized(body *kmsg.InitProducerIDRequest, answer transaction.Answer) *kmsg.InitProducerIDResponse {
	response := body.ResponseKind().(*kmsg.InitProducerIDResponse)
	response.ProducerID, response.ProducerEpoch = answer.ProducerID, answer.Epoch
	response.ErrorCode = fencedCode(answer.Failure, body.Version >= 4)
	return response
}

// fencedCode is the code of an error, for a client that may not know PRODUCER_FENCED.
func fencedCode(failure *kerr.Error, known bool) int16 {
	switch {
	case failure == nil:
		return 0
	case failure == kerr.ProducerFenced && !known:
		return kerr.InvalidProducerEpoch.Code
	}
	return failure.Code
}

// ProducerIDs gives out producer ids, each once. They come from blocks. The rest
// of a block that is not used up is lost with the process, never given out again.
// A lock guards the block and is not held while the next one is asked for; there
// is one who asks at a time, and others wait for him.
type ProducerIDs struct {
	allocate AllocateProducerIDs

	lock      sync.Mutex
	next, end int64

	// refilling holds one token while someone asks for a block.
	refilling chan struct{}
}

// NewProducerIDs makes one that asks for its blocks when it needs them.
func NewProducerIDs(allocate AllocateProducerIDs) *ProducerIDs {
	return &ProducerIDs{allocate: allocate, refilling: make(chan struct{}, 1)}
}

func (p *ProducerIDs) answer(ctx context.Context, body *kmsg.InitProducerIDRequest) (Response, error) {
	id, err := p.Next(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return initialized(body, transaction.Answer{Failure: allocationFailure(err), ProducerID: -1, Epoch: -1}), nil
	}
	return initialized(body, transaction.Answer{ProducerID: id}), nil
}

// allocationFailure is an error upon which the producer asks again.
func allocationFailure(err error) *kerr.Error {
	var answer *kerr.Error
	if errors.As(err, &answer) && answer.Retriable {
		return answer
	}
	return kerr.CoordinatorLoadInProgress
}

// Next returns an id that was never given before. It may wait.
func (p *ProducerIDs) Next(ctx context.Context) (int64, error) {
	if id, ok := p.take(); ok {
		return id, nil
	}
	select {
	case p.refilling <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() { <-p.refilling }()
	for {
		if id, ok := p.take(); ok {
			return id, nil
		}
		first, length, err := p.allocate(ctx)
		if err != nil {
			return 0, err
		}
		p.lock.Lock()
		p.next, p.end = first, first+int64(length)
		p.lock.Unlock()
	}
}

func (p *ProducerIDs) take() (int64, bool) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.next >= p.end {
		return 0, false
	}
	p.next++
	return p.next - 1, true
}
