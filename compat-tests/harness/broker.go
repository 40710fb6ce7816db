package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Broker is a server in a process of its own: Ottla or Apache Kafka. Its address and data directory stay the same
// over restarts. A Broker belongs to one test; its methods are not for use by several goroutines at once.
type Broker struct {
	// Name is "Ottla" or "Apache Kafka 4.3.1"; Address is host:port of its plaintext listener.
	Name, Address string
	// Directory holds server.properties, server.log and data, the broker's one log directory.
	Directory, Data, LogFile string
	Port, ControllerPort     int

	t       testing.TB
	start   func() *exec.Cmd
	limit   time.Duration
	process *exec.Cmd
	log     *os.File
	ended   chan struct{}
}

// Options are what a test may ask of a broker. Properties are lines "key=value" put over those of the file.
type Options struct {
	Properties []string
	// Directory is where the broker lives; empty: a folder of the test.
	Directory string
	// Stopped leaves the broker unstarted.
	Stopped bool
}

var binary struct {
	once sync.Once
	err  error
}

// Build builds the ottla binary, once a test process, and returns its path.
func Build(t testing.TB) string {
	t.Helper()
	root := Root(t)
	path := filepath.Join(root, "build", "test", "ottla")
	binary.once.Do(func() {
		if binary.err = os.MkdirAll(filepath.Dir(path), 0o755); binary.err != nil {
			return
		}
		unlock, err := lockFile(path + ".lock")
		if err != nil {
			binary.err = err
			return
		}
		defer unlock()
		command := exec.Command("go", "build", "-trimpath", "-o", path, ".")
		command.Dir = root
		command.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := command.CombinedOutput(); err != nil {
			binary.err = fmt.Errorf("go build: %w\n%s", err, output)
		}
	})
	if binary.err != nil {
		t.Fatal(binary.err)
	}
	return path
}

// Properties is the server.properties of a stock combined server of one node with everything on loopback: the ports of its two
// listeners, its log directory, and more lines, which win over the stock ones.
func Properties(broker, controller int, data string, more []string) string {
	lines := []string{
		"process.roles=broker,controller",
		"node.id=1",
		fmt.Sprintf("controller.quorum.bootstrap.servers=localhost:%d", controller),
		fmt.Sprintf("listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", broker, controller),
		fmt.Sprintf("advertised.listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", broker, controller),
		"inter.broker.listener.name=PLAINTEXT",
		"controller.listener.names=CONTROLLER",
		"listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
		"log.dirs=" + data,
		"offsets.topic.replication.factor=1",
		"share.coordinator.state.topic.replication.factor=1",
		"share.coordinator.state.topic.min.isr=1",
		"transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1",
		"group.initial.rebalance.delay.ms=0",
	}
	return strings.Join(append(lines, more...), "\n") + "\n"
}

// newBroker lays out a broker's directory and writes its server.properties unless one is there.
func newBroker(t testing.TB, name string, options Options) (*Broker, string) {
	t.Helper()
	directory := options.Directory
	if directory == "" {
		directory = t.TempDir()
	}
	ports := FreePorts(t, 2)
	b := &Broker{
		Name: name, Directory: directory, Data: filepath.Join(directory, "data"),
		LogFile: filepath.Join(directory, "server.log"), Port: ports[0], ControllerPort: ports[1],
		Address: fmt.Sprintf("127.0.0.1:%d", ports[0]), t: t,
	}
	file := filepath.Join(directory, "server.properties")
	text := Properties(ports[0], ports[1], b.Data, options.Properties)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.end)
	return b, file
}

// StartOttla starts Ottla and waits until it answers. It is stopped when the test ends.
func StartOttla(t testing.TB, options Options) *Broker {
	t.Helper()
	program := Build(t)
	b, file := newBroker(t, "Ottla", options)
	b.limit = 60 * time.Second
	b.start = func() *exec.Cmd { return exec.Command(program, "start", file) }
	if !options.Stopped {
		b.Start()
	}
	return b
}

// StartSubject starts the server under test beside an oracle: Ottla, or, where OTTLA_CONTROL is set in the
// environment, Apache Kafka of that version, which shows what of a comparison is the suite's own doing.
func StartSubject(t testing.TB, version string, options Options) *Broker {
	t.Helper()
	if os.Getenv("OTTLA_CONTROL") != "" {
		return StartKafka(t, version, options)
	}
	return StartOttla(t, options)
}

