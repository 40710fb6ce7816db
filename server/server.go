package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"ottla/config"
	"ottla/coordinator/group"
	"ottla/internal/uuid"
	"ottla/metadata"
	"ottla/metadata/controller"
	"ottla/metadata/quorum"
	"ottla/protocol"
	"ottla/protocol/record"
	"ottla/replica"
	"ottla/server/api"
	"ottla/storage"
	"ottla/storage/vfs"
)

// Options are what a server is started with beside its configuration.
type Options struct {
	Log zerolog.Logger
	// Version is told in the banner.
	Version string
	// PIDFile is where the process id is written while the server runs; "" for
	// nowhere.
	PIDFile string
	// Begun is when the process began, for the banner; zero: when Start is called.
	Begun time.Time
	// FS holds the log directory; nil: the real file system.
	FS vfs.FS
	// Syncs is called once, when the first append waits for an fsync; may be nil.
	Syncs func()
}

// Server is a running node: a broker and its controller.
type Server struct {
	settings *config.Config
	options  Options
	log      zerolog.Logger
	events   eventLog

	home       home
	network    *network
	storage    *storage.Manager
	quorum     *quorum.Quorum
	controller *controller.Controller
	replicas   *replica.Manager
	groups     *groupShards
	// producerIDs are given to idempotent producers and to transactional ids alike.
	producerIDs  *api.ProducerIDs
	transactions *transactionShards
	epoch        int64 // of the broker's registration

	directories *directoryKeeper
	lostMu      sync.Mutex
	lost        map[string]bool // log directories that failed; guarded by lostMu

	failed chan error
	once   sync.Once
	// closers end the parts that were started, the last one first.
	closers []closer
	stopped error
	stop    sync.Once
}

// closer ends one part.
type closer struct {
	what string
	end  func(ctx context.Context) error
}

// Start starts a node and returns when it serves. An error names what is wrong,
// in one line; what was started by then has been stopped again. A context that
// ends while Start works makes it give up.
func Start(ctx context.Context, settings *config.Config, options Options) (*Server, error) {
	if options.FS == nil {
		options.FS = vfs.OS{}
	}
	if options.Begun.IsZero() {
		options.Begun = time.Now()
	}
	s := &Server{
		settings: settings, options: options, log: options.Log, events: newEventLog(options.Log), failed: make(chan error, 1),
	}
	s.directories = newDirectoryKeeper(s)
	for _, step := range []func(context.Context) error{
		s.bindSystemPorts, s.prepare, s.openStorage, s.openQuorum, s.startController, s.startGroups, s.startTransactions, s.register, s.listen,
	} {
		err := ctx.Err()
		if err == nil {
			err = step(ctx)
		}
		if err != nil {
			return nil, errors.Join(err, s.close(context.WithoutCancel(ctx)))
		}
	}
	s.banner()
	return s, nil
}

// Addr is the address that a listener is bound to, nil where there is no such
// listener.
func (s *Server) Addr(listener string) net.Addr {
	if l := s.network.find(listener); l != nil {
		return l.socket.Addr()
	}
	return nil
}

// ClusterID is the cluster's id.
func (s *Server) ClusterID() string { return s.home.clusterID }

// Failed gives an error once, where the server cannot go on and should be
// stopped: its metadata log has failed.
func (s *Server) Failed() <-chan error { return s.failed }

// Stop stops the node cleanly: no new connection, an answer for what is being
// served, a controlled shutdown, then every log closed and marked. ctx bounds
// it. Calling it again returns what the first call did.
func (s *Server) Stop(ctx context.Context) error {
	s.stop.Do(func() {
		s.stopped = s.close(ctx)
		s.log.Info().Int32("node", s.settings.NodeID).Msg("stopped")
	})
	return s.stopped
}

func (s *Server) onClose(what string, end func(ctx context.Context) error) {
	s.closers = append(s.closers, closer{what, end})
}

// close ends the parts in the reverse order of their start.
func (s *Server) close(ctx context.Context) error {
	var failures []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		begun := time.Now()
		if err := s.closers[i].end(ctx); err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", s.closers[i].what, err))
		}
		s.log.Debug().Int64("ms", time.Since(begun).Milliseconds()).Msg("stopped: " + s.closers[i].what)
	}
	s.closers = nil
	return errors.Join(failures...)
}

// fail tells, once, that the server cannot go on.
func (s *Server) fail(err error) { s.once.Do(func() { s.failed <- err }) }

