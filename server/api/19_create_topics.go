package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TopicsCreator creates topics as a client asks.
type TopicsCreator interface {
	CreateTopics(ctx context.Context, request *kmsg.CreateTopicsRequest) (*kmsg.CreateTopicsResponse, error)
}

// CreateTopics makes the handler of CreateTopics (19), v2 to v7: new topics with
// their number of partitions, or with the replicas of each, and with
// configurations of their own. −1 means what the broker has by default.
//
// v5 answers with the configuration and the numbers, v7 with the topic's id.
// With validate_only nothing is created. The timeout is not used: the answer
// waits until the topic is there.
func CreateTopics(topics TopicsCreator) Handler {
	return func(_ context.Context, request *Request) Reply {
		return func(ctx context.Context) (Response, error) {
			return responseOf(topics.CreateTopics(ctx, request.Body.(*kmsg.CreateTopicsRequest)))
		}
	}
}

// responseOf is a controller's answer as a Reply gives it. Where there is none,
// because the server stops or the metadata log has failed, the connection
// closes and the client asks again.
func responseOf[R Response](response R, err error) (Response, error) {
	if err != nil {
		return nil, err
	}
	return response, nil
}
