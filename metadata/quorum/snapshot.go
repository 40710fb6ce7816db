package quorum

import (
	"errors"
	"fmt"
	"io"
	"path"

	"ottla/metadata"
	"ottla/protocol/record"
	"ottla/storage/vfs"
)

// errDamaged tells that a snapshot is not whole: it has no header or footer, or not only batches. An older one may serve instead.
var errDamaged = errors.New("damaged snapshot")

// snapshotContent is what a snapshot file holds, besides the records that go to a loader.
type snapshotContent struct {
	timestamp int64 // of the last batch of the log that it contains
	bytes     int64
}

// readSnapshot gives the records of a snapshot file, in order, and its control records but header and footer.
func readSnapshot(fsys vfs.FS, name string, onControl func(offset int64, kind int16, body []byte) error,
	onRecord func(offset int64, r metadata.Record) error) (snapshotContent, error) {
	var content snapshotContent
	file, err := fsys.Open(name)
	if err != nil {
		return content, fmt.Errorf("open snapshot %s: %w", name, err)
	}
	defer file.Close()
	reader, err := newBatchReader(file)
	if err != nil {
		return content, fmt.Errorf("read snapshot %s: %w", name, err)
	}
	content.bytes = reader.size
	s := snapshotReader{content: &content, onControl: onControl, onRecord: onRecord}
	for {
		batch, err := reader.next()
		if err == io.EOF {
			break
		}
		if errors.Is(err, errTorn) {
			err = fmt.Errorf("%w: %v", errDamaged, err)
		}
		if err == nil {
			err = s.batch(batch)
		}
		if err != nil {
			return content, fmt.Errorf("read snapshot %s: %w", name, err)
		}
	}
	if !s.footer {
		return content, fmt.Errorf("read snapshot %s: %w: it has no footer", name, errDamaged)
	}
	return content, nil
}

// snapshotReader holds the batches of a snapshot against what one is made of.
type snapshotReader struct {
	content        *snapshotContent
	onControl      func(offset int64, kind int16, body []byte) error
	onRecord       func(offset int64, r metadata.Record) error
	header, footer bool
	nextOffset     int64
}

func (s *snapshotReader) batch(batch record.Batch) error {
	if batch.BaseOffset() != s.nextOffset {
		return fmt.Errorf("%w: offset %d follows %d", errDamaged, batch.BaseOffset(), s.nextOffset-1)
	}
	if s.footer {
		return fmt.Errorf("%w: a batch behind the footer", errDamaged)
	}
	if !s.header && !batch.IsControl() {
		return fmt.Errorf("%w: it has no header", errDamaged)
	}
	s.nextOffset = batch.NextOffset()
	return forEach(batch, s.control, s.record)
}

func (s *snapshotReader) record(offset int64, r metadata.Record) error {
	switch r.(type) {
	case *metadata.BeginTransactionRecord, *metadata.EndTransactionRecord, *metadata.AbortTransactionRecord:
		return errors.New("a snapshot has no transactions")
	}
	return s.onRecord(offset, r)
}

func (s *snapshotReader) control(offset int64, kind int16, body []byte) error {
	switch kind {
	case controlSnapshotHeader:
		var r metadata.SnapshotHeaderRecord
		if err := r.ReadFrom(body, bodyVersion(body)); err != nil {
			return err
		}
		if s.header {
			return fmt.Errorf("%w: a second header", errDamaged)
		}
		s.header, s.content.timestamp = true, r.LastContainedLogTimestamp
		return nil
	case controlSnapshotFooter:
		var r metadata.SnapshotFooterRecord
		s.footer = true
		return r.ReadFrom(body, bodyVersion(body))
	}
	if !s.header {
		return fmt.Errorf("%w: it has no header", errDamaged)
	}
	return s.onControl(offset, kind, body)
}

