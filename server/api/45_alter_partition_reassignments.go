package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Reassigner changes where the replicas of partitions are.
type Reassigner interface {
	AlterPartitionReassignments(ctx context.Context, request *kmsg.AlterPartitionAssignmentsRequest) (*kmsg.AlterPartitionAssignmentsResponse, error)
}

// AlterPartitionReassignments makes the handler of AlterPartitionReassignments
// (45), v0 and v1 (KIP-455): the replicas that partitions are to have; null takes
// back what is under way. v1 (KIP-860) can forbid another number of replicas.
func AlterPartitionReassignments(partitions Reassigner) Handler {
	return func(_ context.Context, request *Request) Reply {
		return func(ctx context.Context) (Response, error) {
			return responseOf(partitions.AlterPartitionReassignments(ctx, request.Body.(*kmsg.AlterPartitionAssignmentsRequest)))
		}
	}
}
