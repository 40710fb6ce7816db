package server

import (
	"errors"
	"io"
	"net"
	"syscall"

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
	raw  syscall.RawConn
	read idleRead
	more moreWrite
	file fileWrite
}

// idleRead, moreWrite and fileWrite are the arguments and results of the calls
// below, kept so that a call allocates no closure.
type idleRead struct {
	take func() []byte
	drop func()
	n    int
	err  error
	step func(fd uintptr) bool
}

type moreWrite struct {
	bytes []byte
	err   error
	step  func(fd uintptr) bool
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
	s := &socket{TCPConn: conn, raw: raw}
	s.read.step, s.more.step, s.file.step = s.read.try, s.more.try, s.file.try
	return s, nil
}

// ReadIdle is what protocol.IdleSource says.
func (s *socket) ReadIdle(take func() []byte, drop func()) (int, error) {
	s.read.take, s.read.drop, s.read.n, s.read.err = take, drop, 0, nil
	if err := s.raw.Read(s.read.step); err != nil {
		return 0, err
	}
	if s.read.n == 0 && s.read.err == nil {
		return 0, io.EOF
	}
	return s.read.n, s.read.err
}

func (r *idleRead) try(fd uintptr) bool {
	memory := r.take()
	for {
		n, err := syscall.Read(int(fd), memory)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			r.drop()
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

// writeMore writes bytes of an answer that goes on, so that the kernel may put
// what follows into the same packet.
func (s *socket) writeMore(bytes []byte) error {
	if len(bytes) == 0 {
		return nil
	}
	s.more.bytes, s.more.err = bytes, nil
	if err := s.raw.Write(s.more.step); err != nil {
		return err
	}
	return s.more.err
}

func (w *moreWrite) try(fd uintptr) bool {
	for len(w.bytes) > 0 {
		n, err := unix.SendmsgN(int(fd), w.bytes, nil, nil, unix.MSG_MORE|unix.MSG_NOSIGNAL)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return false
		case err != nil:
			w.err = err
			return true
		}
		w.bytes = w.bytes[n:]
	}
	return true
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
