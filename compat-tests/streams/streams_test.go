package streams

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/compat-tests/harness"
)

const version = "4.3.1"

// suite is one broker and one application on it.
type suite struct {
	t                *testing.T
	broker           *harness.Broker
	client           *kgo.Client
	classPath, state string
	topology         string
	settings         []string
	application      *harness.Service
	at               time.Time // of the record written last
}

// start starts a broker and compiles the application; it does not run yet, since its topics are to be made first.
func start(t *testing.T, topology string, settings ...string) *suite {
	t.Helper()
	jars := harness.Jars(t, "streams-"+version,
		harness.Artifact{Group: "org.apache.kafka", Name: "kafka-streams", Version: version},
		harness.Artifact{Group: "org.slf4j", Name: "slf4j-simple", Version: "1.7.36"})
	source := filepath.Join(harness.Root(t), "compat-tests", "streams", "Application.java")
	s := &suite{t: t, topology: topology, settings: settings, at: time.Now(), state: filepath.Join(t.TempDir(), "state")}
	s.classPath = harness.Compile(t, jars, source)
	s.broker = harness.StartSubject(t, version, harness.Options{Properties: []string{
		"transaction.state.log.num.partitions=5", "offsets.topic.num.partitions=5",
		"transaction.abort.timed.out.transaction.cleanup.interval.ms=500",
	}})
	s.client = harness.Client(t, s.broker)
	return s
}

func (s *suite) run() {
	s.t.Helper()
	arguments := harness.Java(s.classPath, "Application", append([]string{s.topology, s.state}, s.settings...)...)
	arguments = append([]string{"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"}, arguments...)
	s.application = harness.StartService(s.t, []string{"BROKER=" + s.broker.Address}, "java", arguments...)
}

// stop stops the application cleanly, once it runs: before that nothing listens to the signal.
func (s *suite) stop() {
	s.t.Helper()
	harness.Until(s.t, 90*time.Second, func() bool { return strings.Contains(s.application.Output(), "STATE RUNNING") },
		func() string { return "the application does not run\n" + harness.Tail(s.application.OutputFile, 40) })
	s.application.Stop()
	if !strings.Contains(s.application.Output(), "CLOSED true") {
		s.t.Fatalf("the application did not close:\n%s", s.application.Output())
	}
}

// forget stops the application, takes its state directory away and starts it: only changelogs can tell it the state.
func (s *suite) forget() {
	s.t.Helper()
	s.stop()
	if err := os.RemoveAll(s.state); err != nil {
		s.t.Fatal(err)
	}
	s.run()
}

func (s *suite) killBroker() {
	s.t.Helper()
	s.broker.Kill()
	s.broker.Start()
}

// write writes records, each a millisecond later than the one written before it, whatever the machine's clock does: Streams
// takes records of different topics in the order of their timestamps, and those with the same one as it pleases.
func (s *suite) write(topic string, pairs ...[2]string) {
	s.t.Helper()
	var records []*kgo.Record
	for _, pair := range pairs {
		s.at = s.at.Add(time.Millisecond)
		records = append(records, &kgo.Record{Topic: topic, Key: []byte(pair[0]), Value: []byte(pair[1]), Timestamp: s.at})
	}
	if err := s.client.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
}

// latest waits until the last value of each key of a topic is as wanted.
func (s *suite) latest(topic string, want map[string]string) {
	s.t.Helper()
	got := map[string]string{}
	harness.Until(s.t, 90*time.Second, func() bool {
		clear(got)
		for _, r := range harness.Read(s.t, s.broker, topic) {
			got[string(r.Key)] = string(r.Value)
		}
		return maps.Equal(got, want)
	}, func() string {
		return fmt.Sprintf("%s holds %v\nwant %v\nthe application:\n%s", topic, got, want, harness.Tail(s.application.OutputFile, 40))
	})
}

// TestWords counts words; the counts go on after a restart without local state, and over a kill of the broker.
func TestWords(t *testing.T) {
	s := start(t, "words")
	harness.CreateTopics(t, s.broker, 3, nil, "lines", "counts")
	s.run()
	want, n := map[string]int{}, 0
	round := func() {
		var lines [][2]string
		for range 100 {
			words := []string{"kafka", fmt.Sprintf("word-%d", n%10), fmt.Sprintf("rare-%d", n/10)}
			for _, word := range words {
				want[word]++
			}
			lines = append(lines, [2]string{strconv.Itoa(n), strings.Join(words, " ")})
			n++
		}
		s.write("lines", lines...)
		text := map[string]string{}
		for word, count := range want {
			text[word] = strconv.Itoa(count)
		}
		s.latest("counts", text)
	}
	round()
	s.forget()
	round()
	s.stop()
	s.killBroker()
	s.run()
	round()
	s.broker.Stop()
	s.broker.Start()
	round()
	s.stop()
}

