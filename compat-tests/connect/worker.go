// Package connect runs Kafka Connect against a broker; see README.md.
package connect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ottla/compat-tests/harness"
)

const version = "4.3.1"

// worker is one distributed worker of Connect; its settings stay the same over restarts.
type worker struct {
	t          *testing.T
	jars, file string
	url        string
	service    *harness.Service
}

func newWorker(t *testing.T, b *harness.Broker) *worker {
	t.Helper()
	var artifacts []harness.Artifact
	for _, name := range []string{"connect-runtime", "connect-file", "connect-json"} {
		artifacts = append(artifacts, harness.Artifact{Group: "org.apache.kafka", Name: name, Version: version})
	}
	artifacts = append(artifacts, harness.Artifact{Group: "org.apache.logging.log4j", Name: "log4j-slf4j-impl", Version: "2.25.4"})
	w := &worker{t: t, jars: harness.Jars(t, "connect-"+version, artifacts...), file: filepath.Join(t.TempDir(), "worker.properties")}
	address := fmt.Sprintf("http://127.0.0.1:%d", harness.FreePorts(t, 1)[0])
	w.url = address + "/connectors"
	lines := []string{
		"bootstrap.servers=" + b.Address,
		"group.id=connect", "listeners=" + address, "rest.advertised.host.name=127.0.0.1",
		"exactly.once.source.support=enabled",
		"config.storage.topic=connect-configs", "config.storage.replication.factor=1",
		"offset.storage.topic=connect-offsets", "offset.storage.replication.factor=1", "offset.storage.partitions=5",
		"status.storage.topic=connect-status", "status.storage.replication.factor=1", "status.storage.partitions=2",
		"key.converter=org.apache.kafka.connect.storage.StringConverter",
		"value.converter=org.apache.kafka.connect.storage.StringConverter",
		"offset.flush.interval.ms=500", "scheduled.rebalance.max.delay.ms=0", "session.timeout.ms=6000", "heartbeat.interval.ms=1000",
		"plugin.discovery=service_load", "reconnect.backoff.max.ms=200",
		"consumer.metadata.max.age.ms=2000",
	}
	if err := os.WriteFile(w.file, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return w
}

// start starts the worker and waits until it serves its REST interface.
func (w *worker) start() {
	w.t.Helper()
	arguments := harness.Java(w.jars+"/*", "org.apache.kafka.connect.cli.ConnectDistributed", w.file)
	w.service = harness.StartService(w.t, nil, "java", append([]string{"-Dlog4j2.level=WARN"}, arguments...)...)
	var last error
	harness.Until(w.t, 2*time.Minute, func() bool {
		_, last = w.call(http.MethodGet, "", nil)
		return last == nil || !w.service.Running()
	}, func() string { return fmt.Sprintf("%v\n%s", last, harness.Tail(w.service.OutputFile, 40)) })
	if last != nil {
		w.t.Fatalf("the worker ended:\n%s", harness.Tail(w.service.OutputFile, 60))
	}
}

// call sends one request to the REST interface and decodes what comes back.
func (w *worker) call(method, path string, body any) (answer any, err error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, w.url+path, content)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: 30 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, response.Status, text)
	}
	if len(text) == 0 {
		return nil, nil
	}
	return answer, json.Unmarshal(text, &answer)
}

// connector makes a connector, or changes it, and waits until it and its task run.
func (w *worker) connector(name string, settings map[string]string) {
	w.t.Helper()
	var last error
	harness.Until(w.t, time.Minute, func() bool {
		// A worker that has just joined its group may still refuse: 409 while it rebalances.
		_, last = w.call(http.MethodPut, "/"+name+"/config", settings)
		return last == nil
	}, func() string { return fmt.Sprint(last) })
	w.running(name)
}

// running waits until a connector and its one task are in state RUNNING.
func (w *worker) running(name string) {
	w.t.Helper()
	var last any
	harness.Until(w.t, 90*time.Second, func() bool {
		answer, err := w.call(http.MethodGet, "/"+name+"/status", nil)
		if last = answer; err != nil {
			last = err
			return false
		}
		var status struct {
			Connector struct{ State string }
			Tasks     []struct{ State string }
		}
		text, _ := json.Marshal(answer)
		return json.Unmarshal(text, &status) == nil && status.Connector.State == "RUNNING" && len(status.Tasks) == 1 && status.Tasks[0].State == "RUNNING"
	}, func() string { return fmt.Sprintf("%s: %v\n%s", name, last, harness.Tail(w.service.OutputFile, 40)) })
}
