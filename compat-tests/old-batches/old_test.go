package oldbatches

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/compat-tests/harness"
)

// The topics. All of them get the same segments, and of some a retention then takes what is too old.
const (
	kept     = "kept"     // without retention
	expiring = "expiring" // the files are old, and so is what they hold
	fresh    = "fresh"    // the file of the records that have no timestamp is new
	torn     = "torn"     // the end of a segment is missing

	group       = "veteran"
	groupOffset = 97 // within a wrapper
)

// fileTime is the time of the old segments' files: before every timestamp, and what stands for those that are missing.
var fileTime = time.UnixMilli(1_400_000_000_000)

func properties() []string {
	return []string{
		"offsets.topic.num.partitions=1", "log.initial.task.delay.ms=100", "log.retention.check.interval.ms=500",
		"log.flush.start.offset.checkpoint.interval.ms=500", "log.cleaner.enable=false", "transaction.state.log.num.partitions=1",
	}
}

// subject is the server that takes over.
func subject(seat *harness.Seat) *harness.Broker {
	if os.Getenv("OTTLA_CONTROL") != "" {
		return seat.Kafka
	}
	return seat.Ottla
}

func TestOldBatches(t *testing.T) {
	w, classes := write(t), compileReaders(t)
	seat := harness.NewSeat(t, harness.SeatOptions{Version: version, Properties: properties()})
	seat.Kafka.Start()
	prepare(t, seat.Kafka)
	seat.Kafka.Stop()
	w.placeAll(t, seat.Data)
	w.ageGroups(t, seat.Data)

	seat.Kafka.Start()
	wanted, read := w.observe(t, seat.Kafka, kept), w.read(t, seat.Kafka, classes, kept)
	w.checkReaders(t, seat.Kafka, read)
	w.awaitRetention(t, seat.Kafka)
	checkGroup(t, seat.Kafka)
	seat.Kafka.Stop()
	checkUntouched(t, &w, seat.Data, kept)
	t.Logf("Apache Kafka: greatest timestamp %s, at the files' time %s; %s", wanted["greatest timestamp"], wanted[fmt.Sprintf("at %d", fileTime.UnixMilli())], wanted["produce magic 1 in version 9"])

	server := subject(seat)
	w.placeSome(t, seat.Data, expiring, fresh)
	server.Start()
	report(t, "after the swap", server, wanted.differences(w.observe(t, server, kept)))
	report(t, "after the swap", server, read.differences(w.read(t, server, classes, kept)))
	w.awaitRetention(t, server)
	checkGroup(t, server)
	w.work(t, server)
	before := w.observe(t, server, kept)
	awaitStartOffset(t, seat.Data)
	server.Kill()

	w.lame(t, seat.Data)
	server.Start()
	report(t, "after a kill", server, before.differences(w.observe(t, server, kept)))
	checkTorn(t, server, &w)
	server.Stop()
	w.dump(t, seat)

	seat.Kafka.Start()
	report(t, "handed back", seat.Kafka, before.differences(w.observe(t, seat.Kafka, kept)))
	checkGroup(t, seat.Kafka)
	checkTorn(t, seat.Kafka, &w)
	seat.Kafka.Kill()

	w.lame(t, seat.Data)
	seat.Kafka.Start()
	report(t, "after a kill", seat.Kafka, before.differences(w.observe(t, seat.Kafka, kept)))
	checkTorn(t, seat.Kafka, &w)
	seat.Kafka.Stop()
	w.dump(t, seat)
}

func report(t *testing.T, when string, server *harness.Broker, differences []string) {
	t.Helper()
	for i, difference := range differences {
		if i == 20 {
			t.Errorf("… and %d more", len(differences)-i)
			break
		}
		t.Errorf("%s, %s: %s", when, server.Name, difference)
	}
}

// prepare makes the topics and lets a group commit.
func prepare(t *testing.T, b *harness.Broker) {
	t.Helper()
	harness.CreateTopics(t, b, 1, map[string]*string{
		"retention.ms": kadm.StringPtr("-1"), "segment.bytes": kadm.StringPtr("1048576"), "index.interval.bytes": kadm.StringPtr("200"), "segment.ms": kadm.StringPtr("9223372036854775807"),
	}, kept, torn)
	harness.CreateTopics(t, b, 1, map[string]*string{"retention.ms": kadm.StringPtr("604800000"), "file.delete.delay.ms": kadm.StringPtr("0")}, expiring, fresh)
	offsets := kadm.Offsets{}
	offsets.AddOffset(kept, 0, groupOffset, -1)
	offsets.AddOffset(fresh, 0, 7, -1)
	offsets.AddOffset(torn, 0, 8, -1)
	admin := kadm.NewClient(harness.Client(t, b))
	harness.WaitUntil(t, time.Minute, "the commit of a group", func(ctx context.Context) bool {
		answers, err := admin.CommitOffsets(ctx, group, offsets)
		return err == nil && answers.Error() == nil
	})
}

