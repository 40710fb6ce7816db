package transaction

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/coordinator"
	"ottla/protocol/record"
)

// memoryLog is a log in memory.
type memoryLog struct {
	lock    sync.Mutex
	batches []record.Batch
	end     int64
	failure error
}

func (l *memoryLog) Append(batch []byte) (int64, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	if l.failure != nil {
		return 0, l.failure
	}
	stored := record.Batch(slices.Clone(batch))
	stored.SetBaseOffset(l.end)
	l.batches, l.end = append(l.batches, stored), stored.NextOffset()
	return l.end, nil
}

func (l *memoryLog) Read(offset int64, _ int) (bytes []byte, err error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	for _, b := range l.batches {
		if b.NextOffset() > offset {
			bytes = append(bytes, b...)
		}
	}
	return bytes, nil
}

func (l *memoryLog) StartOffset() int64               { return 0 }
func (l *memoryLog) EndOffset() int64                 { l.lock.Lock(); defer l.lock.Unlock(); return l.end }
func (l *memoryLog) WhenCommitted(int64, func()) bool { return false }
func (l *memoryLog) Syncs() bool                      { return false }
func (l *memoryLog) MaxBatchBytes() int               { return 1 << 20 }
func (l *memoryLog) fail(failure error)               { l.lock.Lock(); defer l.lock.Unlock(); l.failure = failure }

// markerBoard takes markers, or refuses them.
type markerBoard struct {
	lock     sync.Mutex
	written  map[string]int
	failures map[Partition]*kerr.Error
	asked    int
	// gate, if there is one, is what a marker waits for.
	gate chan struct{}
}

func (m *markerBoard) WriteMarker(ctx context.Context, p Partition, marker Marker) *kerr.Error {
	if m.gate != nil {
		select {
		case <-m.gate:
		case <-ctx.Done():
			return kerr.RequestTimedOut
		}
	}
	m.lock.Lock()
	defer m.lock.Unlock()
	m.asked++
	if failure := m.failures[p]; failure != nil {
		return failure
	}
	m.written[fmt.Sprintf("%s-%d pid=%d epoch=%d commit=%t coordinator=%d version=%d", p.Topic, p.Index, marker.ProducerID, marker.Epoch, marker.Commit, marker.CoordinatorEpoch, marker.Version)]++
	return nil
}

func (m *markerBoard) set(failures map[Partition]*kerr.Error) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.failures = failures
}

// post is a Service over one log.
type post struct {
	t       *testing.T
	service *Service
	log     *memoryLog
	markers *markerBoard
	nextID  int64
	noIDs   bool
}

func startPost(t *testing.T, log *memoryLog, epoch int32) *post {
	p := &post{t: t, log: log, markers: &markerBoard{written: map[string]int{}}, nextID: 1000}
	config := DefaultConfig()
	config.TopicPartitions = 1
	p.service = New(Options{
		Config: config, Now: time.Now, Level: func() int16 { return 2 }, Markers: p.markers,
		NewProducerID: func(context.Context) (int64, error) {
			if p.noIDs {
				return 0, errors.New("not now")
			}
			p.nextID++
			return p.nextID, nil
		},
	})
	p.service.Started(0, epoch, log)
	synctest.Wait()
	return p
}

func (p *post) close() {
	if err := p.service.Close(context.Background()); err != nil {
		p.t.Error(err)
	}
}

func (p *post) init(request Init) (answer Answer) {
	done := make(chan Answer, 1)
	p.service.InitProducerID(request, func(a Answer) { done <- a })
	return <-done
}

func (p *post) add(a Answer, partitions ...Partition) *kerr.Error {
	done := make(chan *kerr.Error, 1)
	p.service.AddPartitions("x", a.ProducerID, a.Epoch, partitions, 2, func(failure *kerr.Error) { done <- failure })
	return <-done
}

func (p *post) end(a Answer, commit bool) Answer {
	done := make(chan Answer, 1)
	p.service.EndTxn(End{"x", a.ProducerID, a.Epoch, commit, 2}, func(a Answer) { done <- a })
	return <-done
}

func (p *post) state() string {
	done := make(chan string, 1)
	p.service.Describe("x", func(t Transaction, failure *kerr.Error) {
		if failure != nil {
			done <- failure.Message
		} else {
			done <- t.State.String()
		}
	})
	return <-done
}

