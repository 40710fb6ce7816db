package config

import (
	"os"
	"strings"
	"testing"
)

// TestExample holds server.properties.example against the stock file of Apache Kafka 4.3, key by key in its order, and
// holds what its comments say is the default against the table.
func TestExample(t *testing.T) {
	read := func(file string) []Property {
		document, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		properties, err := ParseProperties(document)
		if err != nil {
			t.Fatal(err)
		}
		return properties
	}
	got, want := read("../server.properties.example"), read("testdata/kafka-4.3.properties")
	if len(got) != len(want) {
		t.Fatalf("%d keys, the stock file has %d", len(got), len(want))
	}
	for i := range want {
		if got[i].Key != want[i].Key || got[i].Value != want[i].Value {
			t.Errorf("line %d is %s=%s, the stock file has %s=%s", got[i].Line, got[i].Key, got[i].Value, want[i].Key, want[i].Value)
		}
	}
	_, warnings, err := Load(Options{File: "../server.properties.example"})
	if err != nil || len(warnings) > 0 {
		t.Errorf("%v, %v", err, warnings)
	}
	checkComments(t)
}

func checkComments(t *testing.T) {
	t.Helper()
	document, err := os.ReadFile("../server.properties.example")
	if err != nil {
		t.Fatal(err)
	}
	comment, checked := "", 0
	for _, line := range strings.Split(string(document), "\n") {
		if strings.HasPrefix(line, "# ") {
			comment = line
			continue
		}
		key, _, ok := strings.Cut(strings.TrimPrefix(line, "#"), "=")
		d, known := Brokers().Lookup(key)
		_, said, plain := strings.Cut(comment, "Default: ")
		if !ok || !known || !plain || d.Default == nil || *d.Default == "" || d.Key == "listener.security.protocol.map" {
			continue
		}
		said, _, _ = strings.Cut(said, ", lowered")
		said, _, _ = strings.Cut(said, ", n")
		if said != *d.Default {
			t.Errorf("%s: the comment says %q, the table %q", key, said, *d.Default)
		}
		checked++
	}
	if checked < 15 {
		t.Errorf("only %d comments say a default", checked)
	}
}
