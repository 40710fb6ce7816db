package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"slices"
	"sort"
)

const (
	snapshotVersion    = 1
	snapshotHeader     = 10 // version, CRC, count
	snapshotCRCFrom    = 6
	snapshotEntry      = 46
	snapshotSuffix     = ".snapshot"
	snapshotEntryLimit = 1 << 24
)

var errCorruptSnapshot = errors.New("producer snapshot is corrupt")

// encodeSnapshot is the content of a .snapshot file. Producers stand in the order in which Java's HashMap walks them, which is Kafka's.
func encodeSnapshot(byID map[int64]*producer, table *crc32.Table) []byte {
	ids := make([]int64, 0, len(byID))
	for id := range byID {
		ids = append(ids, id)
	}
	buckets := uint32(16)
	for uint32(len(ids)) > buckets/4*3 {
		buckets *= 2
	}
	bucket := func(id int64) uint32 {
		hash := uint32(uint64(id) ^ uint64(id)>>32)
		return (hash ^ hash>>16) & (buckets - 1)
	}
	sort.Slice(ids, func(i, j int) bool {
		if a, b := bucket(ids[i]), bucket(ids[j]); a != b {
			return a < b
		}
		return ids[i] < ids[j]
	})
	b := make([]byte, snapshotHeader, snapshotHeader+len(ids)*snapshotEntry)
	binary.BigEndian.PutUint16(b, snapshotVersion)
	binary.BigEndian.PutUint32(b[6:], uint32(len(ids)))
	for _, id := range ids {
		p := byID[id]
		var delta int32
		if last := p.last(); last != nil {
			delta = last.offsetDelta
		}
		b = binary.BigEndian.AppendUint64(b, uint64(id))
		b = binary.BigEndian.AppendUint16(b, uint16(p.epoch))
		b = binary.BigEndian.AppendUint32(b, uint32(p.lastSequence()))
		b = binary.BigEndian.AppendUint64(b, uint64(p.lastOffset()))
		b = binary.BigEndian.AppendUint32(b, uint32(delta))
		b = binary.BigEndian.AppendUint64(b, uint64(p.lastTimestamp))
		b = binary.BigEndian.AppendUint32(b, uint32(p.coordinatorEpoch))
		b = binary.BigEndian.AppendUint64(b, uint64(p.txnFirstOffset))
	}
	binary.BigEndian.PutUint32(b[2:], crc32.Checksum(b[snapshotCRCFrom:], table))
	return b
}

// decodeSnapshot reads a .snapshot file.
func decodeSnapshot(b []byte, table *crc32.Table) (map[int64]*producer, error) {
	if len(b) < snapshotHeader {
		return nil, fmt.Errorf("%w: %d bytes", errCorruptSnapshot, len(b))
	}
	if version := int16(binary.BigEndian.Uint16(b)); version != snapshotVersion {
		return nil, fmt.Errorf("%w: version %d", errCorruptSnapshot, version)
	}
	if crc := crc32.Checksum(b[snapshotCRCFrom:], table); crc != binary.BigEndian.Uint32(b[2:]) {
		return nil, fmt.Errorf("%w: wrong CRC", errCorruptSnapshot)
	}
	count := int32(binary.BigEndian.Uint32(b[6:]))
	if b = b[snapshotHeader:]; count < 0 || count > snapshotEntryLimit || len(b) != int(count)*snapshotEntry {
		return nil, fmt.Errorf("%w: %d producers in %d bytes", errCorruptSnapshot, count, len(b))
	}
	byID := make(map[int64]*producer, count)
	for ; len(b) > 0; b = b[snapshotEntry:] {
		p := emptyProducer()
		p.epoch = int16(binary.BigEndian.Uint16(b[8:]))
		p.lastTimestamp = int64(binary.BigEndian.Uint64(b[26:]))
		p.coordinatorEpoch = int32(binary.BigEndian.Uint32(b[34:]))
		p.txnFirstOffset = max(int64(binary.BigEndian.Uint64(b[38:])), -1)
		last := producerBatch{
			lastSequence: int32(binary.BigEndian.Uint32(b[10:])), lastOffset: int64(binary.BigEndian.Uint64(b[14:])),
			offsetDelta: int32(binary.BigEndian.Uint32(b[22:])), timestamp: p.lastTimestamp,
		}
		if last.lastOffset >= 0 {
			p.push(last)
		}
		byID[int64(binary.BigEndian.Uint64(b))] = &p
	}
	return byID, nil
}

