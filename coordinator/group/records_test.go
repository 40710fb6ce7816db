package group

import (
	"testing"
	"time"
)

// TestOffsetsOfOldLevels: below 3.5-IV0 an offset is written so that every server
// of that level can read it, and is read again as it was but for the topic's id.
func TestOffsetsOfOldLevels(t *testing.T) {
	o := offset{offset: 7, leaderEpoch: 3, metadata: "m", committed: 5, expires: none, topicID: [16]byte{1}}
	for level, want := range map[int16]int16{7: 3, 8: 3, 9: 4, 21: 4, 30: 4} {
		config := DefaultConfig()
		config.MetadataVersion = func() int16 { return level }
		m := NewMachine(config, time.Now, nil, discard{})
		r := m.offsetRecord("g", "t", 0, o)
		if got := version(r.Value); got != want {
			t.Errorf("level %d: version %d, want %d", level, got, want)
		}
		again, ok := decodeOffset(0, r.Value)
		if !ok || again.offset != o.offset || again.leaderEpoch != o.leaderEpoch || again.metadata != o.metadata || again.committed != o.committed {
			t.Errorf("level %d: %+v, %t", level, again, ok)
		}
	}
}
