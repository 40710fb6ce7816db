package pythonclients

import (
	"path/filepath"
	"testing"
	"time"

	"ottla/compat-tests/harness"
)

func TestPythonClients(t *testing.T) {
	python := harness.Python(t, "clients", "confluent-kafka==2.16.1", "kafka-python==3.0.12", "aiokafka==0.14.0",
		"python-snappy", "lz4", "zstandard", "cramjam==2.14.0")
	for _, client := range []struct {
		program string
		checks  []string
	}{
		{"confluent.py", []string{"codecs", "acks", "group range", "group roundrobin", "group cooperative-sticky", "admin", "restarts"}},
		{"kafkapython.py", []string{"codecs", "acks", "group", "admin", "restarts"}},
		{"aio.py", []string{"codecs", "idempotence", "group", "admin", "restarts"}},
	} {
		t.Run(client.program, func(t *testing.T) {
			b := harness.StartSubject(t, "4.3.1", harness.Options{})
			program := filepath.Join(harness.Root(t), "compat-tests", "python-clients", client.program)
			harness.Dialogue(t, b, 5*time.Minute, client.checks, python, program)
		})
	}
}
