package storage

import (
	"testing"

	"ottla/storage/vfs"
)

// TestSyncsIsToldOnce: the first append that has to wait for an fsync says so, one that need not does not.
func TestSyncsIsToldOnce(t *testing.T) {
	for _, test := range []struct{ flushMessages, want int64 }{{1, 1}, {3, 1}, {1 << 62, 0}} {
		m := vfs.NewMemory()
		if err := m.Mkdir("/d"); err != nil {
			t.Fatal(err)
		}
		config, told := smallConfig(), int64(0)
		config.FlushMessages = test.flushMessages
		l, err := OpenLog(LogOptions{
			FS: m, Directory: "/d/t-0", TopicPartition: TopicPartition{"t", 0}, Config: config, Clean: true,
			Manager: &Options{Syncs: func() { told++ }},
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range int32(10) {
			mustAppend(t, l, testBatch{producerID: 1, sequence: i}, OriginClient)
		}
		if told != test.want {
			t.Errorf("flush.messages=%d: told %d times", test.flushMessages, told)
		}
	}
}
