// Package launcher tests the scripts of bin/ that start and stop a server, with a program in the server's place that tells
// its arguments, writes its pid file and waits for SIGTERM.
package launcher

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const program = `package main

import ("fmt"; "os"; "os/signal"; "syscall"; "time")

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	for i, argument := range os.Args {
		if argument == "--pid-file" {
			if err := os.WriteFile(os.Args[i+1], []byte(fmt.Sprintln(os.Getpid())), 0o644); err != nil { panic(err) }
		}
	}
	fmt.Println(os.Args[1:])
	if os.Args[1] == "start" { <-signals; time.Sleep(300 * time.Millisecond); fmt.Println("stopped") }
}
`

// project lays out a tree with the scripts and the program.
func project(t *testing.T) string {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(base, "go.mod"), "module ottla\n\ngo 1.26.0\n")
	write(t, filepath.Join(base, "main.go"), program)
	if err := os.MkdirAll(filepath.Join(base, "bin", "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, script := range []string{"kafka-server-start.sh", "kafka-server-stop.sh", "kafka-topics.sh", "lib/ottla.sh"} {
		text, err := os.ReadFile(filepath.Join("../../bin", script))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(base, "bin", script), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return base
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// run runs a script from a directory and returns its status and all it said.
func run(t *testing.T, directory string, environment []string, script string, arguments ...string) (int, string) {
	t.Helper()
	command := exec.Command(script, arguments...) // also after the test, to clean up
	command.Dir, command.Env = directory, append(append(os.Environ(), "GOFLAGS="), environment...)
	output, err := command.CombinedOutput()
	if err != nil && command.ProcessState == nil {
		t.Fatal(err)
	}
	return command.ProcessState.ExitCode(), string(output)
}

// await waits until a file holds a text.
func await(t *testing.T, file, text string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		content, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(content), text) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %q, want %q (%v)", file, content, text, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestStartAndStop(t *testing.T) {
	base := project(t)
	elsewhere := t.TempDir()
	link := filepath.Join(elsewhere, "start")
	if err := os.Symlink(filepath.Join(base, "bin", "kafka-server-start.sh"), link); err != nil {
		t.Fatal(err)
	}
	stop := filepath.Join(base, "bin", "kafka-server-stop.sh")
	if status, said := run(t, elsewhere, nil, stop); status != 1 || !strings.Contains(said, "No Ottla server to stop") {
		t.Errorf("stop of nothing: %d %s", status, said)
	}
	if status, said := run(t, elsewhere, nil, link); status != 1 || !strings.HasPrefix(said, "USAGE: ") {
		t.Errorf("no arguments: %d %s", status, said)
	}
	if status, said := run(t, elsewhere, nil, link, "--version"); status != 0 || !strings.Contains(said, "building ") || !strings.HasSuffix(said, "[version]\n") {
		t.Errorf("version: %d %s", status, said)
	}
	if status, said := run(t, filepath.Join(base, "bin"), nil, "bash", "kafka-topics.sh", "--list", "a b"); status != 0 || said != "[topics --list a b]\n" {
		t.Errorf("a tool: %d %s", status, said)
	}
	// Two servers of one file, then a stop of both; a pid file of a process that is none of ours is left out of it.
	t.Cleanup(func() { run(t, elsewhere, nil, stop) })
	for _, port := range []string{"1", "2"} {
		logs := filepath.Join(base, "logs"+port)
		status, said := run(t, elsewhere, []string{"LOG_DIR=" + logs}, link, "-daemon", "server.properties", "--override", "port="+port)
		if status != 0 || said != "" {
			t.Fatalf("start: %d %s", status, said)
		}
		await(t, filepath.Join(logs, "kafkaServer.out"), "[start server.properties --override port="+port+" --pid-file "+base+"/build/run/ottla-")
	}
	foreign := exec.CommandContext(t.Context(), "sleep", "60")
	if err := foreign.Start(); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(base, "build/run/foreign.pid"), strconv.Itoa(foreign.Process.Pid))
	if files, _ := filepath.Glob(filepath.Join(base, "build/run/ottla-*.pid")); len(files) != 2 {
		t.Errorf("pid files: %v", files)
	}
	// While it waits for them, the machine's clock is set an hour on.
	clock := filepath.Join(elsewhere, "clock")
	write(t, clock, "sleep() { SECONDS=$((SECONDS + 3600)); command sleep \"$@\"; }\n")
	if status, said := run(t, elsewhere, []string{"BASH_ENV=" + clock}, stop); status != 0 || said != "" {
		t.Errorf("stop: %d %s", status, said)
	}
	for _, port := range []string{"1", "2"} {
		await(t, filepath.Join(base, "logs"+port, "kafkaServer.out"), "stopped")
	}
	if files, _ := filepath.Glob(filepath.Join(base, "build/run/*.pid")); len(files) != 0 {
		t.Errorf("pid files after the stop: %v", files)
	}
	if err := foreign.Process.Kill(); err != nil {
		t.Errorf("the foreign process was ended: %v", err)
	}
	_ = foreign.Wait()
}

func TestBuildsWhatIsStale(t *testing.T) {
	base := project(t)
	start := filepath.Join(base, "bin", "kafka-server-start.sh")
	for _, step := range []struct {
		name   string
		before func()
		builds bool
	}{
		{"missing", func() {}, true},
		{"fresh", func() {}, false},
		{"older than a source", func() { age(t, filepath.Join(base, "bin/ottla")) }, true},
		{"a test is no source", func() {
			age(t, filepath.Join(base, "main.go"), filepath.Join(base, "go.mod"), filepath.Join(base, "bin/ottla"))
			write(t, filepath.Join(base, "main_test.go"), "package main\n")
		}, false},
	} {
		step.before()
		status, said := run(t, base, nil, start, "--version")
		if status != 0 || strings.Contains(said, "building ") != step.builds {
			t.Errorf("%s: %d %s", step.name, status, said)
		}
	}
	without := []string{"PATH=/usr/bin:/bin"}
	if _, err := os.Stat("/usr/bin/go"); err == nil {
		t.Skip("go is where the other commands are")
	}
	write(t, filepath.Join(base, "more.go"), "package main\n")
	if status, said := run(t, base, without, start, "--version"); status != 0 || !strings.Contains(said, "starting it as it is") {
		t.Errorf("stale, without go: %d %s", status, said)
	}
	if err := os.Remove(filepath.Join(base, "bin/ottla")); err != nil {
		t.Fatal(err)
	}
	if status, said := run(t, base, without, start, "server.properties"); status != 1 || !strings.Contains(said, "install Go") {
		t.Errorf("missing, without go: %d %s", status, said)
	}
}

// age makes files an hour old, in the order given.
func age(t *testing.T, files ...string) {
	t.Helper()
	for i, file := range files {
		at := time.Now().Add(-time.Hour + time.Duration(i)*time.Minute)
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
}