func (w *written) placeAll(t *testing.T, data string) {
	t.Helper()
	w.place(t, data, kept, fileTime)
	w.place(t, data, torn, fileTime)
	w.placeSome(t, data, expiring, fresh)
}

// placeSome places the segments of the topics with a retention, which takes them.
func (w *written) placeSome(t *testing.T, data string, topics ...string) {
	t.Helper()
	for _, topic := range topics {
		modified := fileTime
		if topic == fresh {
			modified = time.Now()
		}
		w.place(t, data, topic, modified)
	}
}

// ageGroups turns the record batches of the groups' log into messages of magic 1.
func (w *written) ageGroups(t *testing.T, data string) {
	t.Helper()
	partition := filepath.Join(data, "__consumer_offsets-0")
	log := filepath.Join(partition, "00000000000000000000.log")
	result := harness.Command{}.Run(t, "java", harness.Java(w.java, "Writer", "age", log)...)
	if result.Code != 0 {
		t.Fatalf("Writer: %s", result.Output())
	}
	content, err := os.ReadFile(log)
	check(t, err)
	if len(content) < 17 || content[16] != 1 {
		t.Fatalf("the groups' log is not old: %x", content)
	}
	removeFiles(t, partition, "*index")
}

func checkGroup(t *testing.T, b *harness.Broker) {
	t.Helper()
	admin := kadm.NewClient(harness.Client(t, b))
	harness.WaitUntil(t, time.Minute, "what a group committed", func(ctx context.Context) bool {
		offsets, err := admin.FetchOffsets(ctx, group)
		if err != nil || offsets.Error() != nil {
			return false
		}
		at, ok := offsets.Lookup(kept, 0)
		more, _ := offsets.Lookup(torn, 0)
		if !ok || at.At != groupOffset || more.At != 8 {
			t.Fatalf("%s: the group's offsets are %+v", b.Name, offsets)
		}
		return true
	})
}

// checkReaders demands that clients read what Apache Kafka's classes read: the Java clients everything, the others what
// they know of.
func (w *written) checkReaders(t *testing.T, b *harness.Broker, read facts) {
	t.Helper()
	for client, told := range read {
		java, start := strings.HasPrefix(client, "Java"), int64(0)
		if strings.HasSuffix(client, fmt.Sprintf(" from %d", withoutLZ4)) {
			start = withoutLZ4
		}
		missing, first := w.missing(told, java, strings.HasPrefix(client, "kafka-go"), start)
		t.Logf("%s: %s reads all but %d records%s", b.Name, client, missing, first)
		if missing > 0 && (java || start > 0) {
			t.Errorf("%s: %s does not read all as it stands", b.Name, client)
		}
	}
}

// awaitRetention waits until retention has done its work: of the topic whose files are old nothing is left; where the
// file of the records without a timestamp is new, all is.
func (w *written) awaitRetention(t *testing.T, b *harness.Broker) {
	t.Helper()
	admin := kadm.NewClient(harness.Client(t, b))
	offsets := func(ctx context.Context, topic string) (start, end int64) {
		starts, err := admin.ListStartOffsets(ctx, topic)
		check(t, err)
		ends, err := admin.ListEndOffsets(ctx, topic)
		check(t, err)
		s, _ := starts.Lookup(topic, 0)
		e, _ := ends.Lookup(topic, 0)
		return s.Offset, e.Offset
	}
	harness.WaitUntil(t, time.Minute, "retention", func(ctx context.Context) bool {
		start, end := offsets(ctx, expiring)
		return start == end && end == w.end
	})
	if start, end := offsets(context.Background(), fresh); start != 0 || end != w.end {
		t.Errorf("%s: of %s [%d, %d) is left", b.Name, fresh, start, end)
	}
}

// work writes on, so that segments roll, and deletes records up to an offset within a wrapper.
func (w *written) work(t *testing.T, b *harness.Broker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client := harness.Client(t, b, kgo.ProducerBatchMaxBytes(200_000), kgo.ProducerBatchCompression(kgo.NoCompression()))
	for i := range 40 {
		record := &kgo.Record{Topic: kept, Key: fmt.Appendf(nil, "new %d", i), Value: noise(i, 60_000)}
		check(t, client.ProduceSync(ctx, record).FirstErr())
	}
	_, err := kadm.NewClient(client).DeleteRecords(ctx, kadm.Offsets{kept: {0: {Topic: kept, At: groupOffset}}})
	check(t, err)
	// Until the segment that is wholly below it is gone, Apache Kafka's searches by time end there.
	harness.WaitUntil(t, time.Minute, "the deletion of the first segment", func(context.Context) bool {
		_, err := os.Stat(filepath.Join(b.Data, kept+"-0", "00000000000000000000.log"))
		return os.IsNotExist(err)
	})
}

