package api

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/replica"
)

const (
	// sessionEviction is how long a session is safe from those that are larger,
	// and how long one that is not used keeps its slot.
	sessionEviction = 2 * time.Minute
	// sessionsPerConnection is how many sessions one connection may hold; clients
	// use one. The oldest makes room.
	sessionsPerConnection = 8
	// maxSessionPartitions is how many partitions one session may gather: what
	// was never forgotten must not fill the memory.
	maxSessionPartitions = 1 << 17
	// sessionSweep is the least number of sessions at which those of connections
	// that have ended are looked for.
	sessionSweep = 32

	finalSessionEpoch   = -1
	initialSessionEpoch = 0
)

// fetchKey names a partition within a session: by topic name, or by topic id
// where the session uses ids.
type fetchKey struct {
	topic     topicKey
	partition int32
}

// fetchPartition is one partition of a fetch: what is asked for, what was
// answered last, and what this round has found.
type fetchPartition struct {
	key fetchKey
	// topic is the name, "" as long as an id is not known.
	topic string

	fetchOffset      int64
	maxBytes         int32
	leaderEpoch      int32
	lastFetchedEpoch int32

	// highWatermark and logStartOffset are those of the last answer, −1 at first
	// and after an error: so the first answer after one is a change.
	highWatermark  int64
	logStartOffset int64

	// handle is the partition, nil while it is unknown or refused is set.
	handle *replica.Partition
	// refused is the partition that someone who is no replica of it wanted to
	// fetch as one.
	refused      *replica.Partition
	registration replica.Registration
	result       replica.ReadResult
	failure      *kerr.Error
	included     bool

	previous, next *fetchPartition
}

func (p *fetchPartition) ask(request *kmsg.FetchRequestTopicPartition) {
	p.fetchOffset, p.maxBytes = request.FetchOffset, request.PartitionMaxBytes
	p.leaderEpoch, p.lastFetchedEpoch = request.CurrentLeaderEpoch, request.LastFetchedEpoch
}

// fetchList is partitions in the order in which they are served.
type fetchList struct {
	first, last *fetchPartition
}

func (l *fetchList) append(p *fetchPartition) {
	p.previous, p.next = l.last, nil
	if l.last == nil {
		l.first = p
	} else {
		l.last.next = p
	}
	l.last = p
}

func (l *fetchList) remove(p *fetchPartition) {
	if p.previous == nil {
		l.first = p.next
	} else {
		p.previous.next = p.next
	}
	if p.next == nil {
		l.last = p.previous
	} else {
		p.next.previous = p.previous
	}
	p.previous, p.next = nil, nil
}

// fetchSession is what is kept of a client's partitions between its fetches
// (KIP-227).
//
// The partitions, the epoch and the waiter belong to the reply that is being
// made, of which a connection has one at a time; no other connection reaches
// the session. The rest is guarded by the cache's lock.
type fetchSession struct {
	id           int32
	connection   uint64
	principal    string
	usesTopicIDs bool
	created      time.Time
	// connected ends with the connection, and the session with it.
	connected context.Context

	epoch      int32
	partitions map[fetchKey]*fetchPartition
	order      fetchList
	waiter     *replica.Waiter

	lastUsed time.Time
	size     int
	busy     bool
	removed  bool
}

// cancel gives up the session's registrations.
func (s *fetchSession) cancel() {
	for p := s.order.first; p != nil; p = p.next {
		p.registration.Cancel()
	}
}

// fetchSessions is the cache of sessions. It has a fixed number of slots.
type fetchSessions struct {
	slots int
	// largest is how many partitions a session may have.
	largest int
	now     func() time.Time

	lock     sync.Mutex
	sessions map[int32]*fetchSession
	byOwner  map[uint64][]*fetchSession
	// sweepAt is the number of sessions at which the next sweep is due.
	sweepAt int
}

func newFetchSessions(slots int, now func() time.Time) *fetchSessions {
	return &fetchSessions{
		slots: slots, largest: maxSessionPartitions, now: now, sweepAt: sessionSweep,
		sessions: map[int32]*fetchSession{}, byOwner: map[uint64][]*fetchSession{},
	}
}

// resume finds the session of an incremental fetch and takes it into use; the
// caller must release it.
func (c *fetchSessions) resume(request *Request, body *kmsg.FetchRequest) (*fetchSession, *kerr.Error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	session := c.sessions[body.SessionID]
	if session == nil || !session.owned(request) {
		return nil, kerr.FetchSessionIDNotFound
	}
	if session.epoch != body.SessionEpoch {
		return nil, kerr.InvalidFetchSessionEpoch
	}
	if session.usesTopicIDs != (body.Version >= 13) {
		return nil, kerr.FetchSessionTopicIDError
	}
	session.busy = true
	return session, nil
}

