package api

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/replica"
	"ottla/storage"
)

// longestFetchWait bounds max.wait: who asks for more is answered empty then.
const longestFetchWait = 5 * time.Minute

// FetchOptions is what Fetch needs.
type FetchOptions struct {
	Replicas *replica.Manager
	// LeaderEndpoint is asked for the leader of a partition that is not led here.
	LeaderEndpoint LeaderEndpoint
	// MaxBytes is fetch.max.bytes, the most that one answer holds, the first
	// batch apart.
	MaxBytes int32
	// SessionSlots is max.incremental.fetch.session.cache.slots.
	SessionSlots int
	// InterBrokerListener is the only listener on which a replica may fetch.
	InterBrokerListener string
	// Now is the clock of the sessions' age; nil: time.Now.
	Now func() time.Time
}

// Fetch makes the handler of Fetch (1), v4 to v18: it answers with the record
// batches from an offset on, of many partitions at once, and waits until there
// are min.bytes of them or max.wait is over.
//
// v5 adds the log start offset, v7 (KIP-227) sessions, v9 (KIP-320) the leader
// epoch, v11 (KIP-392) the rack, v12 (KIP-595) the epoch of the last record
// fetched and where the logs part, v13 (KIP-516) topic ids, v15 (KIP-903) the
// replica's state, v16 (KIP-951) the current leader; the rest are the
// controllers' among themselves.
//
// Everything happens in the Reply, so that of two requests of one connection the
// second one finds the session as the first one left it. A session belongs to
// the connection and principal that opened it; for others it does not exist. The
// records are never null, also where there are none, and the batches stay in
// their files until they are sent.
//
// The cache of sessions has a lock of its own; nothing is called under it.
func Fetch(options FetchOptions) Handler { return newFetcher(options).handle }

func newFetcher(options FetchOptions) *fetcher {
	now := options.Now
	if now == nil {
		now = time.Now
	}
	handler := &fetcher{
		replicas: options.Replicas, leaderEndpoint: options.LeaderEndpoint, maxBytes: options.MaxBytes,
		interBroker: options.InterBrokerListener, sessions: newFetchSessions(options.SessionSlots, now),
	}
	handler.rounds.New = func() any { return &fetchRound{handler: handler} }
	return handler
}

type fetcher struct {
	replicas       *replica.Manager
	leaderEndpoint LeaderEndpoint
	maxBytes       int32
	interBroker    string
	sessions       *fetchSessions
	rounds         sync.Pool
}

func (h *fetcher) handle(connected context.Context, request *Request) Reply {
	return func(ctx context.Context) (Response, error) {
		round := h.rounds.Get().(*fetchRound)
		response, err := round.run(ctx, connected, request)
		if err != nil {
			round.finish()
			return nil, err
		}
		return response, nil
	}
}

// fetchRound is the making of one answer. It is used again once the answer has
// been sent.
type fetchRound struct {
	handler *fetcher
	request *Request
	body    *kmsg.FetchRequest

	// session is nil for a fetch without one; opened tells that it is new.
	session *fetchSession
	opened  bool
	order   *fetchList
	// own holds the partitions of a fetch without a session, and ownOrder their order.
	own      []fetchPartition
	ownOrder fetchList
	// waiter is for fetches without a session; a session has its own, with its
	// registrations.
	waiter *replica.Waiter
	armed  bool

	isolation replica.Isolation
	maxBytes  int
	minBytes  int64
	// interesting is the number of partitions that are known.
	interesting int

	response fetchResponse
}

// run makes the answer. After an error the round holds regions no longer.
func (f *fetchRound) run(ctx, connected context.Context, request *Request) (Response, error) {
	f.request, f.body = request, request.Body.(*kmsg.FetchRequest)
	f.response.begin(f)
	if failure := f.open(connected); failure != nil {
		f.response.failure = failure
		f.response.encode(f)
		return &f.response, nil
	}
	f.limits()
	replicaID := f.body.ReplicaID
	if f.body.Version >= 15 {
		replicaID = f.body.ReplicaState.ID
	}
	f.resolve(replicaID)
	err := f.gather(ctx)
	if err == nil {
		f.answer()
	}
	f.close()
	return &f.response, err
}

