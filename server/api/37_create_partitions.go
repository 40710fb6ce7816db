package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// PartitionsCreator gives topics more partitions.
type PartitionsCreator interface {
	CreatePartitions(ctx context.Context, request *kmsg.CreatePartitionsRequest) (*kmsg.CreatePartitionsResponse, error)
}

// CreatePartitions makes the handler of CreatePartitions (37), v0 to v3: more
// partitions for topics, count being how many there are to be. The versions
// differ in their encoding alone.
func CreatePartitions(topics PartitionsCreator) Handler {
	return func(_ context.Context, request *Request) Reply {
		return func(ctx context.Context) (Response, error) {
			return responseOf(topics.CreatePartitions(ctx, request.Body.(*kmsg.CreatePartitionsRequest)))
		}
	}
}
