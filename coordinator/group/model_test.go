package group

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"ottla/coordinator"
)

// What can go wrong with groups, numbered, and the tests that would see it:
//
//	G1   a committed offset is lost              TestModel, TestCrashAtEveryRecord, coordinator.TestLeaderFlips
//	G2   an offset is seen before it is written  TestModel, TestCrashAtEveryRecord, coordinator.TestFailedAppendIsTakenBack, testdata/transactions.txt
//	G3   offsets expire too early                TestLoadedTimestamps, testdata/expiry.txt
//	G4   a rebalance is stuck                    TestModel, TestSilentMembers, testdata/timeouts.txt
//	G5   too many members, JoinGroup floods      TestJoinFlood, testdata/max_size.txt
//	G6   loads and unloads cross                 coordinator.TestLeaderFlips, TestStopWhileAppending, TestLoading (a record of 10 MiB)
//	G7   two owners of one partition             TestModel (ownership)
//	G8   poll skips or goes back                 what clients see: the compat-tests
//	G9   an offset of zero from nowhere          TestModel, testdata/offsets.txt
//	G10  static members are fenced wrongly       TestStaticFencing, testdata/static.txt

// client is a consumer as clients are: it joins, syncs, heartbeats, commits, and
// starts over when it is told to.
type client struct {
	w          *world
	name       string
	instance   *string
	version    int16
	memberID   string
	generation int32
	restarts   int // of the world when the generation was told
	leads      bool
	members    []string
	// joining and syncing: an answer is waited for. owns: the assignment has come.
	joining, syncing, owns bool
	assignment             string
	// fenced: another client has the instance; this one has given up.
	fenced bool
}

const (
	modelGroup     = "g"
	modelSession   = 10 * time.Second
	modelRebalance = 20 * time.Second
)

func (c *client) join() {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Version, r.Group, r.MemberID, r.InstanceID, r.ProtocolType = c.version, modelGroup, c.memberID, c.instance, "consumer"
	r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = int32(modelSession.Milliseconds()), int32(modelRebalance.Milliseconds())
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name, p.Metadata = "range", subscription("t")
	r.Protocols = append(r.Protocols, p)
	c.joining, c.owns, c.syncing = true, false, false
	answered := false
	c.w.waiting[c.name]++
	c.w.apply(c.w.machine.JoinGroup(RequestContext{c.name, "/h"}, r, func(j *kmsg.JoinGroupResponse) {
		c.w.answered(&answered, c.name)
		if j.ErrorCode == kerr.RebalanceInProgress.Code && c.joining {
			return // a later JoinGroup of ours has overtaken this one
		}
		c.joined(j)
	}))
}

func (w *world) answered(before *bool, name string) {
	if *before {
		w.t.Fatalf("%s was answered twice", name)
	}
	*before = true
	w.waiting[name]--
}

func (c *client) joined(j *kmsg.JoinGroupResponse) {
	c.joining = false
	switch j.ErrorCode {
	case 0:
		// A generation is in the log once its leader has synced; one that was begun only is begun again after a restart, as with Apache Kafka.
		if j.Generation < c.generation && c.memberID == j.MemberID && c.restarts == c.w.restarts {
			c.w.t.Fatalf("%s: generation %d after %d", c.name, j.Generation, c.generation)
		}
		c.restarts = c.w.restarts
		c.memberID, c.generation, c.leads = j.MemberID, j.Generation, j.LeaderID == j.MemberID && !j.SkipAssignment
		c.members = nil
		for _, m := range j.Members {
			c.members = append(c.members, m.MemberID)
		}
	case kerr.MemberIDRequired.Code:
		c.memberID = j.MemberID
	case kerr.FencedInstanceID.Code:
		c.fenced = true
	default:
		c.memberID, c.generation = "", -1
	}
}

func (c *client) sync() {
	r := kmsg.NewPtrSyncGroupRequest()
	r.Version, r.Group, r.MemberID, r.InstanceID, r.Generation = 3, modelGroup, c.memberID, c.instance, c.generation
	if c.leads {
		for _, id := range c.members {
			a := kmsg.NewSyncGroupRequestGroupAssignment()
			a.MemberID, a.MemberAssignment = id, fmt.Appendf(nil, "generation %d for %s", c.generation, id)
			r.GroupAssignment = append(r.GroupAssignment, a)
		}
	}
	c.syncing = true
	answered := false
	memberID, generation := c.memberID, c.generation
	c.w.waiting[c.name]++
	c.w.apply(c.w.machine.SyncGroup(r, func(s *kmsg.SyncGroupResponse) {
		c.w.answered(&answered, c.name)
		if memberID != c.memberID || generation != c.generation || c.joining {
			return
		}
		c.syncing = false
		c.heard(s.ErrorCode)
		if s.ErrorCode == 0 {
			c.owns, c.assignment = true, string(s.MemberAssignment)
		}
	}))
}

