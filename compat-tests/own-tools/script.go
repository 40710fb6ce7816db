// Package owntools holds this project's console tools against those of Apache Kafka 4.3.1: the same command lines, the
// same output, errors and exit status.
package owntools

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// command is one command line of a script, with what stands indented under it.
type command struct {
	line string
	// words are those of the line: the tool, then its arguments. $B is the broker's address, $C its controller's, $F a
	// folder of the script's own; $O and $S are in every place the data directories of the broker of the stock tools and
	// of the last one.
	words []string
	in    string
	// files are written into $F before the command runs.
	files map[string]string
	// sorted: the order of lines is not the same between two runs. loose: only the exit status is compared, and quiet
	// leaves out the error output. eventually: it is run again while the results differ, since it reads what was just written.
	sorted, loose, quiet, eventually bool
	// kafkaOnly: it is about something that Ottla does not have.
	kafkaOnly bool
	// status is the exit status wanted of both; -1: any.
	status int
	place  string
}

// read reads a script: a line that is not indented is a command, "#" begins a comment. What follows "#! kafka" is run
// against Apache Kafka alone, until "#! all".
func read(path string) ([]command, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var commands []command
	kafkaOnly := false
	for i, line := range strings.Split(string(content), "\n") {
		place := fmt.Sprintf("%s:%d", filepath.Base(path), i+1)
		switch {
		case strings.HasPrefix(line, "#! "):
			kafkaOnly = line == "#! kafka"
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#"):
		case !strings.HasPrefix(line, " "):
			commands = append(commands, command{line: line, words: split(line), status: -1, place: place, kafkaOnly: kafkaOnly, files: map[string]string{}})
		case len(commands) == 0:
			return nil, fmt.Errorf("%s: no command before it", place)
		default:
			if err := commands[len(commands)-1].set(strings.TrimSpace(line)); err != nil {
				return nil, fmt.Errorf("%s: %w", place, err)
			}
		}
	}
	return commands, nil
}

func (c *command) set(text string) error {
	word, rest, _ := strings.Cut(text, " ")
	var err error
	switch word {
	case "in":
		c.in, err = strconv.Unquote(rest)
	case "file":
		name, content, _ := strings.Cut(rest, " ")
		c.files[name], err = strconv.Unquote(content)
	case "status":
		c.status, err = strconv.Atoi(rest)
	case "sorted":
		c.sorted = true
	case "loose":
		c.loose = true
	case "quiet":
		c.quiet = true
	case "eventually":
		c.eventually = true
	default:
		err = fmt.Errorf("no such word: %s", word)
	}
	return err
}

// split splits a command line at blanks; single quotes keep a word together.
func split(line string) []string {
	var words []string
	var word strings.Builder
	quoted, begun := false, false
	for _, r := range line {
		switch {
		case r == '\'':
			quoted, begun = !quoted, true
		case r == ' ' && !quoted:
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if begun {
		words = append(words, word.String())
	}
	return words
}
