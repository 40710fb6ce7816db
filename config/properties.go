package config

import (
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// Property is one entry of a properties file.
type Property struct {
	Key, Value string
	// Line is the number of the natural line on which the entry begins, from 1.
	Line int
}

// errMalformedEscape is what java.util.Properties says about \u without four hexadecimal digits.
var errMalformedEscape = errors.New(`Malformed \uxxxx encoding.`) //nolint:revive,staticcheck // Java's words

// ParseProperties reads a document in the grammar of java.util.Properties and returns its entries in order; of entries with
// the same key the last one counts. The bytes are taken as UTF-8, or as ISO-8859-1 (which Java takes always) where they are
// not valid UTF-8: the paths and names of a file written on a modern machine stay what they were.
// The error is a malformed \uxxxx escape, with the line on which its entry begins.
func ParseProperties(document []byte) ([]Property, error) {
	if utf8.Valid(document) {
		return parseProperties([]rune(string(document)))
	}
	return parseProperties(latin1(document))
}

func latin1(document []byte) []rune {
	text := make([]rune, len(document))
	for i, b := range document {
		text[i] = rune(b)
	}
	return text
}

func parseProperties(text []rune) ([]Property, error) {
	reader := lineReader{text: text, line: 1}
	var properties []Property
	for {
		logical, line, ok := reader.next()
		if !ok {
			return properties, nil
		}
		keyEnd, valueStart := splitLine(logical)
		key, err := unescape(logical[:keyEnd])
		if err == nil {
			var value string
			if value, err = unescape(logical[valueStart:]); err == nil {
				properties = append(properties, Property{Key: key, Value: value, Line: line})
				continue
			}
		}
		return nil, fmt.Errorf("line %d: %w", line, err)
	}
}

// lineReader joins natural lines to logical ones: it drops comments, blank lines and what continues them.
type lineReader struct {
	text     []rune
	position int
	line     int // of text[position]
}

// next returns the next logical line without its escapes undone, and where it began.
func (r *lineReader) next() (logical []rune, line int, ok bool) {
	var state struct{ skipSpace, continued, backslash bool }
	state.skipSpace = true
	for r.position < len(r.text) {
		c := r.take()
		if state.skipSpace {
			if isSpace(c) || !state.continued && isEnd(c) {
				continue
			}
			state.skipSpace, state.continued = false, false
		}
		switch {
		case len(logical) == 0 && (c == '#' || c == '!'):
			r.skipComment()
			state.skipSpace = true
		case !isEnd(c):
			if len(logical) == 0 {
				line = r.line
			}
			logical = append(logical, c)
			state.backslash = c == '\\' && !state.backslash
		case len(logical) == 0:
			state.skipSpace = true
		case !state.backslash:
			return logical, line, true
		case r.position == len(r.text) && !r.afterPair(): // even of nothing but the backslash: java.util.Properties makes an entry
			return logical[:len(logical)-1], line, true
		default: // the backslash before a line's end joins the next line, without its leading white space
			logical = logical[:len(logical)-1]
			state.skipSpace, state.continued, state.backslash = true, true, false
		}
	}
	if state.backslash {
		return logical[:len(logical)-1], line, true
	}
	return logical, line, len(logical) > 0
}

// take returns the next rune; of a line's end in two characters it returns one.
func (r *lineReader) take() rune {
	c := r.text[r.position]
	if r.position > 0 && isEnd(r.text[r.position-1]) {
		r.line++
	}
	r.position++
	if c == '\r' && r.position < len(r.text) && r.text[r.position] == '\n' {
		r.position++
	}
	return c
}

// afterPair tells whether the line's end just taken had two characters.
func (r *lineReader) afterPair() bool {
	return r.position > 1 && r.text[r.position-1] == '\n' && r.text[r.position-2] == '\r'
}

func (r *lineReader) skipComment() {
	for r.position < len(r.text) && !isEnd(r.take()) {
		continue
	}
}

func isSpace(c rune) bool { return c == ' ' || c == '\t' || c == '\f' }

func isEnd(c rune) bool { return c == '\n' || c == '\r' }

// splitLine finds the end of the key, and the start of the value behind one separator and the white space about it.
func splitLine(logical []rune) (keyEnd, valueStart int) {
	separated, backslash := false, false
	valueStart = len(logical)
	for keyEnd < len(logical) {
		c := logical[keyEnd]
		if !backslash && (c == '=' || c == ':' || isSpace(c)) {
			separated = !isSpace(c)
			valueStart = keyEnd + 1
			break
		}
		backslash = c == '\\' && !backslash
		keyEnd++
	}
	for valueStart < len(logical) {
		c := logical[valueStart]
		if !isSpace(c) {
			if separated || c != '=' && c != ':' {
				break
			}
			separated = true
		}
		valueStart++
	}
	return keyEnd, valueStart
}

// unescape undoes the backslashes. Two escapes that make a surrogate pair become one character.
func unescape(text []rune) (string, error) {
	units := make([]uint16, 0, len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c != '\\' || i+1 == len(text) {
			units = utf16.AppendRune(units, c)
			continue
		}
		i++
		switch c = text[i]; c {
		case 'u':
			unit, err := hexadecimal(text[i+1:])
			if err != nil {
				return "", err
			}
			units = append(units, unit)
			i += 4
			continue
		case 't':
			c = '\t'
		case 'r':
			c = '\r'
		case 'n':
			c = '\n'
		case 'f':
			c = '\f'
		}
		units = utf16.AppendRune(units, c)
	}
	return string(utf16.Decode(units)), nil
}

func hexadecimal(text []rune) (uint16, error) {
	if len(text) < 4 {
		return 0, errMalformedEscape
	}
	var unit uint16
	for _, c := range text[:4] {
		switch {
		case '0' <= c && c <= '9':
			unit = unit<<4 + uint16(c-'0')
		case 'a' <= c && c <= 'f':
			unit = unit<<4 + uint16(c-'a'+10)
		case 'A' <= c && c <= 'F':
			unit = unit<<4 + uint16(c-'A'+10)
		default:
			return 0, errMalformedEscape
		}
	}
	return unit, nil
}
