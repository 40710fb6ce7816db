package group

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator"
)

func txnCommit(group string, producerID, offset int64, change func(*kmsg.TxnOffsetCommitRequest)) *kmsg.TxnOffsetCommitRequest {
	r := kmsg.NewPtrTxnOffsetCommitRequest()
	r.Version, r.Group, r.ProducerID, r.ProducerEpoch, r.Generation = 5, group, producerID, 3, -1
	topic := kmsg.NewTxnOffsetCommitRequestTopic()
	topic.Topic = "t"
	p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	p.Offset, p.LeaderEpoch = offset, -1
	topic.Partitions = append(topic.Partitions, p)
	r.Topics = append(r.Topics, topic)
	if change != nil {
		change(r)
	}
	return r
}

// txnMachine is a machine whose writes are replayed at once.
type txnMachine struct {
	*Machine
	t      *testing.T
	offset int64
}

func newTxnMachine(t *testing.T) *txnMachine {
	return &txnMachine{Machine: NewMachine(DefaultConfig(), func() time.Time { return time.UnixMilli(1000) }, func() [16]byte { return [16]byte{} }, nil), t: t}
}

func (m *txnMachine) replay(r coordinator.Record, in *coordinator.Transaction) {
	m.t.Helper()
	replayed := coordinator.Replayed{Record: r, Offset: m.offset, ProducerID: -1, ProducerEpoch: -1}
	if in != nil {
		replayed.ProducerID, replayed.ProducerEpoch = in.ProducerID, in.ProducerEpoch
	}
	if _, ok := m.Replay(replayed); !ok {
		m.t.Fatal("cannot be replayed")
	}
	m.offset++
}

func (m *txnMachine) commit(request *kmsg.TxnOffsetCommitRequest) *kerr.Error {
	m.t.Helper()
	_, result, failure := m.TxnOffsetCommit(request, 77)
	if failure != nil {
		return failure
	}
	if in := result.Transaction; in == nil || in.ProducerID != request.ProducerID || in.ProducerEpoch != 3 || in.Verification != 77 {
		m.t.Fatalf("in transaction %+v", in)
	}
	for _, r := range result.Records {
		m.replay(r, result.Transaction)
	}
	return nil
}

func (m *txnMachine) end(producerID int64, commit bool) {
	m.ReplayMarker(producerID, 4, commit)
	m.offset++
}

// expect is the offset that is committed, and whether a stable one may be told.
func (m *txnMachine) expect(what string, offset int64, stable bool) {
	m.t.Helper()
	for _, requireStable := range []bool{false, true} {
		request := kmsg.NewOffsetFetchRequestGroup()
		request.Group = "g"
		request.Topics = append(request.Topics, kmsg.OffsetFetchRequestGroupTopic{Topic: "t", Partitions: []int32{0}})
		got := m.OffsetFetch(&request, requireStable).Topics[0].Partitions[0]
		switch {
		case requireStable && !stable:
			if got.ErrorCode != kerr.UnstableOffsetCommit.Code {
				m.t.Errorf("%s: %+v is told as stable", what, got)
			}
		case got.ErrorCode != 0 || got.Offset != offset:
			m.t.Errorf("%s: %+v, want %d", what, got, offset)
		}
	}
}

// TestOffsetsWaitForTheirMarker: 143, and which of several commits counts.
func TestOffsetsWaitForTheirMarker(t *testing.T) {
	m := newTxnMachine(t)
	m.expect("at first", -1, true)
	if failure := m.commit(txnCommit("g", 5, 10, nil)); failure != nil {
		t.Fatal(failure)
	}
	m.expect("pending", -1, false)
	m.end(6, true)
	m.expect("another's marker", -1, false)
	m.end(5, true)
	m.expect("committed", 10, true)
	_ = m.commit(txnCommit("g", 5, 20, nil))
	m.expect("the next", 10, false)
	m.end(5, false)
	m.expect("aborted", 10, true)
	_ = m.commit(txnCommit("g", 5, 30, nil))
	m.replay(offsetRecord("g", "t", 0, offset{offset: 31, leaderEpoch: -1, expires: none}), nil)
	m.expect("overtaken while pending", 31, false)
	m.end(5, true)
	m.expect("what came later stays", 31, true)
	_ = m.commit(txnCommit("g", 5, 40, nil))
	_ = m.commit(txnCommit("g", 6, 41, nil))
	m.end(6, true)
	m.expect("one of two", 41, false)
	m.end(5, true)
	m.expect("the earlier record loses", 41, true)
}

// TestWhoMayCommitInATransaction holds members and strangers against the group.
func TestWhoMayCommitInATransaction(t *testing.T) {
	instance := "i"
	for _, row := range []struct {
		what   string
		state  state
		change func(*kmsg.TxnOffsetCommitRequest)
		want   *kerr.Error
	}{
		{"no group, no generation", dead, nil, nil},
		{"no group, a generation", dead, func(r *kmsg.TxnOffsetCommitRequest) { r.Generation = 1 }, kerr.IllegalGeneration},
		{"empty group, no generation", empty, nil, nil},
		{"empty group, a generation", empty, func(r *kmsg.TxnOffsetCommitRequest) { r.Generation = 1 }, kerr.UnknownMemberID},
		{"member says nothing of itself", stable, nil, nil},
		{"member", stable, func(r *kmsg.TxnOffsetCommitRequest) { r.Generation, r.MemberID = 7, "m" }, nil},
		{"member while the group rebalances", completingRebalance, func(r *kmsg.TxnOffsetCommitRequest) { r.Generation, r.MemberID = 7, "m" }, nil},
		{"member of another generation", stable, func(r *kmsg.TxnOffsetCommitRequest) { r.Generation, r.MemberID = 6, "m" }, kerr.IllegalGeneration},
		{"stranger", stable, func(r *kmsg.TxnOffsetCommitRequest) { r.Generation, r.MemberID = 7, "x" }, kerr.UnknownMemberID},
		{"unknown instance", stable, func(r *kmsg.TxnOffsetCommitRequest) { r.InstanceID = &instance }, kerr.UnknownMemberID},
	} {
		m := newTxnMachine(t)
		if row.state != dead {
			g := newClassic("g", time.UnixMilli(0))
			g.generation, g.state = 7, row.state
			if row.state != empty {
				name := "range"
				g.protocol = &name
				g.add(&member{id: "m", protocols: []protocol{{name: name}}}, nil)
			}
			m.groups["g"] = g
		}
		if failure := m.commit(txnCommit("g", 5, 1, row.change)); failure != row.want {
			t.Errorf("%s: %v, want %v", row.what, failure, row.want)
		}
	}
	m := newTxnMachine(t)
	long := string(make([]byte, 4097))
	response, result, _ := m.TxnOffsetCommit(txnCommit("g", 5, 1, func(r *kmsg.TxnOffsetCommitRequest) { r.Topics[0].Partitions[0].Metadata = &long }), 0)
	if len(result.Records) != 0 || response.Topics[0].Partitions[0].ErrorCode != kerr.OffsetMetadataTooLarge.Code {
		t.Errorf("long metadata: %+v", response.Topics[0])
	}
}
