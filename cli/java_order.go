package cli

import (
	"slices"
	"unicode/utf16"
)

// The stock tools print some lists in the order in which Java's HashMap happens
// to hold them. The same order makes the same output.

// javaHash is what Java's String.hashCode returns.
func javaHash(text string) int32 {
	var hash int32
	for _, unit := range utf16.Encode([]rune(text)) {
		hash = 31*hash + int32(unit)
	}
	return hash
}

// partitionHash is the hash of a topic and partition.
func partitionHash(topic string, partition int32) int32 {
	return 31*(31+partition) + javaHash(topic)
}

// inJavaOrder sorts keys as a HashMap returns them that was made for so many
// entries (0: Java's default) and got the keys in their order here.
func inJavaOrder[K any](keys []K, capacity int, hash func(K) int32) {
	size := 16
	if capacity > 0 {
		for size = 1; size < capacity; size *= 2 {
		}
	}
	for len(keys) > size*3/4 && size < 1<<30 {
		size *= 2
	}
	bucket := func(key K) uint32 {
		h := uint32(hash(key))
		return (h ^ h>>16) & uint32(size-1)
	}
	slices.SortStableFunc(keys, func(a, b K) int { return int(bucket(a)) - int(bucket(b)) })
}
