package group

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator"
	"ottla/protocol/record"
)

// memoryLog is a log in memory, whose appends can fail and whose reads can wait.
type memoryLog struct {
	lock     sync.Mutex
	data     []byte
	end      int64
	fail     error
	limit    int
	readGate chan struct{}
}

func (l *memoryLog) Append(batch []byte) (int64, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	if l.fail != nil {
		return 0, l.fail
	}
	b, _, err := record.Next(batch)
	if err != nil {
		return 0, err
	}
	b = bytes.Clone(b)
	b.SetBaseOffset(l.end)
	l.data = append(l.data, b...)
	l.end = b.NextOffset()
	return l.end, nil
}

func (l *memoryLog) Read(int64, int) ([]byte, error) {
	if l.readGate != nil {
		<-l.readGate
	}
	l.lock.Lock()
	defer l.lock.Unlock()
	return bytes.Clone(l.data), nil
}

func (l *memoryLog) StartOffset() int64               { return 0 }
func (l *memoryLog) EndOffset() int64                 { l.lock.Lock(); defer l.lock.Unlock(); return l.end }
func (l *memoryLog) WhenCommitted(int64, func()) bool { return false }

func (l *memoryLog) Syncs() bool { return false }

func (l *memoryLog) MaxBatchBytes() int {
	if l.limit > 0 {
		return l.limit
	}
	return 1 << 20
}

// serve is a service with one partition on the log, where time stands still.
func serve(t *testing.T, config Config, log coordinator.Log, play func(s *Service)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ids := byte(0)
		s := New(Options{Config: config, Now: time.Now, NewID: func() [16]byte { ids++; return [16]byte{15: ids} }})
		s.SetPartitions(1)
		if log != nil {
			s.Started(0, 0, log)
			synctest.Wait()
		}
		play(s)
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if r := call(s.Heartbeat, heartbeatOf("g", "m", 1)); r == nil || r.ErrorCode != kerr.CoordinatorNotAvailable.Code {
			t.Errorf("a closed service answers %+v", r)
		}
	})
}

// call makes a request and gives the answer, nil if there is none yet.
func call[Q, R any](method func(Q, func(R)), request Q) R {
	var lock sync.Mutex
	var response R
	method(request, func(r R) { lock.Lock(); defer lock.Unlock(); response = r })
	synctest.Wait()
	lock.Lock()
	defer lock.Unlock()
	return response
}

func joining1(s *Service) func(*kmsg.JoinGroupRequest, func(*kmsg.JoinGroupResponse)) {
	return func(r *kmsg.JoinGroupRequest, reply func(*kmsg.JoinGroupResponse)) {
		s.JoinGroup(RequestContext{"client", "/127.0.0.1"}, r, reply)
	}
}

func joinOf(version int16, group, member string, sessionMs int32, protocolType string, names ...string) *kmsg.JoinGroupRequest {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Version, r.Group, r.MemberID, r.SessionTimeoutMillis, r.RebalanceTimeoutMillis, r.ProtocolType = version, group, member, sessionMs, 30000, protocolType
	for _, name := range names {
		p := kmsg.NewJoinGroupRequestProtocol()
		p.Name = name
		r.Protocols = append(r.Protocols, p)
	}
	return r
}

func syncOf(group, member string, generation int32) *kmsg.SyncGroupRequest {
	r := kmsg.NewPtrSyncGroupRequest()
	r.Version, r.Group, r.MemberID, r.Generation = 3, group, member, generation
	a := kmsg.NewSyncGroupRequestGroupAssignment()
	a.MemberID = member
	r.GroupAssignment = append(r.GroupAssignment, a)
	return r
}

func heartbeatOf(group, member string, generation int32) *kmsg.HeartbeatRequest {
	r := kmsg.NewPtrHeartbeatRequest()
	r.Version, r.Group, r.MemberID, r.Generation = 4, group, member, generation
	return r
}

func commitOf(version int16, group, metadata string, places ...string) *kmsg.OffsetCommitRequest {
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Version, r.Group = version, group
	for _, p := range places {
		name, partition, _ := place(p)
		topic, part := kmsg.NewOffsetCommitRequestTopic(), kmsg.NewOffsetCommitRequestTopicPartition()
		topic.Topic, part.Partition, part.Offset, part.Metadata = name, partition, 1, &metadata
		topic.Partitions = append(topic.Partitions, part)
		r.Topics = append(r.Topics, topic)
	}
	return r
}