// snapshotHead is what a snapshot says before its records.
type snapshotHead struct {
	timestamp    int64 // of the last batch of the log that it contains
	now          int64 // of its batches
	epoch        int32
	kraftVersion int16
	voters       *metadata.VotersRecord // with kraft.version 1
}

// encodeSnapshot gives the batches of a snapshot to write, one after the other. Records are written at the versions of level, and no batch
// is much larger than maxBatch.
func encodeSnapshot(head snapshotHead, records []metadata.Record, level int16, maxBatch int, write func(record.Batch) error) error {
	controls := []control{{kind: controlSnapshotHeader, body: &metadata.SnapshotHeaderRecord{LastContainedLogTimestamp: head.timestamp}}}
	if head.kraftVersion >= 1 {
		controls = append(controls, control{kind: controlKRaftVersion, body: &metadata.KRaftVersionRecord{KRaftVersion: head.kraftVersion}})
		if head.voters != nil {
			controls = append(controls, control{kind: controlKRaftVoters, body: head.voters})
		}
	}
	if err := write(controlBatch(0, head.epoch, head.now, controls...)); err != nil {
		return err
	}
	offset := int64(len(controls))
	values, _, err := encodeRecords(records, level)
	if err != nil {
		return err
	}
	for _, group := range splitValues(values, maxBatch) {
		if err := write(dataBatch(offset, head.epoch, head.now, group)); err != nil {
			return err
		}
		offset += int64(len(group))
	}
	return write(controlBatch(offset, head.epoch, head.now, control{kind: controlSnapshotFooter, body: &metadata.SnapshotFooterRecord{}}))
}

// encodeRecords encodes records at the versions of a level, which a record of metadata.version among them changes for those behind it.
func encodeRecords(records []metadata.Record, level int16) (values [][]byte, newLevel int16, err error) {
	for _, r := range records {
		if f, ok := r.(*metadata.FeatureLevelRecord); ok && f.Name == metadata.FeatureMetadataVersion {
			level = f.FeatureLevel
		}
		version, err := metadata.RecordVersion(r, level)
		if err != nil {
			return nil, level, err
		}
		values = append(values, metadata.EncodeRecord(nil, r, version))
	}
	return values, level, nil
}

// recordOverhead bounds what a batch adds to a value: lengths, attributes, deltas, a null key and no headers.
const recordOverhead = 20

// splitValues cuts values into runs that each fit into a batch of maxBatch bytes; a value that is larger is alone.
func splitValues(values [][]byte, maxBatch int) [][][]byte {
	var groups [][][]byte
	start, size := 0, smallestBatch
	for i, value := range values {
		n := len(value) + recordOverhead
		if i > start && size+n > maxBatch {
			groups = append(groups, values[start:i])
			start, size = i, smallestBatch
		}
		size += n
	}
	if start < len(values) {
		groups = append(groups, values[start:])
	}
	return groups
}

// snapshotBatchBytes is how large the batches of a snapshot become.
const snapshotBatchBytes = 1 << 20

// writeSnapshot makes a snapshot file durable under its name and returns its size. Until it is whole it has another name, which the next
// start removes.
func writeSnapshot(fsys vfs.FS, dir, name string, head snapshotHead, records []metadata.Record, level int16) (int64, error) {
	partial := path.Join(dir, name+".part")
	file, err := fsys.Create(partial)
	if err != nil {
		return 0, fmt.Errorf("create %s: %w", partial, err)
	}
	size := int64(0)
	err = encodeSnapshot(head, records, level, snapshotBatchBytes, func(batch record.Batch) error {
		_, err := file.WriteAt(batch, size)
		size += int64(len(batch))
		return err
	})
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", partial, err)
	}
	if err := fsys.Rename(partial, path.Join(dir, name)); err != nil {
		return 0, fmt.Errorf("rename %s: %w", partial, err)
	}
	if err := fsys.SyncDir(dir); err != nil {
		return 0, fmt.Errorf("sync %s: %w", dir, err)
	}
	return size, nil
}
