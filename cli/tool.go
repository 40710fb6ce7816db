package cli

import (
	"bufio"
	"errors"
	"fmt"
	"time"

	"ottla/cli/flags"
)

// stockVersion is the version of Apache Kafka whose tools these are.
const stockVersion = "4.3.1"

// tool is what a console tool works with. It belongs to one run of one verb.
type tool struct {
	environment Environment
	out         *bufio.Writer // flushed by the tool's end, and before anything goes to stderr
	parser      *flags.Parser
	set         *flags.Set
	arguments   []string
	help        *flags.Option
	version     *flags.Option
	format      *flags.Option
}

// newTool returns a tool whose parser knows --help, --version and --format.
func newTool(environment Environment, arguments []string) *tool {
	t := &tool{environment: environment, arguments: arguments, out: bufio.NewWriterSize(environment.Stdout, 64<<10)}
	t.parser = flags.NewParser()
	t.help, t.version = t.parser.Standard()
	return t
}

// formats adds --format, which the stock tools do not have.
func (t *tool) formats() {
	t.format = t.parser.Value("format", flags.String, "text|json", "how to print: as text, or as one JSON document").WithDefault("text")
}

// json tells whether JSON is wanted.
func (t *tool) json() bool { return t.format != nil && t.set.Text(t.format) == "json" }

// usageError ends a tool with its message and the help.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func usagef(format string, arguments ...any) error {
	return &usageError{fmt.Sprintf(format, arguments...)}
}

// errVersion ends a tool with the version on its output.
var errVersion = errors.New("the version is wanted")

// errSilent ends a tool that has said all it has to.
var errSilent = errors.New("the tool failed and said why")

// helpOrVersion looks for --help and --version, and for a line with nothing at all.
func (t *tool) helpOrVersion(message string) error {
	if len(t.arguments) == 0 || t.set.Has(t.help) {
		return &usageError{message}
	}
	if t.set.Has(t.version) {
		return errVersion
	}
	if t.format != nil {
		if text := t.set.Text(t.format); text != "text" && text != "json" {
			return usagef("--format is text or json, not %s", text)
		}
	}
	return nil
}

// demand wants each of the options.
func (t *tool) demand(options ...*flags.Option) error {
	for _, option := range options {
		if !t.set.Has(option) {
			return usagef("Missing required argument %q", option)
		}
	}
	return nil
}

// exclude wants none of the others beside an option.
func (t *tool) exclude(used *flags.Option, others ...*flags.Option) error {
	if !t.set.Has(used) {
		return nil
	}
	for _, other := range others {
		if t.set.Has(other) {
			return usagef("Option %q can't be used with option %q", used, other)
		}
	}
	return nil
}

// count tells how many of the options were given.
func (t *tool) count(options ...*flags.Option) int {
	n := 0
	for _, option := range options {
		if t.set.Has(option) {
			n++
		}
	}
	return n
}

// println prints a line on the output.
func (t *tool) println(text string) {
	_, _ = t.out.WriteString(text)
	_ = t.out.WriteByte('\n')
}

func (t *tool) printf(format string, arguments ...any) { fmt.Fprintf(t.out, format, arguments...) }

// complain prints a line on the error output, after what was printed before it.
func (t *tool) complain(text string) {
	_ = t.out.Flush()
	fmt.Fprintln(t.environment.Stderr, text)
}

// logLine prints a line of a log on the error output, in the format of the stock tools.
func (t *tool) logLine(level, logger, text string) {
	t.complain(fmt.Sprintf("[%s] %s %s (%s)", time.Now().Format("2006-01-02 15:04:05,000"), level, text, logger))
}

// finish flushes the output, says what an error has to say, and returns the exit
// status. Errors other than a wish for the version or the help are printed as
// their message alone.
func (t *tool) finish(err error) int {
	defer func() { _ = t.out.Flush() }()
	var usage *usageError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errVersion):
		t.println(stockVersion)
		return exitDone
	case errors.Is(err, errSilent):
	case errors.As(err, &usage):
		t.complain(usage.message)
		t.parser.PrintHelp(t.environment.Stderr)
	default:
		t.complain(err.Error())
	}
	return exitFailed
}
