package cli

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ottla/protocol/record"
)

// readFile reads an index or a snapshot whole: they are small.
func readFile(path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, &exception{"java.nio.file.NoSuchFileException", path}
	}
	return content, nil
}

// sibling is the file of the same segment with another ending.
func sibling(path, ending string) string {
	name, _, _ := strings.Cut(filepath.Base(path), ".")
	return filepath.Join(filepath.Dir(path), name+ending)
}

// offsetAt is the i-th entry of an offset index: an offset and the position of a batch that holds it or one before.
func offsetAt(index []byte, i int, base int64) (offset, position int64) {
	entry := index[8*i:]
	return base + int64(int32(binary.BigEndian.Uint32(entry))), int64(int32(binary.BigEndian.Uint32(entry[4:])))
}

func corruptIndex(format string, arguments ...any) error {
	return &exception{"org.apache.kafka.storage.internals.log.CorruptIndexException", fmt.Sprintf(format, arguments...)}
}

// dumpIndex prints an offset index and holds it against its log.
func (t *dumpTool) dumpIndex(path string) error {
	base, err := startOffset(path)
	if err != nil {
		return err
	}
	log, err := openSegment(sibling(path, ".log"))
	if err != nil {
		return err
	}
	defer log.file.Close()
	index, err := readFile(path)
	if err != nil {
		return err
	}
	entries := len(index) / 8
	if entries == 0 {
		t.println(path + " is empty.")
		return nil
	}
	if t.set.Has(t.sanity) {
		return t.checkOffsetIndex(path, index, base)
	}
	absolute, _ := filepath.Abs(path)
	var mismatches []string
	for i := range entries {
		offset, position := offsetAt(index, i, base)
		if offset == base && i > 0 {
			break // the rest was allocated ahead
		}
		batch, err := log.batch(position, min(log.size, position+t.set.Number(t.maxMessage)))
		if err := cmpErrors(err, t.set.Err()); err != nil {
			return err
		}
		if batch.none() {
			return &exception{"java.util.NoSuchElementException", ""}
		}
		if last := batch.lastOffset(); last != offset {
			mismatches = append(mismatches, fmt.Sprintf("  Index offset: %d, log offset: %d", offset, last))
		}
		if !t.set.Has(t.verify) {
			t.printf("offset: %d position: %d\n", offset, position)
		}
	}
	if mismatches != nil {
		slices.Reverse(mismatches)
		t.remarks = append(append(t.remarks, "Mismatches in :"+absolute), mismatches...)
	}
	return nil
}

func (t *dumpTool) checkOffsetIndex(path string, index []byte, base int64) error {
	absolute, _ := filepath.Abs(path)
	if last, _ := offsetAt(index, len(index)/8-1, base); last < base {
		return corruptIndex("Corrupt index found, index file (%s) has non-zero size but the last offset is %d which is less than the base offset %d.", absolute, last, base)
	}
	if len(index)%8 != 0 {
		return corruptIndex("Index file %s is corrupt, found %d bytes which is neither positive nor a multiple of 8.", absolute, len(index))
	}
	t.println(path + " passed sanity check.")
	return nil
}

// timeAt is the i-th entry of a time index.
func timeAt(index []byte, i int, base int64) (timestamp, offset int64) {
	entry := index[12*i:]
	return int64(binary.BigEndian.Uint64(entry)), base + int64(int32(binary.BigEndian.Uint32(entry[8:])))
}

// dumpTimeIndex prints a time index and holds it against its log.
func (t *dumpTool) dumpTimeIndex(path string) error {
	base, err := startOffset(path)
	if err != nil {
		return err
	}
	log, err := openSegment(sibling(path, ".log"))
	if err != nil {
		return err
	}
	defer log.file.Close()
	offsets, err := readFile(sibling(path, ".index"))
	if err != nil {
		return err
	}
	index, err := readFile(path)
	if err != nil {
		return err
	}
	if t.set.Has(t.sanity) {
		return t.checkTimeIndex(path, index, base)
	}
	found := timeErrors{}
	previous := record.NoTimestamp
	for i := range len(index) / 12 {
		timestamp, offset := timeAt(index, i, base)
		if offset == base && i > 0 {
			break
		}
		batch, err := findBatch(log, offsets, base, offset)
		if err != nil {
			return err
		}
		if err := found.compare(batch, timestamp, offset, previous); err != nil {
			return err
		}
		if !t.set.Has(t.verify) {
			t.printf("timestamp: %d offset: %d\n", timestamp, offset)
		}
		previous = timestamp
	}
	absolute, _ := filepath.Abs(path)
	for _, list := range []struct {
		head  string
		lines []string
	}{
		{"Found timestamp mismatch in :", found.mismatches},
		{"Found out of order timestamp in :", found.disordered},
		{"The following indexed offsets are not found in :", found.missing},
	} {
		if list.lines != nil {
			t.remarks = append(append(t.remarks, list.head+absolute), list.lines...)
		}
	}
	return nil
}

