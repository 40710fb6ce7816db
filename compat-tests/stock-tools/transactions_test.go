package stocktools

import (
	"testing"
	"time"

	"ottla/compat-tests/harness"
)

// transactional makes one history: ids in each state of a transaction, a transaction that hangs because nobody coordinates it and one that hangs
// because its id's transaction has ended, a producer without transactions, and groups in each state.
func (h *history) transactional() {
	harness.CreateTopics(h.t, h.broker, 3, nil, "orders")
	harness.CreateTopics(h.t, h.broker, 1, nil, "payments")
	h.coordinators()
	h.init("idle")
	h.init("")
	h.write(h.fresh, "", "orders", 1)
	for _, id := range []string{"committed", "aborted", "open", "open-2", "prepared", "old", "late", "offsets", "forgotten"} {
		h.init(id)
	}
	for _, id := range []string{"committed", "aborted"} {
		h.write(h.fresh, id, "orders", 0)
		h.write(h.fresh, id, "payments", 0)
		h.end(h.fresh, id, id == "committed")
	}
	h.awaitState("committed", "CompleteCommit")
	h.awaitState("aborted", "CompleteAbort")
	h.write(h.fresh, "open", "orders", 0)
	h.write(h.fresh, "open", "orders", 2)
	h.add("open-2", "payments", 0)
	h.write(h.old, "open-2", "payments", 0)
	for range 2 {
		h.add("old", "orders", 1)
		h.write(h.old, "old", "orders", 1)
		h.end(h.old, "old", true)
		h.awaitState("old", "CompleteCommit")
	}
	// A marker of a coordinator to come shuts out those of the present one: the transaction stays prepared.
	h.add("prepared", "payments", 0)
	h.write(h.old, "prepared", "payments", 0)
	h.marker("prepared", "payments", 0)
	h.end(h.old, "prepared", true)
	h.awaitState("prepared", "PrepareCommit")
	// Without verification a record may come after the end of its transaction, or without any.
	h.add("late", "orders", 2)
	h.write(h.old, "late", "orders", 2)
	h.end(h.old, "late", false)
	h.awaitState("late", "CompleteAbort")
	h.write(h.old, "late", "orders", 2)
	h.producers["unheard"] = producer{4_000_000_000, 3, map[string]int32{}}
	h.write(h.old, "unheard", "orders", 1)
	h.commit("offsets", "pending", 1)
	h.groups()
}

// groups makes groups in each state.
func (h *history) groups() {
	h.commitAlone("simple", nil, 1)
	for group, kind := range map[string]string{"stable": "consumer", "workers": "connect"} {
		joined := h.join(group, kind, true)
		h.sync(group, joined)
		h.commitAlone(group, joined, 2)
		h.awaitGroup(group, "Stable")
	}
	h.join("completing", "consumer", true)
	h.awaitGroup("completing", "CompletingRebalance")
	h.sync("preparing", h.join("preparing", "consumer", true))
	h.join("preparing", "consumer", false)
	h.awaitGroup("preparing", "PreparingRebalance")
	for _, group := range []string{"left", "left-nothing"} {
		joined := h.join(group, "consumer", true)
		h.sync(group, joined)
		if group == "left" {
			h.commitAlone(group, joined, 3)
		}
		h.leave(group, joined)
		h.awaitGroup(group, "Empty")
	}
	h.init("group-commits")
	h.commit("group-commits", "through-a-transaction", 4)
	h.end(h.old, "group-commits", true)
	h.awaitState("group-commits", "CompleteCommit")
}

// newHistoryPair makes the same history on both brokers.
func newHistoryPair(t *testing.T) *pair {
	p := newPair(t, oracleVersion, "transaction.state.log.num.partitions=4", "offsets.topic.num.partitions=4", "transaction.partition.verification.enable=false")
	at := time.Now().Add(-time.Hour)
	var histories []*history
	for _, broker := range p.brokers {
		h := newHistory(t, broker, at)
		h.transactional()
		histories = append(histories, h)
	}
	for id, first := range histories[0].producers {
		if second := histories[1].producers[id]; first.id != second.id || first.epoch != second.epoch {
			t.Fatalf("%s has producer %d, epoch %d on one broker and %d, %d on the other: what follows could not be compared", id, first.id, first.epoch, second.id, second.epoch)
		}
	}
	return p
}

// TestTransactionsAndGroups runs kafka-transactions and kafka-groups, every command and filter of them, on the same history on both brokers, and what
// they say to a user who asks for what is not there.
func TestTransactionsAndGroups(t *testing.T) {
	p := newHistoryPair(t)
	for range p.brokers {
		p.residents = append(p.residents, harness.StartResident(t, oracleVersion, nil))
	}
	for _, c := range append(transactionCommands(), groupCommands()...) {
		c.sorted = true // the order comes from hash tables
		p.run(c)
	}
}

