package api

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/protocol/record"
	"ottla/replica"
	"ottla/storage"
)

// poll is a fetch on its way.
type poll struct {
	answer chan *kmsg.FetchResponse
	failed chan error
	begun  time.Time
	took   time.Duration
}

// startPoll begins a fetch that may have to wait.
func (b *dataBroker) startPoll(ctx context.Context, request *kmsg.FetchRequest) *poll {
	p := &poll{answer: make(chan *kmsg.FetchResponse, 1), failed: make(chan error, 1), begun: time.Now()}
	reply := b.begin(request)
	go func() {
		response, err := reply(ctx)
		p.took = time.Since(p.begun)
		if err != nil {
			p.failed <- err
			return
		}
		p.answer <- response.(*kmsg.FetchResponse)
	}()
	return p
}

func waiting(version int16, maxWait, minBytes int32, partitions ...fetched) *kmsg.FetchRequest {
	return fetchVersion(version, func(r *kmsg.FetchRequest) { r.MaxWaitMillis, r.MinBytes = maxWait, minBytes }, partitions...)
}

// bytesOf is how many bytes of records each partition of an answer has.
func bytesOf(response *kmsg.FetchResponse) []int {
	var sizes []int
	for _, topic := range response.Topics {
		for _, p := range topic.Partitions {
			sizes = append(sizes, len(p.RecordBatches))
		}
	}
	return sizes
}

func TestFetchWaitsForMinBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newDataBroker(t)
		b.create("plain", 3, nil)
		batch := values("a").bytes()
		size := int32(len(batch))
		p := b.startPoll(t.Context(), waiting(12, 60000, 2*size+1, fetched{"plain", 0, 0}, fetched{"plain", 1, 0}, fetched{"plain", 2, 0}))
		for i := range int32(3) {
			time.Sleep(time.Second)
			synctest.Wait()
			if len(p.answer) != 0 {
				t.Fatalf("answered with %d batches", i)
			}
			b.write("plain", i, values("a").bytes())
		}
		synctest.Wait()
		if got := bytesOf(<-p.answer); len(got) != 3 || got[0] != int(size) || got[1] != int(size) || got[2] != int(size) {
			t.Errorf("the answer has %v bytes", got)
		}
		if p.took != 3*time.Second {
			t.Errorf("answered after %v", p.took)
		}
	})
}

func TestFetchWaitsAtMostMaxWait(t *testing.T) {
	for _, test := range []struct {
		wait int32
		want time.Duration
	}{{-1, 0}, {0, 0}, {250, 250 * time.Millisecond}, {1<<31 - 1, longestFetchWait}} {
		synctest.Test(t, func(t *testing.T) {
			b := newDataBroker(t)
			b.create("plain", 1, nil)
			b.write("plain", 0, values("a").bytes())
			p := b.startPoll(t.Context(), waiting(12, test.wait, 1<<30, fetched{"plain", 0, 0}))
			// 117: what is there is answered once the time is over.
			if got := bytesOf(<-p.answer); len(got) != 1 || got[0] == 0 {
				t.Errorf("the answer has %v bytes", got)
			}
			if p.took != test.want {
				t.Errorf("max wait %d: answered after %v", test.wait, p.took)
			}
		})
	}
}

// TestFetchEndsEarly lists what does not let a fetch wait.
func TestFetchEndsEarly(t *testing.T) {
	tests := map[string]struct {
		request  *kmsg.FetchRequest
		meantime func(b *dataBroker, id [16]byte)
		code     int16
		after    time.Duration
	}{
		"min bytes 0":            {request: waiting(12, 5000, 0, fetched{"plain", 0, 0})},
		"nothing is asked for":   {request: waiting(12, 5000, 1)},
		"nothing is known":       {request: waiting(12, 5000, 1, fetched{"not-there", 0, 0}), code: 3},
		"out of range":           {request: waiting(12, 5000, 1, fetched{"plain", 0, 7}), code: 1},
		"116 min bytes negative": {request: waiting(12, 5000, -5, fetched{"plain", 0, 0})},
		"deleted meanwhile": {
			request: waiting(12, 5000, 1, fetched{"plain", 0, 0}), code: 3, after: time.Second,
			meantime: func(b *dataBroker, id [16]byte) { b.remove(id) },
		},
		"another leader meanwhile": {
			request: waiting(12, 5000, 1, fetched{"plain", 0, 0}), code: 6, after: time.Second,
			meantime: func(b *dataBroker, id [16]byte) { b.elect(id, 0, -1) },
		},
		"a new epoch meanwhile, another is fetched in": {
			request: fetchVersion(12, func(r *kmsg.FetchRequest) {
				r.MaxWaitMillis, r.Topics[0].Partitions[0].CurrentLeaderEpoch = 5000, 0
			}, fetched{"plain", 0, 0}),
			code: 74, after: time.Second,
			meantime: func(b *dataBroker, id [16]byte) { b.elect(id, 0, 1) },
		},
		"a new epoch meanwhile": {
			request: waiting(12, 5000, 1, fetched{"plain", 0, 0}), after: 5 * time.Second,
			meantime: func(b *dataBroker, id [16]byte) { b.elect(id, 0, 1) },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newDataBroker(t)
				id := b.create("plain", 1, nil)
				p := b.startPoll(t.Context(), test.request)
				if test.meantime != nil {
					time.Sleep(time.Second)
					test.meantime(b, id)
				}
				response := <-p.answer
				if p.took != test.after {
					t.Errorf("answered after %v", p.took)
				}
				if test.code != 0 && response.Topics[0].Partitions[0].ErrorCode != test.code {
					t.Errorf("code %d, want %d", response.Topics[0].Partitions[0].ErrorCode, test.code)
				}
			})
		})
	}
}

func TestFetchEndsWithItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newDataBroker(t)
		b.create("plain", 1, nil)
		ctx, cancel := context.WithCancel(t.Context())
		p := b.startPoll(ctx, waiting(12, 1<<31-1, 1, fetched{"plain", 0, 0}))
		time.Sleep(time.Second)
		cancel()
		if err := <-p.failed; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		// The next append finds nobody who waits, and no region is held.
		b.write("plain", 0, values("a").bytes())
	})
}

// TestFetchInSessionWaitsAgain polls in one session, whose registrations stay in
// place from one fetch to the next.
func TestFetchInSessionWaitsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newDataBroker(t)
		b.create("plain", 2, nil)
		first, err := b.ask(fetchVersion(12, inSessionOf(0, 0), fetched{"plain", 0, 0}, fetched{"plain", 1, 0}))
		if err != nil {
			t.Fatal(err)
		}
		session := first.(*kmsg.FetchResponse).SessionID
		for epoch := int32(1); epoch < 6; epoch++ {
			partition := epoch % 2
			p := b.startPoll(t.Context(), fetchVersion(12, func(r *kmsg.FetchRequest) {
				inSessionOf(session, epoch)(r)
				r.MaxWaitMillis = 10000
			}, fetched{"plain", 0, int64((epoch - 1) / 2)}, fetched{"plain", 1, int64(epoch / 2)}))
			time.Sleep(time.Second)
			synctest.Wait()
			b.write("plain", partition, values("a").bytes())
			response := <-p.answer
			if len(response.Topics) != 1 || len(response.Topics[0].Partitions) != 1 || response.Topics[0].Partitions[0].Partition != partition {
				t.Fatalf("epoch %d: %+v", epoch, response.Topics)
			}
			if p.took != time.Second {
				t.Fatalf("epoch %d: answered after %v", epoch, p.took)
			}
		}
	})
}

// TestFetchCommitted follows two transactions: what is open is not read, and does
// not end a wait; what was aborted is named.
func TestFetchCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newDataBroker(t)
		b.create("plain", 1, nil)
		partition, _ := b.replicas.Partition("plain", 0)
		add := func(origin storage.Origin, batch []byte) {
			t.Helper()
			if _, err := partition.Append(batch, replica.AppendRequest{Acks: replica.AcksAll, LeaderEpoch: -1, Origin: origin}); err != nil {
				t.Fatal(err)
			}
		}
		open := func(producer int64) {
			add(storage.OriginClient, values("t").idempotent(producer, 0, 0).with(func(b *testBatch) { b.attributes = 0x10 }).bytes())
		}
		end := func(producer int64, commit bool) {
			add(storage.OriginCoordinator, record.EndTxnBatch(testTime, producer, 0, commit, record.EndTxnMarker{CoordinatorEpoch: 1}))
		}
		poll := func(isolation int8, offset int64) *poll {
			return b.startPoll(t.Context(), fetchVersion(12, func(r *kmsg.FetchRequest) {
				r.MaxWaitMillis, r.IsolationLevel = 10000, isolation
			}, fetched{"plain", 0, offset}))
		}
		waits := poll(1, 0)
		open(1) // offset 0
		open(2) // offset 1
		time.Sleep(time.Second)
		end(1, false) // offset 2
		response := <-waits.answer
		got := response.Topics[0].Partitions[0]
		if waits.took != time.Second || got.HighWatermark != 3 || got.LastStableOffset != 1 || len(got.RecordBatches) != len(values("t").bytes()) {
			t.Errorf("after %v: %+v", waits.took, got)
		}
		if len(got.AbortedTransactions) != 1 || got.AbortedTransactions[0].ProducerID != 1 || got.AbortedTransactions[0].FirstOffset != 0 {
			t.Errorf("aborted: %+v", got.AbortedTransactions)
		}
		uncommitted := (<-poll(0, 0).answer).Topics[0].Partitions[0]
		if uncommitted.AbortedTransactions != nil || uncommitted.LastStableOffset != 1 || len(uncommitted.RecordBatches) <= len(got.RecordBatches) {
			t.Errorf("uncommitted: %+v", uncommitted)
		}
		waits = poll(1, 1)
		time.Sleep(2 * time.Second)
		end(2, true) // offset 3
		if got := (<-waits.answer).Topics[0].Partitions[0]; waits.took != 2*time.Second || got.LastStableOffset != 4 || len(got.RecordBatches) == 0 {
			t.Errorf("after %v: %+v", waits.took, got)
		}
	})
}
