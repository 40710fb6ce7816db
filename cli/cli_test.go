package cli

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func run(arguments ...string) (status int, stdout, stderr string) {
	var out, complaint bytes.Buffer
	status = Run(arguments, Environment{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &complaint})
	return status, out.String(), complaint.String()
}

func TestUsage(t *testing.T) {
	for _, test := range []struct {
		arguments      []string
		status         int
		stdout, stderr string // what must be in them
	}{
		{nil, exitDone, "ottla start", ""},
		{[]string{"--help"}, exitDone, "Usage:", ""},
		{[]string{"version"}, exitDone, "ottla " + Version, ""},
		{[]string{"--version"}, exitDone, "ottla " + Version, ""},
		{[]string{"sart"}, exitMisuse, "", `no "sart"`},
		{[]string{"start", "--help"}, exitDone, "--override", ""},
		{[]string{"start", "--nope"}, exitMisuse, "", "unknown option --nope"},
		{[]string{"start", "a", "b"}, exitMisuse, "", "one file"},
		{[]string{"start", "--override"}, exitMisuse, "", "needs a value"},
		{[]string{"start", "--override", "=3"}, exitMisuse, "", "KEY=VALUE"},
		{[]string{"start", "--log-format", "xml"}, exitMisuse, "", "text or json"},
		{[]string{"start", "--log-level=loud"}, exitMisuse, "", "--log-level loud"},
	} {
		status, stdout, stderr := run(test.arguments...)
		if status != test.status || !strings.Contains(stdout, test.stdout) || !strings.Contains(stderr, test.stderr) {
			t.Errorf("%q: status %d, stdout %q, stderr %q", test.arguments, status, stdout, stderr)
		}
		if test.stderr == "" && stderr != "" {
			t.Errorf("%q: complains %q", test.arguments, stderr)
		}
	}
}

func TestParseStart(t *testing.T) {
	parsed, err := parseStart([]string{"--override", "a=b=c", "server.properties", "--override=d=", "--env", "--pid-file", "p", "--log-format=json", "--log-level", "warn"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if parsed.options.File != "server.properties" || !slices.Equal(parsed.options.Overrides, []string{"a=b=c", "d="}) ||
		!parsed.options.UseEnvironment || parsed.pidFile != "p" || parsed.format != "json" || parsed.level != "warn" {
		t.Errorf("%+v", parsed)
	}
}

// TestBuiltIn looks at what a start without a file takes for granted, and what
// replaces it.
func TestBuiltIn(t *testing.T) {
	has := func(properties []string, key string) bool {
		return slices.ContainsFunc(properties, func(p string) bool { return strings.HasPrefix(p, key+"=") })
	}
	all := builtIn(nil, nil)
	for _, key := range []string{"node.id", "listeners", "advertised.listeners", "log.dirs"} {
		if !has(all, key) {
			t.Errorf("no %s in %q", key, all)
		}
	}
	environment := builtIn([]string{"KAFKA_LISTENERS=PLAINTEXT://:1", "PATH=/", "KAFKA_LOG_DIRS=/x"}, nil)
	if has(environment, "listeners") || has(environment, "advertised.listeners") || has(environment, "log.dirs") || !has(environment, "node.id") {
		t.Errorf("with an environment: %q", environment)
	}
	overridden := builtIn(nil, []string{"broker.id=4"})
	if has(overridden, "node.id") || !has(overridden, "listeners") {
		t.Errorf("with an override: %q", overridden)
	}
}

// TestLogFormats writes the line that scripts wait for, in both formats.
func TestLogFormats(t *testing.T) {
	const line = "[KafkaRaftServer nodeId=1] Kafka Server started"
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		log, err := newLogger(&out, format, "info")
		if err != nil {
			t.Fatal(err)
		}
		log.Debug().Msg("not this")
		log.Info().Int("partitions", 3).Msg(line)
		text := out.String()
		if !strings.Contains(text, line) || strings.Contains(text, "not this") || strings.Count(text, "\n") != 1 {
			t.Errorf("%s: %q", format, text)
		}
		if format == "json" && !json.Valid(out.Bytes()) {
			t.Errorf("not JSON: %s", text)
		}
		if format == "text" && (!strings.Contains(text, "INFO") || !strings.Contains(text, "partitions=3") || !strings.HasPrefix(text, "[20")) {
			t.Errorf("text: %q", text)
		}
	}
}
