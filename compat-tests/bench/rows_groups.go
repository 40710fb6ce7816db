package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// groupRows are about the group coordinator.
func groupRows() []Row {
	return []Row{
		{
			Name:  "group-joins",
			Title: "500 members in 50 groups join at once",
			Settings: "a connection each, ten a group, one topic of ten partitions; all begin at once with JoinGroup and SyncGroup, then a Heartbeat every " +
				"5 ms, by which a member hears that its group joins anew; group.initial.rebalance.delay.ms=0; until in each group all ten hold an " +
				"assignment of one generation; the mean of ten times, each with new groups on the same connections",
			Goals: []Goal{atMost("all stable s", 0.5, Kafka)},
			Remark: "the processors are busy throughout, and more than a third of their time is the generator's own; Ottla's CPU is less than half of Apache Kafka's. " +
				"A profile (perf, share of Ottla's CPU): the coordinator 24 % with 1 % of it for the log, writing to sockets 18 %, memory 12 %, search for " +
				"work 8 %, reading 6 %, stacks that grow 4 %. Tried: the coordinator's work on the goroutine that asks (kept), more goroutines at once (dearer).",
			Without: []Kind{Floor},
			Run:     groupJoins,
		},
		{
			Name:  "offset-commits",
			Title: "100,000 offset commits",
			Settings: "1,000 groups without members × 100 partitions; one partition a request, 32 connections with one request in flight each; the groups " +
				"are deleted afterwards",
			Goals: []Goal{atMost("all committed s", 0.5, Kafka)},
			Remark: "a third of the processors' time is the generator's own, so that the ratio of times stays behind that of CPU. " +
				"A profile (perf, share of Ottla's CPU): the coordinator 35 %, 17 % of it for the append to its log; writing to sockets 21 %, memory 10 %, search " +
				"for work 6 %, reading 4 %; no function of Ottla's own above 2 %. Tried: the coordinator's work on the goroutine that asks (2.2 to 1.7 CPU s, " +
				"kept), one goroutine more at once than processors (1.55 to 1.35 s, kept), two more (no better).",
			Without: []Kind{Floor},
			Run:     offsetCommits,
		},
		{
			Name:  "offsets-load",
			Title: "Start with 100,000 committed offsets to load",
			Settings: "1,000 groups × 100 partitions, committed through the subject itself, a hundred partitions a request; a clean stop and a start: " +
				"until an OffsetFetch for all groups answers without COORDINATOR_LOAD_IN_PROGRESS, with all offsets",
			Own: true, NoWarmUp: true, Without: []Kind{Floor},
			Run: offsetsLoad,
		},
	}
}

// groupSize is how many members a group has, and how many partitions its topic.
const groupSize = 10

// cohort is one group of a row: which generation each member has come to.
type cohort struct {
	group, topic string

	mutex sync.Mutex
	// settled is the generation of which a member holds its assignment, 0 while it is joining.
	settled map[int]int32
	// stable is closed when all members are settled in one generation.
	stable chan struct{}
}

// settle notes where a member is.
func (c *cohort) settle(i int, generation int32) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.settled[i] = generation
	if generation == 0 || len(c.settled) < groupSize {
		return
	}
	for _, other := range c.settled {
		if other != generation {
			return
		}
	}
	select {
	case <-c.stable:
	default:
		close(c.stable)
	}
}

// isStable tells whether all members are settled.
func (c *cohort) isStable() bool {
	select {
	case <-c.stable:
		return true
	default:
		return false
	}
}

