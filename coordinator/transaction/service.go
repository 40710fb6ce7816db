package transaction

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/coordinator"
	"ottla/protocol/record"
)

// TopicName is the topic that transactions live on.
const TopicName = "__transaction_state"

// Config is what server.properties says of transactions.
type Config struct {
	MaxTimeout      time.Duration // transaction.max.timeout.ms
	IDExpiration    time.Duration // transactional.id.expiration.ms
	AbortInterval   time.Duration // transaction.abort.timed.out.transaction.cleanup.interval.ms
	ExpireInterval  time.Duration // transaction.remove.expired.transaction.cleanup.interval.ms
	LoadBufferSize  int           // transaction.state.log.load.buffer.size
	TopicPartitions int32         // transaction.state.log.num.partitions
}

// DefaultConfig has Apache Kafka's defaults.
func DefaultConfig() Config {
	return Config{
		MaxTimeout: 15 * time.Minute, IDExpiration: 7 * 24 * time.Hour, AbortInterval: 10 * time.Second,
		ExpireInterval: time.Hour, LoadBufferSize: 5 << 20, TopicPartitions: 50,
	}
}

// Options are what a Service needs.
type Options struct {
	Config Config
	Now    func() time.Time
	// NewProducerID gives a producer id that nobody has or had. It may wait.
	NewProducerID func(ctx context.Context) (int64, error)
	// Level is the finalized level of transaction.version.
	Level func() int16
	// Markers writes the markers.
	Markers MarkerWriter
	// Translate gives the answer for an error of a log that is no *kerr.Error.
	Translate func(error) *kerr.Error
	// Limits bound what unpacking a batch may use while loading.
	Limits record.Limits
	Events func(coordinator.Event)
}

// Service is the transaction coordinator of this broker. A method waits
// for a write to its log at most, Close apart; reply is called exactly once, later or
// before the method returns, by any goroutine, and must not block.
type Service struct {
	options Options
	runtime *coordinator.Runtime[*Machine]
	// ctx ends what runs in the background, which waiting counts.
	ctx     context.Context
	cancel  context.CancelFunc
	waiting sync.WaitGroup

	lock       sync.RWMutex
	partitions int32
	epochs     map[int32]int32
	closed     bool
}

