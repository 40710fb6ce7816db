package api

import (
	"fmt"
	"math"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// playRefusals is what is refused, in every version that can be asked.
func (g *groupTalk) playRefusals() {
	for v := int16(0); v <= 9; v++ {
		group := fmt.Sprintf("refusals-%d", v)
		g.ask("join no group", v, g.joinRequest("", ""))
		g.ask("join short session", v, g.joinRequest(group, "", session(1)))
		g.ask("join long session", v, g.joinRequest(group, "", session(math.MaxInt32)))
		g.ask("join unknown member", v, g.joinRequest(group, "nobody"))
		g.ask("join without protocols", v, g.joinRequest(group, "", protocols()))
		g.ask("join without type", v, g.joinRequest(group, "", ofType("")))
		label := group + "-a"
		g.join("join", group, label, v, protocols("range", "sticky"))()
		g.ask("join other type", v, g.joinRequest(group, "", ofType("connect")))
		g.ask("join other protocol", v, g.joinRequest(group, "", protocols("other")))
		g.ask("join unknown member of a group", v, g.joinRequest(group, "nobody"))
		if v <= 5 {
			g.refusedSyncs(group, label, v)
		}
		if v <= 4 {
			g.ask("heartbeat no group", v, g.heartbeatRequest("", "x", 1, nil))
			g.ask("heartbeat unknown group", v, g.heartbeatRequest("none", "x", 1, nil))
			g.ask("heartbeat unknown member", v, g.heartbeatRequest(group, "x", 1, nil))
			g.ask("heartbeat other generation", v, g.heartbeatRequest(group, g.member(label), 9, nil))
		}
		if v <= 5 {
			g.ask("leave no group", v, leaveRequest("", leaver("x", nil)))
			g.ask("leave unknown group", v, leaveRequest("none", leaver("x", nil)))
			g.ask("leave unknown member", v, leaveRequest(group, leaver("x", nil)))
		}
	}
}

func (g *groupTalk) refusedSyncs(group, label string, v int16) {
	g.ask("sync no group", v, g.syncRequest("", label, 1))
	g.ask("sync unknown group", v, g.syncRequest("none", label, 1))
	g.ask("sync unknown member", v, g.syncRequest(group, "nobody", 1))
	g.ask("sync other generation", v, g.syncRequest(group, label, 2))
	r := g.syncRequest(group, label, 1)
	r.Protocol = kmsg.StringPtr("sticky")
	if v >= 5 {
		g.ask("sync other protocol", v, r)
		r = g.syncRequest(group, label, 1)
		r.Protocol = nil
		g.ask("sync without protocol", v, r)
	}
}

func (g *groupTalk) playOffsets() {
	for v := int16(2); v <= 10; v++ {
		group := fmt.Sprintf("offsets-%d", v)
		g.ask("commit simple", v, g.commitRequest(v, group, "t-0:5", "t-9:5", "none-0:1", "t-1:6"))
		g.ask("commit only unknown", v, g.commitRequest(v, group, "t-9:5", "none-0:1"))
		large := g.commitRequest(v, group, "t-0:1", "t-1:1")
		large.Topics[0].Partitions[0].Metadata = kmsg.StringPtr(strings.Repeat("x", 4097))
		large.Topics[1].Partitions[0].Metadata = nil
		g.ask("commit large metadata", v, large)
		stale := g.commitRequest(v, group, "t-0:1")
		stale.Generation, stale.MemberID = 3, "x"
		g.ask("commit of no generation", v, stale)
		unknown := g.commitRequest(v, group+"-none", "t-0:1")
		unknown.Generation, unknown.MemberID = 3, "x"
		g.ask("commit of no group", v, unknown)
		g.ask("commit empty group name", v, g.commitRequest(v, "", "t-0:4"))
	}
	for v := int16(1); v <= 10; v++ {
		for _, group := range []string{"offsets-2", "offsets-9", "offsets-10", "none", ""} {
			g.ask("fetch "+group, v, g.fetchRequest(v, false, []string{"t", "none"}, []int32{0, 1, 2, 9}, group))
			if v >= 2 {
				g.ask("fetch all "+group, v, g.fetchRequest(v, v >= 7, nil, nil, group))
			}
		}
		if v >= 8 {
			g.ask("fetch several", v, g.fetchRequest(v, true, []string{"t"}, []int32{1}, "offsets-5", "none", "offsets-6"))
		}
	}
}

func (g *groupTalk) playAdministration() {
	for v := int16(0); v <= 6; v++ {
		g.ask("describe several", v, describeRequest("offsets-2", "none", ""))
	}
	for v := int16(4); v <= 5; v++ {
		for _, states := range []string{"", "Empty", "empty,STABLE", "nonsense"} {
			for _, types := range []string{"", "classic", "Consumer", "classic,consumer"} {
				if v < 5 && types != "" {
					continue
				}
				r := kmsg.NewPtrListGroupsRequest()
				r.StatesFilter, r.TypesFilter = list(states), list(types)
				g.ask(fmt.Sprintf("list %q %q", states, types), v, r)
			}
		}
	}
	for v := int16(0); v <= 3; v++ {
		g.ask("list", v, kmsg.NewPtrListGroupsRequest())
	}
	r := kmsg.NewPtrOffsetDeleteRequest()
	r.Group = "offsets-3"
	for _, name := range []string{"t", "none"} {
		topic := kmsg.NewOffsetDeleteRequestTopic()
		topic.Topic = name
		for _, partition := range []int32{0, 2, 9} {
			p := kmsg.NewOffsetDeleteRequestTopicPartition()
			p.Partition = partition
			topic.Partitions = append(topic.Partitions, p)
		}
		r.Topics = append(r.Topics, topic)
	}
	g.ask("delete offsets", 0, r)
	g.ask("fetch after deletion", 7, g.fetchRequest(7, false, nil, nil, "offsets-3"))
	for _, group := range []string{"none", ""} {
		other := *r
		other.Group = group
		g.ask("delete offsets of "+group, 0, &other)
	}
	for v := int16(0); v <= 2; v++ {
		g.ask("delete several", v, deleteRequest("none", fmt.Sprintf("offsets-%d", v+4), "", fmt.Sprintf("offsets-%d", v+4)))
	}
}

func list(words string) []string {
	if words == "" {
		return nil
	}
	return strings.Split(words, ",")
}
