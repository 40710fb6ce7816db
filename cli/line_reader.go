package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// lineReader makes records of lines. Its properties are those of the stock tool's reader.
type lineReader struct {
	lines  *bufio.Reader
	number int

	parseKey, parseHeaders, ignoreErrors          bool
	keySeparator, headersDelimiter, headerKeyMark string
	headersSeparator                              *regexp.Regexp
	null                                          *string
}

// newLineReader checks the properties and returns a reader.
func newLineReader(in io.Reader, p properties) (*lineReader, error) {
	value := func(key, standard string) string {
		if given, ok := p[key]; ok {
			return given
		}
		return standard
	}
	isTrue := func(key string) bool { return strings.EqualFold(strings.TrimSpace(p[key]), "true") }
	separator := value("headers.separator", ",")
	r := &lineReader{
		lines:    bufio.NewReaderSize(in, 1<<16),
		parseKey: isTrue("parse.key"), parseHeaders: isTrue("parse.headers"), ignoreErrors: isTrue("ignore.error"),
		keySeparator: value("key.separator", "\t"), headersDelimiter: value("headers.delimiter", "\t"), headerKeyMark: value("headers.key.separator", ":"),
	}
	if null, ok := p["null.marker"]; ok {
		r.null = &null
	}
	var err error
	if r.headersSeparator, err = regexp.Compile(separator); err != nil {
		return nil, &exception{"java.util.regex.PatternSyntaxException", err.Error()}
	}
	for _, rule := range []struct{ a, b, message string }{
		{r.headersDelimiter, separator, "headers.delimiter and headers.separator may not be equal"},
		{r.headersDelimiter, r.headerKeyMark, "headers.delimiter and headers.key.separator may not be equal"},
		{separator, r.headerKeyMark, "headers.separator and headers.key.separator may not be equal"},
	} {
		if rule.a == rule.b {
			return nil, kafkaException(rule.message)
		}
	}
	for _, rule := range []struct{ value, key string }{
		{r.keySeparator, "key.separator"}, {separator, "headers.separator"}, {r.headersDelimiter, "headers.delimiter"}, {r.headerKeyMark, "headers.key.separator"},
	} {
		if r.isNull(rule.value) {
			return nil, kafkaException("null.marker and " + rule.key + " may not be equal")
		}
	}
	return r, nil
}

func kafkaException(message string) error {
	return &exception{"org.apache.kafka.common.KafkaException", message}
}

func (r *lineReader) isNull(text string) bool { return r.null != nil && text == *r.null }

// bytes is a field of a record: nil where it is the marker of null.
func (r *lineReader) bytes(text string) []byte {
	if r.isNull(text) {
		return nil
	}
	return []byte(text)
}

// next returns the next record, or io.EOF.
func (r *lineReader) next() (*kgo.Record, error) {
	line, err := r.readLine()
	r.number++
	if err != nil {
		return nil, err
	}
	record := &kgo.Record{}
	rest := line
	if headers, after, ok, err := r.cut(r.parseHeaders, rest, line, r.headersDelimiter, "headers delimiter"); err != nil {
		return nil, err
	} else if ok {
		rest = after
		if !r.isNull(headers) {
			if record.Headers, err = r.headers(headers); err != nil {
				return nil, err
			}
		}
	}
	if key, after, ok, err := r.cut(r.parseKey, rest, line, r.keySeparator, "key separator"); err != nil {
		return nil, err
	} else if ok {
		rest, record.Key = after, r.bytes(key)
	}
	record.Value = r.bytes(rest)
	return record, nil
}

// cut cuts a field off the front of what is left of a line; ok is false where there is none to cut.
func (r *lineReader) cut(wanted bool, rest, line, mark, name string) (field, after string, ok bool, err error) {
	if !wanted {
		return "", rest, false, nil
	}
	field, after, ok = strings.Cut(rest, mark)
	if !ok && !r.ignoreErrors {
		return "", "", false, kafkaException(fmt.Sprintf("No %s found on line number %d: '%s'", name, r.number, line))
	}
	if !ok {
		after = rest
	}
	return field, after, ok, nil
}

func (r *lineReader) headers(text string) ([]kgo.RecordHeader, error) {
	var headers []kgo.RecordHeader
	pairs := r.headersSeparator.Split(text, -1)
	for len(pairs) > 1 && pairs[len(pairs)-1] == "" {
		pairs = pairs[:len(pairs)-1]
	}
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, r.headerKeyMark)
		switch {
		case !ok && r.ignoreErrors:
			headers = append(headers, kgo.RecordHeader{Key: pair})
		case !ok:
			return nil, kafkaException(fmt.Sprintf("No header key separator found in pair '%s' on line number %d", pair, r.number))
		case r.isNull(key):
			return nil, kafkaException(fmt.Sprintf("Header keys should not be equal to the null marker '%s' as they can't be null", *r.null))
		default:
			headers = append(headers, kgo.RecordHeader{Key: key, Value: r.bytes(value)})
		}
	}
	return headers, nil
}

// readLine reads a line that ends with "\n", "\r" or "\r\n", without its end.
func (r *lineReader) readLine() (string, error) {
	var line []byte
	for {
		part, err := r.lines.ReadSlice('\n')
		if at := strings.IndexByte(string(part), '\r'); at >= 0 {
			// What follows a lone "\r" is the next line, so it is put back.
			return r.splitAtReturn(line, part, at)
		}
		line = append(line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err == nil:
			return string(line[:len(line)-1]), nil
		case len(line) > 0 && errors.Is(err, io.EOF):
			return string(line), nil
		}
		return "", err
	}
}

// splitAtReturn ends a line at a "\r"; a "\n" after it belongs to it.
func (r *lineReader) splitAtReturn(line, part []byte, at int) (string, error) {
	line = append(line, part[:at]...)
	rest := append([]byte{}, part[at+1:]...)
	if len(rest) == 0 {
		if next, err := r.lines.Peek(1); err == nil && next[0] == '\n' {
			_, _ = r.lines.Discard(1)
		}
	} else if rest[0] == '\n' {
		rest = rest[1:]
	}
	if len(rest) > 0 {
		r.lines = bufio.NewReaderSize(io.MultiReader(strings.NewReader(string(rest)), r.lines), 1<<16)
	}
	return string(line), nil
}
