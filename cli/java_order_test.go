package cli

import (
	"strings"
	"testing"
)

// TestInJavaOrder holds the order against what a HashMap of Java 17 gives.
func TestInJavaOrder(t *testing.T) {
	if javaHash("größe") != 98762257 || javaHash("min.insync.replicas") != 268940301 {
		t.Errorf("hashes: %d %d", javaHash("größe"), javaHash("min.insync.replicas"))
	}
	for _, test := range []struct {
		capacity  int
		put, want string
	}{
		{0, "cleanup.policy min.insync.replicas retention.ms segment.ms orders small a.b a_b made-by-itself keyed lines nokey placed",
			"small placed a_b min.insync.replicas keyed made-by-itself cleanup.policy a.b orders retention.ms segment.ms lines nokey"},
		{3, "orders small a.b", "small a.b orders"},
	} {
		keys := strings.Fields(test.put)
		inJavaOrder(keys, test.capacity, javaHash)
		if got := strings.Join(keys, " "); got != test.want {
			t.Errorf("%s, want %s", got, test.want)
		}
	}
}

func TestJavaDouble(t *testing.T) {
	for value, want := range map[float64]string{0: "0.0", 1024: "1024.0", 12.5: "12.5", 2e7: "2.0E7", 1.25e-4: "1.25E-4", 9999999: "9999999.0", -3: "-3.0", 1e300: "1.0E300"} {
		if got := javaDouble(value); got != want {
			t.Errorf("%v: %s, want %s", value, got, want)
		}
	}
}
