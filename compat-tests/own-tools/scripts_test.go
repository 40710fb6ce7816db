package owntools

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"ottla/compat-tests/harness"
)

// leastCommands is how many command lines the scripts hold at least.
const leastCommands = 100

// TestScripts holds the scripts to name every tool and every option of each.
func TestScripts(t *testing.T) {
	all, n := scripts(t)
	if n < leastCommands {
		t.Errorf("%d command lines, want %d", n, leastCommands)
	}
	used := map[string][]string{}
	for _, commands := range all {
		for _, c := range commands {
			for _, word := range c.words[1:] {
				name, _, _ := strings.Cut(word, "=")
				used[c.words[0]] = append(used[c.words[0]], name)
			}
		}
	}
	option := regexp.MustCompile(`(?m)^(?:\* |  )?(--[a-z][\w.-]+)`)
	binary := harness.Build(t)
	for tool := range classes {
		help := []string{tool, "--help"}
		if tool == "storage" {
			help = []string{tool, "format", "--help"}
		}
		result := harness.Command{}.Run(t, binary, help...)
		found := option.FindAllStringSubmatch(result.Output(), -1)
		if len(found) < 5 {
			t.Errorf("%s: its help names %d options:\n%s", tool, len(found), result.Output())
		}
		for _, one := range found {
			// What concerns another system than the log is named in the help alone.
			if name := one[1]; !slices.Contains(used[tool], name) && !slices.Contains(untried, tool+" "+name) && !slices.Contains([]string{"--format", "--print-format"}, name) {
				t.Errorf("%s: no script has %s", tool, name)
			}
		}
	}
}

// untried are the options that cannot be compared.
var untried = []string{
	"dump-log --remote-log-metadata-decoder", // no such records are written
	"dump-log --share-group-state-decoder",
	"storage --no-initial-controllers", // refused: see README.md
}
