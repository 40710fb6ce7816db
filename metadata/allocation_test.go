//go:build !race

package metadata

import "testing"

// TestDecodeAllocations: a start decodes hundreds of thousands of such records. One piece of memory is the record, the other its ISR.
func TestDecodeAllocations(t *testing.T) {
	if n := testing.AllocsPerRun(100, decodeChange(t)); n > 2 {
		t.Errorf("%v allocations for a change of a partition", n)
	}
}

func BenchmarkDecodeRecord(b *testing.B) {
	decode := decodeChange(b)
	b.ReportAllocs()
	for b.Loop() {
		decode()
	}
}

func decodeChange(t testing.TB) func() {
	change := NewPartitionChangeRecord()
	change.TopicID, change.PartitionID, change.Leader, change.ISR = [16]byte{1}, 7, 1, []int32{1}
	value := EncodeRecord(nil, change, 2)
	return func() {
		if _, _, err := DecodeRecord(value); err != nil {
			t.Fatal(err)
		}
	}
}
