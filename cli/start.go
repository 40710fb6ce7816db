package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"ottla/config"
	"ottla/server"
)

const startUsage = `Usage: ottla start [FILE] [options]

Starts a server with the properties of FILE, which are Kafka's. Without FILE the
data is in ./data, and localhost:9092 is the only address that is listened on.

  --override KEY=VALUE  a property that wins over the file's; may be given again
  --env                 take KAFKA_* variables too (done anyway without FILE)
  --pid-file PATH       write the process id there while the server runs
  --log-format FORMAT   text (what else is said) or json
  --log-level LEVEL     debug, info (what else is said), warn or error

SIGTERM and SIGINT stop it cleanly, a second one at once.
`

// stopTimeout bounds a clean stop. Logs that are not closed by then are
// recovered at the next start.
const stopTimeout = 25 * time.Second

// startArguments are the arguments of start.
type startArguments struct {
	options         config.Options
	pidFile         string
	format, level   string
	help, heardFile bool
}

// builtIn are the properties of a start without a file: a whole server for this
// machine alone. What the environment or an override says replaces them; who
// says listeners says everything about addresses.
func builtIn(variables, overrides []string) []string {
	set := map[string]bool{}
	for _, override := range overrides {
		key, _, _ := strings.Cut(override, "=")
		set[key] = true
	}
	for _, variable := range variables {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "KAFKA_") {
			set[strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, "KAFKA_")), "_", ".")] = true
		}
	}
	var properties []string
	add := func(key, value string, unless ...string) {
		for _, other := range append(unless, key) {
			if set[other] {
				return
			}
		}
		properties = append(properties, key+"="+value)
	}
	add("process.roles", "broker,controller")
	add("node.id", "1", "broker.id")
	add("listeners", "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093")
	add("advertised.listeners", "PLAINTEXT://localhost:9092", "listeners")
	add("controller.listener.names", "CONTROLLER", "listeners")
	add("controller.quorum.bootstrap.servers", "localhost:9093", "listeners", "controller.quorum.voters")
	add("log.dirs", "./data", "log.dir")
	add("offsets.topic.replication.factor", "1")
	add("transaction.state.log.replication.factor", "1")
	add("transaction.state.log.min.isr", "1")
	add("share.coordinator.state.topic.replication.factor", "1")
	add("share.coordinator.state.topic.min.isr", "1")
	return properties
}

// start runs a server until it is told to stop.
func start(environment Environment, arguments []string) int {
	begun := time.Now()
	parsed, err := parseStart(arguments, environment.Variables)
	if err != nil {
		fmt.Fprintf(environment.Stderr, "ottla start: %v\n\n%s", err, startUsage)
		return exitMisuse
	}
	if parsed.help {
		fmt.Fprint(environment.Stdout, startUsage)
		return exitDone
	}
	log, err := newLogger(environment.Stdout, parsed.format, parsed.level)
	if err != nil {
		fmt.Fprintf(environment.Stderr, "ottla start: %v\n", err)
		return exitMisuse
	}
	settings, warnings, err := config.Load(parsed.options)
	if err != nil {
		fmt.Fprintf(environment.Stderr, "ottla start: %v\n", err)
		return exitFailed
	}
	for _, warning := range warnings {
		logWarning(log, parsed.options.File, warning)
	}
	syncs := tune("/")
	return serve(environment, log, settings, server.Options{
		Log: log, Version: Version, PIDFile: parsed.pidFile, Begun: begun, Syncs: syncs,
	})
}

// serve starts the server and waits for its end.
func serve(environment Environment, log zerolog.Logger, settings *config.Config, options server.Options) int {
	// From here on a signal is a wish: also one that comes while logs are loaded.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stopWanted := make(chan os.Signal, 1)
	go func() {
		stopWanted <- <-signals
		cancel()
		<-signals
		os.Exit(exitFailed)
	}()
	running, err := server.Start(ctx, settings, options)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return exitDone
		}
		log.Error().Err(err).Msg("the server does not start")
		fmt.Fprintf(environment.Stderr, "ottla start: %v\n", err)
		return exitFailed
	}
	status := exitDone
	select {
	case received := <-stopWanted:
		log.Info().Str("signal", received.String()).Msg("stopping")
	case err := <-running.Failed():
		log.Error().Err(err).Msg("the server cannot go on")
		status = exitFailed
	}
	stopping, done := context.WithTimeout(context.Background(), stopTimeout)
	defer done()
	if err := running.Stop(stopping); err != nil {
		log.Error().Err(err).Msg("stop")
		return exitFailed
	}
	return status
}

func logWarning(log zerolog.Logger, file string, warning config.Warning) {
	event := log.Warn()
	if warning.Line > 0 {
		event = event.Str("file", file).Int("line", warning.Line)
	}
	event.Msg(warning.Message)
}

// parseStart parses the arguments. Options may stand before and after the file,
// with "=" or as the next argument.
func parseStart(arguments, variables []string) (startArguments, error) {
	parsed := startArguments{format: "text", level: "info"}
	parsed.options.Environment = variables
	for i := 0; i < len(arguments); i++ {
		argument := arguments[i]
		if !strings.HasPrefix(argument, "-") {
			if parsed.heardFile {
				return parsed, fmt.Errorf("one file, not %s too", argument)
			}
			parsed.heardFile, parsed.options.File = true, argument
			continue
		}
		name, value, attached := strings.Cut(argument, "=")
		switch name {
		case "-h", "-help", "--help":
			parsed.help = true
			continue
		case "--env":
			parsed.options.UseEnvironment = true
			continue
		case "--override", "--pid-file", "--log-format", "--log-level":
		default:
			return parsed, fmt.Errorf("unknown option %s", name)
		}
		if !attached {
			if i++; i == len(arguments) {
				return parsed, fmt.Errorf("%s needs a value", name)
			}
			value = arguments[i]
		}
		if err := parsed.set(name, value); err != nil {
			return parsed, err
		}
	}
	if !parsed.heardFile {
		parsed.options.Overrides = append(builtIn(variables, parsed.options.Overrides), parsed.options.Overrides...)
	}
	return parsed, nil
}

func (parsed *startArguments) set(name, value string) error {
	switch name {
	case "--override":
		if key, _, ok := strings.Cut(value, "="); !ok || key == "" {
			return fmt.Errorf("--override %s: KEY=VALUE is meant", value)
		}
		parsed.options.Overrides = append(parsed.options.Overrides, value)
	case "--pid-file":
		parsed.pidFile = value
	case "--log-format":
		parsed.format = value
	case "--log-level":
		parsed.level = value
	}
	return nil
}