// heard does what an error tells a client to do: join again, or as somebody new.
func (c *client) heard(code int16) {
	switch code {
	case 0:
	case kerr.RebalanceInProgress.Code:
		c.owns, c.generation = false, -1
	case kerr.FencedInstanceID.Code:
		c.owns, c.fenced = false, true
	default:
		c.owns, c.memberID, c.generation = false, "", -1
	}
}

func (c *client) heartbeat() {
	r := kmsg.NewPtrHeartbeatRequest()
	r.Group, r.MemberID, r.InstanceID, r.Generation = modelGroup, c.memberID, c.instance, c.generation
	failure := c.w.machine.Heartbeat(r)
	if failure != nil {
		c.heard(failure.Code)
		return
	}
	if g := c.w.machine.groups[modelGroup]; g.generation != c.generation {
		c.w.t.Fatalf("%s: a heartbeat of generation %d was taken in %d", c.name, c.generation, g.generation)
	}
}

func (c *client) leave() {
	r := kmsg.NewPtrLeaveGroupRequest()
	m := kmsg.NewLeaveGroupRequestMember()
	m.MemberID, m.InstanceID = c.memberID, c.instance
	r.Version, r.Group, r.Members = 5, modelGroup, append(r.Members, m)
	_, result := c.w.machine.LeaveGroup(r)
	c.w.apply(result)
	c.owns, c.memberID, c.generation, c.joining, c.syncing = false, "", -1, false, false
}

// step does what a client does next.
func (c *client) step() {
	switch {
	case c.fenced || c.joining || c.syncing:
	case c.memberID == "" || c.generation < 0:
		c.join()
	case !c.owns:
		c.sync()
	default:
		c.heartbeat()
	}
}

// commit commits an offset as a member, and returns whether that was acknowledged.
func (c *client) commit(value int64) bool {
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Version, r.Group, r.MemberID, r.InstanceID, r.Generation = 9, modelGroup, c.memberID, c.instance, c.generation
	topic, p := kmsg.NewOffsetCommitRequestTopic(), kmsg.NewOffsetCommitRequestTopicPartition()
	topic.Topic, p.Offset = "t", value
	topic.Partitions = append(topic.Partitions, p)
	r.Topics = append(r.Topics, topic)
	_, result, failure := c.w.machine.OffsetCommit(r)
	if failure != nil {
		return false
	}
	acknowledged := false
	result.Done = func(failure *kerr.Error) { acknowledged = failure == nil }
	c.w.apply(result)
	return acknowledged
}

// fetched is the group's committed offset.
func (w *world) fetched() int64 {
	r := kmsg.NewOffsetFetchRequestGroup()
	r.Group = modelGroup
	topic := kmsg.NewOffsetFetchRequestGroupTopic()
	topic.Topic, topic.Partitions = "t", []int32{0}
	r.Topics = append(r.Topics, topic)
	return w.machine.OffsetFetch(&r, true).Topics[0].Partitions[0].Offset
}

// ownership checks that no two members hold assignments of different
// generations while both are in the group, and each has its own (G7).
func ownership(w *world, clients []*client) {
	g := w.machine.groups[modelGroup]
	for _, c := range clients {
		if !c.owns || c.fenced || g == nil || g.generation != c.generation || g.state != stable || g.members[c.memberID] == nil {
			continue
		}
		if c.instance == nil && c.assignment != "" && c.assignment != fmt.Sprintf("generation %d for %s", c.generation, c.memberID) {
			w.t.Fatalf("%s has the assignment %q in generation %d", c.name, c.assignment, c.generation)
		}
	}
}

func newClients(w *world, draw *rapid.T) []*client {
	var clients []*client
	for i := range rapid.IntRange(1, 5).Draw(draw, "clients") {
		c := &client{w: w, name: fmt.Sprintf("c%d", i), generation: -1, version: rapid.SampledFrom([]int16{3, 5, 9}).Draw(draw, "version")}
		if rapid.Bool().Draw(draw, "static") {
			c.version = 9
			// Two clients may well have the same instance id (G10).
			c.instance = kmsg.StringPtr(fmt.Sprintf("i%d", rapid.IntRange(0, 2).Draw(draw, "instance")))
		}
		clients = append(clients, c)
	}
	return clients
}

