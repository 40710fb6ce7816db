package server

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ottla/config"
	"ottla/protocol"
)

var updatePage = flag.Bool("update-compat-page", false, "write docs/compat.md")

// TestCompatPage holds docs/compat.md against the version table, the dispatch table and the list of foreign clients.
func TestCompatPage(t *testing.T) {
	s := &Server{settings: &config.Config{}, groups: &groupShards{}, transactions: &transactionShards{}}
	served := servedOn(s.handlers(), protocol.Broker)
	onController := servedOn(s.handlers(), protocol.Controller)
	var page strings.Builder
	page.WriteString(`# What works with Ottla

This page is made from the server's own tables: ` + "`go test ./server -run TestCompatPage -update-compat-page`" + ` writes it, and ` + "`make test`" + ` fails where it is out of date.

## APIs

Every API of Apache Kafka 4.3 that clients and tools use. The versions are Apache Kafka 4.3.1's; an API is served in all of them or not
advertised at all. (InitProducerId 6 is not a stable version of 4.3.1, and is not named by it either.)

| key | API | versions | on brokers | on controllers |
| --- | --- | --- | --- | --- |
`)
	count := 0
	keys, controllerKeys := byKey(served), byKey(onController)
	for row := range protocol.APIs() {
		if !row.Listeners.Has(protocol.Broker) {
			continue
		}
		state := func(table bool, kind protocol.Listeners) string {
			switch {
			case !row.Listeners.Has(kind):
				return ""
			case table:
				return "yes"
			}
			return "not yet"
		}
		if keys[row.Key] != nil {
			count++
		}
		fmt.Fprintf(&page, "| %d | %s | %d–%d | %s | %s |\n", row.Key, row.Name, row.Min, row.Max,
			state(keys[row.Key] != nil, protocol.Broker), state(controllerKeys[row.Key] != nil, protocol.Controller))
	}
	fmt.Fprintf(&page, "\n%d APIs are served to clients. Fetch on a controller's listener is for the metadata log alone, of which a single node has no other reader.\n", count)
	page.WriteString("\n## Clients and tools\n\nEach row is a suite in `compat-tests/`, run by `make test`.\n\n| client | versions | suite | what is tested |\n| --- | --- | --- | --- |\n")
	writeClients(t, &page)
	path := filepath.Join("..", "docs", "compat.md")
	if *updatePage {
		if err := os.WriteFile(path, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || string(have) != page.String() {
		t.Errorf("docs/compat.md is out of date (%v): run go test ./server -run TestCompatPage -update-compat-page", err)
	}
}

// writeClients writes the rows of compat-tests/clients.txt and demands that each names a suite that is there.
func writeClients(t *testing.T, page *strings.Builder) {
	t.Helper()
	suites := filepath.Join("..", "compat-tests")
	file, err := os.Open(filepath.Join(suites, "clients.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		line := strings.TrimSpace(scanner.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		cells := strings.Split(line, " | ")
		if len(cells) != 4 {
			t.Fatalf("clients.txt: %q has %d cells, want 4", line, len(cells))
		}
		if tests, err := filepath.Glob(filepath.Join(suites, cells[2], "*_test.go")); err != nil || len(tests) == 0 {
			t.Errorf("clients.txt: there is no suite %q", cells[2])
		}
		fmt.Fprintf(page, "| %s | %s | [%s](../compat-tests/%s) | %s |\n", cells[0], cells[1], cells[2], cells[2], cells[3])
	}
}
