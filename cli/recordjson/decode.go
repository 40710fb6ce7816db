package recordjson

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kbin"

	"ottla/internal/uuid"
)

// ErrUnknown tells that there is no record of the type.
var ErrUnknown = errors.New("no such record type")

// maxDepth bounds how deep structures may lie in each other; the schemas go to four.
const maxDepth = 16

// Decode returns the JSON of a body: kind is record, control, key or value, number its type, or -1 where name says it.
func (s *Schemas) Decode(kind string, number int, name string, version int16, body []byte) (string, error) {
	m := s.find(kind, number, name)
	if m == nil {
		return "", ErrUnknown
	}
	if !m.versions.has(version) {
		return "", fmt.Errorf("Can't read version %d of %s", version, m.name) //nolint:staticcheck // the stock tool's words
	}
	d := &decoder{message: m, version: version, flexible: m.flexible.has(version), in: kbin.Reader{Src: body}}
	d.structure(m.fields, 0)
	if !d.in.Ok() || d.failed {
		return "", fmt.Errorf("%s of version %d: its %d bytes end too early or say what cannot be", m.name, version, len(body))
	}
	return d.out.String(), nil
}

type decoder struct {
	message  *message
	version  int16
	flexible bool
	in       kbin.Reader
	out      bytes.Buffer
	failed   bool
}

// structure writes an object. Tagged fields stand behind all others in the bytes, but in their place in the JSON.
func (d *decoder) structure(fields []*field, depth int) {
	if depth > maxDepth {
		d.failed = true
		return
	}
	texts := make([]string, len(fields))
	for i, f := range fields {
		if f.versions.has(d.version) && (f.tag < 0 || !d.flexible) {
			texts[i] = d.captured(func() { d.value(f, depth) })
		}
	}
	if d.flexible {
		for range d.in.Uvarint() {
			tag, size := d.in.Uvarint(), d.in.Uvarint()
			body := d.in.Span(int(size))
			if !d.in.Ok() {
				return
			}
			for i, f := range fields {
				if f.tag == int(tag) && f.versions.has(d.version) {
					outer := d.in
					d.in = kbin.Reader{Src: body}
					text := d.captured(func() { d.value(f, depth) })
					d.failed = d.failed || !d.in.Ok()
					d.in = outer
					if text != f.defaultText() {
						texts[i] = text
					}
				}
			}
		}
	}
	d.out.WriteByte('{')
	first := true
	for i, f := range fields {
		if texts[i] == "" {
			continue
		}
		if !first {
			d.out.WriteByte(',')
		}
		first = false
		d.out.WriteString(strconv.Quote(f.name) + ":" + texts[i])
	}
	d.out.WriteByte('}')
}

// captured returns what a function writes.
func (d *decoder) captured(write func()) string {
	outer := d.out
	d.out = bytes.Buffer{}
	write()
	text := d.out.String()
	d.out = outer
	return text
}

// defaultText is the JSON of a field's default, of a tagged field.
func (f *field) defaultText() string {
	switch {
	case f.array && f.standard != "null":
		return "[]"
	case f.kind == "bool" && !f.hasStandard:
		return "false"
	case f.kind == "uuid" && !f.hasStandard:
		return strconv.Quote(uuid.String(uuid.UUID{}))
	case f.kind == "string" && f.standard != "null":
		return strconv.Quote(strings.Trim(f.standard, `"`))
	case f.kind == "bytes" && !f.hasStandard:
		return `""`
	case f.hasStandard:
		return f.standard
	}
	return "0"
}

// value writes a field.
func (d *decoder) value(f *field, depth int) {
	if !f.array {
		d.one(f, depth)
		return
	}
	n := d.length()
	if n < 0 {
		d.null(f)
		return
	}
	if n > len(d.in.Src) {
		d.failed = true
		return
	}
	d.out.WriteByte('[')
	for i := range n {
		if i > 0 {
			d.out.WriteByte(',')
		}
		element := *f
		element.nullable = false
		d.one(&element, depth)
		if !d.in.Ok() || d.failed {
			return
		}
	}
	d.out.WriteByte(']')
}

// length reads the length of an array; -1 is null.
func (d *decoder) length() int {
	if d.flexible {
		return int(d.in.Uvarint()) - 1
	}
	return int(d.in.Int32())
}

func (d *decoder) null(f *field) {
	if !f.nullable {
		d.failed = true
	}
	d.out.WriteString("null")
}

// one writes a value that is not an array.
func (d *decoder) one(f *field, depth int) {
	switch f.kind {
	case "bool":
		d.out.WriteString(strconv.FormatBool(d.in.Int8() != 0))
	case "int8":
		d.number(int64(d.in.Int8()))
	case "int16":
		d.number(int64(d.in.Int16()))
	case "uint16":
		d.number(int64(d.in.Uint16()))
	case "int32":
		d.number(int64(d.in.Int32()))
	case "int64":
		d.number(d.in.Int64())
	case "float64":
		d.float(d.in.Float64())
	case "uuid":
		d.text(uuid.String(d.in.Uuid()))
	case "string":
		d.string(f)
	case "bytes":
		n := d.length()
		if n < 0 {
			d.null(f)
			return
		}
		d.text(base64.StdEncoding.EncodeToString(d.in.Span(n)))
	default:
		if f.nullable && d.in.Int8() < 0 {
			d.null(f)
			return
		}
		d.structure(d.message.structures[f.kind], depth+1)
	}
}

func (d *decoder) string(f *field) {
	var text *string
	if d.flexible {
		text = d.in.CompactNullableString()
	} else {
		text = d.in.NullableString()
	}
	if text == nil {
		d.null(f)
		return
	}
	d.text(*text)
}

func (d *decoder) number(n int64) { d.out.WriteString(strconv.FormatInt(n, 10)) }

func (d *decoder) text(text string) {
	encoder := json.NewEncoder(&d.out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text)
	d.out.Truncate(d.out.Len() - 1) // its newline
}

// float writes a number that is a whole one with ".0", as Java does.
func (d *decoder) float(n float64) {
	text := strconv.FormatFloat(n, 'f', -1, 64)
	if !strings.Contains(text, ".") && !math.IsInf(n, 0) && !math.IsNaN(n) {
		text += ".0"
	}
	d.out.WriteString(text)
}
