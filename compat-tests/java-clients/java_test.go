package javaclients

import (
	"path/filepath"
	"testing"
	"time"

	"ottla/compat-tests/harness"
)

func TestJavaClients(t *testing.T) {
	for _, version := range []string{"2.8.2", "3.3.2", "3.9.1", "4.3.1"} {
		t.Run(version, func(t *testing.T) {
			jars := harness.Jars(t, "clients-"+version,
				harness.Artifact{Group: "org.apache.kafka", Name: "kafka-clients", Version: version},
				harness.Artifact{Group: "org.slf4j", Name: "slf4j-nop", Version: "1.7.36"})
			harness.Require(t, "javac")
			source := filepath.Join(harness.Root(t), "compat-tests", "java-clients", "Clients.java")
			classes := t.TempDir()
			compiled := harness.Command{}.Run(t, "javac", "-nowarn", "-cp", jars+"/*", "-d", classes, source)
			if compiled.Code != 0 {
				t.Fatalf("javac: %s", compiled.Output())
			}
			b := harness.StartSubject(t, "4.3.1", harness.Options{})
			wanted := []string{"codecs", "acks", "positions", "group RangeAssignor", "group CooperativeStickyAssignor", "admin", "restarts"}
			harness.Dialogue(t, b, 5*time.Minute, wanted, "java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", classes+":"+jars+"/*", "Clients")
		})
	}
}
