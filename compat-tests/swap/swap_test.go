package swap

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"ottla/compat-tests/harness"
)

// turns is how often the directory changes hands: Apache Kafka, Ottla, Apache Kafka, Ottla.
const turns = 4

// lane is one directory's way through the turns.
type lane struct {
	version string
	static  bool
	kill    bool
}

// TestSwap lets the servers take turns. Before each stop all that a client can see is noted; it must be there after the
// next start, whoever does it.
func TestSwap(t *testing.T) {
	for _, l := range []lane{
		{"4.3.1", false, false}, {"4.3.1", false, true}, {"3.9.1", false, false}, {"3.3.2", true, false},
	} {
		l.run(t)
	}
}

// TestSoakSwap adds lanes that differ little, and those in which an older server waits longest for its own ended session.
func TestSoakSwap(t *testing.T) {
	harness.Soak(t) // how long they take is not theirs to choose
	for _, l := range []lane{{"4.3.1", true, false}, {"3.9.1", true, true}, {"3.3.2", true, true}} {
		l.run(t)
	}
}

func (l lane) run(t *testing.T) {
	voters, stop := "a standalone voter", "clean stops"
	if l.static {
		voters = "static voters"
	}
	if l.kill {
		stop = "kill -9"
	}
	t.Run(fmt.Sprintf("%s with %s and %s", l.version, voters, stop), func(t *testing.T) {
		seat := harness.NewSeat(t, harness.SeatOptions{Version: l.version, StaticVoters: l.static, Properties: properties()})
		takeTurns(t, seat, l.kill)
	})
}

// properties make the internal topics small, and the cleaner and the coordinators quick.
func properties() []string {
	return []string{
		"offsets.topic.num.partitions=3", "transaction.state.log.num.partitions=3", "log.cleaner.backoff.ms=500",
		"transaction.max.timeout.ms=3600000", "log.segment.delete.delay.ms=1000", "log.initial.task.delay.ms=2000", "log.flush.start.offset.checkpoint.interval.ms=1000",
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
		if server == seat.Ottla {
			checkDryRun(t, seat, kill)
		}
		begun := time.Now()
		server.Start()
		started := time.Since(begun)
		awaitLeaders(t, server)
		differences := before.differences(observe(t, server, with), with)
		// Coordinators load their topics after the start: what they tell may come late.
		for loading := time.Now(); onlyGroups(differences) && time.Since(loading) < time.Minute; {
			time.Sleep(500 * time.Millisecond)
			differences = before.differences(observe(t, server, with), with)
		}
		served := time.Since(begun)
		if turn > 0 {
			reportDifferences(t, server.Name, turn, differences)
		}
		worker.work(t, server, with)
		kept := before
		before = observe(t, server, with)
		before.keepSecurity(kept, with)
		t.Logf("turn %d, %s: listens after %.1f s, has answered everything after %.1f s, %d facts", turn, server.Name, started.Seconds(), served.Seconds(), len(before.facts))
		if kill {
			awaitStartOffset(t, seat, turn)
			server.Kill()
		} else {
			server.Stop()
		}
		checkLog(t, seat, server, turn, kill)
		checkDirectory(t, seat, server)
		if turn%2 == 1 {
			readWithStockTools(t, seat, turn, kill)
		}
	}
}

// onlyGroups tells whether all that differs is what group coordinators tell.
func onlyGroups(differences []string) bool {
	for _, difference := range differences {
		if !strings.HasPrefix(difference, "group ") && !strings.HasPrefix(difference, "offset of ") {
			return false
		}
	}
	return len(differences) > 0
}

// awaitLeaders waits until every partition has a leader: before 4.0 Apache Kafka listens before it has.
func awaitLeaders(t *testing.T, server *harness.Broker) {
	t.Helper()
	admin := kadm.NewClient(client(t, server))
	harness.WaitUntil(t, 3*time.Minute, "leaders", func(ctx context.Context) bool {
		topics, err := admin.ListTopicsWithInternal(ctx)
		if err != nil || topics.Error() != nil {
			return false
		}
		elected := true
		topics.EachPartition(func(p kadm.PartitionDetail) { elected = elected && p.Err == nil && p.Leader >= 0 })
		return elected
	})
}

// awaitStartOffset waits until the checkpoint of start offsets has what DeleteRecords removed: neither server promises
// before that to remember it over a kill.
func awaitStartOffset(t *testing.T, seat *harness.Seat, turn int) {
	t.Helper()
	want := fmt.Sprintf("\n%s 0 %d\n", codecs, 100*(turn+1))
	harness.WaitUntil(t, time.Minute, "the checkpoint of start offsets", func(context.Context) bool {
		content, err := os.ReadFile(filepath.Join(seat.Data, "log-start-offset-checkpoint"))
		return err == nil && strings.Contains(string(content)+"\n", want)
	})
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

// checkDryRun asks beforehand what a start would do, which must not change a byte.
func checkDryRun(t *testing.T, seat *harness.Seat, kill bool) {
	t.Helper()
	untouched(t, seat.Data, func() {
		want := "the last stop was clean"
		if kill {
			want = "the last stop was not clean"
		}
		result := dryRun(t, seat)
		if result.Code != 0 || !strings.Contains(result.Stdout, want) || !strings.Contains(result.Stdout, "compact nothing") || strings.Contains(result.Stdout, "-stray the folder") || strings.Contains(result.Stdout, "empty folder") {
			t.Errorf("the dry run: exit status %d\n%s", result.Code, result.Output())
		}
	})
}

// checkDirectory looks for what no swap may leave. Apache Kafka that is stopped while it cleans may leave half a
// cleaned segment, which the next start deletes.
func checkDirectory(t *testing.T, seat *harness.Seat, server *harness.Broker) {
	t.Helper()
	patterns := []string{"*-stray"}
	if server == seat.Ottla {
		patterns = append(patterns, "*/*.cleaned", "*/*.swap")
	}
	for _, pattern := range patterns {
		found, err := filepath.Glob(filepath.Join(seat.Data, pattern))
		check(t, err)
		if len(found) > 0 {
			t.Errorf("%s has left %v", server.Name, found)
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
