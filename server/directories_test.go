package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/storage"
	"ottla/storage/vfs"
)

// disks are the directories of a node: two for partitions, one for the metadata.
type disks struct{ root, first, second, metadata string }

func newDisks(t *testing.T) disks {
	root := t.TempDir()
	return disks{root, filepath.Join(root, "first"), filepath.Join(root, "second"), filepath.Join(root, "metadata")}
}

func (d disks) overrides() []string { return []string{"metadata.log.dir=" + d.metadata} }

// fill writes one record into each partition of a topic.
func fill(t *testing.T, client *kgo.Client, topic string, partitions int) {
	t.Helper()
	for i := range partitions {
		r := &kgo.Record{Topic: topic, Partition: int32(i), Value: fmt.Appendf(nil, "value %d", i)}
		if err := client.ProduceSync(timeout(t), r).FirstErr(); err != nil {
			t.Fatalf("partition %d: %v", i, err)
		}
	}
}

// counts are the numbers of records of each partition of a topic, by their offsets.
func counts(t *testing.T, client *kgo.Client, topic string) map[int32]int64 {
	t.Helper()
	ends, err := kadm.NewClient(client).ListEndOffsets(timeout(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	found := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Err == nil {
			found[o.Partition] = o.Offset
		}
	})
	return found
}

