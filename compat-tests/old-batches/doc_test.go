// Package oldbatches puts segments of messages of magic 0 and 1 into the directory of an Apache Kafka that has stopped,
// as a directory has them that is older than Kafka 0.11, and holds what Ottla tells of them against what Apache Kafka
// tells: read by clients old and new, searched, cut, recovered, written on to, handed back.
package oldbatches
