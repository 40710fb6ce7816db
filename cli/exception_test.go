package cli

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

// TestClasses holds the names of exceptions that are made by rule against some of Apache Kafka's.
func TestClasses(t *testing.T) {
	for code, want := range map[int16]string{
		-1: "UnknownServerException", 2: "CorruptRecordException", 3: "UnknownTopicOrPartitionException", 7: "TimeoutException",
		13: "NetworkException", 17: "InvalidTopicException", 29: "TopicAuthorizationException", 31: "ClusterAuthorizationException",
		36: "TopicExistsException", 37: "InvalidPartitionsException", 40: "InvalidConfigurationException", 42: "InvalidRequestException",
		56: "KafkaStorageException", 58: "SaslAuthenticationException", 68: "GroupNotEmptyException", 69: "GroupIdNotFoundException",
		97: "PrincipalDeserializationException", 106: "FetchSessionTopicIdException",
	} {
		answer := kerr.TypedErrorForCode(code)
		if got := classOf(answer); got != want {
			t.Errorf("%s: %s, want %s", answer.Message, got, want)
		}
	}
}
