package protocol

import "iter"

// Listeners is a set of the kinds of listener that an API is served on.
type Listeners uint8

// The kinds of listener.
const (
	Broker Listeners = 1 << iota
	Controller
)

// Has tells whether every kind in other is in l.
func (l Listeners) Has(other Listeners) bool { return l&other == other }

// API is one row of the version table.
type API struct {
	Key  int16
	Name string
	// Min and Max are the versions that are served, both inclusive.
	Min, Max int16
	// AdvertisedMin is the lowest version that ApiVersions names. It is Min,
	// but for Produce: librdkafka before 2.11 takes compression away from a
	// broker that does not name version 0, which is then never used.
	AdvertisedMin int16
	// Flexible is the first version with tagged fields, -1 where there is none.
	Flexible int16
	// Listeners are the kinds of listener that serve the API.
	Listeners Listeners
	// Cap is the largest frame of a request in bytes, its length not counted.
	Cap int
	// Bytes tells that the request has fields of bytes, so that its decoded body
	// points into its frame.
	Bytes bool
}

// Supports tells whether the version is served.
func (a API) Supports(version int16) bool { return a.Min <= version && version <= a.Max }

// IsFlexible tells whether a version has tagged fields. It is defined for
// versions that are not served too, as the header of such a request is read.
func (a API) IsFlexible(version int16) bool { return a.Flexible >= 0 && version >= a.Flexible }

// The caps. They are far above what clients send in earnest: ten thousand
// topics with the longest names are 2.5 MB in a Metadata request, a group's
// leader sends the assignments of all members in one SyncGroup.
const (
	capSmall  = 1 << 20
	capMedium = 8 << 20
	capLarge  = 32 << 20
	capNone   = 1<<31 - 1 // socket.request.max.bytes alone bounds it
)

// ApiVersionsKey and ProduceKey are the keys that are treated apart.
const (
	ProduceKey     int16 = 0
	ApiVersionsKey int16 = 18
)

const (
	onBroker     = Broker
	onController = Controller
	onBoth       = Broker | Controller
)

