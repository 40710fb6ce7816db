package controller

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// The topics that the server itself writes to. A client may create and delete
// them; Metadata marks them as internal.
const (
	GroupMetadataTopic    = "__consumer_offsets"
	TransactionStateTopic = "__transaction_state"
	ShareGroupStateTopic  = "__share_group_state"
	ClusterMetadataTopic  = "__cluster_metadata"
)

// maxNameLength leaves room in a file name's 255 bytes for "-" and a partition.
const maxNameLength = 249

// IsInternal tells whether Metadata marks the topic as internal.
func IsInternal(topic string) bool {
	return topic == GroupMetadataTopic || topic == TransactionStateTopic || topic == ShareGroupStateTopic
}

// ValidateName holds a topic's name against Kafka's rules: 1 to 249 ASCII
// letters, digits, '.', '_' and '-', and neither "." nor "..". It returns nil
// where they allow it, else INVALID_TOPIC_EXCEPTION.
func ValidateName(name string) *Error {
	reason := ""
	switch {
	case name == "":
		reason = "the empty string is not allowed"
	case name == ".":
		reason = "'.' is not allowed"
	case name == "..":
		reason = "'..' is not allowed"
	case lengthInUTF16(name) > maxNameLength:
		reason = "the length of '" + name + "' is longer than the max allowed length 249"
	case !legalCharacters(name):
		reason = "'" + name + "' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
	default:
		return nil
	}
	return failure(kerr.InvalidTopicException, "Topic name is invalid: "+reason)
}

// lengthInUTF16 counts as Java's String.length does, which decides between two
// messages for a name that is both too long and illegal.
func lengthInUTF16(name string) int {
	n := 0
	for _, r := range name {
		n++
		if r > 0xffff {
			n++
		}
	}
	return n
}

func legalCharacters(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// collisionName is what two names share when they differ in '.' and '_' alone,
// which a metric's name cannot tell apart; ok is false for a name without them.
func collisionName(name string) (normalized string, ok bool) {
	if !strings.ContainsAny(name, "._") {
		return "", false
	}
	return strings.ReplaceAll(name, ".", "_"), true
}
