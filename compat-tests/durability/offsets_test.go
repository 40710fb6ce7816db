package durability

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// endOffset asks the broker for the high watermark of a partition.
func endOffset(t *testing.T, client *kgo.Client, partition int32) int64 {
	t.Helper()
	listed, err := kadm.NewClient(client).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	offset, ok := listed.Lookup(topic, partition)
	if !ok || offset.Err != nil {
		t.Fatalf("end offset of partition %d: %v", partition, offset.Err)
	}
	return offset.Offset
}
