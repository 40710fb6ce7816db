package quorum

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"

	"ottla/internal/uuid"
	"ottla/metadata"
	"ottla/storage"
)

// Open replays the newest whole snapshot and the log behind it, raises the epoch and commits a LeaderChange. Where the log has no records
// yet it appends those of bootstrap.checkpoint. The directory must be one that Inspect accepts; Open changes nothing if it does not.
func Open(ctx context.Context, options Options) (*Quorum, error) {
	options.fillIn()
	found := options.Found
	if found == nil {
		var err error
		if found, err = Inspect(options.FS, options.Directory, options.NodeID, options.ClusterID); err != nil {
			return nil, err
		}
	}
	if err := found.check(&options); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	q := &Quorum{
		options: options, dir: path.Join(options.Directory, logDirectory), kraftVersion: found.KRaftVersion,
		voters: found.loader.voters.record, level: found.Image.MetadataVersion(),
		changed: make(chan struct{}), wake: make(chan struct{}, 1), closing: make(chan struct{}),
	}
	if err := q.prepareDirectory(found); err != nil {
		return nil, err
	}
	opened, err := q.openLog(found)
	if err != nil {
		return nil, err
	}
	q.log = opened
	if err := q.begin(found, opened); err != nil {
		_ = opened.Close() // the error to tell is the first one
		return nil, err
	}
	q.snapshots.init(q, found)
	q.done.Add(2)
	go q.sync()
	go q.snapshots.run()
	return q, nil
}

// check tells what stands against a start, as long as nothing was changed.
func (i *Inspection) check(options *Options) error {
	if !i.Formatted {
		return fmt.Errorf("%s is not formatted: it has neither %s nor %s", options.Directory, bootstrapName, logDirectory)
	}
	if v := i.loader.voters.record; v != nil && v.Voters[0].VoterDirectoryID != options.DirectoryID {
		return fmt.Errorf("the voter of the metadata quorum has the directory id %s, but %s has %s",
			uuid.String(v.Voters[0].VoterDirectoryID), options.Directory, uuid.String(options.DirectoryID))
	}
	if i.LeaderEpoch == math.MaxInt32 {
		return fmt.Errorf("the leader epoch %d cannot rise", i.LeaderEpoch)
	}
	level := i.Image.MetadataVersion()
	if i.loader.inTransaction && level != 0 && !metadata.TransactionsSupported(level) {
		return fmt.Errorf("the metadata log ends in a transaction, which metadata.version %d does not have", level)
	}
	return nil
}

// prepareDirectory makes the log's directory and removes what is of no more use in it.
func (q *Quorum) prepareDirectory(found *Inspection) error {
	if found.directoryMissing {
		if err := makeLogDirectory(q.options.FS, q.options.Directory); err != nil {
			return fmt.Errorf("make %s: %w", q.dir, err)
		}
	}
	for _, name := range found.contents.leftover {
		if err := q.options.FS.Remove(path.Join(q.dir, name)); err != nil {
			return fmt.Errorf("remove %s, which is of no more use: %w", path.Join(q.dir, name), err)
		}
	}
	for _, id := range found.damaged {
		name := path.Join(q.dir, id.name())
		q.options.Events(Event{Text: "snapshot " + name + " is not whole and is set aside"})
		if err := q.options.FS.Rename(name, path.Join(q.dir, id.name()+".deleted")); err != nil {
			return fmt.Errorf("set aside %s: %w", name, err)
		}
	}
	for _, base := range found.stale {
		for _, suffix := range []string{".index", ".timeindex", ".txnindex", ".snapshot", ".log"} {
			name := path.Join(q.dir, fmt.Sprintf("%020d%s", base, suffix))
			if err := q.options.FS.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("remove %s, which a snapshot replaces: %w", name, err)
			}
		}
	}
	if len(found.contents.leftover)+len(found.damaged)+len(found.stale) == 0 {
		return nil
	}
	return q.options.FS.SyncDir(q.dir)
}

// openLog opens the log and holds it against what Inspect found.
func (q *Quorum) openLog(found *Inspection) (*storage.Log, error) {
	o := &q.options
	config := storage.DefaultLogConfig()
	config.SegmentBytes, config.SegmentMs = o.SegmentBytes, o.SegmentAge.Milliseconds()
	config.RetentionBytes, config.RetentionMs, config.FileDeleteDelayMs = -1, -1, 0
	config.MaxMessageBytes, config.SegmentIndexBytes = o.MaxBatchBytes, o.indexBytes
	log, err := storage.OpenLog(storage.LogOptions{
		FS: o.FS, Directory: q.dir, TopicPartition: storage.TopicPartition{Topic: topicName}, TopicID: uuid.MetadataTopic,
		RecoveryPoint: found.logEnd, // every batch before it was read
		Config:        config, Manager: &storage.Options{FS: o.FS, NodeID: o.NodeID, Now: o.Now, NoBackground: true},
	})
	if err != nil {
		return nil, fmt.Errorf("open the metadata log: %w", err)
	}
	if found.TornTailBytes > 0 {
		o.Events(Event{Text: fmt.Sprintf("the metadata log ended in %d bytes that are no whole batch; it was cut to offset %d",
			found.TornTailBytes, found.LogEndOffset)})
	}
	if found.logEnd < found.LogEndOffset && log.EndOffset() == found.logEnd {
		err = log.TruncateFullyAndStartAt(found.LogEndOffset)
	}
	if err == nil && log.EndOffset() != found.LogEndOffset {
		err = fmt.Errorf("it ends at offset %d, but its batches at %d", log.EndOffset(), found.LogEndOffset)
	}
	if err != nil {
		_ = log.Close() // the error to tell is the first one
		return nil, fmt.Errorf("open the metadata log: %w", err)
	}
	return log, nil
}