// New makes a coordinator without partitions.
func New(options Options) *Service {
	s := &Service{options: options, partitions: max(options.Config.TopicPartitions, 1), epochs: map[int32]int32{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.runtime = coordinator.New(coordinator.Options[*Machine]{
		New: func(partition int32, timers coordinator.Timers) *Machine {
			return NewMachine(options.Config, options.Now, timers, newShardHost(s, partition))
		},
		Now: options.Now, Translate: options.Translate, CommitTimeout: options.Config.MaxTimeout,
		LoadBytes: options.Config.LoadBufferSize, Limits: options.Limits, BaseSequence: -1, Events: options.Events,
	})
	return s
}

// Started begins to load a partition of __transaction_state that this broker leads now.
func (s *Service) Started(partition, leaderEpoch int32, log coordinator.Log) {
	s.lock.Lock()
	s.epochs[partition] = max(s.epochs[partition], leaderEpoch)
	s.lock.Unlock()
	s.runtime.Start(partition, leaderEpoch, log)
}

// Stopped unloads a partition that this broker leads no more since the leader
// epoch; −1 unloads it in any case (its topic is gone).
func (s *Service) Stopped(partition, leaderEpoch int32) {
	if leaderEpoch < 0 {
		s.lock.Lock()
		delete(s.epochs, partition)
		s.lock.Unlock()
	}
	s.runtime.Stop(partition, leaderEpoch)
}

func (s *Service) epoch(partition int32) int32 {
	s.lock.RLock()
	defer s.lock.RUnlock()
	return s.epochs[partition]
}

// SetPartitions tells how many partitions __transaction_state has.
func (s *Service) SetPartitions(count int32) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.partitions = max(count, 1)
}

// PartitionFor is the partition of __transaction_state that a transactional id lives on.
func (s *Service) PartitionFor(id string) int32 {
	s.lock.RLock()
	defer s.lock.RUnlock()
	return coordinator.PartitionFor(id, s.partitions)
}

// Close unloads everything and waits for what runs until ctx ends. Requests are
// then answered COORDINATOR_NOT_AVAILABLE.
func (s *Service) Close(ctx context.Context) error {
	s.lock.Lock()
	s.closed = true
	s.lock.Unlock()
	s.cancel()
	err := s.runtime.Close(ctx)
	s.waiting.Wait()
	return err
}

// admit is the error of a request for a transactional id.
func (s *Service) admit(id string) *kerr.Error {
	s.lock.RLock()
	defer s.lock.RUnlock()
	switch {
	case s.closed:
		return kerr.CoordinatorNotAvailable
	case id == "":
		return kerr.InvalidRequest
	}
	return nil
}

// run runs an operation on the id's shard and replies when what it wrote is committed.
func (s *Service) run(id string, newID int64, operation func(m *Machine, newID int64) (Answer, coordinator.Result), reply func(Answer)) {
	s.runtime.Serve(s.PartitionFor(id), func(m *Machine) coordinator.Result {
		answer, result := operation(m, newID)
		inner := result.Done
		result.Done = func(failure *kerr.Error) {
			if inner != nil {
				inner(failure)
			}
			if failure != nil {
				answer = refused(storeError(failure))
			}
			reply(answer)
		}
		return result
	}, func(failure *kerr.Error) { reply(refused(storeError(failure))) })
}

// runWithID runs an operation, and again with a new producer id if it needs one.
func (s *Service) runWithID(id string, operation func(m *Machine, newID int64) (Answer, coordinator.Result), reply func(Answer)) {
	s.run(id, NoNewID, operation, func(answer Answer) {
		if !answer.NeedID {
			reply(answer)
			return
		}
		started := s.background(func(ctx context.Context) {
			newID, err := s.options.NewProducerID(ctx)
			if err != nil {
				reply(refused(noProducerID(err)))
				return
			}
			s.run(id, newID, operation, reply)
		})
		if !started {
			reply(refused(kerr.CoordinatorNotAvailable))
		}
	})
}

// background runs what may wait; false: the service is closed.
func (s *Service) background(work func(ctx context.Context)) bool {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.closed {
		return false
	}
	s.waiting.Add(1)
	go func() {
		defer s.waiting.Done()
		work(s.ctx)
	}()
	return true
}

// noProducerID is an error upon which the producer asks again.
func noProducerID(err error) *kerr.Error {
	var answer *kerr.Error
	if errors.As(err, &answer) && answer.Retriable {
		return answer
	}
	return kerr.CoordinatorLoadInProgress
}

// storeError is what a failure to write a transaction means to its producer.
func storeError(failure *kerr.Error) *kerr.Error {
	switch failure {
	case kerr.UnknownTopicOrPartition, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut:
		return kerr.CoordinatorNotAvailable
	case kerr.NotLeaderForPartition, kerr.KafkaStorageError:
		return kerr.NotCoordinator
	case kerr.MessageTooLarge, kerr.RecordListTooLarge:
		return kerr.UnknownServerError
	}
	return failure
}

// InitProducerID gives a transactional id's producer id and epoch.
func (s *Service) InitProducerID(request Init, reply func(Answer)) {
	failure := s.admit(request.ID)
	if failure == nil && (request.TimeoutMillis <= 0 || int64(request.TimeoutMillis) > s.options.Config.MaxTimeout.Milliseconds()) {
		failure = kerr.InvalidTransactionTimeout
	}
	if failure != nil {
		reply(refused(failure))
		return
	}
	s.runWithID(request.ID, func(m *Machine, newID int64) (Answer, coordinator.Result) {
		return m.InitProducerID(request, newID)
	}, reply)
}

// AddPartitions makes partitions part of the transaction.
func (s *Service) AddPartitions(id string, producerID int64, epoch int16, partitions []Partition, version int16, reply func(*kerr.Error)) {
	if failure := s.admit(id); failure != nil {
		reply(failure)
		return
	}
	s.run(id, NoNewID, func(m *Machine, _ int64) (Answer, coordinator.Result) {
		failure, result := m.AddPartitions(id, producerID, epoch, partitions, version)
		return Answer{Failure: failure}, result
	}, func(answer Answer) { reply(answer.Failure) })
}

// VerifyPartitions tells for each partition whether it is part of the transaction.
func (s *Service) VerifyPartitions(id string, producerID int64, epoch int16, partitions []Partition, reply func([]*kerr.Error)) {
	all := func(failure *kerr.Error) []*kerr.Error {
		verdicts := make([]*kerr.Error, len(partitions))
		for i := range verdicts {
			verdicts[i] = failure
		}
		return verdicts
	}
	if failure := s.admit(id); failure != nil {
		reply(all(failure))
		return
	}
	var verdicts []*kerr.Error
	s.run(id, NoNewID, func(m *Machine, _ int64) (Answer, coordinator.Result) {
		var failure *kerr.Error
		verdicts, failure = m.VerifyPartitions(id, producerID, epoch, partitions)
		return Answer{Failure: failure}, coordinator.Result{}
	}, func(answer Answer) {
		if answer.Failure != nil {
			verdicts = all(answer.Failure)
		}
		reply(verdicts)
	})
}

// EndTxn commits or aborts.
func (s *Service) EndTxn(request End, reply func(Answer)) {
	if failure := s.admit(request.ID); failure != nil {
		reply(refused(failure))
		return
	}
	s.runWithID(request.ID, func(m *Machine, newID int64) (Answer, coordinator.Result) {
		return m.EndTxn(request, newID)
	}, reply)
}
