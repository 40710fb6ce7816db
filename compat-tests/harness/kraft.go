package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Seat is one server.properties and one log directory that servers take turns on: Apache Kafka of one version and
// Ottla. Only one of them runs at a time; addresses stay the same. A Seat belongs to one test.
type Seat struct {
	// Kafka and Ottla are the two servers, both stopped at first. Their logs are separate files.
	Kafka, Ottla *Broker
	// File is server.properties, Data the log directory.
	File, Data string
	Version    string
}

// SeatOptions say how a seat is laid out.
type SeatOptions struct {
	// Version is Apache Kafka's. Before 3.9 voters are always static.
	Version string
	// StaticVoters: controller.quorum.voters, kraft.version 0. Else controller.quorum.bootstrap.servers and a standalone
	// voter, kraft.version 1.
	StaticVoters bool
	// Properties are lines put behind those of the file.
	Properties []string
}

// NewSeat formats a directory with Apache Kafka's own tool and starts nothing.
func NewSeat(t testing.TB, options SeatOptions) *Seat {
	t.Helper()
	jars := Jars(t, "kafka-"+options.Version, Tools(options.Version)...)
	directory := t.TempDir()
	ports := FreePorts(t, 2)
	seat := &Seat{File: filepath.Join(directory, "server.properties"), Data: filepath.Join(directory, "data"), Version: options.Version}
	text := Properties(ports[0], ports[1], seat.Data, options.Properties)
	// A controller's listener was not allowed among the advertised ones before 3.9.
	text = strings.ReplaceAll(text, fmt.Sprintf("advertised.listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", ports[0], ports[1]),
		fmt.Sprintf("advertised.listeners=PLAINTEXT://127.0.0.1:%d", ports[0]))
	if options.StaticVoters {
		text = strings.ReplaceAll(text, fmt.Sprintf("controller.quorum.bootstrap.servers=localhost:%d", ports[1]),
			fmt.Sprintf("controller.quorum.voters=1@127.0.0.1:%d", ports[1]))
	}
	if err := os.WriteFile(seat.File, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	seat.seatServers(t, jars, ports)
	format := []string{"-Xmx256m", "-cp", jars + "/*", "kafka.tools.StorageTool", "format", "-t", "4L6g3nShT-eMCtK--X86sw", "-c", seat.File}
	if !options.StaticVoters {
		format = append(format, "--standalone")
	}
	if output, err := exec.Command("java", format...).CombinedOutput(); err != nil {
		t.Fatalf("format: %v\n%s", err, output)
	}
	return seat
}

// seatServers makes the two servers of a seat.
func (seat *Seat) seatServers(t testing.TB, jars string, ports []int) {
	t.Helper()
	program, directory := Build(t), filepath.Dir(seat.File)
	sit := func(name, log string, limit time.Duration, start func() *exec.Cmd) *Broker {
		b := &Broker{
			Name: name, Directory: directory, Data: seat.Data, LogFile: filepath.Join(directory, log), Port: ports[0],
			ControllerPort: ports[1], Address: fmt.Sprintf("127.0.0.1:%d", ports[0]), t: t, start: start, limit: limit,
		}
		t.Cleanup(b.end)
		return b
	}
	classes := jars + "/*" + logging(t, seat.Version)
	flags := loggingFlags(t, seat.Version, directory)
	seat.Kafka = sit("Apache Kafka "+seat.Version, "kafka.log", 3*time.Minute, func() *exec.Cmd {
		arguments := append([]string{"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}, flags...)
		return exec.Command("java", append(arguments, "-cp", classes, "kafka.Kafka", seat.File)...)
	})
	seat.Ottla = sit("Ottla", "ottla.log", time.Minute, func() *exec.Cmd { return exec.Command(program, "start", seat.File) })
}

// logging is the binding that lets Apache Kafka's log be seen, as a piece of a class path; versions before 4.0 bring
// their own.
func logging(t testing.TB, version string) string {
	t.Helper()
	if strings.HasPrefix(version, "3.") {
		return ""
	}
	return ":" + Jars(t, "log4j-slf4j-2.25.4", Artifact{Group: "org.apache.logging.log4j", Name: "log4j-slf4j-impl", Version: "2.25.4"}) + "/*"
}

// loggingFlags make Apache Kafka log one line an event: level, logger, message.
func loggingFlags(t testing.TB, version, directory string) []string {
	t.Helper()
	name, text, flag := "log4j2.properties", "appender.out.type=Console\nappender.out.name=OUT\nappender.out.layout.type=PatternLayout\n"+
		"appender.out.layout.pattern=%p %c %m%n\nrootLogger.level=INFO\nrootLogger.appenderRef.out.ref=OUT\n", "-Dlog4j2.configurationFile="
	if strings.HasPrefix(version, "3.") {
		name, text, flag = "log4j.properties", "log4j.rootLogger=INFO, OUT\nlog4j.appender.OUT=org.apache.log4j.ConsoleAppender\n"+
			"log4j.appender.OUT.layout=org.apache.log4j.PatternLayout\nlog4j.appender.OUT.layout.ConversionPattern=%p %c %m%n\n", "-Dlog4j.configuration=file:"
	}
	file := filepath.Join(directory, name)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return []string{flag + file}
}

// Shell runs Apache Kafka's metadata shell on a snapshot or a segment of the metadata log and returns what it printed.
// The shell is 4.3.1's whatever the version of the seat: it reads every older record.
func Shell(t testing.TB, file string, command ...string) Result {
	t.Helper()
	const version = "4.3.1"
	jars := Jars(t, "shell-"+version, Artifact{"org.apache.kafka", "kafka-shell", version}, Artifact{"org.apache.kafka", "kafka_2.13", version})
	arguments := []string{"-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", jars + "/*", "org.apache.kafka.shell.MetadataShell", "--snapshot", file}
	return Command{}.Run(t, "java", append(arguments, command...)...)
}

// WaitUntil calls done until it returns true, and fails the test after limit, saying what was waited for.
func WaitUntil(t testing.TB, limit time.Duration, what string, done func(ctx context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for !done(ctx) {
		select {
		case <-ctx.Done():
			t.Fatalf("after %v still waiting for %s", limit, what)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
