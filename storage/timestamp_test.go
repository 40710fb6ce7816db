package storage

import (
	"testing"

	"ottla/protocol/record"
	"ottla/storage/vfs"
)

// TestGoldenTimestamps looks up every timestamp of Kafka's directories, compressed batches too, against a scan over all records.
func TestGoldenTimestamps(t *testing.T) {
	for _, topic := range goldenLogs {
		t.Run(topic, func(t *testing.T) {
			m := vfs.NewMemory()
			if err := m.Mkdir("/data"); err != nil {
				t.Fatal(err)
			}
			copyIn(t, m, "testdata/golden/"+topic+"-0", "/data/"+topic+"-0")
			l := openGolden(t, m, topic, true)
			type stamp struct{ timestamp, offset int64 }
			var all []stamp
			eachBatch(t, logBytes(goldenFiles(t, topic)), func(_ header, batch []byte) {
				for r, err := range record.Batch(batch).Records(record.Limits{}) {
					if err != nil {
						t.Fatal(err)
					}
					all = append(all, stamp{r.Timestamp, r.Offset})
				}
			})
			want := func(at int64) TimestampOffset {
				for _, s := range all {
					if s.timestamp >= at {
						return TimestampOffset{s.timestamp, s.offset, 0}
					}
				}
				return TimestampOffset{-1, -1, -1}
			}
			largest := TimestampOffset{-1, -1, -1}
			for _, s := range all {
				if s.timestamp > largest.Timestamp {
					largest = TimestampOffset{s.timestamp, s.offset, 0}
				}
				for _, at := range []int64{s.timestamp - 1, s.timestamp, s.timestamp + 1} {
					if got, err := l.OffsetForTimestamp(at); err != nil || got != want(at) {
						t.Fatalf("timestamp %d: %+v, %v; want %+v", at, got, err, want(at))
					}
				}
			}
			if got, err := l.MaxTimestamp(); err != nil || got != largest {
				t.Fatalf("max timestamp: %+v, %v; want %+v", got, err, largest)
			}
		})
	}
}
