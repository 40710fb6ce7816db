// Package replica keeps the promises of partitions: who leads, in which leader
// epoch, what is committed, what a consumer may see. It knows no file; the log
// of each partition is storage's.
//
// A [Manager] holds every partition of the metadata image. [Manager.Apply]
// follows the image: it creates, opens and deletes logs, hands the logs their
// configuration and their leader epochs. Requests find a partition by topic
// name or topic id without taking a lock, and may keep the handle: a handle of a
// deleted partition says so ([Partition.Deleted]) and answers with an error.
//
// With one replica the high watermark is the log end offset and moves with each
// append. The place where the slowest member of the ISR will decide is
// [Partition.committedEnd].
//
// # Invariants
//
//   - log start offset ≤ last stable offset ≤ high watermark ≤ log end offset.
//   - The high watermark never falls while this broker leads.
//   - An append in a leader epoch happens wholly before this broker leaves it.
//   - A waiter that was armed before the log was looked at is woken by every
//     append after the look that completes the number of bytes it waits for.
//
// # Locks and goroutines
//
// The only goroutines are those of Manager.Apply, which waits for them: they make
// and open logs. Manager.apply serialises changes of metadata.
// Each Partition has three locks: leadership (read-held during an append,
// write-held while the role changes), watermark (the high watermark and what the
// log is told of it) and waiting (the list of waiters). The order is leadership
// → storage.Log and watermark → storage.Log; waiting is innermost and nothing is
// called while it is held. Records are validated before any lock is taken, and
// waiters are woken after all are released.
package replica
