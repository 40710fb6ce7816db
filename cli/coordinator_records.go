package cli

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/cli/recordjson"
)

// coordinatorRecord is a record of __consumer_offsets or __transaction_state as JSON. Value is "" for a tombstone.
type coordinatorRecord struct {
	kind    int16
	key     string
	version int16
	value   string
}

// unknownRecord is a record whose type is not known.
type unknownRecord int16

func (u unknownRecord) Error() string { return fmt.Sprintf("record type %d is not known", int16(u)) }

// coordinatorDecoder reads the records of one coordinator.
type coordinatorDecoder struct{ records, consumer *recordjson.Schemas }

func newCoordinatorDecoder(name string) *coordinatorDecoder {
	return &coordinatorDecoder{recordjson.Load(name), recordjson.Load("consumer")}
}

// decode reads a record; a nil value is a tombstone.
func (d *coordinatorDecoder) decode(key, value []byte) (*coordinatorRecord, error) {
	if len(key) < 2 {
		return nil, errors.New("Could not read version from key's buffer.") //nolint:staticcheck // the stock tool's words
	}
	r := &coordinatorRecord{kind: int16(binary.BigEndian.Uint16(key))}
	if d.records.Name("key", int(r.kind)) == "" {
		return nil, unknownRecord(r.kind)
	}
	var err error
	if r.key, err = d.records.Decode("key", int(r.kind), "", 0, key[2:]); err != nil {
		return nil, fmt.Errorf("Could not read record with version %d from key's buffer due to: %w.", r.kind, err) //nolint:staticcheck // the stock tool's words
	}
	if value == nil {
		return r, nil
	}
	if len(value) < 2 {
		return nil, errors.New("Could not read version from value's buffer.") //nolint:staticcheck // the stock tool's words
	}
	r.version = int16(binary.BigEndian.Uint16(value))
	if r.value, err = d.records.Decode("value", int(r.kind), "", r.version, value[2:]); err != nil {
		return nil, fmt.Errorf("Could not read record with version %d from value's buffer due to: %w.", r.version, err) //nolint:staticcheck // the stock tool's words
	}
	return r, nil
}

// unfold puts what members of a classic group of consumers told each other in the place of its bytes.
func (d *coordinatorDecoder) unfold(r *coordinatorRecord) {
	if r.kind != 2 || !strings.HasPrefix(r.value, `{"protocolType":"consumer"`) {
		return
	}
	for field, name := range map[string]string{"subscription": "Subscription", "assignment": "Assignment"} {
		mark := `"` + field + `":"`
		var text strings.Builder
		rest := r.value
		for {
			before, after, found := strings.Cut(rest, mark)
			text.WriteString(before)
			if !found {
				break
			}
			folded, tail, _ := strings.Cut(after, `"`)
			rest = tail
			unfolded, ok := d.member(name, folded)
			if !ok {
				unfolded = `"` + folded + `"`
			}
			text.WriteString(`"` + field + `":` + unfolded)
		}
		r.value = text.String()
	}
}

func (d *coordinatorDecoder) member(name, folded string) (string, bool) {
	body, err := base64.StdEncoding.DecodeString(folded)
	if err != nil || len(body) < 2 {
		return "", false
	}
	text, err := d.consumer.Decode("control", -1, name, int16(binary.BigEndian.Uint16(body)), body[2:])
	return text, err == nil
}

// coordinatorFormatter prints the records of a coordinator's topic as JSON, those of some types, or of all where none is named.
type coordinatorFormatter struct {
	decoder *coordinatorDecoder
	kinds   []int16
}

func (f *coordinatorFormatter) format(out *bufio.Writer, record *kgo.Record) error {
	if record.Key == nil {
		return nil
	}
	r, err := f.decoder.decode(record.Key, record.Value)
	var unknown unknownRecord
	switch {
	case errors.As(err, &unknown):
		return nil
	case err != nil:
		return &exception{"java.lang.RuntimeException", fmt.Sprintf("Could not read record at offset %d due to: %v", record.Offset, err)}
	}
	wanted := f.kinds == nil
	for _, kind := range f.kinds {
		wanted = wanted || kind == r.kind
	}
	if !wanted {
		return nil
	}
	value := "null"
	if r.value != "" {
		value = fmt.Sprintf(`{"version":%d,"data":%s}`, r.version, r.value)
	}
	fmt.Fprintf(out, `{"key":{"type":%d,"data":%s},"value":%s}`, r.kind, r.key, value)
	return nil
}
