// Package controller decides what happens to the cluster's metadata.
//
// A machine turns a request and the state into records and an answer. The state
// is committed plus appended: what a request before this one has appended, this
// one sees, so that two CreateTopics of one name cannot both succeed. The
// records of a request are appended as one atomic unit, folded into the next
// image, committed, and published; only then does the answer leave, so who has
// it finds what it tells of.
//
// Two goroutines, owned by the Controller and ended by Close: one owns the
// machine (decides and appends), one waits for commits, publishes and lets the
// answers go, in the order of the log. So requests that queue share an fsync. No
// lock is held while either waits; Controller.mu guards the subscribers and the
// names of topics in creation.
//
// A request costs what it changes, not what is there.
package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/metadata"
	"ottla/storage"
)

// Quorum is the log of metadata records.
type Quorum interface {
	// Image is what was committed when the log was opened.
	Image() *metadata.Image
	// Append appends records as one atomic unit and returns the offset of the
	// first, and that at which the unit ends. It does not wait for the disk. After
	// storage.ErrNoSpace nothing of it is there and the log works on.
	Append(records []metadata.Record) (first, last int64, err error)
	// Committed is the end (exclusive) of what is committed.
	Committed() int64
	// WaitCommitted returns when the record at offset is committed. An error
	// that is not ctx's means that the log has failed.
	WaitCommitted(ctx context.Context, offset int64) error
	// Epoch is the leader epoch of this process.
	Epoch() int32
	// Snapshot is told of each image after it was published.
	Snapshot(image *metadata.Image)
}

// Publisher acts upon a committed change: delta is what changed, image what is
// there now. It runs on the controller's goroutine, one call at a time in the
// order of the log, and must not call the controller.
type Publisher func(delta *metadata.Delta, image *metadata.Image)

// maxQueued is how many requests may wait for the machine.
const maxQueued = 1024

var (
	// ErrClosed is returned once the controller is closing.
	ErrClosed = errors.New("controller is closed")
	// ErrFailed is returned once the metadata log has failed.
	ErrFailed = errors.New("metadata log has failed")
)

// Controller is the running controller. It may be used by any goroutine.
type Controller struct {
	quorum  Quorum
	failed  func(error)
	tell    func(topic string, err error)
	queue   chan *operation
	closing chan struct{}
	// finished is closed when both goroutines have done their work.
	finished chan struct{}
	// decided goes from the goroutine of the machine to that of the commits.
	decided chan decision
	// machine belongs to its goroutine.
	machine *machine
	image   atomic.Pointer[metadata.Image]
	broken  atomic.Bool
	ctx     context.Context
	cancel  context.CancelFunc
	once    sync.Once
	running sync.WaitGroup

	mu         sync.Mutex
	publishers []Publisher
	creating   map[string]bool // topics that CreateAutomatically has queued
}

// operation is one request on its way.
type operation struct {
	decide func(m *machine) []metadata.Record
	// finish is called once, by one of the controller's goroutines: nil once
	// what was decided is published.
	finish func(err error)
}

// decision is an operation that has been decided, and what it changed.
type decision struct {
	operation *operation
	delta     *metadata.Delta // nil: nothing was changed
	image     *metadata.Image
	last      int64
}

// New starts a controller on an open log.
func New(options Options) *Controller {
	ctx, cancel := context.WithCancel(context.Background())
	c := &Controller{
		quorum:   options.Quorum,
		failed:   options.Failed,
		tell:     options.Created,
		queue:    make(chan *operation, maxQueued),
		closing:  make(chan struct{}),
		finished: make(chan struct{}),
		decided:  make(chan decision, maxQueued),
		machine:  newMachine(options),
		ctx:      ctx,
		cancel:   cancel,
		creating: make(map[string]bool),
	}
	c.image.Store(c.machine.image)
	c.running.Add(2)
	go c.decideAll()
	go c.commitAll()
	return c
}

// Close ends the controller: what is queued is answered with ErrClosed, what
// was appended is committed and published. It returns when both goroutines have
// ended. The log stays open.
func (c *Controller) Close() {
	c.once.Do(func() { close(c.closing) })
	c.running.Wait()
	c.cancel()
}

// Image is the newest image that is committed and published.
func (c *Controller) Image() *metadata.Image { return c.image.Load() }

// Subscribe has publish called for every change from now on, after those that
// subscribed before it. It returns the image that the first delta begins on.
func (c *Controller) Subscribe(publish Publisher) *metadata.Image {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.publishers = append(c.publishers, publish)
	return c.image.Load()
}

