package group

import (
	"testing"
	"time"

	"ottla/coordinator"
)

// TestLoadingForgetsAGroupWithoutOffsets: Apache Kafka before 4.0 deletes a simple group by the tombstones of its offsets alone.
func TestLoadingForgetsAGroupWithoutOffsets(t *testing.T) {
	m := NewMachine(DefaultConfig(), time.Now, nil, discard{})
	for _, record := range []coordinator.Record{
		offsetRecord("gone", "t", 0, offset{}), offsetRecord("stays", "t", 0, offset{}), offsetTombstone("gone", "t", 0),
	} {
		m.Replay(coordinator.Replayed{Record: record, ProducerID: -1})
	}
	m.Loaded()
	if m.groups["gone"] != nil || m.groups["stays"] == nil {
		t.Errorf("groups after loading: %v", m.groups)
	}
}
