package coordinator

import (
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/protocol/record"
)

type shardState uint8

const (
	loading shardState = iota
	active
	failed
	stopping
)

// anyEpoch stands for a leader epoch later than all.
const anyEpoch int32 = -1

// queued is an operation that waits for its turn. Those of the runtime itself
// (timers, commits) have no failed function: they are dropped with the shard.
type queued[M Machine] struct {
	run    func(M) Result
	failed func(*kerr.Error)
}

// shard is one partition's machine, its queue and its batch.
type shard[M Machine] struct {
	runtime   *Runtime[M]
	partition int32
	log       Log
	// predecessor is closed when the shard before this one has ended; nil without one.
	predecessor <-chan struct{}
	// stopped is closed when the shard is told to end, ended when it has.
	stopped chan struct{}
	ended   chan struct{}

	lock        sync.Mutex
	state       shardState
	leaderEpoch int32
	queue       []queued[M]
	// reload asks for a successor that loads the log again.
	reload bool
	// running: a goroutine owns what is below, the shard's own or one that serves.
	// parked: the shard's own waits for signal, which who sets parked back sends.
	running bool
	parked  bool
	signal  chan struct{}
	spare   []queued[M] // memory for the next queue
	memory  []byte      // for the next batch

	machine M
	timers  map[string]*timer
	batch   batch
	// next is the offset of the next record.
	next int64
	// pending are the answers that wait for the high watermark, in order.
	pending []*deferred
}

// batch is what the current turn has to append.
type batch struct {
	// transaction is that of all the records; nil without one.
	transaction *Transaction
	records     []Record
	bytes       int
	undo        []func()
	done        []func(*kerr.Error)
}

// deferred are the answers that may leave when end is committed.
type deferred struct {
	end     int64
	done    []func(*kerr.Error)
	timeout *time.Timer
}

type timer struct {
	timer     *time.Timer
	operation func() Result
}

func newShard[M Machine](r *Runtime[M], partition, leaderEpoch int32, log Log, predecessor *shard[M]) *shard[M] {
	s := &shard[M]{
		runtime: r, partition: partition, log: log, leaderEpoch: leaderEpoch,
		stopped: make(chan struct{}), ended: make(chan struct{}),
		running: true, signal: make(chan struct{}, 1), timers: map[string]*timer{},
	}
	if predecessor != nil {
		s.predecessor = predecessor.ended
	}
	return s
}

// keep tells whether the shard goes on in the leader epoch. A shard whose load
// failed does not: it is told to end and its successor loads again.
func (s *shard[M]) keep(leaderEpoch int32) bool {
	s.lock.Lock()
	defer s.lock.Unlock()
	switch s.state {
	case loading, active:
		s.leaderEpoch = max(s.leaderEpoch, leaderEpoch)
		return true
	case stopping:
		return leaderEpoch < s.leaderEpoch
	}
	s.end()
	return false
}

// stop tells the shard to end.
func (s *shard[M]) stop(leaderEpoch int32) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if leaderEpoch != anyEpoch && leaderEpoch < s.leaderEpoch {
		return
	}
	s.leaderEpoch = max(s.leaderEpoch, leaderEpoch)
	s.reload = false
	if s.state != stopping {
		s.end()
	}
}

// again tells whether the shard, which has ended, is to have a successor, and in which epoch.
func (s *shard[M]) again() (leaderEpoch int32, again bool) {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.leaderEpoch, s.reload
}

// end begins the end. The lock is held.
func (s *shard[M]) end() {
	s.state = stopping
	close(s.stopped)
	s.wake()
}

// write puts the records of an operation into the batch and into the state.
func (s *shard[M]) write(result Result) {
	if len(result.Records) == 0 {
		s.after(result.Done)
		return
	}
	limit := s.log.MaxBatchBytes()
	if result.Transaction != nil {
		s.writeTransactional(result, limit)
		return
	}
	if result.Split {
		s.writeSplit(result, limit)
		return
	}
	if failure := s.room(result.Records, limit); failure != nil {
		finish(result.Done, failure)
		return
	}
	for _, r := range result.Records {
		s.add(r, result.Soft)
	}
	if result.Done != nil {
		s.batch.done = append(s.batch.done, result.Done)
	}
}

// writeTransactional writes the records of a transaction in a batch of their own.
func (s *shard[M]) writeTransactional(result Result, limit int) {
	s.flush()
	if failure := s.room(result.Records, limit); failure != nil {
		finish(result.Done, failure)
		return
	}
	s.batch.transaction = result.Transaction
	for _, r := range result.Records {
		s.add(r, result.Soft)
	}
	if result.Done != nil {
		s.batch.done = append(s.batch.done, result.Done)
	}
	s.flush()
}

