package group

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator"
)

var rewrite = flag.Bool("rewrite", false, "write what the machine does into the scripts")

// TestScripts plays testdata/*.txt: a command a line, then ----, then what it
// made the machine do: records, answers, timers. After every command the
// invariants hold and a replay of the records gives the same hard state.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { playScript(t, file) })
	}
}

func playScript(t *testing.T, file string) {
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	w := newWorld(t)
	for block := range strings.SplitSeq(strings.TrimRight(string(content), "\n"), "\n\n") {
		commands, _, _ := strings.Cut(block, "\n----")
		got.WriteString(commands + "\n")
		ran := false
		w.out.Reset()
		for line := range strings.SplitSeq(commands, "\n") {
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			ran = true
			w.command(line)
			w.check()
		}
		if ran {
			got.WriteString("----\n" + short(w.out.String()))
		}
		got.WriteString("\n")
	}
	result := strings.TrimRight(got.String(), "\n") + "\n"
	if *rewrite {
		if err := os.WriteFile(file, []byte(result), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if result != string(content) {
		t.Errorf("%s: the machine did\n%s", file, firstDifference(string(content), result))
	}
}

func firstDifference(want, got string) string {
	wanted, have := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range have {
		if i >= len(wanted) || wanted[i] != have[i] {
			expected := ""
			if i < len(wanted) {
				expected = wanted[i]
			}
			return fmt.Sprintf("line %d: %s\nwanted:  %s\nafter:   %s", i+1, have[i], expected, strings.Join(have[max(0, i-8):i], "\n"))
		}
	}
	return fmt.Sprintf("less than wanted, from line %d on", len(have))
}

// arguments are a command's key=value words.
type arguments map[string]string

func (a arguments) optional(key string) *string {
	if v, ok := a[key]; ok {
		return &v
	}
	return nil
}

func (a arguments) number(key string, otherwise int) int {
	if v, ok := a[key]; ok {
		n, err := strconv.Atoi(v)
		if err != nil {
			panic(err)
		}
		return n
	}
	return otherwise
}

func (a arguments) milliseconds(key string, otherwise time.Duration) int32 {
	d := otherwise
	if v, ok := a[key]; ok {
		var err error
		if d, err = time.ParseDuration(v); err != nil {
			panic(err)
		}
	}
	return int32(d.Milliseconds())
}

func (w *world) command(line string) {
	words := strings.Fields(long(line))
	name, words := words[0], words[1:]
	a := arguments{}
	var plain []string
	for _, word := range words {
		if key, value, ok := strings.Cut(word, "="); ok {
			a[key] = value
		} else {
			plain = append(plain, word)
		}
	}
	switch name {
	case "join":
		w.join(plain[0], plain[1], a)
	case "sync":
		w.sync(plain[0], plain[1], a)
	case "heartbeat":
		r := kmsg.NewPtrHeartbeatRequest()
		r.Group, r.MemberID, r.InstanceID, r.Generation = plain[1], plain[0], a.optional("instance"), int32(a.number("generation", 1))
		w.sayFailure("heartbeat", w.machine.Heartbeat(r))
	case "leave":
		w.leave(plain, a)
	case "commit":
		w.commit(plain, a)
	case "fetch":
		w.fetch(plain, a)
	case "describe":
		d := w.machine.DescribeGroup(plain[0], int16(a.number("version", 6)))
		w.say("%s %s type %q protocol %q %s", codeName(d.ErrorCode), d.State, d.ProtocolType, d.Protocol, text(d.ErrorMessage))
		for _, m := range d.Members {
			w.say("  %s %s %s %s %q %q", m.MemberID, text(m.InstanceID), m.ClientID, m.ClientHost, m.ProtocolMetadata, m.MemberAssignment)
		}
	case "list":
		for _, g := range w.machine.ListGroups(words2(a["states"]), words2(a["types"])) {
			w.say("%s type %q %s %s", g.Group, g.ProtocolType, g.GroupState, g.GroupType)
		}
	case "delete-groups":
		answers, result := w.machine.DeleteGroups(plain)
		w.answer(result, func() {
			for _, answer := range answers {
				w.say("%s %s", answer.Group, codeName(answer.ErrorCode))
			}
		})
	case "delete-offsets":
		w.deleteOffsets(plain)
	case "topics-deleted":
		w.apply(w.machine.TopicsDeleted([]DeletedTopic{{plain[0], topicID(a.number("id", 0))}}))
	default:
		w.control(name, plain, a)
	}
}

// control are the commands that are no requests.
func (w *world) control(name string, plain []string, a arguments) {
	switch name {
	case "advance":
		d, err := time.ParseDuration(plain[0])
		if err != nil {
			w.t.Fatal(err)
		}
		w.advance(d)
	case "restart":
		w.restart()
	case "fail":
		w.fail = errorNamed(w.t, plain[0])
	case "hold":
		w.hold = true
	case "release":
		w.release(nil)
	case "release-failed":
		w.release(errorNamed(w.t, plain[0]))
	case "config":
		w.config.MaxSize = a.number("max-size", w.config.MaxSize)
		w.config.InitialRebalanceDelay = milliseconds(a.milliseconds("initial-delay", w.config.InitialRebalanceDelay))
		w.config.OffsetsRetention = milliseconds(a.milliseconds("retention", w.config.OffsetsRetention))
		w.config.RetentionCheckInterval = milliseconds(a.milliseconds("check", w.config.RetentionCheckInterval))
		w.machine.config = w.config
	case "pending":
		// An offset of a transaction, as one finds it in a log.
		r := offsetRecord(plain[0], plain[1], 0, offset{offset: int64(a.number("offset", 0)), leaderEpoch: none, committed: w.clock.UnixMilli(), expires: none})
		replayed := coordinator.Replayed{Record: r, Offset: int64(len(w.log)), ProducerID: int64(a.number("producer", 1))}
		w.log = append(w.log, replayed)
		w.replay(w.machine, replayed)
	case "marker":
		replayed := coordinator.Replayed{Offset: -1, ProducerID: int64(a.number("producer", 1))}
		if plain[0] == "commit" {
			replayed.Value = []byte{}
		}
		w.log = append(w.log, replayed)
		w.replay(w.machine, replayed)
	case "timers":
		for _, key := range slices.Sorted(maps.Keys(w.timers)) {
			w.say("%s in %v", key, w.timers[key].due.Sub(w.clock))
		}
	default:
		w.t.Fatalf("no command %q", name)
	}
}

func (w *world) join(label, group string, a arguments) {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Version = int16(a.number("version", 9))
	r.Group, r.MemberID, r.InstanceID = group, a["member"], a.optional("instance")
	r.SessionTimeoutMillis = a.milliseconds("session", 10*time.Second)
	r.RebalanceTimeoutMillis = a.milliseconds("rebalance", 60*time.Second)
	r.ProtocolType = "consumer"
	if v, ok := a["type"]; ok {
		r.ProtocolType = v
	}
	protocols := "range"
	if v, ok := a["protocols"]; ok {
		protocols = v
	}
	for _, p := range words2(protocols) {
		protocol := kmsg.NewJoinGroupRequestProtocol()
		name, topics, subscribed := strings.Cut(p, ":")
		protocol.Name, protocol.Metadata = name, []byte(topics)
		if subscribed && r.ProtocolType == "consumer" {
			protocol.Metadata = subscription(strings.Split(topics, "+")...)
		}
		r.Protocols = append(r.Protocols, protocol)
	}
	w.waiting[label]++
	result := w.machine.JoinGroup(RequestContext{label, "/127.0.0.1"}, r, func(j *kmsg.JoinGroupResponse) {
		w.waiting[label]--
		w.say("%s joined: %s member %q generation %d type %s protocol %s leader %q skip %v%s", label, codeName(j.ErrorCode), j.MemberID,
			j.Generation, text(j.ProtocolType), text(j.Protocol), j.LeaderID, j.SkipAssignment, membersText(j.Members))
	})
	w.apply(result)
}

func membersText(members []kmsg.JoinGroupResponseMember) string {
	s := ""
	for _, m := range members {
		s += fmt.Sprintf(" [%s %s %q]", m.MemberID, text(m.InstanceID), m.ProtocolMetadata)
	}
	return s
}

// subscription is a consumer's metadata, version 0.
func subscription(topics ...string) []byte {
	b := binary.BigEndian.AppendUint16(nil, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(topics)))
	for _, topic := range topics {
		b = binary.BigEndian.AppendUint16(b, uint16(len(topic)))
		b = append(b, topic...)
	}
	return binary.BigEndian.AppendUint32(b, 0xffffffff)
}

func (w *world) sync(label, group string, a arguments) {
	r := kmsg.NewPtrSyncGroupRequest()
	r.Version = int16(a.number("version", 5))
	r.Group, r.MemberID, r.InstanceID, r.Generation = group, a["member"], a.optional("instance"), int32(a.number("generation", 1))
	r.ProtocolType, r.Protocol = a.optional("type"), a.optional("protocol")
	for _, assigned := range words2(a["assign"]) {
		assignment := kmsg.NewSyncGroupRequestGroupAssignment()
		member, to, _ := strings.Cut(assigned, ":")
		assignment.MemberID, assignment.MemberAssignment = member, []byte(to)
		r.GroupAssignment = append(r.GroupAssignment, assignment)
	}
	w.waiting[label]++
	w.apply(w.machine.SyncGroup(r, func(s *kmsg.SyncGroupResponse) {
		w.waiting[label]--
		w.say("%s synced: %s type %s protocol %s %q", label, codeName(s.ErrorCode), text(s.ProtocolType), text(s.Protocol), s.MemberAssignment)
	}))
}

func (w *world) sayFailure(what string, failure *kerr.Error) {
	if failure == nil {
		w.say("%s: NONE", what)
	} else {
		w.say("%s: %s", what, failure.Message)
	}
}

func (w *world) leave(plain []string, a arguments) {
	r := kmsg.NewPtrLeaveGroupRequest()
	r.Version, r.Group = int16(a.number("version", 5)), plain[0]
	for _, who := range plain[1:] {
		m := kmsg.NewLeaveGroupRequestMember()
		member, instance, ok := strings.Cut(who, "@")
		if m.MemberID = member; ok {
			m.InstanceID = &instance
		}
		r.Members = append(r.Members, m)
		r.MemberID = member
	}
	response, result := w.machine.LeaveGroup(r)
	w.answer(result, func() {
		w.say("left: %s", codeName(response.ErrorCode))
		for _, m := range response.Members {
			w.say("  %q %s %s", m.MemberID, text(m.InstanceID), codeName(m.ErrorCode))
		}
	})
}

// place is a topic, a partition and what is said of them: "topic-0:5".
func place(word string) (topic string, partition int32, value string) {
	where, value, _ := strings.Cut(word, ":")
	topic, number, _ := strings.Cut(where, "-")
	n, err := strconv.Atoi(number)
	if err != nil {
		panic(err)
	}
	return topic, int32(n), value
}

func topicID(n int) (id [16]byte) {
	id[15] = byte(n)
	return id
}

func (w *world) commit(plain []string, a arguments) {
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Version = int16(a.number("version", 10))
	r.Group, r.MemberID, r.InstanceID, r.Generation = plain[0], a["member"], a.optional("instance"), int32(a.number("generation", -1))
	if d, ok := a["retention"]; ok {
		duration, err := time.ParseDuration(d)
		if err != nil {
			w.t.Fatal(err)
		}
		r.RetentionTimeMillis = duration.Milliseconds()
	}
	for _, word := range plain[1:] {
		topic, partition, value := place(word)
		t, p := kmsg.NewOffsetCommitRequestTopic(), kmsg.NewOffsetCommitRequestTopicPartition()
		t.Topic, t.TopicID = topic, topicID(a.number("id", 0))
		p.Partition, p.LeaderEpoch = partition, int32(a.number("epoch", -1))
		p.Offset, _ = strconv.ParseInt(value, 10, 64)
		if n, ok := a["metadata"]; ok {
			p.Metadata = &n
			if size := a.number("metadata-size", 0); size > 0 {
				p.Metadata = kmsg.StringPtr(strings.Repeat(n, size))
			}
		}
		t.Partitions = append(t.Partitions, p)
		r.Topics = append(r.Topics, t)
	}
	response, result, failure := w.machine.OffsetCommit(r)
	if failure != nil {
		w.sayFailure("commit", failure)
		return
	}
	w.answer(result, func() {
		for _, t := range response.Topics {
			w.say("committed: %s-%d %s", t.Topic, t.Partitions[0].Partition, codeName(t.Partitions[0].ErrorCode))
		}
	})
}

func (w *world) fetch(plain []string, a arguments) {
	r := kmsg.NewOffsetFetchRequestGroup()
	r.Group = plain[0]
	for _, word := range plain[1:] {
		topic, partition, _ := place(word)
		t := kmsg.NewOffsetFetchRequestGroupTopic()
		t.Topic, t.TopicID, t.Partitions = topic, topicID(a.number("id", 0)), []int32{partition}
		r.Topics = append(r.Topics, t)
	}
	response := w.machine.OffsetFetch(&r, a["stable"] == "true")
	w.say("fetched: %s", codeName(response.ErrorCode))
	for _, t := range response.Topics {
		for _, p := range t.Partitions {
			w.say("  %s-%d %s %d epoch %d %q", t.Topic, p.Partition, codeName(p.ErrorCode), p.Offset, p.LeaderEpoch, *p.Metadata)
		}
	}
}

func (w *world) deleteOffsets(plain []string) {
	r := kmsg.NewPtrOffsetDeleteRequest()
	r.Group = plain[0]
	for _, word := range plain[1:] {
		topic, partition, _ := place(word)
		t, p := kmsg.NewOffsetDeleteRequestTopic(), kmsg.NewOffsetDeleteRequestTopicPartition()
		t.Topic, p.Partition = topic, partition
		t.Partitions = append(t.Partitions, p)
		r.Topics = append(r.Topics, t)
	}
	response, result := w.machine.OffsetDelete(r)
	w.answer(result, func() {
		w.say("deleted: %s", codeName(response.ErrorCode))
		for _, t := range response.Topics {
			w.say("  %s-%d %s", t.Topic, t.Partitions[0].Partition, codeName(t.Partitions[0].ErrorCode))
		}
	})
}

func words2(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func errorNamed(t tester, name string) *kerr.Error {
	for code := int16(-1); code < 140; code++ {
		if code == 0 {
			continue
		}
		if e, ok := kerr.ErrorForCode(code).(*kerr.Error); ok && e.Message == name {
			return e
		}
	}
	t.Fatalf("no error %s", name)
	return nil
}

func TestSubscribedTopics(t *testing.T) {
	topics := map[string]struct{}{}
	if !subscribedTopics(subscription("a", "b"), topics) || len(topics) != 2 {
		t.Fatalf("topics %v", topics)
	}
	whole := subscription("a", "b")
	for n := range len(whole) {
		if subscribedTopics(whole[:n], map[string]struct{}{}) {
			t.Errorf("%d of %d bytes were read as a subscription", n, len(whole))
		}
	}
	if !subscribedTopics(append(bytes.Clone(whole), 1, 2, 3), topics) {
		t.Error("a later version's fields behind the first's were not skipped")
	}
}
