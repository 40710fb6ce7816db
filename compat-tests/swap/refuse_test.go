package swap

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"ottla/compat-tests/harness"
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
	foreign := filepath.Join(seat.Data, "guarded-0", "00000000000000000000.tierstate")
	for _, refused := range []struct{ name, replace, with, reason, file string }{
		{"ACLs without an authorizer", "", "", "1 ACLs", ""},
		{"another node's directory", "node.id=1\n", "node.id=2\n", "node.id 1", ""},
		{"another vendor's file", "", "", "tierstate", foreign},
	} {
		t.Run(refused.name, func(t *testing.T) {
			check(t, os.WriteFile(seat.File, []byte(strings.ReplaceAll(without, refused.replace, refused.with)), 0o644))
			if refused.file != "" {
				check(t, os.WriteFile(refused.file, nil, 0o644))
				defer func() { check(t, os.Remove(refused.file)) }()
			}
			untouched(t, seat.Data, func() {
				result := dryRun(t, seat)
				if result.Code != 1 || !strings.Contains(result.Stdout, refused.reason) {
					t.Errorf("the dry run: exit status %d\n%s", result.Code, result.Output())
				}
				if err := seat.Ottla.TryStart(); err == nil {
					seat.Ottla.Kill()
					t.Error("Ottla starts")
				}
			})
			if log := harness.Tail(seat.Ottla.LogFile, 20); !strings.Contains(log, refused.reason) {
				t.Errorf("no reason is given:\n%s", log)
			}
		})
	}
	check(t, os.WriteFile(seat.File, file, 0o644))
	seat.Kafka.Start()
	described, err := admin.DescribeACLs(timeout(t), rights)
	check(t, err)
	if len(described) != 1 || len(described[0].Described) != 1 {
		t.Errorf("the ACL is %s", fmt.Sprint(described))
	}
}

// dryRun runs ottla adopt --dry-run on the seat's file.
func dryRun(t *testing.T, seat *harness.Seat) harness.Result {
	t.Helper()
	return harness.Command{}.Run(t, harness.Build(t), "adopt", "--dry-run", seat.File)
}