func (p *post) expect(state string, markers ...string) {
	p.t.Helper()
	time.Sleep(time.Second) // a shard that has just loaded may be asked too early once
	synctest.Wait()
	if got := p.state(); got != state {
		p.t.Errorf("the transaction is %s, want %s", got, state)
	}
	p.markers.lock.Lock()
	defer p.markers.lock.Unlock()
	var written []string
	for _, marker := range slices.Sorted(maps.Keys(p.markers.written)) {
		written = append(written, fmt.Sprintf("%s ×%d", marker, p.markers.written[marker]))
	}
	if strings.Join(written, "\n") != strings.Join(markers, "\n") {
		p.t.Errorf("markers\n%s\nwant\n%s", strings.Join(written, "\n"), strings.Join(markers, "\n"))
	}
}

var (
	first  = Partition{"t", 0}
	second = Partition{"t", 1}
)

func resumed(id string) Init {
	return Init{ID: id, TimeoutMillis: 60000, ProducerID: None, Epoch: None}
}

// TestMarkersAreWrittenAgainUntilAllAreThere: what fails heals, what is gone is
// left out, and only then is the transaction complete (T12).
func TestMarkersAreWrittenAgainUntilAllAreThere(t *testing.T) {
	for _, failure := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.KafkaStorageError, kerr.NotEnoughReplicas, kerr.RequestTimedOut, kerr.CoordinatorLoadInProgress} {
		synctest.Test(t, func(t *testing.T) {
			p := startPost(t, &memoryLog{}, 5)
			defer p.close()
			producer := p.init(resumed("x"))
			if failure := p.add(producer, first, second, Partition{"gone", 0}); failure != nil {
				t.Fatal(failure)
			}
			p.markers.set(map[Partition]*kerr.Error{second: failure, {"gone", 0}: kerr.UnknownTopicOrPartition})
			if answer := p.end(producer, true); answer.Failure != nil || answer.Epoch != 1 {
				t.Fatalf("%+v", answer)
			}
			time.Sleep(time.Minute)
			p.expect("PrepareCommit", "t-0 pid=1001 epoch=1 commit=true coordinator=5 version=2 ×1")
			if asked := p.markers.asked; asked < 20 || asked > 100 {
				t.Errorf("%d attempts in a minute", asked)
			}
			p.markers.set(nil)
			time.Sleep(time.Second)
			p.expect("CompleteCommit",
				"t-0 pid=1001 epoch=1 commit=true coordinator=5 version=2 ×1", "t-1 pid=1001 epoch=1 commit=true coordinator=5 version=2 ×1")
		})
	}
}

// TestLoadFinishesWhatWasPrepared: a process that ends between the decision and the
// last marker leaves the rest to the next one, which writes all of them.
func TestLoadFinishesWhatWasPrepared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &memoryLog{}
		p := startPost(t, log, 1)
		producer := p.init(resumed("x"))
		if failure := p.add(producer, first, second); failure != nil {
			t.Fatal(failure)
		}
		p.markers.set(map[Partition]*kerr.Error{second: kerr.KafkaStorageError})
		p.end(producer, false)
		p.expect("PrepareAbort", "t-0 pid=1001 epoch=1 commit=false coordinator=1 version=2 ×1")
		p.close()
		q := startPost(t, log, 2)
		defer q.close()
		q.expect("CompleteAbort",
			"t-0 pid=1001 epoch=1 commit=false coordinator=2 version=2 ×1", "t-1 pid=1001 epoch=1 commit=false coordinator=2 version=2 ×1")
	})
}

// TestOldShardWritesNoMarkers: once a partition is given up, none of its markers is
// on its way any more, so that none can hit the next transaction (T7).
func TestOldShardWritesNoMarkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &memoryLog{}
		p := startPost(t, log, 1)
		defer p.close()
		p.markers.gate = make(chan struct{})
		producer := p.init(resumed("x"))
		if failure := p.add(producer, first); failure != nil {
			t.Fatal(failure)
		}
		p.end(producer, true)
		synctest.Wait()
		p.service.Stopped(0, 2)
		synctest.Wait()
		close(p.markers.gate)
		p.expect("NOT_COORDINATOR")
		p.service.Started(0, 3, log)
		p.expect("CompleteCommit", "t-0 pid=1001 epoch=1 commit=true coordinator=3 version=2 ×1")
	})
}

// TestFencedCoordinatorGivesUp: the markers of one that another has replaced stop.
func TestFencedCoordinatorGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPost(t, &memoryLog{}, 1)
		defer p.close()
		producer := p.init(resumed("x"))
		if failure := p.add(producer, first); failure != nil {
			t.Fatal(failure)
		}
		p.markers.set(map[Partition]*kerr.Error{first: kerr.TransactionCoordinatorFenced})
		p.end(producer, true)
		time.Sleep(time.Hour)
		p.expect("PrepareCommit")
		if p.markers.asked != 1 {
			t.Errorf("%d attempts", p.markers.asked)
		}
	})
}

