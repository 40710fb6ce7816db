package cli

import (
	"bufio"
	"bytes"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestJavaString(t *testing.T) {
	for text, want := range map[string]string{
		"größe": "größe", "a\xffb": "a\ufffdb", "\xe2\x82": "\ufffd", "\xe2\x82x": "\ufffdx", "\xf0\x9f\x98": "\ufffd", "\xc3": "\ufffd",
		"\x80\x80": "\ufffd\ufffd", "\xe0\x80": "\ufffd\ufffd", "\xed\xa0\x80": "\ufffd", "\xed\xbf": "\ufffd", "\xed\xa0A": "\ufffdA", "\xed\xed\xa0": "\ufffd\ufffd", "\xf5\x80": "\ufffd\ufffd",
	} {
		if got := javaString([]byte(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestFormatters(t *testing.T) {
	record := &kgo.Record{Topic: "t", Partition: 2, Offset: 7, Timestamp: time.UnixMilli(5), Key: []byte("k"), Value: []byte{0, 0, 1, 2},
		Headers: []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "b"}}}
	tool := newTool(Environment{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}}, nil)
	for _, test := range []struct {
		class string
		p     properties
		want  string
	}{
		{"DefaultMessageFormatter", properties{"value.deserializer": "org.apache.kafka.common.serialization.IntegerDeserializer"}, "258\n"},
		{"DefaultMessageFormatter", properties{"print.value": "false", "print.key": "true", "print.offset": "TRUE", "print.partition": "true", "print.timestamp": "true"},
			"CreateTime:5\tPartition:2\tOffset:7\tk\n"},
		{"DefaultMessageFormatter", properties{"print.value": "false", "print.headers": "true", "null.literal": "-", "headers.separator": ";"}, "a:1;b:-\n"},
		{"NoOpMessageFormatter", nil, ""},
		{"OffsetsMessageFormatter", nil, ""},
	} {
		formatter, err := tool.newFormatter(formatters+test.class, test.p)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		buffered := bufio.NewWriter(&out)
		one := *record
		if test.class == "OffsetsMessageFormatter" {
			one.Key = []byte{0, 99}
		}
		err = formatter.format(buffered, &one)
		_ = buffered.Flush()
		if err != nil || out.String() != test.want {
			t.Errorf("%s %v: %q %v, want %q", test.class, test.p, out.String(), err, test.want)
		}
	}
	var out bytes.Buffer
	buffered := bufio.NewWriter(&out)
	record.Value = nil
	_ = jsonFormatter{}.format(buffered, record)
	_ = buffered.Flush()
	const want = `{"topic":"t","partition":2,"offset":7,"timestampType":"CreateTime","timestamp":5,"headers":[{"key":"a","value":"1"},{"key":"b","value":null}],"key":"k","value":null}` + "\n"
	if out.String() != want {
		t.Errorf("%s, want %s", out.String(), want)
	}
}
