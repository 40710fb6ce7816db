package harness

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// Soak is how long a campaign shall run: OTTLA_SOAK_MINUTES, which `make soak` sets. Elsewhere the test is skipped. A
// test that calls it is named TestSoak…, since that is what `make soak` asks for.
func Soak(t testing.TB) time.Duration {
	t.Helper()
	text := os.Getenv("OTTLA_SOAK_MINUTES")
	if text == "" {
		t.Skip("a long campaign: runs where OTTLA_SOAK_MINUTES says how long")
	}
	minutes, err := strconv.Atoi(text)
	if err != nil || minutes <= 0 {
		t.Fatalf("OTTLA_SOAK_MINUTES is %q, not a number of minutes", text)
	}
	return time.Duration(minutes) * time.Minute
}
