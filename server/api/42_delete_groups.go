package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// GroupDeleter deletes groups.
type GroupDeleter interface {
	// DeleteGroups answers at once or later; it waits for an append to a log at most.
	DeleteGroups(request *kmsg.DeleteGroupsRequest, reply func(*kmsg.DeleteGroupsResponse))
}

// DeleteGroups makes the handler of DeleteGroups (42), v0 to v2: groups without
// members go, with all their offsets.
func DeleteGroups(groups GroupDeleter) Handler {
	return func(_ context.Context, request *Request) Reply {
		body := request.Body.(*kmsg.DeleteGroupsRequest)
		return await(func(reply func(*kmsg.DeleteGroupsResponse)) { groups.DeleteGroups(body, reply) })
	}
}
