package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ConfigsAlterer changes configurations.
type ConfigsAlterer interface {
	IncrementalAlterConfigs(ctx context.Context, request *kmsg.IncrementalAlterConfigsRequest) (*kmsg.IncrementalAlterConfigsResponse, error)
}

// IncrementalAlterConfigs makes the handler of IncrementalAlterConfigs (44), v0
// and v1 (KIP-339): set, delete, append to and subtract from single values, all
// or none of a resource's. The versions differ in their encoding alone.
func IncrementalAlterConfigs(configs ConfigsAlterer) Handler {
	return func(_ context.Context, request *Request) Reply {
		return func(ctx context.Context) (Response, error) {
			return responseOf(configs.IncrementalAlterConfigs(ctx, request.Body.(*kmsg.IncrementalAlterConfigsRequest)))
		}
	}
}
