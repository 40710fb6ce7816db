package storage

import "context"

// Manager owns all logs of all log directories, and what happens in the background.
type Manager struct{}

// Open takes the lock of each directory, loads every log in parallel (with recovery where the last stop was not clean) and starts the
// scheduler. The directories must be formatted. A log that cannot be loaded is offline (Failed); a directory that cannot be read is too.
// It fails when no directory is left, one is locked by another process, or one holds what is not a log.
func Open(ctx context.Context, options Options) (*Manager, error) { panic("BUG: not yet") }

// Log finds a log.
func (m *Manager) Log(tp TopicPartition) (*Log, bool) { panic("BUG: not yet") }

// Failed gives the reason why a log could not be loaded, nil if that is not so.
func (m *Manager) Failed(tp TopicPartition) error { panic("BUG: not yet") }

// Logs lists all logs, by name.
func (m *Manager) Logs() []*Log { panic("BUG: not yet") }

// Create makes a log in the directory with the fewest. ErrExists (with the log) if it is there.
func (m *Manager) Create(tp TopicPartition, topicID [16]byte, config LogConfig) (*Log, error) {
	panic("BUG: not yet")
}

// Delete renames the log's directory so that the name is free at once; the files go after file.delete.delay.ms. ErrNotFound.
func (m *Manager) Delete(tp TopicPartition) error { panic("BUG: not yet") }

// Stray renames the log's directory to -stray and forgets it: the metadata does not know it. Its files are never deleted.
func (m *Manager) Stray(tp TopicPartition) error { panic("BUG: not yet") }

// SetConfig puts a configuration in force for all logs of a topic.
func (m *Manager) SetConfig(topic string, config LogConfig) { panic("BUG: not yet") }

// SetDefault changes the configuration of topics that have none of their own at creation.
func (m *Manager) SetDefault(config LogConfig) { panic("BUG: not yet") }

// CleanShutdownEpoch is the broker epoch in the clean marker of the previous run (of the first directory), −1 if the last stop was not
// clean or wrote none.
func (m *Manager) CleanShutdownEpoch() int64 { panic("BUG: not yet") }

// DirectoryID is the directory.id of the log directory that holds the log; zero if there is no such log.
func (m *Manager) DirectoryID(tp TopicPartition) [16]byte { panic("BUG: not yet") }

// DirectoryIDs lists the id of each live directory.
func (m *Manager) DirectoryIDs() [][16]byte { panic("BUG: not yet") }

// OfflineDirectories lists the log directories that failed, and why.
func (m *Manager) OfflineDirectories() map[string]error { panic("BUG: not yet") }

// LiveDirectories lists the log directories in use.
func (m *Manager) LiveDirectories() []string { panic("BUG: not yet") }

// Checkpoint writes the four checkpoints of every directory now.
func (m *Manager) Checkpoint() error { panic("BUG: not yet") }

// Close is a clean stop: the scheduler ends first, then every log is flushed and closed, the checkpoints and the clean marker are
// written, and the locks go. A directory that failed gets no marker. The context bounds the wait for background work.
func (m *Manager) Close(ctx context.Context) error { panic("BUG: not yet") }
