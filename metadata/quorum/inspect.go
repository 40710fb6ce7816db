package quorum

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"

	"ottla/metadata"
	"ottla/protocol/record"
	"ottla/storage/vfs"
)

// Inspection is what lies in a metadata log directory.
type Inspection struct {
	Formatted     bool // bootstrap.checkpoint or __cluster_metadata-0 is there
	KRaftVersion  int16
	Image         *metadata.Image // everything that is on disk and not in an open transaction
	LeaderEpoch   int32           // the highest that quorum-state or the log tells
	LogEndOffset  int64           // behind the last whole batch, or the snapshot if that is newer
	TornTailBytes int64           // what follows the last whole batch

	contents         contents
	bootstrap        []metadata.Record
	loader           *loader
	snapshot         *snapshotID // the newest whole one; nil: none
	snapshotTimes    map[snapshotID]snapshotContent
	damaged          []snapshotID // snapshots that are not whole
	bytesBehind      int64        // of the log behind the snapshot
	logEnd           int64        // behind the last whole batch of the log
	stale            []int64      // segments, from the first on, between which and the next one something is missing; a snapshot has it
	directoryMissing bool
}

// Inspect reads everything in the metadata log directory without changing a byte. The error names what is not understood: a record, a
// feature level above those of a fresh 4.3 format, a file, another voter.
func Inspect(fsys vfs.FS, directory string, nodeID int32, clusterID string) (*Inspection, error) {
	i := &Inspection{loader: newLoader(nodeID, clusterID), snapshotTimes: make(map[snapshotID]snapshotContent)}
	bootstrap := path.Join(directory, bootstrapName)
	there, err := vfs.Exists(fsys, bootstrap)
	if err != nil {
		return nil, fmt.Errorf("look for %s: %w", bootstrap, err)
	}
	if there {
		i.Formatted = true
		if err := i.readBootstrap(fsys, bootstrap); err != nil {
			return nil, err
		}
	}
	dir := path.Join(directory, logDirectory)
	there, err = vfs.Exists(fsys, dir)
	if err != nil {
		return nil, fmt.Errorf("look for %s: %w", dir, err)
	}
	if i.directoryMissing = !there; there {
		i.Formatted = true
		if err := i.readDirectory(fsys, dir, nodeID); err != nil {
			return nil, err
		}
	}
	i.KRaftVersion = i.loader.kraftVersion
	if i.KRaftVersion >= 1 && i.loader.voters.record == nil {
		return nil, fmt.Errorf("%s has kraft.version %d but no voters", dir, i.KRaftVersion)
	}
	i.LeaderEpoch = max(i.LeaderEpoch, i.loader.epoch)
	i.Image = i.loader.image()
	if err := metadata.CheckFeatures(i.Image); err != nil {
		return nil, err
	}
	return i, nil
}