// table is every API of Apache Kafka 4.3, by key. It is never written.
var table = [...]API{
	{0, "Produce", 3, 13, 0, 9, onBroker, capNone, true},
	{1, "Fetch", 4, 18, 4, 12, onBoth, capLarge, false},
	{2, "ListOffsets", 1, 11, 1, 6, onBroker, capLarge, false},
	{3, "Metadata", 0, 13, 0, 9, onBroker, capMedium, false},
	{8, "OffsetCommit", 2, 10, 2, 8, onBroker, capLarge, false},
	{9, "OffsetFetch", 1, 10, 1, 6, onBroker, capLarge, false},
	{10, "FindCoordinator", 0, 6, 0, 3, onBroker, capMedium, false},
	{11, "JoinGroup", 0, 9, 0, 6, onBroker, capLarge, true},
	{12, "Heartbeat", 0, 4, 0, 4, onBroker, capSmall, false},
	{13, "LeaveGroup", 0, 5, 0, 4, onBroker, capMedium, false},
	{14, "SyncGroup", 0, 5, 0, 4, onBroker, capLarge, true},
	{15, "DescribeGroups", 0, 6, 0, 5, onBroker, capMedium, false},
	{16, "ListGroups", 0, 5, 0, 3, onBroker, capSmall, false},
	{17, "SaslHandshake", 0, 1, 0, -1, onBoth, capSmall, false},
	{18, "ApiVersions", 0, 4, 0, 3, onBoth, capSmall, false},
	{19, "CreateTopics", 2, 7, 2, 5, onBoth, capLarge, false},
	{20, "DeleteTopics", 1, 6, 1, 4, onBoth, capMedium, false},
	{21, "DeleteRecords", 0, 2, 0, 2, onBroker, capLarge, false},
	{22, "InitProducerId", 0, 5, 0, 2, onBroker, capSmall, false},
	{23, "OffsetForLeaderEpoch", 2, 4, 2, 4, onBroker, capLarge, false},
	{24, "AddPartitionsToTxn", 0, 5, 0, 3, onBroker, capLarge, false},
	{25, "AddOffsetsToTxn", 0, 4, 0, 3, onBroker, capSmall, false},
	{26, "EndTxn", 0, 5, 0, 3, onBroker, capSmall, false},
	{27, "WriteTxnMarkers", 1, 2, 1, 1, onBroker, capLarge, false},
	{28, "TxnOffsetCommit", 0, 5, 0, 3, onBroker, capLarge, false},
	{29, "DescribeAcls", 1, 3, 1, 2, onBoth, capSmall, false},
	{30, "CreateAcls", 1, 3, 1, 2, onBoth, capMedium, false},
	{31, "DeleteAcls", 1, 3, 1, 2, onBoth, capMedium, false},
	{32, "DescribeConfigs", 1, 4, 1, 4, onBoth, capMedium, false},
	{33, "AlterConfigs", 0, 2, 0, 2, onBoth, capLarge, false},
	{34, "AlterReplicaLogDirs", 1, 2, 1, 2, onBroker, capLarge, false},
	{35, "DescribeLogDirs", 1, 5, 1, 2, onBroker, capLarge, false},
	{36, "SaslAuthenticate", 0, 2, 0, 2, onBoth, capSmall, true},
	{37, "CreatePartitions", 0, 3, 0, 2, onBoth, capLarge, false},
	{38, "CreateDelegationToken", 1, 3, 1, 2, onBoth, capSmall, false},
	{39, "RenewDelegationToken", 1, 2, 1, 2, onBoth, capSmall, true},
	{40, "ExpireDelegationToken", 1, 2, 1, 2, onBoth, capSmall, true},
	{41, "DescribeDelegationToken", 1, 3, 1, 2, onBoth, capSmall, false},
	{42, "DeleteGroups", 0, 2, 0, 2, onBroker, capMedium, false},
	{43, "ElectLeaders", 0, 2, 0, 2, onBoth, capLarge, false},
	{44, "IncrementalAlterConfigs", 0, 1, 0, 1, onBoth, capLarge, false},
	{45, "AlterPartitionReassignments", 0, 1, 0, 0, onBoth, capLarge, false},
	{46, "ListPartitionReassignments", 0, 0, 0, 0, onBoth, capLarge, false},
	{47, "OffsetDelete", 0, 0, 0, -1, onBroker, capLarge, false},
	{48, "DescribeClientQuotas", 0, 1, 0, 1, onBroker, capSmall, false},
	{49, "AlterClientQuotas", 0, 1, 0, 1, onBoth, capMedium, false},
	{50, "DescribeUserScramCredentials", 0, 0, 0, 0, onBoth, capMedium, false},
	{51, "AlterUserScramCredentials", 0, 0, 0, 0, onBoth, capMedium, true},
	{52, "Vote", 0, 2, 0, 0, onController, capSmall, false},
	{53, "BeginQuorumEpoch", 0, 1, 0, 1, onController, capSmall, false},
	{54, "EndQuorumEpoch", 0, 1, 0, 1, onController, capSmall, false},
	{55, "DescribeQuorum", 0, 2, 0, 0, onBoth, capSmall, false},
	{56, "AlterPartition", 2, 3, 2, 0, onController, capLarge, false},
	{57, "UpdateFeatures", 0, 2, 0, 0, onBoth, capSmall, false},
	{58, "Envelope", 0, 0, 0, 0, onController, capLarge, true},
	{59, "FetchSnapshot", 0, 1, 0, 0, onController, capSmall, false},
	{60, "DescribeCluster", 0, 2, 0, 0, onBoth, capSmall, false},
	{61, "DescribeProducers", 0, 0, 0, 0, onBroker, capMedium, false},
	{62, "BrokerRegistration", 0, 4, 0, 0, onController, capSmall, false},
	{63, "BrokerHeartbeat", 0, 2, 0, 0, onController, capSmall, false},
	{64, "UnregisterBroker", 0, 0, 0, 0, onBoth, capSmall, false},
	{65, "DescribeTransactions", 0, 0, 0, 0, onBroker, capMedium, false},
	{66, "ListTransactions", 0, 2, 0, 0, onBroker, capMedium, false},
	{67, "AllocateProducerIds", 0, 0, 0, 0, onController, capSmall, false},
	{68, "ConsumerGroupHeartbeat", 0, 1, 0, 0, onBroker, capMedium, false},
	{69, "ConsumerGroupDescribe", 0, 1, 0, 0, onBroker, capMedium, false},
	{70, "ControllerRegistration", 0, 0, 0, 0, onController, capSmall, false},
	{71, "GetTelemetrySubscriptions", 0, 0, 0, 0, onBroker, capSmall, false},
	{72, "PushTelemetry", 0, 0, 0, 0, onBroker, capMedium, true},
	{73, "AssignReplicasToDirs", 0, 0, 0, 0, onController, capLarge, false},
	{74, "ListConfigResources", 0, 1, 0, 0, onBroker, capSmall, false},
	{75, "DescribeTopicPartitions", 0, 0, 0, 0, onBroker, capMedium, false},
	{76, "ShareGroupHeartbeat", 1, 1, 1, 0, onBroker, capMedium, false},
	{77, "ShareGroupDescribe", 1, 1, 1, 0, onBroker, capMedium, false},
	{78, "ShareFetch", 1, 2, 1, 0, onBroker, capLarge, false},
	{79, "ShareAcknowledge", 1, 2, 1, 0, onBroker, capLarge, false},
	{80, "AddRaftVoter", 0, 1, 0, 0, onBoth, capSmall, false},
	{81, "RemoveRaftVoter", 0, 0, 0, 0, onBoth, capSmall, false},
	{82, "UpdateRaftVoter", 0, 0, 0, 0, onController, capSmall, false},
	{83, "InitializeShareGroupState", 0, 0, 0, 0, onBroker, capLarge, false},
	{84, "ReadShareGroupState", 0, 0, 0, 0, onBroker, capLarge, false},
	{85, "WriteShareGroupState", 0, 1, 0, 0, onBroker, capLarge, false},
	{86, "DeleteShareGroupState", 0, 0, 0, 0, onBroker, capLarge, false},
	{87, "ReadShareGroupStateSummary", 0, 1, 0, 0, onBroker, capLarge, false},
	{88, "StreamsGroupHeartbeat", 0, 0, 0, 0, onBroker, capLarge, false},
	{89, "StreamsGroupDescribe", 0, 0, 0, 0, onBroker, capMedium, false},
	{90, "DescribeShareGroupOffsets", 0, 1, 0, 0, onBroker, capLarge, false},
	{91, "AlterShareGroupOffsets", 0, 0, 0, 0, onBroker, capLarge, false},
	{92, "DeleteShareGroupOffsets", 0, 0, 0, 0, onBroker, capLarge, false},
}

// MaxKey is the greatest key of the table.
const MaxKey = 92

// rowOf is the row of each key in the table, -1 where there is none. It is
// never written.
var rowOf = func() (rows [MaxKey + 1]int8) {
	for i := range rows {
		rows[i] = -1
	}
	for i, a := range table {
		rows[a.Key] = int8(i)
	}
	return rows
}()

// Lookup is the row of a key; ok is false where Kafka has no such API.
func Lookup(key int16) (api API, ok bool) {
	if found := row(key); found != nil {
		return *found, true
	}
	return API{}, false
}

// row is the row of a key, nil where Kafka has no such API. It is not to be
// written.
func row(key int16) *API {
	if key < 0 || key > MaxKey || rowOf[key] < 0 {
		return nil
	}
	return &table[rowOf[key]]
}

// APIs goes through the table in the order of the keys.
func APIs() iter.Seq[API] {
	return func(yield func(API) bool) {
		for _, a := range table {
			if !yield(a) {
				return
			}
		}
	}
}