func (l *Log) snapshotPath(offset int64) string {
	return fmt.Sprintf("%s/%020d%s", l.path, offset, snapshotSuffix)
}

// takeSnapshot writes a snapshot of the producers as of mapEnd, if anything was appended since the last one.
func (l *Log) takeSnapshot(s *producers, sync bool) error {
	if s.mapEnd <= s.lastSnapshot {
		return nil
	}
	if err := writeFile(l.engine.fs, l.snapshotPath(s.mapEnd), encodeSnapshot(s.byID, l.engine.crc), sync); err != nil {
		removeFile(l.engine.fs, l.snapshotPath(s.mapEnd))
		return fmt.Errorf("write producer snapshot %d of %s: %w", s.mapEnd, l.tp, err)
	}
	s.lastSnapshot = s.mapEnd
	if i, found := slices.BinarySearch(s.snapshots, s.mapEnd); !found {
		s.snapshots = slices.Insert(s.snapshots, i, s.mapEnd)
	}
	return nil
}

// removeSnapshot deletes the snapshot at an offset, if there is one.
func (l *Log) removeSnapshot(s *producers, offset int64) error {
	i, found := slices.BinarySearch(s.snapshots, offset)
	if !found {
		return nil
	}
	s.snapshots = slices.Delete(s.snapshots, i, i+1)
	return removeFile(l.engine.fs, l.snapshotPath(offset))
}

// removeStraySnapshots deletes those that are not at the base offset of a segment, but keeps the newest of them if it is above all
// segments: that is the one of the last stop.
func (l *Log) removeStraySnapshots(s *producers, bases []int64) error {
	newest := int64(-1)
	for _, offset := range slices.Clone(s.snapshots) {
		if _, found := slices.BinarySearch(bases, offset); found {
			continue
		}
		if newest >= 0 {
			if err := l.removeSnapshot(s, newest); err != nil {
				return err
			}
		}
		newest = offset
	}
	if newest >= 0 && len(bases) > 0 && newest < bases[len(bases)-1] {
		return l.removeSnapshot(s, newest)
	}
	return nil
}

// loadSnapshot replaces the producers by the newest readable snapshot at or below end; unreadable ones and those beyond end are deleted.
// Without any the state is empty as of start, the base of the first segment. (Kafka also drops snapshots at or below the log start
// offset, and with them what it knew of producers whose records were deleted.)
func (l *Log) loadSnapshot(s *producers, start, end int64) error {
	for _, offset := range slices.Clone(s.snapshots) {
		if offset > end {
			if err := l.removeSnapshot(s, offset); err != nil {
				return err
			}
		}
	}
	s.clear()
	for len(s.snapshots) > 0 {
		offset := s.snapshots[len(s.snapshots)-1]
		byID, err := l.readSnapshot(offset)
		if err == nil {
			s.byID = byID
			s.mapEnd, s.lastSnapshot = offset, offset
			return nil
		}
		if !errors.Is(err, errCorruptSnapshot) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		l.emit(Event{Kind: EventSnapshotDiscarded, Offset: offset, Err: err})
		if err := l.removeSnapshot(s, offset); err != nil {
			return err
		}
	}
	s.mapEnd, s.lastSnapshot = start, start
	return nil
}

func (l *Log) readSnapshot(offset int64) (map[int64]*producer, error) {
	b, err := readFile(l.engine.fs, l.snapshotPath(offset))
	if err != nil {
		return nil, err
	}
	byID, err := decodeSnapshot(b, l.engine.crc)
	if err != nil {
		return nil, err
	}
	now := l.engine.nowMs()
	for id, p := range byID {
		if expired(p, now, l.engine.producerExpirationMs.Load()) {
			delete(byID, id)
		}
	}
	return byID, nil
}

// openTransactions fills ongoing from the producers of a snapshot.
func (s *producers) openTransactions() {
	s.ongoing = nil
	for id, p := range s.byID {
		if p.txnFirstOffset >= 0 {
			s.begin(transaction{firstOffset: p.txnFirstOffset, producerID: id, lastOffset: -1})
		}
	}
}

// forget takes a snapshot off the list; found is false if it was not there.
func (s *producers) forget(offset int64) (found bool) {
	i, found := slices.BinarySearch(s.snapshots, offset)
	if found {
		s.snapshots = slices.Delete(s.snapshots, i, i+1)
	}
	return found
}
