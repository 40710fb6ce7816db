package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"sort"
	"strconv"
	"strings"

	"ottla/storage/vfs"
)

// The text checkpoints of a log directory.
const (
	recoveryPointFile = "recovery-point-offset-checkpoint"
	startOffsetFile   = "log-start-offset-checkpoint"
	highWatermarkFile = "replication-offset-checkpoint"
	cleanerOffsetFile = "cleaner-offset-checkpoint"
)

var errCorruptCheckpoint = errors.New("checkpoint is corrupt")

func parseInt32(s string) (int32, error) {
	n, err := strconv.ParseInt(s, 10, 32)
	return int32(n), err
}

func parseInt64(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) }

// parseCheckpoint walks over the lines of a text checkpoint: version 0, the number of entries, then one a line. An empty file has none.
func parseCheckpoint(b []byte, entry func(fields []string) error) error {
	if len(b) == 0 {
		return nil
	}
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	if version, err := parseInt32(strings.TrimSpace(lines[0])); err != nil || version != 0 {
		return fmt.Errorf("%w: version %.40q", errCorruptCheckpoint, lines[0])
	}
	if len(lines) < 2 {
		return fmt.Errorf("%w: no count", errCorruptCheckpoint)
	}
	count, err := parseInt32(strings.TrimSpace(lines[1]))
	if err != nil || int(count) != len(lines)-2 {
		return fmt.Errorf("%w: count %.40q before %d entries", errCorruptCheckpoint, lines[1], len(lines)-2)
	}
	for _, line := range lines[2:] {
		if err := entry(strings.Fields(line)); err != nil {
			return fmt.Errorf("%w: line %.80q: %w", errCorruptCheckpoint, line, err)
		}
	}
	return nil
}

// parseOffsets reads an offset checkpoint: topic, partition, offset.
func parseOffsets(b []byte) (map[TopicPartition]int64, error) {
	offsets := map[TopicPartition]int64{}
	err := parseCheckpoint(b, func(fields []string) error {
		if len(fields) != 3 {
			return fmt.Errorf("%d fields", len(fields))
		}
		partition, err := parseInt32(fields[1])
		if err != nil {
			return err
		}
		offset, err := parseInt64(fields[2])
		if err != nil {
			return err
		}
		offsets[TopicPartition{fields[0], partition}] = offset
		return nil
	})
	return offsets, err
}

func encodeOffsets(offsets map[TopicPartition]int64) []byte {
	list := make([]TopicPartition, 0, len(offsets))
	for tp := range offsets {
		list = append(list, tp)
	}
	sort.Slice(list, func(i, j int) bool {
		if list[i].Topic != list[j].Topic {
			return list[i].Topic < list[j].Topic
		}
		return list[i].Partition < list[j].Partition
	})
	b := fmt.Appendf(nil, "0\n%d\n", len(list))
	for _, tp := range list {
		b = fmt.Appendf(b, "%s %d %d\n", tp.Topic, tp.Partition, offsets[tp])
	}
	return b
}

// readOffsets reads an offset checkpoint of a directory; a missing one is empty.
func readOffsets(fsys vfs.FS, dir, name string) (map[TopicPartition]int64, error) {
	b, err := readFile(fsys, dir+"/"+name)
	if errors.Is(err, fs.ErrNotExist) {
		return map[TopicPartition]int64{}, nil
	}
	if err != nil {
		return nil, err
	}
	return parseOffsets(b)
}
