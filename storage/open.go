package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

func (o *Options) setDefaults() {
	if o.Default == (LogConfig{}) {
		o.Default = DefaultLogConfig()
	}
	if o.RecoveryThreads <= 0 {
		o.RecoveryThreads = 2
	}
	for _, d := range []struct {
		value  *time.Duration
		preset time.Duration
	}{
		{&o.RecoveryPointInterval, time.Minute}, {&o.StartOffsetInterval, time.Minute}, {&o.HighWatermarkInterval, 5 * time.Second},
		{&o.RetentionInterval, 5 * time.Minute}, {&o.InitialTaskDelay, 30 * time.Second}, {&o.ProducerExpirationInterval, 10 * time.Minute},
	} {
		if *d.value <= 0 {
			*d.value = d.preset
		}
	}
}

// Open takes the lock of each directory, loads every log in parallel (with recovery where the last stop was not clean) and starts the
// scheduler. The directories must be formatted. A log that cannot be loaded is offline (Failed); a directory that cannot be read is too.
// It fails when no directory is left, one is locked by another process, or one holds what is not a log; before any byte is changed.
func Open(ctx context.Context, options Options) (*Manager, error) {
	options.setDefaults()
	m := &Manager{
		options: options, engine: newEngine(&options), defaults: options.Default,
		logs: map[TopicPartition]*Log{}, failed: map[TopicPartition]error{}, creating: map[TopicPartition]bool{},
	}
	if err := m.openDirectories(); err != nil {
		m.unlock()
		return nil, err
	}
	for _, d := range m.directories {
		if d.failure() == nil {
			_ = d.failed(m.readState(d))
		}
	}
	if err := m.loadLogs(ctx); err != nil {
		m.abandon()
		return nil, err
	}
	if len(m.LiveDirectories()) == 0 {
		err := fmt.Errorf("no log directory is usable: %w", m.firstFailure())
		m.abandon()
		return nil, err
	}
	m.startBackground()
	return m, nil
}

// openDirectories locks and lists the directories. Nothing is changed but the lock files.
func (m *Manager) openDirectories() error {
	for _, path := range uniqueDirectories(m.options.Directories) {
		d := &logDirectory{epoch: -1, written: map[string]map[TopicPartition]int64{}, damaged: map[TopicPartition]bool{}}
		d.path, d.engine = path, m.engine
		m.directories = append(m.directories, d)
		contents, err := ReadDirectory(m.engine.fs, path)
		if err != nil {
			_ = d.failed(err)
			continue
		}
		if d.lock, err = LockDirectory(m.engine.fs, path); err != nil {
			return err
		}
		d.contents = contents
		for _, name := range contents.Unknown {
			info, err := m.engine.fs.Stat(path + "/" + name)
			if err == nil && info.Dir {
				return fmt.Errorf("%w: %s/%s", ErrUnknownDirectory, path, name)
			}
		}
		properties, err := ReadMetaProperties(m.engine.fs, path)
		if err == nil {
			d.id = properties.DirectoryID
		} else if !isNotExist(err) {
			return err
		}
	}
	if len(m.directories) == 0 {
		return errors.New("no log directory is configured")
	}
	return nil
}

// readState reads the clean marker and deletes it, durably, before any log is touched: a crash from here on is not a clean stop. Then it
// reads the checkpoints.
func (m *Manager) readState(d *logDirectory) (err error) {
	if d.clean, d.epoch, err = readCleanShutdown(m.engine.fs, d.path); err != nil {
		return err
	}
	if d.clean {
		if err := m.engine.fs.Remove(d.path + "/" + cleanShutdownFile); err != nil {
			return err
		}
		if err := syncDir(m.engine.fs, d.path); err != nil {
			return err
		}
	} else if len(d.contents.Logs) > 0 {
		m.engine.emit(Event{Kind: EventUncleanShutdown, Directory: d.path})
	}
	for _, name := range []string{recoveryPointFile, startOffsetFile, highWatermarkFile, cleanerOffsetFile} {
		offsets, err := readOffsets(m.engine.fs, d.path, name)
		if errors.Is(err, errCorruptCheckpoint) {
			m.engine.emit(Event{Kind: EventCheckpointDiscarded, Directory: d.path, File: name, Err: err})
			continue // written stays nil: the next one is written whatever it holds
		}
		if err != nil {
			return err
		}
		d.written[name] = offsets
	}
	return nil
}

// loading is the work of one Open.
type loading struct {
	mu      sync.Mutex
	manager *Manager
	done    map[*logDirectory]int
}

