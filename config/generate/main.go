// Command generate writes docs/configuration.md from the table of keys. It runs in the directory of package config.
package main

import (
	"fmt"
	"os"

	"ottla/config"
)

func main() {
	if err := os.WriteFile("../docs/configuration.md", []byte(config.Document()), 0o644); err != nil { //nolint:gosec // a page to read
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