func transactionCommands() []command {
	const tool, at = "transactions", "--bootstrap-server $B "
	return []command{
		{tool: tool, line: at + "list", contains: []string{"prepared", "PrepareCommit", "idle", "CompleteAbort"}},
		{tool: tool, line: at + "list --duration-filter 1000", contains: []string{"idle"}},
		{tool: tool, line: at + "list --duration-filter 100000000", contains: []string{"idle"}},
		{tool: tool, line: at + "list --transactional-id-pattern 'open.*'", contains: []string{"open-2"}},
		{tool: tool, line: at + "list --transactional-id-pattern open", contains: []string{"Ongoing"}},
		{tool: tool, line: at + "list --transactional-id-pattern '['", code: 1, loose: true},
		{tool: tool, line: at + "list --duration-filter x", code: 1},
		{tool: tool, line: at + "describe --transactional-id open", contains: []string{"Ongoing 600000", "orders-0", "orders-2"}},
		{tool: tool, line: at + "describe --transactional-id prepared", contains: []string{"PrepareCommit"}},
		{tool: tool, line: at + "describe --transactional-id offsets", contains: []string{"__consumer_offsets-"}},
		{tool: tool, line: at + "describe --transactional-id committed", contains: []string{"CompleteCommit"}},
		{tool: tool, line: at + "describe --transactional-id idle", contains: []string{"Empty"}},
		{tool: tool, line: at + "describe --transactional-id nobody", code: 1},
		{tool: tool, line: at + "describe", code: 1},
		{tool: tool, line: at + "describe-producers --topic orders --partition 0", contains: []string{"None"}},
		{tool: tool, line: at + "describe-producers --topic orders --partition 1", contains: []string{"4000000000 3"}},
		{tool: tool, line: at + "describe-producers --topic orders --partition 2 --broker-id 1"},
		{tool: tool, line: at + "describe-producers --topic payments --partition 0", contains: []string{"1000"}},
		{tool: tool, line: at + "describe-producers --topic '../x' --partition 0", code: 1},
		{tool: tool, line: at + "describe-producers --topic orders", code: 1},
		{tool: tool, line: at + "find-hanging --topic orders", contains: []string{"4000000000 3"}},
		{tool: tool, line: at + "find-hanging --broker-id 1", contains: []string{"orders 2"}},
		{tool: tool, line: at + "find-hanging --topic orders --partition 1 --max-transaction-timeout 59", contains: []string{"4000000000"}},
		{tool: tool, line: at + "find-hanging --topic orders --partition 0"},
		{tool: tool, line: at + "find-hanging --broker-id 1 --max-transaction-timeout 600"},
		{tool: tool, line: at + "find-hanging --broker-id 7"},
		{tool: tool, line: at + "find-hanging", code: 1},
		{tool: tool, line: at + "find-hanging --partition 0 --broker-id 1", code: 1},
		{tool: tool, line: at + "find-hanging --topic absent", code: 1},
		{tool: tool, line: at + "abort --topic orders --partition 1 --start-offset 9999", code: 1},
		{tool: tool, line: at + "abort --topic orders --partition 1", code: 1},
		{tool: tool, line: at + "abort --topic orders --partition 1 --start-offset 8"},
		{tool: tool, line: at + "abort --topic orders --partition 2 --producer-id 7 --producer-epoch 0", code: 1},
		{tool: tool, line: at + "abort --topic orders --partition 1 --producer-id 4000000000 --producer-epoch 1 --coordinator-epoch 0", code: 1},
		{tool: tool, line: at + "find-hanging --topic orders"},
		{tool: tool, line: at + "forceTerminateTransaction --transactionalId open"},
		{tool: tool, line: at + "forceTerminateTransaction --transactionalId nobody"},
		{tool: tool, line: at + "forceTerminateTransaction", code: 1},
		{tool: tool, line: at + "list"},
		{tool: tool, line: at + "describe-producers --topic orders --partition 1"},
		{tool: tool, line: at, code: 1},
		{tool: tool, line: "list", code: 1},
		{tool: tool, line: at + "--command-config /absent list", code: 1},
		{tool: tool, line: at + "burn", code: 1},
	}
}

func groupCommands() []command {
	const tool, at, consumer = "all-groups", "--bootstrap-server $B ", "groups"
	return []command{
		{tool: tool, line: at + "--list", contains: []string{"simple", "pending", "workers Classic connect", "completing", "preparing", "left-nothing"}},
		{tool: tool, line: at + "--list --group-type classic", contains: []string{"stable"}},
		{tool: tool, line: at + "--list --group-type consumer"},
		{tool: tool, line: at + "--list --group-type share"},
		{tool: tool, line: at + "--list --group-type Streams"},
		{tool: tool, line: at + "--list --group-type other", code: 1},
		{tool: tool, line: at + "--list --protocol connect", contains: []string{"workers"}},
		{tool: tool, line: at + "--list --protocol consumer --group-type classic", contains: []string{"left"}},
		{tool: tool, line: at + "--list --protocol other"},
		{tool: tool, line: at + "--list --consumer", contains: []string{"simple"}},
		{tool: tool, line: at + "--list --share"},
		{tool: tool, line: at + "--list --streams"},
		{tool: tool, line: at + "--list --consumer --share", code: 1},
		{tool: tool, line: at + "--list --consumer --protocol connect", code: 1},
		{tool: tool, line: at, code: 1},
		{tool: tool, line: "", code: 1},
		{tool: tool, line: "--list", code: 1},
		{tool: tool, line: at + "--list --command-config /absent", code: 1},
		{tool: consumer, line: at + "--list --state", contains: []string{"PreparingRebalance", "CompletingRebalance", "Stable", "Empty"}},
		{tool: consumer, line: at + "--list --state stable,empty --type", contains: []string{"Classic"}},
		{tool: consumer, line: at + "--describe --all-groups --state"},
		{tool: consumer, line: at + "--describe --group through-a-transaction --group pending --group left"},
	}
}
