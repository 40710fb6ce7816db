// Package transaction coordinates transactions: machines on __transaction_state
// (KIP-98, KIP-360, KIP-447, KIP-890), one for each partition of it, in Apache
// Kafka's schema.
//
// # How a transaction goes
//
//	InitProducerId      → Empty           the producer has an id and an epoch
//	AddPartitionsToTxn  → Ongoing         the partitions are in the log before a record is in them
//	EndTxn              → PrepareCommit   what it will be is decided, and the answer leaves
//	                      PrepareAbort
//	markers written     → CompleteCommit  every partition has its control batch
//	                      CompleteAbort
//
// What was prepared is finished, whatever happens: a machine that loads starts the
// markers of every prepared transaction anew, and a marker that is written twice
// does nothing the second time. A partition whose topic is gone needs none.
//
// # Invariants
//
//   - A transaction's hard state is the last record of its id. Only Replay changes it.
//   - A marker leaves only once the record that decides it is committed.
//   - With transaction version 2 the marker has a higher epoch than the records, so
//     that nothing late can land behind it.
//   - A shard's markers have stopped before its successor loads: no marker of the
//     one hits a transaction of the other.
//
// # Goroutines and locks
//
// The [Machine] has neither. The [Service] runs one goroutine for each transaction
// whose markers are being written, and one for each request that waits for a new
// producer id; the shard waits for the former when it ends, [Service.Close] for the
// latter. Service.lock guards the epochs of the partitions and is held over nothing.
package transaction
