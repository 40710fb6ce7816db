package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// GroupHeartbeater keeps members' sessions.
type GroupHeartbeater interface {
	// Heartbeat answers at once or later; it waits for an append to a log at most.
	Heartbeat(request *kmsg.HeartbeatRequest, reply func(*kmsg.HeartbeatResponse))
}

// Heartbeat makes the handler of Heartbeat (12), v0 to v4: a member is alive,
// and hears whether it has to join again. v3 adds static members.
func Heartbeat(groups GroupHeartbeater) Handler {
	return func(_ context.Context, request *Request) Reply {
		body := request.Body.(*kmsg.HeartbeatRequest)
		return await(func(reply func(*kmsg.HeartbeatResponse)) { groups.Heartbeat(body, reply) })
	}
}
