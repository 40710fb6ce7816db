package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// TestFramesInAnyPieces sends frames of all sizes in pieces of any size, and
// holds what comes out against what went in. Frames that own their memory are
// looked at again at the end.
func TestFramesInAnyPieces(t *testing.T) {
	pool := NewPool()
	rapid.Check(t, func(t *rapid.T) {
		var stream []byte
		var sent [][]byte
		for range rapid.IntRange(1, 8).Draw(t, "frames") {
			key := rapid.SampledFrom([]int16{0, 3, 11, 18}).Draw(t, "key")
			size := rapid.SampledFrom([]int{0, 1, 90, aheadBytes - 13, aheadBytes - 12, aheadBytes, growFrom, 3 * growFrom, 1 << 18}).Draw(t, "size")
			body := make([]byte, size)
			seed := rapid.Uint64().Draw(t, "seed")
			random := rand.New(rand.NewPCG(seed, seed))
			for i := range body {
				body[i] = byte(random.Uint32())
			}
			frame := header(key, 0, body...)
			sent = append(sent, frame)
			stream = append(stream, framed(frame)...)
		}
		piece := rapid.SampledFrom([]int{0, 1, 3, 1000, aheadBytes, 100_000}).Draw(t, "piece")
		if piece == 1 && len(stream) > 100_000 {
			piece = 7
		}
		r := NewFrameReader(FrameOptions{Source: &memory{bytes: stream, piece: piece}, Pool: pool, MaxBytes: maxRequest, FirstTimeout: time.Second, Timeout: time.Second})
		var kept []Frame
		var want [][]byte
		for i := range sent {
			if buffered := r.Buffered(); buffered && r.to-r.from < len(sent[i])+4 {
				t.Fatalf("frame %d is buffered with %d bytes ahead", i, r.to-r.from)
			}
			frame, err := r.Next()
			if err != nil {
				t.Fatalf("frame %d: %v", i, err)
			}
			if !bytes.Equal(frame.Bytes, sent[i]) {
				t.Fatalf("frame %d of %d bytes came out as %d bytes", i, len(sent[i]), len(frame.Bytes))
			}
			if key := sent[i][1]; key == 0 || key == 11 {
				kept, want = append(kept, frame), append(want, sent[i])
			} else {
				frame.Release()
			}
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("after the last frame: %v", err)
		}
		for i := range kept {
			if !bytes.Equal(kept[i].Bytes, want[i]) {
				t.Fatalf("frame %d changed after it was returned", i)
			}
			kept[i].Release()
		}
		r.Close()
	})
}

// TestFrameGrowsWithWhatCame claims a large frame and sends a part of it.
func TestFrameGrowsWithWhatCame(t *testing.T) {
	for _, came := range []int{8, 20_000, 100_000, 3 << 20} {
		stream := append([]byte{0x06, 0, 0, 0}, make([]byte, came)...) // a Produce of 96 MiB
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := newReader(&memory{bytes: stream}).Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		allocated := int64(after.TotalAlloc - before.TotalAlloc)
		if limit := int64(64<<10 + 4*came); allocated > limit {
			t.Errorf("%d bytes of a frame: %d bytes allocated, limit %d", came, allocated, limit)
		}
	}
}

// TestFrameDeadlines looks at which deadlines are set: none for a frame that
// comes at once, the first frame's until it is known what it is, and one more
// for every MiB.
func TestFrameDeadlines(t *testing.T) {
	small := framed(header(3, 1, 0xff, 0xff, 0, 0, 0, 0))
	large := framed(header(0, 9), make([]byte, 5<<19))
	s := time.Second
	for _, test := range []struct {
		name   string
		stream []byte
		piece  int
		want   []time.Duration
	}{
		{"at once", slices.Concat(small, small), 0, nil},
		{"in two pieces", small, 10, []time.Duration{30 * s, 0}},
		{"length in two pieces", small, 3, []time.Duration{10 * s, 30 * s, 0}},
		{"two and a half MiB", large, 0, []time.Duration{30 * s, 30 * s, 0}},
		{"two and a half MiB in pieces", large, 1000, []time.Duration{30 * s, 30 * s, 30 * s, 0}},
	} {
		source := &memory{bytes: test.stream, piece: test.piece}
		r := newReader(source)
		var err error
		for err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, io.EOF) || fmt.Sprint(source.set) != fmt.Sprint(test.want) {
			t.Errorf("%s: deadlines %v, want %v, error %v", test.name, source.set, test.want, err)
		}
	}
}

// TestResponseHeaders holds the header of an answer against its parts.
func TestResponseHeaders(t *testing.T) {
	for row := range APIs() {
		for version := row.Min; version <= row.Max; version++ {
			request := kmsg.RequestForKey(row.Key)
			request.SetVersion(version)
			response := request.ResponseKind()
			body := response.AppendTo(nil)
			got := AppendResponse([]byte("before"), 77, response)
			want := []byte{0, 0, 0, 77}
			if row.IsFlexible(version) && row.Name != "ApiVersions" {
				want = append(want, 0)
			}
			if want = append([]byte("before"), framed(want, body)...); !bytes.Equal(got, want) {
				t.Fatalf("%s version %d: %x, want %x", row.Name, version, got, want)
			}
		}
	}
}

// FuzzStream reads any bytes as a connection does.
func FuzzStream(f *testing.F) {
	for row := range APIs() {
		for _, version := range []int16{row.Min, row.Max} {
			request := kmsg.RequestForKey(row.Key)
			request.SetVersion(version)
			head := header(row.Key, version, 0, 1, 'c')
			if row.IsFlexible(version) {
				head = append(head, 0)
			}
			f.Add(framed(head, request.AppendTo(nil)), uint8(0))
		}
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, uint8(1))
	f.Fuzz(func(t *testing.T, stream []byte, piece uint8) {
		r := NewFrameReader(FrameOptions{Source: &memory{bytes: stream, piece: int(piece)}, Pool: NewPool(), MaxBytes: 1 << 20, FirstTimeout: time.Second, Timeout: time.Second})
		for {
			frame, err := r.Next()
			if err != nil {
				return
			}
			if len(frame.Bytes) > len(stream) {
				t.Fatalf("a frame of %d bytes out of %d", len(frame.Bytes), len(stream))
			}
			if h, body, err := ReadHeader(frame.Bytes); err == nil && len(body)+len(h.ClientID)+minFrame+2 > len(frame.Bytes) {
				t.Fatalf("client id of %d and body of %d bytes in a frame of %d", len(h.ClientID), len(body), len(frame.Bytes))
			}
			frame.Release()
		}
	})
}
