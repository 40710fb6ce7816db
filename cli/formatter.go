package cli

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
)

// recordFormatter prints records. An error is about the record, not about the output.
type recordFormatter interface {
	format(out *bufio.Writer, record *kgo.Record) error
}

const formatters = "org.apache.kafka.tools.consumer."

// newFormatter returns the formatter that the stock tool has under a class name.
func (t *tool) newFormatter(class string, p properties) (recordFormatter, error) {
	switch strings.TrimPrefix(class, formatters) {
	case "DefaultMessageFormatter":
		return t.defaultFormatter(p), nil
	case "LoggingMessageFormatter":
		return &loggingFormatter{t.defaultFormatter(p), t}, nil
	case "NoOpMessageFormatter":
		return noFormatter{}, nil
	case "OffsetsMessageFormatter":
		return &coordinatorFormatter{newCoordinatorDecoder("group"), []int16{0, 1}}, nil
	case "GroupMetadataMessageFormatter":
		return &coordinatorFormatter{newCoordinatorDecoder("group"), []int16{2}}, nil
	case "TransactionLogMessageFormatter":
		return &coordinatorFormatter{newCoordinatorDecoder("transaction"), nil}, nil
	}
	return nil, errors.New(class)
}

// noFormatter prints nothing.
type noFormatter struct{}

func (noFormatter) format(*bufio.Writer, *kgo.Record) error { return nil }

// jsonFormatter prints one JSON object a line.
type jsonFormatter struct{}