// prepare makes the log directory this node's, and writes the pid file.
func (s *Server) prepare(context.Context) (err error) {
	if s.home, err = prepareHome(s.options.FS, s.settings, s.network.boundPorts()); err != nil {
		return err
	}
	if s.home.formatted {
		s.log.Info().Str("directory", strings.Join(s.home.all(), ", ")).Str("cluster", s.home.clusterID).Msg("formatted the log directory")
	}
	if s.home.apart {
		// Storage does not know it, so nobody else locks it.
		lock, err := lockDirectory(s.options.FS, s.home.metadata)
		if err != nil {
			return err
		}
		s.onClose("metadata directory", func(context.Context) error { return lock.Close() })
	}
	return nil
}

// openStorage loads the logs. From here on the directory is locked.
func (s *Server) openStorage(ctx context.Context) (err error) {
	image := s.home.image
	if image == nil {
		image = metadata.NewImage(s.home.clusterID)
	}
	s.storage, err = storage.Open(ctx, storage.Options{
		FS: s.options.FS, Syncs: s.options.Syncs, Directories: s.home.directories, NodeID: s.settings.NodeID,
		Default: logConfig(s.settings.TopicConfig(dynamicOf(s.settings, image), nil)),
		ConfigFor: func(topic string) storage.LogConfig {
			return s.topicConfig(topic, image).Log
		},
		RecoveryThreads:            s.settings.Log.RecoveryThreadsPerDir,
		RecoveryPointInterval:      s.settings.Log.FlushOffsetCheckpointInterval,
		StartOffsetInterval:        s.settings.Log.FlushStartOffsetInterval,
		HighWatermarkInterval:      s.settings.Log.HighWatermarkInterval,
		RetentionInterval:          s.settings.Log.RetentionCheckInterval,
		FlushInterval:              flushInterval(s.settings.Log.FlushSchedulerInterval),
		InitialTaskDelay:           s.settings.Log.InitialTaskDelay,
		ProducerIDExpiration:       s.settings.Log.ProducerIDExpiration,
		ProducerExpirationInterval: s.settings.Log.ProducerIDExpirationCheck,
		BrokerEpoch:                func() int64 { return s.epoch },
		Events:                     s.storageEvent,
	})
	if err != nil {
		return fmt.Errorf("open log directory %s: %w", strings.Join(s.home.directories, ", "), err)
	}
	s.onClose("logs", s.storage.Close)
	return s.writePIDFile()
}

// flushInterval is log.flush.scheduler.interval.ms for storage, for which 0 is
// the default: Kafka's own default never comes.
func flushInterval(configured time.Duration) time.Duration {
	const never = 290 * 365 * 24 * time.Hour
	if configured >= never {
		return 0
	}
	return configured
}

// writePIDFile writes the pid file, which is removed at the end.
func (s *Server) writePIDFile() error {
	path := s.options.PIDFile
	if path == "" {
		return nil
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
		return fmt.Errorf("write the pid file: %w", err)
	}
	s.onClose("pid file", func(context.Context) error { return os.Remove(path) })
	return nil
}

// openQuorum opens the metadata log.
func (s *Server) openQuorum(ctx context.Context) (err error) {
	m := s.settings.Metadata
	segmentBytes := m.SegmentBytes
	if m.InternalSegmentBytes > 0 {
		segmentBytes = m.InternalSegmentBytes
	}
	s.quorum, err = quorum.Open(ctx, quorum.Options{
		FS: s.options.FS, Directory: s.home.metadata, NodeID: s.settings.NodeID,
		ClusterID: s.home.clusterID, DirectoryID: s.home.directoryID, Endpoints: controllerEndpoints(s.settings, s.network.boundPorts()),
		SegmentBytes: segmentBytes, SegmentAge: milliseconds(m.SegmentMs), RetentionBytes: m.RetentionBytes, RetentionAge: milliseconds(m.RetentionMs),
		SnapshotBytes: m.MaxBytesBetweenSnapshots, SnapshotInterval: m.MaxSnapshotInterval, MaxBatchBytes: m.MaxBatchSizeBytes,
		Events: s.events.quorum, Found: s.home.found,
	})
	if err != nil {
		return fmt.Errorf("open the metadata log: %w", err)
	}
	s.onClose("metadata log", func(context.Context) error { return s.quorum.Close() })
	return nil
}

// milliseconds is a duration out of a key that may be as large as a long.
func milliseconds(value int64) time.Duration {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	return time.Duration(min(value, most)) * time.Millisecond
}

