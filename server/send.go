package server

import (
	"errors"
	"fmt"

	"ottla/protocol"
	"ottla/server/api"
)

const (
	// flushBytes is how many bytes of answers are gathered before they are sent.
	flushBytes = 64 << 10
	// outBytes is the first size of the memory that answers are gathered in.
	outBytes = 4 << 10
	// sendfileFrom is the length of a region from which sendfile costs less than
	// reading it and writing it with what is around.
	sendfileFrom = 16 << 10
)

// errRegion ends a connection in the middle of an answer, because a file is not
// what it was found to be.
var errRegion = errors.New("file region")

// flushOwn sends what has been gathered; false where the connection has failed.
func (c *connection) flushOwn() bool {
	c.sendLock.Lock()
	defer c.sendLock.Unlock()
	c.flush()
	return !c.ended.Load()
}

// flush sends what has been gathered. The caller holds sendLock.
func (c *connection) flush() {
	if len(c.outBytes) > 0 {
		if _, err := c.socket.Write(c.outBytes); err != nil {
			c.fail(fmt.Errorf("write answers: %w", err))
		}
	}
	c.out.Release()
	c.out, c.outBytes = nil, nil
}

// send gathers a response, and sends where that is due. The caller holds
// sendLock.
func (c *connection) send(response api.Response, next pending) error {
	if response.Key() != next.key {
		panic(fmt.Sprintf("answer of API %d to a request of API %d", response.Key(), next.key))
	}
	if c.out == nil {
		c.out = c.network.pool.Get(outBytes)
		c.outBytes = c.out.Bytes[:0]
	}
	if parts, ok := response.(api.PartsResponse); ok {
		defer parts.Release()
		if err := c.sendParts(parts, next); err != nil {
			return err
		}
	} else {
		c.outBytes = protocol.AppendResponse(c.outBytes, next.correlationID, response)
	}
	if len(c.outBytes) >= flushBytes {
		c.flush()
	}
	return nil
}

// sendParts gathers the small parts of a response, and sends the large ones
// from where they lie.
func (c *connection) sendParts(response api.PartsResponse, next pending) error {
	parts := response.Parts()
	size := 0
	for i := range parts {
		size += len(parts[i].Bytes)
		if parts[i].Region != nil {
			size += parts[i].Region.Len()
		}
	}
	c.outBytes = protocol.AppendResponseHeader(c.outBytes, next.key, response.IsFlexible(), next.correlationID, size)
	for i := range parts {
		c.outBytes = append(c.outBytes, parts[i].Bytes...)
		if region := parts[i].Region; region != nil && region.Len() > 0 {
			if err := c.sendRegion(region); err != nil {
				return err
			}
		}
	}
	return nil
}

// reserve makes room for more bytes in what is gathered, out of the pool.
func (c *connection) reserve(more int) {
	have := len(c.outBytes)
	if cap(c.outBytes)-have >= more {
		return
	}
	larger := c.network.pool.Get(have + more)
	c.outBytes = larger.Bytes[:copy(larger.Bytes, c.outBytes)]
	c.out.Release()
	c.out = larger
}

// sendRegion sends a region of a file. One that turns out shorter than it said
// is an error: the answer's length has been written already.
func (c *connection) sendRegion(region api.Region) error {
	fd, position, ok := region.Descriptor()
	if ok && canSendFile && region.Len() >= sendfileFrom {
		// Without MSG_MORE, which would let the file's bytes follow in the same
		// packet: then sendfile costs up to twice as much, to both ends.
		if len(c.outBytes) > 0 {
			if _, err := c.socket.Write(c.outBytes); err != nil {
				return fmt.Errorf("write answer: %w", err)
			}
		}
		c.outBytes = c.outBytes[:0]
		if err := c.socket.sendFile(int(fd), position, region.Len()); err != nil {
			return fmt.Errorf("%w: send: %w", errRegion, err)
		}
		return nil
	}
	c.reserve(region.Len())
	before := len(c.outBytes)
	out, err := region.ReadAll(c.outBytes)
	if err != nil {
		return fmt.Errorf("%w: read: %w", errRegion, err)
	}
	if len(out)-before != region.Len() {
		return fmt.Errorf("%w of %d bytes, %d were there", errRegion, region.Len(), len(out)-before)
	}
	c.outBytes = out
	if len(out) >= 4*flushBytes {
		if _, err := c.socket.Write(out); err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		c.outBytes = c.outBytes[:0]
	}
	return nil
}
