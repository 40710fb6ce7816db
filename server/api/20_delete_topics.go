package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TopicsDeleter deletes topics.
type TopicsDeleter interface {
	DeleteTopics(ctx context.Context, request *kmsg.DeleteTopicsRequest) (*kmsg.DeleteTopicsResponse, error)
}

// DeleteTopics makes the handler of DeleteTopics (20), v1 to v6: topics by name,
// from v6 on also by id. v5 adds messages to the errors. With
// delete.topic.enable=false every topic gets error 73, before v3 error 42.
func DeleteTopics(topics TopicsDeleter) Handler {
	return func(_ context.Context, request *Request) Reply {
		return func(ctx context.Context) (Response, error) {
			return responseOf(topics.DeleteTopics(ctx, request.Body.(*kmsg.DeleteTopicsRequest)))
		}
	}
}
