package server

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// canSendFile tells whether regions of files can be sent without reading them.
const canSendFile = true

// maxSendFile bounds one call of sendfile.
const maxSendFile = 1 << 30

// socket is a TCP connection that can wait for bytes without memory for them,
// and send from a file. Reads belong to one goroutine, writes to one at a time.
type socket struct {
	*net.TCPConn
	raw    syscall.RawConn
	read   idleRead
	file   fileWrite
	arrive func(fd uintptr) bool

	// idle is busy, waiting or parking. The reader makes it waiting where
	// nothing has come, and busy again; park makes it parking in between.
	idle atomic.Int32
	// parks is held while park sets the deadline, so that the reader takes it
	// back after that and not before.
	parks sync.Mutex
}

// What a reader does that a socket's idle tells.
const (
	busy int32 = iota
	waiting
	parking
)

// idleRead and fileWrite are the arguments and results of the calls
// below, kept so that a call allocates no closure.
type idleRead struct {
	socket *socket
	take   func() []byte
	drop   func()
	n      int
	err    error
	step   func(fd uintptr) bool
}

type fileWrite struct {
	fd        int
	position  int64
	remaining int
	err       error
	step      func(fd uintptr) bool
}

func newSocket(conn *net.TCPConn) (*socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &socket{TCPConn: conn, raw: raw, arrive: arrived}
	s.read.socket = s
	s.read.step, s.file.step = s.read.try, s.file.try
	return s, nil
}

// park has a reader that waits in ReadIdle return errParked. One that does
// something else goes on with it, and park is false.
func (s *socket) park() bool {
	if s.idle.Load() != waiting {
		return false
	}
	s.parks.Lock()
	defer s.parks.Unlock()
	if !s.idle.CompareAndSwap(waiting, parking) {
		return false
	}
	s.SetReadDeadline(time.Unix(1, 0))
	return true
}

// unpark ends the wait of a reader, and with it the deadline that park has set.
// It is true where there was one.
func (s *socket) unpark() bool {
	if s.idle.Load() == busy || s.idle.CompareAndSwap(waiting, busy) {
		return false
	}
	s.parks.Lock()
	defer s.parks.Unlock()
	s.idle.Store(busy)
	s.SetReadDeadline(time.Time{})
	return true
}

// await waits until there is something to read, be it an error or the end. It
// needs little of the stack, and has all that is below it need little.
func (s *socket) await() { s.raw.Read(s.arrive) }

// arrived looks for a byte without taking it.
func arrived(fd uintptr) bool {
	var one [1]byte
	_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK)
	return err != syscall.EAGAIN && err != syscall.EINTR
}

// ReadIdle is what protocol.IdleSource says. It returns errParked when park
// ends it.
func (s *socket) ReadIdle(take func() []byte, drop func()) (int, error) {
	s.read.take, s.read.drop, s.read.n, s.read.err = take, drop, 0, nil
	if err := s.raw.Read(s.read.step); err != nil {
		if s.unpark() && errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, errParked
		}
		return 0, err
	}
	if s.read.n == 0 && s.read.err == nil {
		return 0, io.EOF
	}
	return s.read.n, s.read.err
}

func (r *idleRead) try(fd uintptr) bool {
	r.socket.unpark()
	memory := r.take()
	for {
		n, err := syscall.Read(int(fd), memory)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			r.drop()
			r.socket.idle.Store(waiting)
			return false
		case err != nil:
			r.drop()
			r.err = err
			return true
		}
		r.n = n
		return true
	}
}

// sendFile sends length bytes of the file at position, without moving the
// file's own offset.
func (s *socket) sendFile(fd int, position int64, length int) error {
	s.file.fd, s.file.position, s.file.remaining, s.file.err = fd, position, length, nil
	if err := s.raw.Write(s.file.step); err != nil {
		return err
	}
	return s.file.err
}

func (w *fileWrite) try(fd uintptr) bool {
	for w.remaining > 0 {
		n, err := unix.Sendfile(int(fd), w.fd, &w.position, min(w.remaining, maxSendFile))
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return false
		case err != nil:
			w.err = err
			return true
		case n == 0:
			w.err = io.ErrUnexpectedEOF
			return true
		}
		w.remaining -= n
	}
	return true
}
