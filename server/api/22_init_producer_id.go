package api

import (
	"context"
	"errors"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// AllocateProducerIDs gives a block of producer ids that nobody else was or will
// be given: first and the length-1 that follow.
type AllocateProducerIDs func(ctx context.Context) (first int64, length int32, err error)

// InitProducerID makes the handler of InitProducerId (22), v0 to v5: it gives an
// idempotent producer an id of its own, with epoch 0.
//
// v3 (KIP-360) lets a producer name the id and epoch that it has: both or
// neither. Without a transactional id they decide nothing, since a new id is
// given anyhow. There are no transactions here: a transactional id is answered
// with TRANSACTIONAL_ID_AUTHORIZATION_FAILED, upon which every producer gives up.
//
// The ids come from blocks. The rest of a block that is not used up is lost with
// the process, never given out again. A lock guards the block and is not held
// while the next one is asked for; there is one who asks at a time, and others
// wait for him.
func InitProducerID(allocate AllocateProducerIDs) Handler {
	ids := &producerIDs{allocate: allocate, refilling: make(chan struct{}, 1)}
	return func(_ context.Context, request *Request) Reply {
		return func(ctx context.Context) (Response, error) {
			return ids.answer(ctx, request.Body.(*kmsg.InitProducerIDRequest))
		}
	}
}

type producerIDs struct {
	allocate AllocateProducerIDs

	lock      sync.Mutex
	next, end int64

	// refilling holds one token while someone asks for a block.
	refilling chan struct{}
}

func (p *producerIDs) answer(ctx context.Context, body *kmsg.InitProducerIDRequest) (Response, error) {
	response := body.ResponseKind().(*kmsg.InitProducerIDResponse)
	response.ProducerID, response.ProducerEpoch = -1, -1
	switch {
	case body.TransactionalID != nil:
		response.ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
		return response, nil
	case (body.ProducerID == -1) != (body.ProducerEpoch == -1):
		response.ErrorCode = kerr.InvalidRequest.Code
		return response, nil
	}
	id, err := p.give(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		response.ErrorCode = allocationFailure(err).Code
		return response, nil
	}
	response.ProducerID, response.ProducerEpoch = id, 0
	return response, nil
}

// allocationFailure is an error upon which the producer asks again.
func allocationFailure(err error) *kerr.Error {
	var answer *kerr.Error
	if errors.As(err, &answer) && answer.Retriable {
		return answer
	}
	return kerr.CoordinatorLoadInProgress
}

// give returns an id that was never given before.
func (p *producerIDs) give(ctx context.Context) (int64, error) {
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

func (p *producerIDs) take() (int64, bool) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.next >= p.end {
		return 0, false
	}
	p.next++
	return p.next - 1, true
}