// loadLogs loads the logs of all directories, each with its own workers.
func (m *Manager) loadLogs(ctx context.Context) error {
	w := loading{manager: m, done: map[*logDirectory]int{}}
	var wg sync.WaitGroup
	for _, d := range m.directories {
		if d.failure() != nil {
			continue
		}
		wg.Go(func() { w.loadDirectory(ctx, d) })
	}
	wg.Wait()
	return ctx.Err()
}

func (w *loading) loadDirectory(ctx context.Context, d *logDirectory) {
	began, total := w.manager.engine.now(), len(d.contents.Logs)
	emit := w.manager.engine.emit
	emit(Event{Kind: EventLoadStarted, Directory: d.path, Total: total})
	work := make(chan TopicPartition)
	var wg sync.WaitGroup
	for range min(w.manager.options.RecoveryThreads, max(total, 1)) {
		wg.Go(func() {
			for tp := range work {
				w.loadLog(d, tp)
			}
		})
	}
	for _, tp := range d.contents.Logs {
		if ctx.Err() != nil {
			break
		}
		work <- tp
	}
	close(work)
	wg.Wait()
	emit(Event{Kind: EventLoadFinished, Directory: d.path, Total: total, Duration: w.manager.engine.now().Sub(began)})
}

func (w *loading) loadLog(d *logDirectory, tp TopicPartition) {
	m := w.manager
	config := m.options.Default
	if m.options.ConfigFor != nil {
		config = m.options.ConfigFor(tp.Topic)
	}
	l := newLog(m.engine, &d.directory, tp, d.path+"/"+tp.String(), config)
	l.persist = func(name string) error { return m.checkpoint(d, name) }
	err := l.load(loadOptions{
		clean: d.clean, recoveryPoint: max(d.written[recoveryPointFile][tp], 0), start: max(d.written[startOffsetFile][tp], 0),
	})
	if err == nil {
		l.SetHighWatermark(d.written[highWatermarkFile][tp])
	} else {
		l.abandon(err)
		d.checkpoints.Lock()
		d.damaged[tp] = true
		d.checkpoints.Unlock()
		l.emit(Event{Kind: EventLogLoadFailed, Err: err})
	}
	m.mu.Lock()
	if other := m.logs[tp]; err == nil && other != nil {
		err = fmt.Errorf("log %s is in %s and in %s", tp, other.directory.path, d.path)
		delete(m.logs, tp)
	}
	d.counts++
	if err != nil {
		m.failed[tp] = err
	} else if m.failed[tp] == nil {
		m.logs[tp] = l
	}
	m.mu.Unlock()
	w.mu.Lock()
	w.done[d]++
	done := w.done[d]
	w.mu.Unlock()
	l.emit(Event{Kind: EventLoadProgress, Done: done, Total: len(d.contents.Logs)})
}

// abandon undoes an Open that did not come to its end. A directory that was stopped cleanly is so still: nothing was appended.
func (m *Manager) abandon() {
	for _, l := range m.Logs() {
		l.abandon(ErrClosed)
	}
	for _, d := range m.directories {
		if d.clean && d.failure() == nil && len(d.damaged) == 0 {
			_ = writeCleanShutdown(m.engine.fs, d.path, d.epoch) // without it the next start takes longer
		}
	}
	m.unlock()
}

func (m *Manager) firstFailure() error {
	for _, d := range m.directories {
		if err := d.failure(); err != nil {
			return err
		}
	}
	return nil
}

// backgroundWorkers bounds what the scheduler does at once.
const backgroundWorkers = 4

func (m *Manager) startBackground() {
	if m.options.NoBackground {
		for _, d := range m.directories {
			m.sweepDeleted(d)
		}
		return
	}
	s := newScheduler(backgroundWorkers)
	m.scheduler = s
	m.engine.background = s.after
	for _, d := range m.directories {
		m.sweepDeleted(d)
	}
	o := &m.options
	checkpoint := func(name string) func() {
		return func() { _ = m.checkpointAll(name) } // a failure has taken the directory offline or is met again
	}
	s.every(o.InitialTaskDelay, o.RecoveryPointInterval, checkpoint(recoveryPointFile))
	s.every(o.InitialTaskDelay, o.StartOffsetInterval, checkpoint(startOffsetFile))
	s.every(o.HighWatermarkInterval, o.HighWatermarkInterval, checkpoint(highWatermarkFile))
	s.every(o.InitialTaskDelay, o.RetentionInterval, m.ApplyRetention)
	s.every(o.ProducerExpirationInterval, o.ProducerExpirationInterval, m.ExpireProducers)
}

// sweepDeleted deletes what deletions of earlier runs left.
func (m *Manager) sweepDeleted(d *logDirectory) {
	for _, name := range d.contents.Deleted {
		if strings.HasSuffix(name, "-delete") {
			m.removeLater(d.path+"/"+name, m.options.Default.FileDeleteDelayMs)
		}
	}
}
