// Package flags parses command lines as Apache Kafka's console tools do.
//
// The grammar: "--name", "--name value", "--name=value", and the same with one
// dash; no abbreviations; a required argument is the next word whatever it looks
// like; an optional argument is the next word unless that looks like an option;
// words that belong to no option are kept aside; "--" ends the options. Values are
// converted when they are asked for, so that a tool complains in its own order.
//
// A Parser is built, used and dropped by one goroutine; the package has no state.
package flags

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind tells what an option takes.
type Kind int

// The kinds.
const (
	None Kind = iota
	Required
	Optional
)

// Type is what an argument is converted to.
type Type string

// The types, by the names that the help prints.
const (
	String  Type = "String"
	Integer Type = "Integer"
	Long    Type = "Long"
)

// Option is one option of a parser.
type Option struct {
	// Names are the long name first, then short ones.
	Names []string
	Kind  Kind
	Type  Type
	// Label stands for the argument in the help.
	Label string
	Help  string
	// Default is the value of an option that was not given; see HasDefault.
	Default    string
	HasDefault bool
	// Separator splits one argument into several values; zero splits nothing.
	Separator byte
	// availableIf: the option may be given only beside one of these.
	availableIf []*Option
	required    bool
}

// String names the option as messages do.
func (o *Option) String() string { return "[" + strings.Join(o.Names, ", ") + "]" }

// display is the option's name in the parser's own messages.
func (o *Option) display() string {
	if len(o.Names) == 1 {
		return o.Names[0]
	}
	return o.String()
}

// WithDefault gives the option a value for when it is not given.
func (o *Option) WithDefault(value string) *Option {
	o.Default, o.HasDefault = value, true
	return o
}

// AvailableIf makes the option an error unless one of the others is given.
func (o *Option) AvailableIf(others ...*Option) *Option {
	o.availableIf = others
	return o
}

// Demand makes Parse fail where the option is not given.
func (o *Option) Demand() *Option {
	o.required = true
	return o
}

// Error is a command line that the parser refuses, in the words that Apache
// Kafka's tools print.
type Error struct {
	Message string
	// Kind is the exception that stands for it in what Apache Kafka's tools print.
	Kind string
}

func (e *Error) Error() string { return e.Message }

// Parser knows the options of one tool.
type Parser struct {
	options []*Option
	byName  map[string]*Option
	help    []*Option // those that lift the demand for others
}

// NewParser returns a parser that knows --help and --version.
func NewParser() *Parser {
	p := &Parser{byName: map[string]*Option{}}
	p.help = []*Option{
		p.Flag("help", "print this"),
		p.Flag("version", "print the version"),
	}
	return p
}

// Standard returns the options --help and --version.
func (p *Parser) Standard() (help, version *Option) { return p.help[0], p.help[1] }

// Flag adds an option without an argument.
func (p *Parser) Flag(name, help string) *Option {
	return p.Add(&Option{Names: []string{name}, Help: help})
}

// Value adds an option with a required argument.
func (p *Parser) Value(name string, kind Type, label, help string) *Option {
	return p.Add(&Option{Names: []string{name}, Kind: Required, Type: kind, Label: label, Help: help})
}

// Maybe adds an option with an optional argument, which is a String.
func (p *Parser) Maybe(name, label, help string) *Option {
	return p.Add(&Option{Names: []string{name}, Kind: Optional, Type: String, Label: label, Help: help})
}

// Add adds an option. Two options of one name are a bug.
func (p *Parser) Add(option *Option) *Option {
	p.options = append(p.options, option)
	for _, name := range option.Names {
		if p.byName[name] != nil {
			panic("BUG: two options --" + name)
		}
		p.byName[name] = option
	}
	return option
}

// Set is what a command line holds.
type Set struct {
	// Specs are the options given, in order, each as often as it was given.
	Specs []*Option
	// Words are those that belong to no option.
	Words  []string
	values map[*Option][]string
	err    error
}

// Parse parses the arguments.
func (p *Parser) Parse(arguments []string) (*Set, error) {
	set := &Set{values: map[*Option][]string{}}
	for i := 0; i < len(arguments); {
		argument := arguments[i]
		i++
		if argument == "--" {
			set.Words = append(set.Words, arguments[i:]...)
			break
		}
		if !looksLikeOption(argument) {
			set.Words = append(set.Words, argument)
			continue
		}
		option, value, err := p.find(argument)
		if err != nil {
			return nil, err
		}
		used, err := set.take(option, value, arguments[i:])
		if err != nil {
			return nil, err
		}
		i += used
	}
	return set, p.check(set)
}