// do has the machine decide, and waits until what it appended is published.
// Where do returns an error of ctx, the operation may still happen.
func (c *Controller) do(ctx context.Context, decide func(m *machine) []metadata.Record) error {
	done := make(chan error, 1)
	op := &operation{decide, func(err error) { done <- err }}
	select {
	case <-c.closing:
		return ErrClosed
	default:
	}
	select {
	case c.queue <- op:
	case <-c.closing:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-c.finished:
		// It was decided, or queued too late.
		select {
		case err := <-done:
			return err
		default:
			return ErrClosed
		}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// decideAll is the goroutine of the machine.
func (c *Controller) decideAll() {
	defer c.running.Done()
	defer close(c.decided)
	for {
		select {
		case op := <-c.queue:
			c.decide(op)
		case <-c.closing:
			c.refuseQueued()
			return
		}
	}
}

// refuseQueued answers what nobody will decide.
func (c *Controller) refuseQueued() {
	for {
		select {
		case op := <-c.queue:
			op.finish(ErrClosed)
		default:
			return
		}
	}
}

func (c *Controller) decide(op *operation) {
	if c.broken.Load() {
		op.finish(ErrFailed)
		return
	}
	records := op.decide(c.machine)
	if len(records) == 0 {
		// An answer tells of what was appended, so it waits for that.
		c.decided <- decision{operation: op}
		return
	}
	_, last, err := c.quorum.Append(records)
	if errors.Is(err, storage.ErrNoSpace) {
		// Nothing of it is in the log. Who asked may ask again.
		op.finish(fmt.Errorf("append %d metadata records: %w", len(records), err))
		return
	}
	if err != nil {
		c.fail(fmt.Errorf("append %d metadata records: %w", len(records), err))
		op.finish(ErrFailed)
		return
	}
	delta, image := c.machine.apply(records, last, c.quorum.Epoch())
	c.decided <- decision{op, delta, image, last}
}

// commitAll is the goroutine of the commits.
func (c *Controller) commitAll() {
	defer c.running.Done()
	defer close(c.finished)
	for d := range c.decided {
		d.operation.finish(c.commit(d))
	}
}

func (c *Controller) commit(d decision) error {
	if c.broken.Load() {
		return ErrFailed
	}
	if d.delta == nil {
		return nil
	}
	if err := c.quorum.WaitCommitted(c.ctx, d.last); err != nil {
		c.fail(fmt.Errorf("commit metadata up to offset %d: %w", d.last, err))
		return ErrFailed
	}
	c.publish(d.delta, d.image)
	return nil
}

func (c *Controller) publish(delta *metadata.Delta, image *metadata.Image) {
	c.mu.Lock()
	publishers := c.publishers[:len(c.publishers):len(c.publishers)]
	c.mu.Unlock()
	for _, publish := range publishers {
		publish(delta, image)
	}
	// Only now does a client see the change, so that a partition it is told of
	// can be used.
	c.image.Store(image)
	c.quorum.Snapshot(image)
}

// fail notes that the log has failed, and says so once.
func (c *Controller) fail(err error) {
	if !c.broken.Swap(true) && c.failed != nil {
		c.failed(err)
	}
}

// CreateTopics answers a CreateTopics request.
func (c *Controller) CreateTopics(ctx context.Context, request *kmsg.CreateTopicsRequest) (*kmsg.CreateTopicsResponse, error) {
	var response *kmsg.CreateTopicsResponse
	err := c.do(ctx, func(m *machine) (records []metadata.Record) {
		records, response = m.createTopics(request)
		return records
	})
	return answered(&response, err)
}

// CreatePartitions answers a CreatePartitions request.
func (c *Controller) CreatePartitions(ctx context.Context, request *kmsg.CreatePartitionsRequest) (*kmsg.CreatePartitionsResponse, error) {
	var response *kmsg.CreatePartitionsResponse
	err := c.do(ctx, func(m *machine) (records []metadata.Record) {
		records, response = m.createPartitions(request)
		return records
	})
	return answered(&response, err)
}

// DeleteTopics answers a DeleteTopics request.
func (c *Controller) DeleteTopics(ctx context.Context, request *kmsg.DeleteTopicsRequest) (*kmsg.DeleteTopicsResponse, error) {
	var response *kmsg.DeleteTopicsResponse
	err := c.do(ctx, func(m *machine) (records []metadata.Record) {
		records, response = m.deleteTopics(request)
		return records
	})
	return answered(&response, err)
}

// IncrementalAlterConfigs answers an IncrementalAlterConfigs request.
func (c *Controller) IncrementalAlterConfigs(ctx context.Context, request *kmsg.IncrementalAlterConfigsRequest) (*kmsg.IncrementalAlterConfigsResponse, error) {
	var response *kmsg.IncrementalAlterConfigsResponse
	err := c.do(ctx, func(m *machine) (records []metadata.Record) {
		records, response = m.incrementalAlterConfigs(request)
		return records
	})
	return answered(&response, err)
}

// AlterConfigs answers an AlterConfigs request.
func (c *Controller) AlterConfigs(ctx context.Context, request *kmsg.AlterConfigsRequest) (*kmsg.AlterConfigsResponse, error) {
	var response *kmsg.AlterConfigsResponse
	err := c.do(ctx, func(m *machine) (records []metadata.Record) {
		records, response = m.alterConfigs(request)
		return records
	})
	return answered(&response, err)
}

// ElectLeaders answers an ElectLeaders request.
func (c *Controller) ElectLeaders(ctx context.Context, request *kmsg.ElectLeadersRequest) (*kmsg.ElectLeadersResponse, error) {
	var response *kmsg.ElectLeadersResponse
	err := c.do(ctx, func(m *machine) (records []metadata.Record) {
		records, response = m.electLeaders(request)
		return records
	})
	return answered(&response, err)
}

// AlterPartitionReassignments answers an AlterPartitionReassignments request.
func (c *Controller) AlterPartitionReassignments(ctx context.Context, request *kmsg.AlterPartitionAssignmentsRequest) (*kmsg.AlterPartitionAssignmentsResponse, error) {
	var response *kmsg.AlterPartitionAssignmentsResponse
	err := c.do(ctx, func(m *machine) (records []metadata.Record) {
		records, response = m.alterPartitionReassignments(request)
		return records
	})
	return answered(&response, err)
}

// UpdateFeatures answers an UpdateFeatures request.
func (c *Controller) UpdateFeatures(ctx context.Context, request *kmsg.UpdateFeaturesRequest) (*kmsg.UpdateFeaturesResponse, error) {
	var response *kmsg.UpdateFeaturesResponse
	err := c.do(ctx, func(m *machine) (records []metadata.Record) {
		records, response = m.updateFeatures(request)
		return records
	})
	return answered(&response, err)
}

// UnregisterBroker answers an UnregisterBroker request.
func (c *Controller) UnregisterBroker(ctx context.Context, request *kmsg.UnregisterBrokerRequest) (*kmsg.UnregisterBrokerResponse, error) {
	var response *kmsg.UnregisterBrokerResponse
	err := c.do(ctx, func(m *machine) (records []metadata.Record) {
		records, response = m.unregisterBroker(request)
		return records
	})
	return answered(&response, err)
}

// answered looks at the response only where the operation has ended: it may
// still run where the caller's context has.
func answered[R any](response **R, err error) (*R, error) {
	if err != nil {
		return nil, err
	}
	return *response, nil
}

// AllocateProducerIDs gives a block of producer ids that nobody else gets: first
// and the length ids from it on. The block counts as given out once the record
// is committed, whoever uses it.
func (c *Controller) AllocateProducerIDs(ctx context.Context) (first int64, length int32, err error) {
	var refusal error
	var block int64
	err = c.do(ctx, func(m *machine) (records []metadata.Record) {
		block, records, refusal = m.allocateProducerIDs()
		return records
	})
	if err == nil {
		err = refusal
	}
	if err != nil {
		return 0, 0, err
	}
	return block, producerIDBlock, nil
}

// RegisterBroker registers this node as a controller, where the metadata.version
// knows of that, and as a broker that is fenced. It returns the broker's epoch.
// Where the registration before was not ended by ControlledShutdown, or the
// directory tells another epoch, the node leaves every ISR and ELR first.
func (c *Controller) RegisterBroker(ctx context.Context, registration Registration) (int64, error) {
	var epoch int64
	if err := c.do(ctx, func(m *machine) []metadata.Record { return m.registerController(registration) }); err != nil {
		return 0, err
	}
	if err := c.do(ctx, func(m *machine) []metadata.Record { return m.leaveAfterCrash(registration) }); err != nil {
		return 0, err
	}
	err := c.do(ctx, func(m *machine) []metadata.Record {
		// Nobody else appends, so this is the offset that the record will have:
		// the broker's epoch.
		epoch = m.last + 1
		return m.registerBroker(registration, epoch)
	})
	if err != nil {
		return 0, err
	}
	return epoch, nil
}

// Unfence opens this node for use: it elects leaders for the partitions that
// have none and can have this node, from their ISR, their ELR, or the leader
// known last.
func (c *Controller) Unfence(ctx context.Context) error {
	return c.do(ctx, func(m *machine) []metadata.Record { return m.unfence() })
}

// ControlledShutdown takes this node out of use, as a clean stop does: it is
// marked as shutting down, its partitions lose their leader and keep it in the
// ELR, and it is fenced. Without it another start takes the stop for a crash.
func (c *Controller) ControlledShutdown(ctx context.Context) error {
	if err := c.do(ctx, func(m *machine) []metadata.Record { return m.beginShutdown() }); err != nil {
		return err
	}
	return c.do(ctx, func(m *machine) []metadata.Record { return m.fence() })
}
