package group

import (
	"slices"
	"unicode/utf16"

	"github.com/twmb/franz-go/pkg/kbin"
)

// subscribedTopics adds the topics of a consumer's metadata to the set, and
// tells whether it could be read. The coordinator does not own that format and
// reads no more than the fields of its first version: a version, the topics, and
// the user's bytes.
func subscribedTopics(metadata []byte, topics map[string]struct{}) bool {
	reader := kbin.Reader{Src: metadata}
	if reader.Int16() < 0 {
		return false
	}
	count := reader.ArrayLen()
	if count < 0 {
		return false
	}
	for range count {
		topic := reader.String()
		if !reader.Ok() {
			return false
		}
		topics[topic] = struct{}{}
	}
	reader.NullableBytes()
	return reader.Ok()
}

// javaHash is String.hashCode of Java, over UTF-16 units: it decides on which
// partition a group lives.
func javaHash(text string) int32 {
	var hash int32
	for _, r := range text {
		if high, low := utf16.EncodeRune(r); r > 0xffff {
			hash = (hash*31+high)*31 + low
		} else {
			hash = hash*31 + r
		}
	}
	return hash
}

// inHashOrder puts a few strings in the order in which Java's HashMap has them.
// Apache Kafka lets the first of several equally popular protocols win in that
// order, and so do we: the same members get the same protocol from both.
func inHashOrder(names []string) []string {
	buckets := int32(16)
	for float64(len(names)) > 0.75*float64(buckets) {
		buckets *= 2
	}
	bucket := func(name string) int32 {
		hash := javaHash(name)
		return (hash ^ int32(uint32(hash)>>16)) & (buckets - 1)
	}
	slices.SortStableFunc(names, func(a, b string) int { return int(bucket(a) - bucket(b)) })
	return names
}