// begin starts the epoch of this process: quorum-state, then the LeaderChange, then what an empty or a half written log lacks; all synced.
func (q *Quorum) begin(found *Inspection, log *storage.Log) error {
	q.end, q.bytes = log.EndOffset(), found.bytesBehind
	found.loader.delta = metadata.NewDelta(found.Image) // what is there is published already
	q.epoch = found.LeaderEpoch
	if latest, ok := log.LatestEpoch(); ok {
		q.epoch = max(q.epoch, latest)
	}
	q.epoch++
	state := electionState{version: q.kraftVersion, leaderID: q.options.NodeID, leaderEpoch: q.epoch, votedID: -1}
	if q.kraftVersion == 0 {
		state.voters = []int32{q.options.NodeID}
	}
	if err := writeState(q.options.FS, q.dir, state); err != nil {
		return err
	}
	if err := log.SetLeaderEpoch(q.epoch); err != nil {
		return fmt.Errorf("begin epoch %d of the metadata log: %w", q.epoch, err)
	}
	now := q.options.Now().UnixMilli()
	batch := controlBatch(q.end, q.epoch, now, q.startOfEpoch(found)...)
	if err := q.writeBatch(batch); err != nil {
		return err
	}
	q.appended(batch.NextOffset(), now, len(batch))
	if err := q.complete(found); err != nil {
		return err
	}
	q.commit()
	if err := q.failed(); err != nil {
		return err
	}
	q.image = found.loader.delta.Apply(q.end-1, q.epoch)
	return metadata.CheckFeatures(q.image)
}

// startOfEpoch are the control records that open an epoch. With kraft.version 1 the voters stand beside the LeaderChange when the log does
// not have them yet, or has them with other endpoints.
func (q *Quorum) startOfEpoch(found *Inspection) []control {
	change := &metadata.LeaderChangeMessage{
		LeaderID:       q.options.NodeID,
		Voters:         []metadata.LeaderChangeMessageVoter{{VoterID: q.options.NodeID}},
		GrantingVoters: []metadata.LeaderChangeMessageVoter{{VoterID: q.options.NodeID}},
	}
	controls := []control{{kind: controlLeaderChange, body: change}}
	if q.kraftVersion == 0 {
		return controls
	}
	now := votersRecord(q.options.NodeID, q.options.DirectoryID, q.options.Endpoints)
	if found.loader.voters.inLog && slices.Equal(now.AppendTo(nil, 0), q.voters.AppendTo(nil, 0)) {
		return controls
	}
	q.voters = now
	return append(controls,
		control{kind: controlKRaftVersion, body: &metadata.KRaftVersionRecord{KRaftVersion: q.kraftVersion}},
		control{kind: controlKRaftVoters, body: now})
}

// complete aborts a transaction that the last process left open, and appends the bootstrap records to a log that has no metadata.version.
func (q *Quorum) complete(found *Inspection) error {
	var records []metadata.Record
	if found.loader.inTransaction {
		reason := "Controller failover"
		records = append(records, &metadata.AbortTransactionRecord{Reason: &reason})
	}
	if found.Image.MetadataVersion() == 0 {
		records = append(records, q.bootstrapRecords(found)...)
	}
	if len(records) == 0 {
		return nil
	}
	if _, _, err := q.append(records); err != nil {
		return err
	}
	for _, r := range records {
		if err := found.loader.replay(r); err != nil {
			return fmt.Errorf("begin epoch %d of the metadata log: %w", q.epoch, err)
		}
	}
	return nil
}

// bootstrapRecords are the first records of a log, in a transaction where their level has them. With eligible leader replicas the default of
// min.insync.replicas stands in the log, as Kafka writes it.
func (q *Quorum) bootstrapRecords(found *Inspection) []metadata.Record {
	bootstrap := found.bootstrap
	if bootstrap == nil {
		bootstrap = FreshRecords()
	}
	level, elr := int16(0), false
	for _, r := range bootstrap {
		if f, ok := r.(*metadata.FeatureLevelRecord); ok && f.Name == metadata.FeatureMetadataVersion {
			level = f.FeatureLevel
		} else if ok && f.Name == metadata.FeatureEligibleLeaderReplicas {
			elr = f.FeatureLevel > 0
		}
	}
	records := slices.Clone(bootstrap)
	if elr {
		value := strconv.Itoa(q.options.MinInSyncReplicas)
		records = append(records, &metadata.ConfigRecord{ResourceType: metadata.ResourceBroker, Name: "min.insync.replicas", Value: &value})
	}
	if !metadata.TransactionsSupported(level) {
		return records
	}
	q.level = level
	name := "Bootstrap records"
	return append(append([]metadata.Record{&metadata.BeginTransactionRecord{Name: &name}}, records...), &metadata.EndTransactionRecord{})
}
