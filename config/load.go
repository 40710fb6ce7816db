package config

// Options tells Load where values come from.
type Options struct {
	// File is the path of a server.properties, "" for none.
	File string
	// Overrides are the --override key=value of the command line, in order; the last of a key wins.
	Overrides []string
	// Environment is os.Environ(). Of it KAFKA_* keys are taken only if UseEnvironment is set or there is no File;
	// ${env:…} and CLUSTER_ID read it always.
	Environment    []string
	UseEnvironment bool
	// Hostname is what is advertised when the file names no host; "" asks the system.
	Hostname string
}

// Warning is one line for the log: a key that is unknown, not honoured, or whose value was changed.
type Warning struct {
	Key     string
	Line    int // of the file, 0 if it does not come from there
	Message string
}

// Load reads, checks and types the configuration. The error names key, value, line of the file and what is allowed, in one line.
func Load(options Options) (*Config, []Warning, error) { panic("BUG: not built") }

// source keeps every value with where it came from.
type source struct{}

// Get returns the value of a key as Kafka would print it, and whether it has one.
func (c *Config) Get(key string) (string, bool) { panic("BUG: not built") }
