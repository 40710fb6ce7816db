package server

import (
	"path/filepath"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/server/api"
)

// administration are the handlers of what an administrator asks for.
func (s *Server) administration() api.Handlers {
	return api.Handlers{
		kmsg.DescribeConfigs:            api.DescribeConfigs(s.controller, s.settings, s.settings.NodeID),
		kmsg.AlterConfigs:               api.AlterConfigs(s.controller),
		kmsg.IncrementalAlterConfigs:    api.IncrementalAlterConfigs(s.controller),
		kmsg.ListConfigResources:        api.ListConfigResources(s.controller),
		kmsg.DescribeLogDirs:            api.DescribeLogDirs(s.logDirsOptions()),
		kmsg.ElectLeaders:               api.ElectLeaders(s.controller),
		kmsg.AlterPartitionAssignments:  api.AlterPartitionReassignments(s.controller),
		kmsg.ListPartitionReassignments: api.ListPartitionReassignments(s.controller),
		kmsg.DescribeQuorum:             api.DescribeQuorum(s.quorumState, time.Now),
		kmsg.UpdateFeatures:             api.UpdateFeatures(s.controller),
		kmsg.UnregisterBroker:           api.UnregisterBroker(s.controller),
	}
}

func (s *Server) logDirsOptions() api.LogDirsOptions {
	return api.LogDirsOptions{
		Storage: s.storage, Directories: s.home.directories, Space: diskSpace, Cordoned: s.cordoned,
	}
}

// cordoned tells whether cordoned.log.dirs keeps new partitions out of a
// directory.
func (s *Server) cordoned(directory string) bool {
	image := s.controller.Image()
	if image.MetadataVersion() < maxMetadataVersion {
		return false
	}
	cordoned := s.settings.CordonedLogDirs(dynamicOf(s.settings, image))
	return slices.ContainsFunc(cordoned, func(name string) bool { return name == "*" || filepath.Clean(name) == directory })
}

// quorumState is what this node, the one voter and the leader, knows of the
// metadata log.
func (s *Server) quorumState() api.QuorumState {
	state := api.QuorumState{LeaderID: s.settings.NodeID, LeaderEpoch: s.quorum.Epoch(), HighWatermark: s.quorum.Committed()}
	end := s.quorum.EndOffset()
	if voters := s.quorum.Voters(); voters != nil {
		for i := range voters.Voters {
			voter := api.QuorumVoter{ID: voters.Voters[i].VoterID, DirectoryID: voters.Voters[i].VoterDirectoryID, EndOffset: end}
			for _, e := range voters.Voters[i].Endpoints {
				voter.Endpoints = append(voter.Endpoints, api.NamedEndpoint{Name: e.Name, Host: e.Host, Port: e.Port})
			}
			state.Voters = append(state.Voters, voter)
		}
		return state
	}
	for _, v := range s.settings.Quorum.Voters {
		state.Voters = append(state.Voters, api.QuorumVoter{ID: v.ID, EndOffset: end, Endpoints: []api.NamedEndpoint{
			{Name: s.settings.ControllerListenerNames[0], Host: v.Host, Port: uint16(v.Port)},
		}})
	}
	return state
}