// groupJoins lets the members of all groups join at once and measures until each group is stable.
func groupJoins(ctx context.Context, s *Subject) (Measurement, error) {
	groups := s.Count(50, 2)
	topic := fmt.Sprintf("joins-%d", time.Now().UnixNano())
	if err := createTopic(s, topic, groupSize); err != nil {
		return nil, err
	}
	defer func() { _ = deleteTopic(s, topic) }()
	if err := coordinated(s.Address, topic); err != nil {
		return nil, err
	}
	connections, closeAll, err := dialAll(ctx, s.Address, groups*groupSize)
	if err != nil {
		return nil, err
	}
	defer closeAll()
	times := s.Count(10, 1)
	var sum Spent
	for round := range times {
		spent, err := joinOnce(ctx, s, topic, round, groups, connections)
		if err != nil {
			return nil, err
		}
		sum.Wall, sum.CPU, sum.Generator = sum.Wall+spent.Wall, sum.CPU+spent.CPU, sum.Generator+spent.Generator
	}
	mean := float64(times)
	return Measurement{}.With("all stable s", sum.Wall.Seconds()/mean).With("CPU s", sum.CPU.Seconds()/mean).
		With("generator CPU s", sum.Generator.Seconds()/mean), nil
}

// joinOnce lets a member on each connection join, returns what that cost, and lets all leave again.
func joinOnce(ctx context.Context, s *Subject, topic string, round, groups int, connections []*conn) (Spent, error) {
	cohorts, members := make([]*cohort, groups), make([]classicMember, len(connections))
	for i := range cohorts {
		group := fmt.Sprintf("%s-%d-%d", topic, round, i)
		cohorts[i] = &cohort{group: group, topic: topic, settled: map[int]int32{}, stable: make(chan struct{})}
	}
	for i := range members {
		members[i].cohort = cohorts[i%groups]
	}
	window, err := s.Open()
	if err != nil {
		return Spent{}, err
	}
	err = together(len(connections), func(i int) error { return cohorts[i%groups].attend(ctx, i, connections[i], &members[i]) })
	if err != nil {
		return Spent{}, err
	}
	spent, err := window.Close()
	if err != nil {
		return Spent{}, err
	}
	return spent, together(len(connections), func(i int) error { return members[i].leave(connections[i]) })
}