// readBootstrap reads bootstrap.checkpoint and checks that its records are understood and fit together.
func (i *Inspection) readBootstrap(fsys vfs.FS, name string) error {
	delta := metadata.NewDelta(metadata.NewImage(""))
	_, err := readSnapshot(fsys, name,
		func(int64, int16, []byte) error { return nil },
		func(_ int64, r metadata.Record) error {
			i.bootstrap = append(i.bootstrap, r)
			return delta.Replay(r)
		})
	if err != nil {
		return err
	}
	if err := metadata.CheckFeatures(delta.Apply(0, 0)); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (i *Inspection) readDirectory(fsys vfs.FS, dir string, nodeID int32) error {
	var err error
	if i.contents, err = listDirectory(fsys, dir); err != nil {
		return err
	}
	state, ok, err := readState(fsys, dir)
	if err != nil {
		return err
	}
	if ok {
		i.LeaderEpoch = state.leaderEpoch
		if slices.ContainsFunc(state.voters, func(id int32) bool { return id != nodeID }) {
			return fmt.Errorf("%s has the voters %d: only %d, this node, may be one"+otherVoters, path.Join(dir, stateName), state.voters, nodeID)
		}
	}
	if err := i.readSnapshots(fsys, dir); err != nil {
		return err
	}
	return i.readSegments(fsys, dir)
}

// readSnapshots loads the newest snapshot that is whole, and what the others tell of themselves.
func (i *Inspection) readSnapshots(fsys vfs.FS, dir string) error {
	ignoreControl := func(int64, int16, []byte) error { return nil }
	ignoreRecord := func(int64, metadata.Record) error { return nil }
	for _, id := range slices.Backward(i.contents.snapshots) {
		name := path.Join(dir, id.name())
		if i.snapshot != nil {
			content, err := readSnapshot(fsys, name, ignoreControl, ignoreRecord)
			if err == nil {
				i.snapshotTimes[id] = content
			} else if errors.Is(err, errDamaged) {
				i.damaged = append(i.damaged, id)
			} else {
				return err
			}
			continue
		}
		attempt := newLoader(i.loader.nodeID, i.loader.delta.Image().ClusterID())
		content, err := readSnapshot(fsys, name, attempt.control, func(_ int64, r metadata.Record) error { return attempt.replay(r) })
		if errors.Is(err, errDamaged) {
			i.damaged = append(i.damaged, id)
			continue
		}
		if err != nil {
			return err
		}
		attempt.offset, attempt.epoch, attempt.timestamp = id.end-1, id.epoch, content.timestamp
		attempt.voters.inLog = id.end > 0
		i.loader, i.snapshot, i.snapshotTimes[id] = attempt, &id, content
	}
	if i.snapshot == nil && len(i.damaged) > 0 && (len(i.contents.segments) == 0 || i.contents.segments[0] > 0) {
		return fmt.Errorf("%s has no whole snapshot, and its log does not begin at 0", dir)
	}
	return nil
}

// readSegments replays the log behind the snapshot.
func (i *Inspection) readSegments(fsys vfs.FS, dir string) error {
	i.LogEndOffset = i.loader.offset + 1
	segments := i.contents.segments
	if len(segments) == 0 {
		return nil
	}
	if segments[0] > i.LogEndOffset {
		return fmt.Errorf("the log in %s begins at offset %d, but no snapshot goes up to it", dir, segments[0])
	}
	end, covered := segments[0], i.loader.offset+1
	for at, base := range segments {
		last := at == len(segments)-1
		switch {
		case base == end:
		case base <= covered:
			// A deletion was cut off, and the order in which files went is not theirs. The snapshot has all of it.
			i.stale, i.TornTailBytes, end = segments[:at], 0, base
		case last:
			// The segment before was not synced yet when this one was begun, and lost its end. Nothing here was committed.
			size, err := fsys.Stat(segmentName(dir, base))
			if err != nil {
				return fmt.Errorf("size of segment %d in %s: %w", base, dir, err)
			}
			i.TornTailBytes += size.Size
			continue
		default:
			return fmt.Errorf("the log in %s is damaged: offset %d is followed by segment %d, which is not the last", dir, end, base)
		}
		mayBeTorn := at >= len(segments)-2 || segments[at+1] <= covered
		var err error
		if end, err = i.readSegment(fsys, segmentName(dir, base), base, mayBeTorn); err != nil {
			return err
		}
	}
	i.logEnd = end
	i.LogEndOffset = max(i.LogEndOffset, end)
	return nil
}

func segmentName(dir string, base int64) string {
	return path.Join(dir, fmt.Sprintf("%020d.log", base))
}

// readSegment replays one segment and returns where it ends. If it may be torn it may end in bytes that are not a batch.
func (i *Inspection) readSegment(fsys vfs.FS, name string, base int64, mayBeTorn bool) (end int64, err error) {
	file, err := fsys.Open(name)
	if err != nil {
		return 0, fmt.Errorf("open segment %s: %w", name, err)
	}
	defer file.Close()
	reader, err := newBatchReader(file)
	if err != nil {
		return 0, fmt.Errorf("read segment %s: %w", name, err)
	}
	end = base
	for {
		batch, err := reader.next()
		if err == io.EOF {
			return end, nil
		}
		if errors.Is(err, errTorn) && mayBeTorn {
			i.TornTailBytes = reader.size - reader.position
			return end, nil
		}
		if err == nil {
			err = i.replayBatch(batch, end)
		}
		if err != nil {
			return 0, fmt.Errorf("read segment %s: %w", name, err)
		}
		end = batch.NextOffset()
	}
}

func (i *Inspection) replayBatch(batch record.Batch, want int64) error {
	l := i.loader
	if batch.BaseOffset() != want {
		return fmt.Errorf("offset %d follows %d", batch.BaseOffset(), want-1)
	}
	if batch.NextOffset() <= want {
		return fmt.Errorf("the batch at offset %d ends before it begins", want)
	}
	if batch.NextOffset() <= l.offset+1 {
		return nil // the snapshot has it
	}
	if batch.BaseOffset() != l.offset+1 {
		return fmt.Errorf("the snapshot ends at %d, within the batch at %d", l.offset+1, batch.BaseOffset())
	}
	if batch.PartitionLeaderEpoch() < l.epoch {
		return fmt.Errorf("offset %d has epoch %d, which is lower than %d before it", batch.BaseOffset(), batch.PartitionLeaderEpoch(), l.epoch)
	}
	control := func(offset int64, kind int16, body []byte) error {
		if kind == controlKRaftVoters {
			l.voters.inLog = true
		}
		return l.control(offset, kind, body)
	}
	if err := forEach(batch, control, func(_ int64, r metadata.Record) error { return l.replay(r) }); err != nil {
		return err
	}
	l.offset, l.epoch, l.timestamp = batch.NextOffset()-1, batch.PartitionLeaderEpoch(), batch.MaxTimestamp()
	i.bytesBehind += int64(len(batch))
	return nil
}
