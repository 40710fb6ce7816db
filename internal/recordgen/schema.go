// Recordgen writes the Go codecs of the records that Kafka persists, from the schemas in its directory schema.
//
// Run it from the root of the module: go run ./internal/recordgen
//
// A schema file begins with the Go package and the output file; "exact" makes bytes behind a body an error (they are ignored otherwise, as
// Kafka's coordinators do). Then come records:
//
//	record TopicRecord 2 versions 0-0 flexible 0+
//	  Name string
//	  Rack ?string 1+ tag 3 = null
//	  Partitions []Partition
//	    Index int32
//
// The first word is the kind (record, control, key, value), then the name, the number of the type (a control record has none), the versions,
// and the versions that are flexible (none if absent). A field has a name, a type (? before it: it may be null), the versions that have it
// (absent: all; "1", "1+" or "1-3"), a tag if it is a tagged field, and a default if that is not the zero value. A nullable tagged
// array or struct without "= null" is empty by default, not null. The fields of a struct stand below it, further in; "struct X" declares
// one that several fields use.
package main

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// schema is one file.
type schema struct {
	goPackage string
	output    string
	exact     bool
	messages  []*message
}

// message is one record type.
type message struct {
	kind       string
	key        int // -1: none
	maxVersion int
	flexible   versions
	body       *structure
	structures []*structure // every structure, the body first, in the order of declaration
}

// structure is a list of fields; name is its name in the schema.
type structure struct {
	name   string
	goName string
	fields []*field
}

// field is one field of a structure.
type field struct {
	name     string
	goName   string
	kind     string // the type without "?" and "[]"
	array    bool
	nullable bool
	versions versions
	tag      int // -1: none
	initial  string
	hasValue bool       // initial was given
	struct_  *structure // of a field whose kind is a structure
}

// versions is an inclusive range; the empty one has from > to.
type versions struct{ from, to int }

const noLimit = 1 << 15

var none = versions{1, 0}

func parseVersions(s string) (versions, error) {
	from, to, isRange := strings.Cut(s, "-")
	v := versions{}
	var err error
	switch {
	case strings.HasSuffix(s, "+"):
		v.to = noLimit
		v.from, err = strconv.Atoi(strings.TrimSuffix(s, "+"))
	case isRange:
		if v.from, err = strconv.Atoi(from); err == nil {
			v.to, err = strconv.Atoi(to)
		}
	default:
		v.from, err = strconv.Atoi(s)
		v.to = v.from
	}
	if err != nil || v.from > v.to {
		return none, fmt.Errorf("versions %q", s)
	}
	return v, nil
}

// open is a structure that lines are being added to, and how far its fields are indented.
type open struct {
	indent    int
	structure *structure
}

// parser reads one file.
type parser struct {
	schema  *schema
	message *message
	stack   []open
	last    *field
}

func parse(r io.Reader) (*schema, error) {
	p := &parser{schema: &schema{}}
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan(); number++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if strings.TrimSpace(text) == "" {
			continue
		}
		if err := p.line(text); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	for _, m := range p.schema.messages {
		if err := m.resolve(); err != nil {
			return nil, fmt.Errorf("%s: %w", m.body.name, err)
		}
	}
	return p.schema, nil
}

func (p *parser) line(text string) error {
	indent := len(text) - len(strings.TrimLeft(text, " "))
	words := strings.Fields(text)
	if indent == 0 {
		return p.top(words)
	}
	if p.message == nil {
		return fmt.Errorf("a field outside a record")
	}
	if indent > p.stack[len(p.stack)-1].indent {
		if err := p.nest(indent); err != nil {
			return err
		}
	}
	for len(p.stack) > 1 && indent < p.stack[len(p.stack)-1].indent {
		p.stack = p.stack[:len(p.stack)-1]
	}
	if indent != p.stack[len(p.stack)-1].indent {
		return fmt.Errorf("indented by %d", indent)
	}
	if words[0] == "struct" {
		p.last = &field{kind: words[1]}
		return nil
	}
	f, err := parseField(words)
	if err != nil {
		return err
	}
	current := p.stack[len(p.stack)-1].structure
	current.fields = append(current.fields, f)
	p.last = f
	return nil
}

// nest begins the structure of the last line's type.
func (p *parser) nest(indent int) error {
	top := p.stack[len(p.stack)-1]
	if top.indent == 0 { // the first field of the record itself
		p.stack[len(p.stack)-1].indent = indent
		return nil
	}
	if p.last == nil || isPrimitive(p.last.kind) {
		return fmt.Errorf("fields below a type that has none")
	}
	s := &structure{name: p.last.kind, goName: p.message.body.goName + goName(p.last.kind)}
	p.message.structures = append(p.message.structures, s)
	p.stack = append(p.stack, open{indent, s})
	p.last = nil
	return nil
}

