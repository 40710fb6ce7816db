package server

import "ottla/metadata"

// followConfigs puts in force what the metadata has for brokers, beside the
// topics' configurations, which replica follows. A nil delta is the start.
func (s *Server) followConfigs(delta *metadata.Delta, image *metadata.Image) {
	if delta != nil {
		concerned := false
		for _, resource := range delta.ChangedConfigs() {
			concerned = concerned || resource.Type == metadata.ResourceBroker
		}
		if !concerned {
			return
		}
	}
	dynamic := dynamicOf(s.settings, image)
	running, err := s.settings.Running(dynamic)
	if err != nil {
		// It was checked when it was set; a file that has changed since may contradict it.
		s.log.Error().Err(err).Msg("configurations of the broker cannot be put in force")
		return
	}
	s.network.setLimits(limits{
		all: int(running.MaxConnections), perAddress: int(running.MaxConnectionsPerIP),
		overrides: addressLimits(running.MaxConnectionsPerIPFor), perSecond: int(running.MaxConnectionCreationRate),
	})
	s.storage.SetDefault(logConfig(s.settings.TopicConfig(dynamic, nil)))
	s.storage.SetProducerIDExpiration(running.ProducerIDExpiration)
}
