package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// The sizes of a frame reader's memory.
const (
	// aheadBytes is how much is read at once while it is not known what comes.
	aheadBytes = 16 << 10
	// aheadMost is the size of the greatest frame that has the next one expected
	// to be as long, and read at once.
	aheadMost = 2<<20 - 4
	// keepFrom is the size from which a frame keeps the memory that it was read
	// into, instead of being copied out of it.
	keepFrom = 8 << 10
	// growFrom is the first size of a frame's own buffer.
	growFrom = 32 << 10
	// renewBytes is how many bytes renew a frame's deadline, so that a slow
	// link may carry a large frame and one byte at a time may not.
	renewBytes = 1 << 20
	// minFrame is the shortest header without its client id.
	minFrame = 8
)

// ErrFrame is what an error wraps when the bytes are not a frame that is read:
// Kafka closes the connection.
var ErrFrame = errors.New("frame")

// Source is where frames come from. Read returns as soon as there are bytes.
type Source interface {
	io.Reader
	SetReadDeadline(t time.Time) error
}

// IdleSource is a Source that can wait for bytes without memory to put them.
type IdleSource interface {
	Source
	// ReadIdle waits until there are bytes, then reads into what take returns.
	// Where there are none after all, it calls drop and waits again.
	ReadIdle(take func() []byte, drop func()) (int, error)
}

// FrameOptions are what a FrameReader works with.
type FrameOptions struct {
	Source Source
	Pool   *Pool
	// MaxBytes is socket.request.max.bytes.
	MaxBytes int
	// FirstTimeout is how long the length and the key of the first frame may
	// take, from its first byte on.
	FirstTimeout time.Duration
	// Timeout is how long a frame may take from its first byte on, and again
	// for every further MiB of it.
	Timeout time.Duration
}

// FrameReader reads the frames of one connection. While nothing comes it holds
// no buffer.
type FrameReader struct {
	FrameOptions
	idle       IdleSource // nil where the source cannot
	ahead      *Buffer    // bytes read and not yet used: ahead.Bytes[from:to]
	from, to   int
	room       int  // how many of ahead's bytes are read into
	used       int  // the size of the greatest frame that came whole
	last       int  // the size of the last frame, 0 where it was greater than aheadMost
	since      int  // how many bytes of a frame have come since its deadline was set
	deadlineOf int  // noDeadline, ofFirst or ofFrame: which one is set
	begun      bool // the first frame has been admitted
	memory     func() []byte
	drop       func()
}

// What a deadline that is set belongs to.
const (
	noDeadline = iota
	ofFirst
	ofFrame
)

// Frame is one request: header and body, without the length.
type Frame struct {
	Bytes []byte
	own   *Buffer
}

// Release gives the frame's memory back to the pool. Bytes, and whatever points
// into it, must not be used any more.
func (f *Frame) Release() {
	f.own.Release()
	f.own = nil
}

// NewFrameReader makes a reader.
func NewFrameReader(options FrameOptions) *FrameReader {
	r := &FrameReader{FrameOptions: options}
	r.idle, _ = options.Source.(IdleSource)
	r.memory = func() []byte {
		// What is as long as the frame before comes with one read, and nothing
		// with it that would have to be moved. Small ones come many at once.
		r.room = max(aheadBytes, r.last+4)
		r.ahead = r.Pool.Get(r.room)
		return r.ahead.Bytes[:r.room]
	}
	r.drop = r.letGo
	return r
}

// letGo gives the read-ahead buffer back.
func (r *FrameReader) letGo() {
	r.ahead.Release()
	r.ahead, r.from, r.to = nil, 0, 0
}

// Close gives back what the reader holds. Frames that it returned stay valid,
// the last one excepted.
func (r *FrameReader) Close() { r.letGo() }

// Buffered tells whether Next can answer without reading from the source.
func (r *FrameReader) Buffered() bool {
	have := r.to - r.from
	if have < 4 {
		return false
	}
	size := int32(binary.BigEndian.Uint32(r.ahead.Bytes[r.from:]))
	return int64(size) <= int64(have-4)
}

// Next reads the next frame. It returns io.EOF where the peer is done and no
// frame has begun; an error that wraps [ErrFrame] or [ErrHeader] where Kafka
// closes the connection; and the source's error else, a deadline that passed
// among them.
//
// A frame of an API whose requests have bytes fields is valid until it is
// released, or for good where it is not. Every other one is valid until the
// next call of Next.
func (r *FrameReader) Next() (Frame, error) {
	if r.from == r.to {
		r.letGo()
	}
	size, api, err := r.admit()
	if err != nil {
		return Frame{}, err
	}
	r.begun = true
	frame, err := r.body(size, api)
	if err == nil && r.deadlineOf != noDeadline {
		r.deadlineOf = noDeadline
		err = r.Source.SetReadDeadline(time.Time{})
	}
	return frame, err
}

// admit reads a length, then the key behind it, and refuses what is wrong as
// soon as it is seen, before any memory is given. It waits here, most of the
// time, so that what it has on the stack is kept small.
func (r *FrameReader) admit() (size int, api *API, err error) {
	if err = r.need(4); err != nil {
		return 0, nil, err
	}
	size = int(int32(binary.BigEndian.Uint32(r.ahead.Bytes[r.from:])))
	if size < minFrame || size > r.MaxBytes {
		return 0, nil, r.refuse(size)
	}
	if err = r.need(6); err != nil {
		return 0, nil, err
	}
	key := int16(binary.BigEndian.Uint16(r.ahead.Bytes[r.from+4:]))
	if api = row(key); api == nil || size > api.Cap {
		return 0, nil, refuseKey(key, size, api)
	}
	return size, api, nil
}

