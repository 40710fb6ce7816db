package controller

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"ottla/internal/quorumtest"
	"ottla/metadata"
	"ottla/storage"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// started is a controller whose broker is in use.
func started(t testing.TB, quorum *quorumtest.Quorum, change ...func(*Options)) *Controller {
	t.Helper()
	options := testOptions(quorum)
	for _, f := range change {
		f(&options)
	}
	c := New(options)
	if _, err := c.RegisterBroker(context.Background(), testRegistration(1, -1)); err != nil {
		t.Fatal(err)
	}
	if err := c.Unfence(context.Background()); err != nil {
		t.Fatal(err)
	}
	return c
}

func createNamed(names ...string) *kmsg.CreateTopicsRequest {
	request := kmsg.NewPtrCreateTopicsRequest()
	request.Version = 7
	for _, name := range names {
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, 1, 1
		request.Topics = append(request.Topics, topic)
	}
	return request
}

func TestConcurrentCreatesOfOneNameHaveOneWinner(t *testing.T) {
	quorum := quorumtest.Fresh("cluster")
	c := started(t, quorum)
	defer c.Close()
	quorum.Hold() // nothing is committed while they all decide
	const askers = 32
	var winners, losers atomic.Int32
	var running sync.WaitGroup
	for range askers {
		running.Go(func() {
			response, err := c.CreateTopics(context.Background(), createNamed("one"))
			switch {
			case err != nil:
				t.Error(err)
			case response.Topics[0].ErrorCode == 0:
				winners.Add(1)
			case response.Topics[0].ErrorCode == kerr.TopicAlreadyExists.Code:
				losers.Add(1)
			}
		})
	}
	for {
		if records, _ := quorum.Records(); len(records) > 5 {
			break
		}
	}
	if _, ok := c.Image().Topic("one"); ok {
		t.Error("the topic is told of before it is committed")
	}
	quorum.Release()
	running.Wait()
	if winners.Load() != 1 || losers.Load() != askers-1 {
		t.Errorf("%d won and %d lost", winners.Load(), losers.Load())
	}
}

func TestAnswerWaitsForCommitAndPublishers(t *testing.T) {
	quorum := quorumtest.Fresh("cluster")
	c := started(t, quorum)
	defer c.Close()
	var steps []string
	var mu sync.Mutex
	step := func(name string) {
		mu.Lock()
		defer mu.Unlock()
		steps = append(steps, name)
	}
	publishing := make(chan struct{})
	c.Subscribe(func(delta *metadata.Delta, image *metadata.Image) {
		<-publishing
		if topics := delta.ChangedTopics(); len(topics) == 1 && topics[0].Name == "a" {
			step("first publisher")
		}
		if _, ok := image.Topic("a"); !ok {
			t.Error("the image lacks the topic")
		}
	})
	c.Subscribe(func(*metadata.Delta, *metadata.Image) { step("second publisher") })
	quorum.Hold()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := c.CreateTopics(context.Background(), createNamed("a")); err != nil {
			t.Error(err)
		}
		step("answer")
	}()
	for {
		if records, _ := quorum.Records(); len(records) > 5 {
			break
		}
	}
	step("commit")
	quorum.Release()
	close(publishing)
	<-done
	if got := strings.Join(steps, ", "); got != "commit, first publisher, second publisher, answer" {
		t.Error(got)
	}
}

func TestAnswerOfNothingWaitsForWhatItTellsOf(t *testing.T) {
	quorum := quorumtest.Fresh("cluster")
	c := started(t, quorum)
	defer c.Close()
	quorum.Hold()
	first, second := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(first)
		_, _ = c.CreateTopics(context.Background(), createNamed("a"))
	}()
	for {
		if records, _ := quorum.Records(); len(records) > 5 {
			break
		}
	}
	go func() {
		defer close(second)
		// It is refused because of a topic that is not committed.
		response, err := c.CreateTopics(context.Background(), createNamed("a"))
		if err != nil || response.Topics[0].ErrorCode != kerr.TopicAlreadyExists.Code {
			t.Errorf("%v %v", response, err)
		}
		if _, ok := c.Image().Topic("a"); !ok {
			t.Error("told of a topic that nobody sees")
		}
	}()
	quorum.Release()
	<-first
	<-second
}

