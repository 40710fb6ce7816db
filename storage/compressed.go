package storage

import "fmt"

func eachCompressed(h *header, _ []byte, _ func(timestamp, offset int64) bool) error {
	return fmt.Errorf("%w: offset %d", errBadRecords, h.baseOffset)
}