// refuse is the error of a length that no frame may have.
func (r *FrameReader) refuse(size int) error {
	if size < minFrame {
		return fmt.Errorf("%w: length %d", ErrFrame, size)
	}
	return fmt.Errorf("%w: length %d, at most %d are allowed (socket.request.max.bytes)", ErrFrame, size, r.MaxBytes)
}

// refuseKey is the error of a key that there is not, or of a length that its
// requests may not have.
func refuseKey(key int16, size int, api *API) error {
	if api == nil {
		return fmt.Errorf("%w: unknown API key %d", ErrHeader, key)
	}
	return fmt.Errorf("%w: length %d, at most %d are allowed for %s", ErrFrame, size, api.Cap, api.Name)
}

// body returns the frame whose length has been read and admitted.
func (r *FrameReader) body(size int, api *API) (Frame, error) {
	r.from += 4
	if r.from+size <= len(r.ahead.Bytes) {
		to, err := r.rest(r.ahead.Bytes, r.to, r.from+size)
		if err != nil {
			return Frame{}, err
		}
		r.to = to
		r.note(size)
		return r.take(size, api), nil
	}
	// The buffer grows with what has come. A connection that has sent a frame
	// of some size before has paid for one of that size.
	own := r.memoryFor(min(size, max(growFrom, r.used)), api)
	have := copy(own.Bytes, r.ahead.Bytes[r.from:r.to])
	r.letGo()
	for {
		var err error
		if have, err = r.rest(own.Bytes, have, min(size, len(own.Bytes))); err != nil {
			own.Release()
			return Frame{}, err
		}
		if have == size {
			break
		}
		larger := r.memoryFor(min(size, 2*have), api)
		copy(larger.Bytes, own.Bytes)
		own.Release()
		own = larger
	}
	r.note(size)
	return Frame{Bytes: own.Bytes[:size:size], own: own}, nil
}

// note remembers the size of a frame that has come whole.
func (r *FrameReader) note(size int) {
	r.since = 0
	r.used = max(r.used, size)
	if r.last = size; size > aheadMost {
		r.last = 0
	}
}

// rest reads until memory has bytes up to end, of which it has some already, and
// returns how many it has then.
func (r *FrameReader) rest(memory []byte, have, end int) (int, error) {
	for have < end {
		if err := r.deadline(r.since >= renewBytes); err != nil {
			return have, err
		}
		if r.since >= renewBytes {
			r.since = 0
		}
		n, err := r.Source.Read(memory[have:end])
		have += n
		r.since += n
		if err != nil && have < end {
			return have, cut(err)
		}
	}
	return have, nil
}

// take returns the frame of size bytes that lies ahead.
func (r *FrameReader) take(size int, api *API) Frame {
	whole := r.ahead.Bytes[r.from : r.from+size : r.from+size]
	r.from += size
	if !api.Bytes {
		return Frame{Bytes: whole}
	}
	if behind := r.to - r.from; api.Key != ProduceKey || size < keepFrom || behind > min(size/4, aheadBytes) {
		own := r.memoryFor(size, api)
		return Frame{Bytes: own.Bytes[:copy(own.Bytes, whole)], own: own}
	}
	own, behind := r.ahead, r.ahead.Bytes[r.from:r.to]
	r.ahead, r.from, r.to = nil, 0, 0
	if len(behind) > 0 {
		r.to = copy(r.memory(), behind)
	}
	return Frame{Bytes: whole, own: own}
}

// memoryFor returns a buffer for a frame. Only Produce's and those that nothing
// points into after decoding come from the pool: what the coordinators keep of
// a member must stay as it is.
func (r *FrameReader) memoryFor(size int, api *API) *Buffer {
	if api.Bytes && api.Key != ProduceKey {
		return &Buffer{Bytes: make([]byte, size)}
	}
	return r.Pool.Get(size)
}

// need reads until n bytes are ahead.
func (r *FrameReader) need(n int) error {
	for r.to-r.from < n {
		got, err := r.fill()
		if got == 0 && err != nil {
			if r.from == r.to {
				return err
			}
			return cut(err)
		}
		r.to += got
	}
	return nil
}

// fill reads once into the read-ahead buffer.
func (r *FrameReader) fill() (int, error) {
	if r.ahead == nil {
		if r.idle != nil {
			return r.idle.ReadIdle(r.memory, r.drop)
		}
		r.memory()
	}
	if r.from < r.to {
		if err := r.deadline(false); err != nil {
			return 0, err
		}
	}
	if r.to == r.room {
		r.to = copy(r.ahead.Bytes, r.ahead.Bytes[r.from:r.to])
		r.from = 0
	}
	return r.Source.Read(r.ahead.Bytes[r.to:r.room])
}

// deadline sets the deadline of a frame that has begun, where it is not set or
// has to be renewed.
func (r *FrameReader) deadline(renew bool) error {
	of, timeout := ofFrame, r.Timeout
	if !r.begun {
		of, timeout = ofFirst, r.FirstTimeout
	}
	if r.deadlineOf == of && !renew {
		return nil
	}
	r.deadlineOf = of
	return r.Source.SetReadDeadline(time.Now().Add(timeout))
}

// cut is the error of a stream that ends within a frame.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