// TestSeveralDirectories formats three directories, spreads partitions over two of
// them, tells the metadata where they are, and finds all again.
func TestSeveralDirectories(t *testing.T) {
	d := newDisks(t)
	s, _ := startBroker(t, d.first+","+d.second, d.overrides()...)
	client := newClient(t, s, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if _, err := kadm.NewClient(client).CreateTopic(timeout(t), 6, 1, nil, "spread"); err != nil {
		t.Fatal(err)
	}
	fill(t, client, "spread", 6)
	ids := map[[16]byte]string{}
	for _, dir := range []string{d.first, d.second, d.metadata} {
		properties, err := storage.ReadMetaProperties(vfs.OS{}, dir)
		if err != nil || properties.ClusterID != s.ClusterID() || properties.NodeID != 1 {
			t.Errorf("%s: %+v, %v", dir, properties, err)
		}
		ids[properties.DirectoryID] = dir
	}
	if len(ids) != 3 {
		t.Errorf("directory ids: %v", ids)
	}
	for _, dir := range []string{d.first, d.second} {
		entries, err := filepath.Glob(filepath.Join(dir, "spread-*"))
		if err != nil || len(entries) != 3 {
			t.Errorf("%s holds %v, %v", dir, entries, err)
		}
		if _, err := os.Stat(filepath.Join(dir, metadataDirectory)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s holds the metadata", dir)
		}
	}
	awaitPlaced(t, s, "spread", ids)
	broker, _ := s.controller.Image().Broker(1)
	if len(broker.Directories) != 2 {
		t.Errorf("registered directories: %x", broker.Directories)
	}
	described, err := kadm.NewClient(client).DescribeAllLogDirs(timeout(t), nil)
	if err != nil || len(described[1]) != 2 || len(described[1][d.first].Topics["spread"]) != 3 {
		t.Errorf("described: %+v, %v", described, err)
	}
	if err := s.Stop(timeout(t)); err != nil {
		t.Fatal(err)
	}
	again, _ := startBroker(t, d.first+","+d.second, d.overrides()...)
	if found := counts(t, newClient(t, again), "spread"); len(found) != 6 || found[0] != 1 || found[5] != 1 {
		t.Errorf("after a restart: %v", found)
	}
}

// awaitPlaced waits until the metadata has each partition where it is.
func awaitPlaced(t *testing.T, s *Server, name string, ids map[[16]byte]string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		wrong := ""
		topic, _ := s.controller.Image().Topic(name)
		for i, p := range topic.Partitions {
			if _, err := os.Stat(filepath.Join(ids[p.Directories[0]], fmt.Sprintf("%s-%d", name, i))); err != nil {
				wrong = err.Error()
			}
		}
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(wrong)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestDirectoryFails fails one directory of two under a running server: its
// partitions have no leader then, the others are served, and a start with the disk
// mended serves all again.
func TestDirectoryFails(t *testing.T) {
	d := newDisks(t)
	var broken atomic.Bool
	disk := vfs.NewFault(vfs.OS{}, func(op vfs.Op) error {
		if broken.Load() && strings.HasPrefix(op.Name, d.second+"/") && op.Mutates() {
			return syscall.EIO
		}
		return nil
	})
	s, err := Start(t.Context(), settings(t, d.first+","+d.second, d.overrides()...), Options{Log: zerolog.Nop(), FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	client := newClient(t, s, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RecordRetries(0), kgo.DisableIdempotentWrite())
	if _, err := kadm.NewClient(client).CreateTopic(timeout(t), 4, 1, nil, "spread"); err != nil {
		t.Fatal(err)
	}
	fill(t, client, "spread", 4)
	broken.Store(true)
	lost := map[int32]bool{}
	for i := range int32(4) {
		_, err := os.Stat(filepath.Join(d.second, fmt.Sprintf("spread-%d", i)))
		lost[i] = err == nil
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		failed := client.ProduceSync(ctx, &kgo.Record{Topic: "spread", Partition: i, Value: []byte("more")}).FirstErr()
		cancel()
		if (failed != nil) != lost[i] {
			t.Errorf("partition %d in the failed directory %v: %v", i, lost[i], failed)
		}
	}
	awaitLeaders(t, s, lost)
	if err := checkListed(client, t, lost); err != nil {
		t.Error(err)
	}
	select {
	case err := <-s.Failed():
		t.Errorf("the server ends: %v", err)
	default:
	}
	_ = s.Stop(timeout(t)) // the failed disk cannot be closed cleanly
	broken.Store(false)
	again, _ := startBroker(t, d.first+","+d.second, d.overrides()...)
	awaitLeaders(t, again, nil)
	for partition, count := range counts(t, newClient(t, again), "spread") {
		if want := map[bool]int64{true: 1, false: 2}[lost[partition]]; count != want {
			t.Errorf("partition %d has %d records, want %d", partition, count, want)
		}
	}
}

// awaitLeaders waits until exactly the partitions named have no leader.
func awaitLeaders(t *testing.T, s *Server, without map[int32]bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		wrong := 0
		topic, _ := s.controller.Image().Topic("spread")
		for i, p := range topic.Partitions {
			if (p.Leader < 0) != without[int32(i)] {
				wrong++
			}
		}
		if wrong == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("leaders: %+v, want none of %v", topic.Partitions, without)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// checkListed asks for the directories: the failed one is told with its error.
func checkListed(client *kgo.Client, t *testing.T, lost map[int32]bool) error {
	described, err := kadm.NewClient(client).DescribeAllLogDirs(timeout(t), nil)
	if err != nil {
		return err
	}
	failed := 0
	for _, dir := range described[1] {
		if dir.Err != nil {
			failed++
			if !errors.Is(dir.Err, kerr.KafkaStorageError) || len(dir.Topics) > 0 {
				return fmt.Errorf("%s: %w, %v", dir.Dir, dir.Err, dir.Topics)
			}
		}
	}
	if failed != 1 {
		return fmt.Errorf("%d directories failed, of %d; lost %v", failed, len(described[1]), lost)
	}
	return nil
}

// TestDirectoryIsGone starts without the disk of some partitions: they are offline
// and not made anew elsewhere.
func TestDirectoryIsGone(t *testing.T) {
	d := newDisks(t)
	s, _ := startBroker(t, d.first+","+d.second, d.overrides()...)
	client := newClient(t, s, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if _, err := kadm.NewClient(client).CreateTopic(timeout(t), 4, 1, nil, "spread"); err != nil {
		t.Fatal(err)
	}
	fill(t, client, "spread", 4)
	ids := map[[16]byte]string{s.storage.IDOf(d.first): d.first, s.storage.IDOf(d.second): d.second}
	awaitPlaced(t, s, "spread", ids)
	if err := s.Stop(timeout(t)); err != nil {
		t.Fatal(err)
	}
	gone := map[int32]bool{}
	for i := range int32(4) {
		_, err := os.Stat(filepath.Join(d.second, fmt.Sprintf("spread-%d", i)))
		gone[i] = err == nil
	}
	less, _ := startBroker(t, d.first, d.overrides()...)
	awaitLeaders(t, less, gone)
	if entries, _ := filepath.Glob(filepath.Join(d.first, "spread-*")); len(entries) != 2 {
		t.Errorf("the directory that is left holds %v", entries)
	}
	if err := less.Stop(timeout(t)); err != nil {
		t.Fatal(err)
	}
	again, _ := startBroker(t, d.first+","+d.second, d.overrides()...)
	awaitLeaders(t, again, nil)
	if found := counts(t, newClient(t, again), "spread"); len(found) != 4 || found[0] != 1 || found[3] != 1 {
		t.Errorf("with the disk again: %v", found)
	}
}

// TestRefusedSets starts on directories that do not belong together, and on a
// format that was cut off between two of them.
func TestRefusedSets(t *testing.T) {
	write := func(path, content string) {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name    string
		change  func(d disks)
		message string
	}{
		{"one is empty", func(d disks) { os.RemoveAll(d.second) }, "no meta.properties"},
		{"another cluster", func(d disks) {
			write(filepath.Join(d.second, "meta.properties"), "version=1\nnode.id=1\ncluster.id=4L6g3nShT-eMCtK--X86sw\n")
		}, "the cluster 4L6g3nShT-eMCtK--X86sw"},
		{"another node", func(d disks) {
			write(filepath.Join(d.second, "meta.properties"), "version=1\nnode.id=7\ncluster.id=4L6g3nShT-eMCtK--X86sw\n")
		}, "node.id 7"},
		{"metadata in the wrong place", func(d disks) { write(filepath.Join(d.second, metadataDirectory, "quorum-state"), "{}") }, metadataDirectory},
		{"the same directory twice", func(d disks) {
			content, _ := os.ReadFile(filepath.Join(d.first, "meta.properties"))
			write(filepath.Join(d.second, "meta.properties"), string(content))
		}, "the same directory.id"},
		{"no metadata, but partitions", func(d disks) {
			os.RemoveAll(d.metadata)
			write(filepath.Join(d.second, "topic-0", "00000000000000000000.log"), "")
		}, "holds partitions"},
	} {
		d := newDisks(t)
		if _, err := prepareHome(vfs.OS{}, settings(t, d.first+","+d.second, d.overrides()...), nil); err != nil {
			t.Fatal(err)
		}
		test.change(d)
		before := snapshot(t, d.root)
		_, err := prepareHome(vfs.OS{}, settings(t, d.first+","+d.second, d.overrides()...), nil)
		if err == nil || !strings.Contains(err.Error(), test.message) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", test.name, err)
		}
		if after := snapshot(t, d.root); len(after) != len(before) {
			t.Errorf("%s: %d files were there, %d are", test.name, len(before), len(after))
		}
	}
	d := newDisks(t)
	first, err := prepareHome(vfs.OS{}, settings(t, d.first+","+d.second, d.overrides()...), nil)
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(d.metadata, "meta.properties"))
	os.Remove(filepath.Join(d.first, "meta.properties"))
	second, err := prepareHome(vfs.OS{}, settings(t, d.first+","+d.second, d.overrides()...), nil)
	if err != nil || second.clusterID != first.clusterID || !second.formatted {
		t.Errorf("after a format that was cut off: %+v, %v", second, err)
	}
}
