package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// GroupLister lists groups.
type GroupLister interface {
	// ListGroups answers at once or later; it waits for an append to a log at most.
	ListGroups(request *kmsg.ListGroupsRequest, reply func(*kmsg.ListGroupsResponse))
}

// ListGroups makes the handler of ListGroups (16), v0 to v5: the groups that
// this broker coordinates. v4 adds states, and can ask for some of them, v5 types.
func ListGroups(groups GroupLister) Handler {
	return func(_ context.Context, request *Request) Reply {
		body := request.Body.(*kmsg.ListGroupsRequest)
		return await(func(reply func(*kmsg.ListGroupsResponse)) { groups.ListGroups(body, reply) })
	}
}
