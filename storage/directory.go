package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"ottla/internal/uuid"
	"ottla/storage/vfs"
)

const (
	lockFile          = ".lock"
	cleanShutdownFile = ".kafka_cleanshutdown"
	metadataLogName   = "__cluster_metadata-0"
	remoteIndexCache  = "remote-log-index-cache"
	bootstrapFile     = "bootstrap.checkpoint"
)

// ErrUnknownDirectory: a log directory holds a directory that is not Kafka's.
var ErrUnknownDirectory = errors.New("log directory holds a directory that is not a partition")

// LockDirectory takes dir/.lock as Apache Kafka does; vfs.ErrLocked if another process has it. Close of the result releases the lock
// and leaves the file.
func LockDirectory(fsys vfs.FS, dir string) (io.Closer, error) {
	lock, err := fsys.Lock(dir + "/" + lockFile)
	if err != nil {
		return nil, fmt.Errorf("lock log directory %s: %w", dir, err)
	}
	return lock, nil
}

// DirectoryContents is what lies in a log directory, read without changing a byte.
type DirectoryContents struct {
	MetaProperties bool // meta.properties is there
	CleanShutdown  bool // .kafka_cleanshutdown is there
	Logs           []TopicPartition
	Deleted        []string // <topic>-<p>.<uuid>-delete
	Stray          []string // …-stray
	Future         []string // …-future
	MetadataLog    bool     // __cluster_metadata-0 is there
	Files          []string // plain files, known to Kafka
	Unknown        []string // files and directories that Kafka does not put there
}

// ReadDirectory lists what lies in a log directory.
func ReadDirectory(fsys vfs.FS, dir string) (DirectoryContents, error) {
	var c DirectoryContents
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return c, fmt.Errorf("read log directory %s: %w", dir, err)
	}
	for _, e := range entries {
		if e.Dir {
			c.addDirectory(e.Name)
		} else {
			c.addFile(e.Name)
		}
	}
	return c, nil
}

func (c *DirectoryContents) addDirectory(name string) {
	switch name {
	case metadataLogName:
		c.MetadataLog = true
		return
	case remoteIndexCache, "lost+found":
		return
	}
	tp, suffix, ok := ParseLogDirectoryName(name)
	switch {
	case !ok:
		c.Unknown = append(c.Unknown, name)
	case suffix == "delete":
		c.Deleted = append(c.Deleted, name)
	case suffix == "stray":
		c.Stray = append(c.Stray, name)
	case suffix == "future":
		c.Future = append(c.Future, name)
	default:
		c.Logs = append(c.Logs, tp)
	}
}

func (c *DirectoryContents) addFile(name string) {
	switch strings.TrimSuffix(name, ".tmp") {
	case metaPropertiesFile:
		c.MetaProperties = c.MetaProperties || name == metaPropertiesFile
	case cleanShutdownFile:
		c.CleanShutdown = c.CleanShutdown || name == cleanShutdownFile
	case lockFile, bootstrapFile, recoveryPointFile, startOffsetFile, highWatermarkFile, cleanerOffsetFile:
	default:
		c.Unknown = append(c.Unknown, name)
		return
	}
	c.Files = append(c.Files, name)
}

// ParseLogDirectoryName splits the name of a log's directory; ok is false if it is not one. Suffix is "", "delete", "stray" or "future".
// What stands before -delete and -stray may be a part of the topic's name.
func ParseLogDirectoryName(name string) (tp TopicPartition, suffix string, ok bool) {
	base := name
	for _, s := range []string{"delete", "stray", "future"} {
		if !strings.HasSuffix(name, "-"+s) {
			continue
		}
		dot := strings.LastIndexByte(name, '.')
		if dot < 0 || dot+1 == len(name)-len(s)-1 || strings.ContainsAny(name, " \t\n\r\f\v") {
			return tp, "", false
		}
		base, suffix = name[:dot], s
	}
	dash := strings.LastIndexByte(base, '-')
	if dash <= 0 || dash == len(base)-1 {
		return tp, "", false
	}
	partition, err := parseInt32(base[dash+1:])
	if err != nil || partition < 0 {
		return tp, "", false
	}
	return TopicPartition{base[:dash], partition}, suffix, true
}

// renamedDirectory is the name that a deleted or stray log's directory gets; it fits into 255 bytes.
func renamedDirectory(tp TopicPartition, suffix string) string {
	id := uuid.New()
	full := fmt.Sprintf("-%d.%x-%s", tp.Partition, id[:], suffix)
	return tp.Topic[:min(len(tp.Topic), 255-len(full))] + full
}

// readCleanShutdown reads the clean marker. Its being there means that the last stop was clean; the epoch is −1 if it holds none.
func readCleanShutdown(fsys vfs.FS, dir string) (clean bool, brokerEpoch int64, err error) {
	b, err := readFile(fsys, dir+"/"+cleanShutdownFile)
	if isNotExist(err) {
		return false, -1, nil
	}
	if err != nil {
		return false, -1, err
	}
	return true, parseCleanShutdown(b), nil
}

func parseCleanShutdown(b []byte) int64 {
	content := struct {
		Version     int    `json:"version"`
		BrokerEpoch *int64 `json:"brokerEpoch"`
	}{}
	if json.Unmarshal(b, &content) != nil || content.BrokerEpoch == nil {
		return -1
	}
	return *content.BrokerEpoch
}

func writeCleanShutdown(fsys vfs.FS, dir string, brokerEpoch int64) error {
	return replaceFile(fsys, dir, cleanShutdownFile, fmt.Appendf(nil, `{"version":0,"brokerEpoch":%d}`, brokerEpoch))
}
