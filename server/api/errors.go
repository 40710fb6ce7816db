package api

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
)

// ErrClose is what a Reply returns to have the connection closed without an
// answer, where Kafka does so.
var ErrClose = errors.New("close the connection")

// Code is the wire's code of an error: 0 of nil, the code of a *kerr.Error
// anywhere in the chain, and otherwise that of [Translate].
func Code(err error) int16 {
	if err == nil {
		return 0
	}
	return Translate(err).Code
}

// Translate turns an error into the answer that Kafka has for it. An error that
// is no answer and no known condition of the disk is UNKNOWN_SERVER_ERROR.
func Translate(err error) *kerr.Error {
	var answer *kerr.Error
	if errors.As(err, &answer) {
		return answer
	}
	return kerr.UnknownServerError
}
