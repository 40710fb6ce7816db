package storage

import (
	"path/filepath"
	"testing"
	"time"
)

// TestLeaderEpochIsWrittenWithoutARecord waits for the file of a log that leads and gets no record: the first one must not wait for it.
func TestLeaderEpochIsWrittenWithoutARecord(t *testing.T) {
	fs := memoryDirectories(t, "/d")
	m := openManager(t, fs, func(o *Options) { o.NoBackground, o.Now = false, nil })
	defer func() { _ = m.Close(t.Context()) }()
	l := create(t, m, "t", 0)
	if err := l.SetLeaderEpoch(7); err != nil {
		t.Fatal(err)
	}
	name, want := filepath.Join(l.path, leaderEpochFile), "0\n1\n7 0\n"
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		content := ""
		if f, err := fs.Open(name); err == nil {
			b := make([]byte, len(want))
			n, _ := f.ReadAt(b, 0)
			content = string(b[:n])
			_ = f.Close()
		}
		if content == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("leader-epoch-checkpoint holds %q", content)
		}
	}
}
