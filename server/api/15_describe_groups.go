package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// GroupDescriber tells of groups.
type GroupDescriber interface {
	// DescribeGroups answers at once or later; it waits for an append to a log at most.
	DescribeGroups(request *kmsg.DescribeGroupsRequest, reply func(*kmsg.DescribeGroupsResponse))
}

// groupOperations are those that are allowed on a group where nobody is refused
// anything: read, delete, describe, and describe and alter its configuration.
const groupOperations int32 = 1<<3 | 1<<6 | 1<<8 | 1<<10 | 1<<11

// DescribeGroups makes the handler of DescribeGroups (15), v0 to v6: the state
// and the members of groups. v3 adds the allowed operations, v4 static members;
// from v6 on a group that is not there is an error, before that just Dead.
func DescribeGroups(groups GroupDescriber) Handler {
	return func(_ context.Context, request *Request) Reply {
		body := request.Body.(*kmsg.DescribeGroupsRequest)
		return await(func(reply func(*kmsg.DescribeGroupsResponse)) {
			groups.DescribeGroups(body, func(response *kmsg.DescribeGroupsResponse) {
				for i := range response.Groups {
					if body.Version >= 3 && body.IncludeAuthorizedOperations && response.Groups[i].ErrorCode == 0 {
						response.Groups[i].AuthorizedOperations = groupOperations
					}
				}
				reply(response)
			})
		})
	}
}
