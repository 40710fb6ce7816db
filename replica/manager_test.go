package replica

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/metadata"
	"ottla/protocol/record"
	"ottla/storage"
	"ottla/storage/vfs"
)

// world is a Manager on logs in memory, and the image that it follows.
type world struct {
	t        *testing.T
	disk     vfs.FS
	dir      string
	fault    func(vfs.Op) error
	storage  *storage.Manager
	manager  *Manager
	image    *metadata.Image
	configs  map[string]func(*TopicConfig)
	computed atomic.Int64
	offset   int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	disk := vfs.NewMemory()
	if err := disk.Mkdir("/data"); err != nil {
		t.Fatal(err)
	}
	return newWorldOn(t, disk, "/data")
}

func newWorldOn(t *testing.T, disk vfs.FS, dir string) *world {
	t.Helper()
	w := &world{t: t, disk: disk, dir: dir, image: metadata.NewImage("cluster"), configs: map[string]func(*TopicConfig){}}
	properties := storage.MetaProperties{Version: 1, NodeID: 1, ClusterID: "cluster", DirectoryID: [16]byte{9}}
	if err := storage.WriteMetaProperties(disk, dir, properties); err != nil {
		t.Fatal(err)
	}
	w.start()
	t.Cleanup(w.stop)
	return w
}

// start opens the directory and applies the image, as a start of the broker does.
func (w *world) start() {
	w.t.Helper()
	disk := w.disk
	if _, memory := disk.(*vfs.Memory); memory {
		disk = vfs.NewFault(disk, func(op vfs.Op) error {
			if w.fault == nil {
				return nil
			}
			return w.fault(op)
		})
	}
	logs, err := storage.Open(context.Background(), storage.Options{FS: disk, Directories: []string{w.dir}, NodeID: 1})
	if err != nil {
		w.t.Fatal(err)
	}
	w.storage = logs
	w.manager = New(Options{Storage: logs, NodeID: 1, TopicConfig: func(topic string, _ *metadata.Image) TopicConfig {
		w.computed.Add(1)
		config := TopicConfig{Log: storage.DefaultLogConfig(), Rules: record.DefaultRules(), MinInSyncReplicas: 1}
		config.Log.SegmentIndexBytes = 4096
		if change := w.configs[topic]; change != nil {
			change(&config)
		}
		return config
	}})
	if err := w.manager.Apply(nil, w.image); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) stop() {
	// A directory that failed cannot be stopped cleanly.
	if err := w.storage.Close(context.Background()); err != nil && w.fault == nil {
		w.t.Error(err)
	}
}

