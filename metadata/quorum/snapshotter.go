package quorum

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"sync"
	"time"

	"ottla/metadata"
)

// cleanInterval is how often retention looks, at most.
const cleanInterval = time.Minute

// snapshotter writes snapshots and deletes what they make superfluous. mu guards due, last and cleaned; the rest belongs to its goroutine.
type snapshotter struct {
	q    *Quorum
	wake chan struct{}

	mu      sync.Mutex
	due     *dueSnapshot // to be written; nil: none
	last    time.Time    // when the last one was due
	cleaned time.Time    // when retention looked last

	known map[snapshotID]snapshotContent // the whole ones on disk
}

// dueSnapshot is an image to be written, and when the last record in it was.
type dueSnapshot struct {
	image     *metadata.Image
	timestamp int64
}

func (s *snapshotter) init(q *Quorum, found *Inspection) {
	s.q, s.wake, s.known = q, make(chan struct{}, 1), found.snapshotTimes
	s.last, s.cleaned = q.options.Now(), q.options.Now()
}

// Snapshot tells that everything up to image.Offset() has been published and that the image may be written as a snapshot when one is due.
// The caller calls it after each commit; the call is cheap. An image that ends elsewhere than an Append did is not written.
func (q *Quorum) Snapshot(image *metadata.Image) {
	q.mu.Lock()
	at := slices.IndexFunc(q.marks, func(m mark) bool { return m.last >= image.Offset() })
	if at < 0 {
		q.marks = nil
	} else {
		q.marks = q.marks[at:]
	}
	aligned := at >= 0 && q.marks[0].last == image.Offset() && image.Offset() < q.committed
	var timestamp int64
	if aligned {
		timestamp = q.marks[0].timestamp
	}
	bytes := q.bytes
	q.mu.Unlock()
	if aligned {
		q.snapshots.offer(dueSnapshot{image, timestamp}, bytes)
	}
}

// offer takes an image if a snapshot is due, and looks after retention.
func (s *snapshotter) offer(offered dueSnapshot, bytes int64) {
	o := &s.q.options
	now := o.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	old := o.SnapshotInterval > 0 && now.Sub(s.last) >= o.SnapshotInterval && bytes > 0
	if bytes < o.SnapshotBytes && !old {
		if now.Sub(s.cleaned) >= cleanInterval {
			s.cleaned = now
			s.signal()
		}
		return
	}
	s.q.mu.Lock()
	s.q.bytes = 0
	s.q.mu.Unlock()
	s.due, s.last, s.cleaned = &offered, now, now
	s.signal()
}

func (s *snapshotter) signal() {
	select {
	case s.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// run is the goroutine that writes snapshots. One that is due when the Quorum closes is not written.
func (s *snapshotter) run() {
	defer s.q.done.Done()
	for {
		select {
		case <-s.wake:
			s.work()
		case <-s.q.closing:
			return
		}
	}
}

// work writes the snapshot that is due and deletes what is too much. A failure is told and tried again with the next one: the log has
// everything.
func (s *snapshotter) work() {
	s.mu.Lock()
	due := s.due
	s.due = nil
	s.mu.Unlock()
	if due != nil {
		if err := s.write(due); err != nil {
			s.q.options.Events(Event{Text: "a snapshot could not be written", Err: err})
		}
	}
	if err := s.clean(); err != nil {
		s.q.options.Events(Event{Text: "old snapshots and segments could not be deleted", Err: err})
	}
}

func (s *snapshotter) write(due *dueSnapshot) error {
	q := s.q
	id := snapshotID{due.image.Offset() + 1, due.image.Epoch()}
	if _, ok := s.known[id]; ok {
		return nil
	}
	level := due.image.MetadataVersion()
	head := snapshotHead{
		timestamp: due.timestamp, now: q.options.Now().UnixMilli(), epoch: id.epoch, kraftVersion: q.kraftVersion, voters: q.voters,
	}
	size, err := writeSnapshot(q.options.FS, q.dir, id.name(), head, due.image.Records(level), level)
	if err != nil {
		return err
	}
	s.known[id] = snapshotContent{timestamp: due.timestamp, bytes: size}
	q.options.Events(Event{Text: fmt.Sprintf("wrote snapshot %s of %d bytes", id.name(), size)})
	return nil
}

// clean deletes snapshots, and the log before the oldest that stays, while all of it is larger or the oldest snapshot older than allowed.
// The newest snapshot always stays.
func (s *snapshotter) clean() error {
	ids := slices.SortedFunc(maps.Keys(s.known), snapshotID.compare)
	for len(ids) > 1 {
		reason, err := s.tooMuch(ids[0])
		if err != nil || reason == "" {
			return err
		}
		if err := s.deleteBefore(ids[1]); err != nil {
			return err
		}
		if err := s.q.options.FS.Remove(path.Join(s.q.dir, ids[0].name())); err != nil {
			return fmt.Errorf("delete snapshot %s: %w", ids[0].name(), err)
		}
		if err := s.q.options.FS.SyncDir(s.q.dir); err != nil {
			return fmt.Errorf("sync %s: %w", s.q.dir, err)
		}
		delete(s.known, ids[0])
		s.q.options.Events(Event{Text: fmt.Sprintf("deleted snapshot %s: %s", ids[0].name(), reason)})
		ids = ids[1:]
	}
	return nil
}

// tooMuch says why the oldest snapshot is to go; "" if it may stay.
func (s *snapshotter) tooMuch(oldest snapshotID) (reason string, err error) {
	o := &s.q.options
	if age := o.Now().Sub(time.UnixMilli(s.known[oldest].timestamp)); o.RetentionAge >= 0 && age > o.RetentionAge {
		return fmt.Sprintf("its age %s is above %s", age, o.RetentionAge), nil
	}
	if o.RetentionBytes < 0 {
		return "", nil
	}
	size, err := s.q.log.Size()
	if err != nil {
		return "", fmt.Errorf("size of the metadata log: %w", err)
	}
	for _, content := range s.known {
		size += content.bytes
	}
	if size > o.RetentionBytes {
		return fmt.Sprintf("log and snapshots have %d bytes, more than %d", size, o.RetentionBytes), nil
	}
	return "", nil
}

// deleteBefore moves the log start offset up to a snapshot's end and deletes the segments wholly before it.
func (s *snapshotter) deleteBefore(id snapshotID) error {
	if s.q.log.StartOffset() >= id.end {
		return nil
	}
	if err := s.q.log.DeleteRecordsBefore(id.end); err != nil {
		return fmt.Errorf("delete the metadata log before offset %d: %w", id.end, err)
	}
	if _, err := s.q.log.DeleteOldSegments(); err != nil {
		return fmt.Errorf("delete the metadata log before offset %d: %w", id.end, err)
	}
	return nil
}