func TestFailedLogEndsEverything(t *testing.T) {
	quorum := quorumtest.Fresh("cluster")
	var failures atomic.Int32
	c := started(t, quorum, func(o *Options) { o.Failed = func(error) { failures.Add(1) } })
	defer c.Close()
	quorum.Fail(errors.New("disk"))
	for range 3 {
		if _, err := c.CreateTopics(context.Background(), createNamed("a")); !errors.Is(err, ErrFailed) {
			t.Errorf("%v", err)
		}
	}
	if failures.Load() != 1 {
		t.Errorf("told %d times", failures.Load())
	}
	if _, ok := c.Image().Topic("a"); ok {
		t.Error("the topic is there")
	}
}

// fullQuorum is a log without space for one Append.
type fullQuorum struct {
	*quorumtest.Quorum
	full atomic.Bool
}

func (q *fullQuorum) Append(records []metadata.Record) (first, last int64, err error) {
	if q.full.Swap(false) {
		return 0, 0, fmt.Errorf("append: %w", storage.ErrNoSpace)
	}
	return q.Quorum.Append(records)
}

func TestNoSpacePasses(t *testing.T) {
	quorum := &fullQuorum{Quorum: quorumtest.Fresh("cluster")}
	c := started(t, quorum.Quorum, func(o *Options) { o.Quorum = quorum })
	defer c.Close()
	quorum.full.Store(true)
	if _, err := c.CreateTopics(context.Background(), createNamed("a")); !errors.Is(err, storage.ErrNoSpace) {
		t.Error(err)
	}
	response, err := c.CreateTopics(context.Background(), createNamed("a"))
	if err != nil || response.Topics[0].ErrorCode != 0 {
		t.Errorf("%v %v", response, err)
	}
}

func TestFailureBetweenAppendAndCommit(t *testing.T) {
	quorum := quorumtest.Fresh("cluster")
	c := started(t, quorum)
	defer c.Close()
	quorum.Hold()
	done := make(chan error)
	go func() {
		_, err := c.CreateTopics(context.Background(), createNamed("a"))
		done <- err
	}()
	for {
		if records, _ := quorum.Records(); len(records) > 5 {
			break
		}
	}
	quorum.Fail(errors.New("disk"))
	if err := <-done; !errors.Is(err, ErrFailed) {
		t.Error(err)
	}
}

func TestClosedControllerRefuses(t *testing.T) {
	quorum := quorumtest.Fresh("cluster")
	c := started(t, quorum)
	c.Close()
	c.Close()
	if _, err := c.CreateTopics(context.Background(), createNamed("a")); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	c.CreateAutomatically([]string{"b"})
}