func (w *world) apply(records ...metadata.Record) error {
	w.t.Helper()
	delta := metadata.NewDelta(w.image)
	for _, r := range records {
		if err := delta.Replay(r); err != nil {
			w.t.Fatal(err)
		}
	}
	w.offset += int64(len(records))
	w.image = delta.Apply(w.offset, 1)
	return w.manager.Apply(delta, w.image)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func topicID(n byte) [16]byte { return [16]byte{7, n} }

func newTopic(name string, n byte, partitions int32) []metadata.Record {
	records := []metadata.Record{&metadata.TopicRecord{Name: name, TopicID: topicID(n)}}
	for i := range partitions {
		records = append(records, newPartition(n, i, 1))
	}
	return records
}

func newPartition(n byte, index int32, replicas ...int32) *metadata.PartitionRecord {
	p := metadata.NewPartitionRecord()
	p.PartitionID, p.TopicID, p.Replicas, p.ISR = index, topicID(n), replicas, replicas
	p.Leader, p.LeaderEpoch, p.PartitionEpoch = replicas[0], 0, 0
	for range replicas {
		p.Directories = append(p.Directories, [16]byte{9})
	}
	return p
}

// lead begins a new leader epoch.
func lead(n byte, index, leader int32) *metadata.PartitionChangeRecord {
	change := metadata.NewPartitionChangeRecord()
	change.TopicID, change.PartitionID, change.Leader = topicID(n), index, leader
	return change
}

// batch is one record from a client.
func batch(value string) []byte {
	builder := record.NewBuilder(record.BuilderOptions{ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1})
	builder.Append(time.Now().UnixMilli(), []byte("k"), []byte(value))
	return builder.Build()
}

func (w *world) partition(topic string, index int32) *Partition {
	w.t.Helper()
	p, failure := w.manager.Partition(topic, index)
	if failure != nil {
		w.t.Fatal(failure)
	}
	return p
}

func (w *world) append(p *Partition, value string) AppendInfo {
	w.t.Helper()
	info, err := p.Append(batch(value), AppendRequest{Acks: AcksAll, LeaderEpoch: NoLeaderEpoch})
	w.must(err)
	return info
}

func TestTopicsComeAndGo(t *testing.T) {
	w := newWorld(t)
	w.must(w.apply(newTopic("a", 1, 2)...))
	first := w.partition("a", 1)
	if again, failure := w.manager.PartitionByID(topicID(1), 1); again != first || failure != nil {
		t.Error("the id leads elsewhere than the name")
	}
	for _, index := range []int32{-1, 2, 1 << 30} {
		if _, failure := w.manager.Partition("a", index); failure != kerr.UnknownTopicOrPartition {
			t.Errorf("partition %d: %v", index, failure)
		}
	}
	if _, failure := w.manager.PartitionByID(topicID(2), 0); failure != kerr.UnknownTopicID {
		t.Error(failure)
	}
	w.append(first, "x")
	// More partitions: the old handle stays.
	w.must(w.apply(newPartition(1, 2, 1)))
	if w.partition("a", 1) != first || w.partition("a", 2).Log() == nil {
		t.Error("more partitions change the others")
	}
	// Deleted and made again in one step: another topic.
	w.must(w.apply(append([]metadata.Record{&metadata.RemoveTopicRecord{TopicID: topicID(1)}}, newTopic("a", 2, 1)...)...))
	if !first.Deleted() {
		t.Error("the handle of the deleted topic is not deleted")
	}
	if _, err := first.Append(batch("x"), AppendRequest{LeaderEpoch: NoLeaderEpoch}); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Error(err)
	}
	var result ReadResult
	if err := first.Read(&ReadRequest{LeaderEpoch: NoLeaderEpoch, LastFetchedEpoch: NoLeaderEpoch}, &result); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Error(err)
	}
	if second := w.partition("a", 0); second.LogEndOffset() != 0 || second.TopicID() != topicID(2) {
		t.Error("the new topic begins with the old one's records")
	}
	if _, failure := w.manager.PartitionByID(topicID(1), 0); failure != kerr.UnknownTopicID {
		t.Error(failure)
	}
}

func TestALogOutlivesTheProcess(t *testing.T) {
	w := newWorld(t)
	w.must(w.apply(newTopic("a", 1, 1)...))
	w.append(w.partition("a", 0), "x")
	w.must(w.apply(newTopic("gone", 2, 1)...))
	w.stop()
	// While the process is away, one topic is deleted and an epoch begins.
	delta := metadata.NewDelta(w.image)
	w.must(delta.Replay(&metadata.RemoveTopicRecord{TopicID: topicID(2)}))
	w.must(delta.Replay(lead(1, 0, 1)))
	w.image = delta.Apply(w.offset+2, 2)
	w.start()
	p := w.partition("a", 0)
	if p.HighWatermark() != 1 || p.LogEndOffset() != 1 || p.LeaderEpoch() != 1 {
		t.Errorf("high watermark %d, end %d, epoch %d", p.HighWatermark(), p.LogEndOffset(), p.LeaderEpoch())
	}
	w.append(p, "y")
	for epoch, want := range map[int32]storage.EpochEnd{0: {Epoch: 0, EndOffset: 1}, 1: {Epoch: 1, EndOffset: 2}} {
		if end, err := p.EndOffsetForEpoch(NoLeaderEpoch, epoch); err != nil || end != want {
			t.Errorf("epoch %d ends at %+v, %v", epoch, end, err)
		}
	}
	if _, ok := w.storage.Log(storage.TopicPartition{Topic: "gone"}); ok {
		t.Error("a log that the metadata does not know is still served")
	}
}

