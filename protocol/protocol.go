// Package protocol turns bytes into Kafka's requests and answers into bytes:
// the table of APIs and versions, frames, and headers. Bodies are kmsg's.
//
// Invariants: the memory that a frame takes grows with the bytes that came,
// never with the length that was claimed; a frame is refused as soon as its
// length, its API's cap or its header is wrong; nothing that a client sends
// makes this package panic.
//
// A [FrameReader] belongs to one goroutine at a time. A [Pool] and the table are
// safe for all. The package starts no goroutine.
package protocol
