// Package floor is the least that a broker in Go must cost on the machine at hand: for Produce, reading a frame, checking
// the CRC-32C of its batch, appending it to a file and answering; for Fetch, a header and sendfile from that file. It
// serves just the requests of the benchmark's load and checks nothing else: no topic rules, no producer state, no index on
// disk, no recovery, nothing that makes a broker of it.
//
// One goroutine serves a connection; a partition's lock guards its file and the list of where its batches are.
package floor

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"path/filepath"
	"sort"
	"sync"
)

// sendBuffer is the stock size of a broker's send buffer (socket.send.buffer.bytes).
const sendBuffer = 102400

// Floor holds the topics, whose files are in one directory.
type Floor struct {
	directory string
	lock      sync.RWMutex
	topics    map[string][]*partition
}

// partition is one file and where its batches are.
type partition struct {
	lock    sync.Mutex
	file    *os.File
	flush   bool    // fsync before the answer
	ends    []int64 // the position behind each batch
	offsets []int64 // the offset behind each batch
	// grown is closed and replaced with each append while someone waits.
	grown   chan struct{}
	waiting bool
}

// New returns a floor that keeps its files in a directory, which must exist.
func New(directory string) *Floor {
	return &Floor{directory: directory, topics: map[string][]*partition{}}
}

// Serve accepts connections until the listener is closed.
func (f *Floor) Serve(listener net.Listener) error {
	for {
		c, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer func() { _ = c.Close() }()
			socket := c.(*net.TCPConn)
			// What is in flight stays in the processor's cache: with the system's own, larger send buffer sendfile costs twice as
			// much on loopback. The receive buffer is better left to the system.
			if socket.SetWriteBuffer(sendBuffer) == nil {
				_ = f.connection(socket)
			}
		}()
	}
}

// connection reads frames and answers each before the next.
func (f *Floor) connection(c *net.TCPConn) error {
	var size [4]byte
	var frame, answer []byte
	for {
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return err
		}
		n := int(binary.BigEndian.Uint32(size[:]))
		if n < 8 || n > 100<<20 {
			return fmt.Errorf("a frame of %d bytes", n)
		}
		if cap(frame) < n {
			frame = make([]byte, n)
		}
		frame = frame[:n]
		if _, err := io.ReadFull(c, frame); err != nil {
			return err
		}
		var err error
		switch key := int16(binary.BigEndian.Uint16(frame)); key {
		case 0:
			if answer, err = f.produce(frame, answer[:0]); err == nil {
				_, err = c.Write(answer)
			}
		case 1:
			err = f.fetch(c, frame)
		default:
			err = f.administer(c, frame)
		}
		if err != nil {
			return err
		}
	}
}

// partition returns an open partition.
func (f *Floor) partition(topic []byte, index int32) (*partition, error) {
	f.lock.RLock()
	defer f.lock.RUnlock()
	partitions := f.topics[string(topic)]
	if index < 0 || int(index) >= len(partitions) {
		return nil, fmt.Errorf("no partition %d of %s", index, topic)
	}
	return partitions[index], nil
}

// create makes a topic's files, whose appends are flushed or not.
func (f *Floor) create(topic string, partitions int, flush bool) error {
	f.lock.Lock()
	defer f.lock.Unlock()
	var made []*partition
	for i := range max(partitions, 1) {
		file, err := os.Create(filepath.Join(f.directory, fmt.Sprintf("%s-%d", topic, i)))
		if err != nil {
			return err
		}
		made = append(made, &partition{file: file, flush: flush, grown: make(chan struct{})})
	}
	f.topics[topic] = made
	return nil
}

// remove deletes a topic's files.
func (f *Floor) remove(topic string) error {
	f.lock.Lock()
	defer f.lock.Unlock()
	for _, p := range f.topics[topic] {
		if err := os.Remove(p.file.Name()); err != nil {
			return err
		}
		_ = p.file.Close()
	}
	delete(f.topics, topic)
	return nil
}

// append checks a batch, gives it its offset and writes it.
func (p *partition) append(batch []byte) (offset int64, err error) {
	if len(batch) < 61 || crc32.Checksum(batch[21:], crc32.MakeTable(crc32.Castagnoli)) != binary.BigEndian.Uint32(batch[17:]) {
		return 0, fmt.Errorf("a batch of %d bytes with a wrong CRC", len(batch))
	}
	if offset, err = p.write(batch); err == nil && p.flush {
		err = p.file.Sync()
	}
	return offset, err
}

func (p *partition) write(batch []byte) (offset int64, err error) {
	p.lock.Lock()
	defer p.lock.Unlock()
	offset, position := p.end()
	binary.BigEndian.PutUint64(batch, uint64(offset))
	if _, err := p.file.WriteAt(batch, position); err != nil {
		return 0, err
	}
	p.ends = append(p.ends, position+int64(len(batch)))
	p.offsets = append(p.offsets, offset+int64(binary.BigEndian.Uint32(batch[23:]))+1)
	if p.waiting {
		close(p.grown)
		p.grown, p.waiting = make(chan struct{}), false
	}
	return offset, nil
}

// end is the next offset and the next position. The caller holds the lock.
func (p *partition) end() (offset, position int64) {
	if n := len(p.ends); n > 0 {
		return p.offsets[n-1], p.ends[n-1]
	}
	return 0, 0
}

// region returns where the batch of an offset begins and how many bytes of whole batches from there on are at most the
// limit (at least one batch), the end offset, and what is closed when more comes.
func (p *partition) region(offset int64, limit int) (position, length, end int64, grown <-chan struct{}) {
	p.lock.Lock()
	defer p.lock.Unlock()
	end, last := p.end()
	if offset >= end {
		p.waiting = true
		return last, 0, end, p.grown
	}
	i := sort.Search(len(p.offsets), func(i int) bool { return p.offsets[i] > offset })
	if i > 0 {
		position = p.ends[i-1]
	}
	j := max(sort.Search(len(p.ends), func(j int) bool { return p.ends[j] > position+int64(limit) })-1, i)
	return position, p.ends[j] - position, end, nil
}
