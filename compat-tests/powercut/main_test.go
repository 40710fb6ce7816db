package powercut

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	if status, ok := contain(); ok {
		os.Exit(status)
	}
	os.Exit(m.Run())
}
