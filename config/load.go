package config

import (
	"fmt"
	"os"
	"strings"
)

// Options tells Load where values come from.
type Options struct {
	// File is the path of a server.properties, "" for none.
	File string
	// Overrides are the --override key=value of the command line, in order; the last of a key wins.
	Overrides []string
	// Environment is os.Environ(). Of it KAFKA_* keys and CLUSTER_ID are taken only if UseEnvironment is set or there is no
	// File; config providers read it always.
	Environment    []string
	UseEnvironment bool
	// Hostname is what is advertised when the file names no host; "" asks the system.
	Hostname string
}

// Warning is one line for the log: a key that is unknown, not honoured, or whose value was changed.
type Warning struct {
	Key     string // "" where it is about several
	Line    int    // of the file, 0 if it does not come from there
	Message string // in one line, with the key
}

// String is the warning in one line, with the line of the file.
func (w Warning) String() string {
	if w.Line == 0 {
		return w.Message
	}
	return fmt.Sprintf("line %d: %s", w.Line, w.Message)
}

// Error is a configuration with which the server does not start.
type Error struct {
	Key, Value string
	// Message says what is wrong, in Kafka's words where Kafka refuses it too.
	Message string
	// Allowed says what would be right, "" where Message does.
	Allowed string

	setting setting
	file    string
}

// Error is one line with the place, key, value and what is allowed.
func (e *Error) Error() string {
	var b strings.Builder
	switch e.setting.origin {
	case fromFile:
		fmt.Fprintf(&b, "%s line %d: ", e.file, e.setting.line)
	case fromEnvironment:
		fmt.Fprintf(&b, "environment %s: ", e.setting.name)
	case fromOverride:
		b.WriteString("--override: ")
	case fromDefault:
	}
	value := printable(e.Value)
	if d, ok := Brokers().Lookup(baseKey(e.Key)); ok && d.Sensitive() {
		value = "[hidden]"
	}
	fmt.Fprintf(&b, "%s=%s: %s", printable(e.Key), value, strings.NewReplacer("\n", `\n`, "\r", `\r`).Replace(e.Message))
	if e.Allowed != "" {
		fmt.Fprintf(&b, " (allowed: %s)", e.Allowed)
	}
	return b.String()
}

// Line is the line of the file, 0 where the value comes from elsewhere.
func (e *Error) Line() int { return e.setting.line }

func baseKey(key string) string {
	if base, ok := listenerKey(key); ok {
		return base
	}
	return key
}

// source keeps every value with where it came from.
type source struct {
	settings map[string]setting // what was given, by key
	values   map[string]any     // of every known key that has a value
	file     string
}

// Load reads, checks and types the configuration. The error names key, value, line of the file and what is allowed, in one line.
func Load(options Options) (*Config, []Warning, error) {
	settings, err := layers(options)
	if err != nil {
		return nil, nil, err
	}
	c := &Config{source: source{settings: settings, values: map[string]any{}, file: options.File}}
	warnings, err := resolveProviders(settings, options.Environment)
	if err == nil {
		err = c.parse()
	}
	if err == nil {
		err = c.refuse()
	}
	if err == nil {
		err = c.checkTogether()
	}
	if err == nil {
		err = c.readListeners(options.Hostname)
	}
	if err == nil {
		err = c.readQuorum()
	}
	if err != nil {
		return nil, nil, c.located(err)
	}
	c.fill()
	warnings = append(warnings, c.warnings()...)
	warnings = append(warnings, c.clamp()...)
	if options.UseEnvironment || options.File == "" {
		for _, variable := range options.Environment {
			if id, ok := strings.CutPrefix(variable, "CLUSTER_ID="); ok {
				c.InitialClusterID = id
			}
		}
	}
	return c, warnings, nil
}

// located adds to an error the file that its line belongs to.
func (c *Config) located(err error) error {
	if e, ok := err.(*Error); ok { //nolint:errorlint // made here, never wrapped
		e.file = c.source.file
	}
	return err
}

// parse types every value. Of several bad ones it tells the first of the file.
func (c *Config) parse() error {
	settings := c.source.settings
	if id, ok := settings["broker.id"]; ok {
		if _, both := settings["node.id"]; !both {
			settings["node.id"] = id
		}
	} else if id, ok := settings["node.id"]; ok {
		settings["broker.id"] = id
	}
	for _, key := range inOrder(settings) {
		s := settings[key]
		d, ok := Brokers().Lookup(key)
		if !ok {
			if d, ok = Brokers().Lookup(baseKey(key)); !ok {
				continue
			}
		}
		value, err := d.parse(s.raw)
		if err != nil {
			return &Error{Key: key, Value: s.raw, setting: s, Message: err.Error(), Allowed: d.Allowed()}
		}
		c.source.values[key] = value
	}
	for _, d := range Brokers().All() {
		if _, set := c.source.values[d.Key]; !set && d.standard != nil {
			c.source.values[d.Key] = d.standard
		}
	}
	if _, ok := settings["node.id"]; !ok {
		c.source.values["broker.id"] = c.source.values["node.id"]
	}
	return nil
}

// fail is an error about a key, with the value and place it has.
func (c *Config) fail(key, message, allowed string) error {
	s := c.source.settings[key]
	value, _ := c.Get(key)
	if s.origin != fromDefault {
		value = s.raw
	}
	return &Error{Key: key, Value: value, setting: s, Message: message, Allowed: allowed}
}

// Get returns the value of a key as Kafka would print it, and whether it has one. A key that Kafka does not know has the
// text that it was given.
func (c *Config) Get(key string) (string, bool) {
	if value, ok := c.source.values[key]; ok {
		return formatValue(value), true
	}
	s, ok := c.source.settings[key]
	return s.raw, ok
}

// Place tells where the value of a key comes from: SourceStaticBroker for what was given, with the line of the file (0 where
// it was the environment or the command line), SourceDefault for what the table says, SourceUnknown where there is no value.
func (c *Config) Place(key string) (Source, int) {
	if s, ok := c.source.settings[key]; ok {
		return SourceStaticBroker, s.line
	}
	if _, ok := c.source.values[key]; ok {
		return SourceDefault, 0
	}
	return SourceUnknown, 0
}

// hostname is what is advertised where the file names no host.
func hostname(given string) string {
	if given != "" {
		return given
	}
	if name, err := os.Hostname(); err == nil && name != "" {
		return name
	}
	return "localhost"
}
