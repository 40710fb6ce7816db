package powercut

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/compat-tests/harness"
)

const version = "4.3.1"

// starter starts a server: Ottla or Apache Kafka.
type starter func(t testing.TB, options harness.Options) *harness.Broker

func ottla(t testing.TB, options harness.Options) *harness.Broker {
	return harness.StartOttla(t, options)
}

// subject is the server whose promises are tested: with OTTLA_CONTROL set it is Apache Kafka.
func subject(t testing.TB, options harness.Options) *harness.Broker {
	return harness.StartSubject(t, version, options)
}

func apacheKafka(t testing.TB, options harness.Options) *harness.Broker {
	return harness.StartKafka(t, version, options)
}

// campaign is one broker on one disk, through many power cuts.
type campaign struct {
	t       *testing.T
	random  *rand.Rand
	broker  *harness.Broker
	disk    *disk
	data    string
	ledger  *ledger
	keepers []*keeper
	// flush: log.flush.interval.messages=1. strict: everything acknowledged must survive, which takes flush.
	flush, strict bool
	cuts, again   int // power cuts, and how many of them in a recovery
	looked        int
	wrong         []string
	// control: this is Apache Kafka. What it loses is counted, not held against it.
	control bool
	broken  bool
}

// newSeed is OTTLA_SEED, or one that was never used.
func newSeed(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64() >> 1
	if text := os.Getenv("OTTLA_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("OTTLA_SEED: %v", err)
		}
	}
	return seed
}