func TestLeaderEpochsAreChecked(t *testing.T) {
	w := newWorld(t)
	w.must(w.apply(newTopic("a", 1, 1)...))
	p := w.partition("a", 0)
	w.must(w.apply(lead(1, 0, 1)))
	w.append(p, "x")
	for epoch, want := range map[int32]error{-1: nil, 0: kerr.FencedLeaderEpoch, 1: nil, 2: kerr.UnknownLeaderEpoch} {
		var result ReadResult
		if err := p.Read(&ReadRequest{LeaderEpoch: epoch, LastFetchedEpoch: -1, MaxBytes: 100}, &result); !errors.Is(err, want) {
			t.Errorf("read in epoch %d: %v", epoch, err)
		}
		result.Region.Release()
		if _, err := p.Append(batch("y"), AppendRequest{LeaderEpoch: epoch}); !errors.Is(err, want) {
			t.Errorf("append in epoch %d: %v", epoch, err)
		}
		if _, err := p.EndOffsetForEpoch(epoch, 0); !errors.Is(err, want) {
			t.Errorf("epoch end in epoch %d: %v", epoch, err)
		}
		if _, err := p.OffsetAt(TimestampLatest, ReadUncommitted, epoch, true); !errors.Is(err, want) {
			t.Errorf("offset in epoch %d: %v", epoch, err)
		}
	}
	// Someone else leads.
	w.must(w.apply(lead(1, 0, 2)))
	if _, err := p.Append(batch("y"), AppendRequest{LeaderEpoch: NoLeaderEpoch}); !errors.Is(err, kerr.NotLeaderForPartition) {
		t.Error(err)
	}
	if leader, epoch := p.Leader(); leader != 2 || epoch != 2 {
		t.Errorf("leader %d in epoch %d", leader, epoch)
	}
	if _, err := p.OffsetAt(TimestampLatest, ReadLogEnd, NoLeaderEpoch, false); err != nil {
		t.Errorf("a debugger reads a follower's log: %v", err)
	}
}

func TestAcksAllNeedsTheISR(t *testing.T) {
	w := newWorld(t)
	w.configs["a"] = func(c *TopicConfig) { c.MinInSyncReplicas = 2 }
	w.must(w.apply(&metadata.TopicRecord{Name: "a", TopicID: topicID(1)}, newPartition(1, 0, 1), newPartition(1, 1, 1, 2)))
	// With one replica more cannot be asked for than there are.
	if _, err := w.partition("a", 0).Append(batch("x"), AppendRequest{Acks: AcksAll, LeaderEpoch: -1}); err != nil {
		t.Error(err)
	}
	shrink := metadata.NewPartitionChangeRecord()
	shrink.TopicID, shrink.PartitionID, shrink.ISR = topicID(1), 1, []int32{1}
	w.must(w.apply(shrink))
	p := w.partition("a", 1)
	if _, err := p.Append(batch("x"), AppendRequest{Acks: AcksAll, LeaderEpoch: -1}); !errors.Is(err, kerr.NotEnoughReplicas) {
		t.Error(err)
	}
	if _, err := p.Append(batch("x"), AppendRequest{Acks: 1, LeaderEpoch: -1}); err != nil {
		t.Error(err)
	}
}

func TestConfigurationsAreWorkedOutOnce(t *testing.T) {
	w := newWorld(t)
	w.must(w.apply(newTopic("a", 1, 3)...))
	w.must(w.apply(newTopic("b", 2, 1)...))
	for range 5 {
		w.append(w.partition("a", 0), "x")
	}
	if w.computed.Load() != 2 {
		t.Errorf("worked out %d times for two topics", w.computed.Load())
	}
	w.configs["a"] = func(c *TopicConfig) { c.Log.RetentionMs = 5 }
	w.must(w.apply(&metadata.ConfigRecord{ResourceType: metadata.ResourceTopic, ResourceName: "a", Name: "retention.ms"}))
	for i := range int32(3) {
		p := w.partition("a", i)
		if p.Config().Log.RetentionMs != 5 || p.Log().Config().RetentionMs != 5 {
			t.Errorf("partition %d keeps the old configuration", i)
		}
	}
	if w.computed.Load() != 3 {
		t.Errorf("worked out %d times after one change", w.computed.Load())
	}
	w.configs["b"] = func(c *TopicConfig) { c.Log.RetentionMs = 6 }
	w.must(w.apply(&metadata.ConfigRecord{ResourceType: metadata.ResourceBroker, ResourceName: "", Name: "log.retention.ms"}))
	if w.partition("b", 0).Config().Log.RetentionMs != 6 || w.computed.Load() != 5 {
		t.Errorf("a change of the broker is in all topics: worked out %d times", w.computed.Load())
	}
}

