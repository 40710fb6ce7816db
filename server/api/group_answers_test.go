package api

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator/group"
	"ottla/metadata"
)

var captureGroups = flag.String("capture-groups", "", "host:port of an empty Apache Kafka (group.initial.rebalance.delay.ms=0) whose answers to keep")

const groupAnswersFile = "testdata/kafka_group_answers.json"

// uuid is what a broker puts at the end of a member id.
var uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)

// settled are the exchanges in a form that is the same for every broker: member
// ids are numbered in the order in which they were given out, and lists that have
// no order are sorted.
func (g *groupTalk) settled(t *testing.T) []exchange {
	t.Helper()
	numbers := map[string]string{}
	for _, e := range g.all {
		if r, ok := e.raw.(*kmsg.JoinGroupResponse); ok {
			if id := uuid.FindString(r.MemberID); id != "" && numbers[id] == "" {
				numbers[id] = fmt.Sprintf("#%d", len(numbers)+1)
			}
		}
	}
	for i := range g.all {
		raw, err := json.Marshal(g.all[i].raw)
		if err != nil {
			t.Fatal(err)
		}
		raw = uuid.ReplaceAllFunc(raw, func(id []byte) []byte {
			if numbers[string(id)] == "" {
				t.Fatalf("%s: member id %s was never given out", g.all[i].Name, id)
			}
			return []byte(numbers[string(id)])
		})
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.UseNumber()
		if err := decoder.Decode(&g.all[i].Answer); err != nil {
			t.Fatal(err)
		}
		g.all[i].Answer = sortLists(scrub(g.all[i].Answer))
	}
	return g.all
}

