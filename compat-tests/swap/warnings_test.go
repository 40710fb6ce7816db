package swap

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"ottla/compat-tests/harness"
)

// checkLog looks at what a server said in its turn. testdata/warnings.txt holds, as regular expressions, the warnings
// that Apache Kafka gives with nobody else on the directory; a line that begins with "kill " holds after kill -9 only.
func checkLog(t *testing.T, seat *harness.Seat, server *harness.Broker, turn int, kill bool) {
	t.Helper()
	content, err := os.ReadFile(server.LogFile)
	check(t, err)
	check(t, os.Rename(server.LogFile, server.LogFile+"."+string(rune('0'+turn))))
	if server == seat.Ottla {
		for _, line := range strings.Split(string(content), "\n") {
			if regexp.MustCompile(`\b(ERR|ERROR|panic|BUG)\b`).MatchString(line) {
				t.Errorf("turn %d, %s: %s", turn, server.Name, line)
			}
		}
		return
	}
	usual := usualWarnings(t, kill)
	for _, line := range strings.Split(string(content), "\n") {
		if !strings.HasPrefix(line, "WARN ") && !strings.HasPrefix(line, "ERROR ") && !strings.HasPrefix(line, "FATAL ") &&
			!strings.Contains(line, "DUPLICATE_BROKER_REGISTRATION") {
			continue
		}
		if !usual.MatchString(line) {
			t.Errorf("turn %d, %s: unusual: %s", turn, server.Name, line)
		}
	}
}

func usualWarnings(t *testing.T, kill bool) *regexp.Regexp {
	t.Helper()
	content, err := os.ReadFile("testdata/warnings.txt")
	check(t, err)
	var all []string
	for _, line := range strings.Split(strings.TrimSpace(string(content)), "\n") {
		rest, only := strings.CutPrefix(line, "kill ")
		if line != "" && (!only || kill) {
			all = append(all, rest)
		}
	}
	if len(all) == 0 {
		return regexp.MustCompile(`^\b$`)
	}
	return regexp.MustCompile(strings.Join(all, "|"))
}
