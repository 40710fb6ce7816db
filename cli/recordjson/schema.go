// Package recordjson prints the records that Kafka persists as the JSON that its tools print: every field that the
// record's version has, by its name in the schema; tagged fields only where they are not at their default.
//
// It reads the schemas at run time, so nothing of it is paid for by tools that print no records. A Schemas is immutable
// once made; the package has no state and no goroutine.
package recordjson

import (
	_ "embed"
	"fmt"
	"math"
	"strconv"
	"strings"

	"ottla/internal/recordgen/schema"
)

//go:embed consumer.txt
var consumerText string

// Schemas are the messages of one package.
type Schemas struct{ messages []*message }

// message is one record, key, value or control body.
type message struct {
	kind, name string
	key        int // -1: none
	versions   span
	flexible   span
	fields     []*field
	structures map[string][]*field
}

// span is an inclusive range of versions.
type span struct{ from, to int16 }

func (s span) has(version int16) bool { return version >= s.from && version <= s.to }

type field struct {
	name, kind      string
	array, nullable bool
	versions        span
	tag             int // -1: none
	standard        string
	hasStandard     bool
}

// Load returns the schemas of a package: group, transaction, metadata, or consumer for what members tell each other.
func Load(name string) *Schemas {
	text := consumerText
	if name != "consumer" {
		text = schema.Text(name)
	}
	s := &Schemas{}
	if err := s.parse(text); err != nil {
		panic(fmt.Sprintf("BUG: schema %s: %v", name, err))
	}
	return s
}

// find returns a message by its kind and number, or its name where number is -1.
func (s *Schemas) find(kind string, number int, name string) *message {
	for _, m := range s.messages {
		if m.kind == kind && (number >= 0 && m.key == number || number < 0 && m.name == name) {
			return m
		}
	}
	return nil
}

// Name returns the name of a record, as TopicRecord; "" if there is none of that number.
func (s *Schemas) Name(kind string, number int) string {
	if m := s.find(kind, number, ""); m != nil {
		return m.name
	}
	return ""
}

// level is a list of fields that lines are added to.
type level struct {
	indent    int
	structure string // "" is the message itself
}

func (s *Schemas) parse(text string) error {
	var m *message
	var stack []level
	opens := "" // the structure that a deeper line belongs to
	for number, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if indent == 0 {
			m, stack, opens = nil, nil, ""
			switch words[0] {
			case "record", "control", "key", "value":
				var err error
				if m, err = parseMessage(words); err != nil {
					return fmt.Errorf("line %d: %w", number+1, err)
				}
				s.messages = append(s.messages, m)
			}
			continue
		}
		if len(stack) == 0 {
			stack = append(stack, level{indent, ""})
		} else if indent > stack[len(stack)-1].indent {
			stack = append(stack, level{indent, opens})
		}
		for indent < stack[len(stack)-1].indent {
			stack = stack[:len(stack)-1]
		}
		if words[0] == "struct" {
			opens = words[1]
			continue
		}
		f, err := parseField(words)
		if err != nil {
			return fmt.Errorf("line %d: %w", number+1, err)
		}
		opens = f.kind
		if name := stack[len(stack)-1].structure; name == "" {
			m.fields = append(m.fields, f)
		} else {
			m.structures[name] = append(m.structures[name], f)
		}
	}
	return nil
}

func parseMessage(words []string) (*message, error) {
	m := &message{kind: words[0], name: words[1], key: -1, flexible: span{1, 0}, structures: map[string][]*field{}}
	rest := words[2:]
	if m.kind != "control" {
		key, err := strconv.Atoi(rest[0])
		if err != nil {
			return nil, err
		}
		m.key, rest = key, rest[1:]
	}
	for ; len(rest) >= 2; rest = rest[2:] {
		versions, err := parseSpan(rest[1])
		if err != nil {
			return nil, err
		}
		if rest[0] == "flexible" {
			m.flexible = versions
		} else {
			m.versions = versions
		}
	}
	return m, nil
}

func parseSpan(text string) (span, error) {
	from, to, ranged := strings.Cut(text, "-")
	low, err := strconv.ParseInt(strings.TrimSuffix(from, "+"), 10, 16)
	s := span{int16(low), int16(low)}
	if strings.HasSuffix(text, "+") {
		s.to = math.MaxInt16
	} else if ranged && err == nil {
		var high int64
		high, err = strconv.ParseInt(to, 10, 16)
		s.to = int16(high)
	}
	return s, err
}

func parseField(words []string) (*field, error) {
	f := &field{name: strings.ToLower(words[0][:1]) + words[0][1:], kind: words[1], tag: -1, versions: span{0, math.MaxInt16}}
	f.kind, f.nullable = strings.CutPrefix(f.kind, "?")
	f.kind, f.array = strings.CutPrefix(f.kind, "[]")
	if !f.nullable {
		f.kind, f.nullable = strings.CutPrefix(f.kind, "?")
	}
	for rest := words[2:]; len(rest) > 0; {
		var err error
		switch {
		case rest[0] == "tag" && len(rest) > 1:
			f.tag, err = strconv.Atoi(rest[1])
			rest = rest[2:]
		case rest[0] == "=" && len(rest) > 1:
			f.standard, f.hasStandard, rest = rest[1], true, rest[2:]
		default:
			f.versions, err = parseSpan(rest[0])
			rest = rest[1:]
		}
		if err != nil {
			return nil, err
		}
	}
	return f, nil
}