// TestWritesThatFail: the client is told, nothing is changed, no marker goes out (T16).
func TestWritesThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPost(t, &memoryLog{}, 1)
		defer p.close()
		producer := p.init(resumed("x"))
		if failure := p.add(producer, first); failure != nil {
			t.Fatal(failure)
		}
		for cause, want := range map[*kerr.Error]*kerr.Error{
			kerr.NotLeaderForPartition: kerr.NotCoordinator, kerr.KafkaStorageError: kerr.NotCoordinator,
			kerr.NotEnoughReplicas: kerr.CoordinatorNotAvailable, kerr.MessageTooLarge: kerr.UnknownServerError,
		} {
			p.log.fail(cause)
			if answer := p.end(producer, true); answer.Failure != want {
				t.Errorf("%v: %+v", cause, answer)
			}
			if answer := p.init(resumed("x")); answer.Failure != want {
				t.Errorf("%v: %+v", cause, answer)
			}
			if failure := p.add(producer, second); failure != want {
				t.Errorf("%v: %v", cause, failure)
			}
		}
		p.log.fail(nil)
		p.expect("Ongoing")
		if answer := p.end(producer, true); answer.Failure != nil || answer.Epoch != 1 {
			t.Errorf("%+v", answer)
		}
		p.expect("CompleteCommit", "t-0 pid=1001 epoch=1 commit=true coordinator=1 version=2 ×1")
	})
}

// TestRefusalsOfTheService are those that need no machine.
func TestRefusalsOfTheService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPost(t, &memoryLog{}, 1)
		for _, row := range []struct {
			what    string
			request Init
			want    *kerr.Error
		}{
			{"147 empty id", Init{"", 60000, None, None}, kerr.InvalidRequest},
			{"147 no timeout", Init{"x", 0, None, None}, kerr.InvalidTransactionTimeout},
			{"147 negative timeout", Init{"x", -1, None, None}, kerr.InvalidTransactionTimeout},
			{"147 long timeout", Init{"x", 900_001, None, None}, kerr.InvalidTransactionTimeout},
		} {
			if answer := p.init(row.request); answer.Failure != row.want {
				t.Errorf("%s: %+v", row.what, answer)
			}
		}
		p.noIDs = true
		if answer := p.init(resumed("x")); answer.Failure != kerr.CoordinatorLoadInProgress {
			t.Errorf("without producer ids: %+v", answer)
		}
		p.noIDs = false
		p.close()
		if answer := p.init(resumed("x")); answer.Failure != kerr.CoordinatorNotAvailable {
			t.Errorf("after the end: %+v", answer)
		}
		if answer := p.end(Answer{}, true); answer.Failure != kerr.CoordinatorNotAvailable {
			t.Errorf("after the end: %+v", answer)
		}
	})
}

// TestListFilters holds each filter against three ids.
func TestListFilters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPost(t, &memoryLog{}, 1)
		defer p.close()
		for _, id := range []string{"x", "xy", "z.1"} {
			p.init(resumed(id))
		}
		p.add(Answer{ProducerID: 1001}, first)
		time.Sleep(10 * time.Second)
		for _, row := range []struct {
			filter Filter
			want   string
		}{
			{Filter{LongerMillis: -1}, "x xy z.1"}, {Filter{LongerMillis: -1, ProducerIDs: []int64{1002, 7}}, "xy"},
			{Filter{LongerMillis: -1, States: []string{"Ongoing"}}, "x"}, {Filter{LongerMillis: -1, States: []string{"Empty", "Dead"}}, "xy z.1"},
			{Filter{LongerMillis: -1, States: []string{"Odd", "Odd"}}, "unknown [Odd]"}, {Filter{LongerMillis: -1, Pattern: "x"}, "x"},
			{Filter{LongerMillis: -1, Pattern: ".*[y1]"}, "xy z.1"}, {Filter{LongerMillis: -1, Pattern: "("}, "INVALID_REGULAR_EXPRESSION"},
			{Filter{LongerMillis: 9_000, States: []string{"Ongoing"}}, "x"}, {Filter{LongerMillis: 10_000, States: []string{"Ongoing"}}, ""},
		} {
			done := make(chan List, 1)
			p.service.List(row.filter, func(l List) { done <- l })
			list := <-done
			var got []string
			if list.Failure != nil {
				got = append(got, list.Failure.Message)
			}
			for _, t := range list.Transactions {
				got = append(got, t.ID)
			}
			if len(list.UnknownStates) > 0 {
				got = append(got, "unknown", fmt.Sprint(list.UnknownStates))
			}
			if strings.Join(got, " ") != row.want {
				t.Errorf("%+v: %v", row.filter, got)
			}
		}
	})
}

var _ coordinator.Log = (*memoryLog)(nil)
