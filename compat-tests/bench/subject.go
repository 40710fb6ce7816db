package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"ottla/compat-tests/harness"
)

// Kind names a subject as the table does.
type Kind string

const (
	None  Kind = ""
	Ottla Kind = "Ottla"
	Kafka Kind = "Kafka"
	// Floor is the least a broker must cost: a program that reads a frame, checks the CRC, writes to a file and answers.
	Floor Kind = "floor"
)

// Subject is a server in a process of its own, on loopback, whose address and data directory stay the same over
// restarts. It belongs to one goroutine; a row's load may call Address, PID and Usage from others while it runs.
type Subject struct {
	Kind Kind
	// Address is host:port of its plaintext listener.
	Address string
	// Directory holds server.properties and server.log; Data is its log directory.
	Directory, Data string
	// Scale shrinks the work: 1 in a real run, less in a quick one, a warm-up and the tests.
	Scale float64
	// Memory is how long the row about memory lasts, if not zero.
	Memory time.Duration

	// prepared holds the names of what once has done on the present data directory.
	prepared map[string]bool

	// label names the present run, for the files of profiles; empty: no profile is wanted.
	label                string
	profiler             *exec.Cmd
	port, controllerPort int
	programs             *Programs
	command              *exec.Cmd
	ended                chan struct{}
}

// Duration is how long a timed part of the work lasts, scaled down where the run is quick.
func (s *Subject) Duration(full time.Duration) time.Duration {
	return max(time.Duration(float64(full)*s.Scale), 50*time.Millisecond)
}

// Count is how much of something the work holds (partitions, connections, members), scaled down where the run is
// quick, but at least least.
func (s *Subject) Count(full, least int) int {
	return max(int(float64(full)*s.Scale), min(least, full))
}

// once does something to the subject unless it was done before on the same data directory.
func (s *Subject) once(name string, do func() error) error {
	if s.prepared[name] {
		return nil
	}
	if err := do(); err != nil {
		return err
	}
	if s.prepared == nil {
		s.prepared = map[string]bool{}
	}
	s.prepared[name] = true
	return nil
}

// configure writes server.properties with the row's lines over the stock ones.
func (s *Subject) configure(more []string) error {
	if err := os.MkdirAll(s.Directory, 0o755); err != nil {
		return err
	}
	// Deleted topics leave at once, so that rows do not fill the disk for each other.
	text := harness.Properties(s.port, s.controllerPort, s.Data, append([]string{"log.segment.delete.delay.ms=100"}, more...))
	return os.WriteFile(s.file(), []byte(text), 0o644)
}

func (s *Subject) file() string { return filepath.Join(s.Directory, "server.properties") }

// Start starts the process on the data directory and returns the time from then to its first answer (ApiVersions).
func (s *Subject) Start(ctx context.Context) (time.Duration, error) {
	if s.command != nil {
		return 0, errors.New("started already")
	}
	log, err := os.OpenFile(filepath.Join(s.Directory, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	defer func() { _ = log.Close() }()
	command := s.program()
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	began := time.Now()
	if err := command.Start(); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	s.command, s.ended = command, ended
	go func() {
		_ = command.Wait()
		close(ended)
	}()
	for {
		if answers(s.Address) {
			return time.Since(began), nil
		}
		select {
		case <-ended:
			s.command = nil
			return 0, fmt.Errorf("%s ended at its start: %s", s.Kind, s.logTail())
		case <-ctx.Done():
			return 0, errors.Join(ctx.Err(), s.Kill())
		case <-time.After(time.Millisecond):
		}
	}
}

// program is the command line of the subject.
func (s *Subject) program() *exec.Cmd {
	switch s.Kind {
	case Ottla:
		return exec.Command(s.programs.Ottla, "start", s.file())
	case Kafka:
		return exec.Command("java", append(kafkaFlags(), "-cp", s.programs.Jars+"/*", "kafka.Kafka", s.file())...)
	}
	return exec.Command(s.programs.Floor, floorArgument, s.Address, s.Data)
}

// kafkaFlags are the JVM's, as Apache Kafka's own start script sets them.
func kafkaFlags() []string {
	return []string{
		"-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
		"-XX:+ExplicitGCInvokesConcurrent", "-XX:MaxInlineLevel=15", "-Djava.awt.headless=true",
	}
}

// PID is the process id of the running subject.
func (s *Subject) PID() int { return s.command.Process.Pid }

// Stop asks the process to stop (SIGTERM) and returns how long it took; after two minutes it is an error.
func (s *Subject) Stop() (time.Duration, error) { return s.end(syscall.SIGTERM) }

// Kill ends the process as kill -9 does.
func (s *Subject) Kill() error {
	_, err := s.end(syscall.SIGKILL)
	return err
}

func (s *Subject) end(signal syscall.Signal) (time.Duration, error) {
	if s.command == nil {
		return 0, nil
	}
	began := time.Now()
	_ = s.command.Process.Signal(signal)
	select {
	case <-s.ended:
		s.command = nil
		return time.Since(began), nil
	case <-time.After(2 * time.Minute):
		return 0, fmt.Errorf("%s does not stop: %s", s.Kind, s.logTail())
	}
}

// Format makes an empty data directory ready for the first start, where the subject needs that (Apache Kafka's storage
// tool). What was there is removed.
func (s *Subject) Format(ctx context.Context) error {
	s.prepared = nil
	if err := os.RemoveAll(s.Data); err != nil {
		return err
	}
	if s.Kind != Kafka {
		return os.MkdirAll(s.Data, 0o755)
	}
	output, err := exec.CommandContext(ctx, "java", "-Xmx256m", "-cp", s.programs.Jars+"/*", "kafka.tools.StorageTool", "format",
		"--standalone", "-t", "4L6g3nShT-eMCtK--X86sw", "-c", s.file()).CombinedOutput()
	if err != nil {
		return fmt.Errorf("format: %w\n%s", err, output)
	}
	return nil
}

func (s *Subject) logTail() string {
	text, err := os.ReadFile(filepath.Join(s.Directory, "server.log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}
