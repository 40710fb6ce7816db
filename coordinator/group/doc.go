// Package group coordinates classic groups: who is a member, who leads, who
// gets which assignment, and which offsets a group has committed. What must
// survive a restart is on __consumer_offsets, in Apache Kafka's own records.
//
// A [Service] turns requests into operations on the shard of the group's
// partition; the shard's [Machine] decides. The machine has no goroutine, lock,
// clock, disk or logger: time and randomness are handed to it, timers are asked
// for, and answers go to functions that it is given.
//
// # A group's life
//
//	Empty               no members; offsets may be there
//	PreparingRebalance  members are asked to join again, answers of JoinGroup wait
//	CompletingRebalance all have joined; SyncGroup waits for the leader's assignment
//	Stable              everybody has an assignment
//	Dead                the shard is gone
//
//	from \ to             Empty  PreparingRebalance  CompletingRebalance  Stable  Dead
//	Empty                 -      first member joins  -                    -       unload
//	PreparingRebalance    none   -                   all joined, or time  -       unload
//	CompletingRebalance   -      join, leave, expiry -                    written unload
//	Stable                -      join, leave, expiry -                    -       unload
//	Dead                  -      -                   -                    -       unload
//
// # Hard and soft state
//
// Offsets are hard state: they change in [Machine.Replay] alone. A classic
// group's members, generation and state run ahead of the log by nature: between
// the start of a rebalance and the assignment nothing is written, and a restart
// falls back to the last generation that was. So the live group changes as
// requests come in, its record is written when it becomes Stable or Empty (or
// when a static member gets a new member id in between), and what must be taken
// back if that cannot be written is taken back by the operation itself. A group
// that is Stable or Empty is what a replay of its records would make of it.
//
// # Invariants
//
//   - Every answer function is called exactly once. A JoinGroup or SyncGroup that
//     a later one of the same member overtakes is answered REBALANCE_IN_PROGRESS.
//   - awaitingJoin is the number of members whose JoinGroup waits.
//   - Every static instance names a member, and each static member's instance is there.
//   - A leader, where there is one, is a member.
//
// # Locks and goroutines
//
// Machines are called by their shard alone. The Service has one lock, over the
// number of partitions; nothing is called while it is held. The package starts
// no goroutine.
package group
