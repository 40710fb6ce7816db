package uuid

import "testing"

func TestTextRoundTrip(t *testing.T) {
	for range 1000 {
		id := New()
		text := String(id)
		if len(text) != 22 || text[0] == '-' {
			t.Fatalf("text of %x is %q", id, text)
		}
		back, err := Parse(text)
		if err != nil || back != id {
			t.Fatalf("Parse(%q) = %x, %v; want %x", text, back, err, id)
		}
	}
}

func TestKnownText(t *testing.T) {
	// The text Kafka prints for the id of __cluster_metadata.
	if got := String(MetadataTopic); got != "AAAAAAAAAAAAAAAAAAAAAQ" {
		t.Fatalf("MetadataTopic prints as %q", got)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{"", "AAAA", "AAAAAAAAAAAAAAAAAAAAA!", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		if id, err := Parse(text); err == nil {
			t.Errorf("Parse(%q) = %x, want an error", text, id)
		}
	}
}
