package server

import (
	"time"

	"ottla/coordinator/group"
	"ottla/internal/uuid"
	"ottla/metadata"
	"ottla/protocol/record"
	"ottla/replica"
)

// maxUnpacked bounds what a batch of a coordinator's log may unpack to.
const maxUnpacked = 256 << 20

// groupShards are the group coordinator's shards.
type groupShards struct {
	shards
	service *group.Service
}

func newGroupShards(s *Server) *groupShards {
	config := groupConfig(s.settings)
	config.MetadataVersion = func() int16 { return s.controller.Image().MetadataVersion() }
	g := &groupShards{service: group.New(group.Options{
		Config: config, Now: time.Now, NewID: uuid.New,
		Translate: replica.ErrorOf, Limits: record.Limits{MaxDecompressedBytes: maxUnpacked}, Events: s.events.groups,
	})}
	g.init(s, group.TopicName, g.service)
	return g
}

// follow follows the shards' topic, and tells the groups of topics that are gone.
func (g *groupShards) follow(delta *metadata.Delta) {
	var gone []group.DeletedTopic
	for _, topic := range delta.DeletedTopics() {
		if topic.Name != group.TopicName {
			gone = append(gone, group.DeletedTopic{Name: topic.Name, ID: topic.ID})
		}
	}
	g.shards.follow(delta)
	if len(gone) > 0 {
		g.service.TopicsDeleted(gone)
	}
}
