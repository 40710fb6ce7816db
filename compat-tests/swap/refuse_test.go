package swap

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"ottla/compat-tests/harness"
	"ottla/metadata"
	"ottla/protocol/record"
)

// TestRefused: what cannot be adopted is refused before a byte changes, with the reason, by a start and by the dry run
// alike; Apache Kafka goes on with the directory as if nothing had been.
func TestRefused(t *testing.T) {
	authorizer := []string{"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users=User:ANONYMOUS"}
	seat := harness.NewSeat(t, harness.SeatOptions{Version: "4.3.1", Properties: append(properties(), authorizer...)})
	seat.Kafka.Start()
	admin := kadm.NewClient(client(t, seat.Kafka))
	_, err := admin.CreateTopic(timeout(t), 1, 1, nil, "guarded")
	check(t, err)
	rights := kadm.NewACLs().Topics("guarded").ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpRead).Allow("User:reader").AllowHosts("*")
	created, err := admin.CreateACLs(timeout(t), rights)
	check(t, err)
	for _, c := range created {
		check(t, c.Err)
	}
	seat.Kafka.Stop()
	file, err := os.ReadFile(seat.File)
	check(t, err)
	without := string(file)
	for _, line := range authorizer {
		without = strings.ReplaceAll(without, line+"\n", "")
	}
	check(t, os.WriteFile(seat.File, []byte(without), 0o644))
	folder := func(name string) func(t *testing.T) {
		return func(t *testing.T) {
			check(t, os.Mkdir(filepath.Join(seat.Data, name), 0o755))
			t.Cleanup(func() { check(t, os.Remove(filepath.Join(seat.Data, name))) })
		}
	}
	foreign := func(t *testing.T) {
		file := filepath.Join(seat.Data, "guarded-0", "00000000000000000000.tierstate")
		check(t, os.WriteFile(file, nil, 0o644))
		t.Cleanup(func() { check(t, os.Remove(file)) })
	}
	feature := func(name string, level int16) func(t *testing.T) {
		return func(t *testing.T) {
			appendMetadata(t, seat, metadata.EncodeRecord(nil, &metadata.FeatureLevelRecord{Name: name, FeatureLevel: level}, 0))
		}
	}
	unknown := func(value ...byte) func(t *testing.T) {
		return func(t *testing.T) { appendMetadata(t, seat, value) }
	}
	nothing := func(*testing.T) {}
	for _, refused := range []struct {
		name, replace, with string
		harm                func(t *testing.T)
		reason, out         string
	}{
		{"ACLs without an authorizer", "", "", nothing, "1 ACLs", "kafka-acls.sh"},
		{"another node's directory", "node.id=1\n", "node.id=2\n", nothing, "belongs to node.id 1", "not to 2"},
		{"another vendor's file", "", "", foreign, "00000000000000000000.tierstate", "copy its topics over the network"},
		{"another vendor's folder", "", "", folder("kvstore"), "kvstore", "take it out if it is yours"},
		{"a metadata.version that is not known", "", "", feature(metadata.FeatureMetadataVersion, metadata.MaxVersion+1), "metadata.version 31", "a newer server raised it"},
		{"a level that is not known", "", "", feature(metadata.FeatureTransaction, 9), "transaction.version is finalized at level 9", "a newer server raised it"},
		{"a feature that is not known", "", "", feature("fancy.version", 1), "fancy.version", "a newer server raised it"},
		{"a record that is not known", "", "", unknown(1, 99, 0, 0), "unknown type 99", "a newer server wrote it"},
		{"a record of a version that is not known", "", "", unknown(1, 2, 9, 0), "TopicRecord of version 9", "a newer server wrote it"},
	} {
		t.Run(refused.name, func(t *testing.T) {
			check(t, os.WriteFile(seat.File, []byte(strings.ReplaceAll(without, refused.replace, refused.with)), 0o644))
			refused.harm(t)
			refuses(t, seat.Data, seat.File, refused.reason, refused.out, "nothing was changed")
		})
	}
	check(t, os.WriteFile(seat.File, file, 0o644))
	seat.Kafka.Start()
	described, err := admin.DescribeACLs(timeout(t), rights)
	check(t, err)
	if len(described) != 1 || len(described[0].Described) != 1 {
		t.Errorf("the ACL is %s", fmt.Sprint(described))
	}
	// The way out that is named.
	removed := harness.StockTool(t, seat.Version, "org.apache.kafka.tools.AclCommand", harness.Command{}, "--bootstrap-server", seat.Kafka.Address, "--remove", "--force", "--topic", "guarded")
	if removed.Code != 0 {
		t.Fatal(removed.Output())
	}
	seat.Kafka.Stop()
	check(t, os.WriteFile(seat.File, []byte(without), 0o644))
	if result := dryRun(t, seat); result.Code != 0 {
		t.Errorf("the dry run without ACLs: exit status %d\n%s", result.Code, result.Output())
	}
	seat.Ottla.Start()
	awaitLeaders(t, seat.Ottla)
	seat.Ottla.Stop()
}

// refuses tells by the dry run and by a start that Ottla does not take a directory over, says why and what to do, and
// changes nothing in it.
func refuses(t *testing.T, directory, file string, pieces ...string) {
	t.Helper()
	untouched(t, directory, func() {
		for _, command := range [][]string{{"adopt", "--dry-run", file}, {"start", file}} {
			result := harness.Command{Limit: time.Minute}.Run(t, harness.Build(t), command...)
			if result.Code != 1 {
				t.Errorf("ottla %s: exit status %d\n%s", command[0], result.Code, result.Output())
			}
			for _, piece := range pieces {
				if !strings.Contains(result.Output(), piece) {
					t.Errorf("ottla %s: no %q in\n%s", command[0], piece, result.Output())
				}
			}
		}
	})
}

// appendMetadata appends a record to the seat's metadata log, as a newer server would, for as long as the test runs.
func appendMetadata(t *testing.T, seat *harness.Seat, value []byte) {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(seat.Data, "__cluster_metadata-0", "*.log"))
	check(t, err)
	slices.Sort(segments)
	file := segments[len(segments)-1]
	before, err := os.ReadFile(file)
	check(t, err)
	t.Cleanup(func() { check(t, os.WriteFile(file, before, 0o644)) })
	var last record.Batch
	for rest := before; len(rest) > 0; {
		last, rest, err = record.Next(rest)
		check(t, err)
	}
	b := record.NewBuilder(record.BuilderOptions{
		BaseOffset: last.NextOffset(), LeaderEpoch: last.PartitionLeaderEpoch(), ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1,
	})
	b.Append(last.MaxTimestamp(), nil, value)
	check(t, os.WriteFile(file, append(slices.Clip(before), b.Build()...), 0o644))
}

// dryRun runs ottla adopt --dry-run on the seat's file.
func dryRun(t *testing.T, seat *harness.Seat) harness.Result {
	t.Helper()
	return harness.Command{}.Run(t, harness.Build(t), "adopt", "--dry-run", seat.File)
}
