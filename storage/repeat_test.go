package storage

import (
	"testing"

	"ottla/storage/vfs"
)

// TestRepeatsAfterACrash: all that a client may have had in flight when the process died is recognised when it comes again, though the
// snapshots that a recovery writes hold only the last batch.
func TestRepeatsAfterACrash(t *testing.T) {
	m := vfs.NewMemory()
	if err := m.Mkdir("/d"); err != nil {
		t.Fatal(err)
	}
	l := reopenMemory(t, m, smallConfig(), LogOptions{Clean: true})
	batch := func(i int32) testBatch { return testBatch{producerID: 9, epoch: 1, sequence: i} }
	for i := range int32(7) {
		mustAppend(t, l, batch(i), OriginClient)
	}
	l = reopenMemory(t, m.CrashClone(nil), smallConfig(), LogOptions{})
	for i := int32(2); i < 7; i++ {
		if info := mustAppend(t, l, batch(i), OriginClient); !info.Duplicate || info.BaseOffset != int64(i) {
			t.Errorf("sequence %d again: %+v", i, info)
		}
	}
	if info := mustAppend(t, l, batch(7), OriginClient); info.Duplicate || info.BaseOffset != 7 {
		t.Errorf("the next batch: %+v", info)
	}
}
