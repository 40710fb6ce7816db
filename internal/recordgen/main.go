package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "recordgen:", err)
		os.Exit(1)
	}
}

// run writes the output of every schema file of the module at root.
func run(root string) error {
	files, err := filepath.Glob(filepath.Join(root, "internal/recordgen/schema/*.txt"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no schema files below %s (%v)", root, err)
	}
	for _, name := range files {
		output, source, err := generate(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(root, output), source, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate gives the output file of one schema file, relative to the module's root, and its Go source.
func generate(name string) (output string, source []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	s, err := parse(f)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", name, err)
	}
	source, err = emit(s)
	return s.output, source, err
}