// TestModel lets clients do what clients do in any order, with silences, failed
// appends and restarts, and holds after every step: the invariants, the same
// state from a replay, one answer to each request, offsets that are what was last
// acknowledged (G1, G2, G9), one owner (G7). In the end clients that stay alive
// have a stable group again, and without clients it is empty (G4).
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rt)
		w.quiet = true
		clients := newClients(w, rt)
		committed, unsure := int64(-1), map[int64]bool{}
		for n := range rapid.IntRange(10, 120).Draw(rt, "steps") {
			who := rapid.IntRange(0, len(clients)-1).Draw(rt, "who")
			c := clients[who]
			switch rapid.IntRange(0, 15).Draw(rt, "what") {
			default:
				c.step()
			case 9:
				c.leave()
			case 10:
				w.advance(time.Duration(rapid.IntRange(0, 12000).Draw(rt, "ms")) * time.Millisecond)
			case 11:
				if c.commit(int64(n)) {
					committed, unsure = int64(n), map[int64]bool{}
				}
			case 12:
				w.fail = kerr.KafkaStorageError
			case 13:
				w.restart()
			case 14:
				// A client dies and comes back without its memory.
				clients[who] = &client{w: w, name: c.name + "'", instance: c.instance, version: c.version, generation: -1}
			case 15:
				c.join()
			}
			w.check()
			ownership(w, clients)
			if got := w.fetched(); got != committed && !unsure[got] {
				rt.Fatalf("the offset is %d, %d was acknowledged", got, committed)
			}
		}
		w.fail = nil
		settles(rt, w, clients)
		w.advance(newMemberTimeout + modelSession + 2*modelRebalance)
		w.advance(newMemberTimeout + modelSession + 2*modelRebalance)
		if g := w.machine.groups[modelGroup]; g != nil && (g.state != empty || len(g.members) > 0) {
			rt.Fatalf("without clients the group is %v with %v", g.state, g.order)
		}
		w.machine.Unloaded()
		for name, n := range w.waiting {
			if n != 0 {
				rt.Fatalf("%s waits for %d answers", name, n)
			}
		}
	})
}

// settles runs the clients as they should until their group is stable. Clients
// that were fenced stay away.
func settles(rt *rapid.T, w *world, clients []*client) {
	alive := func(c *client) bool {
		g := w.machine.groups[modelGroup]
		return c.fenced || c.owns && g != nil && g.state == stable && g.generation == c.generation && g.members[c.memberID] != nil
	}
	deadline := w.clock.Add(2*newMemberTimeout + 4*modelRebalance)
	for w.clock.Before(deadline) {
		settled := true
		for _, c := range clients {
			c.step()
			w.check()
		}
		for _, c := range clients {
			settled = settled && alive(c)
		}
		if settled {
			return
		}
		w.advance(time.Second)
	}
	for _, c := range clients {
		rt.Logf("%+v", *c)
	}
	rt.Fatalf("the group does not become stable: %+v", w.machine.groups[modelGroup])
}

// TestSilentMembers stops a member at each step of a rebalance: the others have
// a stable group again within a session and a rebalance timeout (G4).
func TestSilentMembers(t *testing.T) {
	for silentAfter := range 12 {
		t.Run(fmt.Sprint(silentAfter), func(t *testing.T) {
			w := newWorld(t)
			w.quiet = true
			silent := &client{w: w, name: "silent", generation: -1, version: 9}
			living := &client{w: w, name: "living", generation: -1, version: 9}
			stableAlone := func() bool {
				g := w.machine.groups[modelGroup]
				return living.owns && g != nil && g.state == stable && len(g.members) == 1 && g.generation == living.generation
			}
			for range silentAfter {
				silent.step()
				living.step()
				w.advance(0)
				w.check()
			}
			began := w.clock
			for !stableAlone() {
				living.step()
				w.check()
				w.advance(500 * time.Millisecond)
				if w.clock.Sub(began) > modelSession+modelRebalance+time.Second {
					t.Fatalf("after %v the group is not stable: %+v", w.clock.Sub(began), w.machine.groups[modelGroup])
				}
			}
		})
	}
}