// sortLists puts the lists of objects in order, which Kafka takes from hash tables.
func sortLists(tree any) any {
	switch v := tree.(type) {
	case map[string]any:
		for key, value := range v {
			v[key] = sortLists(value)
		}
	case []any:
		for i := range v {
			v[i] = sortLists(v[i])
		}
		slices.SortStableFunc(v, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	return tree
}

// TestCaptureGroupAnswers writes the golden file from a running Apache Kafka.
func TestCaptureGroupAnswers(t *testing.T) {
	if *captureGroups == "" {
		t.Skip("needs -capture-groups host:port")
	}
	ask := func(version int16, request kmsg.Request) kmsg.Response {
		request.SetVersion(version)
		response, err := askSocket(*captureGroups, request)
		if err != nil {
			t.Fatal(err)
		}
		return response
	}
	created := ask(7, createRequest(false, newTopic("t", 3, 1))).(*kmsg.CreateTopicsResponse)
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.CoordinatorKeys = []string{"a", "b", ""}
	for {
		describe := ask(5, describeRequest("a", "b", "")).(*kmsg.DescribeGroupsResponse)
		ready := ask(4, find).(*kmsg.FindCoordinatorResponse).Coordinators[0].ErrorCode == 0
		for _, g := range describe.Groups {
			ready = ready && g.ErrorCode == 0
		}
		if ready {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	time.Sleep(3 * time.Second)
	talk := &groupTalk{topicID: created.Topics[0].TopicID, members: map[string]string{}}
	talk.start = func(request kmsg.Request) func() kmsg.Response {
		done := make(chan kmsg.Response, 1)
		go func() {
			response, err := askSocket(*captureGroups, request)
			if err != nil {
				t.Errorf("%T v%d: %v", request, request.GetVersion(), err)
			}
			done <- response
		}()
		return func() kmsg.Response { return <-done }
	}
	talk.play()
	var out bytes.Buffer
	separator := "[\n"
	for _, e := range talk.settled(t) {
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString(separator)
		out.Write(line)
		separator = ",\n"
	}
	out.WriteString("\n]\n")
	if err := os.WriteFile(groupAnswersFile, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestGroupAnswers holds a conversation about groups and compares every answer
// with Apache Kafka's.
func TestGroupAnswers(t *testing.T) {
	content, err := os.ReadFile(groupAnswersFile)
	if err != nil {
		t.Fatal(err)
	}
	var wanted []exchange
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	if err := decoder.Decode(&wanted); err != nil {
		t.Fatal(err)
	}
	talk := newGroupTalk(t)
	talk.play()
	got := talk.settled(t)
	if len(got) != len(wanted) {
		t.Errorf("%d answers, Apache Kafka gave %d", len(got), len(wanted))
	}
	for i := range min(len(got), len(wanted)) {
		want, _ := json.Marshal(wanted[i])
		have, _ := json.Marshal(got[i])
		if !bytes.Equal(want, have) {
			t.Errorf("%s\n ours  %s\n Kafka %s", got[i].Name, have, want)
		}
	}
}

// newGroupTalk is a conversation with handlers over a coordinator of its own.
func newGroupTalk(t *testing.T) *groupTalk {
	config := group.DefaultConfig()
	config.InitialRebalanceDelay = 0
	ids := byte(0)
	service := group.New(group.Options{
		Config: config,
		Now:    time.Now,
		NewID:  func() [16]byte { ids++; return [16]byte{15: ids} },
	})
	t.Cleanup(func() {
		if err := service.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	service.SetPartitions(1)
	service.Started(0, 0, &memoryLog{})
	cluster := fixedCluster{groupImage(t)}
	handlers := Handlers{
		kmsg.OffsetCommit: OffsetCommit(cluster, service), kmsg.OffsetFetch: OffsetFetch(cluster, service),
		kmsg.FindCoordinator: FindCoordinator(cluster, nil, service, service),
		kmsg.JoinGroup:       JoinGroup(service), kmsg.SyncGroup: SyncGroup(service),
		kmsg.Heartbeat: Heartbeat(service), kmsg.LeaveGroup: LeaveGroup(service),
		kmsg.DescribeGroups: DescribeGroups(service), kmsg.ListGroups: ListGroups(service),
		kmsg.DeleteGroups: DeleteGroups(service), kmsg.OffsetDelete: OffsetDelete(cluster, service),
	}
	talk := &groupTalk{topicID: [16]byte{9}, members: map[string]string{}}
	talk.start = func(request kmsg.Request) func() kmsg.Response {
		return startRequest(t, handlers[kmsg.Key(request.Key())], request)
	}
	for talk.start(describeRequest("x"))().(*kmsg.DescribeGroupsResponse).Groups[0].ErrorCode == kerr.CoordinatorLoadInProgress.Code {
	}
	return talk
}

// startRequest sends a request through its encoded form, so that the handler
// sees what a version has, and gives the answer in the same way.
func startRequest(t *testing.T, handler Handler, request kmsg.Request) func() kmsg.Response {
	version := request.GetVersion()
	body := kmsg.RequestForKey(request.Key())
	body.SetVersion(version)
	if err := body.ReadFrom(request.AppendTo(nil)); err != nil {
		t.Fatalf("%T v%d: %v", request, version, err)
	}
	client := "answers"
	reply := handler(t.Context(), &Request{Body: body, ClientID: &client, ClientHost: "/127.0.0.1", Listener: "PLAINTEXT"})
	return func() kmsg.Response {
		answer, err := reply(t.Context())
		if err != nil {
			t.Fatalf("%T v%d: %v", request, version, err)
		}
		response := request.ResponseKind()
		if err := response.ReadFrom(answer.AppendTo(nil)); err != nil {
			t.Fatalf("%T v%d: %v", response, version, err)
		}
		return response
	}
}

// fixedCluster is metadata that does not change.
type fixedCluster struct{ image *metadata.Image }

func (c fixedCluster) Image() *metadata.Image { return c.image }

// groupImage has the topics t, of three partitions, and __consumer_offsets.
func groupImage(t *testing.T) *metadata.Image {
	t.Helper()
	delta := metadata.NewDelta(metadata.NewImage("cluster"))
	replay := func(record metadata.Record) {
		if err := delta.Replay(record); err != nil {
			t.Fatal(err)
		}
	}
	broker := metadata.NewRegisterBrokerRecord()
	broker.BrokerID, broker.Fenced = 1, false
	broker.EndPoints = []metadata.RegisterBrokerRecordBrokerEndpoint{{Name: "PLAINTEXT", Host: "localhost", Port: 9092}}
	replay(broker)
	topic := func(name string, id byte, partitions int32) {
		replay(&metadata.TopicRecord{Name: name, TopicID: [16]byte{id}})
		for i := range partitions {
			p := metadata.NewPartitionRecord()
			p.PartitionID, p.TopicID, p.Leader, p.LeaderEpoch, p.PartitionEpoch = i, [16]byte{id}, 1, 0, 0
			p.Replicas, p.ISR = []int32{1}, []int32{1}
			p.Directories = [][16]byte{{1}}
			replay(p)
		}
	}
	topic("t", 9, 3)
	topic("__consumer_offsets", 8, 1)
	return delta.Apply(0, 0)
}

// memoryLog is a log whose appends are committed at once. The shard that it
// belongs to is all that touches it, except for its length.
type memoryLog struct {
	lock sync.Mutex
	data []byte
	end  int64
}

func (l *memoryLog) Append(batch []byte) (int64, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.data = append(l.data, batch...)
	l.end += int64(batch[57])<<24 | int64(batch[58])<<16 | int64(batch[59])<<8 | int64(batch[60])
	return l.end, nil
}

func (l *memoryLog) Read(int64, int) ([]byte, error)  { return bytes.Clone(l.data), nil }
func (l *memoryLog) StartOffset() int64               { return 0 }
func (l *memoryLog) EndOffset() int64                 { return l.end }
func (l *memoryLog) WhenCommitted(int64, func()) bool { return false }
func (l *memoryLog) Syncs() bool                      { return false }
func (l *memoryLog) MaxBatchBytes() int               { return 1 << 20 }
