package config

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/viper"
)

// origin says which layer a value comes from.
type origin uint8

const (
	fromDefault origin = iota
	fromFile
	fromEnvironment
	fromOverride
)

// setting is a value that was given, not a default.
type setting struct {
	raw    string
	origin origin
	line   int    // of the file
	name   string // of the environment's variable
}

// layers reads the file, the environment and the overrides, and returns what each key was set to by the layer that wins.
func layers(options Options) (map[string]setting, error) {
	settings := map[string]setting{}
	var document []byte
	if options.File != "" {
		var err error
		if document, err = os.ReadFile(options.File); err != nil {
			return nil, fmt.Errorf("read configuration: %w", err)
		}
		properties, err := ParseProperties(document)
		if err != nil {
			return nil, fmt.Errorf("%s %w", options.File, err)
		}
		for _, p := range properties {
			settings[p.Key] = setting{origin: fromFile, line: p.Line}
		}
	}
	environment := map[string]any{}
	if options.UseEnvironment || options.File == "" {
		for key, s := range environmentSettings(options.Environment) {
			environment[guard(key)] = s.raw
			settings[key] = s
		}
	}
	v, err := newViper(document, environment)
	if err != nil {
		return nil, fmt.Errorf("%s %w", options.File, err)
	}
	for _, override := range options.Overrides {
		key, value, ok := strings.Cut(override, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("--override %s: allowed: key=value", printable(override))
		}
		v.Set(guard(key), value)
		settings[key] = setting{origin: fromOverride}
	}
	for key, s := range settings {
		s.raw = v.GetString(guard(key))
		settings[key] = s
	}
	return settings, nil
}

// newViper makes the layers: the table's defaults, below the file, below the environment.
func newViper(document []byte, environment map[string]any) (*viper.Viper, error) {
	codecs := viper.NewCodecRegistry()
	if err := codecs.RegisterCodec("properties", propertiesCodec{}); err != nil {
		return nil, fmt.Errorf("register codec: %w", err)
	}
	v := viper.NewWithOptions(viper.WithCodecRegistry(codecs), viper.KeyDelimiter("\x00\x00"))
	v.SetConfigType("properties")
	for _, d := range Brokers().All() {
		if d.Default != nil {
			v.SetDefault(guard(d.Key), *d.Default)
		}
	}
	if err := v.ReadConfig(bytes.NewReader(document)); err != nil {
		return nil, fmt.Errorf("decode properties: %w", err)
	}
	if err := v.MergeConfigMap(environment); err != nil {
		return nil, fmt.Errorf("merge environment: %w", err)
	}
	return v, nil
}

// propertiesCodec teaches viper the grammar. It only decodes: nothing is ever written back.
type propertiesCodec struct{}

func (propertiesCodec) Decode(document []byte, into map[string]any) error {
	properties, err := ParseProperties(document)
	if err != nil {
		return err
	}
	for _, p := range properties {
		into[guard(p.Key)] = p.Value
	}
	return nil
}

func (propertiesCodec) Encode(map[string]any) ([]byte, error) {
	return nil, fmt.Errorf("encode properties: not supported")
}

// guard spells a key so that viper's lower-casing neither changes it nor makes two keys one: each character that has a
// lower case becomes ^ with its number, and so does ^ itself.
func guard(key string) string {
	var b strings.Builder
	for _, r := range key {
		if r == '^' || unicode.ToLower(r) != r {
			fmt.Fprintf(&b, "^%x;", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// environmentSettings takes the keys out of KAFKA_* variables with the rule of Kafka's container image. Only keys that are
// known count: the environment of a machine holds much that is nobody's configuration.
func environmentSettings(environment []string) map[string]setting {
	settings := map[string]setting{}
	for _, variable := range environment {
		name, value, _ := strings.Cut(variable, "=")
		rest, ok := strings.CutPrefix(name, "KAFKA_")
		if !ok || slices.Contains(notConfiguration(), name) {
			continue
		}
		key := strings.NewReplacer("___", "-", "__", "_", "_", ".").Replace(strings.ToLower(rest))
		if knownKey(key) {
			settings[key] = setting{raw: value, origin: fromEnvironment, name: name}
		}
	}
	return settings
}

// notConfiguration are the variables that Kafka's launchers read for themselves.
func notConfiguration() []string {
	return []string{
		"KAFKA_VERSION", "KAFKA_HEAP_OPTS", "KAFKA_LOG4J_OPTS", "KAFKA_OPTS", "KAFKA_JMX_OPTS", "KAFKA_JVM_PERFORMANCE_OPTS",
		"KAFKA_GC_LOG_OPTS", "KAFKA_LOG4J_ROOT_LOGLEVEL", "KAFKA_LOG4J_LOGGERS", "KAFKA_TOOLS_LOG4J_LOGLEVEL", "KAFKA_JMX_HOSTNAME",
	}
}

// knownKey tells whether a key means something in server.properties.
func knownKey(key string) bool {
	if d, ok := Brokers().Lookup(key); ok {
		return d.Mode != DynamicOnly
	}
	if base, ok := listenerKey(key); ok {
		_, known := Brokers().Lookup(base)
		return known
	}
	return strings.HasPrefix(key, "config.providers.") || slices.Contains(authorizerKeys(), key)
}

// authorizerKeys are not Kafka's own but its authorizer's; they stand in server.properties all the same.
func authorizerKeys() []string { return []string{"super.users", "allow.everyone.if.no.acl.found"} }

// inOrder returns the keys that were set: those of the file by line, then the others by name.
func inOrder(settings map[string]setting) []string {
	keys := make([]string, 0, len(settings))
	for key := range settings {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int {
		x, y := settings[a], settings[b]
		return cmp.Or(cmp.Compare(x.origin, y.origin), cmp.Compare(x.line, y.line), cmp.Compare(a, b))
	})
	return keys
}

// printable keeps a value on one line.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Sprintf("%q", s)
	}
	return s
}
