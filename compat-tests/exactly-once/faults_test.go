package exactlyonce

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"ottla/compat-tests/harness"
)

const version = "4.3.1"

// protocol is one of the two ways of a client with transactions, and what of its requests the proxy may hold up.
type protocol struct {
	name    string
	options []kgo.Opt
	// holds gives, of 100 requests with a key, how many are held.
	holds map[int16]int
}

// protocols: only with KIP-890, where the epoch rises with each transaction, may a late request for the end of a
// transaction or for its offsets not touch the next one; without it Apache Kafka cannot tell them apart either. Late
// records are told by their sequence in both.
func protocols() []protocol {
	return []protocol{
		{"the epoch rises with each transaction", nil, map[int16]int{keyEndTxn: 12, keyProduce: 2, keyTxnOffsetCommit: 6}},
		{"the epoch stays", []kgo.Opt{kgo.MaxVersions(kversion.V3_5_0())}, map[int16]int{keyProduce: 2}},
	}
}

// TestUnderFaults is one run with each protocol.
func TestUnderFaults(t *testing.T) {
	length := 25 * time.Second
	if testing.Short() {
		length = 5 * time.Second
	}
	seed := newSeed(t)
	for i, p := range protocols() {
		t.Run(p.name, func(t *testing.T) { campaign(t, p, seed+uint64(i), length) })
	}
}

// TestSoakUnderFaults is one run of a minute after the other, each on a new broker.
func TestSoakUnderFaults(t *testing.T) {
	seed, end := newSeed(t), time.Now().Add(harness.Soak(t))
	for i := uint64(0); time.Now().Before(end) && !t.Failed(); i++ {
		p := protocols()[i%2]
		t.Run(fmt.Sprint(i, " ", p.name), func(t *testing.T) { campaign(t, p, seed+i, time.Minute) })
	}
}

// newSeed is OTTLA_SEED, or one that was never used.
func newSeed(t *testing.T) uint64 {
	seed := rand.Uint64() >> 1
	if text := os.Getenv("OTTLA_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("OTTLA_SEED: %v", err)
		}
	}
	t.Logf("seed %d", seed)
	return seed
}

// campaign runs the workload for a while on a broker that is ill-treated, lets it come to rest and checks the history.
func campaign(t *testing.T, p protocol, seed uint64, length time.Duration) {
	t.Logf("seed %d", seed)
	broker := harness.StartSubject(t, version, harness.Options{Properties: []string{
		"transaction.state.log.num.partitions=4", "offsets.topic.num.partitions=4", "log.segment.bytes=1048576",
		"transaction.abort.timed.out.transaction.cleanup.interval.ms=500",
	}})
	chance := rand.New(rand.NewPCG(seed, 2))
	proxy, err := StartProxy(broker.Address, func(key int16) bool { return chance.IntN(100) < p.holds[key] },
		func() time.Duration { return time.Duration(chance.IntN(30)) * time.Millisecond })
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	hard, cancelHard := context.WithCancel(t.Context())
	stopProducers, cancelProducers := context.WithCancel(hard)
	stopCopiers, cancelCopiers := context.WithCancel(hard)
	w := &workload{
		address: broker.Address, proxy: proxy, history: NewHistory(), seed: seed, options: p.options,
		hard: hard, stopProducers: stopProducers, stopCopiers: stopCopiers,
	}
	defer func() { // for a while only: a test that failed because one hangs is to say so
		cancelHard()
		ended(&w.producers, 10*time.Second)
		ended(&w.copiers, 10*time.Second)
	}()
	createTopics(t, broker)
	w.start()
	faults := illTreat(broker, rand.New(rand.NewPCG(seed, 3)), length)
	healed := time.Now()
	cancelProducers()
	await(t, &w.producers, "producers")
	t.Logf("the producers have ended %v after the last fault", time.Since(healed))
	comeToRest(t, w)
	t.Logf("at rest %v after the last fault", time.Since(healed))
	cancelCopiers()
	await(t, &w.copiers, "copiers and readers")
	comeToRest(t, w)
	t.Logf("all done %v after the last fault", time.Since(healed))
	ends(t, w)
	report := Check(w.history.Operations())
	t.Logf("faults %v, held requests by key %v\n%s", faults, proxy.Released(), report)
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if len(w.lost) > 0 {
		t.Logf("clients that lost a record: %v", w.lost)
	}
	if len(w.lost) > 3 {
		t.Error("more clients wait in vain than a fault of theirs explains")
	}
	if names := report.Forbidden(); len(names) > 0 {
		t.Errorf("found %v; the history is in %s", names, keepHistory(t, w, seed))
	}
	if report.Outcomes[Ok] == 0 || report.CopiesOfDistinct == 0 || report.Readings == 0 {
		t.Error("there was nothing to check")
	}
	lookAtLog(t, broker)
}

// lookAtLog fails the test where the broker's log tells of a panic, and shows what it calls errors.
func lookAtLog(t *testing.T, broker *harness.Broker) {
	t.Helper()
	content, err := os.ReadFile(broker.LogFile)
	if err != nil || strings.Contains(string(content), "panic") {
		t.Errorf("the broker's log tells of a panic, or %v:\n%s", err, harness.Tail(broker.LogFile, 60))
	}
	var told []string
	for _, line := range strings.Split(string(content), "\n") {
		if strings.Contains(line, " ERROR ") {
			told = append(told, line)
		}
	}
	if len(told) > 0 {
		t.Logf("the broker's log has %d errors:\n%s", len(told), strings.Join(told[:min(5, len(told))], "\n"))
	}
}

