package group

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator"
)

// world is a machine with a clock, timers and a log that the test owns. It does
// what a shard does, one operation at a time, and writes down what it saw.
type world struct {
	t       tester
	config  Config
	clock   time.Time
	ids     int
	timers  map[string]*testTimer
	order   int
	machine *Machine
	log     []coordinator.Replayed
	fail    *kerr.Error
	hold    bool
	held    []func(*kerr.Error)
	out     strings.Builder
	quiet   bool
	// restarts counts the times that the group was read from the log again.
	restarts int
	// waiting counts the answers that somebody waits for.
	waiting map[string]int
	// lost are groups whose last record could not be written.
	lost map[string]bool
}

// tester is what testing and rapid have in common.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

type testTimer struct {
	due       time.Time
	order     int
	operation func() coordinator.Result
}

func newWorld(t tester) *world {
	w := &world{t: t, config: DefaultConfig(), clock: time.UnixMilli(1_000_000), waiting: map[string]int{}, lost: map[string]bool{}}
	w.config.InitialRebalanceDelay = 0
	w.boot()
	w.machine.Loaded()
	w.out.Reset()
	return w
}

func (w *world) boot() {
	w.timers = map[string]*testTimer{}
	w.machine = NewMachine(w.config, func() time.Time { return w.clock }, func() (id [16]byte) {
		w.ids++
		id[14], id[15] = byte(w.ids>>8), byte(w.ids)
		return id
	}, w)
}

// say writes down something that happened.
func (w *world) say(format string, args ...any) {
	if !w.quiet {
		fmt.Fprintf(&w.out, format+"\n", args...)
	}
}

func (w *world) Schedule(key string, delay time.Duration, operation func() coordinator.Result) {
	w.order++
	w.timers[key] = &testTimer{w.clock.Add(delay), w.order, operation}
	w.say("timer %s in %v", key, delay)
}

func (w *world) Cancel(key string) {
	if w.timers[key] != nil {
		delete(w.timers, key)
		w.say("timer %s cancelled", key)
	}
}

// apply does with a result what a shard does.
func (w *world) apply(result coordinator.Result) {
	if len(result.Records) == 0 {
		w.finish(result.Done, nil)
		return
	}
	if w.fail != nil {
		failure := w.fail
		w.fail = nil
		w.say("append failed: %s", failure.Message)
		w.takeBack(result)
		w.finish(result.Done, failure)
		return
	}
	for _, r := range result.Records {
		replayed := coordinator.Replayed{Record: r, Offset: int64(len(w.log)), ProducerID: -1, ProducerEpoch: -1}
		w.log = append(w.log, replayed)
		w.say("record %s", describeRecord(r))
		if version(r.Key) == typeGroup {
			delete(w.lost, groupOf(r))
		}
		if !result.Soft {
			if _, ok := w.machine.Replay(replayed); !ok {
				w.t.Fatalf("the machine cannot replay its own %s", describeRecord(r))
			}
		}
	}
	w.finish(result.Done, nil)
}

// takeBack replays the records and undoes that, as a shard does whose append
// failed; nothing may be left of them.
func (w *world) takeBack(result coordinator.Result) {
	var undos []func()
	before := hardState(w.machine, w.machine, nil)
	for i, r := range result.Records {
		w.lost[groupOf(r)] = w.lost[groupOf(r)] || result.Soft
		if result.Soft {
			continue
		}
		undo, ok := w.machine.Replay(coordinator.Replayed{Record: r, Offset: int64(len(w.log) + i), ProducerID: -1, ProducerEpoch: -1})
		if !ok {
			w.t.Fatalf("the machine cannot replay its own %s", describeRecord(r))
		}
		if undo != nil {
			undos = append(undos, undo)
		}
	}
	for _, undo := range slices.Backward(undos) {
		undo()
	}
	if after := hardState(w.machine, w.machine, nil); after != before {
		w.t.Fatalf("taken back, the state is\n%s\nand was\n%s", after, before)
	}
}

// answer applies a result and says what a client is answered.
func (w *world) answer(result coordinator.Result, say func()) {
	w.apply(answering(result, say, func(failure *kerr.Error) { w.say("failed: %s", failure.Message) }))
}

func (w *world) finish(done func(*kerr.Error), failure *kerr.Error) {
	if done == nil {
		return
	}
	if w.hold {
		w.held = append(w.held, done)
		return
	}
	done(failure)
}

