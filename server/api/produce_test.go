package api

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestProduceNamesTheLeader is KIP-951: who leads is told from v10 on, and for
// this error alone.
func TestProduceNamesTheLeader(t *testing.T) {
	b := newDataBroker(t)
	id := b.create("plain", 1, nil)
	ids := map[string][16]byte{"plain": id}
	b.elect(id, 0, 2)
	for version := int16(3); version <= 13; version++ {
		response := must[*kmsg.ProduceResponse](b, version, produce(-1, records{"plain", 0, values("a").bytes()}, records{"not-there", 0, values("a").bytes()})(version, ids))
		answer := response.Topics[0].Partitions[0]
		leader, epoch, brokers := int32(-1), int32(-1), 0
		if version >= 10 {
			leader, epoch, brokers = 2, 1, 1
		}
		if answer.ErrorCode != kerr.NotLeaderForPartition.Code || answer.CurrentLeader.LeaderID != leader || answer.CurrentLeader.LeaderEpoch != epoch || len(response.Brokers) != brokers {
			t.Errorf("v%d: %+v, brokers %v", version, answer, response.Brokers)
		}
		if other := response.Topics[1].Partitions[0]; other.CurrentLeader.LeaderID != -1 {
			t.Errorf("v%d: a leader of an unknown topic: %+v", version, other)
		}
	}
}

