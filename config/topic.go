package config

// Topic is the configuration of a topic, typed. Milliseconds stay as on the wire: Long.MAX_VALUE fits no time.Duration.
type Topic struct {
	SegmentBytes             int32
	SegmentMs                int64
	SegmentJitterMs          int64
	SegmentIndexBytes        int32
	IndexIntervalBytes       int32
	FlushMessages            int64
	FlushMs                  int64
	RetentionBytes           int64
	RetentionMs              int64
	LocalRetentionBytes      int64
	LocalRetentionMs         int64
	MaxMessageBytes          int32
	DeleteRetentionMs        int64
	MinCompactionLagMs       int64
	MaxCompactionLagMs       int64
	FileDeleteDelayMs        int64
	MinCleanableDirtyRatio   float64
	Delete                   bool // cleanup.policy holds delete
	Compact                  bool // cleanup.policy holds compact
	UncleanLeaderElection    bool
	MinInsyncReplicas        int32
	CompressionType          string // producer, uncompressed, gzip, snappy, lz4 or zstd
	GzipLevel                int
	Lz4Level                 int
	ZstdLevel                int
	Preallocate              bool
	LogAppendTime            bool // message.timestamp.type is LogAppendTime
	TimestampBeforeMaxMs     int64
	TimestampAfterMaxMs      int64
	RemoteStorageEnable      bool
	LeaderThrottledReplicas  []string
	FollowerThrottleReplicas []string
}

// TopicConfig returns the configuration of a topic whose own configurations are topic, with the broker's for the rest.
// Values that do not parse (they were checked when they were set) fall back to the broker's.
func (c *Config) TopicConfig(dynamic Dynamic, topic map[string]string) Topic {
	panic("BUG: not built")
}

// TopicDefaults returns what a topic without configurations of its own has, by topic key.
func (c *Config) TopicDefaults() map[string]string { panic("BUG: not built") }

// ParseTopic checks the configurations that a topic is to have (the whole set: what is there and what is being set) the way
// Kafka's LogConfig.validate does. existing is what it has now (nil for a new topic). A null value is given as nil.
// The error is an *InvalidError with Kafka's message, which goes into the answer with INVALID_CONFIG.
func (c *Config) ParseTopic(existing map[string]string, topic map[string]string) error {
	panic("BUG: not built")
}

// ParseGroup checks the configurations of a group in the same way.
func (c *Config) ParseGroup(group map[string]string) error { panic("BUG: not built") }

// InvalidError is a configuration that Kafka refuses; Message is Kafka's.
type InvalidError struct{ Message string }

func (e *InvalidError) Error() string { return e.Message }
