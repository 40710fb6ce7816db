package replica

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/metadata"
	"ottla/protocol/record"
	"ottla/storage"
)

// NoLeaderEpoch is the leader epoch of a request that names none.
const NoLeaderEpoch int32 = -1

// AcksAll is the number of acknowledgements that asks for the whole ISR.
const AcksAll int16 = -1

// Partition is one partition of a topic. Its handle stays valid for ever: that
// of a deleted partition answers with UNKNOWN_TOPIC_OR_PARTITION. All methods may
// be called by any goroutine.
type Partition struct {
	manager *Manager
	topic   *Topic
	index   int32

	// leadership is read-held from the check of the role to the end of the
	// append, so that the role does not change in between.
	leadership sync.RWMutex
	// role is written under leadership; what only reads may load it without.
	role atomic.Pointer[role]

	// watermark orders what the log is told of the high watermark.
	watermark     sync.Mutex
	highWatermark atomic.Int64

	waiters waiterList
}

// role is what the partition is at one point of the metadata. It is immutable, and
// so is what it shares with the image.
type role struct {
	// log is nil where this broker holds no replica or its directory is offline.
	log *storage.Log
	// failure answers every request while it is not nil: deleted, offline or not here.
	failure *kerr.Error
	deleted bool

	isLeader    bool
	leader      int32
	leaderEpoch int32
	// epochStart is the log end offset at the start of the leader epoch, where this broker leads.
	epochStart int64
	isr        []int32
	replicas   []int32
	config     *TopicConfig
}

// AppendRequest says how records are to be appended.
type AppendRequest struct {
	// Acks is the number of acknowledgements asked for: with AcksAll the append
	// is refused if the ISR is smaller than min.insync.replicas.
	Acks int16
	// LeaderEpoch is the leader epoch that the caller believes in, or NoLeaderEpoch.
	LeaderEpoch int32
	// Origin tells who made the records.
	Origin storage.Origin
	// DeferFlush: the caller calls Commit before it answers, which flushes where
	// flush.messages asks for it. Otherwise Append does.
	DeferFlush bool
	// TransactionVersion is that of the transaction that a marker ends.
	TransactionVersion int16
	// Verify refuses a transactional batch unless its transaction is open in the
	// log or Verification is what StartVerification gave for it.
	Verify       bool
	Verification uint64
}

// AppendInfo tells what an append did.
type AppendInfo struct {
	BaseOffset int64
	LastOffset int64
	// LogAppendTime is −1 unless the topic's timestamps are those of the append.
	// Of a duplicate it is the timestamp of the batch, as Kafka has it.
	LogAppendTime  int64
	LogStartOffset int64
	// Duplicate: the batch was in the log already; the offsets are those of the first time.
	Duplicate bool

	flushEnd int64
	size     int64
}

// Topic is the topic's name, the same string for all its partitions.
func (p *Partition) Topic() string { return p.topic.name }

// TopicID is the topic's id.
func (p *Partition) TopicID() [16]byte { return p.topic.id }

// Index is the partition's number.
func (p *Partition) Index() int32 { return p.index }

// Deleted tells that the topic is gone; a topic of the same name is another one.
func (p *Partition) Deleted() bool { return p.role.Load().deleted }

// Leader is the id of the leading broker (−1: none) and the leader epoch.
func (p *Partition) Leader() (leader, epoch int32) {
	current := p.role.Load()
	return current.leader, current.leaderEpoch
}

// LeaderEpoch is the leader epoch of the metadata.
func (p *Partition) LeaderEpoch() int32 { return p.role.Load().leaderEpoch }

// HighWatermark is the end of what is committed.
func (p *Partition) HighWatermark() int64 { return p.highWatermark.Load() }

// LogStartOffset is the first offset that can be read, −1 without a log.
func (p *Partition) LogStartOffset() int64 {
	if log := p.role.Load().log; log != nil {
		return log.StartOffset()
	}
	return -1
}

// LogEndOffset is the offset of the next record, −1 without a log.
func (p *Partition) LogEndOffset() int64 {
	if log := p.role.Load().log; log != nil {
		return log.EndOffset()
	}
	return -1
}

// LastStableOffset is where readers of committed transactions must stop, −1 without a log.
func (p *Partition) LastStableOffset() int64 {
	if log := p.role.Load().log; log != nil {
		return p.lastStableOffset(log)
	}
	return -1
}

// Log is the partition's log, nil where there is none here. It is for those
// who describe or read this broker's own logs; appends go through Append.
func (p *Partition) Log() *storage.Log { return p.role.Load().log }

