package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Unregisterer takes brokers out of the cluster.
type Unregisterer interface {
	UnregisterBroker(ctx context.Context, request *kmsg.UnregisterBrokerRequest) (*kmsg.UnregisterBrokerResponse, error)
}

// UnregisterBroker makes the handler of UnregisterBroker (64), v0: a broker leaves
// the cluster. One that still runs is back at its next start.
func UnregisterBroker(brokers Unregisterer) Handler {
	return func(_ context.Context, request *Request) Reply {
		return func(ctx context.Context) (Response, error) {
			return responseOf(brokers.UnregisterBroker(ctx, request.Body.(*kmsg.UnregisterBrokerRequest)))
		}
	}
}
