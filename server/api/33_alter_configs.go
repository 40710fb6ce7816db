package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ConfigsReplacer gives resources other configurations.
type ConfigsReplacer interface {
	AlterConfigs(ctx context.Context, request *kmsg.AlterConfigsRequest) (*kmsg.AlterConfigsResponse, error)
}

// AlterConfigs makes the handler of AlterConfigs (33), v0 to v2: the whole set of
// what a resource is to have; a key that is not named goes back to its default.
// IncrementalAlterConfigs is what took its place. The versions differ in their
// encoding alone.
func AlterConfigs(configs ConfigsReplacer) Handler {
	return func(_ context.Context, request *Request) Reply {
		return func(ctx context.Context) (Response, error) {
			return responseOf(configs.AlterConfigs(ctx, request.Body.(*kmsg.AlterConfigsRequest)))
		}
	}
}