func (p *parser) top(words []string) error {
	p.last = nil
	switch words[0] {
	case "package":
		p.schema.goPackage = words[1]
		return nil
	case "output":
		p.schema.output = words[1]
		return nil
	case "exact":
		p.schema.exact = true
		return nil
	case "record", "control", "key", "value":
		return p.begin(words)
	}
	return fmt.Errorf("unknown word %q", words[0])
}

func (p *parser) begin(words []string) error {
	m := &message{kind: words[0], key: -1, flexible: none}
	name, rest := words[1], words[2:]
	if m.kind != "control" {
		key, err := strconv.Atoi(rest[0])
		if err != nil {
			return err
		}
		m.key, rest = key, rest[1:]
	}
	for ; len(rest) >= 2; rest = rest[2:] {
		v, err := parseVersions(rest[1])
		if err != nil {
			return err
		}
		switch rest[0] {
		case "versions":
			m.maxVersion = v.to
		case "flexible":
			m.flexible = v
		default:
			return fmt.Errorf("unknown word %q", rest[0])
		}
	}
	m.body = &structure{name: name, goName: name} // a record keeps the name that Kafka gives it
	m.structures = []*structure{m.body}
	p.schema.messages = append(p.schema.messages, m)
	p.message, p.stack = m, []open{{0, m.body}}
	return nil
}

func parseField(words []string) (*field, error) {
	if len(words) < 2 {
		return nil, fmt.Errorf("a field needs a name and a type")
	}
	f := &field{name: words[0], goName: goName(words[0]), kind: words[1], tag: -1, versions: versions{0, noLimit}}
	f.kind, f.nullable = strings.CutPrefix(f.kind, "?")
	f.kind, f.array = strings.CutPrefix(f.kind, "[]")
	if !f.nullable {
		f.kind, f.nullable = strings.CutPrefix(f.kind, "?")
	}
	for rest := words[2:]; len(rest) > 0; {
		switch {
		case rest[0] == "tag" && len(rest) > 1:
			tag, err := strconv.Atoi(rest[1])
			if err != nil {
				return nil, err
			}
			f.tag, rest = tag, rest[2:]
		case rest[0] == "=" && len(rest) > 1:
			f.initial, f.hasValue, rest = rest[1], true, rest[2:]
		default:
			v, err := parseVersions(rest[0])
			if err != nil {
				return nil, err
			}
			f.versions, rest = v, rest[1:]
		}
	}
	return f, nil
}

// resolve finds the structure of each field that is one.
func (m *message) resolve() error {
	byName := make(map[string]*structure)
	for _, s := range m.structures[1:] {
		byName[s.name] = s
	}
	for _, s := range m.structures {
		for _, f := range s.fields {
			if isPrimitive(f.kind) {
				continue
			}
			if f.struct_ = byName[f.kind]; f.struct_ == nil {
				return fmt.Errorf("unknown type %q of %s", f.kind, f.name)
			}
		}
	}
	return nil
}

func isPrimitive(kind string) bool {
	_, ok := primitiveType(kind)
	return ok
}

// primitiveType is the Go type of a schema's type.
func primitiveType(kind string) (string, bool) {
	switch kind {
	case "bool", "int8", "int16", "int32", "int64", "uint16", "float64", "string":
		return kind, true
	case "uuid":
		return "[16]byte", true
	case "bytes":
		return "[]byte", true
	}
	return "", false
}

// goName is the exported Go name of a schema's name: the words Id, Isr and Elr become initialisms.
func goName(name string) string {
	name = strings.ToUpper(name[:1]) + name[1:]
	for _, word := range []string{"Id", "Isr", "Elr"} {
		name = replaceWord(name, word)
	}
	return name
}

// replaceWord makes a word of a CamelCase name upper case; a plural s stays small.
func replaceWord(name, word string) string {
	var out strings.Builder
	for {
		at := strings.Index(name, word)
		if at < 0 {
			return out.String() + name
		}
		end := at + len(word)
		after := name[end:]
		plural := strings.HasPrefix(after, "s") && (len(after) == 1 || isUpper(after[1]))
		out.WriteString(name[:at])
		if after == "" || isUpper(after[0]) || plural {
			word := strings.ToUpper(word)
			out.WriteString(word)
		} else {
			out.WriteString(word)
		}
		name = after
	}
}

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }
