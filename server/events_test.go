package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/coordinator"
)

// TestSupersededShardIsNoError: a shard of an old leader epoch fails on purpose, and no operator has to act.
func TestSupersededShardIsNoError(t *testing.T) {
	for _, c := range []struct {
		err   error
		level string
	}{
		{fmt.Errorf("append: %w", kerr.FencedLeaderEpoch), `"level":"debug"`},
		{fmt.Errorf("append: %w", kerr.KafkaStorageError), `"level":"error"`},
	} {
		var lines logLines
		newEventLog(zerolog.New(&lines)).transactions(coordinator.Event{Kind: coordinator.AppendFailed, Err: c.err})
		if text := lines.String(); !strings.Contains(text, c.level) {
			t.Errorf("%v is told as %s, want %s", c.err, text, c.level)
		}
	}
}

// TestBannerOffersTools: the banner has a pair of command lines that work where it stands.
func TestBannerOffersTools(t *testing.T) {
	var lines logLines
	s, err := Start(t.Context(), settings(t, t.TempDir()), Options{Log: zerolog.New(&lines)})
	if err != nil {
		t.Fatal(err)
	}
	address := s.Addr("PLAINTEXT").String()
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(address, ":")
	for _, want := range []string{
		"clients dial PLAINTEXT://127.0.0.1:" + port, "bin/kafka-console-producer.sh --bootstrap-server 127.0.0.1:" + port,
		"bin/kafka-console-consumer.sh --bootstrap-server 127.0.0.1:" + port,
		"[BrokerLifecycleManager id=1] Transitioning from RECOVERY to RUNNING", "[KafkaRaftServer nodeId=1] Kafka Server started",
	} {
		if !strings.Contains(lines.String(), want) {
			t.Errorf("the banner lacks %q:\n%s", want, lines.String())
		}
	}
}
