package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// memory is a source that gives its bytes in pieces of a size, then ends or
// goes silent.
type memory struct {
	bytes  []byte
	piece  int
	silent bool
	set    []time.Duration // the deadlines that were set; 0 where one was taken away
}

func (m *memory) Read(p []byte) (int, error) {
	if len(m.bytes) == 0 {
		if m.silent {
			return 0, os.ErrDeadlineExceeded
		}
		return 0, io.EOF
	}
	n := min(len(p), len(m.bytes))
	if m.piece > 0 {
		n = min(n, m.piece)
	}
	n = copy(p[:n], m.bytes)
	m.bytes = m.bytes[n:]
	return n, nil
}

func (m *memory) SetReadDeadline(at time.Time) error {
	if at.IsZero() {
		m.set = append(m.set, 0)
	} else {
		m.set = append(m.set, time.Until(at).Round(time.Second))
	}
	return nil
}

const maxRequest = 104857600 // the default of socket.request.max.bytes

func newReader(source Source) *FrameReader {
	return NewFrameReader(FrameOptions{Source: source, Pool: NewPool(), MaxBytes: maxRequest, FirstTimeout: 10 * time.Second, Timeout: 30 * time.Second})
}

// framed puts the length before a frame.
func framed(frame ...[]byte) []byte {
	all := bytes.Join(frame, nil)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(all))), all...)
}

func header(key, version int16, rest ...byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	return append(append(b, 0, 0, 0, 7), rest...)
}

// decodeAll does what a connection does with bytes: frames, headers, bodies.
func decodeAll(r *FrameReader) (requests []kmsg.Request, headers []Header, err error) {
	for {
		frame, err := r.Next()
		if err != nil {
			return requests, headers, err
		}
		h, body, err := ReadHeader(frame.Bytes)
		if err != nil {
			return requests, headers, err
		}
		h.ClientID = bytes.Clone(h.ClientID)
		request, err := h.Decode(body)
		if err != nil {
			return requests, headers, err
		}
		requests, headers = append(requests, request), append(headers, h)
	}
}

// manyTags is a count of tagged fields, all empty, and all of tag 0.
func manyTags(count int) []byte {
	return append(binary.AppendUvarint(nil, uint64(count)), make([]byte, 2*count)...)
}

// fetchWithCluster is a Fetch 12 whose cluster id, a tagged field of five bytes,
// is said to have another size.
func fetchWithCluster(size byte) []byte {
	fetch := kmsg.NewPtrFetchRequest()
	fetch.Version = 12
	body := fetch.AppendTo(nil)
	return append(body[:len(body)-1], 1, 0, size, 5, 'a', 'b', 'c', 'd', 0, 0, 0)
}