// release lets the held commits succeed, or fail.
func (w *world) release(failure *kerr.Error) {
	w.hold = false
	held := w.held
	w.held = nil
	for _, done := range held {
		done(failure)
	}
}

// advance moves the clock and runs what is due, in order.
func (w *world) advance(by time.Duration) {
	end := w.clock.Add(by)
	for {
		key := ""
		for k, t := range w.timers {
			if t.due.After(end) {
				continue
			}
			if key == "" || t.due.Before(w.timers[key].due) || t.due.Equal(w.timers[key].due) && t.order < w.timers[key].order {
				key = k
			}
		}
		if key == "" {
			break
		}
		due := w.timers[key]
		delete(w.timers, key)
		if due.due.After(w.clock) {
			w.clock = due.due
		}
		w.say("timer %s fires", key)
		w.apply(due.operation())
	}
	w.clock = end
}

// restart unloads the machine and loads a new one from the log.
func (w *world) restart() {
	w.restarts++
	w.release(kerr.NotCoordinator)
	w.machine.Unloaded()
	w.boot()
	for _, replayed := range w.log {
		w.replay(w.machine, replayed)
	}
	w.machine.Loaded()
}

func (w *world) replay(m *Machine, replayed coordinator.Replayed) {
	if replayed.Offset < 0 {
		m.ReplayMarker(replayed.ProducerID, replayed.ProducerEpoch, replayed.Value != nil)
		return
	}
	m.Replay(replayed)
}

// check holds the machine against its invariants and against a replay of its log.
func (w *world) check() {
	w.t.Helper()
	for _, g := range w.machine.groups {
		checkInvariants(w.t, g)
	}
	fresh := NewMachine(w.config, func() time.Time { return w.clock }, nil, discard{})
	for _, replayed := range w.log {
		w.replay(fresh, replayed)
	}
	live, loaded := hardState(w.machine, fresh, w.lost), hardState(fresh, w.machine, w.lost)
	if live != loaded {
		w.t.Fatalf("the live state is\n%s\nand a replay of its records gives\n%s", live, loaded)
	}
}

type discard struct{}

func (discard) Schedule(string, time.Duration, func() coordinator.Result) {}
func (discard) Cancel(string)                                             {}

func checkInvariants(t tester, g *classic) {
	t.Helper()
	awaiting, statics := 0, 0
	for id, m := range g.members {
		if m.id != id || !slices.Contains(g.order, id) {
			t.Fatalf("group %s: member %s is filed under %s, order %v", g.id, m.id, id, g.order)
		}
		if m.join != nil {
			awaiting++
		}
		if m.instance != nil {
			statics++
			if g.statics[*m.instance] != id {
				t.Fatalf("group %s: instance %s is %s, not %s", g.id, *m.instance, g.statics[*m.instance], id)
			}
		}
		for _, p := range m.protocols {
			if g.supported[p.name] == 0 {
				t.Fatalf("group %s: protocol %s of %s is not counted", g.id, p.name, id)
			}
		}
	}
	if awaiting != g.awaitingJoin || statics != len(g.statics) || len(g.order) != len(g.members) {
		t.Fatalf("group %s: awaiting %d counted %d, static %d of %d, order %v", g.id, awaiting, g.awaitingJoin, statics, len(g.statics), g.order)
	}
	if g.leader != "" && g.members[g.leader] == nil || g.leader == "" && len(g.members) > 0 {
		t.Fatalf("group %s: leader %q is not one of %v", g.id, g.leader, g.order)
	}
	if g.state == empty && len(g.members) > 0 || g.in(stable, completingRebalance) && len(g.members) == 0 {
		t.Fatalf("group %s: %v with %d members", g.id, g.state, len(g.members))
	}
	for id := range g.pendingJoin {
		if g.members[id] != nil {
			t.Fatalf("group %s: %s is a member and pending", g.id, id)
		}
	}
	for id := range g.pendingSync {
		if g.members[id] == nil {
			t.Fatalf("group %s: %s should sync and is no member", g.id, id)
		}
	}
}

