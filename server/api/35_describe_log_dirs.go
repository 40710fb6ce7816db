package api

import (
	"context"
	"path/filepath"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/storage"
)

// LogDirectories is the storage as DescribeLogDirs needs it.
type LogDirectories interface {
	Logs() []*storage.Log
	// OfflineDirectories are those that failed, and why.
	OfflineDirectories() map[string]error
}

// LogDirsOptions are what DescribeLogDirs needs.
type LogDirsOptions struct {
	Storage LogDirectories
	// Directories are log.dirs.
	Directories []string
	// Space is how many bytes the file system of a directory has, and how many of
	// them can be used.
	Space func(directory string) (total, usable int64, err error)
	// Cordoned tells whether a directory takes no new partitions.
	Cordoned func(directory string) bool
}

// DescribeLogDirs makes the handler of DescribeLogDirs (35), v1 to v5: each log
// directory, its partitions and their sizes, all of them (null) or those named.
// v3 added the error of the whole, v4 (KIP-827) the space, v5 (KIP-1066) whether
// new partitions are kept away. A directory that failed is told with an error and
// without its partitions.
func DescribeLogDirs(options LogDirsOptions) Handler {
	return func(_ context.Context, request *Request) Reply {
		return func(context.Context) (Response, error) {
			return describeLogDirs(options, request.Body.(*kmsg.DescribeLogDirsRequest)), nil
		}
	}
}

func describeLogDirs(options LogDirsOptions, body *kmsg.DescribeLogDirsRequest) *kmsg.DescribeLogDirsResponse {
	response := body.ResponseKind().(*kmsg.DescribeLogDirsResponse)
	asked := map[storage.TopicPartition]bool{}
	for _, topic := range body.Topics {
		for _, partition := range topic.Partitions {
			asked[storage.TopicPartition{Topic: topic.Topic, Partition: partition}] = true
		}
	}
	logs := map[string][]*storage.Log{}
	for _, log := range options.Storage.Logs() {
		if body.Topics == nil || asked[log.TopicPartition()] {
			logs[log.Directory()] = append(logs[log.Directory()], log)
		}
	}
	offline := options.Storage.OfflineDirectories()
	for _, directory := range options.Directories {
		told := kmsg.NewDescribeLogDirsResponseDir()
		told.Dir, told.TotalBytes, told.UsableBytes = absolute(directory), -1, -1
		total, usable, err := options.Space(directory)
		if offline[directory] != nil || err != nil {
			told.ErrorCode = kerr.KafkaStorageError.Code
		} else {
			told.TotalBytes, told.UsableBytes = total, usable
			told.IsCordoned = options.Cordoned(directory)
			told.Topics = describeLogs(logs[directory])
		}
		response.Dirs = append(response.Dirs, told)
	}
	return response
}

func absolute(directory string) string {
	if path, err := filepath.Abs(directory); err == nil {
		return path
	}
	return directory
}

// describeLogs tells of logs, which come sorted by their topics.
func describeLogs(logs []*storage.Log) []kmsg.DescribeLogDirsResponseDirTopic {
	var topics []kmsg.DescribeLogDirsResponseDirTopic
	for _, log := range logs {
		tp := log.TopicPartition()
		size, err := log.Size()
		if err != nil {
			continue // it was closed or deleted meanwhile, or its directory has just failed
		}
		if len(topics) == 0 || topics[len(topics)-1].Topic != tp.Topic {
			topic := kmsg.NewDescribeLogDirsResponseDirTopic()
			topic.Topic = tp.Topic
			topics = append(topics, topic)
		}
		partition := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
		partition.Partition, partition.Size = tp.Partition, size
		last := &topics[len(topics)-1]
		last.Partitions = append(last.Partitions, partition)
	}
	return topics
}
