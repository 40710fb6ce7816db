// Package api answers Kafka's requests, one file an API, named by its key.
//
// A handler is a function made by a constructor that takes the narrow interface
// the API needs; the server puts the handlers into one table, [Handlers], and
// calls them. No connection, socket or frame is known here.
//
// An answer has two parts. The handler itself runs on the connection's reader,
// one request after another, so whatever must happen in the order of the
// requests (an append, a session's next epoch) happens there, and it must never
// wait for another machine, a client or a timer. The [Reply] that it returns
// runs on the connection's writer, in the same order, and may wait: for a
// commit, for min.bytes, for a rebalance.
//
// The package holds no lock and starts no goroutine; a handler that shares
// state between connections says in its own file who guards it.
package api

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Request is one decoded request and what is known of who sent it.
//
// Byte slices in Body may point into the frame that the request came in: they
// are valid until the Reply has returned its Response and the server has
// written it.
type Request struct {
	// Body is the decoded request; its GetVersion is the version asked for,
	// except as UnsupportedVersion says.
	Body kmsg.Request

	// UnsupportedVersion is set for an ApiVersions request alone: its version
	// is above those known, so its body was not decoded (Body is an empty
	// request of version 0) and the answer is one of version 0 with error 35.
	UnsupportedVersion bool

	// CorrelationID is the number that the answer carries back.
	CorrelationID int32
	// ClientID is the client's name for itself; nil where the header says null.
	ClientID *string
	// ClientHost is the peer's address as Kafka prints it, "/127.0.0.1".
	ClientHost string
	// Principal is who the connection is, "User:ANONYMOUS" without authentication.
	Principal string
	// Listener is the name of the listener that the connection came in by.
	Listener string
	// ConnectionID is unique among the connections of this process.
	ConnectionID uint64
	// Received is when the whole frame had been read.
	Received time.Time
}

// Version is the version of the API that the body is in.
func (r *Request) Version() int16 { return r.Body.GetVersion() }

// ClientName is the client id, "" where there is none.
func (r *Request) ClientName() string {
	if r.ClientID == nil {
		return ""
	}
	return *r.ClientID
}

// Handler takes a request and does what must be done in the order of the
// connection's requests. It does not wait. ctx ends when the connection or the
// server does.
type Handler func(ctx context.Context, request *Request) Reply

// Reply gives the answer, waiting for it if it must until ctx ends. A nil
// Response with a nil error sends nothing (Produce with acks 0). An error,
// [ErrClose] first of all, closes the connection without an answer.
//
// Every Reply is called exactly once, also when the connection has failed
// (then with an ended ctx), so that what it holds can be released.
type Reply func(ctx context.Context) (Response, error)

// Response is the body of an answer. Every kmsg.Response is one.
type Response interface {
	// Key is the key of the API, which tells the header's version.
	Key() int16
	// GetVersion is the version that the body is written in.
	GetVersion() int16
	// IsFlexible tells whether that version has tagged fields.
	IsFlexible() bool
	// AppendTo appends the encoded body.
	AppendTo(dst []byte) []byte
}

// PartsResponse is a Response whose body is sent piece by piece, because most
// of it lies in files. The server sends the pieces of Parts instead of
// AppendTo's bytes, and calls Release once it is done, sent or not.
type PartsResponse interface {
	Response
	// Parts are the body's pieces in order. The sum of their lengths is the
	// length of the body.
	Parts() []Part
	// Release lets go of the file regions.
	Release()
}

// Part is one piece of a body: bytes, or (Region not nil) a region of a file.
type Part struct {
	Bytes  []byte
	Region Region
}

// Region is a stretch of a file that is pinned until it is released.
type Region interface {
	// Len is the number of bytes.
	Len() int
	// Descriptor is where sendfile finds the region; ok is false where there
	// is no file descriptor (memory), then ReadAll is the only way.
	Descriptor() (fd uintptr, position int64, ok bool)
	// ReadAll appends the whole region to dst.
	ReadAll(dst []byte) ([]byte, error)
}

// Handlers is the dispatch table: the server fills in one literal, from the
// APIs' keys to what their constructors return.
type Handlers map[kmsg.Key]Handler

// Answer is the Reply of a handler that has its answer already.
func Answer(response Response) Reply {
	return func(context.Context) (Response, error) { return response, nil }
}

// Close is the Reply that closes the connection without an answer.
func Close() Reply {
	return func(context.Context) (Response, error) { return nil, ErrClose }
}
