package quorum

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"slices"
	"testing"

	"ottla/metadata"
	"ottla/protocol/record"
	"ottla/storage/vfs"
)

const goldenCluster = "MkU3OEVBNTcwNTJENDM2Qg"

// reencode gives each batch of a file as this package writes it, and as it stands there.
func reencode(t *testing.T, name string, each func(want, got record.Batch)) {
	t.Helper()
	file, err := vfs.OS{}.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	reader, err := newBatchReader(file)
	if err != nil {
		t.Fatal(err)
	}
	for reader.position < reader.size {
		batch, err := reader.next()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		b := newBuilder(batch.BaseOffset(), batch.PartitionLeaderEpoch(), batch.IsControl())
		for r, err := range batch.Records(record.Limits{MaxDecompressedBytes: maxDecompressed}) {
			if err != nil {
				t.Fatal(err)
			}
			value := r.Value
			if !batch.IsControl() {
				decoded, version, err := metadata.DecodeRecord(r.Value)
				if err != nil {
					t.Fatalf("%s: offset %d: %v", name, r.Offset, err)
				}
				value = metadata.EncodeRecord(nil, decoded, version)
			}
			b.Append(r.Timestamp, r.Key, value)
		}
		each(batch, b.Build())
	}
}

// Every batch of logs and snapshots that Apache Kafka wrote is read and encoded again to the same bytes.
func TestGoldenBatches(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*/*/*")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	batches := 0
	for _, name := range files {
		if ext := path.Ext(name); ext != ".log" && ext != ".checkpoint" {
			continue
		}
		reencode(t, name, func(want, got record.Batch) {
			batches++
			if !bytes.Equal(want, got) {
				t.Errorf("%s: batch at offset %d:\n got %x\nwant %x", name, want.BaseOffset(), []byte(got), []byte(want))
			}
		})
	}
	if batches < 100 {
		t.Errorf("only %d batches", batches)
	}
}

// The metadata log of a running Apache Kafka folds into an image, and a snapshot of that into the same image. Apache Kafka's own snapshot
// says the same as the log up to its end.
func TestGoldenImage(t *testing.T) {
	for _, mode := range []string{"static", "standalone"} {
		dir := filepath.Join("testdata/golden", mode)
		found, err := Inspect(vfs.OS{}, dir, 1, goldenCluster)
		if err != nil {
			t.Fatal(err)
		}
		checkGoldenImage(t, mode, found)
		// The log alone, without any snapshot.
		alone := copyTree(t, dir)
		for _, id := range found.contents.snapshots {
			if id.end > 0 {
				remove(t, filepath.Join(alone, logDirectory, id.name()))
			}
		}
		fromLog, err := Inspect(vfs.OS{}, alone, 1, goldenCluster)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(imageBytes(t, fromLog.Image), imageBytes(t, found.Image)) {
			t.Errorf("%s: the snapshot with the log behind it says something else than the log alone", mode)
		}
		if fromLog.LogEndOffset != found.LogEndOffset || fromLog.LeaderEpoch != found.LeaderEpoch {
			t.Errorf("%s: end %d epoch %d, want %d %d", mode, fromLog.LogEndOffset, fromLog.LeaderEpoch, found.LogEndOffset, found.LeaderEpoch)
		}
	}
}

// checkGoldenImage knows what was done to the cluster: see testdata/golden/README.md.
func checkGoldenImage(t *testing.T, mode string, found *Inspection) {
	t.Helper()
	image := found.Image
	if want := map[string]int16{"static": 0, "standalone": 1}[mode]; found.KRaftVersion != want {
		t.Errorf("%s: kraft.version %d, want %d", mode, found.KRaftVersion, want)
	}
	if image.MetadataVersion() != 30 || image.Feature("transaction.version") != 2 || image.ClusterID() != goldenCluster {
		t.Errorf("%s: metadata.version %d", mode, image.MetadataVersion())
	}
	for name, partitions := range map[string]int{"alpha": 1, "beta": 4} {
		topic, ok := image.Topic(name)
		if !ok || len(topic.Partitions) != partitions || topic.Partitions[0].Replicas[0] != 1 {
			t.Errorf("%s: topic %s: %+v", mode, name, topic)
		}
	}
	for resource, want := range map[metadata.ConfigResource]string{
		{Type: metadata.ResourceTopic, Name: "beta"}:       "cleanup.policy=compact",
		{Type: metadata.ResourceBroker, Name: ""}:          "min.insync.replicas=1",
		{Type: metadata.ResourceGroup, Name: "g1"}:         "consumer.session.timeout.ms=50000",
		{Type: metadata.ResourceClientMetrics, Name: "m1"}: "interval.ms=30000",
		{Type: metadata.ResourceTopic, Name: "alpha"}:      "",
	} {
		config := image.Config(resource)
		key, value, _ := cut(want)
		if want == "" && config != nil || want != "" && config[key] != value {
			t.Errorf("%s: config of %v: %v, want %s", mode, resource, config, want)
		}
	}
	quotas, acls, credentials := 0, 0, 0
	for q := range image.Quotas() {
		quotas += len(q.Values)
	}
	for range image.ACLs() {
		acls++
	}
	for c := range image.ScramCredentials() {
		credentials++
		if c.Name != "alice" || c.Mechanism != 1 || c.Iterations != 8192 {
			t.Errorf("%s: credential %+v", mode, c)
		}
	}
	if quotas != 3 || acls != 3 || credentials != 1 {
		t.Errorf("%s: %d quotas, %d access control entries, %d credentials", mode, quotas, acls, credentials)
	}
	broker, ok := image.Broker(1)
	if !ok || len(broker.Endpoints) != 1 || broker.Epoch == 0 {
		t.Errorf("%s: broker %+v", mode, broker)
	}
}

// Format writes what Apache Kafka's StorageTool writes, but for times, ids and the checksums over them.
func TestFormatIsThatOfStorageTool(t *testing.T) {
	for _, mode := range []string{"static", "standalone"} {
		golden := filepath.Join("testdata/golden", mode+"-formatted")
		dir := t.TempDir()
		var times []int64
		var directoryID [16]byte
		names, _ := filepath.Glob(golden + "/*/*.checkpoint")
		boot, _ := filepath.Glob(golden + "/*.checkpoint")
		for _, name := range append(boot, names...) {
			reencode(t, name, func(batch, _ record.Batch) {
				times = append(times, batch.MaxTimestamp())
				_ = forEach(batch, func(_ int64, kind int16, body []byte) error {
					var r metadata.VotersRecord
					if kind == controlKRaftVoters && r.ReadFrom(body, 0) == nil {
						directoryID = r.Voters[0].VoterDirectoryID
					}
					return nil
				}, nilRecord)
			})
		}
		port := map[string]uint16{"static": 39491, "standalone": 39391}[mode]
		err := Format(vfs.OS{}, dir, FormatOptions{
			NodeID: 1, ClusterID: goldenCluster, DirectoryID: directoryID, StaticVoters: mode == "static",
			Endpoints: []Endpoint{{"CONTROLLER", "localhost", port}},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{bootstrapName, path.Join(logDirectory, snapshotID{}.name())} {
			want, wantErr := os.ReadFile(filepath.Join(golden, name))
			got, gotErr := os.ReadFile(filepath.Join(dir, name))
			if (wantErr == nil) != (gotErr == nil) {
				t.Fatalf("%s %s: %v, want %v", mode, name, gotErr, wantErr)
			}
			if w, g := withoutTimes(want), withoutTimes(got); !bytes.Equal(w, g) {
				t.Errorf("%s %s:\n got %x\nwant %x", mode, name, g, w)
			}
		}
	}
}

func nilRecord(int64, metadata.Record) error { return nil }

// withoutTimes blanks the checksums and times of batches, and the time in a snapshot's header.
func withoutTimes(file []byte) []byte {
	file = bytes.Clone(file)
	for rest := file; len(rest) > 0; {
		batch, after, err := record.Next(rest)
		if err != nil {
			return file
		}
		clear(rest[17:21])
		clear(rest[27:43])
		if batch.IsControl() && rest[smallestBatch+8] == byte(controlSnapshotHeader) {
			clear(rest[smallestBatch+12 : smallestBatch+20])
		}
		rest = after
	}
	return file
}

// A snapshot that Apache Kafka wrote folds into an image whose snapshot has the same records at the same versions, kind after kind. Within
// a kind Apache Kafka has the order of its hash maps, and so within the lists of a registration.
func TestGoldenSnapshotIsWrittenAgain(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*/*/*-0000000001.checkpoint")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		l := newLoader(1, goldenCluster)
		var want []string
		var wantKinds, gotKinds []int16
		kinds := func(list *[]int16, r metadata.Record) {
			kind := r.APIKey()
			if _, ok := r.(*metadata.PartitionRecord); ok {
				kind = (*metadata.TopicRecord)(nil).APIKey() // topics and their partitions alternate
			}
			if n := len(*list); n == 0 || (*list)[n-1] != kind {
				*list = append(*list, kind)
			}
		}
		_, err := readSnapshot(vfs.OS{}, name, l.control, func(_ int64, r metadata.Record) error {
			version, err := metadata.RecordVersion(r, 30)
			if err != nil {
				return err
			}
			kinds(&wantKinds, r)
			want = append(want, sortedBytes(metadata.EncodeRecord(nil, r, version)))
			return l.replay(r)
		})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range l.image().Records(30) {
			version, err := metadata.RecordVersion(r, 30)
			if err != nil {
				t.Fatal(err)
			}
			kinds(&gotKinds, r)
			got = append(got, sortedBytes(metadata.EncodeRecord(nil, r, version)))
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", name, got, want)
		}
		if !slices.Equal(gotKinds, wantKinds) {
			t.Errorf("%s: kinds %d, want %d", name, gotKinds, wantKinds)
		}
	}
}

func sortedBytes(b []byte) string {
	b = bytes.Clone(b)
	slices.Sort(b)
	return string(b)
}
