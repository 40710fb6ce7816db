package cli

import "ottla/protocol/record"

// entry is what stands at a position of a segment: a record batch or, in an old one, a message of magic 0 or 1. It may
// be none of both.
type entry struct {
	batch record.Batch
	old   record.Legacy
}

// parseEntry takes exactly one whole entry.
func parseEntry(b []byte) (entry, error) {
	batch, _, err := record.Next(b)
	if err == record.ErrLegacy {
		old, _, err := record.NextLegacy(b)
		return entry{old: old}, err
	}
	return entry{batch: batch}, err
}

func (e entry) none() bool { return e.batch == nil && e.old == nil }

func (e entry) size() int64 { return int64(len(e.batch) + len(e.old)) }

func (e entry) lastOffset() int64 {
	if e.old != nil {
		return e.old.Offset()
	}
	return e.batch.LastOffset()
}

// latest is the greatest timestamp of the records.
func (e entry) latest() (int64, error) {
	latest := record.NoTimestamp
	if e.old != nil {
		for r, err := range e.old.Records(record.Limits{}) {
			if err != nil {
				return latest, err
			}
			latest = max(latest, r.Timestamp)
		}
		return latest, nil
	}
	for r, err := range e.batch.Records(record.Limits{}) {
		if err != nil {
			return latest, err
		}
		latest = max(latest, r.Timestamp)
	}
	return latest, nil
}

// printEntry prints an entry and, where it is asked for, its records. It returns the offset of the last record printed.
func (t *dumpTool) printEntry(path string, e entry, position, last int64) (int64, error) {
	if e.old != nil {
		t.printOld(e.old, position)
	} else {
		t.printBatch(e.batch, position)
	}
	switch {
	case !t.set.Has(t.deep) && !t.printing():
		return last, nil
	case e.old != nil:
		return t.printOldRecords(path, e.old, last)
	}
	return t.printRecords(path, e.batch, last)
}

func (t *dumpTool) printOld(m record.Legacy, position int64) {
	t.printf("offset: %d position: %d %s: %d size: %d magic: %d compresscodec: %s crc: %d isvalid: %t\n",
		m.Offset(), position, m.TimestampType(), m.Timestamp(), len(m), m.Magic(), m.Codec().Name(), m.CRC(), m.CheckCRC())
}

// printOldRecords prints a message, or those within a compressed one, and returns the offset of the last.
func (t *dumpTool) printOldRecords(path string, m record.Legacy, last int64) (int64, error) {
	for r, err := range m.Records(record.Limits{}) {
		if err != nil {
			return last, err
		}
		err := t.printRecord(path, &r.Record, last, true, func() {
			t.printf("| offset: %d %s: %d keySize: %d valueSize: %d isValid: %t crc: %d",
				r.Offset, m.TimestampType(), r.Timestamp, sizeOf(r.Key), sizeOf(r.Value), r.Message.CheckCRC(), r.Message.CRC())
		})
		if err != nil {
			return r.Offset, err
		}
		last = r.Offset
	}
	return last, nil
}

// sizeOf is the size of a key or a value; −1: it is null.
func sizeOf(field []byte) int {
	if field == nil {
		return -1
	}
	return len(field)
}
