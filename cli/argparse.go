package cli

import (
	"fmt"
	"slices"
	"strings"
)

// argument is an option of a sub-command as argparse has them.
type argument struct {
	name, short string // --cluster-id, -t
	value       string // what stands for its value in the usage; "" for a flag
	required    bool
	help        string
	group       int // options of one group other than 0 exclude each other
}

// subcommand is one of a tool's.
type subcommand struct {
	name, help string
	arguments  []argument
}

// parsedArguments are the values by long name; a flag has one empty value.
type parsedArguments map[string][]string

func (p parsedArguments) has(name string) bool { return len(p[name]) > 0 }

func (p parsedArguments) text(name string) string {
	if values := p[name]; len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
}

// misused is a command line that a sub-command refuses: its usage and what is wrong.
type misused struct{ usage, message string }

func (e *misused) Error() string { return e.usage + "\n" + e.message }

// find returns the option that a word names: in full, by the start of one long name, or by its letter with the value behind it.
func (s *subcommand) find(word string) (found *argument, value string, attached bool) {
	name, value, attached := strings.Cut(word, "=")
	for i := range s.arguments {
		if a := &s.arguments[i]; a.name == name || a.short == name {
			return a, value, attached
		}
	}
	for i := range s.arguments {
		a := &s.arguments[i]
		if !strings.HasPrefix(name, "--") && len(word) > 2 && strings.HasPrefix(word, a.short) {
			return a, word[2:], true
		}
		if strings.HasPrefix(name, "--") && len(name) > 2 && strings.HasPrefix(a.name, name) {
			if found != nil {
				return nil, "", false
			}
			found = a
		}
	}
	return found, value, attached
}

// parse parses what follows the sub-command. help tells that it is asked for.
func (s *subcommand) parse(words []string, usage string) (parsed parsedArguments, help bool, err error) {
	parsed = parsedArguments{}
	wrong := func(format string, a ...any) (parsedArguments, bool, error) {
		return nil, false, &misused{usage, fmt.Sprintf(format, a...)}
	}
	for i := 0; i < len(words); i++ {
		word := words[i]
		if word == "-h" || word == "--help" {
			return nil, true, nil
		}
		var a *argument
		var value string
		var attached bool
		if strings.HasPrefix(word, "-") {
			a, value, attached = s.find(word)
		}
		if a == nil {
			return wrong("unrecognized arguments: '%s'", word)
		}
		for _, other := range s.arguments {
			if a.group != 0 && other.group == a.group && other.name != a.name && parsed.has(other.name) {
				return wrong("argument %s/%s: not allowed with argument %s/%s", a.name, a.short, other.name, other.short)
			}
		}
		if a.value != "" && !attached {
			if i++; i == len(words) || strings.HasPrefix(words[i], "-") {
				return wrong("argument %s/%s: expected one argument", a.name, a.short)
			}
			value = words[i]
		}
		parsed[a.name] = append(parsed[a.name], value)
	}
	// The last one that is missing is the one that is named.
	for _, a := range slices.Backward(s.arguments) {
		if a.required && !parsed.has(a.name) {
			return wrong("argument %s/%s is required", a.name, a.short)
		}
	}
	return parsed, false, nil
}

// usage is the first lines of the help, broken as argparse breaks them.
func (s *subcommand) usage(program string) string {
	var words []string
	words = append(words, "[-h]")
	for i, a := range s.arguments {
		text := a.name
		if a.value != "" {
			text += " " + a.value
		}
		first := a.group != 0 && (i == 0 || s.arguments[i-1].group != a.group)
		last := a.group != 0 && (i == len(s.arguments)-1 || s.arguments[i+1].group != a.group)
		switch {
		case first:
			text = "[" + text + " |"
		case last:
			text += "]"
		case a.group != 0:
			text += " |"
		case !a.required:
			text = "[" + text + "]"
		}
		words = append(words, text)
	}
	head := "usage: " + program + " " + s.name
	line, lines := head, []string{}
	for _, word := range words {
		if len(line)+1+len(word) > 75 {
			lines, line = append(lines, line), strings.Repeat(" ", 20)
		}
		line += " " + word
	}
	return strings.Join(append(lines, line), "\n")
}

// fullHelp is the usage and the options with what they are for.
func (s *subcommand) fullHelp(program string) string {
	var text strings.Builder
	text.WriteString(s.usage(program) + "\n\noptional arguments:\n")
	row := func(words, help string) { fmt.Fprintf(&text, "  %s\n        %s\n", words, help) }
	row("-h, --help", "show this help message and exit")
	for _, a := range s.arguments {
		value := ""
		if a.value != "" {
			value = " " + a.value
		}
		row(a.name+value+", "+a.short+value, a.help)
	}
	return text.String()
}
