package server

import (
	"fmt"
	"maps"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/protocol"
	"ottla/server/api"
)

// The levels of metadata.version that a cluster of this server can have.
const (
	minMetadataVersion = 7
	maxMetadataVersion = 30
)

// handlers is the dispatch table: every API that is served.
func (s *Server) handlers() api.Handlers {
	var creator api.TopicCreator
	if s.settings.Topics.AutoCreate {
		creator = s.controller
	}
	groups, transactions := s.groups.service, s.transactions.service
	verify := s.verifiesPartitions
	served := map[string]map[kmsg.Key]api.VersionRange{}
	table := api.Handlers{
		kmsg.ApiVersions:          api.ApiVersions(func(listener string) map[kmsg.Key]api.VersionRange { return served[listener] }, s.features),
		kmsg.Metadata:             api.Metadata(s.controller, creator),
		kmsg.Produce:              api.Produce(api.ProduceOptions{Replicas: s.replicas, LeaderEndpoint: s.leaderEndpoint, Transactions: transactions, Verify: verify}),
		kmsg.Fetch:                api.Fetch(s.fetchOptions()),
		kmsg.ListOffsets:          api.ListOffsets(s.replicas),
		kmsg.DeleteRecords:        api.DeleteRecords(s.replicas),
		kmsg.OffsetForLeaderEpoch: api.OffsetForLeaderEpoch(s.replicas),
		kmsg.InitProducerID:       api.InitProducerID(s.producerIDs, transactions),
		kmsg.FindCoordinator:      api.FindCoordinator(s.controller, s.controller, groups, transactions),
		kmsg.JoinGroup:            api.JoinGroup(groups),
		kmsg.SyncGroup:            api.SyncGroup(groups),
		kmsg.Heartbeat:            api.Heartbeat(groups),
		kmsg.LeaveGroup:           api.LeaveGroup(groups),
		kmsg.OffsetCommit:         api.OffsetCommit(s.controller, groups),
		kmsg.OffsetFetch:          api.OffsetFetch(s.controller, groups),
		kmsg.OffsetDelete:         api.OffsetDelete(s.controller, groups),
		kmsg.DescribeGroups:       api.DescribeGroups(groups),
		kmsg.ListGroups:           api.ListGroups(groups),
		kmsg.DeleteGroups:         api.DeleteGroups(groups),
		kmsg.AddPartitionsToTxn:   api.AddPartitionsToTxn(s.controller, transactions),
		kmsg.AddOffsetsToTxn:      api.AddOffsetsToTxn(groups, transactions),
		kmsg.EndTxn:               api.EndTxn(transactions),
		kmsg.WriteTxnMarkers:      api.WriteTxnMarkers(&markers{replicas: s.replicas, groups: groups}),
		kmsg.TxnOffsetCommit: api.TxnOffsetCommit(api.TxnOffsetCommitOptions{
			Cluster: s.controller, Groups: groups, Replicas: s.replicas, Transactions: transactions, Verify: verify,
		}),
		kmsg.DescribeProducers:       api.DescribeProducers(s.controller, s.replicas),
		kmsg.DescribeTransactions:    api.DescribeTransactions(transactions),
		kmsg.ListTransactions:        api.ListTransactions(transactions),
		kmsg.CreateTopics:            api.CreateTopics(s.controller),
		kmsg.DeleteTopics:            api.DeleteTopics(s.controller),
		kmsg.CreatePartitions:        api.CreatePartitions(s.controller),
		kmsg.DescribeCluster:         api.DescribeCluster(s.controller, s.onController),
		kmsg.DescribeTopicPartitions: api.DescribeTopicPartitions(s.controller, s.settings.Broker.MaxRequestPartitionSize),
	}
	maps.Copy(table, s.administration())
	for _, l := range s.settings.Listeners {
		served[l.Name] = advertised(servedOn(table, kindOf(l)))
	}
	return table
}

// onController tells whether a listener is one of controllers.
func (s *Server) onController(listener string) bool {
	for _, l := range s.settings.Listeners {
		if l.Name == listener {
			return l.Controller
		}
	}
	return false
}

// servedOn are the handlers that a kind of listener serves. Fetch is for the
// metadata log there, of which this node has no other reader.
func servedOn(handlers api.Handlers, kind protocol.Listeners) api.Handlers {
	served := api.Handlers{}
	for key, handler := range handlers {
		row, ok := protocol.Lookup(key.Int16())
		if !ok {
			panic(fmt.Sprintf("BUG: a handler of the unknown API %d", key))
		}
		if row.Listeners.Has(kind) && (kind != protocol.Controller || key != kmsg.Fetch) {
			served[key] = handler
		}
	}
	return served
}

func (s *Server) fetchOptions() api.FetchOptions {
	return api.FetchOptions{
		Replicas: s.replicas, LeaderEndpoint: s.leaderEndpoint, MaxBytes: s.settings.Broker.FetchMaxBytes,
		SessionSlots: int(s.settings.Broker.MaxFetchSessionCacheSlots), InterBrokerListener: s.settings.InterBrokerListenerName,
	}
}

// advertised are the versions that ApiVersions names of what is served.
func advertised(served api.Handlers) map[kmsg.Key]api.VersionRange {
	ranges := make(map[kmsg.Key]api.VersionRange, len(served))
	for key := range served {
		row, _ := protocol.Lookup(key.Int16())
		ranges[key] = api.VersionRange{Min: row.AdvertisedMin, Max: row.Max}
	}
	return ranges
}

// features is what ApiVersions tells of features: those of which every API is
// served.
func (s *Server) features() api.Features {
	image := s.controller.Image()
	features := api.Features{
		Supported: map[string]api.VersionRange{
			"metadata.version":                 {Min: minMetadataVersion, Max: maxMetadataVersion},
			"kraft.version":                    {Min: 0, Max: 1},
			"eligible.leader.replicas.version": {Min: 0, Max: 1},
			"transaction.version":              {Min: 0, Max: 2},
		},
		Finalized: map[string]int16{},
		Epoch:     image.Offset(),
	}
	for name, level := range image.Features() {
		if _, supported := features.Supported[name]; supported {
			features.Finalized[name] = level
		}
	}
	if s.home.kraftVersion > 0 {
		features.Finalized["kraft.version"] = s.home.kraftVersion
	}
	return features
}