// StartKafka formats a directory with Apache Kafka's own tool, starts Apache Kafka of that version on it and waits
// until it answers. It is stopped when the test ends.
func StartKafka(t testing.TB, version string, options Options) *Broker {
	t.Helper()
	jars := Jars(t, "kafka-"+version, Tools(version)...)
	b, file := newBroker(t, "Apache Kafka "+version, options)
	b.limit = 120 * time.Second
	b.start = func() *exec.Cmd {
		return exec.Command("java", "-Xmx512m", "-cp", jars+"/*", "kafka.Kafka", file)
	}
	if _, err := os.Stat(filepath.Join(b.Data, "meta.properties")); err != nil {
		format := exec.Command("java", "-Xmx256m", "-cp", jars+"/*", "kafka.tools.StorageTool", "format", "--standalone",
			"-t", "4L6g3nShT-eMCtK--X86sw", "-c", file)
		if output, err := format.CombinedOutput(); err != nil {
			t.Fatalf("format: %v\n%s", err, output)
		}
	}
	if !options.Stopped {
		b.Start()
	}
	return b
}

// Start starts the process on the broker's directory and waits until it accepts connections.
func (b *Broker) Start() {
	b.t.Helper()
	if err := b.TryStart(); err != nil {
		b.t.Fatalf("%v; the end of its log:\n%s", err, Tail(b.LogFile, 60))
	}
}

// TryStart is Start for a test that expects the start to fail.
func (b *Broker) TryStart() error {
	if err := b.Launch(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func(ended chan struct{}) {
		select {
		case <-ended:
			cancel()
		case <-ctx.Done():
		}
	}(b.ended)
	if err := WaitForPort(ctx, b.Port, b.limit); err != nil {
		select {
		case <-b.ended:
			err = errors.New("it ended")
		default:
		}
		b.Kill()
		return fmt.Errorf("%s did not start: %w", b.Name, err)
	}
	return nil
}

// Launch starts the process and does not wait until it answers, for a test that ends it before.
func (b *Broker) Launch() error {
	log, err := os.OpenFile(b.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	process, ended := b.start(), make(chan struct{})
	process.Stdout, process.Stderr = log, log
	if err := process.Start(); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", b.Name, err), log.Close())
	}
	b.log, b.process, b.ended = log, process, ended
	go func() {
		_ = process.Wait()
		close(ended)
	}()
	return nil
}

// PID returns the process id of the running broker.
func (b *Broker) PID() int { return b.process.Process.Pid }

// Kill ends the process as kill -9 does and waits for its end.
func (b *Broker) Kill() { b.signal(syscall.SIGKILL, 0) }

// Stop asks the process to stop (SIGTERM) and fails the test unless it ends cleanly within a minute.
func (b *Broker) Stop() {
	b.t.Helper()
	if b.process == nil {
		return
	}
	process := b.process
	if !b.signal(syscall.SIGTERM, time.Minute) {
		b.t.Fatalf("%s did not stop within a minute; the end of its log:\n%s", b.Name, Tail(b.LogFile, 60))
	}
	// Java exits with 143 when a signal ended it.
	if code := process.ProcessState.ExitCode(); code != 0 && code != 143 {
		b.t.Fatalf("%s ended with exit status %d; the end of its log:\n%s", b.Name, code, Tail(b.LogFile, 60))
	}
}

// Outage takes the broker away in the middle of transactions, by kill -9 or a clean stop, and brings it back after a while.
//
// Apache Kafka is paused instead. 4.3.1 does not survive the other two with what it promises: while it starts, it takes a
// partition that has no leader yet for one that was deleted and leaves out the marker of its transaction (KAFKA-20734),
// which then stays open for ever, or ends with the next one of its producer.
func (b *Broker) Outage(kill bool, away time.Duration) {
	b.t.Helper()
	switch {
	case strings.HasPrefix(b.Name, "Apache Kafka"):
		b.Signal(syscall.SIGSTOP)
		time.Sleep(2*time.Second + away)
		b.Signal(syscall.SIGCONT)
		return
	case kill:
		b.Kill()
	default:
		b.Stop()
	}
	time.Sleep(away)
	b.Start()
}

// Signal sends a signal to the running process and does not wait.
func (b *Broker) Signal(signal syscall.Signal) {
	if b.process != nil {
		_ = b.process.Process.Signal(signal)
	}
}

// Ended is closed when the running process has ended.
func (b *Broker) Ended() <-chan struct{} { return b.ended }

// signal sends a signal and waits for the end; zero: as long as it takes. It tells whether the process ended.
func (b *Broker) signal(signal syscall.Signal, limit time.Duration) bool {
	if b.process == nil {
		return true
	}
	_ = b.process.Process.Signal(signal)
	if limit == 0 {
		<-b.ended
	} else {
		select {
		case <-b.ended:
		case <-time.After(limit):
			return false
		}
	}
	_ = b.log.Close()
	b.process = nil
	return true
}

// end is the cleanup of a test: a clean stop where there is time for one, else a kill.
func (b *Broker) end() {
	if b.process == nil {
		return
	}
	if b.t.Failed() {
		b.t.Logf("the end of the log of %s:\n%s", b.Name, Tail(b.LogFile, 40))
	}
	if !b.signal(syscall.SIGTERM, 15*time.Second) {
		b.Kill()
	}
}
