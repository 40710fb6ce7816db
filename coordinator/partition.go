package coordinator

import (
	"math"
	"unicode/utf16"
)

// PartitionFor is the partition, of so many, that a key lives on, by Java's hash
// of the string.
func PartitionFor(key string, partitions int32) int32 {
	var hash int32
	for _, unit := range utf16.Encode([]rune(key)) {
		hash = 31*hash + int32(unit)
	}
	switch {
	case hash == math.MinInt32:
		hash = 0
	case hash < 0:
		hash = -hash
	}
	return hash % partitions
}