// startController starts the controller and follows it: first the partitions,
// then the coordinators, so that a shard finds its log.
func (s *Server) startController(context.Context) error {
	options := controller.FromConfig(s.settings)
	options.Quorum, options.KRaftVersion = s.quorum, s.home.kraftVersion
	options.Failed = func(err error) { s.fail(fmt.Errorf("metadata log: %w", err)) }
	options.Created = func(topic string, err error) {
		if err != nil {
			s.log.Warn().Err(err).Str("topic", topic).Msg("a topic cannot be created automatically")
			return
		}
		s.log.Info().Str("topic", topic).Msg("created a topic automatically")
	}
	s.replicas = replica.New(replica.Options{Storage: s.storage, NodeID: s.settings.NodeID, TopicConfig: s.topicConfig, Cordoned: s.cordoned})
	s.groups = newGroupShards(s)
	s.controller = controller.New(options)
	s.producerIDs = api.NewProducerIDs(s.controller.AllocateProducerIDs)
	s.transactions = newTransactionShards(s)
	s.onClose("controller", func(context.Context) error { s.controller.Close(); return nil })
	image := s.controller.Subscribe(s.publish)
	if err := s.replicas.Apply(nil, image); err != nil {
		s.log.Error().Err(err).Msg("some partitions are offline")
	}
	s.directories.follow(nil, image)
	s.followConfigs(nil, image)
	return nil
}

// publish follows one change of the metadata.
func (s *Server) publish(delta *metadata.Delta, image *metadata.Image) {
	if err := s.replicas.Apply(delta, image); err != nil {
		s.log.Error().Err(err).Msg("some partitions are offline")
	}
	s.groups.follow(delta)
	s.transactions.follow(delta)
	s.directories.follow(delta, image)
	s.followConfigs(delta, image)
}

// startGroups starts the group coordinator. Its shards start with their
// partitions.
func (s *Server) startGroups(context.Context) error {
	s.groups.start(s.controller.Image())
	s.onClose("group coordinator", s.groups.close)
	return nil
}

// startTransactions starts the transaction coordinator, which ends before that of
// the groups: its markers go there.
func (s *Server) startTransactions(context.Context) error {
	s.transactions.start(s.controller.Image())
	s.onClose("transaction coordinator", s.transactions.close)
	return nil
}

// register makes this node known and elects leaders.
func (s *Server) register(ctx context.Context) error {
	var rack *string
	if s.settings.Rack != "" {
		rack = &s.settings.Rack
	}
	brokers, controllers := s.endpoints()
	epoch, err := s.controller.RegisterBroker(ctx, controller.Registration{
		IncarnationID: uuid.New(), Endpoints: brokers, ControllerEndpoints: controllers, Rack: rack,
		Directories: s.storage.DirectoryIDs(), PreviousEpoch: s.storage.CleanShutdownEpoch(),
	})
	if err != nil {
		return fmt.Errorf("register the broker: %w", err)
	}
	s.epoch = epoch
	// Where partitions are must be known before leaders are elected.
	if err := s.directories.settle(ctx); err != nil {
		return fmt.Errorf("tell where partitions are: %w", err)
	}
	s.directories.start()
	s.onClose("log directories", s.directories.close)
	if s.settings.Broker.ControlledShutdown {
		s.onClose("controlled shutdown", s.controller.ControlledShutdown)
	}
	return nil
}

// listen opens the listeners, elects leaders and starts to answer.
func (s *Server) listen(ctx context.Context) error {
	for _, l := range s.settings.Listeners {
		if err := s.bind(l); err != nil {
			return err
		}
	}
	if err := s.controller.Unfence(ctx); err != nil {
		return fmt.Errorf("unfence the broker: %w", err)
	}
	s.network.serve(s.handlers())
	return nil
}

// groupConfig is what the group coordinator needs of the configuration.
func groupConfig(settings *config.Config) group.Config {
	return group.Config{
		MinSessionTimeout:      settings.Group.MinSessionTimeout,
		MaxSessionTimeout:      settings.Group.MaxSessionTimeout,
		InitialRebalanceDelay:  settings.Group.InitialRebalanceDelay,
		MaxSize:                int(settings.Group.MaxSize),
		OffsetsRetention:       settings.Offsets.Retention,
		RetentionCheckInterval: settings.Offsets.RetentionCheckInterval,
		OffsetMetadataMaxSize:  int(settings.Offsets.MetadataMaxBytes),
		CommitTimeout:          settings.Offsets.CommitTimeout,
		LoadBufferSize:         int(settings.Offsets.LoadBufferBytes),
		TopicPartitions:        settings.Offsets.TopicPartitions,
		Codec:                  record.Codec(settings.Offsets.TopicCompressionCodec),
	}
}

// kindOf tells which APIs a listener serves.
func kindOf(l config.Listener) protocol.Listeners {
	if l.Controller {
		return protocol.Controller
	}
	return protocol.Broker
}