// newCampaign starts a broker on a new disk. The log directory lies deep in it, so that even its name must be synced.
func newCampaign(t *testing.T, start starter, seed uint64, flush, strict bool) *campaign {
	t.Helper()
	t.Logf("OTTLA_SEED=%d", seed)
	directory := t.TempDir()
	c := &campaign{t: t, random: rand.New(rand.NewPCG(seed, 1)), ledger: newLedger(), flush: flush, strict: strict}
	c.disk = newDisk(t, filepath.Join(directory, "data"), c.random)
	c.data = filepath.Join(directory, "data", "deep", "logs")
	properties := []string{
		"log.dirs=" + c.data, "offsets.topic.num.partitions=3", "transaction.state.log.num.partitions=3", "auto.create.topics.enable=false",
		"log.flush.offset.checkpoint.interval.ms=300", "log.flush.start.offset.checkpoint.interval.ms=300", "log.initial.task.delay.ms=200",
		"log.retention.check.interval.ms=400", "log.segment.delete.delay.ms=500",
	}
	if flush {
		properties = append(properties, "log.flush.interval.messages=1")
	}
	c.broker = start(t, harness.Options{Directory: directory, Properties: properties, Stopped: true})
	c.control = c.broker.Name != "Ottla"
	for !c.control && c.random.IntN(3) > 0 {
		c.cutRecovery() // of a directory whose format has perhaps begun
	}
	c.broker.Start()
	admin := client(c.broker.Address)
	defer admin.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for name, partitions := range topicPartitions() {
		c.ledger.topics[name] = &topic{partitions: partitions, setting: -1, settingAck: -1}
		if err := c.ledger.create(ctx, kadm.NewClient(admin), name, partitions); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(c.closeKeepers)
	return c
}

func (c *campaign) closeKeepers() {
	for _, k := range c.keepers {
		k.client.Close()
	}
	c.keepers = nil
}

// cut lets clients work, cuts the power in the middle of it, starts the broker again and looks.
func (c *campaign) cut(atLeast, atMost time.Duration) {
	c.t.Helper()
	if c.broken {
		return
	}
	if c.keepers == nil {
		for _, codec := range []kgo.CompressionCodec{kgo.ZstdCompression(), kgo.Lz4Compression(), kgo.GzipCompression()} {
			c.keepers = append(c.keepers, newKeeper(c.broker.Address, c.ledger, codec))
		}
	}
	how := c.work(atLeast + time.Duration(c.random.Int64N(int64(atMost-atLeast))))
	if !c.flush {
		c.closeKeepers()
	}
	promised := c.ledger.promises()
	c.disk.off()
	c.disk.on()
	for c.random.IntN(3) == 0 {
		c.cutRecovery()
	}
	points, starts := readCheckpoint(c.data, "recovery-point-offset-checkpoint"), readCheckpoint(c.data, "log-start-offset-checkpoint")
	written := c.logSize()
	if err := c.broker.TryStart(); err != nil && c.control {
		c.broken = true
		c.wrong = append(c.wrong, fmt.Sprintf("after power cut %d (%s): does not start: %v", c.cuts, how, err))
		c.t.Logf("the end of the log of %s:\n%s", c.broker.Name, harness.Tail(c.broker.LogFile, 12))
		return
	} else if err != nil {
		c.t.Fatalf("after power cut %d (%s): %v; the end of its log:\n%s", c.cuts, how, err, harness.Tail(c.broker.LogFile, 40))
	}
	c.inspect(fmt.Sprintf("power cut %d (%s)", c.cuts, how), promised, points, starts)
	c.complain(fmt.Sprintf("power cut %d (%s)", c.cuts, how), written, trouble)
	if c.random.IntN(4) == 0 && !c.control {
		c.restart()
	}
}

// work runs the clients for a while and cuts the power under them.
func (c *campaign) work(length time.Duration) string {
	var cut atomic.Bool
	ctx, cancel := context.WithCancel(c.t.Context())
	defer cancel()
	w := &workload{ctx: ctx, address: c.broker.Address, ledger: c.ledger, seed: c.random.Uint64(), cut: &cut, watch: c.flush}
	var clients sync.WaitGroup
	clients.Go(func() { w.run(c.keepers) })
	if c.random.IntN(2) == 0 {
		random := rand.New(rand.NewPCG(c.random.Uint64(), 3))
		clients.Go(func() {
			for !cut.Load() {
				c.disk.writeBack(random)
				w.pause(random, 5)
			}
		})
	}
	time.Sleep(length)
	cut.Store(true)
	// Nobody is told anything after a power cut. A broker that ran on would tell lies, and would not know: an fsync that is
	// on its way when ext4 shuts down may return success though its transaction was dropped.
	c.broker.Signal(syscall.SIGSTOP)
	how := c.disk.cut()
	c.cuts++
	c.broker.Kill()
	cancel()
	clients.Wait()
	return how
}

// cutRecovery starts the broker and cuts the power while it reads its logs, or soon after.
func (c *campaign) cutRecovery() {
	c.t.Helper()
	if err := c.broker.Launch(); err != nil {
		c.t.Fatal(err)
	}
	moment := 200 * time.Millisecond
	if c.control {
		moment = 8 * time.Second
	}
	time.Sleep(time.Duration(c.random.Int64N(int64(moment))))
	c.disk.cut()
	c.cuts++
	c.again++
	c.broker.Kill()
	c.disk.off()
	c.disk.on()
}

// restart stops the broker as one should and looks that nothing needed mending.
func (c *campaign) restart() {
	c.t.Helper()
	c.closeKeepers()
	c.broker.Stop()
	written := c.logSize()
	if _, err := os.Stat(filepath.Join(c.data, ".kafka_cleanshutdown")); err != nil {
		c.wrong = append(c.wrong, fmt.Sprintf("after a clean stop: %v", err))
	}
	promised := c.ledger.promises()
	c.broker.Start()
	c.inspect("a clean stop", promised, nil, nil)
	c.complain("a clean stop", written, trouble)
	c.complain("a clean stop", written, mended)
}

// trouble is what Ottla says of what no power cut may do; mended is what it says when it had to repair something.
var (
	trouble = regexp.MustCompile(`\] (ERROR|FATAL|PANIC) |BUG:|^panic|discarded an unreadable checkpoint`)
	mended  = regexp.MustCompile(`the last stop was not clean|recovered a segment|cut off a torn tail|behind a torn batch|rebuilt an index|discarded a producer snapshot`)
)

// logSize is how long the broker's own log is.
func (c *campaign) logSize() int64 {
	info, err := os.Stat(c.broker.LogFile)
	if err != nil {
		c.t.Fatal(err)
	}
	return info.Size()
}

// complain notes the lines that Ottla wrote since then and that are like a pattern.
func (c *campaign) complain(after string, written int64, pattern *regexp.Regexp) {
	text, err := os.ReadFile(c.broker.LogFile)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, line := range strings.Split(string(text[written:]), "\n") {
		if !c.control && pattern.MatchString(line) {
			c.wrong = append(c.wrong, "after "+after+", in its log: "+line)
		}
	}
}

// inspect looks at everything and notes what is wrong.
func (c *campaign) inspect(after string, promised map[place]partition, points, starts map[place]int64) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 3*time.Minute)
	defer cancel()
	asker := client(c.broker.Address)
	defer asker.Close()
	look := &inspection{
		ctx: ctx, client: asker, admin: kadm.NewClient(asker), ledger: c.ledger, strict: c.strict, flushed: c.flush,
		promised: promised, recoveryPoints: points, starts: starts,
	}
	look.run()
	c.looked += look.looked
	var problems []string
	c.ledger.change(func() { problems, c.ledger.problems = c.ledger.problems, nil })
	for _, text := range append(look.wrong, problems...) {
		c.wrong = append(c.wrong, "after "+after+": "+text)
	}
}

// end tells what was done and, of Ottla, what is wrong.
func (c *campaign) end() {
	c.t.Helper()
	c.t.Logf("%s, flush %v: %d power cuts (%d in a recovery), %d records acknowledged, %d looked for, %d things wrong", c.broker.Name, c.flush,
		c.cuts, c.again, c.ledger.records, c.looked, len(c.wrong))
	for n, text := range c.wrong {
		if c.control {
			if n < 5 {
				c.t.Log(text)
			}
			continue
		}
		if n == 20 {
			c.t.Errorf("and %d more", len(c.wrong)-n)
			break
		}
		c.t.Error(text)
	}
}

