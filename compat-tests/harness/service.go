package harness

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Service is a foreign program that runs beside the test: a stream application, a worker of Connect, a tool that
// works until it is stopped. Both its streams go to OutputFile. It is killed when the test ends, if it runs then.
// A Service belongs to one test; its methods are not for use by several goroutines at once.
type Service struct {
	OutputFile string

	t       testing.TB
	command *exec.Cmd
	ended   chan struct{}
}

// StartService starts a program and returns at once. The environment's lines "NAME=value" are put over the test's own.
func StartService(t testing.TB, environment []string, program string, arguments ...string) *Service {
	t.Helper()
	s := &Service{OutputFile: filepath.Join(t.TempDir(), "output"), t: t, ended: make(chan struct{})}
	output, err := os.Create(s.OutputFile)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = output.Close() }()
	s.command = exec.Command(program, arguments...)
	s.command.Env = append(os.Environ(), environment...)
	s.command.Stdout, s.command.Stderr = output, output
	if err := s.command.Start(); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	go func() {
		_ = s.command.Wait()
		close(s.ended)
	}()
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("the end of what %s printed:\n%s", strings.Join(arguments, " "), Tail(s.OutputFile, 40))
		}
	})
	return s
}

// Kill ends the program as kill -9 does and waits for its end.
func (s *Service) Kill() {
	_ = s.command.Process.Kill()
	<-s.ended
}

// Stop asks the program to stop (SIGTERM) and fails the test unless it ends within a minute.
func (s *Service) Stop() {
	s.t.Helper()
	_ = s.command.Process.Signal(syscall.SIGTERM)
	s.Wait(time.Minute)
}

// Wait waits for the program's end and fails the test unless it comes within the limit. It returns the exit status.
func (s *Service) Wait(limit time.Duration) int {
	s.t.Helper()
	select {
	case <-s.ended:
	case <-time.After(limit):
		s.t.Fatalf("%s did not end within %v; the end of what it printed:\n%s", s.command.Path, limit, Tail(s.OutputFile, 40))
	}
	return s.command.ProcessState.ExitCode()
}

// Running tells whether the program has not ended.
func (s *Service) Running() bool {
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// Output is what the program has printed.
func (s *Service) Output() string {
	content, err := os.ReadFile(s.OutputFile)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(content)
}

// Java returns the arguments of java that run a main class small and quickly.
func Java(classPath, class string, arguments ...string) []string {
	return append([]string{"-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-cp", classPath, class}, arguments...)
}

// Compile compiles Java sources against the jars of a folder and returns the class path to run them with.
func Compile(t testing.TB, jars string, sources ...string) string {
	t.Helper()
	Require(t, "javac")
	classes := t.TempDir()
	compiled := Command{}.Run(t, "javac", append([]string{"-nowarn", "-cp", jars + "/*", "-d", classes}, sources...)...)
	if compiled.Code != 0 {
		t.Fatalf("javac: %s", compiled.Output())
	}
	return classes + ":" + jars + "/*"
}

// Until waits until the condition holds and fails the test unless it does within the limit; said tells what was
// waited for and how far it came.
func Until(t testing.TB, limit time.Duration, condition func() bool, said func() string) {
	t.Helper()
	for end := time.Now().Add(limit); !condition(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, said())
		}
	}
}