// attend keeps a member in its group until that is stable.
func (c *cohort) attend(ctx context.Context, i int, connection *conn, m *classicMember) error {
	for end := time.Now().Add(answerLimit); !c.isStable(); {
		if time.Now().After(end) {
			return fmt.Errorf("%s is not stable within %v", c.group, answerLimit)
		}
		generation, err := m.step(connection)
		if err != nil {
			return fmt.Errorf("%s: %w", c.group, err)
		}
		c.settle(i, generation)
		if generation == 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.stable:
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// coordinated waits until the subject's group coordinator works, whose topic is made when it is first asked for.
func coordinated(address, group string) error {
	c, err := dial(address)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.Version, find.CoordinatorKey = 2, group
	err = until("a group coordinator", 5*time.Millisecond, func() (bool, error) {
		found, err := ask[*kmsg.FindCoordinatorResponse](c, find)
		return err == nil && found.ErrorCode == 0, err
	})
	if err != nil {
		return err
	}
	return until("the group coordinator's answer", 5*time.Millisecond, func() (bool, error) {
		_, ready, err := c.committed([]string{group}, group, 1)
		return ready, err
	})
}

// committed fetches the offsets of a topic's partitions for groups. It returns how many have one, and false while the
// coordinator loads.
func (c *conn) committed(groups []string, topic string, partitions int) (offsets int, ready bool, err error) {
	request := kmsg.NewPtrOffsetFetchRequest()
	request.Version = 8
	part := kmsg.NewOffsetFetchRequestGroupTopic()
	part.Topic = topic
	for i := range partitions {
		part.Partitions = append(part.Partitions, int32(i))
	}
	for _, name := range groups {
		group := kmsg.NewOffsetFetchRequestGroup()
		group.Group, group.MemberEpoch, group.Topics = name, -1, []kmsg.OffsetFetchRequestGroupTopic{part}
		request.Groups = append(request.Groups, group)
	}
	response, err := ask[*kmsg.OffsetFetchResponse](c, request)
	if err != nil {
		return 0, false, err
	}
	for _, group := range response.Groups {
		switch err := kerr.ErrorForCode(group.ErrorCode); {
		case kerr.IsRetriable(err):
			return 0, false, nil
		case err != nil:
			return 0, false, fmt.Errorf("offsets of %s: %w", group.Group, err)
		}
		for _, part := range group.Topics {
			for _, partition := range part.Partitions {
				if partition.ErrorCode == 0 && partition.Offset >= 0 {
					offsets++
				}
			}
		}
	}
	return offsets, len(response.Groups) == len(groups), nil
}

// offsetGroups are the groups of the rows about offsets, and how many partitions each commits.
func offsetGroups(s *Subject) (groups []string, partitions int) {
	for i := range s.Count(1000, 10) {
		groups = append(groups, fmt.Sprintf("offsets-%d", i))
	}
	return groups, 100
}

// committing is an OffsetCommit of a group without members.
func committing(group, topic string, offset int64, partitions ...int32) *kmsg.OffsetCommitRequest {
	request := kmsg.NewPtrOffsetCommitRequest()
	request.Version, request.Group, request.Generation = 8, group, -1
	part := kmsg.NewOffsetCommitRequestTopic()
	part.Topic = topic
	for _, id := range partitions {
		partition := kmsg.NewOffsetCommitRequestTopicPartition()
		partition.Partition, partition.Offset, partition.LeaderEpoch = id, offset, -1
		part.Partitions = append(part.Partitions, partition)
	}
	request.Topics = append(request.Topics, part)
	return request
}

// commit sends an OffsetCommit and demands that it succeeds for every partition.
func (c *conn) commit(request *kmsg.OffsetCommitRequest) error {
	response, err := ask[*kmsg.OffsetCommitResponse](c, request)
	if err != nil {
		return err
	}
	for _, part := range response.Topics {
		for _, partition := range part.Partitions {
			if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
				return fmt.Errorf("commit of %s for %s-%d: %w", request.Group, part.Topic, partition.Partition, err)
			}
		}
	}
	return nil
}

// commitEach sends frames of OffsetCommits of one partition, each once the one before is answered, and times them.
func (c *conn) commitEach(frames [][]byte) ([]time.Duration, error) {
	times := make([]time.Duration, 0, len(frames))
	for _, request := range frames {
		began := time.Now()
		if _, err := c.Write(request); err != nil {
			return nil, err
		}
		answer, err := c.readWhole()
		if err != nil {
			return nil, err
		}
		times = append(times, time.Since(began))
		// The error code is the last but for the empty tags of the partition, the topic and the answer.
		if len(answer) < 12 {
			return nil, fmt.Errorf("an answer of %d bytes", len(answer))
		}
		if err := kerr.ErrorForCode(int16(binary.BigEndian.Uint16(answer[len(answer)-5:]))); err != nil {
			return nil, err
		}
	}
	return times, nil
}

// readWhole reads the only answer that is on its way, its size included, with one call where it came in one piece.
func (c *conn) readWhole() ([]byte, error) {
	if cap(c.buffer) < 4<<10 {
		c.buffer = make([]byte, 4<<10)
	}
	c.buffer = c.buffer[:cap(c.buffer)]
	for n := 0; ; {
		more, err := c.Read(c.buffer[n:])
		if err != nil {
			return nil, err
		}
		n += more
		if n < 4 {
			continue
		}
		switch size := 4 + int(binary.BigEndian.Uint32(c.buffer)); {
		case n == size:
			return c.buffer[:n], nil
		case n > size || size > len(c.buffer):
			return nil, fmt.Errorf("an answer of %d bytes where %d came", size, n)
		}
	}
}

// offsetCommits measures commits of one offset each.
func offsetCommits(ctx context.Context, s *Subject) (Measurement, error) {
	groups, partitions := offsetGroups(s)
	topic := fmt.Sprintf("commits-%d", time.Now().UnixNano())
	if err := createTopic(s, topic, partitions); err != nil {
		return nil, err
	}
	defer func() { _ = deleteTopic(s, topic) }()
	if err := coordinated(s.Address, groups[0]); err != nil {
		return nil, err
	}
	const workers = 32
	connections, closeAll, err := dialAll(ctx, s.Address, workers)
	if err != nil {
		return nil, err
	}
	defer closeAll()
	frames, times := make([][][]byte, workers), make([][]time.Duration, workers)
	for i := range len(groups) * partitions {
		frames[i%workers] = append(frames[i%workers], frame(committing(groups[i%len(groups)], topic, int64(i), int32(i/len(groups)))))
	}
	window, err := s.Open()
	if err != nil {
		return nil, err
	}
	err = together(workers, func(worker int) (err error) {
		times[worker], err = connections[worker].commitEach(frames[worker])
		return err
	})
	if err != nil {
		return nil, err
	}
	spent, err := window.Close()
	if err != nil {
		return nil, err
	}
	var all []time.Duration
	for _, some := range times {
		all = append(all, some...)
	}
	found, ready, err := connections[0].committed(groups, topic, partitions)
	if err == nil && (!ready || found != len(all)) {
		err = fmt.Errorf("%d of %d committed offsets are there", found, len(all))
	}
	if err != nil {
		return nil, err
	}
	m := Measurement{}.With("all committed s", spent.Wall.Seconds()).With("CPU s", spent.CPU.Seconds()).
		With("generator CPU s", spent.Generator.Seconds()).withLatencies(all)
	return m, connections[0].deleteGroups(groups)
}

// deleteGroups removes groups with their offsets.
func (c *conn) deleteGroups(groups []string) error {
	request := kmsg.NewPtrDeleteGroupsRequest()
	request.Version, request.Groups = 2, groups
	response, err := ask[*kmsg.DeleteGroupsResponse](c, request)
	if err != nil {
		return err
	}
	var all []error
	for _, group := range response.Groups {
		if err := kerr.ErrorForCode(group.ErrorCode); err != nil && len(all) < 3 {
			all = append(all, fmt.Errorf("delete group %s: %w", group.Group, err))
		}
	}
	return errors.Join(all...)
}

// offsetsLoad measures a start with committed offsets.
func offsetsLoad(ctx context.Context, s *Subject) (Measurement, error) {
	groups, partitions := offsetGroups(s)
	const topic = "loaded"
	if err := formatAndStart(ctx, s); err != nil {
		return nil, err
	}
	if err := commitAll(s, groups, topic, partitions); err != nil {
		return nil, err
	}
	if _, err := s.Stop(); err != nil {
		return nil, err
	}
	began := time.Now()
	answered, err := s.Start(ctx)
	if err != nil {
		return nil, err
	}
	c, err := dial(s.Address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	err = until("the offsets of all groups are loaded", 5*time.Millisecond, func() (bool, error) {
		found, ready, err := c.committed(groups, topic, partitions)
		if ready && found != len(groups)*partitions {
			err = fmt.Errorf("%d of %d offsets are loaded", found, len(groups)*partitions)
		}
		return ready, err
	})
	if err != nil {
		return nil, err
	}
	loaded := time.Since(began)
	used, err := s.Usage()
	return Measurement{}.With("start: all loaded s", loaded.Seconds()).With("start: first answer s", answered.Seconds()).
		With("start: CPU s", used.CPU.Seconds()).With("resident MB", megabytes(used.Resident)), err
}

// commitAll commits an offset for every group and partition.
func commitAll(s *Subject, groups []string, topic string, partitions int) error {
	if err := createTopic(s, topic, partitions); err != nil {
		return err
	}
	if err := coordinated(s.Address, groups[0]); err != nil {
		return err
	}
	c, err := dial(s.Address)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	all := make([]int32, partitions)
	for i := range all {
		all[i] = int32(i)
	}
	for _, group := range groups {
		if err := c.commit(committing(group, topic, 1, all...)); err != nil {
			return err
		}
	}
	return nil
}
