package kafkajs

import (
	"path/filepath"
	"testing"
	"time"

	"ottla/compat-tests/harness"
)

func TestKafkaJS(t *testing.T) {
	folder := harness.Node(t, "kafkajs", "kafkajs@2.2.4")
	b := harness.StartSubject(t, "4.3.1", harness.Options{})
	program := filepath.Join(harness.Root(t), "compat-tests", "kafkajs", "client.js")
	harness.Dialogue(t, b, 5*time.Minute, []string{"codecs", "idempotence", "group", "admin", "restarts"}, "node", program, folder)
}
