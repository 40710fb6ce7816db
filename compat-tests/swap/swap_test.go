package swap

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ottla/compat-tests/harness"
)

// turns is how often the directory changes hands: Apache Kafka, Ottla, Apache Kafka, Ottla.
const turns = 4

// TestSwap lets the servers take turns. Before each stop all that a client can see is noted; it must be there after the
// next start, whoever does it.
func TestSwap(t *testing.T) {
	for _, lane := range []struct {
		version string
		static  bool
		kill    bool
	}{
		{"4.3.1", false, false},
		{"4.3.1", false, true},
		{"4.3.1", true, false},
		{"3.9.1", true, true},
		{"3.9.1", false, false},
		{"3.3.2", true, false},
		{"3.3.2", true, true},
	} {
		voters, stop := "a standalone voter", "clean stops"
		if lane.static {
			voters = "static voters"
		}
		if lane.kill {
			stop = "kill -9"
		}
		t.Run(fmt.Sprintf("%s with %s and %s", lane.version, voters, stop), func(t *testing.T) {
			seat := harness.NewSeat(t, harness.SeatOptions{Version: lane.version, StaticVoters: lane.static, Properties: properties()})
			takeTurns(t, seat, lane.kill)
		})
	}
}

// properties make the internal topics small, and the cleaner and the coordinators quick.
func properties() []string {
	return []string{
		"offsets.topic.num.partitions=3", "transaction.state.log.num.partitions=3", "log.cleaner.backoff.ms=500",
		"transaction.max.timeout.ms=3600000", "log.segment.delete.delay.ms=1000", "log.initial.task.delay.ms=2000",
	}
}

func takeTurns(t *testing.T, seat *harness.Seat, kill bool) {
	var before state
	worker := newWorker(t, seat.Kafka)
	for turn := range turns {
		server, with := seat.Kafka, security{quotas: true, users: seat.Version != "3.3.2", groups: true}
		if turn%2 == 1 && os.Getenv("OTTLA_CONTROL") == "" {
			server, with = seat.Ottla, security{}
		}
		begun := time.Now()
		server.Start()
		started := time.Since(begun)
		now := observe(t, server, with)
		served := time.Since(begun)
		if turn > 0 {
			reportDifferences(t, server.Name, turn, before.differences(now, with))
		}
		worker.work(t, server, with)
		kept := before
		before = observe(t, server, with)
		before.keepSecurity(kept, with)
		t.Logf("turn %d, %s: listens after %.1f s, has answered everything after %.1f s, %d facts", turn, server.Name, started.Seconds(), served.Seconds(), len(before.facts))
		if kill {
			server.Kill()
		} else {
			server.Stop()
		}
		checkLog(t, seat, server, turn, kill)
		checkDirectory(t, seat)
		if turn%2 == 1 {
			readWithStockTools(t, seat, turn)
		}
	}
}

// keepSecurity takes over from an earlier state what this server does not tell.
func (s state) keepSecurity(earlier state, with security) {
	for fact, value := range earlier.facts {
		if with.hides(fact) {
			s.facts[fact] = value
		}
	}
}

func reportDifferences(t *testing.T, server string, turn int, differences []string) {
	t.Helper()
	const most = 40
	for i, difference := range differences {
		if i == most {
			t.Errorf("… and %d more", len(differences)-most)
			return
		}
		t.Errorf("turn %d, %s: %s", turn, server, difference)
	}
}

// checkDirectory looks for what no swap may leave.
func checkDirectory(t *testing.T, seat *harness.Seat) {
	t.Helper()
	for _, pattern := range []string{"*-stray", "*/*.cleaned", "*/*.swap"} {
		found, err := filepath.Glob(filepath.Join(seat.Data, pattern))
		check(t, err)
		if len(found) > 0 {
			t.Errorf("left behind: %v", found)
		}
	}
}

// snapshot is every file below a directory and its content, locks apart.
func snapshot(t *testing.T, directory string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.Walk(directory, func(name string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() || info.Name() == ".lock" {
			return err
		}
		content, err := os.ReadFile(name)
		files[name] = string(content)
		return err
	})
	check(t, err)
	return files
}

// untouched runs something that must not change a byte below a directory.
func untouched(t *testing.T, directory string, run func()) {
	t.Helper()
	before := snapshot(t, directory)
	run()
	after := snapshot(t, directory)
	if maps.Equal(before, after) {
		return
	}
	for name := range before {
		if after[name] != before[name] {
			t.Errorf("%s has changed", name)
		}
	}
	for name := range after {
		if _, ok := before[name]; !ok {
			t.Errorf("%s is new", name)
		}
	}
}
