package swap

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"ottla/compat-tests/harness"
)

// checkLog looks at what a server said in its turn. testdata/warnings.txt holds, as regular expressions, the warnings
// that Apache Kafka gives with nobody else on the directory; a line that begins with "kill " holds after kill -9 only, one
// with "first " on a fresh directory only.
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
	usual := usualWarnings(t, kill, turn == 0)
	for _, line := range strings.Split(string(content), "\n") {
		if !strings.HasPrefix(line, "WARN ") && !strings.HasPrefix(line, "ERROR ") && !strings.HasPrefix(line, "FATAL ") &&
			!strings.Contains(line, "DUPLICATE_BROKER_REGISTRATION") {
			continue
		}
		if usual.MatchString(line) {
			t.Logf("turn %d, %s: usual: %s", turn, server.Name, line)
		} else {
			t.Errorf("turn %d, %s: unusual: %s", turn, server.Name, line)
		}
	}
}

func usualWarnings(t *testing.T, kill, first bool) *regexp.Regexp {
	t.Helper()
	content, err := os.ReadFile("testdata/warnings.txt")
	check(t, err)
	all := []string{`^\b$`} // nothing, where the file is empty
	for _, line := range strings.Split(strings.TrimSpace(string(content)), "\n") {
		afterKill, isKill := strings.CutPrefix(line, "kill ")
		onFirst, isFirst := strings.CutPrefix(line, "first ")
		switch {
		case line == "" || strings.HasPrefix(line, "# "):
		case isKill && kill:
			all = append(all, afterKill)
		case isFirst && first:
			all = append(all, onFirst)
		case !isKill && !isFirst:
			all = append(all, line)
		}
	}
	return regexp.MustCompile(strings.Join(all, "|"))
}
