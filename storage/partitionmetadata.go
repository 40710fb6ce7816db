package storage

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"ottla/internal/uuid"
	"ottla/storage/vfs"
)

const partitionMetadataFile = "partition.metadata"

var errBadPartitionMetadata = errors.New("partition.metadata is malformed")

// writePartitionMetadata writes the topic id as Kafka does, without a newline at the end. Its name is durable when the directory is synced.
func writePartitionMetadata(fsys vfs.FS, dir string, id [16]byte) error {
	return renameOver(fsys, dir, partitionMetadataFile, []byte("version: 0\ntopic_id: "+uuid.String(id)))
}

func readPartitionMetadata(fsys vfs.FS, dir string) ([16]byte, error) {
	b, err := readFile(fsys, dir+"/"+partitionMetadataFile)
	if err != nil {
		return [16]byte{}, err
	}
	id, err := parsePartitionMetadata(b)
	if err != nil {
		return id, fmt.Errorf("read %s/%s: %w", dir, partitionMetadataFile, err)
	}
	return id, nil
}

func parsePartitionMetadata(b []byte) (id [16]byte, err error) {
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	if len(lines) < 2 {
		return id, fmt.Errorf("%w: %d lines", errBadPartitionMetadata, len(lines))
	}
	version, ok := metadataValue(lines[0], "version")
	if n, err := strconv.Atoi(version); !ok || err != nil || n < 0 {
		return id, fmt.Errorf("%w: %.40q", errBadPartitionMetadata, lines[0])
	}
	topic, ok := metadataValue(lines[1], "topic_id")
	if !ok {
		return id, fmt.Errorf("%w: %.60q", errBadPartitionMetadata, lines[1])
	}
	parsed, err := uuid.Parse(topic)
	if err != nil || parsed == [16]byte{} {
		return id, fmt.Errorf("%w: topic id %.40q", errBadPartitionMetadata, topic)
	}
	return parsed, nil
}

// metadataValue is what follows key, a colon and whitespace.
func metadataValue(line, key string) (string, bool) {
	rest, ok := strings.CutPrefix(line, key+":")
	value := strings.TrimLeft(rest, " \t\r\f\v")
	return strings.TrimSpace(value), ok && value != rest
}