// TestJoinFlood sends JoinGroups that nobody follows up: neither members nor
// pending ones pile up beyond their timeouts (G5).
func TestJoinFlood(t *testing.T) {
	w := newWorld(t)
	w.quiet = true
	w.config.MaxSize = 10
	w.machine.config = w.config
	for i := range 2000 {
		c := &client{w: w, name: fmt.Sprint(i), generation: -1, version: int16(3 + i%2*6)}
		c.join()
		if c.memberID != "" {
			c.join()
		}
		if i%50 == 0 {
			w.advance(time.Second)
		}
		// While it rebalances, those of the last generation are still there.
		g := w.machine.groups[modelGroup]
		if g.awaitingJoin > 10 || len(g.members) > 20 || g.in(stable, completingRebalance) && len(g.members) > 10 {
			t.Fatalf("%d members, %d of them waiting", len(g.members), g.awaitingJoin)
		}
	}
	w.check()
	w.advance(2 * newMemberTimeout)
	if g := w.machine.groups[modelGroup]; g != nil && (len(g.members) > 0 || len(g.pendingJoin) > 0) {
		t.Fatalf("%d members and %d pending are left", len(g.members), len(g.pendingJoin))
	}
	if len(w.timers) > 1 {
		t.Fatalf("%d timers are left", len(w.timers))
	}
}

// TestCrashAtEveryRecord loads every prefix of a log: it is a state that was
// there, and an acknowledged commit before the cut is in it (G1, G2).
func TestCrashAtEveryRecord(t *testing.T) {
	w := newWorld(t)
	w.quiet = true
	var states []string
	note := func() {
		for len(states) <= len(w.log) {
			states = append(states, fmt.Sprintf("%+v", w.machine.offsets))
		}
	}
	a, b := &client{w: w, name: "a", generation: -1, version: 9}, &client{w: w, name: "b", instance: kmsg.StringPtr("i"), generation: -1, version: 9}
	for n := range int64(60) {
		for _, c := range []*client{a, b} {
			c.step()
			w.advance(0)
			note()
			c.commit(n)
			note()
		}
		if n == 30 {
			a.leave()
		}
	}
	if len(w.log) < 40 {
		t.Fatalf("only %d records", len(w.log))
	}
	for cut := range len(w.log) + 1 {
		m := NewMachine(w.config, func() time.Time { return w.clock }, nil, discard{})
		for _, replayed := range w.log[:cut] {
			if _, ok := m.Replay(replayed); !ok {
				t.Fatalf("record %d cannot be replayed", replayed.Offset)
			}
		}
		if got := fmt.Sprintf("%+v", m.offsets); got != states[cut] {
			t.Fatalf("after %d records the offsets are\n%s\nand were\n%s", cut, got, states[cut])
		}
		for _, g := range m.groups {
			checkInvariants(t, g)
		}
	}
}

// TestStaticFencing lets two clients have one instance id: never are both
// accepted (G10).
func TestStaticFencing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rt)
		w.quiet = true
		var clients []*client
		for i := range 2 {
			clients = append(clients, &client{w: w, name: fmt.Sprint(i), instance: kmsg.StringPtr("i"), generation: -1, version: 9})
		}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			who := rapid.IntRange(0, 1).Draw(rt, "who")
			if rapid.IntRange(0, 9).Draw(rt, "restart") == 0 {
				clients[who] = &client{w: w, name: clients[who].name + "'", instance: kmsg.StringPtr("i"), generation: -1, version: 9}
			}
			c := clients[who]
			c.step()
			w.advance(time.Duration(rapid.IntRange(0, 2000).Draw(rt, "ms")) * time.Millisecond)
			w.check()
			if g := w.machine.groups[modelGroup]; g != nil && len(g.members) > 1 {
				rt.Fatalf("members %v", g.order)
			}
			if clients[0].memberID != "" && clients[0].memberID == clients[1].memberID {
				rt.Fatalf("both are %s", clients[0].memberID)
			}
		}
	})
}

// TestLoadedTimestamps loads a group that has long been empty: its offsets'
// retention counts from then, not from the load, and not from their commits (G3).
func TestLoadedTimestamps(t *testing.T) {
	w := newWorld(t)
	w.quiet = true
	w.config.OffsetsRetention, w.config.RetentionCheckInterval = time.Hour, time.Minute
	w.restart()
	c := &client{w: w, name: "a", generation: -1, version: 3}
	for range 3 {
		c.step()
		w.advance(0)
	}
	if !c.commit(7) {
		t.Fatal("not committed")
	}
	for range 90 {
		w.advance(time.Minute / 8)
		c.heartbeat()
	}
	c.leave()
	left := w.clock
	for w.clock.Before(left.Add(time.Hour - time.Minute)) {
		w.restart()
		w.advance(2 * time.Minute)
		if w.clock.Before(left.Add(time.Hour)) && w.fetched() != 7 {
			t.Fatalf("the offset is gone %v after the last member left", w.clock.Sub(left))
		}
	}
	w.advance(2 * time.Minute)
	if w.fetched() != -1 || w.machine.groups[modelGroup] != nil {
		t.Fatalf("the offset is %d, the group %v", w.fetched(), w.machine.groups[modelGroup])
	}
}

var _ coordinator.Machine = (*Machine)(nil)
