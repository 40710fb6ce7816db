// Package recordtest holds generated codecs against bytes that Apache Kafka's own classes wrote.
//
// A golden file has one record body a line: type, version, what it shows, the bytes in hex ("-" for none), and Apache Kafka's JSON of it.
package recordtest

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// Record is what a generated record can do.
type Record interface {
	AppendTo(dst []byte, version int16) []byte
	ReadFrom(src []byte, version int16) error
	MaxVersion() int16
}

// Case is one line of a golden file.
type Case struct {
	Type    string
	Version int16
	What    string
	Bytes   []byte
	JSON    map[string]any
}

// Read reads a golden file.
func Read(t testing.TB, name string) []Case {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var cases []Case
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		words := strings.SplitN(lines.Text(), " ", 5)
		version, err := strconv.Atoi(words[1])
		if err != nil {
			t.Fatalf("%s: %q: %v", name, lines.Text(), err)
		}
		c := Case{Type: words[0], Version: int16(version), What: words[2]}
		if words[3] != "-" {
			if c.Bytes, err = hex.DecodeString(words[3]); err != nil {
				t.Fatalf("%s: %q: %v", name, lines.Text(), err)
			}
		}
		d := json.NewDecoder(strings.NewReader(words[4]))
		d.UseNumber()
		if err := d.Decode(&c.JSON); err != nil {
			t.Fatalf("%s: %q: %v", name, lines.Text(), err)
		}
		cases = append(cases, c)
	}
	if len(cases) == 0 {
		t.Fatalf("%s is empty", name)
	}
	return cases
}

// Check decodes each case, compares every field with the JSON, and encodes it again to the same bytes. It fails as well if a type or version
// that types has is missing in the golden file. Each entry of types makes a new record.
func Check(t *testing.T, name string, types map[string]func() Record) {
	t.Helper()
	seen := make(map[string]bool)
	for _, c := range Read(t, name) {
		seen[fmt.Sprintf("%s %d", c.Type, c.Version)] = true
		t.Run(fmt.Sprintf("%s/%d/%s", c.Type, c.Version, c.What), func(t *testing.T) {
			if types[c.Type] == nil {
				t.Fatalf("unknown type %s", c.Type)
			}
			record := types[c.Type]()
			if err := record.ReadFrom(c.Bytes, c.Version); err != nil {
				t.Fatal(err)
			}
			if err := compare(reflect.ValueOf(record).Elem(), c.JSON); err != nil {
				t.Error(err)
			}
			if got := record.AppendTo(nil, c.Version); !bytes.Equal(got, c.Bytes) {
				t.Errorf("encoded again:\n got %x\nwant %x", got, c.Bytes)
			}
			for cut := range c.Bytes {
				if types[c.Type]().ReadFrom(c.Bytes[:cut], c.Version) == nil {
					t.Errorf("the first %d of %d bytes were accepted", cut, len(c.Bytes))
				}
			}
			if c.What == "default" {
				return
			}
			if err := types[c.Type]().ReadFrom(c.Bytes, record.MaxVersion()+1); err == nil {
				t.Error("a version above the highest was accepted")
			}
		})
	}
	for typ, newRecord := range types {
		for version := range newRecord().MaxVersion() + 1 {
			if !seen[fmt.Sprintf("%s %d", typ, version)] {
				t.Errorf("%s version %d is not in %s", typ, version, name)
			}
		}
	}
}

// compare holds a Go value against what Apache Kafka printed of it.
func compare(v reflect.Value, want any) error {
	if want == nil {
		if (v.Kind() == reflect.Pointer || v.Kind() == reflect.Slice) && v.IsNil() {
			return nil
		}
		return fmt.Errorf("got %v, want null", v)
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return fmt.Errorf("got nil, want %v", want)
		}
		v = v.Elem()
	}
	switch want := want.(type) {
	case map[string]any:
		return compareStruct(v, want)
	case []any:
		if v.Len() != len(want) {
			return fmt.Errorf("got %d elements, want %d", v.Len(), len(want))
		}
		for i := range want {
			if err := compare(v.Index(i), want[i]); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
		}
		return nil
	}
	if got := printed(v); got != fmt.Sprint(want) {
		return fmt.Errorf("got %s, want %v", got, want)
	}
	return nil
}

func compareStruct(v reflect.Value, want map[string]any) error {
	for name, value := range want {
		field := v.FieldByNameFunc(func(s string) bool { return strings.EqualFold(s, name) })
		if !field.IsValid() {
			return fmt.Errorf("no field for %s", name)
		}
		if err := compare(field, value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// printed is a scalar as Apache Kafka's JSON has it: ids in base64url, bytes in base64.
func printed(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case [16]byte:
		return base64.RawURLEncoding.EncodeToString(x[:])
	case []byte:
		return base64.StdEncoding.EncodeToString(x)
	case float64:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return fmt.Sprint(v.Interface())
}
