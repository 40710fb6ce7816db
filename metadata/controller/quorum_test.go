package controller

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"ottla/metadata/quorum"
	"ottla/storage/vfs"
)

// openQuorum opens the metadata log of a directory, formatting it first.
func openQuorum(t testing.TB, fsys vfs.FS, directory string) *quorum.Quorum {
	t.Helper()
	directoryID := [16]byte{15: 77}
	endpoints := []quorum.Endpoint{{Name: "CONTROLLER", Host: "host", Port: 9093}}
	inspection, err := quorum.Inspect(fsys, directory, 1, "cluster")
	if err != nil {
		t.Fatal(err)
	}
	if !inspection.Formatted {
		err := quorum.Format(fsys, directory, quorum.FormatOptions{NodeID: 1, ClusterID: "cluster", DirectoryID: directoryID, Endpoints: endpoints})
		if err != nil {
			t.Fatal(err)
		}
	}
	q, err := quorum.Open(context.Background(), quorum.Options{FS: fsys, Directory: directory, NodeID: 1, ClusterID: "cluster",
		DirectoryID: directoryID, Endpoints: endpoints, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// TestOnDisk runs lives of a node on a real log: what was answered is there in
// the next life, clean stop or not, and a broker's epoch is where its record is.
func TestOnDisk(t *testing.T) {
	fsys, directory := vfs.NewMemory(), "data"
	if err := fsys.Mkdir(directory); err != nil {
		t.Fatal(err)
	}
	const lives, creators, each = 4, 4, 5
	previous, wantIDs := int64(-1), int64(0)
	for life := range lives {
		q := openQuorum(t, fsys, directory)
		options := testOptions(q)
		options.NewTopicID = nil
		c := New(options)
		if got, want := c.Image().TopicCount(), life*creators*each; got != want {
			t.Fatalf("life %d begins with %d topics, want %d", life, got, want)
		}
		if got := c.Image().NextProducerID(); got != wantIDs {
			t.Fatalf("life %d begins with producer id %d, want %d", life, got, wantIDs)
		}
		ctx := context.Background()
		epoch, err := c.RegisterBroker(ctx, testRegistration(byte(life), previous))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Image().Offset(); got != epoch {
			t.Fatalf("epoch %d, but its record is at %d", epoch, got)
		}
		if err := c.Unfence(ctx); err != nil {
			t.Fatal(err)
		}
		createMany(t, c, life, creators, each)
		if _, _, err := c.AllocateProducerIDs(ctx); err != nil {
			t.Fatal(err)
		}
		wantIDs += producerIDBlock
		for topic := range c.Image().Topics() {
			if p := topic.Partitions[0]; p.Leader != 1 || len(p.ISR) != 1 {
				t.Fatalf("life %d: %s: %+v", life, topic.Name, p)
			}
		}
		previous = -1
		if life%2 == 0 {
			if err := c.ControlledShutdown(ctx); err != nil {
				t.Fatal(err)
			}
			previous = epoch
		}
		c.Close()
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func createMany(t *testing.T, c *Controller, life, creators, each int) {
	t.Helper()
	var running sync.WaitGroup
	for i := range creators {
		running.Go(func() {
			for j := range each {
				response, err := c.CreateTopics(context.Background(), createNamed(fmt.Sprintf("topic.%d.%d.%d", life, i, j)))
				if err != nil || response.Topics[0].ErrorCode != 0 {
					t.Errorf("%+v %v", response, err)
				}
			}
		})
	}
	running.Wait()
}
