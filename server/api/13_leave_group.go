package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// GroupLeaver takes members out of groups.
type GroupLeaver interface {
	// LeaveGroup answers at once or later; it waits for an append to a log at most.
	LeaveGroup(request *kmsg.LeaveGroupRequest, reply func(*kmsg.LeaveGroupResponse))
}

// LeaveGroup makes the handler of LeaveGroup (13), v0 to v5: members leave at
// once, without waiting for their sessions to end. From v3 on one request can
// name several, static ones by their instance ids, and each has its own answer;
// v5 takes a reason.
func LeaveGroup(groups GroupLeaver) Handler {
	return func(_ context.Context, request *Request) Reply {
		body := request.Body.(*kmsg.LeaveGroupRequest)
		return await(func(reply func(*kmsg.LeaveGroupResponse)) { groups.LeaveGroup(body, reply) })
	}
}
