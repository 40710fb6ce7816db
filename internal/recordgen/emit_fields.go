package main

import (
	"fmt"
	"slices"
	"strings"
)

// condition is the Go condition under which a version is in the range, of the versions 0 to max; "" if always.
func condition(v versions, max int) string {
	var parts []string
	if v == none {
		return "false"
	}
	if v.from > 0 && v.from == v.to {
		return fmt.Sprintf("version == %d", v.from)
	}
	if v.from > 0 {
		parts = append(parts, fmt.Sprintf("version >= %d", v.from))
	}
	if v.to < max {
		parts = append(parts, fmt.Sprintf("version <= %d", v.to))
	}
	return strings.Join(parts, " && ")
}

// flexibleExpression is a Go expression: does the version use compact lengths and tagged fields?
func flexibleExpression(m *message) string {
	if c := condition(m.flexible, m.maxVersion); c != "" {
		return c
	}
	return "true"
}

// when emits lines that hold for a range of versions.
func (e *emitter) when(c string, lines func()) {
	if c == "" {
		lines()
		return
	}
	e.line("if %s {", c)
	lines()
	e.line("}")
}

func tagged(s *structure) []*field {
	fields := slices.DeleteFunc(slices.Clone(s.fields), func(f *field) bool { return f.tag < 0 })
	slices.SortFunc(fields, func(a, b *field) int { return a.tag - b.tag })
	return fields
}

func (e *emitter) appendMethod(m *message, s *structure) {
	e.line("func (v *%s) append(dst []byte, version int16) []byte {", s.goName)
	for _, f := range s.fields {
		if f.tag < 0 {
			e.when(condition(f.versions, m.maxVersion), func() { e.appendField(m, f, "dst", "v."+f.goName) })
		}
	}
	if m.flexible != none {
		e.when(condition(m.flexible, m.maxVersion), func() {
			fields := tagged(s)
			if len(fields) == 0 {
				e.line("dst = persisted.AppendTags(dst, nil, v.UnknownTags)")
				return
			}
			e.line("var tags []UnknownTag")
			for _, f := range fields {
				e.when(and(condition(f.versions, m.maxVersion), notDefault(f)), func() {
					e.line("var field []byte")
					e.appendField(m, f, "field", "v."+f.goName)
					e.line("tags = append(tags, UnknownTag{Tag: %d, Value: field})", f.tag)
				})
			}
			e.line("dst = persisted.AppendTags(dst, tags, v.UnknownTags)")
		})
	}
	e.line("return dst\n}\n")
}

func and(a, b string) string {
	if a == "" {
		return b
	}
	return a + " && " + b
}

// notDefault is a Go condition: is the field of v other than its default?
func notDefault(f *field) string {
	name := "v." + f.goName
	byDefaultNull := f.nullable && f.initial == "null"
	switch {
	case byDefaultNull:
		return name + " != nil"
	case f.nullable && f.array:
		return fmt.Sprintf("(%s == nil || len(%s) > 0)", name, name)
	case f.nullable && f.struct_ != nil:
		return fmt.Sprintf("(%s == nil || !%s.isDefault())", name, name)
	case f.array || f.kind == "bytes":
		return fmt.Sprintf("len(%s) > 0", name)
	case f.kind == "bool" && f.initial == "":
		return name
	case f.kind == "uuid":
		return name + " != [16]byte{}"
	case f.kind == "string":
		return fmt.Sprintf("%s != %q", name, f.initial)
	case f.initial == "":
		return name + " != 0"
	}
	return fmt.Sprintf("%s != %s", name, f.initial)
}

// appendField emits the lines that append one field to dst.
func (e *emitter) appendField(m *message, f *field, dst, name string) {
	flexible := flexibleExpression(m)
	if !f.array {
		e.appendValue(f, dst, name, flexible)
		return
	}
	e.line("%s = persisted.AppendLength(%s, len(%s), %t && %s == nil, %s)", dst, dst, name, f.nullable, name, flexible)
	e.line("for i := range %s {", name)
	element := *f
	element.array, element.nullable = false, false
	e.appendValue(&element, dst, name+"[i]", flexible)
	e.line("}")
}

