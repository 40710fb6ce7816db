package record

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

const testTime = 1_700_000_000_000

func codecs() []Codec { return []Codec{CodecNone, CodecGzip, CodecSnappy, CodecLZ4, CodecZstd} }

func plain(codec Codec) BuilderOptions {
	return BuilderOptions{LeaderEpoch: -1, Codec: codec, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1}
}

// two is a good batch of two records.
func two(codec Codec) Batch {
	b := NewBuilder(plain(codec))
	b.Append(testTime, []byte("k"), []byte("v"))
	b.Append(testTime+1, []byte("k"), []byte("w"), Header{Key: "h", Value: []byte("x")})
	return b.Build()
}

// withBody is a batch of count records whose bytes are body, compressed or not.
func withBody(codec Codec, count int32, body []byte) Batch {
	b := append(Batch{}, two(CodecNone)[:BatchOverhead]...)
	b = append(b, body...)
	return fix(b, func(b Batch) {
		binary.BigEndian.PutUint32(b[lengthAt:], uint32(len(b)-LogOverhead))
		binary.BigEndian.PutUint16(b[attributesAt:], uint16(codec))
		binary.BigEndian.PutUint32(b[lastOffsetDeltaAt:], uint32(count-1))
		binary.BigEndian.PutUint32(b[recordCountAt:], uint32(count))
	})
}

// fix changes a copy of a batch and makes its checksum right.
func fix(b Batch, change func(Batch)) Batch {
	b = append(Batch{}, b...)
	change(b)
	binary.BigEndian.PutUint32(b[crcAt:], checksum(b))
	return b
}

func attribute(b Batch, bits Attributes) Batch {
	return fix(b, func(b Batch) { binary.BigEndian.PutUint16(b[attributesAt:], uint16(b.Attributes()|bits)) })
}

func testRules() Rules {
	r := DefaultRules()
	r.Topic, r.Now = "t", testTime
	return r
}

func fromHex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wantInvalid fails unless err is an InvalidError with the answer and, if given, the text.
func wantInvalid(t *testing.T, err error, answer *kerr.Error, text string) *InvalidError {
	t.Helper()
	var bad *InvalidError
	if !errors.As(err, &bad) {
		t.Fatalf("got %v, want %s", err, answer.Message)
	}
	if bad.Err != answer || !strings.Contains(bad.Message, text) {
		t.Fatalf("got %v, want %s with %q", err, answer.Message, text)
	}
	return bad
}
