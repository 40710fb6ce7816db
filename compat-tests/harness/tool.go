package harness

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Result is what a finished command left behind.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// Output is both streams, the standard one first.
func (r Result) Output() string { return r.Stdout + r.Stderr }

// Command describes a run of a program: its standard input and how long it may take (zero: two minutes).
type Command struct {
	Stdin string
	Limit time.Duration
	// Environment holds lines "NAME=value" put over the test's own.
	Environment []string
	Directory   string
}

// Run runs a program to its end. A program that cannot be started or does not end in time fails the test and leaves
// status −1. It may be called from several goroutines.
func (c Command) Run(t testing.TB, program string, arguments ...string) Result {
	t.Helper()
	limit := c.Limit
	if limit == 0 {
		limit = 2 * time.Minute
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	command := exec.CommandContext(ctx, program, arguments...)
	command.WaitDelay = 5 * time.Second
	command.Dir = c.Directory
	command.Stdin = strings.NewReader(c.Stdin)
	if len(c.Environment) > 0 {
		command.Env = append(command.Environ(), c.Environment...)
	}
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	if command.ProcessState == nil {
		t.Errorf("%s: %v", program, err)
		return Result{Code: -1}
	}
	result := Result{stdout.String(), stderr.String(), command.ProcessState.ExitCode()}
	if ctx.Err() != nil {
		t.Errorf("%s %s did not end within %v\n%s", program, strings.Join(arguments, " "), limit, result.Output())
	}
	return result
}

// StockTool runs a command-line tool of Apache Kafka by the class its script names.
func StockTool(t testing.TB, version, class string, command Command, arguments ...string) Result {
	t.Helper()
	jars := Jars(t, "kafka-"+version, Tools(version)...)
	// The flags make a short-lived JVM start as fast as it can; they change nothing of what the tool does.
	java := []string{"-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-cp", jars + "/*", class}
	return command.Run(t, "java", append(java, arguments...)...)
}
