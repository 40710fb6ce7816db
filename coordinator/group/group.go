package group

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// consumerProtocolType is the protocol type of consumers, whose metadata the
// coordinator looks into for the topics they are subscribed to.
const consumerProtocolType = "consumer"

// state is where a group is in its life.
type state uint8

const (
	empty state = iota
	preparingRebalance
	completingRebalance
	stable
	dead
)

// String is the name that DescribeGroups and ListGroups give.
func (s state) String() string {
	return [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"}[s]
}

// transitions tells which states may follow which.
func transitions() map[state][]state {
	return map[state][]state{
		empty:               {preparingRebalance, dead},
		preparingRebalance:  {empty, completingRebalance, dead},
		completingRebalance: {preparingRebalance, stable, dead},
		stable:              {preparingRebalance, dead},
		dead:                {dead},
	}
}

type (
	joinReply func(*kmsg.JoinGroupResponse)
	syncReply func(*kmsg.SyncGroupResponse)
)

// protocol is a way of assigning that a member knows, with what it says about itself for it.
type protocol struct {
	name     string
	metadata []byte
}

// member is one member of a classic group.
type member struct {
	id           string
	instance     *string
	clientID     string
	clientHost   string
	protocolType string
	protocols    []protocol
	assignment   []byte

	rebalanceTimeout time.Duration
	sessionTimeout   time.Duration

	// join and sync are the answers that the member waits for.
	join joinReply
	sync syncReply
	// fresh: the member's first JoinGroup is not answered yet, so it cannot heartbeat.
	fresh bool
}

// metadata is what the member says for a protocol.
func (m *member) metadata(name string) []byte {
	for _, p := range m.protocols {
		if p.name == name {
			return p.metadata
		}
	}
	return nil
}

// vote is the first of the member's protocols that is a candidate.
func (m *member) vote(candidates map[string]bool) string {
	for _, p := range m.protocols {
		if candidates[p.name] {
			return p.name
		}
	}
	panic("BUG: a member that knows none of the candidates: " + m.id)
}

// matches tells whether these are the protocols that the member has.
func (m *member) matches(protocols []protocol) bool {
	return slices.EqualFunc(m.protocols, protocols, func(a, b protocol) bool {
		return a.name == b.name && bytes.Equal(a.metadata, b.metadata)
	})
}

// alive tells whether the member need not heartbeat just now: it waits for an
// answer. A new member may expire even so, or clients that gave up would stay.
func (m *member) alive() bool {
	return !m.fresh && (m.join != nil || m.sync != nil)
}

// classic is a classic group.
type classic struct {
	id       string
	state    state
	previous state
	// since is when the state began, in milliseconds; −1 where it is not known.
	since int64

	generation int32
	// protocolType is "" while there was no member yet: a simple group.
	protocolType string
	protocol     *string
	// leader is "" without one.
	leader string

	members map[string]*member
	// order has the member ids in the order in which they came.
	order []string
	// statics maps instance ids to member ids.
	statics map[string]string
	// pendingJoin are member ids that were given out and have not come back.
	pendingJoin map[string]struct{}
	// pendingSync are members that have joined this generation and not synced.
	pendingSync map[string]struct{}
	// awaitingJoin is how many members wait for a JoinGroup answer.
	awaitingJoin int
	// supported counts the members that know a protocol.
	supported map[string]int
	// subscribed are the topics of a consumer group; nil where not known.
	subscribed map[string]struct{}
	// newMember: somebody joined since the initial delay was last extended.
	newMember bool
}

func newClassic(id string, now time.Time) *classic {
	return &classic{
		id: id, state: empty, previous: dead, since: now.UnixMilli(),
		members: map[string]*member{}, statics: map[string]string{},
		pendingJoin: map[string]struct{}{}, pendingSync: map[string]struct{}{},
		supported: map[string]int{},
	}
}

func (g *classic) in(states ...state) bool { return slices.Contains(states, g.state) }

// to moves the group into a state.
func (g *classic) to(next state, now time.Time) {
	if !slices.Contains(transitions()[g.state], next) {
		panic("BUG: group " + g.id + " goes from " + g.state.String() + " to " + next.String())
	}
	g.previous, g.state, g.since = g.state, next, now.UnixMilli()
}

// all are the members in the order in which they came.
func (g *classic) all() []*member {
	members := make([]*member, 0, len(g.order))
	for _, id := range g.order {
		members = append(members, g.members[id])
	}
	return members
}

// canRebalance tells whether a rebalance can begin now.
func (g *classic) canRebalance() bool { return g.in(stable, completingRebalance, empty) }

// add adds a member, which waits for its answer if join is not nil.
func (g *classic) add(m *member, join joinReply) {
	if m.instance != nil {
		g.statics[*m.instance] = m.id
	}
	if len(g.members) == 0 {
		g.protocolType = m.protocolType
	}
	if g.leader == "" {
		g.leader = m.id
	}
	g.members[m.id] = m
	g.order = append(g.order, m.id)
	g.count(m, 1)
	g.await(m, join)
	delete(g.pendingJoin, m.id)
}

// await sets the answer that a member waits for; nil: none. One that waited before is told to try again.
func (g *classic) await(m *member, join joinReply) {
	if m.join != nil {
		m.join(joinError(m.id, kerr.RebalanceInProgress))
		g.awaitingJoin--
	}
	m.join = join
	if join != nil {
		g.awaitingJoin++
	}
}

// answerJoin answers the member's JoinGroup if it waits for one.
func (g *classic) answerJoin(m *member, response *kmsg.JoinGroupResponse) {
	if m.join == nil {
		return
	}
	reply := m.join
	m.join = nil
	g.awaitingJoin--
	reply(response)
}

// answerSync answers the member's SyncGroup, and tells whether it waited for one.
func (g *classic) answerSync(m *member, response *kmsg.SyncGroupResponse) bool {
	if m.sync == nil {
		return false
	}
	reply := m.sync
	m.sync = nil
	reply(response)
	return true
}

func (g *classic) count(m *member, change int) {
	for _, p := range m.protocols {
		g.supported[p.name] += change
		if g.supported[p.name] == 0 {
			delete(g.supported, p.name)
		}
	}
}

// remove takes a member or a pending member out. Who still waits is answered
// UNKNOWN_MEMBER_ID, after which a living client joins anew.
func (g *classic) remove(id string) {
	if m := g.members[id]; m != nil {
		g.answerJoin(m, joinError("", kerr.UnknownMemberID))
		g.answerSync(m, syncError(kerr.UnknownMemberID))
		g.count(m, -1)
		if m.instance != nil {
			delete(g.statics, *m.instance)
		}
		delete(g.members, id)
		g.order = slices.DeleteFunc(g.order, func(other string) bool { return other == id })
	}
	if g.leader == id {
		g.leader = ""
		if len(g.order) > 0 {
			g.leader = g.order[0]
		}
	}
	delete(g.pendingJoin, id)
	delete(g.pendingSync, id)
}

// update changes what a member says about itself and sets the answer it waits for.
func (g *classic) update(m *member, protocols []protocol, rebalance, session time.Duration, join joinReply) {
	g.count(m, -1)
	m.protocols = protocols
	g.count(m, 1)
	m.rebalanceTimeout, m.sessionTimeout = rebalance, session
	g.await(m, join)
}

// replaceStatic gives a static member a new id. Whoever waits under the old id is fenced.
func (g *classic) replaceStatic(instance, oldID, newID string) *member {
	old := g.members[oldID]
	fenced := joinError(oldID, kerr.FencedInstanceID)
	g.answerJoin(old, fenced)
	g.answerSync(old, syncError(kerr.FencedInstanceID))
	replacement := *old
	replacement.id = newID
	replacement.fresh = false
	delete(g.members, oldID)
	g.members[newID] = &replacement
	g.order[slices.Index(g.order, oldID)] = newID
	if g.leader == oldID {
		g.leader = newID
	}
	g.statics[instance] = newID
	// Nobody will sync under the old id any more.
	if _, ok := g.pendingSync[oldID]; ok {
		delete(g.pendingSync, oldID)
		g.pendingSync[newID] = struct{}{}
	}
	return &replacement
}

// electJoinedLeader makes sure that the leader is one that has joined; false: nobody has.
func (g *classic) electJoinedLeader() bool {
	if g.leader == "" {
		return false
	}
	if g.members[g.leader].join != nil {
		return true
	}
	for _, m := range g.all() {
		if m.join != nil {
			g.leader = m.id
			return true
		}
	}
	return false
}

// allJoined tells whether the join phase can end.
func (g *classic) allJoined() bool {
	return len(g.members) == g.awaitingJoin && len(g.pendingJoin) == 0
}

// rebalanceTimeout is the longest of the members'.
func (g *classic) rebalanceTimeout() time.Duration {
	var longest time.Duration
	for _, m := range g.members {
		longest = max(longest, m.rebalanceTimeout)
	}
	return longest
}

// knows tells whether a member with these protocols fits: an empty group takes
// any type, others their own, and one protocol must be known to all members.
func (g *classic) knows(protocolType string, protocols []protocol) bool {
	if g.state == empty {
		return protocolType != "" && len(protocols) > 0
	}
	return g.protocolType == protocolType && slices.ContainsFunc(protocols, func(p protocol) bool {
		return g.supported[p.name] == len(g.members)
	})
}

// elect is the protocol that most members prefer, of those that all know.
func (g *classic) elect() string {
	candidates := map[string]bool{}
	for name, count := range g.supported {
		if count == len(g.members) {
			candidates[name] = true
		}
	}
	votes := map[string]int{}
	var names []string
	for _, m := range g.all() {
		name := m.vote(candidates)
		if votes[name] == 0 {
			names = append(names, name)
		}
		votes[name]++
	}
	return slices.MaxFunc(inHashOrder(names), func(a, b string) int { return votes[a] - votes[b] })
}

// nextGeneration ends the join phase.
func (g *classic) nextGeneration(now time.Time) {
	g.generation++
	if len(g.members) > 0 {
		elected := g.elect()
		g.protocol = &elected
		g.subscribed = g.subscriptions()
		g.to(completingRebalance, now)
	} else {
		g.protocol = nil
		g.subscribed = g.subscriptions()
		g.to(empty, now)
	}
	clear(g.pendingSync)
}

// subscriptions are the topics that the members of a consumer group want; nil
// where it is no consumer group or what they say cannot be read.
func (g *classic) subscriptions() map[string]struct{} {
	if g.protocolType != consumerProtocolType {
		return nil
	}
	topics := map[string]struct{}{}
	if len(g.members) == 0 {
		return topics
	}
	if g.protocol == nil {
		return nil
	}
	for _, m := range g.members {
		if !subscribedTopics(m.metadata(*g.protocol), topics) {
			return nil
		}
	}
	return topics
}

// subscribedTo tells whether a topic is one of the group's. Of a consumer group
// whose topics are not known, every one is.
func (g *classic) subscribedTo(topic string) bool {
	if g.subscribed == nil {
		return g.protocolType == consumerProtocolType
	}
	_, ok := g.subscribed[topic]
	return ok
}

// validate checks who a request comes from: the instance id first, then the member id.
func (g *classic) validate(memberID string, instance *string) *kerr.Error {
	if instance != nil {
		existing, ok := g.statics[*instance]
		if !ok {
			return kerr.UnknownMemberID
		}
		if existing != memberID {
			return kerr.FencedInstanceID
		}
	}
	if g.members[memberID] == nil {
		return kerr.UnknownMemberID
	}
	return nil
}

// sortedKeys are the keys of a set in order.
func sortedKeys(set map[string]struct{}) []string { return slices.Sorted(maps.Keys(set)) }