// hardState is what must be the same after a restart: offsets, and the groups
// that do not rebalance in either machine, without those whose last record is lost. A simple group whose last offset has
// gone is in memory alone until the next search for expired offsets.
func hardState(m, other *Machine, lost map[string]bool) string {
	var lines []string
	for _, id := range slices.Sorted(maps.Keys(m.groups)) {
		g, same := m.groups[id], other.groups[id]
		simple := g.state == empty && g.generation == 0 && g.protocolType == ""
		if simple && m.offsets[id] == nil && same == nil || lost[id] || !g.in(stable, empty) || same != nil && !same.in(stable, empty) {
			continue
		}
		line := fmt.Sprintf("group %s %s generation %d type %q protocol %s leader %q", id, g.state, g.generation, g.protocolType, text(g.protocol), g.leader)
		for _, member := range g.all() {
			metadata := ""
			if g.protocol != nil {
				metadata = string(member.metadata(*g.protocol))
			}
			line += fmt.Sprintf(" [%s %s %s %s %v %v %q %q]", member.id, text(member.instance), member.clientID, member.clientHost,
				member.rebalanceTimeout, member.sessionTimeout, metadata, member.assignment)
		}
		lines = append(lines, line)
	}
	stores := map[int64]offsetStore{-1: m.offsets}
	maps.Copy(stores, m.pending)
	for _, producer := range slices.Sorted(maps.Keys(stores)) {
		for _, id := range slices.Sorted(maps.Keys(stores[producer])) {
			stores[producer].each(id, func(topic string, partition int32, o offset) {
				lines = append(lines, fmt.Sprintf("offset %d %s %s-%d %+v", producer, id, topic, partition, o))
			})
		}
	}
	return strings.Join(lines, "\n")
}

func text(s *string) string {
	if s == nil {
		return "null"
	}
	return fmt.Sprintf("%q", *s)
}

var idPattern = regexp.MustCompile(`-00000000-0000-4000-8000-0000000(\w{5})`)

// short writes random parts of member ids as #n.
func short(s string) string {
	return idPattern.ReplaceAllStringFunc(s, func(id string) string {
		var n int
		fmt.Sscanf(id[len(id)-5:], "%x", &n)
		return fmt.Sprintf("#%d", n)
	})
}

var shortPattern = regexp.MustCompile(`#(\d+)`)

// long undoes short.
func long(s string) string {
	return shortPattern.ReplaceAllStringFunc(s, func(id string) string {
		var n int
		fmt.Sscanf(id, "#%d", &n)
		return fmt.Sprintf("-00000000-0000-4000-8000-%012x", n)
	})
}

func codeName(code int16) string {
	if code == 0 {
		return "NONE"
	}
	return kerr.ErrorForCode(code).(*kerr.Error).Message
}

func groupOf(r coordinator.Record) string {
	key := kmsg.NewGroupMetadataKey()
	_ = key.ReadFrom(r.Key)
	return key.Group
}

func describeRecord(r coordinator.Record) string {
	switch version(r.Key) {
	case typeOffset:
		key := kmsg.NewOffsetCommitKey()
		_ = key.ReadFrom(r.Key)
		where := fmt.Sprintf("offset %s %s-%d", key.Group, key.Topic, key.Partition)
		if r.Value == nil {
			return where + " tombstone"
		}
		value := kmsg.NewOffsetCommitValue()
		_ = value.ReadFrom(r.Value)
		s := fmt.Sprintf("%s v%d %d epoch %d %q at %d", where, value.Version, value.Offset, value.LeaderEpoch, value.Metadata, value.CommitTimestamp)
		if value.Version == 1 {
			s += fmt.Sprintf(" until %d", value.ExpireTimestamp)
		}
		if value.TopicID != [16]byte{} {
			s += fmt.Sprintf(" topic %d", value.TopicID[15])
		}
		return s
	case typeGroup:
		key := kmsg.NewGroupMetadataKey()
		_ = key.ReadFrom(r.Key)
		if r.Value == nil {
			return fmt.Sprintf("group %s tombstone", key.Group)
		}
		value := kmsg.NewGroupMetadataValue()
		_ = value.ReadFrom(r.Value)
		s := fmt.Sprintf("group %s v%d generation %d type %q protocol %s leader %s at %d", key.Group, value.Version,
			value.Generation, value.ProtocolType, text(value.Protocol), text(value.Leader), value.CurrentStateTimestamp)
		for _, m := range value.Members {
			s += fmt.Sprintf(" [%s %s %s %s %d %d %q %q]", m.MemberID, text(m.InstanceID), m.ClientID, m.ClientHost,
				m.RebalanceTimeoutMillis, m.SessionTimeoutMillis, m.Subscription, m.Assignment)
		}
		return s
	}
	return fmt.Sprintf("unknown %x", r.Key)
}
