package quorum

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"ottla/metadata"
	"ottla/protocol/record"
	"ottla/storage/vfs"
)

// quorum-state is read as it was written, in the very bytes of Apache Kafka.
func TestStateIsThatOfKafka(t *testing.T) {
	for mode, want := range map[string]electionState{
		"static":     {version: 0, leaderID: 1, leaderEpoch: 2, votedID: -1, voters: []int32{1}},
		"standalone": {version: 1, leaderID: 1, leaderEpoch: 2, votedID: -1},
	} {
		data, err := os.ReadFile(filepath.Join("testdata/golden", mode, logDirectory, stateName))
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeState(data)
		if err != nil || !bytes.Equal(got.encode(), want.encode()) {
			t.Errorf("%s: %+v, %v", mode, got, err)
		}
		if !bytes.Equal(want.encode(), data) {
			t.Errorf("%s: %s, want %s", mode, want.encode(), data)
		}
	}
}

func TestStateRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := electionState{
			version: int16(rapid.IntRange(0, 1).Draw(t, "version")), leaderID: rapid.Int32().Draw(t, "leader"),
			leaderEpoch: rapid.Int32Range(0, 1<<31-1).Draw(t, "epoch"), votedID: rapid.Int32().Draw(t, "voted"),
		}
		if s.version == 0 {
			s.clusterID, s.appliedOffset = rapid.String().Draw(t, "cluster"), rapid.Int64().Draw(t, "applied")
			s.voters = rapid.SliceOfN(rapid.Int32(), 1, 5).Draw(t, "voters")
		} else {
			copy(s.votedDirectory[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "directory"))
		}
		got, err := decodeState(s.encode())
		if err != nil || !bytes.Equal(got.encode(), s.encode()) {
			t.Fatalf("%s: %v, %s", s.encode(), err, got.encode())
		}
	})
}

func FuzzState(f *testing.F) {
	f.Add(electionState{leaderID: 1, leaderEpoch: 3, votedID: -1, voters: []int32{1}}.encode())
	f.Add(electionState{version: 1, leaderID: 1, leaderEpoch: 3, votedID: 1}.encode())
	f.Add([]byte(`{"data_version":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := decodeState(data)
		if err != nil {
			return
		}
		again, err := decodeState(s.encode())
		if err != nil || !bytes.Equal(again.encode(), s.encode()) {
			t.Fatalf("%s: %v", s.encode(), err)
		}
	})
}

// withChecksums gives the batches right checksums, so that what is fuzzed gets past them.
func withChecksums(data []byte) []byte {
	data = bytes.Clone(data)
	for rest := data; ; {
		batch, after, err := record.Next(rest)
		if err != nil {
			return data
		}
		binary.BigEndian.PutUint32(batch[17:], crc32.Checksum(batch[21:], crc32.MakeTable(crc32.Castagnoli)))
		rest = after
	}
}

func FuzzSnapshot(f *testing.F) {
	files, _ := filepath.Glob("testdata/golden/*/*/*.checkpoint")
	boot, _ := filepath.Glob("testdata/golden/*/*.checkpoint")
	for _, name := range append(files, boot...) {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		disk := vfs.NewMemory()
		if err := writeFile(disk, "s", withChecksums(data)); err != nil {
			t.Fatal(err)
		}
		l := newLoader(1, "c")
		_, err := readSnapshot(disk, "s", l.control, func(_ int64, r metadata.Record) error { return l.replay(r) })
		if len(data) < smallestBatch && !errors.Is(err, errDamaged) {
			t.Fatalf("%v", err)
		}
		if err == nil {
			_ = l.image().Records(metadata.MaxVersion)
		}
	})
}

func FuzzLog(f *testing.F) {
	for _, mode := range []string{"static", "standalone"} {
		data, err := os.ReadFile(filepath.Join("testdata/golden", mode, logDirectory, "00000000000000000000.log"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		disk := vfs.NewMemory()
		for _, dir := range []string{testDir, testDir + "/" + logDirectory} {
			if err := disk.Mkdir(dir); err != nil {
				t.Fatal(err)
			}
		}
		if err := writeFile(disk, logPath("00000000000000000000.log"), withChecksums(data)); err != nil {
			t.Fatal(err)
		}
		before := tree(t, disk, testDir)
		found, err := Inspect(disk, testDir, 1, testCluster)
		if tree(t, disk, testDir) != before {
			t.Fatal("something was changed")
		}
		if err == nil && found.LogEndOffset < 0 {
			t.Fatalf("%+v", found)
		}
	})
}

func TestSnapshotNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := snapshotID{rapid.Int64Range(0, 1<<62).Draw(t, "end"), rapid.Int32Range(0, 1<<31-1).Draw(t, "epoch")}
		if got, ok := parseSnapshotName(id.name()); !ok || got != id {
			t.Fatalf("%s: %+v", id.name(), got)
		}
	})
	for _, name := range []string{
		"", ".checkpoint", "00000000000000000001-000000000.checkpoint", "00000000000000000001_0000000001.checkpoint",
		"+0000000000000000001-0000000001.checkpoint", "00000000000000000001-9999999999.checkpoint", "00000000000000000001-0000000001.checkpoint.part",
	} {
		if _, ok := parseSnapshotName(name); ok {
			t.Errorf("%q was read", name)
		}
	}
}

// Values are cut into batches in order, none lost, each within the limit unless one value alone is larger.
func TestSplitValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOf(rapid.SliceOfN(rapid.Byte(), 0, 200)).Draw(t, "values")
		limit := rapid.IntRange(1, 500).Draw(t, "limit")
		var joined [][]byte
		for _, group := range splitValues(all, limit) {
			if len(group) == 0 {
				t.Fatal("an empty batch")
			}
			if n := len(dataBatch(0, 1, 1, group)); n > limit && len(group) > 1 {
				t.Fatalf("a batch of %d bytes and %d values, limit %d", n, len(group), limit)
			}
			joined = append(joined, group...)
		}
		if len(joined) != len(all) {
			t.Fatalf("%d values, want %d", len(joined), len(all))
		}
		for i := range all {
			if !bytes.Equal(all[i], joined[i]) {
				t.Fatalf("value %d changed", i)
			}
		}
	})
}
