package group

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator"
)

// gather calls reply once all parts have come. Its methods may be called by any goroutine.
type gather struct {
	lock    sync.Mutex
	waiting int
	reply   func()
}

// newGather waits for one part more than those that are added: the caller's own, with done.
func newGather(reply func()) *gather { return &gather{waiting: 1, reply: reply} }

func (g *gather) add() {
	g.lock.Lock()
	defer g.lock.Unlock()
	g.waiting++
}

// done takes what the part has to say and calls reply after the last.
func (g *gather) done(say func()) {
	g.lock.Lock()
	if say != nil {
		say()
	}
	g.waiting--
	last := g.waiting == 0
	g.lock.Unlock()
	if last {
		g.reply()
	}
}

// DescribeGroups answers v0 to v6, in the order asked.
func (s *Service) DescribeGroups(request *kmsg.DescribeGroupsRequest, reply func(*kmsg.DescribeGroupsResponse)) {
	response := request.ResponseKind().(*kmsg.DescribeGroupsResponse)
	response.Groups = make([]kmsg.DescribeGroupsResponseGroup, len(request.Groups))
	parts := newGather(func() { reply(response) })
	for i, id := range request.Groups {
		parts.add()
		answer := func(described kmsg.DescribeGroupsResponseGroup) {
			parts.done(func() { response.Groups[i] = described })
		}
		failed := func(failure *kerr.Error) {
			described := kmsg.NewDescribeGroupsResponseGroup()
			described.Group, described.ErrorCode = id, failure.Code
			answer(described)
		}
		if failure := s.active(); failure != nil {
			failed(failure)
			continue
		}
		s.run(id, func(m *Machine) coordinator.Result {
			described := m.DescribeGroup(id, request.Version)
			return answering(coordinator.Result{}, func() { answer(described) }, failed)
		}, failed)
	}
	parts.done(nil)
}

// ListGroups answers v0 to v5. While any partition loads the answer is an error:
// a list without its groups would look complete.
func (s *Service) ListGroups(request *kmsg.ListGroupsRequest, reply func(*kmsg.ListGroupsResponse)) {
	response := request.ResponseKind().(*kmsg.ListGroupsResponse)
	if failure := s.active(); failure != nil {
		response.ErrorCode = failure.Code
		reply(response)
		return
	}
	listed := map[int32][]kmsg.ListGroupsResponseGroup{}
	partitions := s.runtime.Partitions()
	parts := newGather(func() {
		if response.ErrorCode == 0 {
			for _, partition := range partitions {
				response.Groups = append(response.Groups, listed[partition]...)
			}
		}
		reply(response)
	})
	for _, partition := range partitions {
		parts.add()
		failed := func(failure *kerr.Error) {
			parts.done(func() {
				// A partition that has just gone elsewhere is listed there.
				if failure != kerr.NotCoordinator {
					response.ErrorCode = storeError(failure).Code
				}
			})
		}
		s.runtime.Run(partition, func(m *Machine) coordinator.Result {
			groups := m.ListGroups(request.StatesFilter, request.TypesFilter)
			done := func() { parts.done(func() { listed[partition] = groups }) }
			return answering(coordinator.Result{}, done, failed)
		}, failed)
	}
	parts.done(nil)
}

// DeleteGroups answers v0 to v2: each group once, in the order asked.
func (s *Service) DeleteGroups(request *kmsg.DeleteGroupsRequest, reply func(*kmsg.DeleteGroupsResponse)) {
	response := request.ResponseKind().(*kmsg.DeleteGroupsResponse)
	answers := map[string]int16{}
	var order []string
	byPartition := map[int32][]string{}
	for _, id := range request.Groups {
		if _, twice := answers[id]; twice {
			continue
		}
		answers[id] = 0
		order = append(order, id)
		byPartition[s.PartitionFor(id)] = append(byPartition[s.PartitionFor(id)], id)
	}
	parts := newGather(func() {
		for _, id := range order {
			answer := kmsg.NewDeleteGroupsResponseGroup()
			answer.Group, answer.ErrorCode = id, answers[id]
			response.Groups = append(response.Groups, answer)
		}
		reply(response)
	})
	for partition, ids := range byPartition {
		parts.add()
		failed := func(failure *kerr.Error) {
			parts.done(func() {
				for _, id := range ids {
					answers[id] = storeError(failure).Code
				}
			})
		}
		if failure := s.active(); failure != nil {
			failed(failure)
			continue
		}
		s.runtime.Run(partition, func(m *Machine) coordinator.Result {
			deleted, result := m.DeleteGroups(ids)
			done := func() {
				parts.done(func() {
					for _, answer := range deleted {
						answers[answer.Group] = answer.ErrorCode
					}
				})
			}
			return answering(result, done, failed)
		}, failed)
	}
	parts.done(nil)
}
