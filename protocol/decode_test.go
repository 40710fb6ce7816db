package protocol

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestDecodeEveryVersion decodes what kmsg encodes, for every API and version,
// and what is left of it when it is cut anywhere.
func TestDecodeEveryVersion(t *testing.T) {
	for row := range APIs() {
		for version := row.Min; version <= row.Max; version++ {
			request := kmsg.RequestForKey(row.Key)
			request.SetVersion(version)
			body := request.AppendTo(nil)
			h := Header{API: &row, Version: version}
			decoded, err := h.Decode(append(bytes.Clone(body), "behind"...))
			if err != nil {
				t.Errorf("%s version %d: %v", row.Name, version, err)
				continue
			}
			if again := decoded.AppendTo(nil); !bytes.Equal(again, body) {
				t.Errorf("%s version %d: %x became %x", row.Name, version, body, again)
			}
			for cut := range body {
				if _, err := h.Decode(body[:cut]); err == nil && cut < len(body)-1 && row.Name != "ApiVersions" {
					t.Errorf("%s version %d: %d of %d bytes decode", row.Name, version, cut, len(body))
				}
			}
		}
	}
}

// FuzzDecode decodes any body as any API and version.
func FuzzDecode(f *testing.F) {
	for row := range APIs() {
		for version := row.Min; version <= row.Max; version++ {
			request := kmsg.RequestForKey(row.Key)
			request.SetVersion(version)
			f.Add(uint8(row.Key), uint8(version), request.AppendTo(nil))
		}
	}
	f.Fuzz(func(t *testing.T, key, version uint8, body []byte) {
		row, ok := Lookup(int16(key))
		if !ok {
			return
		}
		h := Header{API: &row, Version: row.Min + int16(version)%(row.Max-row.Min+1)}
		request, err := h.Decode(body)
		if err == nil && request.Key() != row.Key {
			t.Fatalf("decoded as %d", request.Key())
		}
	})
}
