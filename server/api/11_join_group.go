package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator/group"
)

// GroupJoiner takes members into groups.
type GroupJoiner interface {
	// JoinGroup answers at once or later; it waits for an append to a log at most.
	JoinGroup(c group.RequestContext, request *kmsg.JoinGroupRequest, reply func(*kmsg.JoinGroupResponse))
}

// JoinGroup makes the handler of JoinGroup (11), v0 to v9: become a member of a
// group, or say again that one is, and wait for all the others to do so.
//
// v1 adds a rebalance timeout of its own, v4 makes a new member come twice, the
// second time with the id it was given, v5 adds static members, v7 tells the
// protocol type, v8 takes a reason, v9 tells a static leader not to assign.
func JoinGroup(groups GroupJoiner) Handler {
	return func(_ context.Context, request *Request) Reply {
		body := request.Body.(*kmsg.JoinGroupRequest)
		who := group.RequestContext{ClientID: request.ClientName(), ClientHost: request.ClientHost}
		return await(func(reply func(*kmsg.JoinGroupResponse)) { groups.JoinGroup(who, body, reply) })
	}
}

// await makes a Reply of an answer that comes later: start gets the function to
// call with it. Once the connection has ended nobody waits any more.
func await[R Response](start func(reply func(R))) Reply {
	answer := make(chan R, 1)
	start(func(response R) { answer <- response })
	return func(ctx context.Context) (Response, error) {
		if response, ok := receive(ctx, answer); ok {
			return response, nil
		}
		return nil, ErrClose
	}
}

// receive waits for an answer; ok is false once nobody waits for it any more. One
// that is there is taken without asking the context for Done, which would tell the
// connection that this goroutine is about to wait.
func receive[A any](ctx context.Context, answer <-chan A) (received A, ok bool) {
	select {
	case received = <-answer:
		return received, true
	default:
	}
	select {
	case received = <-answer:
		return received, true
	case <-ctx.Done():
		return received, false
	}
}
