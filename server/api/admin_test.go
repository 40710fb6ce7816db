package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/storage"
	"ottla/storage/vfs"
)

// answerTo runs a handler on a request, both parts, and gives its answer.
func answerTo[R kmsg.Response](t *testing.T, handler Handler, request kmsg.Request, version int16) R {
	t.Helper()
	request.SetVersion(version)
	response, err := handler(t.Context(), &Request{Body: request, Listener: "PLAINTEXT"})(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	into := request.ResponseKind()
	into.SetVersion(version)
	if err := into.ReadFrom(response.AppendTo(nil)); err != nil {
		t.Fatal(err)
	}
	return into.(R)
}

// TestListConfigResources lists what has configurations, by type and version.
func TestListConfigResources(t *testing.T) {
	n := newNode(t)
	create := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "topic", 1, 1
	create.Topics = append(create.Topics, topic)
	alter := kmsg.NewPtrIncrementalAlterConfigsRequest()
	for kind, key := range map[kmsg.ConfigResourceType]string{kmsg.ConfigResourceTypeGroupConfig: "consumer.session.timeout.ms", kmsg.ConfigResourceTypeClientMetrics: "interval.ms"} {
		resource := kmsg.NewIncrementalAlterConfigsRequestResource()
		resource.ResourceType, resource.ResourceName = kind, "named"
		resource.Configs = append(resource.Configs, kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: key, Value: kmsg.StringPtr("50000")})
		alter.Resources = append(alter.Resources, resource)
	}
	if _, err := n.controller.CreateTopics(t.Context(), create); err != nil {
		t.Fatal(err)
	}
	if _, err := n.controller.IncrementalAlterConfigs(t.Context(), alter); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		version int16
		types   []int8
		code    int16
		want    string
	}{
		{0, nil, 0, "0:named"}, {1, nil, 0, "16:named 2:topic 32:named 4:1 8:1"}, {1, []int8{2}, 0, "2:topic"},
		{1, []int8{4, 8}, 0, "4:1 8:1"}, {1, []int8{2, 77}, 35, ""}, {1, []int8{1}, 35, ""},
	} {
		request := kmsg.NewPtrListConfigResourcesRequest()
		request.ResourceTypes = test.types
		response := answerTo[*kmsg.ListConfigResourcesResponse](t, ListConfigResources(n.controller), request, test.version)
		var found []string
		for _, r := range response.ConfigResources {
			kind := r.Type
			if test.version == 0 {
				kind = 0
			}
			found = append(found, fmt.Sprintf("%d:%s", kind, r.Name))
		}
		slices.Sort(found)
		if got := strings.Join(found, " "); got != test.want || response.ErrorCode != test.code {
			t.Errorf("v%d %v: %d %s, want %d %s", test.version, test.types, response.ErrorCode, got, test.code, test.want)
		}
	}
}

// TestDescribeQuorum describes the one partition, in every version, and no other.
func TestDescribeQuorum(t *testing.T) {
	state := QuorumState{LeaderID: 1, LeaderEpoch: 4, HighWatermark: 90, Voters: []QuorumVoter{
		{ID: 1, DirectoryID: [16]byte{9}, EndOffset: 91, Endpoints: []NamedEndpoint{{"CONTROLLER", "localhost", 9093}}},
	}}
	handler := DescribeQuorum(func() QuorumState { return state }, func() time.Time { return time.UnixMilli(1234) })
	ask := func(version int16, topic string, partitions ...int32) *kmsg.DescribeQuorumResponse {
		request := kmsg.NewPtrDescribeQuorumRequest()
		asked := kmsg.NewDescribeQuorumRequestTopic()
		asked.Topic = topic
		for _, partition := range partitions {
			asked.Partitions = append(asked.Partitions, kmsg.DescribeQuorumRequestTopicPartition{Partition: partition})
		}
		request.Topics = append(request.Topics, asked)
		return answerTo[*kmsg.DescribeQuorumResponse](t, handler, request, version)
	}
	for version := range int16(3) {
		p := ask(version, "__cluster_metadata", 0).Topics[0].Partitions[0]
		voter := p.CurrentVoters[0]
		fetched := int64(-1)
		if version > 0 {
			fetched = 1234
		}
		if p.LeaderID != 1 || p.LeaderEpoch != 4 || p.HighWatermark != 90 || len(p.Observers) != 0 || voter.LogEndOffset != 91 || voter.LastFetchTimestamp != fetched {
			t.Errorf("v%d: %+v", version, p)
		}
		if (voter.ReplicaDirectoryID == [16]byte{9}) != (version >= 2) {
			t.Errorf("v%d: directory %x", version, voter.ReplicaDirectoryID)
		}
	}
	if nodes := ask(2, "__cluster_metadata", 0).Nodes; len(nodes) != 1 || nodes[0].Listeners[0].Port != 9093 {
		t.Errorf("nodes: %+v", nodes)
	}
	for _, response := range []*kmsg.DescribeQuorumResponse{ask(2, "topic", 0), ask(2, "__cluster_metadata", 1)} {
		if p := response.Topics[0].Partitions[0]; p.ErrorCode != kerr.UnknownTopicOrPartition.Code || response.ErrorCode != 0 {
			t.Errorf("another partition: %+v", response)
		}
	}
	if p := ask(2, "__cluster_metadata", 0, 1).Topics[0].Partitions; len(p) != 2 || p[0].ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("two partitions: %+v", p)
	}
}

