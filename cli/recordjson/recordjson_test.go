package recordjson

import (
	"encoding/hex"
	"encoding/json"
	"testing"
)

// TestDecode decodes bytes that Apache Kafka 4.3.1 wrote.
func TestDecode(t *testing.T) {
	for _, test := range []struct {
		schemas, kind string
		number        int
		version       int16
		body, want    string
	}{
		// A FeatureLevelRecord and a NoOpRecord of its metadata log.
		{"metadata", "record", 12, 0, "116d657461646174612e76657273696f6e001e00", `{"name":"metadata.version","featureLevel":30}`},
		{"metadata", "record", 20, 0, "00", `{}`},
		// An offset's key, and its value, whose topic id is a tagged field.
		{"group", "key", 1, 0, "0002673100056c696e65730000", ``},
		{"group", "key", 1, 0, "00026731" + "00056c696e6573" + "00000003", `{"group":"g1","topic":"lines","partition":3}`},
		{"group", "value", 1, 3, "0000000000000007" + "00000000" + "0000" + "0000000000000009", `{"offset":7,"leaderEpoch":0,"metadata":"","commitTimestamp":9}`},
		{"transaction", "value", 0, 0, "0000000000000007" + "0001" + "0000ea60" + "00" + "ffffffff" + "0000000000000009" + "000000000000000a",
			`{"producerId":7,"producerEpoch":1,"transactionTimeoutMs":60000,"transactionStatus":0,"transactionPartitions":null,"transactionLastUpdateTimestampMs":9,"transactionStartTimestampMs":10}`},
	} {
		body, err := hex.DecodeString(test.body)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Load(test.schemas).Decode(test.kind, test.number, "", test.version, body)
		if got != test.want || (err != nil) != (test.want == "") {
			t.Errorf("%s %s %d: %s %v, want %s", test.schemas, test.kind, test.number, got, err, test.want)
		}
	}
}

// FuzzDecode: no bytes make it panic, and what it prints is JSON.
func FuzzDecode(f *testing.F) {
	f.Add(uint8(0), int16(2), int16(0), []byte("\x00\x02g1"))
	f.Add(uint8(1), int16(12), int16(0), []byte("\x11metadata.version\x00\x1e\x00"))
	f.Add(uint8(2), int16(0), int16(1), []byte{0, 0, 0, 0, 0, 0, 0, 7, 0, 1, 0, 0, 0, 1, 0, 2, 2, 'a', 2, 0, 0, 0, 1, 0})
	names := []string{"group", "metadata", "transaction"}
	kinds := []string{"value", "record", "value"}
	loaded := []*Schemas{Load(names[0]), Load(names[1]), Load(names[2])}
	f.Fuzz(func(t *testing.T, which uint8, number, version int16, body []byte) {
		i := int(which) % len(names)
		text, err := loaded[i].Decode(kinds[i], int(number), "none", version, body)
		if err == nil && !json.Valid([]byte(text)) {
			t.Errorf("not JSON: %s", text)
		}
	})
}