// Config is the configuration in force.
func (p *Partition) Config() *TopicConfig { return p.role.Load().config }

// check answers whether this broker may serve a request that names the leader
// epoch: Kafka's order is the epoch first, then the leadership.
func (r *role) check(leaderEpoch int32, onlyLeader bool) *kerr.Error {
	if r.failure != nil {
		return r.failure
	}
	if leaderEpoch >= 0 {
		if leaderEpoch < r.leaderEpoch {
			return kerr.FencedLeaderEpoch
		}
		if leaderEpoch > r.leaderEpoch {
			return kerr.UnknownLeaderEpoch
		}
	}
	if onlyLeader && !r.isLeader || r.log == nil {
		return kerr.NotLeaderForPartition
	}
	return nil
}

// Append validates the records, exactly one batch from a client, and appends
// them as the leader. The bytes are the caller's again when it returns; base
// offset and leader epoch are set in them. The error is a *kerr.Error, a
// *record.InvalidError, or one of storage's: ErrorOf translates all of them.
//
// Without DeferFlush the append is flushed where the topic asks for it, and
// committed as far as this broker alone decides. With DeferFlush the caller
// must call Commit.
func (p *Partition) Append(records []byte, request AppendRequest) (AppendInfo, error) {
	current := p.role.Load()
	if failure := current.check(request.LeaderEpoch, true); failure != nil {
		return AppendInfo{}, failure
	}
	if err := current.enoughInSync(request.Acks); err != nil {
		return AppendInfo{}, err
	}
	rules := current.config.Rules
	rules.Topic, rules.Partition, rules.Now = p.topic.name, p.index, p.manager.now().UnixMilli()
	rules.Origin = originOf(request.Origin)
	batches, _, err := record.Validate(records, rules)
	if err != nil {
		return AppendInfo{}, err
	}
	info, err := p.append(batches, request)
	if err != nil {
		return AppendInfo{}, err
	}
	result := AppendInfo{
		BaseOffset: info.BaseOffset, LastOffset: info.LastOffset, LogAppendTime: info.LogAppendTime,
		LogStartOffset: info.LogStartOffset, Duplicate: info.Duplicate, flushEnd: info.FlushEnd, size: int64(len(batches)),
	}
	if info.FlushEnd == 0 {
		p.advance(info.LastOffset+1, result.size)
	} else if !request.DeferFlush {
		if err := p.flush(result); err != nil {
			return AppendInfo{}, err
		}
	}
	return result, nil
}

// append does what must not overlap with a change of role.
func (p *Partition) append(batches []byte, request AppendRequest) (storage.AppendInfo, error) {
	p.leadership.RLock()
	defer p.leadership.RUnlock()
	current := p.role.Load()
	if failure := current.check(request.LeaderEpoch, true); failure != nil {
		return storage.AppendInfo{}, failure
	}
	return current.log.Append(batches, storage.AppendOptions{
		LeaderEpoch: current.leaderEpoch, Origin: request.Origin, DeferFlush: true,
		TransactionVersion: request.TransactionVersion, Verify: request.Verify, Verification: request.Verification,
	})
}

// StartVerification gives the pass that a producer needs for the first batch of a
// transaction, 0 if its transaction is open here already (see storage.Log).
func (p *Partition) StartVerification(producerID int64, epoch int16, sequence int32, epochBump bool) (uint64, error) {
	current := p.role.Load()
	if failure := current.check(NoLeaderEpoch, true); failure != nil {
		return 0, failure
	}
	return current.log.StartVerification(producerID, epoch, sequence, epochBump)
}

// enoughInSync refuses an append of which acks=all could not be promised.
func (r *role) enoughInSync(acks int16) error {
	if acks != AcksAll || len(r.isr) >= min(r.config.MinInSyncReplicas, len(r.replicas)) {
		return nil
	}
	return kerr.NotEnoughReplicas
}

// Commit returns when what Append did is committed as acks asks: flushed if the
// topic wants it flushed, and with AcksAll below the high watermark. It waits
// until atMost has passed (REQUEST_TIMED_OUT) or ctx ends; a flush is finished in
// any case.
func (p *Partition) Commit(ctx context.Context, info AppendInfo, acks int16, atMost time.Duration) error {
	if info.flushEnd != 0 {
		// Who waits says so by asking for Done: the connection reads on meanwhile.
		_ = ctx.Done()
		if err := p.flush(info); err != nil {
			return err
		}
	}
	if acks != AcksAll || p.highWatermark.Load() > info.LastOffset {
		return nil
	}
	return p.awaitCommitted(ctx, info.LastOffset+1, atMost)
}

