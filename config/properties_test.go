package config

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

type propertiesCase struct {
	Document string      `json:"doc"`
	Entries  [][2]string `json:"entries"`
	Error    string      `json:"error"`
}

func propertiesCorpus(t testing.TB) []propertiesCase {
	t.Helper()
	content, err := os.ReadFile("testdata/properties.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []propertiesCase
	if err := json.Unmarshal(content, &cases); err != nil {
		t.Fatal(err)
	}
	for i := range cases {
		document, err := base64.StdEncoding.DecodeString(cases[i].Document)
		if err != nil {
			t.Fatal(err)
		}
		cases[i].Document = string(document)
	}
	return cases
}

// TestPropertiesAsJava holds the reader against what java.util.Properties.load (JDK 17) put, in order, for each document.
func TestPropertiesAsJava(t *testing.T) {
	cases := propertiesCorpus(t)
	if len(cases) < 600 {
		t.Fatalf("the corpus has only %d documents", len(cases))
	}
	for _, c := range cases {
		got, err := parseProperties(latin1([]byte(c.Document)))
		if c.Error != "" {
			if err == nil || !strings.HasSuffix(err.Error(), c.Error) {
				t.Errorf("%q: error %v, want %q", c.Document, err, c.Error)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.Document, err)
			continue
		}
		if len(got) != len(c.Entries) {
			t.Errorf("%q: %v, want %q", c.Document, got, c.Entries)
			continue
		}
		for i, want := range c.Entries {
			if got[i].Key != want[0] || got[i].Value != want[1] {
				t.Errorf("%q: entry %d is %v, want %q", c.Document, i, got[i], want)
			}
		}
	}
}

func TestPropertiesLines(t *testing.T) {
	document := "# one\r\na=1\r\n\r\n  b = 2,\\\r\n   3\r\n! six\\\r\nc\nd=\\\n\n e"
	want := []Property{{"a", "1", 2}, {"b", "2,3", 4}, {"c", "", 7}, {"d", "", 8}, {"e", "", 10}}
	got, err := ParseProperties([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("entry %d is %v, want %v", i, got[i], want[i])
		}
	}
}

func TestPropertiesEncoding(t *testing.T) {
	for document, want := range map[string]string{
		"log.dirs=/데이터":       "/데이터",
		"log.dirs=/caf\xe9":   "/café",
		"log.dirs=/caf\u00e9": "/café",
	} {
		got, err := ParseProperties([]byte(document))
		if err != nil || len(got) != 1 || got[0].Value != want {
			t.Errorf("%q: %v, %v; want %q", document, got, err, want)
		}
	}
}

func FuzzProperties(f *testing.F) {
	for _, c := range propertiesCorpus(f)[:150] {
		f.Add([]byte(c.Document))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		properties, err := ParseProperties(document)
		if err != nil {
			return
		}
		lines := 1 + strings.Count(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(document)), "\n")
		last := 0
		var text strings.Builder
		for _, p := range properties {
			if p.Line <= last || p.Line > lines {
				t.Fatalf("%q: entry %q on line %d after line %d of %d", document, p.Key, p.Line, last, lines)
			}
			last = p.Line
			text.WriteString(escapeProperty(p.Key) + "=" + escapeProperty(p.Value) + "\n")
		}
		again, err := ParseProperties([]byte(text.String()))
		if err != nil || len(again) != len(properties) {
			t.Fatalf("%q: written again as %q: %d entries of %d, %v", document, text.String(), len(again), len(properties), err)
		}
		for i := range again {
			if again[i].Key != properties[i].Key || again[i].Value != properties[i].Value {
				t.Fatalf("%q: entry %d was %v, is %v", document, i, properties[i], again[i])
			}
		}
	})
}

// escapeProperty writes a text so that a reader of the grammar gives it back.
func escapeProperty(text string) string {
	var b strings.Builder
	for _, c := range text {
		switch {
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\f':
			b.WriteString(`\f`)
		case strings.ContainsRune(`\=:#! `, c):
			b.WriteString(`\` + string(c))
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}
