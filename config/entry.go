package config

// Source says where a value comes from, with the numbers of DescribeConfigs' config_source.
type Source int8

// The sources, in Kafka's numbers.
const (
	SourceUnknown              Source = 0
	SourceTopic                Source = 1
	SourceDynamicBroker        Source = 2
	SourceDynamicDefaultBroker Source = 3
	SourceStaticBroker         Source = 4
	SourceDefault              Source = 5
	SourceDynamicBrokerLogger  Source = 6
	SourceClientMetrics        Source = 7
	SourceGroup                Source = 8
)

// Entry is one line of a DescribeConfigs answer.
type Entry struct {
	Name string
	// Value is nil for null: a sensitive key, or one without a value.
	Value         *string
	Source        Source
	Sensitive     bool
	ReadOnly      bool
	Type          Type
	Documentation string
	// Synonyms are in the order of precedence; the first is where Value comes from.
	Synonyms []Synonym
}

// Synonym is one of the places where a value could come from, and its value there.
type Synonym struct {
	Name   string
	Value  *string
	Source Source
}

// Dynamic holds the dynamic configuration that the metadata keeps, laid over the file's in DescribeConfigs and in TopicConfig.
// Both maps may be nil.
type Dynamic struct {
	Broker  map[string]string // of this broker
	Default map[string]string // of all brokers
}

// DescribeBroker returns the entries that DescribeConfigs answers for this broker, by key, in the order of Kafka's own answer.
// A nil or empty keys asks for all; unknown keys are left out, as Kafka does.
func (c *Config) DescribeBroker(dynamic Dynamic, keys []string) []Entry { panic("BUG: not built") }

// DescribeBrokerDefaults returns the entries for the resource of all brokers (empty name): what is set there, nothing else.
func (c *Config) DescribeBrokerDefaults(dynamic Dynamic, keys []string) []Entry {
	panic("BUG: not built")
}

// DescribeTopic returns the entries that DescribeConfigs answers for a topic with these configurations of its own.
func (c *Config) DescribeTopic(dynamic Dynamic, topic map[string]string, keys []string) []Entry {
	panic("BUG: not built")
}

// DescribeGroup returns the entries that DescribeConfigs answers for a group with these configurations of its own.
func (c *Config) DescribeGroup(dynamic Dynamic, group map[string]string, keys []string) []Entry {
	panic("BUG: not built")
}