func TestEndedContextIsNotWaitedFor(t *testing.T) {
	quorum := quorumtest.Fresh("cluster")
	c := started(t, quorum)
	defer c.Close()
	quorum.Hold()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.CreateTopics(ctx, createNamed("a")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	quorum.Release()
}

func TestProducerIDsAreGivenOutOnce(t *testing.T) {
	quorum := quorumtest.Fresh("cluster")
	c := started(t, quorum)
	defer c.Close()
	const askers, blocks = 8, 25
	var mu sync.Mutex
	var firsts []int64
	var running sync.WaitGroup
	for range askers {
		running.Go(func() {
			for range blocks {
				first, length, err := c.AllocateProducerIDs(context.Background())
				if err != nil || length != 1000 {
					t.Errorf("%d %v", length, err)
				}
				mu.Lock()
				firsts = append(firsts, first)
				mu.Unlock()
			}
		})
	}
	running.Wait()
	slices.Sort(firsts)
	for i, first := range firsts {
		if first != int64(i)*1000 {
			t.Fatalf("block %d begins at %d", i, first)
		}
	}
	image, err := quorum.Replayed()
	if err != nil || image.NextProducerID() != askers*blocks*1000 {
		t.Errorf("%v %v", image.NextProducerID(), err)
	}
}

func TestAutomaticCreationOnceAtATime(t *testing.T) {
	quorum := quorumtest.Fresh("cluster")
	var told atomic.Int32
	c := started(t, quorum, func(o *Options) {
		o.Created = func(topic string, err error) {
			if topic != "a" || err != nil {
				t.Errorf("%s %v", topic, err)
			}
			told.Add(1)
		}
	})
	quorum.Hold()
	for range 50 {
		c.CreateAutomatically([]string{"a", "a/b", "a"})
	}
	quorum.Release()
	c.Close()
	if told.Load() != 1 {
		t.Errorf("created %d times", told.Load())
	}
}

// TestModel does random operations on topics and holds the images against a
// naive map, and against what a replay of the log gives.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		quorum := quorumtest.Fresh("cluster")
		options := testOptions(quorum)
		m := newMachine(options)
		model := make(map[string]int) // partitions by topic
		apply := func(records []metadata.Record) {
			if len(records) == 0 {
				return
			}
			_, last, err := quorum.Append(records)
			if err != nil {
				t.Fatal(err)
			}
			m.apply(records, last, 1)
		}
		apply(m.registerBroker(testRegistration(1, -1), 7))
		apply(m.unfence())
		names := rapid.SampledFrom([]string{"a", "a.b", "a_b", "A", "c.", "c_", "c-"})
		t.Repeat(map[string]func(*rapid.T){
			"create": func(t *rapid.T) {
				name, partitions, dry := names.Draw(t, "name"), rapid.IntRange(-1, 4).Draw(t, "partitions"), rapid.Bool().Draw(t, "validate only")
				request := createNamed(name)
				request.ValidateOnly, request.Topics[0].NumPartitions = dry, int32(partitions)
				records, response := m.createTopics(request)
				apply(records)
				want := modelCreate(model, name, partitions)
				if got := response.Topics[0].ErrorCode; got != want {
					t.Fatalf("create %s with %d: %d, want %d", name, partitions, got, want)
				}
				if want == 0 && !dry {
					model[name] = max(partitions, 1)
				}
			},
			"delete": func(t *rapid.T) {
				name := names.Draw(t, "name")
				request := kmsg.NewPtrDeleteTopicsRequest()
				request.TopicNames = []string{name}
				records, response := m.deleteTopics(request)
				apply(records)
				if _, ok := model[name]; ok != (response.Topics[0].ErrorCode == 0) {
					t.Fatalf("delete %s: %d", name, response.Topics[0].ErrorCode)
				}
				delete(model, name)
			},
			"grow": func(t *rapid.T) {
				name, count := names.Draw(t, "name"), rapid.IntRange(0, 8).Draw(t, "count")
				request := kmsg.NewPtrCreatePartitionsRequest()
				request.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: name, Count: int32(count)}}
				records, response := m.createPartitions(request)
				apply(records)
				have, ok := model[name]
				if good := ok && count > have; good != (response.Topics[0].ErrorCode == 0) {
					t.Fatalf("grow %s from %d to %d: %d", name, have, count, response.Topics[0].ErrorCode)
				} else if good {
					model[name] = count
				}
			},
			"crash": func(t *rapid.T) {
				registration := testRegistration(2, -1)
				apply(m.leaveAfterCrash(registration))
				apply(m.registerBroker(registration, m.last+1))
				apply(m.unfence())
			},
			"": func(t *rapid.T) { checkModel(t, m, quorum, model) },
		})
	})
}