// open finds or makes the list of partitions that the request is about.
func (f *fetchRound) open(connected context.Context) *kerr.Error {
	sessions := f.handler.sessions
	if epoch := f.body.SessionEpoch; epoch != finalSessionEpoch && epoch != initialSessionEpoch {
		session, failure := sessions.resume(f.request, f.body)
		if failure != nil {
			return failure
		}
		session.update(f.body)
		if len(session.partitions) > sessions.largest {
			// The client begins again with those that it still wants.
			sessions.close(f.request, session.id)
			return kerr.FetchSessionIDNotFound
		}
		f.session, f.order = session, &session.order
		session.epoch = nextSessionEpoch(session.epoch)
		f.response.sessionID = session.id
		if len(session.partitions) == 0 {
			// Nothing is left to be fetched: release closes the session.
			f.response.sessionID = 0
		}
		return nil
	}
	if f.body.SessionID != 0 {
		sessions.close(f.request, f.body.SessionID)
	}
	if f.body.SessionEpoch == finalSessionEpoch {
		f.list()
		return nil
	}
	f.session = &fetchSession{
		connection: f.request.ConnectionID, principal: f.request.Principal, usesTopicIDs: f.body.Version >= 13,
		connected: connected, epoch: nextSessionEpoch(initialSessionEpoch), partitions: map[fetchKey]*fetchPartition{}, busy: true,
	}
	f.opened = true
	f.session.update(f.body)
	f.order = &f.session.order
	return nil
}

// nextSessionEpoch counts from 1, and begins again before it becomes negative.
func nextSessionEpoch(epoch int32) int32 {
	if epoch == 1<<31-1 {
		return 1
	}
	return epoch + 1
}

// update puts what the request names into the session and takes out what it
// wants forgotten.
func (s *fetchSession) update(body *kmsg.FetchRequest) {
	for i := range body.Topics {
		topic := &body.Topics[i]
		for j := range topic.Partitions {
			asked := &topic.Partitions[j]
			key := fetchKey{topicKey{topic.Topic, topic.TopicID}, asked.Partition}
			p := s.partitions[key]
			if p == nil {
				p = &fetchPartition{key: key, topic: topic.Topic, highWatermark: -1, logStartOffset: -1}
				s.partitions[key] = p
				s.order.append(p)
			}
			p.ask(asked)
		}
	}
	for i := range body.ForgottenTopics {
		topic := &body.ForgottenTopics[i]
		for _, partition := range topic.Partitions {
			key := fetchKey{topicKey{topic.Topic, topic.TopicID}, partition}
			if p := s.partitions[key]; p != nil {
				p.registration.Cancel()
				delete(s.partitions, key)
				s.order.remove(p)
			}
		}
	}
}

// list takes the partitions from the request alone. One that is named twice
// counts as it is named last, in the place where it is named first.
func (f *fetchRound) list() {
	count := 0
	for i := range f.body.Topics {
		count += len(f.body.Topics[i].Partitions)
	}
	if cap(f.own) < count {
		f.own = make([]fetchPartition, 0, count)
	}
	f.own, f.ownOrder = f.own[:0], fetchList{}
	f.order = &f.ownOrder
	seen := newPlaces[fetchKey](0)
	if count > 1 {
		seen = newPlaces[fetchKey](count)
	}
	for i := range f.body.Topics {
		topic := &f.body.Topics[i]
		for j := range topic.Partitions {
			asked := &topic.Partitions[j]
			key := fetchKey{topicKey{topic.Topic, topic.TopicID}, asked.Partition}
			at, found := 0, false
			if count > 1 {
				at, found = seen.find(key)
			}
			if !found {
				f.own = f.own[:len(f.own)+1]
				p := &f.own[len(f.own)-1]
				p.key, p.topic, p.handle, p.failure = key, topic.Topic, nil, nil
				f.ownOrder.append(p)
				at = len(f.own) - 1
			}
			f.own[at].ask(asked)
		}
	}
}

// limits works out how much is asked for and how much is needed.
func (f *fetchRound) limits() {
	f.isolation = replica.ReadUncommitted
	if f.body.IsolationLevel != 0 {
		f.isolation = replica.ReadCommitted
	}
	f.maxBytes = int(min(f.body.MaxBytes, f.handler.maxBytes))
	f.minBytes = int64(min(int(f.body.MinBytes), f.maxBytes))
}