// readFiles stops the broker and lets Apache Kafka's own tool read every file.
func (c *campaign) readFiles() {
	c.t.Helper()
	for _, program := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(program); err != nil {
			c.t.Logf("%s is not installed: Apache Kafka's tool does not read the files", program)
			return
		}
	}
	c.closeKeepers()
	c.broker.Stop()
	for pattern, flag := range map[string]string{"*-[0-9]/*.log": "--deep-iteration", "*-[0-9]/*.index": "--index-sanity-check"} {
		files, err := filepath.Glob(filepath.Join(c.data, pattern))
		if err != nil || len(files) == 0 {
			c.t.Fatalf("no files are like %s: %v", pattern, err)
		}
		for some := range slices.Chunk(files, 500) { // an argument has 128 KB at most
			c.dump(flag, some)
		}
	}
}

func (c *campaign) dump(flag string, files []string) {
	c.t.Helper()
	result := harness.StockTool(c.t, version, "org.apache.kafka.tools.DumpLogSegments", harness.Command{}, flag, "--files", strings.Join(files, ","))
	if result.Code != 0 {
		c.t.Errorf("kafka-dump-log %s: exit status %d\n%s", flag, result.Code, result.Stderr)
	}
	for _, line := range strings.Split(result.Output(), "\n") {
		if complaint.MatchString(line) && !strings.Contains(line, "StaticLoggerBinder") {
			c.t.Errorf("kafka-dump-log %s: %s", flag, line)
		}
	}
}

// complaint is what the tool says of a file that is not sound. To it, a file that does not begin with offset 0 has a gap
// behind offset −1.
var complaint = regexp.MustCompile(`(?i)exception|mismatch|corrupt|^\s*[0-9]+ is followed by|found error|invalid|isvalid: false|out of order|could not`)

// TestPowerCuts cuts the power of a broker that syncs every append: what it acknowledged stays.
func TestPowerCuts(t *testing.T) {
	c := newCampaign(t, subject, newSeed(t), true, true)
	for range 8 {
		c.cut(200*time.Millisecond, time.Second)
	}
	if !c.control {
		c.restart()
		c.readFiles()
	}
	c.end()
}

// TestPowerCutsWithoutFlush cuts the power of a broker that leaves it to the kernel: what was flushed stays, and the
// metadata always is.
func TestPowerCutsWithoutFlush(t *testing.T) {
	c := newCampaign(t, ottla, newSeed(t), false, false)
	for range 4 {
		c.cut(200*time.Millisecond, time.Second)
	}
	c.restart()
	c.end()
}

// TestLossIsNoticed demands of a broker that does not sync what only one that does can promise. A checker that finds
// nothing wrong then would find nothing ever.
func TestLossIsNoticed(t *testing.T) {
	c := newCampaign(t, ottla, newSeed(t), false, true)
	lost := map[string]int{}
	for n := 0; n < 20 && (lost["record"] == 0 || lost["group"] == 0); n++ {
		c.cut(300*time.Millisecond, 600*time.Millisecond)
		for _, text := range c.wrong {
			if strings.Contains(text, " is lost; the log is ") {
				lost["record"]++
			}
			if strings.Contains(text, " has committed offset ") {
				lost["group"]++
			}
		}
	}
	t.Logf("%d records lost, %d committed offsets moved back in %d power cuts", lost["record"], lost["group"], c.cuts)
	if lost["record"] == 0 || lost["group"] == 0 {
		t.Fatalf("the power was cut %d times and the checker misses nothing: %v", c.cuts, lost)
	}
}

// TestSoakPowerCuts goes on with new disks: Ottla with the setting and without, and Apache Kafka with it beside them.
func TestSoakPowerCuts(t *testing.T) {
	end := time.Now().Add(harness.Soak(t))
	seed, totals := newSeed(t), map[string]*[4]int{}
	_, missing := exec.LookPath("java")
	for n := uint64(0); time.Now().Before(end) && !t.Failed(); n++ {
		for m, lane := range []struct {
			name  string
			start starter
			flush bool
			cuts  int
		}{{"Ottla that syncs", ottla, true, 20}, {"Ottla that does not", ottla, false, 10}, {"Apache Kafka that syncs", apacheKafka, true, 10}} {
			if m == 2 && missing != nil || time.Now().After(end) {
				continue
			}
			t.Run(fmt.Sprint(lane.name, " ", n), func(t *testing.T) {
				c := newCampaign(t, lane.start, seed+3*n+uint64(m), lane.flush, lane.flush)
				for cut := 0; cut < lane.cuts && time.Now().Before(end); cut++ {
					c.cut(100*time.Millisecond, 2*time.Second)
				}
				if m == 0 {
					c.readFiles()
				}
				c.end()
				if totals[lane.name] == nil {
					totals[lane.name] = new([4]int)
				}
				for i, count := range []int{c.cuts, c.again, c.ledger.records, len(c.wrong)} {
					totals[lane.name][i] += count
				}
			})
		}
	}
	for name, total := range totals {
		t.Logf("%s: %d power cuts, %d of them in a recovery, %d records acknowledged, %d things wrong", name, total[0], total[1], total[2], total[3])
	}
}
