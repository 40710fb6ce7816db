package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Elector elects leaders of partitions.
type Elector interface {
	ElectLeaders(ctx context.Context, request *kmsg.ElectLeadersRequest) (*kmsg.ElectLeadersResponse, error)
}

// ElectLeaders makes the handler of ElectLeaders (43), v0 to v2: the first replica
// of each partition is to lead, or (v1, KIP-460) anyone where nobody does. An
// empty list asks for nothing, null for every partition.
func ElectLeaders(leaders Elector) Handler {
	return func(_ context.Context, request *Request) Reply {
		return func(ctx context.Context) (Response, error) {
			return responseOf(leaders.ElectLeaders(ctx, request.Body.(*kmsg.ElectLeadersRequest)))
		}
	}
}