// nothingRead is the result of a partition that was not read.
func nothingRead() replica.ReadResult {
	return replica.ReadResult{HighWatermark: -1, LastStableOffset: -1, LogStartOffset: -1}
}

// resolve finds the partitions. A handle is kept over the session's rounds
// until its topic is deleted.
func (f *fetchRound) resolve(replicaID int32) {
	f.interesting = 0
	for p := f.order.first; p != nil; p = p.next {
		p.result, p.failure, p.refused = nothingRead(), nil, nil
		if replicaID >= 0 {
			p.handle, p.failure = nil, f.refuseReplica(p)
			continue
		}
		if p.handle == nil || p.handle.Deleted() {
			p.handle, p.failure = f.find(p)
		}
		if p.failure == nil {
			f.interesting++
		} else if p.failure != kerr.InconsistentTopicID {
			// So Kafka answers where it did not come to reading.
			p.result.Aborted = []storage.AbortedTransaction{}
		}
	}
}

// find looks a partition up. Where a session knows the name of an id that is
// gone, the topic was deleted, or there is another one of that name.
func (f *fetchRound) find(p *fetchPartition) (*replica.Partition, *kerr.Error) {
	if f.body.Version < 13 {
		return f.handler.replicas.Partition(p.key.topic.name, p.key.partition)
	}
	topic := f.handler.replicas.TopicByID(p.key.topic.id)
	if topic != nil {
		p.topic = topic.Name()
		if handle := topic.Partition(p.key.partition); handle != nil {
			return handle, nil
		}
		return nil, kerr.UnknownTopicOrPartition
	}
	if p.topic == "" {
		return nil, kerr.UnknownTopicID
	}
	if other, _ := f.handler.replicas.Partition(p.topic, p.key.partition); other != nil {
		return nil, kerr.InconsistentTopicID
	}
	return nil, kerr.UnknownTopicOrPartition
}

// refuseReplica is the answer to one who says that he is a replica: no other
// broker is one of any partition, and only brokers may say so.
func (f *fetchRound) refuseReplica(p *fetchPartition) *kerr.Error {
	if f.request.Listener != f.handler.interBroker {
		return kerr.TopicAuthorizationFailed
	}
	handle, failure := f.find(p)
	if failure != nil {
		return failure
	}
	p.refused = handle
	if _, epoch := handle.Leader(); p.leaderEpoch >= 0 {
		if p.leaderEpoch < epoch {
			return kerr.FencedLeaderEpoch
		}
		return kerr.UnknownLeaderEpoch
	}
	return kerr.NotLeaderForPartition
}

