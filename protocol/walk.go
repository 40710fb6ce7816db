package protocol

import (
	_ "embed"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kbin"
)

// ErrBody is what an error of a walk wraps: Kafka closes the connection.
var ErrBody = errors.New("request body")

// requestsText is the fields of every request: a line "key name" for each, then
// its fields, indented by their depth: name, type, versions, and where it is so
// the tag, the versions in which it is one, and those in which it may be null.
//
//go:embed requests.txt
var requestsText string

// requests are the fields of requests, by key.
var requests = sync.OnceValue(func() [][]field { return parseRequests(requestsText) })

// versions is a range of versions, both ends included.
type versions struct{ from, to int16 }

func (v versions) has(version int16) bool { return v.from <= version && version <= v.to }

// none is the range without a version.
func none() versions { return versions{1, 0} }

// field is one field of a request.
type field struct {
	name     string
	size     int // of a value of fixed size, else 0
	array    bool
	fields   []field // of a structure
	in       versions
	tagged   versions
	tag      uint32
	nullable versions
}

// fixedSize are the sizes of types that have one.
func fixedSize(kind string) int {
	switch kind {
	case "bool", "int8":
		return 1
	case "int16", "uint16":
		return 2
	case "int32":
		return 4
	case "int64", "float64":
		return 8
	case "uuid":
		return 16
	}
	return 0
}

// parseRequests parses the text, which is part of the program: what is wrong in
// it is a bug.
func parseRequests(text string) [][]field {
	table := make([][]field, MaxKey+1)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for len(lines) > 0 {
		key, err := strconv.Atoi(strings.Fields(lines[0])[0])
		if err != nil {
			panic("BUG: " + lines[0])
		}
		table[key], lines = parseFields(lines[1:], 2)
	}
	return table
}

// parseFields parses the lines from a depth on and returns those behind.
func parseFields(lines []string, depth int) (fields []field, rest []string) {
	for len(lines) > 0 {
		indent := len(lines[0]) - len(strings.TrimLeft(lines[0], " "))
		if indent < depth {
			break
		}
		words := strings.Fields(lines[0])
		f := field{name: words[0], array: strings.HasPrefix(words[1], "[]"), tagged: none(), nullable: none()}
		kind := strings.TrimPrefix(words[1], "[]")
		f.size = fixedSize(kind)
		for _, word := range words[2:] {
			name, value, _ := strings.Cut(word, "=")
			switch name {
			case "tag":
				tag, _ := strconv.Atoi(value)
				f.tag = uint32(tag)
			case "tagged":
				f.tagged = parseVersions(value)
			case "nullable":
				f.nullable = parseVersions(value)
			default:
				f.in = parseVersions(word[1:])
			}
		}
		f.fields, lines = parseFields(lines[1:], depth+2)
		if structure := kind[0] >= 'A' && kind[0] <= 'Z'; structure && f.fields == nil {
			panic("BUG: " + f.name + " has no fields")
		}
		fields = append(fields, f)
	}
	return fields, lines
}

// parseVersions parses "3", "3-5" and "3+".
func parseVersions(text string) versions {
	first, last, isRange := strings.Cut(text, "-")
	from, err := strconv.Atoi(strings.TrimSuffix(first, "+"))
	v := versions{int16(from), int16(from)}
	if strings.HasSuffix(first, "+") {
		v.to = math.MaxInt16
	}
	if isRange {
		to, wrong := strconv.Atoi(last)
		err, v.to = errors.Join(err, wrong), int16(to)
	}
	if err != nil {
		panic("BUG: versions " + text)
	}
	return v
}

// Walk goes through the body of a request of a flexible version, field by field
// and without memory, and refuses what is not one. It comes before kmsg, which
// counts down every tagged field that a body claims to have, four billion if
// it says so, whether it has them or not. Bodies of other versions have no such
// counts and are left to kmsg, and what kmsg takes for nothing (a null where
// none may be) is left alone.
func (h Header) Walk(body []byte) error {
	if h.UnsupportedVersion || !h.API.IsFlexible(h.Version) {
		return nil
	}
	w := walker{reader: kbin.Reader{Src: body}, version: h.Version}
	if !w.structure(requests()[h.API.Key]) || !w.reader.Ok() {
		return fmt.Errorf("%w: %s version %d breaks off or counts what is not there, %d bytes before its end", ErrBody, h.API.Name, h.Version, len(w.reader.Src))
	}
	return nil
}

// walker is a walk on its way. Its methods are false where the body is wrong.
type walker struct {
	reader  kbin.Reader
	version int16
}

func (w *walker) structure(fields []field) bool {
	for i := range fields {
		f := &fields[i]
		if f.in.has(w.version) && !f.tagged.has(w.version) && !w.field(f) {
			return false
		}
	}
	count := w.reader.Uvarint()
	if int64(count)*2 > int64(len(w.reader.Src)) {
		return false
	}
	for range count {
		tag := w.reader.Uvarint()
		size := w.reader.Uvarint()
		if int64(size) > int64(len(w.reader.Src)) || !w.tagged(fields, tag, w.reader.Span(int(size))) {
			return false
		}
	}
	return w.reader.Ok()
}

// tagged walks through a tagged field that is known, and must be as long as it
// says.
func (w *walker) tagged(fields []field, tag uint32, content []byte) bool {
	for i := range fields {
		f := &fields[i]
		if f.tag == tag && f.in.has(w.version) && f.tagged.has(w.version) {
			inner := walker{reader: kbin.Reader{Src: content}, version: w.version}
			return inner.field(f) && inner.reader.Ok() && len(inner.reader.Src) == 0
		}
	}
	return true
}

// field walks through one field.
func (w *walker) field(f *field) bool {
	if !f.array {
		if f.fields != nil && f.nullable.has(w.version) && w.reader.Int8() < 0 {
			return w.reader.Ok()
		}
		return w.value(f)
	}
	count := w.reader.CompactArrayLen()
	if count > 0 && int64(count)*int64(max(f.size, 1)) > int64(len(w.reader.Src)) {
		return false
	}
	if f.size > 0 {
		w.reader.Span(max(int(count), 0) * f.size)
		return w.reader.Ok()
	}
	for range count {
		if !w.value(f) {
			return false
		}
	}
	return w.reader.Ok()
}

// value walks through one value, of a field or of an array.
func (w *walker) value(f *field) bool {
	switch {
	case f.fields != nil:
		return w.structure(f.fields)
	case f.size > 0:
		w.reader.Span(f.size)
	default: // a string or bytes, whose length is one more, and null 0
		length := int64(w.reader.Uvarint()) - 1
		if length > int64(len(w.reader.Src)) {
			return false
		}
		w.reader.Span(int(max(length, 0)))
	}
	return w.reader.Ok()
}