// TestBadInput has the numbered inputs that a group coordinator must stand, and
// what they are answered. The group "two" is stable with a member whose id is
// kept in member; rows are played in order.
func TestBadInput(t *testing.T) {
	config := DefaultConfig()
	config.InitialRebalanceDelay, config.MaxSize = 0, 1
	serve(t, config, &memoryLog{}, func(s *Service) {
		join, member := joining1(s), ""
		code := func(e *kerr.Error) int16 { return e.Code }
		rows := []struct {
			number int
			input  string
			play   func() int16
			want   int16
		}{
			{129, `JoinGroup group_id ""`, func() int16 { return call(join, joinOf(9, "", "", 10000, "consumer", "range")).ErrorCode }, code(kerr.InvalidGroupID)},
			{130, "session timeout 1", func() int16 { return call(join, joinOf(9, "g", "", 1, "consumer", "range")).ErrorCode }, code(kerr.InvalidSessionTimeout)},
			{130, "session timeout 2^31-1", func() int16 { return call(join, joinOf(9, "g", "", 1<<31-1, "consumer", "range")).ErrorCode }, code(kerr.InvalidSessionTimeout)},
			{131, "v4+ empty member id", func() int16 {
				r := call(join, joinOf(4, "two", "", 10000, "consumer", "range"))
				member = r.MemberID
				return r.ErrorCode
			}, code(kerr.MemberIDRequired)},
			{131, "the member id that was given out", func() int16 {
				return call(join, joinOf(4, "two", member, 10000, "consumer", "range")).ErrorCode
			}, 0},
			{132, "no protocols", func() int16 { return call(join, joinOf(9, "none", "", 10000, "consumer")).ErrorCode }, code(kerr.InconsistentGroupProtocol)},
			{132, "other type than group", func() int16 { return call(join, joinOf(9, "two", member, 10000, "connect", "range")).ErrorCode }, code(kerr.InconsistentGroupProtocol)},
			{133, "unknown member id", func() int16 { return call(join, joinOf(9, "two", "nobody", 10000, "consumer", "range")).ErrorCode }, code(kerr.GroupMaxSizeReached)},
			{133, "unknown member id, with room", func() int16 { return call(join, joinOf(9, "other", "nobody", 10000, "consumer", "range")).ErrorCode }, code(kerr.UnknownMemberID)},
			{134, "beyond group.max.size", func() int16 { return call(join, joinOf(9, "two", "", 10000, "consumer", "range")).ErrorCode }, code(kerr.GroupMaxSizeReached)},
			{135, "SyncGroup wrong generation", func() int16 { return call(s.SyncGroup, syncOf("two", member, 7)).ErrorCode }, code(kerr.IllegalGeneration)},
			{135, "SyncGroup wrong protocol name", func() int16 {
				r := syncOf("two", member, 1)
				r.Version, r.ProtocolType, r.Protocol = 5, kmsg.StringPtr("consumer"), kmsg.StringPtr("sticky")
				return call(s.SyncGroup, r).ErrorCode
			}, code(kerr.InconsistentGroupProtocol)},
			{135, "SyncGroup right", func() int16 { return call(s.SyncGroup, syncOf("two", member, 1)).ErrorCode }, 0},
			{136, "Heartbeat unknown group", func() int16 { return call(s.Heartbeat, heartbeatOf("unknown", member, 1)).ErrorCode }, code(kerr.UnknownMemberID)},
			{136, "Heartbeat wrong generation", func() int16 { return call(s.Heartbeat, heartbeatOf("two", member, 2)).ErrorCode }, code(kerr.IllegalGeneration)},
			{142, "OffsetCommit stale generation", func() int16 {
				r := commitOf(9, "two", "", "t-0")
				r.MemberID, r.Generation = member, 0
				return call(s.OffsetCommit, r).Topics[0].Partitions[0].ErrorCode
			}, code(kerr.IllegalGeneration)},
			{144, "DeleteGroups non-empty", func() int16 { return deleteOf(s, "two") }, code(kerr.NonEmptyGroup)},
			{144, "DeleteGroups unknown", func() int16 { return deleteOf(s, "unknown") }, code(kerr.GroupIDNotFound)},
			{137, "static member joins", func() int16 {
				r := joinOf(9, "static", "", 10000, "consumer", "range")
				r.InstanceID = kmsg.StringPtr("i")
				return call(join, r).ErrorCode
			}, 0},
			{137, "static member with old member id", func() int16 {
				r := heartbeatOf("static", "i-00000000-0000-4000-8000-000000000009", 1)
				r.InstanceID = kmsg.StringPtr("i")
				return call(s.Heartbeat, r).ErrorCode
			}, code(kerr.FencedInstanceID)},
			{138, "subscription metadata = random bytes", func() int16 {
				r := joinOf(3, "random", "", 10000, "consumer", "range")
				r.Protocols[0].Metadata = []byte{0, 3, 0x7f, 0xff, 0xff, 0xff, 1, 2}
				joined := call(join, r)
				call(s.SyncGroup, syncOf("random", joined.MemberID, 1))
				return joined.ErrorCode
			}, 0},
			{138, "and its offsets", func() int16 {
				r := kmsg.NewPtrOffsetDeleteRequest()
				r.Group = "random"
				topic := kmsg.NewOffsetDeleteRequestTopic()
				topic.Topic, topic.Partitions = "t", []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 0}}
				r.Topics = append(r.Topics, topic)
				return call(s.OffsetDelete, r).Topics[0].Partitions[0].ErrorCode
			}, code(kerr.GroupSubscribedToTopic)},
			{141, "OffsetCommit metadata 4097 bytes", func() int16 {
				return call(s.OffsetCommit, commitOf(9, "simple", strings.Repeat("x", 4097), "t-0")).Topics[0].Partitions[0].ErrorCode
			}, code(kerr.OffsetMetadataTooLarge)},
			{141, "OffsetCommit metadata 4096 bytes", func() int16 {
				return call(s.OffsetCommit, commitOf(9, "simple", strings.Repeat("x", 4096), "t-0")).Topics[0].Partitions[0].ErrorCode
			}, 0},
		}
		for _, row := range rows {
			if got := row.play(); got != row.want {
				t.Errorf("%d, %s: %s, wanted %s", row.number, row.input, codeName(got), codeName(row.want))
			}
		}
	})
}

func deleteOf(s *Service, group string) int16 {
	r := kmsg.NewPtrDeleteGroupsRequest()
	r.Version, r.Groups = 2, []string{group}
	return call(s.DeleteGroups, r).Groups[0].ErrorCode
}

// TestHeartbeatRebalancing is row 136's third: a group of two, one of whom joins again.
func TestHeartbeatRebalancing(t *testing.T) {
	config := DefaultConfig()
	config.InitialRebalanceDelay = 0
	serve(t, config, &memoryLog{}, func(s *Service) {
		join := joining1(s)
		first := call(join, joinOf(3, "g", "", 10000, "consumer", "range"))
		call(s.SyncGroup, syncOf("g", first.MemberID, 1))
		if second := call(join, joinOf(3, "g", "", 10000, "consumer", "range")); second != nil {
			t.Fatalf("answered before the first one came back: %+v", second)
		}
		if r := call(s.Heartbeat, heartbeatOf("g", first.MemberID, 1)); r.ErrorCode != kerr.RebalanceInProgress.Code {
			t.Fatalf("heartbeat: %s", codeName(r.ErrorCode))
		}
	})
}

func TestPartitionFor(t *testing.T) {
	s := New(Options{Config: DefaultConfig(), Now: time.Now})
	for group, want := range map[string]int32{"members-0": 20, "members-9": 29, "static-5": 30, "refusals-3": 19, "offsets-2": 41, "offsets-10": 10} {
		if got := s.PartitionFor(group); got != want {
			t.Errorf("group %q is on %d, Apache Kafka has it on %d", group, got, want)
		}
	}
	// String.hashCode counts in UTF-16: a pair of surrogates is two units. The
	// last text's hash is the smallest number there is, which has no absolute value.
	for text, want := range map[string]int32{"": 0, "abc": 96354, "grüße": 98768023, "😀": 1772899, "polygenelubricants": -1 << 31} {
		if got := javaHash(text); got != want {
			t.Errorf("hash of %q is %d, not %d", text, got, want)
		}
	}
	if got := s.PartitionFor("polygenelubricants"); got != 0 {
		t.Errorf("partition %d", got)
	}
}

// TestWhileLoading: members hear nothing of it, all else is told to come again.
func TestWhileLoading(t *testing.T) {
	log := &memoryLog{}
	machine := NewMachine(DefaultConfig(), time.Now, nil, discard{})
	commit := commitOf(9, "g", "m", "t-0")
	_, result, _ := machine.OffsetCommit(commit)
	builder := record.NewBuilder(record.BuilderOptions{ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1})
	builder.Append(1, result.Records[0].Key, result.Records[0].Value)
	if _, err := log.Append(builder.Build()); err != nil {
		t.Fatal(err)
	}
	serve(t, DefaultConfig(), nil, func(s *Service) {
		loading := kerr.CoordinatorLoadInProgress.Code
		if code := deleteOf(s, "g"); code != kerr.NotCoordinator.Code {
			t.Errorf("no partition: %s", codeName(code))
		}
		list := kmsg.NewPtrListGroupsRequest()
		if r := call(s.ListGroups, list); r.ErrorCode != 0 || len(r.Groups) > 0 {
			t.Errorf("no partition: %+v", r)
		}
		log.readGate = make(chan struct{})
		s.Started(0, 1, log)
		if r := call(s.Heartbeat, heartbeatOf("g", "m", 1)); r.ErrorCode != 0 {
			t.Errorf("heartbeat: %s", codeName(r.ErrorCode))
		}
		if r := call(joining1(s), joinOf(9, "g", "", 10000, "consumer", "range")); r.ErrorCode != loading || r.Protocol != nil || r.Generation != -1 {
			t.Errorf("join: %+v", r)
		}
		if r := call(s.SyncGroup, syncOf("g", "m", 1)); r.ErrorCode != loading || r.MemberAssignment == nil {
			t.Errorf("sync: %+v", r)
		}
		leave := kmsg.NewPtrLeaveGroupRequest()
		leave.Version, leave.Group = 5, "g"
		if r := call(s.LeaveGroup, leave); r.ErrorCode != loading {
			t.Errorf("leave: %+v", r)
		}
		if r := call(s.OffsetCommit, commitOf(9, "g", "", "t-0", "u-1")); len(r.Topics) != 2 || r.Topics[1].Partitions[0].ErrorCode != loading {
			t.Errorf("commit: %+v", r)
		}
		if r := call(s.ListGroups, list); r.ErrorCode != loading {
			t.Errorf("list: %+v", r)
		}
		if code := deleteOf(s, "g"); code != loading {
			t.Errorf("delete: %s", codeName(code))
		}
		close(log.readGate)
		synctest.Wait()
		fetch := kmsg.NewOffsetFetchRequestGroup()
		fetch.Group = "g"
		got := call(func(r *kmsg.OffsetFetchRequestGroup, reply func(*kmsg.OffsetFetchResponseGroup)) {
			s.OffsetFetch(r, true, reply)
		}, &fetch)
		if len(got.Topics) != 1 || got.Topics[0].Partitions[0].Offset != 1 {
			t.Errorf("fetch: %+v", got)
		}
	})
}

// TestWriteErrors is what failures of the log mean to clients.
func TestWriteErrors(t *testing.T) {
	log := &memoryLog{}
	serve(t, DefaultConfig(), log, func(s *Service) {
		for _, row := range []struct{ log, client *kerr.Error }{
			{kerr.UnknownTopicOrPartition, kerr.CoordinatorNotAvailable}, {kerr.NotEnoughReplicas, kerr.CoordinatorNotAvailable},
			{kerr.RequestTimedOut, kerr.CoordinatorNotAvailable}, {kerr.NotLeaderForPartition, kerr.NotCoordinator},
			{kerr.KafkaStorageError, kerr.NotCoordinator}, {kerr.MessageTooLarge, kerr.UnknownServerError},
			{kerr.RecordListTooLarge, kerr.UnknownServerError}, {kerr.InvalidFetchSize, kerr.UnknownServerError},
		} {
			log.fail = fmt.Errorf("append: %w", row.log)
			if r := call(s.OffsetCommit, commitOf(9, "g", "", "t-0")); r.Topics[0].Partitions[0].ErrorCode != row.client.Code {
				t.Errorf("%s: %s, wanted %s", row.log.Message, codeName(r.Topics[0].Partitions[0].ErrorCode), row.client.Message)
			}
		}
		log.fail, log.limit = nil, 200
		if r := call(s.OffsetCommit, commitOf(9, "g", strings.Repeat("x", 1000), "t-0")); r.Topics[0].Partitions[0].ErrorCode != kerr.UnknownServerError.Code {
			t.Errorf("a commit that never fits: %s", codeName(r.Topics[0].Partitions[0].ErrorCode))
		}
		list := kmsg.NewPtrListGroupsRequest()
		if r := call(s.ListGroups, list); len(r.Groups) != 0 {
			t.Errorf("groups of commits that failed: %+v", r.Groups)
		}
	})
}

// TestShutdownAnswersAll: whoever waits is told to look elsewhere.
func TestShutdownAnswersAll(t *testing.T) {
	config := DefaultConfig()
	serve(t, config, &memoryLog{}, func(s *Service) {
		var codes []int16
		var lock sync.Mutex
		for range 3 {
			joining1(s)(joinOf(3, "g", "", 10000, "consumer", "range"), func(r *kmsg.JoinGroupResponse) {
				lock.Lock()
				defer lock.Unlock()
				codes = append(codes, r.ErrorCode)
			})
		}
		synctest.Wait()
		if len(codes) != 0 {
			t.Fatalf("answered before the delay was over: %v", codes)
		}
		s.Stopped(0, 0)
		synctest.Wait()
		if fmt.Sprint(codes) != fmt.Sprint([]int16{16, 16, 16}) {
			t.Fatalf("answers %v", codes)
		}
	})
}
