//go:build !linux

package server

import (
	"errors"
	"net"
)

// canSendFile tells whether regions of files can be sent without reading them.
const canSendFile = false

// socket is a TCP connection.
type socket struct{ *net.TCPConn }

func newSocket(conn *net.TCPConn) (*socket, error) { return &socket{conn}, nil }

// park has nothing to end: only Linux waits without memory.
func (s *socket) park() bool { return false }

// await returns at once: the read that follows waits.
func (s *socket) await() {}

// sendFile is not called where canSendFile is false.
func (s *socket) sendFile(int, int64, int) error { return errors.ErrUnsupported }
