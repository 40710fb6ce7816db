package server

import (
	"context"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/config"
	"ottla/coordinator"
	"ottla/coordinator/group"
	"ottla/coordinator/transaction"
	"ottla/metadata"
	"ottla/protocol/record"
	"ottla/replica"
	"ottla/storage"
)

// markerTimeout bounds the wait for one marker to be committed; it is written again then.
const markerTimeout = 30 * time.Second

// transactionShards are the transaction coordinator's shards.
type transactionShards struct {
	shards
	service *transaction.Service
}

func newTransactionShards(s *Server) *transactionShards {
	t := &transactionShards{service: transaction.New(transaction.Options{
		Config: transactionConfig(s.settings), Now: time.Now, NewProducerID: s.producerIDs.Next,
		Level:   func() int16 { return s.controller.Image().Feature(metadata.FeatureTransaction) },
		Markers: &markers{replicas: s.replicas, groups: s.groups.service}, Translate: replica.ErrorOf,
		Limits: record.Limits{MaxDecompressedBytes: maxUnpacked}, Events: s.events.transactions,
	})}
	t.init(s, transaction.TopicName, t.service)
	return t
}

// transactionConfig is what the transaction coordinator needs of the configuration.
func transactionConfig(settings *config.Config) transaction.Config {
	return transaction.Config{
		MaxTimeout: settings.Txn.MaxTimeout, IDExpiration: settings.Txn.IDExpiration,
		AbortInterval: settings.Txn.AbortTimedOutInterval, ExpireInterval: settings.Txn.RemoveExpiredInterval,
		LoadBufferSize: int(settings.Txn.LoadBufferBytes), TopicPartitions: settings.Txn.TopicPartitions,
	}
}

// verifiesPartitions is transaction.partition.verification.enable, which can be changed while the server runs.
func (s *Server) verifiesPartitions() bool {
	dynamic := dynamicOf(s.settings, s.controller.Image())
	for _, from := range []map[string]string{dynamic.Broker, dynamic.Default} {
		if value, ok := from["transaction.partition.verification.enable"]; ok {
			return strings.EqualFold(value, "true")
		}
	}
	return s.settings.Txn.PartitionVerification
}

// markers writes the markers of transactions into this node's partitions.
type markers struct {
	replicas *replica.Manager
	groups   *group.Service
}

// WriteMarker implements transaction.MarkerWriter and api.MarkerWriter.
func (w *markers) WriteMarker(ctx context.Context, at transaction.Partition, marker transaction.Marker) *kerr.Error {
	partition, failure := w.replicas.Partition(at.Topic, at.Index)
	if failure != nil {
		return failure
	}
	if at.Topic == group.TopicName {
		return w.endInGroups(ctx, at.Index, marker)
	}
	batch := record.EndTxnBatch(time.Now().UnixMilli(), marker.ProducerID, marker.Epoch, marker.Commit,
		record.EndTxnMarker{CoordinatorEpoch: marker.CoordinatorEpoch})
	info, err := partition.Append(batch, replica.AppendRequest{
		Acks: replica.AcksAll, LeaderEpoch: replica.NoLeaderEpoch, Origin: storage.OriginCoordinator, TransactionVersion: marker.Version,
	})
	if err == nil {
		err = partition.Commit(ctx, info, replica.AcksAll, markerTimeout)
	}
	if ctx.Err() != nil {
		return kerr.RequestTimedOut
	}
	return replica.ErrorOf(err)
}

// endInGroups lets the group coordinator write the marker: it has to see it.
func (w *markers) endInGroups(ctx context.Context, partition int32, marker transaction.Marker) *kerr.Error {
	outcome := make(chan *kerr.Error, 1)
	w.groups.EndTransaction(partition, coordinator.Marker{
		ProducerID: marker.ProducerID, ProducerEpoch: marker.Epoch, Commit: marker.Commit,
		CoordinatorEpoch: marker.CoordinatorEpoch, Version: marker.Version,
	}, func(failure *kerr.Error) { outcome <- failure })
	select {
	case failure := <-outcome:
		return failure
	case <-ctx.Done():
		return kerr.RequestTimedOut
	}
}
