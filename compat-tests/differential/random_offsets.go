package differential

import (
	"fmt"
	"math/rand/v2"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// membership is what a commit says of the member it comes from.
type membership int

const (
	silent   membership = iota // no member, no generation
	right                      // the group's member and its generation
	stale                      // its member, another generation
	unknown                    // a member that the group does not have
	nameless                   // the generation without the member
	memberships
)

func (m membership) String() string {
	return [...]string{"nobody", "the member", "the member of another generation", "an unknown member", "a nameless member"}[m]
}

// of gives the member id and the generation on one side.
func (m membership) of(w *world, side *side, group string) (member string, generation int32) {
	member, _ = side.values["member "+w.name(group)].(string)
	generation, known := side.values["generation "+w.name(group)].(int32)
	if !known {
		generation = 1
	}
	switch m {
	case silent:
		return "", -1
	case stale:
		return member, generation + 1
	case unknown:
		return "stranger", generation
	case nameless:
		return "", generation
	}
	return member, generation
}

// memberOperation lets the one member that a group may have join, sync or leave.
func memberOperation(random *rand.Rand, group string) operation {
	switch random.IntN(5) {
	case 0, 1:
		return operation{text: "join " + group, build: func(w *world, side *side) kmsg.Request {
			r := kmsg.NewPtrJoinGroupRequest()
			r.Version, r.Group, r.SessionTimeoutMillis, r.RebalanceTimeoutMillis, r.ProtocolType = 3, w.name(group), 300_000, 300_000, "consumer"
			r.MemberID, _ = side.values["member "+w.name(group)].(string)
			p := kmsg.NewJoinGroupRequestProtocol()
			p.Name, p.Metadata = "range", []byte{0, 1, 0, 0, 0, 1, 0, 1, 'a', 0xff, 0xff, 0xff, 0xff}
			r.Protocols = append(r.Protocols, p)
			return r
		}, see: func(w *world, side *side, response kmsg.Response) {
			if r := response.(*kmsg.JoinGroupResponse); r.ErrorCode == 0 {
				side.values["member "+w.name(group)], side.values["generation "+w.name(group)] = r.MemberID, r.Generation
				side.tokens[r.MemberID] = "MEMBER(" + group + ")"
			}
		}}
	case 2, 3:
		return operation{text: "sync " + group, build: func(w *world, side *side) kmsg.Request {
			member, generation := right.of(w, side, group)
			return syncOf(5, w.name(group), member, generation)
		}}
	}
	return operation{text: "leave " + group, build: func(w *world, side *side) kmsg.Request {
		r := kmsg.NewPtrLeaveGroupRequest()
		r.Version, r.Group = 2, w.name(group)
		r.MemberID, _ = side.values["member "+w.name(group)].(string)
		return r
	}, see: func(w *world, side *side, _ kmsg.Response) {
		delete(side.values, "member "+w.name(group))
		delete(side.values, "generation "+w.name(group))
	}}
}

func commitInTransactionOperation(random *rand.Rand, id string, ref producerRef, group string) operation {
	version, from, parts, offset := int16(random.IntN(6)), silent, drawParts(random), int64(random.IntN(100))
	if version >= 3 && random.IntN(2) == 0 {
		from = membership(random.IntN(int(memberships)))
	}
	return operation{
		text: fmt.Sprintf("commit v%d %d in a transaction of %s as %s for %s from %s: %v", version, offset, id, ref, group, from, parts),
		build: func(w *world, side *side) kmsg.Request {
			r, e := kmsg.NewPtrTxnOffsetCommitRequest(), ref.of(w, side)
			r.Version, r.TransactionalID, r.ProducerID, r.ProducerEpoch, r.Group = version, w.name(id), e.id, e.epoch, w.name(group)
			r.MemberID, r.Generation = from.of(w, side, group)
			byTopic(w, parts, func(topic string, partitions []int32) {
				t := kmsg.NewTxnOffsetCommitRequestTopic()
				t.Topic = topic
				for i, partition := range partitions {
					p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
					p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = partition, offset+int64(i), -1, kmsg.StringPtr("m")
					t.Partitions = append(t.Partitions, p)
				}
				r.Topics = append(r.Topics, t)
			})
			return r
		},
	}
}

// plainCommitOperation commits an offset outside of any transaction.
func plainCommitOperation(random *rand.Rand, group string, to part) operation {
	from, offset := membership(random.IntN(int(memberships))), int64(random.IntN(100))
	return operation{
		text: fmt.Sprintf("commit %d of %v for %s from %s", offset, to, group, from),
		build: func(w *world, side *side) kmsg.Request {
			member, generation := from.of(w, side, group)
			r := commitOf(w.name(group), member, generation, offset).(*kmsg.OffsetCommitRequest)
			r.Topics[0].Topic, r.Topics[0].Partitions[0].Partition = w.name(to.topic), to.partition
			return r
		},
	}
}

// offsetsOperation reads what groups have committed: some partitions of one, or everything of both.
func offsetsOperation(random *rand.Rand, group string) operation {
	stable, version, all := random.IntN(2) == 0, int16(7+random.IntN(3)), random.IntN(2) == 0
	if version == 7 {
		return operation{text: fmt.Sprintf("fetch offsets v7 of %s, stable %t, all %t", group, stable, all), build: func(w *world, _ *side) kmsg.Request {
			r := kmsg.NewPtrOffsetFetchRequest()
			r.Version, r.Group, r.RequireStable = version, w.name(group), stable
			if !all {
				r.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: w.name("a"), Partitions: []int32{0, 1, 7}}, {Topic: w.name("absent"), Partitions: []int32{0}}}
			}
			return r
		}}
	}
	return operation{text: fmt.Sprintf("fetch offsets v%d of all groups, stable %t, all %t", version, stable, all), build: func(w *world, _ *side) kmsg.Request {
		r := kmsg.NewPtrOffsetFetchRequest()
		r.Version, r.RequireStable = version, stable
		for _, name := range append([]string{"unseen"}, txGroup...) {
			g := kmsg.NewOffsetFetchRequestGroup()
			g.Group = w.name(name)
			if !all {
				t := kmsg.NewOffsetFetchRequestGroupTopic()
				t.Topic, t.Partitions = w.name("a"), []int32{0, 1, 7}
				g.Topics = append(g.Topics, t)
			}
			r.Groups = append(r.Groups, g)
		}
		return r
	}}
}