// TestBadInput replays the inputs whose answer is to close the connection, or
// to go on as if nothing were wrong, by their numbers.
func TestBadInput(t *testing.T) {
	metadata := kmsg.NewPtrMetadataRequest()
	metadata.Version = 12
	metadataBody := metadata.AppendTo(nil)
	tagged := func(tags ...byte) []byte { return framed(header(3, 12, 0xff, 0xff), tags, metadataBody) }
	closed := []struct {
		row     int
		name    string
		input   []byte
		silent  bool
		wrapped error
	}{
		{1, "length -1", []byte{0xff, 0xff, 0xff, 0xff}, true, ErrFrame},
		{2, "length MinInt32", []byte{0x80, 0, 0, 0}, true, ErrFrame},
		{3, "length socket.request.max.bytes + 1", binary.BigEndian.AppendUint32(nil, maxRequest+1), true, ErrFrame},
		{4, "length 104857600, then nothing", binary.BigEndian.AppendUint32(nil, maxRequest), true, os.ErrDeadlineExceeded},
		{5, "length 0", []byte{0, 0, 0, 0}, true, ErrFrame},
		{6, "length 1, header cut", []byte{0, 0, 0, 1, 0}, true, ErrFrame},
		{6, "length 7, header cut", []byte{0, 0, 0, 7, 0, 3, 0, 1, 0, 0, 0}, true, ErrFrame},
		{7, "a byte, then nothing", framed(header(3, 1, 0xff, 0xff, 0))[:13], true, os.ErrDeadlineExceeded},
		{8, "3 bytes of length, then silence", []byte{0, 0, 0}, true, os.ErrDeadlineExceeded},
		{9, "api key 9999", framed(header(9999, 0, 0xff, 0xff)), true, ErrHeader},
		{10, "api key -1", framed(header(-1, 0, 0xff, 0xff)), true, ErrHeader},
		{11, "version max + 1", framed(header(3, 14, 0xff, 0xff, 0), metadataBody), true, ErrHeader},
		{12, "version -1", framed(header(3, -1, 0xff, 0xff)), true, ErrHeader},
		{12, "version 32767", framed(header(3, 32767, 0xff, 0xff)), true, ErrHeader},
		{15, "ApiVersions 3 with a header without tags", framed(header(18, 3, 0, 1, 'c'), []byte{12, 'f', 'r', 'a', 'n', 'z', '-', 'g', 'o', 0}), true, ErrHeader},
		{17, "client id length 32767 with 10 bytes behind", framed(header(3, 1, 0x7f, 0xff), make([]byte, 10)), true, ErrHeader},
		{19, "2^32-1 tags and nothing behind", framed(header(3, 12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f)), true, ErrHeader},
		{20, "20 000 000 empty tags", framed(header(18, 3, 0xff, 0xff), manyTags(20_000_000)), true, ErrFrame},
		{20, "65 empty tags", framed(header(18, 3, 0xff, 0xff), manyTags(65), []byte{1, 1, 0}), true, ErrHeader},
		{20, "more than 64 KiB of tags", framed(header(3, 12, 0xff, 0xff, 1, 0, 0x81, 0x80, 0x04), make([]byte, 1<<16+1), metadataBody), true, ErrHeader},
		{21, "tag longer than the rest", framed(header(3, 12, 0xff, 0xff, 1, 9, 100, 1, 2, 3)), true, ErrHeader},
		{22, "tag size -1", framed(header(3, 12, 0xff, 0xff, 1, 9, 0xff, 0xff, 0xff, 0xff, 0x0f)), true, ErrHeader},
		{25, "varint of 6 continuation bytes", tagged(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0), true, ErrHeader},
		{26, "varint of 5 bytes above 2^32", tagged(0x80, 0x80, 0x80, 0x80, 0x7f), true, ErrHeader},
		{24, "known tag longer than its field", framed(header(1, 12, 0xff, 0xff, 0), fetchWithCluster(6)), true, ErrBody},
		{24, "known tag shorter than its field", framed(header(1, 12, 0xff, 0xff, 0), fetchWithCluster(4)), true, ErrBody},
		{19, "2^32-1 tags in the body", framed(header(3, 12, 0xff, 0xff, 0), metadataBody[:len(metadataBody)-1], []byte{0xff, 0xff, 0xff, 0xff, 0x0f}), true, ErrBody},
		{31, "array length 2^31-1, 10 bytes behind", framed(header(3, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff), make([]byte, 10)), true, nil},
	}
	for _, test := range closed {
		r := newReader(&memory{bytes: test.input, silent: test.silent})
		requests, _, err := decodeAll(r)
		if err == nil || errors.Is(err, io.EOF) || len(requests) > 0 {
			t.Errorf("row %d, %s: %d requests, error %v", test.row, test.name, len(requests), err)
		} else if test.wrapped != nil && !errors.Is(err, test.wrapped) {
			t.Errorf("row %d, %s: error %v, not of the kind %v", test.row, test.name, err, test.wrapped)
		}
		if strings.Contains(test.name, "nothing") && r.ahead != nil && cap(r.ahead.Bytes) > aheadBytes {
			t.Errorf("row %d, %s: %d bytes held", test.row, test.name, cap(r.ahead.Bytes))
		}
	}
	accepted := []struct {
		row   int
		name  string
		input []byte
		id    []byte
	}{
		{16, "client id length -5", framed(header(3, 1, 0xff, 0xfb, 0xff, 0xff, 0xff, 0xff)), nil},
		{18, "client id of invalid UTF-8", framed(header(3, 1, 0, 2, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff)), []byte{0xff, 0xfe}},
		{23, "tags not ascending and twice", tagged(3, 9, 1, 'x', 9, 1, 'y', 2, 0), nil},
		{27, "5 bytes behind the body", framed(header(3, 12, 0xff, 0xff, 0), metadataBody, []byte("extra")), nil},
	}
	for _, test := range accepted {
		requests, headers, err := decodeAll(newReader(&memory{bytes: test.input}))
		if len(requests) != 1 || !errors.Is(err, io.EOF) {
			t.Errorf("row %d, %s: %d requests, error %v", test.row, test.name, len(requests), err)
			continue
		}
		if !bytes.Equal(headers[0].ClientID, test.id) || (headers[0].ClientID == nil) != (test.id == nil) {
			t.Errorf("row %d, %s: client id %q", test.row, test.name, headers[0].ClientID)
		}
	}
	for _, version := range []int16{99, 5, 32767, -1} { // row 13
		rest := []byte{0xff, 0xff}
		if version > 0 {
			rest = append(rest, 0)
		}
		_, headers, err := decodeAll(newReader(&memory{bytes: framed(header(18, version, rest...), []byte("no body of ours"))}))
		if len(headers) != 1 || !headers[0].UnsupportedVersion {
			t.Errorf("row 13, ApiVersions version %d: %v, error %v", version, headers, err)
		}
	}
}