// TestDescribeLogDirs tells of two directories, one without space to be told and
// one that is cordoned.
func TestDescribeLogDirs(t *testing.T) {
	disk := vfs.NewMemory()
	for i, dir := range []string{"/a", "/b"} {
		properties := storage.MetaProperties{Version: 1, NodeID: 1, ClusterID: "cluster", DirectoryID: [16]byte{byte(i + 1)}}
		if err := errors.Join(disk.Mkdir(dir), storage.WriteMetaProperties(disk, dir, properties)); err != nil {
			t.Fatal(err)
		}
	}
	logs, err := storage.Open(t.Context(), storage.Options{FS: disk, Directories: []string{"/a", "/b"}, NodeID: 1, NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	defer logs.Close(context.Background())
	for i := range int32(4) {
		if _, err := logs.Create(storage.TopicPartition{Topic: "topic", Partition: i}, [16]byte{5}, storage.DefaultLogConfig()); err != nil {
			t.Fatal(err)
		}
	}
	broken := ""
	handler := DescribeLogDirs(LogDirsOptions{
		Storage: logs, Directories: []string{"/a", "/b"}, Cordoned: func(dir string) bool { return dir == "/b" },
		Space: func(dir string) (int64, int64, error) {
			if dir == broken {
				return 0, 0, errors.New("no such disk")
			}
			return 1000, 300, nil
		},
	})
	request := kmsg.NewPtrDescribeLogDirsRequest()
	for version := int16(1); version <= 5; version++ {
		response := answerTo[*kmsg.DescribeLogDirsResponse](t, handler, request, version)
		if len(response.Dirs) != 2 || response.Dirs[0].Dir != "/a" || len(response.Dirs[0].Topics) != 1 || len(response.Dirs[0].Topics[0].Partitions) != 2 {
			t.Fatalf("v%d: %+v", version, response.Dirs)
		}
		if second := response.Dirs[1]; second.IsCordoned != (version >= 5) || (second.UsableBytes == 300) != (version >= 4) {
			t.Errorf("v%d: %+v", version, second)
		}
	}
	request.Topics = []kmsg.DescribeLogDirsRequestTopic{{Topic: "topic", Partitions: []int32{0, 9}}, {Topic: "absent", Partitions: []int32{0}}}
	broken = "/b"
	response := answerTo[*kmsg.DescribeLogDirsResponse](t, handler, request, 5)
	if len(response.Dirs[0].Topics[0].Partitions) != 1 || response.Dirs[1].ErrorCode != kerr.KafkaStorageError.Code || response.Dirs[1].TotalBytes != -1 || len(response.Dirs[1].Topics) != 0 {
		t.Errorf("some, one broken: %+v", response.Dirs)
	}
	request.Topics = []kmsg.DescribeLogDirsRequestTopic{}
	if response := answerTo[*kmsg.DescribeLogDirsResponse](t, handler, request, 5); len(response.Dirs[0].Topics) != 0 {
		t.Errorf("none: %+v", response.Dirs)
	}
}
