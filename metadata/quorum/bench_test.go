package quorum

import (
	"context"
	"fmt"
	"testing"

	"ottla/metadata"
	"ottla/storage/vfs"
)

// BenchmarkOpen is a start on the log of so many single creates.
func BenchmarkOpen(b *testing.B) {
	for _, topics := range []int{0, 10_000, 100_000} {
		b.Run(fmt.Sprint(topics), func(b *testing.B) {
			dir := b.TempDir()
			if err := Format(vfs.OS{}, dir, FormatOptions{NodeID: 1, ClusterID: testCluster, StaticVoters: true}); err != nil {
				b.Fatal(err)
			}
			options := Options{Directory: dir, NodeID: 1, ClusterID: testCluster, SnapshotBytes: 1 << 40}
			q := open(b, options)
			appendTopics(b, q, topics)
			closeQuorum(b, q)
			b.ResetTimer()
			for b.Loop() {
				closeQuorum(b, open(b, options))
			}
		})
	}
}

func appendTopics(b *testing.B, q *Quorum, topics int) {
	b.Helper()
	last := int64(-1)
	for n := range topics {
		p := metadata.NewPartitionRecord()
		t := topicRecord(n)
		p.PartitionID, p.TopicID, p.Replicas, p.ISR, p.Leader, p.Directories = 0, t.TopicID, []int32{1}, []int32{1}, 1, [][16]byte{{1}}
		var err error
		if _, last, err = q.Append([]metadata.Record{t, p}); err != nil {
			b.Fatal(err)
		}
	}
	if err := q.WaitCommitted(context.Background(), last); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkAppend is one create after the other, each committed.
func BenchmarkAppend(b *testing.B) {
	dir := b.TempDir()
	if err := Format(vfs.OS{}, dir, FormatOptions{NodeID: 1, ClusterID: testCluster, StaticVoters: true}); err != nil {
		b.Fatal(err)
	}
	q := open(b, Options{Directory: dir, NodeID: 1, ClusterID: testCluster})
	defer closeQuorum(b, q)
	n := 0
	for b.Loop() {
		n++
		_, last, err := q.Append([]metadata.Record{topicRecord(n)})
		if err != nil {
			b.Fatal(err)
		}
		if err := q.WaitCommitted(context.Background(), last); err != nil {
			b.Fatal(err)
		}
	}
}