// TestAFlushComesBeforeTheCommit holds an fsync back: meanwhile nothing is
// committed, and the high watermark moves once it is done.
func TestAFlushComesBeforeTheCommit(t *testing.T) {
	w := newWorld(t)
	w.configs["a"] = func(c *TopicConfig) { c.Log.FlushMessages = 1 }
	w.must(w.apply(newTopic("a", 1, 1)...))
	p := w.partition("a", 0)
	info, err := p.Append(batch("x"), AppendRequest{Acks: AcksAll, LeaderEpoch: -1, DeferFlush: true})
	w.must(err)
	if p.HighWatermark() != 0 || p.LogEndOffset() != 1 {
		t.Errorf("high watermark %d, end %d before the flush", p.HighWatermark(), p.LogEndOffset())
	}
	w.must(p.Commit(context.Background(), info, AcksAll, 0))
	if p.HighWatermark() != 1 || p.Log().RecoveryPoint() != 1 {
		t.Errorf("high watermark %d, recovery point %d after the flush", p.HighWatermark(), p.Log().RecoveryPoint())
	}
	w.append(p, "y")
	if p.HighWatermark() != 2 || p.Log().RecoveryPoint() != 2 {
		t.Error("without DeferFlush, Append flushes")
	}
}

// TestAFailedFlushCommitsNothing has the disk fail at the fsync.
func TestAFailedFlushCommitsNothing(t *testing.T) {
	w := newWorld(t)
	w.configs["a"] = func(c *TopicConfig) { c.Log.FlushMessages = 1 }
	w.must(w.apply(newTopic("a", 1, 1)...))
	p := w.partition("a", 0)
	w.append(p, "x")
	w.fault = func(op vfs.Op) error {
		if op.Kind == vfs.OpSync {
			return errors.New("input/output error")
		}
		return nil
	}
	_, err := p.Append(batch("y"), AppendRequest{Acks: 1, LeaderEpoch: -1})
	if ErrorOf(err) != kerr.KafkaStorageError {
		t.Errorf("%v is %v", err, ErrorOf(err))
	}
	if p.HighWatermark() != 1 {
		t.Errorf("high watermark %d", p.HighWatermark())
	}
	if _, err := p.Append(batch("z"), AppendRequest{Acks: 1, LeaderEpoch: -1}); ErrorOf(err) != kerr.KafkaStorageError {
		t.Errorf("an append after that: %v", err)
	}
}

func TestCommitWaitsForTheHighWatermark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.must(w.apply(newTopic("a", 1, 1)...))
		p := w.partition("a", 0)
		ahead := AppendInfo{LastOffset: 1}
		start := time.Now()
		if err := p.Commit(t.Context(), ahead, AcksAll, time.Second); !errors.Is(err, kerr.RequestTimedOut) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		w.must(p.Commit(t.Context(), ahead, 1, 0))
		done := make(chan error)
		go func() { done <- p.Commit(t.Context(), ahead, AcksAll, time.Hour) }()
		for range 2 {
			synctest.Wait()
			w.append(p, "x")
		}
		w.must(<-done)
		go func() { done <- p.Commit(t.Context(), AppendInfo{LastOffset: 9}, AcksAll, time.Hour) }()
		synctest.Wait()
		w.must(w.apply(&metadata.RemoveTopicRecord{TopicID: topicID(1)}))
		if err := <-done; !errors.Is(err, kerr.UnknownTopicOrPartition) {
			t.Errorf("%v after the topic was deleted", err)
		}
	})
}

func TestPartitionsWithoutALogHere(t *testing.T) {
	w := newWorld(t)
	w.must(w.apply(&metadata.TopicRecord{Name: "a", TopicID: topicID(1)}, newPartition(1, 0, 2), newPartition(1, 1, 1)))
	p := w.partition("a", 0)
	if _, err := p.Append(batch("x"), AppendRequest{LeaderEpoch: -1}); !errors.Is(err, kerr.NotLeaderForPartition) {
		t.Error(err)
	}
	if p.LogStartOffset() != -1 || p.LogEndOffset() != -1 || p.LastStableOffset() != -1 || p.Bound(ReadUncommitted) != -1 {
		t.Error("a partition without a log has offsets")
	}
}

func TestErrorsHaveAnswers(t *testing.T) {
	for _, known := range diskErrors() {
		wrapped := errors.Join(errors.New("append"), known.condition)
		if ErrorOf(wrapped) != known.answer {
			t.Errorf("%v is %v", known.condition, ErrorOf(wrapped))
		}
	}
	if ErrorOf(nil) != nil || ErrorOf(errors.New("?")) != kerr.KafkaStorageError || ErrorOf(kerr.NotEnoughReplicas) != kerr.NotEnoughReplicas {
		t.Error("an error has another answer")
	}
	if ErrorOf(&record.InvalidError{Err: kerr.InvalidTimestamp}) != kerr.InvalidTimestamp {
		t.Error("an invalid record has another answer")
	}
}
