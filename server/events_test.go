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
