package stocktools

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ottla/compat-tests/harness"
)

// resident is a JVM that runs one tool after the other: it saves a start for each of many commands.
type resident struct {
	input   io.WriteCloser
	answers *bufio.Reader
}

// startResident starts the JVM; it ends with the test.
func startResident(t *testing.T, version string) *resident {
	t.Helper()
	jars := harness.Jars(t, "kafka-"+version, harness.Tools(version)...)
	process := exec.Command("java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", jars+"/*",
		filepath.Join(harness.Root(t), "compat-tests", "own-tools", "Tools.java"))
	input, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = input.Close()
		overdue := time.AfterFunc(20*time.Second, func() { _ = process.Process.Kill() })
		_ = process.Wait()
		overdue.Stop()
	})
	return &resident{input, bufio.NewReaderSize(output, 1<<20)}
}

// run runs a tool to its end. What goes wrong with the JVM fails the test and leaves status −1.
func (r *resident) run(t *testing.T, class, in string, arguments ...string) harness.Result {
	words := make([]string, 0, len(arguments)+2)
	for _, word := range append([]string{class, in}, arguments...) {
		words = append(words, "."+base64.StdEncoding.EncodeToString([]byte(word)))
	}
	_, err := fmt.Fprintln(r.input, strings.Join(words, " "))
	if err != nil {
		t.Errorf("%s: %v", class, err)
		return harness.Result{Code: -1}
	}
	line, err := r.answers.ReadString('\n')
	fields := strings.Fields(line)
	if err != nil || len(fields) != 3 {
		t.Errorf("%s: answered %q, %v", class, line, err)
		return harness.Result{Code: -1}
	}
	code, err := strconv.Atoi(fields[0])
	if err != nil {
		t.Errorf("%s: %v", class, err)
	}
	var texts [2]string
	for i := range texts {
		text, err := base64.StdEncoding.DecodeString(fields[i+1][1:])
		if err != nil {
			t.Errorf("%s: %v", class, err)
		}
		texts[i] = string(text)
	}
	return harness.Result{Code: code, Stdout: texts[0], Stderr: texts[1]}
}
