package harness

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Resident is a JVM that runs one stock tool after the other: it saves a start for each of many commands. It is for one
// goroutine.
type Resident struct {
	input   io.WriteCloser
	answers *bufio.Reader
}

// StartResident starts the JVM with the tools of a version of Apache Kafka, and with what more its class path and its flags
// are to hold; it ends with the test.
func StartResident(t testing.TB, version string, more []string, flags ...string) *Resident {
	t.Helper()
	classPath := strings.Join(append([]string{Jars(t, "kafka-"+version, Tools(version)...) + "/*"}, more...), ":")
	arguments := append([]string{"-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", classPath}, flags...)
	process := exec.Command("java", append(arguments, filepath.Join(Root(t), "compat-tests", "harness", "Tools.java"))...)
	process.Stderr = os.Stderr
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
	return &Resident{input, bufio.NewReaderSize(output, 1<<20)}
}

// Run runs a tool to its end: its class, what it reads from standard input, its arguments. An error is the JVM's; a tool's
// own failure is its status.
func (r *Resident) Run(class, in string, arguments ...string) (Result, error) {
	words := make([]string, 0, len(arguments)+2)
	for _, word := range append([]string{class, in}, arguments...) {
		words = append(words, "."+base64.StdEncoding.EncodeToString([]byte(word)))
	}
	if _, err := fmt.Fprintln(r.input, strings.Join(words, " ")); err != nil {
		return Result{Code: -1}, fmt.Errorf("run %s: %w", class, err)
	}
	line, err := r.answers.ReadString('\n')
	fields := strings.Fields(line)
	if err != nil || len(fields) != 3 {
		return Result{Code: -1}, fmt.Errorf("run %s: the answer was %q, %w", class, line, err)
	}
	code, err := strconv.Atoi(fields[0])
	if err != nil {
		return Result{Code: -1}, fmt.Errorf("run %s: %w", class, err)
	}
	var texts [2]string
	for i := range texts {
		text, err := base64.StdEncoding.DecodeString(fields[i+1][1:])
		if err != nil {
			return Result{Code: -1}, fmt.Errorf("run %s: %w", class, err)
		}
		texts[i] = string(text)
	}
	return Result{Code: code, Stdout: texts[0], Stderr: texts[1]}, nil
}