// awaitCommitted sleeps until the high watermark is at end.
func (p *Partition) awaitCommitted(ctx context.Context, end int64, atMost time.Duration) error {
	deadline := time.Now().Add(atMost)
	waiter := NewWaiter()
	var registration Registration
	defer registration.Cancel()
	for {
		waiter.Arm(1)
		waiter.Register(&registration, p)
		if p.highWatermark.Load() >= end {
			return nil
		}
		if failure := p.role.Load().check(NoLeaderEpoch, true); failure != nil {
			return failure
		}
		if !waiter.Sleep(ctx, time.Until(deadline), 0) {
			if err := ctx.Err(); err != nil {
				return err
			}
			return kerr.RequestTimedOut
		}
	}
}

// flush makes an append and all before it durable and then commits it.
func (p *Partition) flush(info AppendInfo) error {
	log := p.role.Load().log
	if log == nil {
		return kerr.NotLeaderForPartition
	}
	if err := log.Flush(info.flushEnd); err != nil {
		return err
	}
	p.advance(info.flushEnd, info.size)
	return nil
}

// committedEnd is the end of what the ISR has, given that this broker has
// everything below end. With one replica that is end itself; the slowest other
// member of the ISR will decide here.
func (p *Partition) committedEnd(_ *role, end int64) int64 { return end }

// advance raises the high watermark after an append of n bytes that ends at end
// and wakes who waits.
func (p *Partition) advance(end, n int64) {
	p.watermark.Lock()
	current := p.role.Load()
	if current.log != nil {
		if committed := p.committedEnd(current, end); committed > p.highWatermark.Load() {
			p.highWatermark.Store(committed)
			current.log.SetHighWatermark(committed)
		}
	}
	p.watermark.Unlock()
	p.waiters.appended(n)
}

// lastStableOffset is never above the high watermark that a reader was told.
func (p *Partition) lastStableOffset(log *storage.Log) int64 {
	return min(log.LastStableOffset(), p.highWatermark.Load())
}

// become changes the role to that of the metadata. log is nil where this
// broker has none, and failure then says why. It returns the error of the epoch
// cache's write.
func (p *Partition) become(state *metadata.Partition, log *storage.Log, failure *kerr.Error, config *TopicConfig) error {
	next := &role{
		log: log, failure: failure, leader: state.Leader, leaderEpoch: state.LeaderEpoch,
		isr: state.ISR, replicas: state.Replicas, config: config,
		isLeader: log != nil && state.Leader == p.manager.nodeID,
	}
	p.leadership.Lock()
	err := p.lead(next)
	p.leadership.Unlock()
	p.waiters.changed()
	return err
}

// lead is called with leadership held. The leader epoch is in the log's cache
// before the first append in it.
func (p *Partition) lead(next *role) error {
	previous := p.role.Load()
	var err error
	if next.isLeader {
		if previous != nil && previous.isLeader && previous.leaderEpoch == next.leaderEpoch {
			next.epochStart = previous.epochStart
		} else {
			next.epochStart = next.log.EndOffset()
			if err = next.log.SetLeaderEpoch(next.leaderEpoch); err != nil {
				next.isLeader, next.log, next.failure = false, nil, kerr.KafkaStorageError
			}
		}
	}
	p.role.Store(next)
	if next.log == nil {
		return err
	}
	p.watermark.Lock()
	defer p.watermark.Unlock()
	highWatermark := max(next.log.HighWatermark(), p.highWatermark.Load())
	if next.isLeader && len(next.isr) <= 1 {
		highWatermark = p.committedEnd(next, next.log.EndOffset())
	}
	p.highWatermark.Store(highWatermark)
	next.log.SetHighWatermark(highWatermark)
	return err
}

// configure puts a topic's configuration in force.
func (p *Partition) configure(config *TopicConfig) {
	p.leadership.Lock()
	next := *p.role.Load()
	next.config = config
	p.role.Store(&next)
	p.leadership.Unlock()
}

// remove makes the handle answer that the topic is unknown.
func (p *Partition) remove() {
	p.leadership.Lock()
	next := *p.role.Load()
	next.log, next.isLeader, next.deleted, next.failure = nil, false, true, kerr.UnknownTopicOrPartition
	p.role.Store(&next)
	p.leadership.Unlock()
	p.waiters.changed()
}

// originOf tells the validation who made the records.
func originOf(origin storage.Origin) record.Origin {
	if origin == storage.OriginClient {
		return record.OriginClient
	}
	return record.OriginCoordinator
}
