package api

import "errors"

// ErrClose is what a Reply returns to have the connection closed without an
// answer, where Kafka does so.
var ErrClose = errors.New("close the connection")
