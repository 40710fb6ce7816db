package cli

import (
	"errors"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/cli/flags"
)

// exception is a failure with the name that Apache Kafka's tools print for it.
// Scripts look for these names in what the tools say.
type exception struct {
	class   string
	message string
}

// Error is the message alone.
func (e *exception) Error() string { return e.message }

// String is the class and the message, as in a log.
func (e *exception) String() string {
	if e.message == "" {
		return e.class
	}
	return e.class + ": " + e.message
}

// classOf returns the exception's class for an answer of a broker: its code in
// camel case, but for those that Apache Kafka names otherwise.
func classOf(answer *kerr.Error) string {
	switch name := answer.Message; name {
	case "CORRUPT_MESSAGE":
		return "CorruptRecordException"
	case "REQUEST_TIMED_OUT":
		return "TimeoutException"
	case "MESSAGE_TOO_LARGE":
		return "RecordTooLargeException"
	case "STALE_CONTROLLER_EPOCH":
		return "ControllerMovedException"
	case "OFFSET_METADATA_TOO_LARGE":
		return "OffsetMetadataTooLarge"
	case "RECORD_LIST_TOO_LARGE":
		return "RecordBatchTooLargeException"
	case "TOPIC_ALREADY_EXISTS":
		return "TopicExistsException"
	case "INVALID_CONFIG":
		return "InvalidConfigurationException"
	case "OUT_OF_ORDER_SEQUENCE_NUMBER":
		return "OutOfOrderSequenceException"
	case "INVALID_PRODUCER_ID_MAPPING":
		return "InvalidPidMappingException"
	case "INVALID_TRANSACTION_TIMEOUT":
		return "InvalidTxnTimeoutException"
	case "DELEGATION_TOKEN_AUTH_DISABLED":
		return "DelegationTokenDisabledException"
	case "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED":
		return "UnsupportedByAuthenticationException"
	case "NON_EMPTY_GROUP":
		return "GroupNotEmptyException"
	case "INVALID_REGULAR_EXPRESSION":
		return "InvalidRegularExpression"
	default:
		for _, ending := range []string{"_EXCEPTION", "_FAILED", "_ERROR", "_FAILURE"} {
			// None of these words is kept before "Exception".
			name = strings.TrimSuffix(name, ending)
		}
		return camel(name) + "Exception"
	}
}

func camel(name string) string {
	var class strings.Builder
	for _, word := range strings.Split(name, "_") {
		if word != "" {
			class.WriteString(word[:1] + strings.ToLower(word[1:]))
		}
	}
	return class.String()
}

// answered returns the exception of an error code with the message that came
// with it, or nil where there is no error.
func answered(code int16, message *string) error {
	err := kerr.ErrorForCode(code)
	if err == nil {
		return nil
	}
	var answer *kerr.Error
	if !errors.As(err, &answer) {
		return err
	}
	text := answer.Description
	if message != nil && *message != "" {
		text = *message
	}
	return &exception{"org.apache.kafka.common.errors." + classOf(answer), text}
}

// isAnswer tells whether the error is an exception of that class.
func isAnswer(err error, class string) bool {
	var e *exception
	return errors.As(err, &e) && strings.HasSuffix(e.class, "."+class)
}

// described is the error as a log shows it: with its class.
func described(err error) string {
	var e *exception
	if errors.As(err, &e) {
		return e.String()
	}
	var refused *flags.Error
	if errors.As(err, &refused) {
		return "joptsimple." + refused.Kind + ": " + refused.Message
	}
	return err.Error()
}

// nested is an error whose message is the whole of another's, as Java's
// exceptions with a cause have it.
func nested(class string, cause error) error {
	return &exception{class, described(cause)}
}

// execution is what waiting for a failed call throws.
func execution(cause error) error {
	return nested("java.util.concurrent.ExecutionException", cause)
}

// runtimeException wraps what execution returns, as the tools do where they must not throw it.
func runtimeException(cause error) error { return nested("java.lang.RuntimeException", cause) }

func illegalArgument(message string) error {
	return &exception{"java.lang.IllegalArgumentException", message}
}
