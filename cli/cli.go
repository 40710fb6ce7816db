// Package cli is the command line: a table of verbs, each in a file of its own.
//
// A verb parses its own arguments and returns the exit status: 0 done, 1 failed,
// 2 misused. Nothing here is shared between verbs but what they print to, and
// the package keeps no state.
package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Version is the version of this program.
const Version = "0.1.0"

// The exit statuses.
const (
	exitDone   = 0
	exitFailed = 1
	exitMisuse = 2
)

// Environment is what a verb may touch of the process.
type Environment struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Variables are the environment's, as os.Environ gives them.
	Variables []string
}

// verb is one row of the table.
type verb struct {
	name string
	// arguments is what follows the name in the usage.
	arguments string
	summary   string
	run       func(environment Environment, arguments []string) int
}

// verbs is the table, in the order of the usage.
func verbs() []verb {
	return []verb{
		{"start", "[FILE] [options]", "start a server with the properties of FILE", start},
		{"adopt", "--dry-run FILE", "say what a start would find in the log directories, and do", adopt},
		{"version", "", "print the version", version},
		{"topics", "[options]", "create, list, describe, alter and delete topics (kafka-topics.sh)", topics},
		{"get-offsets", "[options]", "print offsets of partitions (kafka-get-offsets.sh)", getOffsets},
		{"configs", "[options]", "describe and alter configurations (kafka-configs.sh)", configs},
		{"console-producer", "[options]", "send lines as records (kafka-console-producer.sh)", consoleProducer},
		{"console-consumer", "[options]", "print records (kafka-console-consumer.sh)", consoleConsumer},
		{"consumer-groups", "[options]", "list, describe and delete consumer groups, reset their offsets (kafka-consumer-groups.sh)", consumerGroups},
		{"storage", "COMMAND [options]", "format log directories, show what is in them (kafka-storage.sh)", storageVerb},
		{"dump-log", "[options]", "print the files of a partition (kafka-dump-log.sh)", dumpLog},
	}
}

// Run runs the verb that the arguments name and returns the exit status.
func Run(arguments []string, environment Environment) int {
	if len(arguments) == 0 || slices.Contains([]string{"help", "-h", "-help", "--help"}, arguments[0]) {
		fmt.Fprint(environment.Stdout, usage())
		return exitDone
	}
	name := strings.TrimPrefix(arguments[0], "kafka-")
	if name == "--version" {
		name = "version"
	}
	table := verbs()
	i := slices.IndexFunc(table, func(v verb) bool { return v.name == name })
	if i < 0 {
		fmt.Fprintf(environment.Stderr, "ottla: there is no %q\n\n%s", name, usage())
		return exitMisuse
	}
	return table[i].run(environment, arguments[1:])
}

func usage() string {
	var text strings.Builder
	text.WriteString("Ottla is a Kafka server.\n\nUsage:\n")
	for _, v := range verbs() {
		fmt.Fprintf(&text, "  %-32s%s\n", strings.TrimSpace("ottla "+v.name+" "+v.arguments), v.summary)
	}
	text.WriteString("\n\"ottla start\" alone keeps its data in ./data and listens on localhost:9092.\n\"ottla start --help\" lists the options.\n")
	return text.String()
}