// owned tells whether the request may use the session: a number that someone
// else guessed opens nothing.
func (s *fetchSession) owned(request *Request) bool {
	return s.connection == request.ConnectionID && s.principal == request.Principal
}

// release ends the use of a session. One that was resumed and has no partitions
// left is closed.
func (c *fetchSessions) release(session *fetchSession, resumed bool) {
	c.lock.Lock()
	session.busy = false
	session.lastUsed = c.now()
	session.size = len(session.partitions)
	if session.size == 0 && resumed {
		c.remove(session)
	}
	removed := session.removed
	c.lock.Unlock()
	if removed {
		session.cancel()
	}
}

// close closes the session with this id, if it is the requester's.
func (c *fetchSessions) close(request *Request, id int32) {
	c.lock.Lock()
	session := c.sessions[id]
	if session == nil || !session.owned(request) {
		c.lock.Unlock()
		return
	}
	c.remove(session)
	c.lock.Unlock()
	session.cancel()
}

// create puts a session into the cache, which must be done with its own round,
// and gives it an id. It returns 0 where there is no slot for it, or it is too
// large.
func (c *fetchSessions) create(session *fetchSession) int32 {
	if len(session.partitions) > c.largest {
		return 0
	}
	c.lock.Lock()
	now := c.now()
	gone := c.sweep(nil)
	if owned := c.byOwner[session.connection]; len(owned) >= sessionsPerConnection {
		gone = append(gone, c.remove(owned[0]))
	}
	if len(c.sessions) >= c.slots {
		victim := c.victim(len(session.partitions), now)
		if victim == nil {
			c.lock.Unlock()
			cancelIdle(gone)
			return 0
		}
		gone = append(gone, c.remove(victim))
	}
	for session.id == 0 || c.sessions[session.id] != nil {
		session.id = 1 + rand.Int32N(1<<31-1)
	}
	session.created, session.lastUsed, session.size = now, now, len(session.partitions)
	c.sessions[session.id] = session
	c.byOwner[session.connection] = append(c.byOwner[session.connection], session)
	c.lock.Unlock()
	cancelIdle(gone)
	return session.id
}

// cancelIdle gives up the registrations of removed sessions, except of those in
// use, whose users do it.
func cancelIdle(removed []*fetchSession) {
	for _, session := range removed {
		if session != nil {
			session.cancel()
		}
	}
}

// remove takes a session out of the cache. It returns the session if the caller
// has to cancel its registrations after unlocking. The lock is held.
func (c *fetchSessions) remove(session *fetchSession) *fetchSession {
	delete(c.sessions, session.id)
	owned := slices.DeleteFunc(c.byOwner[session.connection], func(s *fetchSession) bool { return s == session })
	if len(owned) == 0 {
		delete(c.byOwner, session.connection)
	} else {
		c.byOwner[session.connection] = owned
	}
	session.removed = true
	if session.busy {
		return nil
	}
	return session
}

// sweep removes the sessions of connections that have ended, now and then: so
// often that they are never many more than the others. The lock is held.
func (c *fetchSessions) sweep(gone []*fetchSession) []*fetchSession {
	if len(c.sessions) < min(c.sweepAt, c.slots) {
		return gone
	}
	for _, session := range c.sessions {
		if session.connected.Err() != nil {
			gone = append(gone, c.remove(session))
		}
	}
	c.sweepAt = max(sessionSweep, 2*len(c.sessions))
	return gone
}

// victim is the session that gives its slot to a new one of so many partitions,
// nil if none has to: the one that was not used for longest, if that is long
// enough, else the smallest of those that are old enough, if it is smaller. The
// lock is held.
func (c *fetchSessions) victim(size int, now time.Time) *fetchSession {
	var stale, smallest *fetchSession
	for _, session := range c.sessions {
		if stale == nil || compareUse(session, stale) < 0 {
			stale = session
		}
		if now.Sub(session.created) > sessionEviction && (smallest == nil || compareSize(session, smallest) < 0) {
			smallest = session
		}
	}
	if stale != nil && now.Sub(stale.lastUsed) > sessionEviction {
		return stale
	}
	if smallest != nil && smallest.size < size {
		return smallest
	}
	return nil
}

func compareUse(a, b *fetchSession) int {
	return cmp.Or(a.lastUsed.Compare(b.lastUsed), cmp.Compare(a.id, b.id))
}

func compareSize(a, b *fetchSession) int {
	return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.id, b.id))
}
