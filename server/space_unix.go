//go:build unix

package server

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// diskSpace is how many bytes the file system of a directory has, and how many of
// them this process may use. What is too large for a number counts as the
// greatest one.
func diskSpace(directory string) (total, usable int64, err error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(directory, &stat); err != nil {
		return 0, 0, fmt.Errorf("file system of %s: %w", directory, err)
	}
	size := uint64(stat.Bsize)
	bytes := func(blocks uint64) int64 {
		if size > 0 && blocks > math.MaxInt64/size {
			return math.MaxInt64
		}
		return int64(blocks * size)
	}
	return bytes(uint64(stat.Blocks)), bytes(uint64(stat.Bavail)), nil
}