// deleteGroupOperation deletes a group or one of its offsets, or describes it.
func deleteGroupOperation(random *rand.Rand, group string, of part) operation {
	switch random.IntN(3) {
	case 0:
		return operation{text: "delete " + group, build: func(w *world, _ *side) kmsg.Request { return deleteOf(w.name(group)) }}
	case 1:
		return operation{text: fmt.Sprintf("delete the offset of %v of %s", of, group), build: func(w *world, _ *side) kmsg.Request {
			r := kmsg.NewPtrOffsetDeleteRequest()
			r.Group = w.name(group)
			t := kmsg.NewOffsetDeleteRequestTopic()
			t.Topic = w.name(of.topic)
			t.Partitions = append(t.Partitions, kmsg.OffsetDeleteRequestTopicPartition{Partition: of.partition})
			r.Topics = append(r.Topics, t)
			return r
		}}
	}
	return operation{text: "describe " + group, build: func(w *world, _ *side) kmsg.Request {
		r := kmsg.NewPtrDescribeGroupsRequest()
		r.Version, r.Groups = 6, []string{w.name(group)}
		return r
	}}
}

// lookOperation describes or lists transactions.
func lookOperation(random *rand.Rand, id string, ref producerRef) operation {
	if random.IntN(2) == 0 {
		return operation{text: "describe " + id, build: func(w *world, _ *side) kmsg.Request {
			r := kmsg.NewPtrDescribeTransactionsRequest()
			r.TransactionalIDs = []string{w.name(id), w.name("absent"), w.name(ids[0])}
			return r
		}}
	}
	states := [][]string{nil, {"Ongoing"}, {"Empty", "CompleteAbort"}, {"CompleteCommit", "ongoing"}, {"Dead", "PrepareEpochFence", "Nothing", "Nothing"}}[random.IntN(5)]
	version, byProducer, longer := int16(random.IntN(3)), random.IntN(3) == 0, []int64{-1, -5, 1 << 40}[random.IntN(3)]
	pattern := []string{".*", "", id, "[", id + "|.*" + id, "[xy]"}[random.IntN(6)]
	return operation{text: fmt.Sprintf("list v%d, states %q, producer %t %s, longer %d, pattern %q", version, states, byProducer, ref, longer, pattern), build: func(w *world, side *side) kmsg.Request {
		r := kmsg.NewPtrListTransactionsRequest()
		r.Version, r.StateFilters, r.DurationFilterMillis = version, states, -1
		if version >= 1 {
			r.DurationFilterMillis = longer
		}
		if byProducer {
			r.ProducerIDFilters = []int64{ref.of(w, side).id}
		}
		if version >= 2 {
			whole := "\\Q" + w.prefix + "\\E(" + pattern + ")"
			if pattern == "" {
				whole = ""
			}
			r.TransactionalIDPattern = &whole
		}
		// Without a pattern every id of the histories before would be told.
		if r.TransactionalIDPattern == nil || *r.TransactionalIDPattern == "" {
			r.ProducerIDFilters = []int64{ref.of(w, side).id}
		}
		return r
	}}
}