func (jsonFormatter) format(out *bufio.Writer, record *kgo.Record) error {
	type header struct {
		Key   string  `json:"key"`
		Value *string `json:"value"`
	}
	text := func(field []byte) *string {
		if field == nil {
			return nil
		}
		s := string(field)
		return &s
	}
	envelope := struct {
		Topic     string   `json:"topic"`
		Partition int32    `json:"partition"`
		Offset    int64    `json:"offset"`
		Type      string   `json:"timestampType"`
		Timestamp int64    `json:"timestamp"`
		Headers   []header `json:"headers"`
		Key       *string  `json:"key"`
		Value     *string  `json:"value"`
	}{record.Topic, record.Partition, record.Offset, timestampType(record), record.Timestamp.UnixMilli(), []header{}, text(record.Key), text(record.Value)}
	for _, h := range record.Headers {
		envelope.Headers = append(envelope.Headers, header{h.Key, text(h.Value)})
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(envelope)
}

// layoutFormatter prints records in a layout of %-verbs.
type layoutFormatter struct{ layout *kgo.RecordFormatter }

func (f layoutFormatter) format(out *bufio.Writer, record *kgo.Record) error {
	_, err := out.Write(f.layout.AppendRecord(nil, record))
	return err
}

func timestampType(record *kgo.Record) string {
	switch record.Attrs.TimestampType() {
	case 0:
		return "CreateTime"
	case 1:
		return "LogAppendTime"
	}
	return "NoTimestampType"
}

// defaultFormatter prints the parts of records that it is told to.
type defaultFormatter struct {
	timestamp, key, offset, delivery, epoch, partition, headers, value bool
	keySeparator, lineSeparator, headersSeparator, null                string
	keyText, valueText, headersText                                    deserializer
}

// deserializer turns bytes into text.
type deserializer func(field []byte) (string, error)

func (t *tool) defaultFormatter(p properties) *defaultFormatter {
	isTrue := func(key string, standard bool) bool {
		if text, ok := p[key]; ok {
			return strings.EqualFold(strings.TrimSpace(text), "true")
		}
		return standard
	}
	text := func(key, standard string) string {
		if text, ok := p[key]; ok {
			return text
		}
		return standard
	}
	return &defaultFormatter{
		timestamp: isTrue("print.timestamp", false), key: isTrue("print.key", false), offset: isTrue("print.offset", false),
		delivery: isTrue("print.delivery", false), epoch: isTrue("print.epoch", false), partition: isTrue("print.partition", false),
		headers: isTrue("print.headers", false), value: isTrue("print.value", true),
		keySeparator: text("key.separator", "\t"), lineSeparator: text("line.separator", "\n"),
		headersSeparator: text("headers.separator", ","), null: text("null.literal", "null"),
		keyText: t.deserializer(p["key.deserializer"]), valueText: t.deserializer(p["value.deserializer"]), headersText: t.deserializer(p["headers.deserializer"]),
	}
}

// format prints the parts in their order; the key's separator stands between them, the line's at the end.
func (f *defaultFormatter) format(out *bufio.Writer, record *kgo.Record) error {
	var parts []string
	add := func(wanted bool, text string) {
		if wanted {
			parts = append(parts, text)
		}
	}
	stamp := "NO_TIMESTAMP"
	if kind := timestampType(record); kind != "NoTimestampType" {
		stamp = kind + ":" + strconv.FormatInt(record.Timestamp.UnixMilli(), 10)
	}
	add(f.timestamp, stamp)
	add(f.partition, "Partition:"+strconv.Itoa(int(record.Partition)))
	add(f.offset, "Offset:"+strconv.FormatInt(record.Offset, 10))
	// Neither is told to the stock formatter by the consumer.
	add(f.delivery, "Delivery:NOT_PRESENT")
	add(f.epoch, "Epoch:NOT_PRESENT")
	if f.headers {
		headers := "NO_HEADERS"
		for i, header := range record.Headers {
			text, err := f.text(f.headersText, header.Value)
			if err != nil {
				return err
			}
			if headers += f.headersSeparator; i == 0 {
				headers = ""
			}
			headers += header.Key + ":" + text
		}
		parts = append(parts, headers)
	}
	for _, field := range []struct {
		wanted bool
		read   deserializer
		bytes  []byte
	}{{f.key, f.keyText, record.Key}, {f.value, f.valueText, record.Value}} {
		if !field.wanted {
			continue
		}
		text, err := f.text(field.read, field.bytes)
		if err != nil {
			return err
		}
		parts = append(parts, text)
	}
	_, _ = out.WriteString(strings.Join(parts, f.keySeparator))
	if len(parts) > 0 {
		_, _ = out.WriteString(f.lineSeparator)
	}
	return nil
}

func (f *defaultFormatter) text(read deserializer, field []byte) (string, error) {
	if field == nil {
		field = []byte(f.null)
	}
	if read == nil {
		return string(field), nil
	}
	return read(field)
}

// deserializer returns what the stock tools have under a class name; an unknown one is logged and left out.
func (t *tool) deserializer(class string) deserializer {
	sized := func(name string, size int, read func([]byte) string) deserializer {
		return func(field []byte) (string, error) {
			if len(field) != size {
				return "", &exception{"org.apache.kafka.common.errors.SerializationException", fmt.Sprintf("Size of data received by %s is not %d", name, size)}
			}
			return read(field), nil
		}
	}
	switch name := strings.TrimPrefix(class, "org.apache.kafka.common.serialization."); name {
	case "":
		return nil
	case "StringDeserializer":
		return func(field []byte) (string, error) {
			return javaString(field), nil
		}
	case "ByteArrayDeserializer", "ByteBufferDeserializer":
		return func(field []byte) (string, error) { return string(field), nil }
	case "BytesDeserializer":
		return func(field []byte) (string, error) { return escapedBytes(field), nil }
	case "ShortDeserializer":
		return sized(name, 2, func(b []byte) string { return strconv.Itoa(int(int16(binary.BigEndian.Uint16(b)))) })
	case "IntegerDeserializer":
		return sized(name, 4, func(b []byte) string { return strconv.Itoa(int(int32(binary.BigEndian.Uint32(b)))) })
	case "LongDeserializer":
		return sized(name, 8, func(b []byte) string { return strconv.FormatInt(int64(binary.BigEndian.Uint64(b)), 10) })
	case "FloatDeserializer":
		return sized("FloatDeserializer", 4, func(b []byte) string {
			return javaDecimal(float64(math.Float32frombits(binary.BigEndian.Uint32(b))), 32)
		})
	case "DoubleDeserializer":
		return sized(name, 8, func(b []byte) string { return javaDecimal(math.Float64frombits(binary.BigEndian.Uint64(b)), 64) })
	case "BooleanDeserializer":
		return sized(name, 1, func(b []byte) string { return strconv.FormatBool(b[0] == 1) })
	case "UUIDDeserializer":
		return func(field []byte) (string, error) { return string(field), nil }
	}
	t.logLine("ERROR", formatters+"DefaultMessageFormatter", "Unable to instantiate a deserializer from "+class)
	return nil
}

// javaString is text of UTF-8 in which what is not is replaced, one mark for as many bytes as could begin a character.
func javaString(field []byte) string {
	if utf8.Valid(field) {
		return string(field)
	}
	var text strings.Builder
	for len(field) > 0 {
		r, size := utf8.DecodeRune(field)
		if r == utf8.RuneError && size == 1 {
			for size < len(field) && size < utf8.UTFMax-1 && begins(field[:size+1]) {
				size++
			}
			size = max(size, surrogate(field))
		}
		text.WriteRune(r)
		field = field[size:]
	}
	return text.String()
}

// surrogate is how many bytes in front are of half a pair of UTF-16, which Java takes for one malformed character.
func surrogate(field []byte) int {
	if len(field) < 2 || field[0] != 0xed || field[1]&0xe0 != 0xa0 {
		return 0
	}
	if len(field) > 2 && field[2]&0xc0 == 0x80 {
		return 3
	}
	return 2
}

// begins tells whether bytes are the beginning of a character that is longer.
func begins(field []byte) bool {
	return !utf8.FullRune(field)
}

// escapedBytes prints bytes as Kafka's Bytes does.
func escapedBytes(field []byte) string {
	var text strings.Builder
	for _, b := range field {
		switch {
		case b == '\\':
			text.WriteString(`\\`)
		case b >= ' ' && b <= '~':
			text.WriteByte(b)
		default:
			fmt.Fprintf(&text, `\x%02X`, b)
		}
	}
	return text.String()
}

// loggingFormatter prints as the default one does, and logs the record besides.
type loggingFormatter struct {
	inner *defaultFormatter
	tool  *tool
}

func (f *loggingFormatter) format(out *bufio.Writer, record *kgo.Record) error {
	return f.inner.format(out, record)
}
