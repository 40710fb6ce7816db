package quorum

import (
	"context"
	"encoding/binary"
	"os"
	"path"
	"path/filepath"
	"testing"

	"ottla/storage/vfs"
)

// FuzzDirectory puts anything in the place of the files of the metadata log's directory: bootstrap.checkpoint, quorum-state, a snapshot and
// the log. What is understood can be opened, and says the same thing when it is opened again; the rest is refused before a byte changes.
func FuzzDirectory(f *testing.F) {
	const snapshotFile = "00000000000000000000-0000000000.checkpoint"
	read := func(name string) []byte {
		data, err := os.ReadFile(name)
		if err != nil && !os.IsNotExist(err) {
			f.Fatal(err)
		}
		return data
	}
	for _, mode := range []string{"static", "standalone"} {
		dir := filepath.Join("testdata/golden", mode)
		log := filepath.Join(dir, logDirectory)
		bootstrap, state, snapshot := read(filepath.Join(dir, bootstrapName)), read(filepath.Join(log, stateName)), read(filepath.Join(log, snapshotFile))
		whole := read(filepath.Join(log, "00000000000000000000.log"))
		f.Add(bootstrap, state, snapshot, whole)
		f.Add(bootstrap, state, snapshot, whole[:len(whole)/2])
		f.Add(bootstrap, []byte{}, snapshot, []byte{})
	}
	f.Fuzz(func(t *testing.T, bootstrap, state, snapshot, log []byte) {
		disk := vfs.NewMemory()
		for _, dir := range []string{testDir, testDir + "/" + logDirectory} {
			if err := disk.Mkdir(dir); err != nil {
				t.Fatal(err)
			}
		}
		for name, data := range map[string][]byte{
			path.Join(testDir, bootstrapName): withChecksums(bootstrap), logPath(stateName): state,
			logPath(snapshotFile): withChecksums(snapshot), logPath("00000000000000000000.log"): withChecksums(log),
		} {
			if len(data) == 0 { // an empty file is refused; a missing one may be understood
				continue
			}
			if err := writeFile(disk, name, data); err != nil {
				t.Fatal(err)
			}
		}
		before := tree(t, disk, testDir)
		found, err := Inspect(disk, testDir, 1, testCluster)
		if tree(t, disk, testDir) != before {
			t.Fatal("something was changed")
		}
		if err != nil {
			if _, err := Open(context.Background(), testOptions(disk)); err == nil || tree(t, disk, testDir) != before {
				t.Fatalf("what is not understood was opened, or something was changed: %v", err)
			}
			return
		}
		openTwice(t, disk, found)
	})
}

// openTwice opens a directory, closes it and opens it again: nothing of what was found is lost. The first open of a log without a level adds
// what bootstrap.checkpoint says.
func openTwice(t *testing.T, disk *vfs.Memory, found *Inspection) {
	t.Helper()
	options, image := testOptions(disk), ""
	if voters := found.loader.voters.record; voters != nil && len(voters.Voters) == 1 {
		options.DirectoryID = voters.Voters[0].VoterDirectoryID
	}
	if found.Image.MetadataVersion() > 0 {
		image = string(imageBytes(t, found.Image))
	}
	for range 2 {
		q, err := Open(context.Background(), options)
		if err != nil {
			t.Fatalf("understood, and not opened: %v", err)
		}
		opened := string(imageBytes(t, q.Image()))
		if image != "" && opened != image {
			t.Fatal("what was opened is not what was found")
		}
		image = opened
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A batch whose last offset lies below its first would turn the log's end back.
func TestBatchThatEndsBeforeItBegins(t *testing.T) {
	disk := testDisk(t, true)
	if err := makeLogDirectory(disk, testDir); err != nil {
		t.Fatal(err)
	}
	batch := dataBatch(0, 1, 0, [][]byte{{1}})
	binary.BigEndian.PutUint32(batch[23:], 1<<32-2)
	put(t, disk, logPath("00000000000000000000.log"), withChecksums(batch))
	before := tree(t, disk, testDir)
	if found, err := Inspect(disk, testDir, 1, testCluster); err == nil || tree(t, disk, testDir) != before {
		t.Fatalf("%+v, %v", found, err)
	}
}
