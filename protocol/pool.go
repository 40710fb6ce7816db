package protocol

import (
	"math/bits"
	"sync"
)

// The classes of buffers are the powers of two between these, in bits. A
// greater buffer is allocated and left to the garbage collector.
const (
	minClass = 10
	maxClass = 23
)

// Pool keeps buffers by size class.
type Pool struct {
	classes [maxClass - minClass + 1]sync.Pool
}

// NewPool makes an empty pool.
func NewPool() *Pool { return &Pool{} }

// Buffer is memory out of a pool.
type Buffer struct {
	// Bytes has the capacity of the buffer's class; its content is of no meaning.
	Bytes []byte
	pool  *Pool
	class int
}

// Get returns a buffer of size bytes or more.
func (p *Pool) Get(size int) *Buffer {
	class := minClass
	if size > 1<<minClass {
		class = bits.Len(uint(size - 1))
	}
	if class > maxClass {
		return &Buffer{Bytes: make([]byte, size)}
	}
	if b, ok := p.classes[class-minClass].Get().(*Buffer); ok {
		return b
	}
	return &Buffer{Bytes: make([]byte, 1<<class), pool: p, class: class}
}

// Release gives the buffer back. It may be called on nil, and not twice.
func (b *Buffer) Release() {
	if b != nil && b.pool != nil {
		b.pool.classes[b.class-minClass].Put(b)
	}
}