// TestJoin joins a stream with a table and with a stream; both sides of a join may lie on different sides of a restart.
func TestJoin(t *testing.T) {
	s := start(t, "join")
	harness.CreateTopics(t, s.broker, 3, nil, "orders", "customers", "payments", "totals", "settled")
	const customers = 5
	for c := range customers {
		s.write("customers", [2]string{fmt.Sprintf("c%d", c), fmt.Sprintf("name%d", c)})
	}
	s.run()
	sums, totals, settled := map[int]int{}, map[string]string{}, map[string]string{}
	order := func(from, to int) {
		var orders [][2]string
		for i := from; i < to; i++ {
			// The last customer is not in the table: an inner join drops the order from the totals.
			c := i % (customers + 1)
			orders = append(orders, [2]string{fmt.Sprintf("o%d", i), fmt.Sprintf("c%d,%d", c, i)})
			if c < customers {
				sums[c] += i
				totals[fmt.Sprintf("c%d", c)] = fmt.Sprintf("name%d,%d", c, sums[c])
			}
		}
		s.write("orders", orders...)
		s.latest("totals", totals)
	}
	pay := func(from, to int) {
		var payments [][2]string
		for i := from; i < to; i++ {
			payments = append(payments, [2]string{fmt.Sprintf("o%d", i), fmt.Sprintf("paid%d", i)})
			settled[fmt.Sprintf("o%d", i)] = fmt.Sprintf("c%d,%d,paid%d", i%(customers+1), i, i)
		}
		s.write("payments", payments...)
		s.latest("settled", settled)
	}
	order(0, 60)
	s.forget()
	pay(0, 30)
	order(60, 120)
	s.killBroker()
	pay(30, 90)
	s.forget()
	pay(90, 120)
	order(120, 150)
	s.stop()
	if got := len(harness.Read(t, s.broker, "settled")); got != len(settled) {
		t.Logf("%d settled orders in %d records: at-least-once repeated some", len(settled), got)
	}
}

// TestExactlyOnce kills the application and the broker in the middle of transactions: what comes out is what went in.
func TestExactlyOnce(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	s := start(t, "numbers", "processing.guarantee=exactly_once_v2", "producer.transaction.timeout.ms=6000")
	harness.CreateTopics(t, s.broker, 3, nil, "numbers", "numbered")
	s.run()
	n := 0
	feed := func(count int) {
		var numbers [][2]string
		for range count {
			numbers = append(numbers, [2]string{"", strconv.Itoa(n)})
			n++
		}
		s.write("numbers", numbers...)
	}
	reached := func(records int) {
		t.Helper()
		got := 0
		harness.Until(t, 2*time.Minute, func() bool {
			got = len(harness.Read(t, s.broker, "numbered"))
			return got >= records
		}, func() string {
			return fmt.Sprintf("%d of %d records came out; the application:\n%s", got, records, harness.Tail(s.application.OutputFile, 60))
		})
	}
	feed(200)
	reached(200)
	for round := range 6 {
		feed(500)
		// Somewhere in these 500, or in the restoring of the state that the last kill cost.
		reached(n - 500 - random.IntN(1+n/4))
		time.Sleep(time.Duration(random.IntN(1500)) * time.Millisecond)
		switch round % 3 {
		case 0:
			s.application.Kill()
			s.run()
		case 1:
			s.broker.Outage(true, 0)
		case 2:
			s.application.Kill()
			s.broker.Outage(true, 0)
			s.run()
		}
	}
	feed(100)
	reached(n)
	s.stop()
	verifyNumbers(t, harness.Read(t, s.broker, "numbered"), n)
}

// verifyNumbers expects each number below n once, and the running number of each key from 1 without a gap.
func verifyNumbers(t *testing.T, records []*kgo.Record, n int) {
	t.Helper()
	running, seen := map[string]int{}, map[string]int{}
	for _, r := range records {
		key := string(r.Key)
		count, number, _ := strings.Cut(string(r.Value), ",")
		running[key]++
		if count != strconv.Itoa(running[key]) {
			t.Errorf("offset %d of partition %d: %s has running number %s, want %d", r.Offset, r.Partition, key, count, running[key])
		}
		seen[number]++
	}
	for i := range n {
		if times := seen[strconv.Itoa(i)]; times != 1 {
			t.Errorf("number %d came out %d times", i, times)
		}
	}
	if len(records) != n {
		t.Errorf("%d numbers went in, %d records came out", n, len(records))
	}
}
