package storage

import (
	"fmt"

	"ottla/protocol/record"
)

// eachCompressed is eachRecord for a compressed batch.
func eachCompressed(h *header, batch []byte, fn func(timestamp, offset int64) bool) error {
	for r, err := range record.Batch(batch).Records(record.Limits{}) {
		if err != nil {
			return fmt.Errorf("%w: offset %d: %w", errBadRecords, h.baseOffset, err)
		}
		if !fn(r.Timestamp, r.Offset) {
			return nil
		}
	}
	return nil
}