// modelCreate is the error that creating a topic is to give.
func modelCreate(model map[string]int, name string, partitions int) int16 {
	if _, ok := model[name]; ok {
		return kerr.TopicAlreadyExists.Code
	}
	for other := range model {
		if strings.ReplaceAll(other, ".", "_") == strings.ReplaceAll(name, ".", "_") {
			return kerr.InvalidTopicException.Code
		}
	}
	if partitions == 0 {
		return kerr.InvalidPartitions.Code
	}
	return 0
}

func checkModel(t *rapid.T, m *machine, quorum *quorumtest.Quorum, model map[string]int) {
	if m.image.TopicCount() != len(model) {
		t.Fatalf("%d topics, want %d", m.image.TopicCount(), len(model))
	}
	for name, partitions := range model {
		topic, ok := m.image.Topic(name)
		if !ok || len(topic.Partitions) != partitions {
			t.Fatalf("%s has %v, want %d partitions", name, topic, partitions)
		}
		for i, p := range topic.Partitions {
			if p.Leader != 1 || !slices.Equal(p.ISR, []int32{1}) || len(p.ELR) != 0 {
				t.Fatalf("%s-%d: %+v", name, i, p)
			}
		}
	}
	image, err := quorum.Replayed()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := describeState(image), describeState(m.image); got != want {
		t.Fatalf("replayed:\n%s\nhave:\n%s", got, want)
	}
	fresh := newMachine(testOptions(quorumtest.New(image)))
	if fmt.Sprint(len(fresh.colliding)) != fmt.Sprint(len(m.colliding)) {
		t.Fatalf("names that collide: %v, want %v", m.colliding, fresh.colliding)
	}
}

// TestTooManyRecords holds the bound on what one request may write.
func TestTooManyRecords(t *testing.T) {
	quorum := quorumtest.Fresh("cluster")
	c := started(t, quorum)
	defer c.Close()
	before, _ := quorum.Records()
	request := createNamed("a")
	request.Topics[0].NumPartitions = 10_000 // with the topic's own record it is one too many
	response, err := c.CreateTopics(context.Background(), request)
	if err != nil || response.Topics[0].ErrorCode != kerr.PolicyViolation.Code ||
		*response.Topics[0].ErrorMessage != "Unable to perform excessively large batch operation." {
		t.Errorf("%+v %v", response, err)
	}
	if after, _ := quorum.Records(); len(after) != len(before) {
		t.Errorf("%d records were written", len(after)-len(before))
	}
	request.Topics[0].NumPartitions = 9_999
	if response, err := c.CreateTopics(context.Background(), request); err != nil || response.Topics[0].ErrorCode != 0 {
		t.Errorf("%+v %v", response, err)
	}
	grow := kmsg.NewPtrCreatePartitionsRequest()
	grow.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: "a", Count: 2_000_000_000}}
	if response, err := c.CreatePartitions(context.Background(), grow); err != nil || response.Topics[0].ErrorCode != kerr.PolicyViolation.Code {
		t.Errorf("%+v %v", response, err)
	}
	if topic, _ := c.Image().Topic("a"); len(topic.Partitions) != 9_999 {
		t.Errorf("%d partitions", len(topic.Partitions))
	}
}

// BenchmarkCreateTopics creates topics one by one; the time per topic must not
// grow with the number of those that are there.
func BenchmarkCreateTopics(b *testing.B) {
	for _, there := range []int{0, 10_000, 40_000} {
		b.Run(fmt.Sprintf("behind=%d", there), func(b *testing.B) {
			quorum := quorumtest.Fresh("cluster")
			c := started(b, quorum, func(o *Options) { o.NewTopicID = nil })
			defer c.Close()
			for i := 0; i < there; i += 1000 {
				names := make([]string, 1000)
				for j := range names {
					names[j] = fmt.Sprintf("there.%d", i+j)
				}
				if _, err := c.CreateTopics(context.Background(), createNamed(names...)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				response, err := c.CreateTopics(context.Background(), createNamed(fmt.Sprintf("new.%d", i)))
				if err != nil || response.Topics[0].ErrorCode != 0 {
					b.Fatal(response, err)
				}
			}
		})
	}
}
