package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ottla/metadata"
	"ottla/storage/vfs"
)

// imageOf is the metadata after some records.
func imageOf(t *testing.T, records ...metadata.Record) *metadata.Image {
	t.Helper()
	delta := metadata.NewDelta(metadata.NewImage("cluster"))
	for _, r := range records {
		if err := delta.Replay(r); err != nil {
			t.Fatal(err)
		}
	}
	return delta.Apply(int64(len(records)), 1)
}

func topicRecord(name string, id byte) *metadata.TopicRecord {
	return &metadata.TopicRecord{Name: name, TopicID: [16]byte{id}}
}

func partitionRecord(topic byte, replicas ...int32) *metadata.PartitionRecord {
	r := metadata.NewPartitionRecord()
	r.PartitionID, r.TopicID, r.Replicas, r.ISR, r.Leader = 0, [16]byte{topic}, replicas, replicas, replicas[0]
	return r
}

func brokerRecord(id int32, fenced bool) *metadata.RegisterBrokerRecord {
	r := metadata.NewRegisterBrokerRecord()
	r.BrokerID, r.Fenced = id, fenced
	return r
}

// TestRefusedMetadata: what one node alone, without an authorizer, must not act
// upon is named with a way out.
func TestRefusedMetadata(t *testing.T) {
	remote := "true"
	for _, test := range []struct {
		name    string
		records []metadata.Record
		refusal string // "" where there is none
	}{
		{"nothing", nil, ""},
		{"a topic", []metadata.Record{topicRecord("a", 1), partitionRecord(1, 1)}, ""},
		{"a topic of another node", []metadata.Record{topicRecord("a", 1), partitionRecord(1, 2)}, "a-0 has the replicas [2]"},
		{"a topic of several nodes", []metadata.Record{topicRecord("a", 1), partitionRecord(1, 1, 2, 3)}, "kafka-reassign-partitions.sh"},
		{"an ACL", []metadata.Record{metadata.NewAccessControlEntryRecord()}, "1 ACLs"},
		{"another broker", []metadata.Record{brokerRecord(1, false), brokerRecord(2, false)}, "broker 2"},
		{"another broker that is gone", []metadata.Record{brokerRecord(1, false), brokerRecord(2, true)}, ""},
		{"tiered storage", []metadata.Record{
			topicRecord("a", 1), partitionRecord(1, 1),
			&metadata.ConfigRecord{ResourceType: metadata.ResourceTopic, ResourceName: "a", Name: "remote.storage.enable", Value: &remote},
		}, "tiered storage"},
	} {
		err := checkImage(imageOf(t, test.records...), 1)
		if (err == nil) != (test.refusal == "") || err != nil && !strings.Contains(err.Error(), test.refusal) {
			t.Errorf("%s: %v, want %q", test.name, err, test.refusal)
		}
	}
}

// TestForeignFiles: a partition's folder with files that Apache Kafka does not
// have is another vendor's.
func TestForeignFiles(t *testing.T) {
	for name, kafkas := range map[string]bool{
		"00000000000000000000.log": true, "00000000000000000042.timeindex.deleted": true, "00000000000000000042.log.cleaned": true,
		"00000000000000000042.log.swap": true, "leader-epoch-checkpoint": true, "leader-epoch-checkpoint.tmp": true, "partition.metadata": true,
		"00000000000000000042.snapshot": true, "00000000000000000042.txnindex": true,
		"00000000000000000000.tierstate": false, "0-1-v1.log": false, "0.log": false, "remote_log_snapshot": false,
	} {
		if kafkaFile(name) != kafkas {
			t.Errorf("%s: %t", name, !kafkas)
		}
	}
}

// TestInspectDirectories looks at directories and changes nothing.
func TestInspectDirectories(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "data")
	found, err := InspectDirectories(vfs.OS{}, settings(t, directory))
	if err != nil || !found.Directories[0].Missing {
		t.Errorf("no directory: %+v, %v", found, err)
	}
	if _, err := os.Stat(directory); err == nil {
		t.Error("the directory was made")
	}
	s, _ := startBroker(t, directory)
	if _, err := InspectDirectories(vfs.OS{}, settings(t, directory)); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a running server: %v", err)
	}
	if err := s.Stop(timeout(t)); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, directory)
	found, err = InspectDirectories(vfs.OS{}, settings(t, directory))
	if err != nil || found.Directories[0].Properties.NodeID != 1 || found.Metadata == nil || !found.Directories[0].Contents.CleanShutdown {
		t.Errorf("a stopped server: %+v, %v", found, err)
	}
	after := snapshot(t, directory)
	for name, content := range after {
		if before[name] != content {
			t.Errorf("%s has changed", name)
		}
	}
	if len(after) != len(before) {
		t.Errorf("%d files instead of %d", len(after), len(before))
	}
	foreign := filepath.Join(directory, "t-0", "00000000000000000000.tierstate")
	if err := os.MkdirAll(filepath.Dir(foreign), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(foreign, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	found, err = InspectDirectories(vfs.OS{}, settings(t, directory))
	if err == nil || !strings.Contains(err.Error(), "tierstate") || len(found.Unclaimed) != 1 {
		t.Errorf("another vendor's directory: %+v, %v", found.Unclaimed, err)
	}
}

// TestFutureFolders: a move between log directories that Apache Kafka has begun is left as it is.
func TestFutureFolders(t *testing.T) {
	directory := t.TempDir()
	s, _ := startBroker(t, directory)
	if err := s.Stop(timeout(t)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(directory, "t-0.0123456789abcdef0123456789abcdef-future", "00000000000000000000.log")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("half of it"), 0o644); err != nil {
		t.Fatal(err)
	}
	found, err := InspectDirectories(vfs.OS{}, settings(t, directory))
	if err != nil || len(found.Directories[0].Contents.Future) != 1 || len(found.Unclaimed) != 0 {
		t.Errorf("the look: %+v, %v", found, err)
	}
	s, _ = startBroker(t, directory)
	if err := s.Stop(timeout(t)); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(file); err != nil || string(content) != "half of it" {
		t.Errorf("afterwards: %q, %v", content, err)
	}
}

// TestWaysOut: what stops a start because something newer wrote the metadata says what to do.
func TestWaysOut(t *testing.T) {
	for _, err := range []error{&metadata.UnknownRecordError{FrameVersion: 1, APIKey: 99}, metadata.CheckFeatures(imageOf(t, &metadata.FeatureLevelRecord{Name: "fancy.version", FeatureLevel: 1}))} {
		if text := err.Error() + wayOut(err); !strings.Contains(text, "newer server") || !strings.Contains(text, "go on with that one") {
			t.Errorf("no way out: %s", text)
		}
	}
}
