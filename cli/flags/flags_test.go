package flags

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// sample is a parser with an option of every kind.
func sample() (p *Parser, topic, partitions, list, state, verbose, keys *Option) {
	p = NewParser()
	topic = p.Value("topic", String, "topic", "the topic")
	partitions = p.Value("partitions", Integer, "# of partitions", "how many").WithDefault("3")
	list = p.Flag("list", "list them")
	state = p.Maybe("state", "", "by state")
	verbose = p.Flag("verbose", "say more").AvailableIf(list)
	keys = p.Value("keys", String, "", "which")
	keys.Separator = ','
	return
}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		line  string
		want  string // topic|partitions|list|state|keys|words
		wrong string
	}{
		{"", "|3|false|false:||", ""},
		{"--topic a --list", "a|3|true|false:||", ""},
		{"--topic=a=b", "a=b|3|false|false:||", ""},
		{"-topic a stray words", "a|3|false|false:||stray words", ""},
		{"--topic --list", "--list|3|false|false:||", ""},
		{"--topic= a", "a|3|false|false:||", ""},
		{"--partitions=7", "|7|false|false:||", ""},
		{"--state stable", "|3|false|true:stable||", ""},
		{"--state --list", "|3|true|true:||", ""},
		{"--state=empty,stable --list", "|3|true|true:empty,stable||", ""},
		{"--state", "|3|false|true:||", ""},
		{"--list=yes", "|3|true|false:||", ""},
		{"--keys a,,b --keys c", "|3|false|false:|a b c|", ""},
		{"--list --verbose -- --topic a", "|3|true|false:||--topic a", ""},
		{"--list - x", "|3|true|false:||- x", ""},
		{"--verbose", "", "Option(s) [verbose] are unavailable given other options on the command line"},
		{"--verbose --help", "|3|false|false:||", ""},
		{"--top a", "", "top is not a recognized option"},
		{"--boot=a", "", "boot is not a recognized option"},
		{"-zed", "", "z is not a recognized option"},
		{"--topic", "", "Option topic requires an argument"},
		{"--topic a --topic b", "", "Found multiple arguments for option topic, but you asked for only one"},
		{"--partitions x", "", "Cannot parse argument 'x' of option partitions"},
		{"--partitions 2147483648", "", "Cannot parse argument '2147483648' of option partitions"},
	} {
		p, topic, partitions, list, state, _, keys := sample()
		set, err := p.Parse(strings.Fields(test.line))
		got := ""
		if err == nil {
			words := []string{set.Text(topic), "", "", "", strings.Join(set.Strings(keys), " "), strings.Join(set.Words, " ")}
			words[1] = string(rune('0' + set.Number(partitions)%10))
			words[2] = map[bool]string{true: "true", false: "false"}[set.Has(list)]
			words[3] = map[bool]string{true: "true:", false: "false:"}[set.Has(state)] + set.Text(state)
			got, err = strings.Join(words, "|"), set.Err()
		}
		switch {
		case test.wrong != "":
			if err == nil || err.Error() != test.wrong {
				t.Errorf("%q: %v, want %s", test.line, err, test.wrong)
			}
		case err != nil || got != test.want:
			t.Errorf("%q: %s %v, want %s", test.line, got, err, test.want)
		}
	}
}

// TestRoundTrip: what is written with "=" or as the next word is what is read.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, topic, _, _, _, _, _ := sample()
		values := rapid.SliceOf(rapid.StringMatching(`[-a-z=, ]{1,8}`)).Draw(t, "values")
		var arguments []string
		for _, value := range values {
			if rapid.Bool().Draw(t, "attached") {
				arguments = append(arguments, "--topic="+value)
			} else {
				arguments = append(arguments, "--topic", value)
			}
		}
		set, err := p.Parse(arguments)
		if err != nil || !slices.Equal(set.Strings(topic), values) {
			t.Fatalf("%q: %v, want %q", arguments, err, values)
		}
	})
}

func TestHelp(t *testing.T) {
	p, _, _, _, _, _, _ := sample()
	p.Add(&Option{Names: []string{"config", "c"}, Kind: Required, Type: String, Help: strings.Repeat("long words ", 20)}).Demand()
	var out bytes.Buffer
	p.PrintHelp(&out)
	for _, want := range []string{"Option (* = required)", "* --config, -c <String>", "--topic <String: topic>", "--state [String]", "how many (default: 3)"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	for line := range strings.Lines(out.String()) {
		if len(line) > column+width+3 {
			t.Errorf("a line of %d: %s", len(line), line)
		}
	}
	if _, err := p.Parse([]string{"--list"}); err == nil || err.Error() != "Missing required option(s) [[config, c]]" {
		t.Errorf("without --config: %v", err)
	}
}
