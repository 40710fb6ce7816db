package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/metadata/controller"
)

// ListPartitionReassignments makes the handler of ListPartitionReassignments (46),
// v0: the partitions whose replicas come or go, of all topics (null) or of some.
func ListPartitionReassignments(cluster Cluster) Handler {
	return func(_ context.Context, request *Request) Reply {
		return func(context.Context) (Response, error) {
			return controller.ListPartitionReassignments(cluster.Image(), request.Body.(*kmsg.ListPartitionReassignmentsRequest)), nil
		}
	}
}