// noise is text that no codec makes much smaller.
func noise(seed, size int) []byte {
	b, x := make([]byte, size), uint32(seed)*2654435761+1
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = 'A' + byte(x>>28)
	}
	return b
}

func awaitStartOffset(t *testing.T, data string) {
	t.Helper()
	harness.WaitUntil(t, time.Minute, "the checkpoint of start offsets", func(context.Context) bool {
		content, err := os.ReadFile(filepath.Join(data, "log-start-offset-checkpoint"))
		return err == nil && strings.Contains(string(content), fmt.Sprintf("\n%s 0 %d\n", kept, groupOffset))
	})
}

// lame takes from a directory whose server was killed the indexes and the recovery points, so that all is looked through
// by the next start, and tears the end off a segment.
func (w *written) lame(t *testing.T, data string) {
	t.Helper()
	removeFiles(t, filepath.Join(data, kept+"-0"), "*index")
	setCheckpoint(t, data, "recovery-point-offset-checkpoint", kept, -1)
	w.tear(t, data, torn, 80, 5)
}

// checkTorn demands that the message whose end is missing is gone, and all others are there.
func checkTorn(t *testing.T, b *harness.Broker, w *written) {
	t.Helper()
	whole, end := int64(80), int64(80)
	for _, last := range w.last { // the last message of the segment is cut short
		if last < 182 && last > whole {
			whole, end = last, whole+1
		}
	}
	admin := kadm.NewClient(harness.Client(t, b))
	ends, err := admin.ListEndOffsets(context.Background(), torn)
	check(t, err)
	if got, _ := ends.Lookup(torn, 0); got.Offset != end {
		t.Errorf("%s: the torn log ends at %d, want %d", b.Name, got.Offset, end)
	}
}

// checkUntouched compares the old segments with what was put there.
func checkUntouched(t *testing.T, w *written, data, topic string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(w.directory, "*.log"))
	check(t, err)
	for _, file := range files {
		want, err := os.ReadFile(file)
		check(t, err)
		got, err := os.ReadFile(filepath.Join(data, topic+"-0", filepath.Base(file)))
		check(t, err)
		if string(got) != string(want) {
			t.Errorf("%s has changed", filepath.Base(file))
		}
	}
}

var complaint = regexp.MustCompile(`(?i)exception|mismatch|corrupt|found error|invalid|isvalid: false|out of order|not found`)

// dump has both dump tools print what is left and compares them; neither may complain.
func (w *written) dump(t *testing.T, seat *harness.Seat) {
	t.Helper()
	partition := filepath.Join(seat.Data, kept+"-0")
	for _, flags := range [][]string{{"--deep-iteration"}, {"--print-data-log"}, {"--index-sanity-check"}, {"--verify-index-only"}} {
		var files []string
		for _, pattern := range []string{"*.log", "*index"} {
			found, err := filepath.Glob(filepath.Join(partition, pattern))
			check(t, err)
			if len(found) == 0 {
				t.Fatalf("no %s in %s", pattern, partition)
			}
			files = append(files, found...)
		}
		arguments := append(slices.Clone(flags), "--files", strings.Join(files, ","))
		theirs := harness.StockTool(t, version, "org.apache.kafka.tools.DumpLogSegments", harness.Command{}, arguments...)
		mine := harness.Command{}.Run(t, harness.Build(t), append([]string{"dump-log"}, arguments...)...)
		if theirs.Code != 0 || mine.Code != 0 || theirs.Stdout != mine.Stdout {
			t.Errorf("dump-log %v: exit status %d, kafka-dump-log's %d; the first difference: %s", flags, mine.Code, theirs.Code, firstDifference(mine.Stdout, theirs.Stdout))
		}
		for _, line := range strings.Split(theirs.Output(), "\n") {
			if complaint.MatchString(line) && !strings.Contains(line, "payload:") && !strings.Contains(line, "SLF4J") {
				t.Errorf("kafka-dump-log %v: %s", flags, line)
			}
		}
	}
}

func firstDifference(mine, theirs string) string {
	a, b := strings.Split(mine, "\n"), strings.Split(theirs, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("%.300s\nkafka-dump-log: %.300s", a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines and %d", len(a), len(b))
}