func (e *emitter) appendValue(f *field, dst, name, flexible string) {
	switch {
	case f.struct_ != nil && f.nullable && f.tag >= 0:
		e.line("if %s == nil {\n%s = append(%s, 0)\n} else {\n%s = append(%s, 1)\n%s = %s.append(%s, version)\n}",
			name, dst, dst, dst, dst, dst, name, dst)
	case f.struct_ != nil && f.nullable:
		e.line("if %s == nil {\n%s = kbin.AppendInt8(%s, -1)\n} else {\n%s = kbin.AppendInt8(%s, 1)\n%s = %s.append(%s, version)\n}",
			name, dst, dst, dst, dst, dst, name, dst)
	case f.struct_ != nil:
		e.line("%s = %s.append(%s, version)", dst, name, dst)
	case f.kind == "string" && f.nullable:
		e.line("%s = persisted.AppendNullableString(%s, %s, %s)", dst, dst, name, flexible)
	case f.kind == "string":
		e.line("%s = persisted.AppendString(%s, %s, %s)", dst, dst, name, flexible)
	case f.kind == "bytes":
		e.line("%s = persisted.AppendBytes(%s, %s, %t && %s == nil, %s)", dst, dst, name, f.nullable, name, flexible)
	default:
		e.line("%s = kbin.Append%s(%s, %s)", dst, goName(f.kind), dst, name)
	}
}

func (e *emitter) readMethod(m *message, s *structure) {
	e.line("func (v *%s) read(b *kbin.Reader, version int16) {", s.goName)
	e.line("*v = *New%s()", s.goName)
	for _, f := range s.fields {
		if f.tag < 0 {
			e.when(condition(f.versions, m.maxVersion), func() { e.readField(m, f, "b", "v."+f.goName) })
		}
	}
	if m.flexible != none {
		e.when(condition(m.flexible, m.maxVersion), func() { e.readTags(m, tagged(s)) })
	}
	e.line("}\n")
	if e.needsIsDefault(s) {
		e.line("func (v *%s) isDefault() bool { return slices.Equal(v.append(nil, 0), New%s().append(nil, 0)) }\n", s.goName, s.goName)
	}
}

// needsIsDefault tells whether a nullable tagged field that is not null by default has this structure.
func (e *emitter) needsIsDefault(s *structure) bool {
	for _, m := range e.schema.messages {
		for _, st := range m.structures {
			for _, f := range st.fields {
				if f.struct_ == s && f.nullable && f.tag >= 0 && f.initial != "null" && !f.array {
					return true
				}
			}
		}
	}
	return false
}

func (e *emitter) readTags(m *message, fields []*field) {
	if len(fields) == 0 {
		e.line("v.UnknownTags = persisted.ReadUnknownTags(b)")
		return
	}
	e.line("all, tags := b, persisted.ReadTags(b)\nfor tags.Next(all) {\nb := &tags.Field\nswitch tags.Tag {")
	for _, f := range fields {
		e.line("case %d:", f.tag)
		if c := condition(f.versions, m.maxVersion); c != "" {
			e.line("if !(%s) {\nb.Span(-1)\ncontinue\n}", c)
		}
		e.readField(m, f, "b", "v."+f.goName)
	}
	e.line("default:\ntags.Keep()\n}\n}\nv.UnknownTags = tags.Unknown")
}

// readField emits the lines that read one field.
func (e *emitter) readField(m *message, f *field, b, name string) {
	flexible := flexibleExpression(m)
	if !f.array {
		e.readValue(f, b, name, flexible)
		return
	}
	e.line("%s = nil", name)
	e.line("if n, ok := persisted.ReadLength(%s, %t, %s); ok {", b, f.nullable, flexible)
	if f.nullable {
		e.line("%s = %s{}", name, goType(f))
	}
	e.line("for range n {\nif !b.Ok() {\nbreak\n}")
	element := *f
	element.array, element.nullable = false, false
	e.line("var element %s", elementType(f))
	e.readValue(&element, b, "element", flexible)
	e.line("%s = append(%s, element)\n}\n}", name, name)
}

func (e *emitter) readValue(f *field, b, name, flexible string) {
	switch {
	case f.struct_ != nil && f.nullable:
		e.line("%s = nil", name)
		marker := "b.Int8() > 0"
		if f.tag >= 0 {
			marker = "b.Uvarint() > 0"
		}
		e.line("if %s {\n%s = new(%s)\n%s.read(%s, version)\n}", marker, name, f.struct_.goName, name, b)
	case f.struct_ != nil:
		e.line("%s.read(%s, version)", name, b)
	case f.kind == "string" && f.nullable:
		e.line("%s = persisted.ReadNullableString(%s, %s)", name, b, flexible)
	case f.kind == "string":
		e.line("%s = persisted.ReadString(%s, %s)", name, b, flexible)
	case f.kind == "bytes":
		e.line("%s = persisted.ReadBytes(%s, %t, %s)", name, b, f.nullable, flexible)
	default:
		e.line("%s = %s.%s()", name, b, goName(f.kind))
	}
}