// endTransaction appends a marker and lets the machine know. The machine sees the
// end only once it is in the log.
func (s *shard[M]) endTransaction(marker Marker, done func(*kerr.Error)) {
	s.flush()
	bytes := record.EndTxnBatch(s.runtime.options.Now().UnixMilli(), marker.ProducerID, marker.ProducerEpoch, marker.Commit,
		record.EndTxnMarker{CoordinatorEpoch: marker.CoordinatorEpoch})
	end, err := s.appendMarker(bytes, marker.Version)
	if err != nil {
		done(s.refused(err, 1))
		return
	}
	if end != s.next+1 {
		s.outOfSync(end, batch{done: []func(*kerr.Error){done}})
		return
	}
	s.next = end
	s.machine.ReplayMarker(marker.ProducerID, marker.ProducerEpoch, marker.Commit)
	s.await(&deferred{end: end, done: []func(*kerr.Error){done}})
}

func (s *shard[M]) appendMarker(bytes []byte, version int16) (int64, error) {
	if log, ok := s.log.(TransactionalLog); ok {
		return log.AppendMarker(bytes, version)
	}
	return s.log.Append(bytes)
}

// append appends the batch as part of its transaction, if it has one.
func (s *shard[M]) append(current batch) (int64, error) {
	bytes := s.build(current)
	defer s.keepMemory(bytes) // the log keeps no reference
	if log, ok := s.log.(TransactionalLog); ok && current.transaction != nil {
		return log.AppendTransactional(bytes, current.transaction.Verification)
	}
	return s.log.Append(bytes)
}

// writeSplit writes the records batch by batch, the last of which has Done. The
// first failure ends it.
func (s *shard[M]) writeSplit(result Result, limit int) {
	for i := range result.Records {
		if failure := s.room(result.Records[i:i+1], limit); failure != nil {
			finish(result.Done, failure)
			return
		}
		s.add(result.Records[i], result.Soft)
	}
	if result.Done != nil {
		s.batch.done = append(s.batch.done, result.Done)
	}
}

// room makes sure that the records fit into the batch, appending what is in it
// before them if they do not.
func (s *shard[M]) room(records []Record, limit int) *kerr.Error {
	size := 0
	for i, r := range records {
		size += recordBytes(len(s.batch.records)+i, r)
	}
	if record.BatchOverhead+size > limit {
		alone := record.BatchOverhead
		for i, r := range records {
			alone += recordBytes(i, r)
		}
		if alone > limit {
			return kerr.RecordListTooLarge
		}
	}
	if record.BatchOverhead+s.batch.bytes+size > limit {
		return s.flush()
	}
	return nil
}

func (s *shard[M]) add(r Record, soft bool) {
	index := len(s.batch.records)
	s.batch.bytes += recordBytes(index, r)
	s.batch.records = append(s.batch.records, r)
	if soft {
		return
	}
	replayed := Replayed{
		Record: r, Offset: s.next + int64(index), ProducerID: -1, ProducerEpoch: -1,
		Timestamp: s.runtime.options.Now().UnixMilli(),
	}
	if s.batch.transaction != nil {
		replayed.ProducerID, replayed.ProducerEpoch = s.batch.transaction.ProducerID, s.batch.transaction.ProducerEpoch
	}
	undo, ok := s.machine.Replay(replayed)
	if !ok {
		panic("BUG: a machine cannot replay what it wrote")
	}
	if undo != nil {
		s.batch.undo = append(s.batch.undo, undo)
	}
}

// after calls done when all that the operation can have seen is committed.
func (s *shard[M]) after(done func(*kerr.Error)) {
	switch {
	case done == nil:
	case len(s.batch.records) > 0:
		s.batch.done = append(s.batch.done, done)
	case len(s.pending) > 0:
		last := s.pending[len(s.pending)-1]
		last.done = append(last.done, done)
	default:
		done(nil)
	}
}

// flush appends the batch. If it fails, the state is as before the batch and
// every operation in it has failed.
func (s *shard[M]) flush() *kerr.Error {
	if len(s.batch.records) == 0 {
		return nil
	}
	current := s.batch
	s.batch = batch{}
	end, err := s.append(current)
	if err != nil {
		failure := s.refused(err, len(current.records))
		for _, undo := range slices.Backward(current.undo) {
			undo()
		}
		for _, done := range current.done {
			done(failure)
		}
		return failure
	}
	if end != s.next+int64(len(current.records)) {
		s.outOfSync(end, current)
		return kerr.NotCoordinator
	}
	s.next = end
	if s.batch.records == nil {
		clear(current.records)
		s.batch.records = current.records[:0]
	}
	s.await(&deferred{end: end, done: current.done})
	return nil
}

// refused is the answer for records that could not be appended. An operator is
// told, except where it is a producer's own doing.
func (s *shard[M]) refused(err error, records int) *kerr.Error {
	failure := s.runtime.answer(err)
	switch failure {
	case kerr.InvalidTxnState, kerr.InvalidProducerEpoch, kerr.TransactionCoordinatorFenced:
	default:
		s.runtime.event(Event{Partition: s.partition, Kind: AppendFailed, Err: err, Records: int64(records), Offset: s.next})
	}
	return failure
}

// keptBytes is the most memory for batches that a shard keeps.
const keptBytes = 64 << 10

func (s *shard[M]) keepMemory(bytes []byte) {
	if cap(bytes) <= keptBytes {
		s.memory = bytes[:0]
	}
}

func (s *shard[M]) build(current batch) []byte {
	options := record.BuilderOptions{
		BaseOffset: s.next, LeaderEpoch: -1, Codec: s.runtime.options.Codec, Memory: s.memory,
		ProducerID: -1, ProducerEpoch: -1, BaseSequence: s.runtime.options.BaseSequence,
	}
	if current.transaction != nil {
		options.ProducerID, options.ProducerEpoch = current.transaction.ProducerID, current.transaction.ProducerEpoch
		options.BaseSequence, options.Transactional = 0, true
	}
	builder := record.NewBuilder(options)
	timestamp := s.runtime.options.Now().UnixMilli()
	for _, r := range current.records {
		builder.Append(timestamp, r.Key, r.Value)
	}
	return builder.Build()
}

// outOfSync ends a shard whose log has records that it does not know of.
func (s *shard[M]) outOfSync(end int64, current batch) {
	s.runtime.event(Event{Partition: s.partition, Kind: OutOfSync, Offset: s.next, End: end})
	s.lock.Lock()
	if s.state != stopping {
		s.reload = true
		s.end()
	}
	s.lock.Unlock()
	for _, done := range current.done {
		done(kerr.NotCoordinator)
	}
}

// await lets the answers go when the high watermark allows.
func (s *shard[M]) await(answers *deferred) {
	s.pending = append(s.pending, answers)
	committed := func() { s.enqueue(queued[M]{run: func(M) Result { s.committed(answers.end); return Result{} }}) }
	if !s.log.WhenCommitted(answers.end, committed) {
		s.committed(answers.end)
		return
	}
	if timeout := s.runtime.options.CommitTimeout; timeout > 0 {
		answers.timeout = time.AfterFunc(timeout, func() {
			s.enqueue(queued[M]{run: func(M) Result { answers.release(kerr.RequestTimedOut); return Result{} }})
		})
	}
}

// committed releases the answers up to end.
func (s *shard[M]) committed(end int64) {
	for len(s.pending) > 0 && s.pending[0].end <= end {
		first := s.pending[0]
		s.pending = s.pending[1:]
		first.release(nil)
	}
}

// release calls what waits. What is deferred afterwards waits anew.
func (d *deferred) release(failure *kerr.Error) {
	if d.timeout != nil {
		d.timeout.Stop()
	}
	done := d.done
	d.done = nil
	for _, call := range done {
		call(failure)
	}
}

// unload ends the shard: what waits in the queue or for a commit has failed.
func (s *shard[M]) unload() {
	s.lock.Lock()
	operations := s.queue
	s.queue = nil
	s.lock.Unlock()
	for _, waiting := range s.pending {
		waiting.release(kerr.NotCoordinator)
	}
	s.pending = nil
	for _, operation := range operations {
		if operation.failed != nil {
			operation.failed(kerr.NotCoordinator)
		}
	}
	for _, t := range s.timers {
		t.timer.Stop()
	}
	s.machine.Unloaded()
	s.timers = nil
	s.finish()
}

// finish tells those who wait that the shard has ended.
func (s *shard[M]) finish() {
	s.runtime.event(Event{Partition: s.partition, Kind: Stopped})
	s.runtime.forget(s)
	close(s.ended)
}

// Schedule implements Timers.
func (s *shard[M]) Schedule(key string, delay time.Duration, operation func() Result) {
	s.Cancel(key)
	t := &timer{operation: operation}
	s.timers[key] = t
	t.timer = time.AfterFunc(delay, func() {
		s.enqueue(queued[M]{run: func(M) Result {
			if s.timers[key] != t {
				return Result{}
			}
			delete(s.timers, key)
			return t.operation()
		}})
	})
}

// Cancel implements Timers.
func (s *shard[M]) Cancel(key string) {
	if t := s.timers[key]; t != nil {
		t.timer.Stop()
		delete(s.timers, key)
	}
}

func finish(done func(*kerr.Error), failure *kerr.Error) {
	if done != nil {
		done(failure)
	}
}

// recordBytes is the size of a record in a batch whose records have one
// timestamp: length, attributes, timestamp delta, offset delta, key, value, headers.
func recordBytes(offsetDelta int, r Record) int {
	body := 3 + varintBytes(offsetDelta) + fieldBytes(r.Key) + fieldBytes(r.Value)
	return varintBytes(body) + body
}

func fieldBytes(field []byte) int {
	if field == nil {
		return 1
	}
	return varintBytes(len(field)) + len(field)
}

// varintBytes is the size of a number ≥ 0 as a zigzag varint.
func varintBytes(number int) int {
	size := 1
	for number = number << 1; number >= 0x80; number >>= 7 {
		size++
	}
	return size
}
