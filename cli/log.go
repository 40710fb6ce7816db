package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"
)

// newLogger makes the logger of the process: lines for people, or one JSON
// object a line.
func newLogger(out io.Writer, format, level string) (zerolog.Logger, error) {
	parsed, err := zerolog.ParseLevel(strings.ToLower(level))
	if err != nil || level == "" {
		return zerolog.Nop(), fmt.Errorf("--log-level %s: use trace, debug, info, warn or error", level)
	}
	switch format {
	case "json":
		return zerolog.New(out).Level(parsed).Hook(clock{}), nil
	case "text":
		return zerolog.New(lineWriter(out)).Level(parsed).Hook(clock{}), nil
	}
	return zerolog.Nop(), fmt.Errorf("--log-format %s: use text or json", format)
}

// clock puts the time into each line, to the millisecond and in UTC. It is a
// hook because zerolog's own format is a variable of that package.
type clock struct{}

func (clock) Run(event *zerolog.Event, _ zerolog.Level, _ string) {
	event.Str(zerolog.TimestampFieldName, time.Now().UTC().Format("2006-01-02T15:04:05.000Z"))
}

// lineWriter writes lines as a Kafka server's log has them: the time in
// brackets, the level, the message, the fields in parentheses of nothing.
func lineWriter(out io.Writer) zerolog.ConsoleWriter {
	return zerolog.ConsoleWriter{
		Out:     out,
		NoColor: !isTerminal(out),
		FormatTimestamp: func(value any) string {
			text, _ := value.(string)
			return "[" + strings.TrimSuffix(strings.Replace(text, "T", " ", 1), "Z") + "]"
		},
		FormatLevel: func(value any) string {
			text, _ := value.(string)
			return fmt.Sprintf("%-5s", strings.ToUpper(text))
		},
	}
}

// isTerminal tells whether the output is a terminal, which shows colours.
func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	return isatty.IsTerminal(file.Fd())
}