func looksLikeOption(argument string) bool {
	return len(argument) > 1 && argument[0] == '-' && argument != "--"
}

// find finds the option of a word and the value after its "=".
func (p *Parser) find(argument string) (option *Option, value string, err error) {
	long := strings.HasPrefix(argument, "--")
	name, value, _ := strings.Cut(strings.TrimPrefix(argument[1:], "-"), "=")
	if !long {
		name, value, _ = strings.Cut(argument[1:], "=")
	}
	if option := p.byName[name]; option != nil {
		return option, value, nil
	}
	if long {
		return nil, "", unrecognized(name)
	}
	// One dash before several letters: a cluster of short options, of which only the last may take an argument.
	first := argument[1:2]
	option = p.byName[first]
	if option == nil || option.Kind == None {
		return nil, "", unrecognized(first)
	}
	return option, argument[2:], nil
}

func unrecognized(name string) error {
	return &Error{name + " is not a recognized option", "UnrecognizedOptionException"}
}

// take notes an option and its argument, and tells how many of the words that follow it took.
func (s *Set) take(option *Option, value string, rest []string) (int, error) {
	s.Specs = append(s.Specs, option)
	if _, ok := s.values[option]; !ok {
		s.values[option] = nil
	}
	switch {
	case option.Kind == None:
		return 0, nil
	case value != "":
		s.add(option, value)
		return 0, nil
	case option.Kind == Required && len(rest) == 0:
		return 0, &Error{"Option " + option.display() + " requires an argument", "OptionMissingRequiredArgumentException"}
	case option.Kind == Required || len(rest) > 0 && !looksLikeOption(rest[0]):
		s.add(option, rest[0])
		return 1, nil
	}
	return 0, nil
}

func (s *Set) add(option *Option, value string) {
	if option.Separator == 0 {
		s.values[option] = append(s.values[option], value)
		return
	}
	added := false
	for _, part := range strings.Split(value, string(option.Separator)) {
		if part != "" {
			s.values[option], added = append(s.values[option], part), true
		}
	}
	if !added {
		s.values[option] = append(s.values[option], value)
	}
}

// check looks for options that are missing or out of place.
func (p *Parser) check(set *Set) error {
	for _, option := range p.help {
		if set.Has(option) {
			return nil
		}
	}
	var missing, unavailable []string
	for _, option := range p.options {
		if option.required && !set.Has(option) {
			missing = append(missing, option.display())
		}
		if option.availableIf == nil || !set.Has(option) {
			continue
		}
		available := false
		for _, other := range option.availableIf {
			available = available || set.Has(other)
		}
		if !available {
			unavailable = append(unavailable, option.display())
		}
	}
	if missing != nil {
		return &Error{"Missing required option(s) [" + strings.Join(missing, ", ") + "]", "MissingRequiredOptionsException"}
	}
	if unavailable != nil {
		return &Error{"Option(s) [" + strings.Join(unavailable, ", ") + "] are unavailable given other options on the command line", "UnavailableOptionException"}
	}
	return nil
}

// Has tells whether the option was given.
func (s *Set) Has(option *Option) bool {
	_, ok := s.values[option]
	return ok
}

// Strings returns all values of the option, its default where it was not given.
func (s *Set) Strings(option *Option) []string {
	values := s.values[option]
	if len(values) == 0 && option.HasDefault {
		return []string{option.Default}
	}
	return values
}

// Err returns the first complaint about a value that was asked for, and forgets it.
func (s *Set) Err() error {
	err := s.err
	s.err = nil
	return err
}

func (s *Set) complain(err *Error) {
	if s.err == nil {
		s.err = err
	}
}

// Text returns the option's one value, or its default, or "". More than one is
// noted for Err.
func (s *Set) Text(option *Option) string {
	values := s.Strings(option)
	switch len(values) {
	case 0:
		return ""
	case 1:
		return values[0]
	}
	s.complain(&Error{"Found multiple arguments for option " + option.display() + ", but you asked for only one", "MultipleArgumentsForOptionException"})
	return values[0]
}

// Number returns the option's one value as a number of its type, or zero. A bad
// one is noted for Err.
func (s *Set) Number(option *Option) int64 {
	text := s.Text(option)
	if text == "" && len(s.Strings(option)) == 0 {
		return 0
	}
	bits := 64
	if option.Type == Integer {
		bits = 32
	}
	number, err := strconv.ParseInt(text, 10, bits)
	if err != nil {
		s.complain(&Error{fmt.Sprintf("Cannot parse argument '%s' of option %s", text, option.display()), "OptionArgumentConversionException"})
	}
	return number
}
