package replica

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"ottla/metadata"
	"ottla/protocol/record"
	"ottla/storage"
	"ottla/storage/vfs"
	"runtime/debug"
)

// TestReadersSeeWhatIsCommitted appends, reads, waits and changes roles at once. What
// a reader sees is whole, in order and below the high watermark, and the offsets
// keep their order at any time.
func TestReadersSeeWhatIsCommitted(t *testing.T) {
	const writers, each, partitions = 3, 100, 2
	w := newWorld(t)
	w.must(w.apply(newTopic("a", 1, partitions)...))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var group sync.WaitGroup
	for n := range writers {
		group.Go(func() {
			for i := range each {
				p := w.partition("a", int32(i%partitions))
				for {
					_, err := p.Append(batch(fmt.Sprintf("%d/%d", n, i)), AppendRequest{Acks: AcksAll, LeaderEpoch: -1})
					if err == nil {
						break
					}
					// Between two epochs nobody leads.
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	for index := range int32(partitions) {
		group.Go(func() { readAll(ctx, t, w.partition("a", index), writers*each/partitions) })
	}
	group.Go(func() {
		for range 20 {
			for index := range int32(partitions) {
				w.must(w.apply(lead(1, index, -1)))
				w.must(w.apply(lead(1, index, 1)))
			}
			time.Sleep(time.Millisecond)
		}
	})
	group.Wait()
}

// readAll polls from the start until it has total records, each writer's in order.
func readAll(ctx context.Context, t *testing.T, p *Partition, total int64) {
	waiter := NewWaiter()
	var registration Registration
	defer registration.Cancel()
	last := map[string]int{}
	for offset := int64(0); offset < total; {
		waiter.Arm(1)
		waiter.Register(&registration, p)
		var result ReadResult
		err := p.Read(&ReadRequest{Offset: offset, MaxBytes: 1 << 20, MinOneMessage: true, LeaderEpoch: -1, LastFetchedEpoch: -1}, &result)
		if err != nil || result.Region.Len() == 0 {
			if !waiter.Sleep(ctx, time.Until(deadlineOf(ctx)), 0) {
				t.Errorf("partition %d: nothing after offset %d of %d", p.Index(), offset, total)
				return
			}
			continue
		}
		if result.LogStartOffset > result.LastStableOffset || result.LastStableOffset > result.HighWatermark {
			t.Errorf("offsets %d, %d, %d", result.LogStartOffset, result.LastStableOffset, result.HighWatermark)
		}
		bytes := make([]byte, result.Region.Len())
		if err := result.Region.ReadAll(bytes); err != nil {
			t.Error(err)
			return
		}
		result.Region.Release()
		offset = check(t, bytes, offset, result.HighWatermark, last)
	}
}

func deadlineOf(ctx context.Context) time.Time {
	deadline, _ := ctx.Deadline()
	return deadline
}

func check(t *testing.T, bytes []byte, offset, highWatermark int64, last map[string]int) int64 {
	for rest := bytes; len(rest) > 0; {
		b, next, err := record.Next(rest)
		if err != nil {
			t.Fatal(err)
		}
		rest = next
		if b.BaseOffset() != offset || b.LastOffset() >= highWatermark || !b.CheckCRC() {
			t.Errorf("batch at %d with high watermark %d where %d was expected", b.BaseOffset(), highWatermark, offset)
		}
		offset = b.NextOffset()
		for r, err := range b.Records(record.Limits{}) {
			var writer, n int
			if _, scan := fmt.Sscanf(string(r.Value), "%d/%d", &writer, &n); err != nil || scan != nil {
				t.Fatal(err, scan)
			}
			key := fmt.Sprint(writer)
			if before, ok := last[key]; ok && n <= before {
				t.Errorf("writer %d: record %d after %d", writer, n, before)
			}
			last[key] = n
		}
	}
	return offset
}

func TestAppendsAllocateNothing(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the pools
	w := newWorldOn(t, vfs.OS{}, t.TempDir())
	w.must(w.apply(newTopic("a", 1, 1)...))
	p := w.partition("a", 0)
	bytes := batch("x")
	request := AppendRequest{Acks: AcksAll, LeaderEpoch: -1, DeferFlush: true}
	waiter := NewWaiter()
	var registration Registration
	w.append(p, "first")
	allocations := testing.AllocsPerRun(500, func() {
		waiter.Arm(1)
		waiter.Register(&registration, p)
		// A client's batch has base offset 0; the log set the offset in place.
		record.Batch(bytes).SetBaseOffset(0)
		info, err := p.Append(bytes, request)
		if err == nil {
			err = p.Commit(context.Background(), info, AcksAll, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	if allocations != 0 {
		t.Errorf("an append allocates %v times", allocations)
	}
}

func TestReadsAtTheEndAllocateNothing(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the pools
	w := newWorld(t)
	w.must(w.apply(newTopic("a", 1, 1)...))
	p := w.partition("a", 0)
	w.append(p, "x")
	var result ReadResult
	for _, offset := range []int64{0, 1} {
		request := ReadRequest{Offset: offset, MaxBytes: 1000, LeaderEpoch: -1, LastFetchedEpoch: -1}
		allocations := testing.AllocsPerRun(100, func() {
			if err := p.Read(&request, &result); err != nil {
				t.Fatal(err)
			}
			result.Region.Release()
		})
		if allocations != 0 {
			t.Errorf("a read at %d allocates %v times", offset, allocations)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	w := newWorldOn(&testing.T{}, vfs.OS{}, b.TempDir())
	w.must(w.apply(newTopic("a", 1, 1)...))
	p := w.partition("a", 0)
	bytes := batch(string(make([]byte, 1000)))
	b.SetBytes(int64(len(bytes)))
	b.ReportAllocs()
	for b.Loop() {
		record.Batch(bytes).SetBaseOffset(0)
		if _, err := p.Append(bytes, AppendRequest{Acks: 1, LeaderEpoch: -1}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadAtTheEnd(b *testing.B) {
	w := newWorld(&testing.T{})
	w.must(w.apply(newTopic("a", 1, 1)...))
	p := w.partition("a", 0)
	var result ReadResult
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Read(&ReadRequest{LeaderEpoch: -1, LastFetchedEpoch: -1}, &result); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkApply creates topics one by one, which must stay linear.
func BenchmarkApply(b *testing.B) {
	w := newWorld(&testing.T{})
	n := 0
	for b.Loop() {
		n++
		id := [16]byte{8, byte(n >> 16), byte(n >> 8), byte(n)}
		p := metadata.NewPartitionRecord()
		p.TopicID, p.Replicas, p.ISR, p.Leader, p.LeaderEpoch, p.PartitionEpoch, p.Directories = id, []int32{2}, []int32{2}, 2, 0, 0, [][16]byte{{9}}
		p.PartitionID = 0
		w.must(w.apply(&metadata.TopicRecord{Name: fmt.Sprint("t", n), TopicID: id}, p))
	}
}

// BenchmarkCreate makes a topic of many partitions on a real disk.
func BenchmarkCreate(b *testing.B) {
	w := newWorldOn(&testing.T{}, vfs.OS{}, b.TempDir())
	n := byte(0)
	for b.Loop() {
		n++
		w.must(w.apply(newTopic(fmt.Sprint("t", n), n, 200)...))
	}
}

// TestAbortedTransactionsOfWhatIsRead makes more aborted transactions than are
// named at once, and reads a few batches at a time: each answer names all that it
// holds and not many more.
func TestAbortedTransactionsOfWhatIsRead(t *testing.T) {
	const transactions = 200
	w := newWorld(t)
	w.must(w.apply(newTopic("a", 1, 1)...))
	p := w.partition("a", 0)
	for n := range int64(transactions) {
		builder := record.NewBuilder(record.BuilderOptions{ProducerID: n, Transactional: true})
		builder.Append(time.Now().UnixMilli(), nil, []byte("x"))
		_, err := p.Append(builder.Build(), AppendRequest{LeaderEpoch: -1})
		w.must(err)
		marker := record.EndTxnBatch(time.Now().UnixMilli(), n, 0, false, record.EndTxnMarker{})
		_, err = p.Append(marker, AppendRequest{LeaderEpoch: -1, Origin: storage.OriginCoordinator})
		w.must(err)
	}
	for offset := int64(0); offset < 2*transactions; {
		var result ReadResult
		w.must(p.Read(&ReadRequest{Offset: offset, MaxBytes: 1500, MinOneMessage: true, Isolation: ReadCommitted, LeaderEpoch: -1, LastFetchedEpoch: -1}, &result))
		bytes := make([]byte, result.Region.Len())
		w.must(result.Region.ReadAll(bytes))
		result.Region.Release()
		named := map[int64]bool{}
		for _, aborted := range result.Aborted {
			named[aborted.ProducerID] = true
		}
		if len(named) > fewAborted {
			t.Fatalf("at offset %d %d transactions are named", offset, len(named))
		}
		for rest := bytes; ; {
			b, next, err := record.Next(rest)
			if err != nil {
				break
			}
			if rest = next; b.IsTransactional() && !b.IsControl() && !named[b.ProducerID()] {
				t.Fatalf("at offset %d transaction %d is not named", b.BaseOffset(), b.ProducerID())
			}
			offset = b.NextOffset()
		}
	}
}
