package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// GroupSyncer hands out assignments.
type GroupSyncer interface {
	// SyncGroup answers at once or later; it waits for an append to a log at most.
	SyncGroup(request *kmsg.SyncGroupRequest, reply func(*kmsg.SyncGroupResponse))
}

// SyncGroup makes the handler of SyncGroup (14), v0 to v5: the leader brings the
// assignments of a generation, every member takes its own. v3 adds static
// members, v5 the protocol, which must then be named.
func SyncGroup(groups GroupSyncer) Handler {
	return func(_ context.Context, request *Request) Reply {
		body := request.Body.(*kmsg.SyncGroupRequest)
		return await(func(reply func(*kmsg.SyncGroupResponse)) { groups.SyncGroup(body, reply) })
	}
}