// timeErrors are what a time index has wrong.
type timeErrors struct{ mismatches, disordered, missing []string }

// compare holds an entry against the batch that should hold its offset last.
func (e *timeErrors) compare(batch entry, timestamp, offset, previous int64) error {
	if batch.none() || batch.lastOffset() != offset {
		last := int64(-1)
		if !batch.none() {
			last = batch.lastOffset()
		}
		e.missing = append(e.missing, fmt.Sprintf("Indexed offset: %d, found log offset: %d", offset, last))
		return nil
	}
	latest, err := batch.latest()
	if err != nil {
		return err
	}
	if latest != timestamp {
		e.mismatches = append(e.mismatches, fmt.Sprintf("  Index timestamp: %d, log timestamp: %d", timestamp, latest))
	}
	if previous >= timestamp {
		e.disordered = append(e.disordered, fmt.Sprintf("  Index timestamp: %d, Previously indexed timestamp: %d", timestamp, previous))
	}
	return nil
}

// findBatch returns the first batch that ends at an offset or behind it, or none.
func findBatch(log *segment, index []byte, base, offset int64) (entry, error) {
	position := int64(0)
	for i := range len(index) / 8 {
		at, where := offsetAt(index, i, base)
		if at > offset || at == base && i > 0 {
			break
		}
		position = where
	}
	for {
		batch, err := log.batch(position, log.size)
		if err != nil || batch.none() || batch.lastOffset() >= offset {
			return batch, err
		}
		position += batch.size()
	}
}

func (t *dumpTool) checkTimeIndex(path string, index []byte, base int64) error {
	absolute, _ := filepath.Abs(path)
	if entries := len(index) / 12; entries > 0 {
		last, offset := timeAt(index, entries-1, base)
		first, _ := timeAt(index, 0, base)
		if last < first {
			return corruptIndex("Corrupt time index found, time index file (%s) has non-zero size but the last timestamp is %d which is less than the first timestamp %d", absolute, last, first)
		}
		if offset < base {
			return corruptIndex("Corrupt time index found, time index file (%s) has non-zero size but the last offset is %d which is less than the first offset %d", absolute, offset, base)
		}
	}
	if len(index)%12 != 0 {
		return corruptIndex("Time index file %s is corrupt, found %d bytes which is neither positive nor a multiple of 12", absolute, len(index))
	}
	t.println(path + " passed sanity check.")
	return nil
}

// dumpTransactionIndex prints the aborted transactions of a segment: a version (int16) and four int64 each.
func (t *dumpTool) dumpTransactionIndex(path string) error {
	index, err := readFile(path)
	if err != nil {
		return err
	}
	for ; len(index) >= 34; index = index[34:] {
		number := func(at int) int64 { return int64(binary.BigEndian.Uint64(index[at:])) }
		t.printf("version: %d producerId: %d firstOffset: %d lastOffset: %d lastStableOffset: %d\n",
			int16(binary.BigEndian.Uint16(index)), number(2), number(10), number(18), number(26))
	}
	return nil
}

// dumpSnapshot prints the producers of a snapshot: version, checksum of what follows, count, entries of 46 bytes.
func (t *dumpTool) dumpSnapshot(path string) error {
	const head, size = 10, 46
	content, err := readFile(path)
	if err != nil {
		return err
	}
	if len(content) < head || binary.BigEndian.Uint16(content) != 1 {
		t.complain("Snapshot contained an unknown file version, or is cut off: " + path)
		return nil
	}
	if crc32.Checksum(content[6:], crc32.MakeTable(crc32.Castagnoli)) != binary.BigEndian.Uint32(content[2:]) {
		t.complain("Snapshot is corrupt (CRC is no longer valid). Stored crc: " + fmt.Sprint(binary.BigEndian.Uint32(content[2:])) +
			". Computed crc: " + fmt.Sprint(crc32.Checksum(content[6:], crc32.MakeTable(crc32.Castagnoli))))
		return nil
	}
	for entry := content[head:]; len(entry) >= size; entry = entry[size:] {
		long := func(at int) int64 { return int64(binary.BigEndian.Uint64(entry[at:])) }
		number := func(at int) int32 { return int32(binary.BigEndian.Uint32(entry[at:])) }
		last, lastOffset, delta := number(10), long(14), number(22)
		first := "OptionalLong.empty"
		if transaction := long(38); transaction >= 0 {
			first = fmt.Sprintf("OptionalLong[%d]", transaction)
		}
		t.printf("producerId: %d producerEpoch: %d coordinatorEpoch: %d currentTxnFirstOffset: %s lastTimestamp: %d",
			long(0), int16(binary.BigEndian.Uint16(entry[8:])), number(34), first, long(26))
		if lastOffset >= 0 {
			t.printf(" firstSequence: %d lastSequence: %d lastOffset: %d offsetDelta: %d timestamp: %d",
				record.IncrementSequence(last, 0)-delta, last, lastOffset, delta, long(26))
		}
		t.println("")
	}
	return nil
}
