package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The limits of a header's tagged fields. Clients send none.
const (
	MaxHeaderTags     = 64
	MaxHeaderTagBytes = 64 << 10
)

// ErrHeader is what every error of [ReadHeader] wraps: Kafka closes the
// connection.
var ErrHeader = errors.New("request header")

// Header is the header of a request.
type Header struct {
	API           *API // of the table, not to be written
	Version       int16
	CorrelationID int32
	// ClientID points into the frame; nil where the header says null. Its bytes
	// are the client's, valid UTF-8 or not.
	ClientID []byte
	// UnsupportedVersion is set for ApiVersions alone: the version is not
	// served, which has an answer of its own.
	UnsupportedVersion bool
}

// ReadHeader reads the header of a frame and returns the body behind it. It
// fails, wrapping [ErrHeader], for an API or a version that is not in the table
// and for whatever is not a header.
//
// The header has version 2 (tagged fields) for flexible versions, else 1.
// Version 0 went with version 0 of ControlledShutdown.
func ReadHeader(frame []byte) (Header, []byte, error) {
	r := kbin.Reader{Src: frame}
	key, version := r.Int16(), r.Int16()
	h := Header{Version: version, CorrelationID: r.Int32()}
	if !r.Ok() {
		return h, nil, fmt.Errorf("%w: %d bytes are too few", ErrHeader, len(frame))
	}
	if h.API = row(key); h.API == nil {
		return h, nil, fmt.Errorf("%w: unknown API key %d", ErrHeader, key)
	}
	if !h.API.Supports(version) {
		if key != ApiVersionsKey {
			return h, nil, fmt.Errorf("%w: %s version %d is not served", ErrHeader, h.API.Name, version)
		}
		h.UnsupportedVersion = true
	}
	// Any negative length means null, as in Kafka.
	if n := r.Int16(); n >= 0 {
		h.ClientID = r.Span(int(n))
	}
	if r.Ok() && h.API.IsFlexible(version) {
		if err := skipTags(&r); err != nil {
			return h, nil, err
		}
	}
	if !r.Ok() {
		return h, nil, fmt.Errorf("%w: cut short", ErrHeader)
	}
	return h, r.Src, nil
}

// skipTags reads over the header's tagged fields. Order and repetition are not
// checked, as Kafka does not.
func skipTags(r *kbin.Reader) error {
	before := len(r.Src)
	count := r.Uvarint()
	if count > MaxHeaderTags {
		return fmt.Errorf("%w: %d tagged fields, at most %d are allowed", ErrHeader, count, MaxHeaderTags)
	}
	for range count {
		r.Uvarint()
		size := r.Uvarint()
		if int64(size) > int64(len(r.Src)) {
			return fmt.Errorf("%w: a tagged field of %d bytes with %d behind it", ErrHeader, size, len(r.Src))
		}
		r.Span(int(size))
		if before-len(r.Src) > MaxHeaderTagBytes {
			return fmt.Errorf("%w: more than %d bytes of tagged fields", ErrHeader, MaxHeaderTagBytes)
		}
	}
	if !r.Ok() {
		return fmt.Errorf("%w: tagged fields cut short", ErrHeader)
	}
	return nil
}

// Decode decodes the body of a request. The result's bytes fields point into
// body; its strings do not. Bytes behind the body are ignored, as in Kafka. The
// body is walked through first.
func (h Header) Decode(body []byte) (kmsg.Request, error) {
	request := kmsg.RequestForKey(h.API.Key)
	if request == nil {
		return nil, fmt.Errorf("decode %s: no codec", h.API.Name)
	}
	if h.UnsupportedVersion {
		return request, nil
	}
	if err := h.Walk(body); err != nil {
		return nil, err
	}
	request.SetVersion(h.Version)
	if err := request.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("decode %s version %d: %w", h.API.Name, h.Version, err)
	}
	return request, nil
}

// ResponseHeaderSize is the number of bytes of a response's header: its length,
// the correlation id, and, for a flexible version, the count of tagged fields.
// ApiVersions has none of the last in any version, because a client reads its
// answer before it knows what the broker speaks (KIP-511).
func ResponseHeaderSize(key int16, flexible bool) int {
	if flexible && key != ApiVersionsKey {
		return 9
	}
	return 8
}

// AppendResponseHeader appends the header of an answer whose body has bodySize
// bytes.
func AppendResponseHeader(dst []byte, key int16, flexible bool, correlationID int32, bodySize int) []byte {
	size := ResponseHeaderSize(key, flexible)
	dst = binary.BigEndian.AppendUint32(dst, uint32(size-4+bodySize))
	dst = binary.BigEndian.AppendUint32(dst, uint32(correlationID))
	if size == 9 {
		dst = append(dst, 0)
	}
	return dst
}

// A Body is what [AppendResponse] encodes; every kmsg.Response is one.
type Body interface {
	Key() int16
	IsFlexible() bool
	AppendTo(dst []byte) []byte
}

// AppendResponse appends a whole answer: length, header and body.
func AppendResponse(dst []byte, correlationID int32, response Body) []byte {
	start := len(dst)
	dst = AppendResponseHeader(dst, response.Key(), response.IsFlexible(), correlationID, 0)
	produced, ok := response.(*kmsg.ProduceResponse)
	if ok {
		dst, ok = appendProduced(dst, produced)
	}
	if !ok {
		dst = response.AppendTo(dst)
	}
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}