// illTreat does one thing after the other to the broker, a quarter of them nothing, and counts them. At the end the
// broker runs.
func illTreat(broker *harness.Broker, random *rand.Rand, length time.Duration) map[string]int {
	done := map[string]int{}
	for end := time.Now().Add(length); time.Now().Before(end); {
		time.Sleep(time.Duration(300+random.IntN(1700)) * time.Millisecond)
		switch random.IntN(8) {
		case 0, 1:
			done["quiet"]++
		case 2, 3, 4:
			done["kill -9"]++
			broker.Outage(true, time.Duration(random.IntN(500))*time.Millisecond)
		case 5:
			done["clean stop"]++
			broker.Outage(false, 0)
		default:
			done["pause"]++
			broker.Signal(syscall.SIGSTOP)
			time.Sleep(time.Duration(100+random.IntN(2500)) * time.Millisecond)
			broker.Signal(syscall.SIGCONT)
		}
	}
	return done
}

// await waits for clients that were told to stop: one that hangs on a healthy broker fails the test.
func await(t *testing.T, clients *sync.WaitGroup, what string) {
	t.Helper()
	if !ended(clients, time.Minute) {
		t.Fatalf("the %s do not end, with a broker that runs", what)
	}
}

func createTopics(t *testing.T, broker *harness.Broker) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Address))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	answers, err := kadm.NewClient(client).CreateTopics(ctx, partitions, 1, nil, "in", "out")
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// listed returns the last stable and the end offsets of the partitions of both topics.
func listed(ctx context.Context, w *workload) (stable, end map[string]int64, err error) {
	client, err := kgo.NewClient(w.base("lister")...)
	if err != nil {
		return nil, nil, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	collect := func(answers kadm.ListedOffsets, problem error) map[string]int64 {
		offsets := map[string]int64{}
		if err == nil {
			err = problem
		}
		answers.Each(func(o kadm.ListedOffset) {
			if err == nil {
				err = o.Err
			}
			offsets[name(o.Topic, o.Partition)] = o.Offset
		})
		return offsets
	}
	stable = collect(admin.ListCommittedOffsets(ctx, "in", "out"))
	end = collect(admin.ListEndOffsets(ctx, "in", "out"))
	return stable, end, err
}

// comeToRest reads all there is, as a new client would, until no transaction is open, every value is copied and the
// group's offsets stand where they were when it looked before. It gives up after a while: the history then shows why.
func comeToRest(t *testing.T, w *workload) {
	t.Helper()
	give := time.Now().Add(2 * time.Minute)
	for round := 0; ; round++ {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		stable, end, err := listed(ctx, w)
		atRest := err == nil && maps.Equal(stable, end)
		if atRest || time.Now().After(give) {
			missing, problem := readToTheEnd(ctx, w, stable)
			if problem != nil {
				err = problem
			}
			atRest = atRest && err == nil && missing == 0
		}
		cancel()
		if atRest {
			return
		}
		if time.Now().After(give) {
			t.Errorf("not at rest: stable %v, end %v, %v", stable, end, err)
			return
		}
		time.Sleep(300 * time.Millisecond)
	}
}

// readToTheEnd reads both topics from their start to the given offsets as part of the history, and tells how many
// values of in have no copy in out.
func readToTheEnd(ctx context.Context, w *workload, to map[string]int64) (missing int, err error) {
	id := fmt.Sprintf("final-%d", w.history.Now())
	client := w.reader(id)
	defer client.Close()
	at, values, copies := map[string]int64{}, map[int64]bool{}, map[int64]bool{}
	for {
		short := slices.ContainsFunc(slices.Collect(maps.Keys(to)), func(partition string) bool { return at[partition] < to[partition] })
		if !short {
			break
		}
		next, steps, err := w.poll(ctx, client, id)
		if err != nil {
			return 0, fmt.Errorf("%s has read to %v of %v: %w", id, at, to, err)
		}
		maps.Copy(at, next)
		for _, s := range steps {
			if strings.HasPrefix(s.Partition, "in-") {
				values[s.Value] = true
			} else {
				copies[s.Source] = true
			}
		}
	}
	for value := range values {
		if !copies[value] {
			missing++
		}
	}
	return missing, nil
}

// ends puts the last stable and the end offsets into the history.
func ends(t *testing.T, w *workload) {
	t.Helper()
	o := Operation{Process: "lister", Kind: Ends, Start: w.history.Now(), Outcome: Ok}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stable, end, err := listed(ctx, w)
	if err != nil {
		t.Fatal(err)
	}
	for partition, offset := range end {
		o.Steps = append(o.Steps, Step{Stable, partition, stable[partition], offset, 0})
	}
	o.End = w.history.Now()
	w.history.Add(o)
}

// keepHistory writes the history of a failed run where it outlives the test.
func keepHistory(t *testing.T, w *workload, seed uint64) string {
	t.Helper()
	path := filepath.Join(harness.Root(t), "build", "exactly-once", fmt.Sprintf("%d.txt", seed))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if err := WriteHistory(file, w.history.Operations()); err != nil {
		t.Fatal(err)
	}
	return path
}
