package config

// Type is a key's type, with the numbers of DescribeConfigs' config_type.
type Type int8

// The types, in Kafka's numbers.
const (
	TypeUnknown  Type = 0
	TypeBoolean  Type = 1
	TypeString   Type = 2
	TypeInt      Type = 3
	TypeShort    Type = 4
	TypeLong     Type = 5
	TypeDouble   Type = 6
	TypeList     Type = 7
	TypeClass    Type = 8
	TypePassword Type = 9
)

// Mode says whether a broker's key may change while it runs.
type Mode string

// The modes, in Kafka's words.
const (
	ReadOnly    Mode = "read-only"
	PerBroker   Mode = "per-broker"
	ClusterWide Mode = "cluster-wide"
)

// Effect says what this server does with a key.
type Effect uint8

// The effects.
const (
	Honoured Effect = iota // does what Kafka's does
	NoEffect               // accepted, and told by DescribeConfigs, without an effect; another value than the default warns
	Refused                // another value than the default stops the start: its absence would weaken security or durability
)

// Definition is one row of the table.
type Definition struct {
	Key     string
	Type    Type
	Default *string // nil: no default, or null
	// Valid is Kafka's own text of what is allowed, "" for anything.
	Valid      string
	Importance string // high, medium or low
	Mode       Mode   // of brokers' keys
	Internal   bool   // not told by DescribeConfigs
	Effect     Effect
	// Synonyms are the brokers' keys from which a topic's or group's takes its default, first the one that wins.
	Synonyms []string
	// Doc is one sentence about what it does.
	Doc string
}

// Sensitive tells whether values of the key are never shown.
func (d *Definition) Sensitive() bool { return d.Type == TypePassword }
