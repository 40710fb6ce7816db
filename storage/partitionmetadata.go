package storage

import (
	"errors"
	"fmt"
	"regexp"
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
	separator := regexp.MustCompile(`:\s+`)
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	if len(lines) < 2 {
		return id, fmt.Errorf("%w: %d lines", errBadPartitionMetadata, len(lines))
	}
	version := separator.Split(lines[0], -1)
	if n, err := strconv.Atoi(version[len(version)-1]); len(version) != 2 || version[0] != "version" || err != nil || n < 0 {
		return id, fmt.Errorf("%w: %.40q", errBadPartitionMetadata, lines[0])
	}
	topic := separator.Split(lines[1], -1)
	if len(topic) != 2 || topic[0] != "topic_id" {
		return id, fmt.Errorf("%w: %.60q", errBadPartitionMetadata, lines[1])
	}
	parsed, err := uuid.Parse(strings.TrimSpace(topic[1]))
	if err != nil || parsed == [16]byte{} {
		return id, fmt.Errorf("%w: topic id %.40q", errBadPartitionMetadata, topic[1])
	}
	return parsed, nil
}
