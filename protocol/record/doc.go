// Package record knows record batches: the one format that is both on the wire
// and on the disk, its codecs, and what Kafka demands of a producer's batch.
//
// A Batch is bytes that are read and changed in place; nothing here copies a
// batch unless its content must be decompressed or compressed anew. The bytes
// belong to the caller, also while a Batch or a Record points into them.
//
// Invariants: a Batch has a whole header and the length that the header says.
// No input makes a function panic. What is decompressed is bounded by Limits,
// and memory grows with what was decompressed, not with what a length claims.
//
// The package starts no goroutines and holds no locks. Its only shared state are
// pools of decoders and buffers, which carry nothing from one use to the next.
package record
