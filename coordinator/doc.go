// Package coordinator runs state machines that live on a log: the groups on
// __consumer_offsets, the transactions on __transaction_state. It knows neither;
// it knows how an operation becomes records, state and an answer.
//
// A [Runtime] has one shard for each partition that this broker leads. A shard
// loads its log into a [Machine], in the background, and then runs operations,
// one after another. An operation looks at the machine and returns a [Result]:
// records, and what to call once they are committed.
//
// # How a write goes
//
// All operations that have gathered in the shard's queue run in one turn and
// their records are written as one batch. So that each sees what the one before
// it wrote, a record is replayed as soon as its operation has run, and the batch
// is appended at the end of the turn. An append is synchronous: it is in the
// leader's log or it is not. If it is not, the replayed records are taken back
// in reverse order, by the undo that [Machine.Replay] returned for each, and
// every operation of the batch fails. Nobody has seen their effect: answers leave
// only after the commit, and nothing else ran in between. So undo has to reach
// back over one turn and never further, and no state is ever copied.
//
// What is in the log but not committed yet (the high watermark is below it) is
// never taken back: if the leadership is lost, the whole shard is unloaded.
//
// An operation without records is a read. It is answered when all that it can
// have seen is committed.
//
// # Invariants
//
//   - One goroutine at a time touches a machine, its timers and its batch.
//   - Result.Done is called exactly once for every operation that ran, in the
//     order in which they ran, and an operation that did not run has its failed
//     function called exactly once.
//   - A partition has one live shard; its successor does not begin to load
//     before the predecessor has ended, so a load sees all that was written.
//   - The shard is its log's only writer: an append that lands elsewhere than
//     expected unloads the shard and loads it again.
//
// # Locks and goroutines
//
// Runtime.lock guards the map of shards; shard.lock guards queue and state.
// Order: Runtime.lock → shard.lock; nothing is called while one is held. Who calls
// [Runtime.Serve] runs the shard itself for one turn where nobody else does and no
// disk is to be waited for, so a request that is alone costs no switch of goroutines.
// For all else, and for what has come meanwhile, a shard has a goroutine of its own,
// which exists while the shard loads or has something to do and ends when it was not
// needed for a while, so an idle shard costs none. [Runtime.Close] waits for all of
// them. At most Options.Loaders shards read their logs at once.
package coordinator
