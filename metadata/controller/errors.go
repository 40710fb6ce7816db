package controller

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Error is an answer with a message of its own: the code that goes on the wire
// and the sentence beside it. A nil Message is sent as null.
type Error struct {
	Code    *kerr.Error
	Message *string
}

// Error gives the name of the code and the message.
func (e *Error) Error() string {
	if e.Message == nil {
		return e.Code.Message
	}
	return e.Code.Message + ": " + *e.Message
}

// Unwrap is the code, for errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Code }

// failure is an *Error with a message.
func failure(code *kerr.Error, message string) *Error {
	return &Error{Code: code, Message: &message}
}

// plain is an *Error that sends null for a message.
func plain(code *kerr.Error) *Error { return &Error{Code: code} }

// defaulted is an *Error with the sentence that Kafka has for the code.
func defaulted(code *kerr.Error) *Error { return failure(code, code.Description) }

// wire takes an error apart into what an answer holds. A nil error is 0 and null.
func wire(err error) (code int16, message *string) {
	if err == nil {
		return 0, nil
	}
	var answer *Error
	if errors.As(err, &answer) {
		return answer.Code.Code, answer.Message
	}
	var bare *kerr.Error
	if errors.As(err, &bare) {
		return bare.Code, nil
	}
	text := err.Error()
	return kerr.UnknownServerError.Code, &text
}
