package swap

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"ottla/compat-tests/harness"
)

// guarded are the lines by which Apache Kafka has a listener for known users too.
func guarded(seat *harness.Seat, port int) string {
	address := func(name string, port int) string { return fmt.Sprintf("%s://127.0.0.1:%d", name, port) }
	all := strings.Join([]string{address("PLAINTEXT", seat.Kafka.Port), address("CONTROLLER", seat.Kafka.ControllerPort), address("KNOWN", port)}, ",")
	return strings.Join([]string{
		"listeners=" + all, "advertised.listeners=" + all,
		"listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,KNOWN:SASL_PLAINTEXT",
		"listener.name.known.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256",
		`listener.name.known.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_admin="admin-secret";`,
		"listener.name.known.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;",
		"delegation.token.secret.key=hush", "",
	}, "\n")
}

// TestUsersAndTokens: users, quotas and delegation tokens that Apache Kafka wrote are kept by Ottla, through a snapshot
// of the metadata that it writes too; who had a password or a token is let in by Apache Kafka afterwards.
func TestUsersAndTokens(t *testing.T) {
	seat := harness.NewSeat(t, harness.SeatOptions{Version: "4.3.1", Properties: properties()})
	text, err := os.ReadFile(seat.File)
	check(t, err)
	port := harness.FreePorts(t, 1)[0]
	check(t, os.WriteFile(seat.File, append(slices.Clip(text), guarded(seat, port)...), 0o644))
	as := func(user sasl.Mechanism) *kgo.Client {
		c, err := kgo.NewClient(kgo.SeedBrokers(fmt.Sprintf("127.0.0.1:%d", port)), kgo.SASL(user))
		check(t, err)
		t.Cleanup(c.Close)
		return c
	}
	admin := plain.Auth{User: "admin", Pass: "admin-secret"}.AsMechanism()
	start := func() { // Apache Kafka opens one listener after the other
		seat.Kafka.Start()
		harness.WaitUntil(t, time.Minute, "the second listener", func(ctx context.Context) bool { return as(admin).Ping(ctx) == nil })
	}
	start()
	user := "alice"
	_, err = kadm.NewClient(client(t, seat.Kafka)).AlterUserSCRAMs(timeout(t), nil, []kadm.UpsertSCRAM{{User: user, Mechanism: kadm.ScramSha256, Iterations: 4096, Password: "wonder"}})
	check(t, err)
	_, err = kadm.NewClient(client(t, seat.Kafka)).AlterClientQuotas(timeout(t), []kadm.AlterClientQuotaEntry{{
		Entity: kadm.ClientQuotaEntity{{Type: "user", Name: &user}}, Ops: []kadm.AlterClientQuotaOp{{Key: "producer_byte_rate", Value: 123456}},
	}})
	check(t, err)
	request := kmsg.NewPtrCreateDelegationTokenRequest()
	request.MaxLifetimeMillis = 7 * 24 * 3600 * 1000
	request.Renewers = []kmsg.CreateDelegationTokenRequestRenewer{{PrincipalType: "User", PrincipalName: "renewer"}}
	token, err := request.RequestWith(timeout(t), as(admin))
	check(t, err)
	check(t, kerr.ErrorForCode(token.ErrorCode))
	var before []string // the broker hears of the token a moment after the answer
	harness.WaitUntil(t, time.Minute, "the token", func(context.Context) bool {
		before = describeTokens(t, as(admin))
		return len(before) == 1
	})
	seat.Kafka.Stop()
	checkLog(t, seat, seat.Kafka, 0, false)

	check(t, os.WriteFile(seat.File, append(slices.Clip(text), "metadata.log.max.record.bytes.between.snapshots=2000\n"...), 0o644))
	turnWithSnapshot(t, seat)
	check(t, os.WriteFile(seat.File, append(slices.Clip(text), guarded(seat, port)...), 0o644))

	start()
	after := describeTokens(t, as(admin))
	if len(before) != 1 || len(after) != 1 || before[0] != after[0] {
		t.Errorf("tokens were %v, are %v", before, after)
	}
	for _, known := range []scram.Auth{{User: user, Pass: "wonder"}, {User: token.TokenID, Pass: base64.StdEncoding.EncodeToString(token.HMAC), IsToken: true}} {
		if _, err := kadm.NewClient(as(known.AsSha256Mechanism())).ListTopics(timeout(t)); err != nil {
			t.Errorf("%s is not let in: %v", known.User, err)
		}
	}
	quotas, err := kadm.NewClient(client(t, seat.Kafka)).DescribeClientQuotas(timeout(t), false, nil)
	check(t, err)
	if len(quotas) != 1 || quotas[0].Values[0].Value != 123456 {
		t.Errorf("the quotas are %v", quotas)
	}
	seat.Kafka.Stop()
	checkLog(t, seat, seat.Kafka, 2, false)
}

// turnWithSnapshot is a turn of Ottla's in which it writes a snapshot of the metadata.
func turnWithSnapshot(t *testing.T, seat *harness.Seat) {
	t.Helper()
	subject := seat.Ottla
	if os.Getenv("OTTLA_CONTROL") != "" {
		subject = seat.Kafka
	}
	result := dryRun(t, seat)
	for _, piece := range []string{"1 client quotas, 1 SCRAM credentials, 1 delegation tokens, 0 ACLs", "keep quotas, users and tokens for Apache Kafka"} {
		if result.Code != 0 || !strings.Contains(result.Stdout, piece) {
			t.Errorf("the dry run: exit status %d, no %q in\n%s", result.Code, piece, result.Output())
		}
	}
	subject.Start()
	for n := range 20 {
		_, err := kadm.NewClient(client(t, subject)).CreateTopic(timeout(t), 3, 1, nil, fmt.Sprintf("topic-%d", n))
		check(t, err)
	}
	subject.Stop()
	checkLog(t, seat, subject, 1, false)
	snapshots, err := filepath.Glob(filepath.Join(seat.Data, "__cluster_metadata-0", "*.checkpoint"))
	check(t, err)
	slices.Sort(snapshots)
	newest := snapshots[len(snapshots)-1]
	if strings.HasPrefix(filepath.Base(newest), "00000000000000000000-") {
		t.Fatalf("%s wrote no snapshot", subject.Name)
	}
	dumped := harness.StockTool(t, seat.Version, "org.apache.kafka.tools.DumpLogSegments", harness.Command{}, "--cluster-metadata-decoder", "--files", newest)
	for _, piece := range []string{"DELEGATION_TOKEN_RECORD", "USER_SCRAM_CREDENTIAL_RECORD", "CLIENT_QUOTA_RECORD", `"name":"topic-`} {
		if dumped.Code != 0 || !strings.Contains(dumped.Stdout, piece) {
			t.Errorf("%s: no %q in\n%s", newest, piece, lastOf(dumped.Output()))
		}
	}
}

// describeTokens is a line for each token.
func describeTokens(t *testing.T, c *kgo.Client) []string {
	t.Helper()
	response, err := kmsg.NewPtrDescribeDelegationTokenRequest().RequestWith(timeout(t), c)
	check(t, err)
	check(t, kerr.ErrorForCode(response.ErrorCode))
	var all []string
	for _, token := range response.TokenDetails {
		all = append(all, fmt.Sprintf("%s of %s, %d %d %d, %x, renewers %v", token.TokenID, token.PrincipalName, token.IssueTimestamp, token.ExpiryTimestamp, token.MaxTimestamp,
			token.HMAC, token.Renewers))
	}
	return all
}
