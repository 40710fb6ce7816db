package server

import (
	"context"
	"sync"
	"time"

	"ottla/coordinator/group"
	"ottla/internal/uuid"
	"ottla/metadata"
	"ottla/protocol/record"
	"ottla/replica"
)

// maxUnpacked bounds what a batch of a coordinator's log may unpack to.
const maxUnpacked = 256 << 20

// groupShards starts and stops the group coordinator's shards as this node takes
// up and gives up partitions of __consumer_offsets. Its methods, close apart, are
// called one at a time, in the order of the metadata.
type groupShards struct {
	server  *Server
	service *group.Service
	running map[int32]int32 // the leader epoch that a partition's shard runs in
	ctx     context.Context
	cancel  context.CancelFunc
	waiting sync.WaitGroup
}

func newGroupShards(s *Server) *groupShards {
	g := &groupShards{server: s, running: map[int32]int32{}}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.service = group.New(group.Options{
		Config: groupConfig(s.settings), Now: time.Now, NewID: uuid.New,
		Translate: replica.ErrorOf, Limits: record.Limits{MaxDecompressedBytes: maxUnpacked}, Events: s.events.groups,
	})
	return g
}

// start takes up what this node leads already.
func (g *groupShards) start(image *metadata.Image) {
	if topic, ok := image.Topic(group.TopicName); ok {
		g.take(topic, nil)
	}
}

// follow takes up and gives up what a change of the metadata says.
func (g *groupShards) follow(delta *metadata.Delta) {
	var gone []group.DeletedTopic
	for _, topic := range delta.DeletedTopics() {
		if topic.Name == group.TopicName {
			for partition := range g.running {
				g.give(partition, -1)
			}
			continue
		}
		gone = append(gone, group.DeletedTopic{Name: topic.Name, ID: topic.ID})
	}
	for _, topic := range delta.ChangedTopics() {
		if topic.Name == group.TopicName {
			g.take(topic, delta.ChangedPartitions(topic.ID))
		}
	}
	if len(gone) > 0 {
		g.service.TopicsDeleted(gone)
	}
}

// take looks at the changed partitions of __consumer_offsets, at all with nil.
func (g *groupShards) take(topic *metadata.Topic, changed []int32) {
	g.service.SetPartitions(int32(len(topic.Partitions)))
	if changed == nil {
		for i := range topic.Partitions {
			changed = append(changed, int32(i))
		}
	}
	for _, i := range changed {
		state := &topic.Partitions[i]
		epoch, running := g.running[i]
		leads := state.Leader == g.server.settings.NodeID
		if running && (!leads || epoch != state.LeaderEpoch) {
			g.give(i, state.LeaderEpoch)
			running = false
		}
		if !leads || running {
			continue
		}
		partition, err := g.server.replicas.Partition(topic.Name, i)
		if err != nil {
			g.server.log.Error().Int32("partition", i).Str("error", err.Message).Msg("group coordinator: no partition")
			continue
		}
		g.running[i] = state.LeaderEpoch
		g.service.Started(i, state.LeaderEpoch, &shardLog{partition, state.LeaderEpoch, g.ctx, &g.waiting})
	}
}

// give gives up a partition that this node leads no more since a leader epoch,
// -1 where the partition is gone.
func (g *groupShards) give(partition, leaderEpoch int32) {
	delete(g.running, partition)
	g.service.Stopped(partition, leaderEpoch)
}

// close stops every shard and waits for all that it started.
func (g *groupShards) close(ctx context.Context) error {
	err := g.service.Close(ctx)
	g.cancel()
	g.waiting.Wait()
	return err
}
