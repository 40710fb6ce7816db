package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// FeatureUpdater changes the levels of features.
type FeatureUpdater interface {
	UpdateFeatures(ctx context.Context, request *kmsg.UpdateFeaturesRequest) (*kmsg.UpdateFeaturesResponse, error)
}

// UpdateFeatures makes the handler of UpdateFeatures (57), v0 to v2: the levels
// that features are to have, all or none. v1 (KIP-584) added the kinds of upgrade
// and a trial without effect; v2 answers for all at once.
func UpdateFeatures(features FeatureUpdater) Handler {
	return func(_ context.Context, request *Request) Reply {
		return func(ctx context.Context) (Response, error) {
			return responseOf(features.UpdateFeatures(ctx, request.Body.(*kmsg.UpdateFeaturesRequest)))
		}
	}
}