func producersOperation(parts []part) operation {
	return operation{text: fmt.Sprintf("producers of %v", parts), build: func(w *world, _ *side) kmsg.Request {
		r := kmsg.NewPtrDescribeProducersRequest()
		byTopic(w, parts, func(topic string, partitions []int32) {
			r.Topics = append(r.Topics, kmsg.DescribeProducersRequestTopic{Topic: topic, Partitions: partitions})
		})
		return r
	}}
}

// readOperation looks at a partition as a reader of one kind sees it, or asks for coordinators.
func readOperation(random *rand.Rand, from part) operation {
	isolation := int8(random.IntN(2))
	switch random.IntN(4) {
	case 0:
		time := []int64{-1, -2, -3, now}[random.IntN(4)]
		return operation{text: fmt.Sprintf("list offsets of %v at %d, isolation %d", from, time, isolation), build: func(w *world, side *side) kmsg.Request {
			r := listOperation(from.topic, from.partition, time).build(w, side).(*kmsg.ListOffsetsRequest)
			r.IsolationLevel = isolation
			return r
		}}
	case 1:
		version, kind := int16(random.IntN(7)), int8(random.IntN(2))
		return operation{text: fmt.Sprintf("find coordinators v%d of kind %d", version, kind), build: func(w *world, _ *side) kmsg.Request {
			r := kmsg.NewPtrFindCoordinatorRequest()
			r.Version, r.CoordinatorKey, r.CoordinatorType = version, w.name(ids[0]), kind
			if version >= 4 {
				r.CoordinatorKeys = []string{w.name(ids[0]), w.name(txGroup[0]), ""}
			}
			return r
		}}
	}
	offset, version := int64(random.IntN(20)), int16(4+random.IntN(9))
	return operation{text: fmt.Sprintf("fetch v%d %v from %d, isolation %d", version, from, offset, isolation), build: func(w *world, side *side) kmsg.Request {
		r := fetchCase("", nil, w.name(from.topic), from.partition, offset).build(side, version).(*kmsg.FetchRequest)
		r.Version, r.MaxWaitMillis, r.IsolationLevel = version, 0, isolation
		return r
	}}
}
