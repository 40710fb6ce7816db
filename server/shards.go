package server

import (
	"context"
	"sync"

	"ottla/coordinator"
	"ottla/metadata"
)

// shardService is a coordinator, as far as its shards are concerned.
type shardService interface {
	Started(partition, leaderEpoch int32, log coordinator.Log)
	Stopped(partition, leaderEpoch int32)
	SetPartitions(count int32)
	Close(ctx context.Context) error
}

// shards starts and stops a coordinator's shards as this node takes up and gives
// up partitions of its topic. Its methods, close apart, are called one at a time,
// in the order of the metadata.
type shards struct {
	server  *Server
	topic   string
	service shardService
	running map[int32]int32 // the leader epoch that a partition's shard runs in
	ctx     context.Context
	cancel  context.CancelFunc
	waiting sync.WaitGroup
}

func (c *shards) init(s *Server, topic string, service shardService) {
	c.server, c.topic, c.service, c.running = s, topic, service, map[int32]int32{}
	c.ctx, c.cancel = context.WithCancel(context.Background())
}

// start takes up what this node leads already.
func (c *shards) start(image *metadata.Image) {
	if topic, ok := image.Topic(c.topic); ok {
		c.take(topic, nil)
	}
}

// follow takes up and gives up what a change of the metadata says.
func (c *shards) follow(delta *metadata.Delta) {
	for _, topic := range delta.DeletedTopics() {
		if topic.Name == c.topic {
			for partition := range c.running {
				c.give(partition, -1)
			}
		}
	}
	for _, topic := range delta.ChangedTopics() {
		if topic.Name == c.topic {
			c.take(topic, delta.ChangedPartitions(topic.ID))
		}
	}
}

// take looks at the changed partitions of the topic, at all with nil.
func (c *shards) take(topic *metadata.Topic, changed []int32) {
	c.service.SetPartitions(int32(len(topic.Partitions)))
	if changed == nil {
		for i := range topic.Partitions {
			changed = append(changed, int32(i))
		}
	}
	for _, i := range changed {
		state := &topic.Partitions[i]
		epoch, running := c.running[i]
		leads := state.Leader == c.server.settings.NodeID
		if running && (!leads || epoch != state.LeaderEpoch) {
			c.give(i, state.LeaderEpoch)
			running = false
		}
		if !leads || running {
			continue
		}
		partition, err := c.server.replicas.Partition(topic.Name, i)
		if err != nil {
			c.server.log.Error().Str("topic", c.topic).Int32("partition", i).Str("error", err.Message).Msg("coordinator: no partition")
			continue
		}
		c.running[i] = state.LeaderEpoch
		c.service.Started(i, state.LeaderEpoch, &shardLog{partition, state.LeaderEpoch, c.ctx, &c.waiting})
	}
}

// give gives up a partition that this node leads no more since a leader epoch,
// -1 where the partition is gone.
func (c *shards) give(partition, leaderEpoch int32) {
	delete(c.running, partition)
	c.service.Stopped(partition, leaderEpoch)
}

// close stops every shard and waits for all that it started.
func (c *shards) close(ctx context.Context) error {
	err := c.service.Close(ctx)
	c.cancel()
	c.waiting.Wait()
	return err
}