// gather reads until there is enough, something is wrong, or the time is over.
// The partitions are read before anyone waits, and again after the waiter is
// in place, so that what comes between the two is not missed.
func (f *fetchRound) gather(ctx context.Context) error {
	wait := min(time.Duration(max(f.body.MaxWaitMillis, 0))*time.Millisecond, longestFetchWait)
	var until time.Time
	for {
		bytes, done := f.read()
		if done || wait == 0 || f.interesting == 0 || bytes >= f.minBytes {
			return nil
		}
		if !f.armed {
			until = time.Now().Add(wait)
			f.arm()
			f.releaseRegions()
			continue
		}
		f.releaseRegions()
		if f.useWaiter().Sleep(ctx, time.Until(until), bytes) {
			f.arm()
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		f.read()
		return nil
	}
}

// arm has every partition's changes end the next sleep.
func (f *fetchRound) arm() {
	waiter := f.useWaiter()
	f.armed = true
	waiter.Arm(f.minBytes)
	for p := f.order.first; p != nil; p = p.next {
		if p.handle != nil {
			waiter.Register(&p.registration, p.handle)
		}
	}
}

// useWaiter is the waiter of the session, or of the round.
func (f *fetchRound) useWaiter() *replica.Waiter {
	waiter := &f.waiter
	if f.session != nil {
		waiter = &f.session.waiter
	}
	if *waiter == nil {
		*waiter = replica.NewWaiter()
	}
	return *waiter
}

// read reads every partition, within what is left of the limit. Done means that
// the answer must not wait: something went wrong.
func (f *fetchRound) read() (bytes int64, done bool) {
	limit, first := f.maxBytes, f.maxBytes >= 0
	request := replica.ReadRequest{Isolation: f.isolation}
	for p := f.order.first; p != nil; p = p.next {
		if p.handle == nil {
			done = done || p.failure == kerr.InconsistentTopicID
			continue
		}
		request.Offset, request.MaxBytes = p.fetchOffset, min(int(p.maxBytes), limit)
		request.MinOneMessage = first && p.maxBytes >= 0
		request.LeaderEpoch, request.LastFetchedEpoch = p.leaderEpoch, p.lastFetchedEpoch
		p.failure = nil
		if err := p.handle.Read(&request, &p.result); err != nil {
			p.failure = replica.ErrorOf(err)
			done = true
		}
		n := p.result.Region.Len()
		if n > 0 {
			first = false
		}
		limit = max(0, limit-n)
		bytes += int64(n)
		done = done || p.result.Diverging
	}
	return bytes, done
}

// answer writes the answer down, and lets the session know what it said.
func (f *fetchRound) answer() {
	if f.session == nil || f.opened {
		for p := f.order.first; p != nil; p = p.next {
			p.included = true
			f.remember(p)
		}
	} else {
		f.selectChanged()
	}
	if f.opened {
		f.response.sessionID = f.handler.sessions.create(f.session)
	}
	f.response.encode(f)
}

// selectChanged leaves out of the answer what the client knows already.
func (f *fetchRound) selectChanged() {
	for p := f.order.first; p != nil; p = p.next {
		p.included = p.result.Region.Len() > 0 || p.failure != nil || p.result.Diverging ||
			p.result.HighWatermark != p.highWatermark || p.result.LogStartOffset != p.logStartOffset
		if p.included {
			f.remember(p)
		}
	}
}

func (f *fetchRound) remember(p *fetchPartition) {
	p.highWatermark, p.logStartOffset = p.result.HighWatermark, p.result.LogStartOffset
}

// rotate moves the partitions that had records behind the others, so that each
// has its turn of being first. It comes after the answer is written.
func (f *fetchRound) rotate() {
	last := f.order.last
	for p := f.order.first; p != nil; {
		next := p.next
		if p.included && p.result.Region.Len() > 0 && f.order.first != f.order.last {
			f.order.remove(p)
			f.order.append(p)
		}
		if p == last {
			return
		}
		p = next
	}
}

// close gives back the session, and takes back the registrations of a round
// without one. The regions have gone to the response, or are released.
func (f *fetchRound) close() {
	if f.session == nil {
		if f.armed {
			for p := f.order.first; p != nil; p = p.next {
				p.registration.Cancel()
			}
		}
	} else {
		if !f.opened {
			f.rotate()
		}
		f.forgetRegions()
		f.settle()
	}
}

// settle gives the session back to the cache, unless it never came there.
func (f *fetchRound) settle() {
	if f.session.id == 0 {
		f.session.cancel()
		return
	}
	f.handler.sessions.release(f.session, !f.opened)
}

func (f *fetchRound) releaseRegions() {
	for p := f.order.first; p != nil; p = p.next {
		p.result.Region.Release()
	}
}

// forgetRegions lets the session's partitions hold nothing of the answer.
func (f *fetchRound) forgetRegions() {
	for p := f.order.first; p != nil; p = p.next {
		p.result = replica.ReadResult{}
	}
}

// finish makes the round ready for another request.
func (f *fetchRound) finish() {
	f.response.releaseRegions()
	f.request, f.body, f.session, f.opened, f.order, f.armed = nil, nil, nil, false, nil, false
	for i := range f.own {
		p := &f.own[i]
		p.handle, p.result, p.failure, p.topic, p.key = nil, replica.ReadResult{}, nil, "", fetchKey{}
	}
	f.own, f.ownOrder = f.own[:0], fetchList{}
	if cap(f.own) > maxPooledFetch {
		f.own = nil
	}
	f.response.reset()
	f.handler.rounds.Put(f)
}

// maxPooledFetch is the number of partitions up to which a round's memory is kept.
const maxPooledFetch = 1 << 12
