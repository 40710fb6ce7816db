package api

import (
	"cmp"
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// VersionRange is a range of versions, both ends included.
type VersionRange struct{ Min, Max int16 }

// Features is what ApiVersions says of features. A feature whose APIs are not
// served is in neither map.
type Features struct {
	// Supported are the levels that this server can be told to use.
	Supported map[string]VersionRange
	// Finalized are the levels in use, without those at 0.
	Finalized map[string]int16
	// Epoch is the metadata offset that Finalized was read at.
	Epoch int64
}

// ApiVersions makes the handler of ApiVersions (18), v0 to v4: which APIs, in
// which versions, are served where the connection came in.
//
// v1 adds the throttle time, v3 (KIP-511) the client's name and version, which
// must look like names, and the features; v4 shows features whose lowest level
// is 0, over which older clients stumble. A version above those known is
// answered in version 0, with error 35 and the versions of this API alone.
//
// served gives the range of each API for a listener; it is called once per
// request and its result is not changed.
func ApiVersions(served func(listener string) map[kmsg.Key]VersionRange, features func() Features) Handler {
	return func(_ context.Context, request *Request) Reply {
		return Answer(apiVersions(request, served, features))
	}
}

func apiVersions(request *Request, served func(string) map[kmsg.Key]VersionRange, features func() Features) *kmsg.ApiVersionsResponse {
	body := request.Body.(*kmsg.ApiVersionsRequest)
	response := body.ResponseKind().(*kmsg.ApiVersionsResponse)
	apis := served(request.Listener)
	if request.UnsupportedVersion {
		response.SetVersion(0)
		response.ErrorCode = kerr.UnsupportedVersion.Code
		response.ApiKeys = []kmsg.ApiVersionsResponseApiKey{servedAPI(kmsg.ApiVersions, apis[kmsg.ApiVersions])}
		return response
	}
	if body.Version >= 3 && !(softwareName(body.ClientSoftwareName) && softwareName(body.ClientSoftwareVersion)) {
		response.ErrorCode = kerr.InvalidRequest.Code
		return response
	}
	for key, versions := range apis {
		response.ApiKeys = append(response.ApiKeys, servedAPI(key, versions))
	}
	slices.SortFunc(response.ApiKeys, func(a, b kmsg.ApiVersionsResponseApiKey) int { return cmp.Compare(a.ApiKey, b.ApiKey) })
	addFeatures(response, features())
	return response
}

func servedAPI(key kmsg.Key, versions VersionRange) kmsg.ApiVersionsResponseApiKey {
	api := kmsg.NewApiVersionsResponseApiKey()
	api.ApiKey, api.MinVersion, api.MaxVersion = key.Int16(), versions.Min, versions.Max
	return api
}

func addFeatures(response *kmsg.ApiVersionsResponse, features Features) {
	for name, versions := range features.Supported {
		if response.Version < 4 && versions.Min == 0 {
			continue
		}
		feature := kmsg.NewApiVersionsResponseSupportedFeature()
		feature.Name, feature.MinVersion, feature.MaxVersion = name, versions.Min, versions.Max
		response.SupportedFeatures = append(response.SupportedFeatures, feature)
	}
	for name, level := range features.Finalized {
		if level == 0 {
			continue
		}
		feature := kmsg.NewApiVersionsResponseFinalizedFeature()
		feature.Name, feature.MinVersionLevel, feature.MaxVersionLevel = name, level, level
		response.FinalizedFeatures = append(response.FinalizedFeatures, feature)
	}
	response.FinalizedFeaturesEpoch = features.Epoch
	slices.SortFunc(response.SupportedFeatures, func(a, b kmsg.ApiVersionsResponseSupportedFeature) int {
		return cmp.Compare(a.Name, b.Name)
	})
	slices.SortFunc(response.FinalizedFeatures, func(a, b kmsg.ApiVersionsResponseFinalizedFeature) int {
		return cmp.Compare(a.Name, b.Name)
	})
}

// softwareName tells whether KIP-511 lets a client call itself so: ASCII
// letters and digits, and, but not at either end, '-' and '.'.
func softwareName(name string) bool {
	for i := range len(name) {
		c := name[i]
		alphanumeric := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		inner := (c == '-' || c == '.') && i > 0 && i < len(name)-1
		if !alphanumeric && !inner {
			return false
		}
	}
	return name != ""
}
