// Command ottla is a Kafka server and its tools; package cli has its verbs.
package main

import (
	"os"

	"ottla/cli"
)

func main() {
	os.Exit(cli.Run(os.Args[1:], cli.Environment{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Variables: os.Environ()}))
}
