package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// readAll reads records and prints each as headers|key|value, ~ for null.
func readAll(in io.Reader, p properties) (string, error) {
	reader, err := newLineReader(in, p)
	if err != nil {
		return "", err
	}
	field := func(b []byte) string {
		if b == nil {
			return "~"
		}
		return string(b)
	}
	var text strings.Builder
	for {
		record, err := reader.next()
		if errors.Is(err, io.EOF) {
			return text.String(), nil
		}
		if err != nil {
			return text.String(), err
		}
		for _, header := range record.Headers {
			fmt.Fprintf(&text, "%s=%s,", header.Key, field(header.Value))
		}
		fmt.Fprintf(&text, "|%s|%s;", field(record.Key), field(record.Value))
	}
}

func TestLineReader(t *testing.T) {
	for _, test := range []struct{ properties, in, want, wrong string }{
		{"", "a\nb\r\nc\rd\n\ne", "|~|a;|~|b;|~|c;|~|d;|~|;|~|e;", ""},
		{"", "", "", ""},
		{"parse.key=true", "k\tv\tw\n", "|k|v\tw;", ""},
		{"parse.key=TRUE key.separator=:", "k:v\nnone\n", "|k|v;", "No key separator found on line number 2: 'none'"},
		{"parse.key=true ignore.error=true", "none\n", "|~|none;", ""},
		{"parse.headers=true parse.key=true", "a:1,b:2\tk\tv\n", "a=1,b=2,|k|v;", ""},
		{"parse.headers=true", "a\tv\n", "", "No header key separator found in pair 'a' on line number 1"},
		{"parse.headers=true ignore.error=true", "a\tv\n", "a=~,|~|v;", ""},
		{"parse.headers=true headers.separator=; headers.key.separator== headers.delimiter=|", "a=1;b=2|v\n", "a=1,b=2,|~|v;", ""},
		{"parse.key=true null.marker=NULL", "NULL\tNULL\n", "|~|~;", ""},
		{"parse.headers=true null.marker=N", "N:1\tv\n", "", "Header keys should not be equal to the null marker 'N' as they can't be null"},
		{"headers.delimiter=,", "", "", "headers.delimiter and headers.separator may not be equal"},
		{"null.marker=:", "", "", "null.marker and headers.key.separator may not be equal"},
	} {
		p := properties{}
		p.add(strings.Fields(test.properties))
		got, err := readAll(strings.NewReader(test.in), p)
		if got != test.want || (err == nil) != (test.wrong == "") || err != nil && err.Error() != test.wrong {
			t.Errorf("%q %q: %q %v, want %q %s", test.properties, test.in, got, err, test.want, test.wrong)
		}
	}
}

// TestLineReaderChunks: how the input comes in pieces changes nothing.
func TestLineReaderChunks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ab\r\n]{0,40}`).Draw(t, "text")
		want, err := readAll(strings.NewReader(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		var pieces []io.Reader
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			pieces, rest = append(pieces, strings.NewReader(rest[:n])), rest[n:]
		}
		if got, err := readAll(io.MultiReader(pieces...), nil); err != nil || got != want {
			t.Fatalf("%q: %q %v, want %q", text, got, err, want)
		}
	})
}