// TestProduceAnswersEveryPartition asks for many, some of them twice and some
// unknown, in the order of the request.
func TestProduceAnswersEveryPartition(t *testing.T) {
	b := newDataBroker(t)
	b.create("plain", 60, nil)
	b.create("other", 1, nil)
	var to []records
	var want []string
	for i := range int32(100) {
		to = append(to, records{"plain", i % 70, values(fmt.Sprint(i)).bytes()})
		if i < 70 {
			want = append(want, fmt.Sprintf("plain/%d: %d at %d", i, map[bool]int{false: 0, true: 3}[i >= 60], map[bool]int{false: 0, true: -1}[i >= 60]))
		}
	}
	to = append(to, records{"other", 0, values("o").bytes()}, records{"plain", 1, values("last").bytes()})
	want = append(want, "other/0: 0 at 0")
	response := must[*kmsg.ProduceResponse](b, 9, produce(-1, to...)(9, nil))
	var got []string
	for _, topic := range response.Topics {
		for _, p := range topic.Partitions {
			got = append(got, fmt.Sprintf("%s/%d: %d at %d", topic.Topic, p.Partition, p.ErrorCode, p.BaseOffset))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("\ngot  %v\nwant %v", got, want)
	}
	fetch := must[*kmsg.FetchResponse](b, 12, fetchBy(nil, fetched{"plain", 1, 0})(12, nil))
	if bytes := fetch.Topics[0].Partitions[0].RecordBatches; !strings.Contains(string(bytes), "last") || len(bytes) > 2*len(values("last").bytes())-10 {
		t.Errorf("row 98: partition 1 has %q", bytes)
	}
}

// TestProduceKeepsTheOrderOfItsConnection makes two requests before the first
// answer: the first handler has appended already, and only its answer waits for
// the flush.
func TestProduceKeepsTheOrderOfItsConnection(t *testing.T) {
	b := newDataBroker(t)
	b.create("plain", 1, map[string]string{"flush.messages": "1"})
	first := b.begin(withVersion(9, produce(-1, records{"plain", 0, values("a").bytes()})(9, nil)))
	second := b.begin(withVersion(9, produce(-1, records{"plain", 0, values("b").bytes()})(9, nil)))
	partition, _ := b.replicas.Partition("plain", 0)
	if partition.LogEndOffset() != 2 || partition.HighWatermark() != 0 {
		t.Errorf("end %d, high watermark %d before the answers", partition.LogEndOffset(), partition.HighWatermark())
	}
	for want, reply := range []func(context.Context) (kmsg.Response, error){first, second} {
		response, err := reply(b.connected)
		if err != nil {
			t.Fatal(err)
		}
		answer := response.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
		if answer.ErrorCode != 0 || answer.BaseOffset != int64(want) || partition.Log().RecoveryPoint() <= int64(want) {
			t.Errorf("answer %d: %+v, flushed to %d", want, answer, partition.Log().RecoveryPoint())
		}
	}
}

func withVersion(version int16, request kmsg.Request) kmsg.Request {
	request.SetVersion(version)
	return request
}

// TestProduceAllocatesByTheRequest has the same number of allocations for one
// record and for a thousand, and a few for each partition's place in the answer.
func TestProduceAllocatesByTheRequest(t *testing.T) {
	if raceEnabled {
		t.Skip("counts differ under the race detector")
	}
	b := newDataBroker(t)
	b.create("plain", 50, nil)
	count := func(to ...records) float64 {
		request := &Request{Body: withVersion(9, produce(1, to...)(9, nil)), Received: time.Now()}
		handler := b.handlers[kmsg.Produce]
		// A collection empties the pools, and how many there are depends on how busy the machine is.
		defer debug.SetGCPercent(debug.SetGCPercent(-1))
		return testing.AllocsPerRun(100, func() {
			for i := range to {
				clear(to[i].bytes[:8]) // the log has set the base offset in place
			}
			if _, err := handler(b.connected, request)(context.Background()); err != nil {
				t.Fatal(err)
			}
		})
	}
	one := count(records{"plain", 0, values("a").bytes()})
	many := count(records{"plain", 0, values(strings.Split(strings.Repeat("x", 1000), "")...).bytes()})
	if many > one+1 {
		t.Errorf("one record: %v allocations, a thousand: %v", one, many)
	}
	var all []records
	for i := range int32(50) {
		all = append(all, records{"plain", i, values("a").bytes()})
	}
	// The file in memory, which is not there on a real disk, allocates too.
	if each := (count(all...) - one) / 49; each > 2.5 {
		t.Errorf("%v allocations for each further partition", each)
	}
	if one > 13 {
		t.Errorf("a request allocates %v times", one)
	}
}

func TestProducerIDsAreGivenOnce(t *testing.T) {
	var lock sync.Mutex
	next, blocks, failures := int64(0), 0, 0
	handler := InitProducerID(NewProducerIDs(func(context.Context) (int64, int32, error) {
		lock.Lock()
		defer lock.Unlock()
		if blocks++; blocks%3 == 0 {
			failures++
			return 0, 0, errors.New("not now")
		}
		next += 100
		return next, 7, nil
	}), nil)
	seen := map[int64]bool{}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for given := 0; given < 50; {
				request := &Request{Body: kmsg.NewPtrInitProducerIDRequest()}
				response, err := handler(context.Background(), request)(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				answer := response.(*kmsg.InitProducerIDResponse)
				lock.Lock()
				switch {
				case answer.ErrorCode == kerr.CoordinatorLoadInProgress.Code && answer.ProducerID == -1 && answer.ProducerEpoch == -1:
					failures--
				case answer.ErrorCode != 0 || answer.ProducerEpoch != 0 || seen[answer.ProducerID] || answer.ProducerID%100 > 6:
					t.Errorf("%+v", answer)
				default:
					seen[answer.ProducerID] = true
					given++
				}
				lock.Unlock()
			}
		})
	}
	group.Wait()
	if len(seen) != 200 || failures != 0 {
		t.Errorf("%d ids, %d failures that nobody was told of", len(seen), failures)
	}
}

func TestProducerIDWaitEndsWithTheConnection(t *testing.T) {
	handler := InitProducerID(NewProducerIDs(func(ctx context.Context) (int64, int32, error) {
		<-ctx.Done()
		return 0, 0, ctx.Err()
	}), nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := handler(ctx, &Request{Body: kmsg.NewPtrInitProducerIDRequest()})(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
