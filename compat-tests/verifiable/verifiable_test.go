package verifiable

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
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

// tool starts one of the tools by its class in org.apache.kafka.tools.
func tool(t *testing.T, class string, arguments ...string) *harness.Service {
	t.Helper()
	jars := harness.Jars(t, "kafka-"+version, harness.Tools(version)...)
	return harness.StartService(t, nil, "java", harness.Java(jars+"/*", "org.apache.kafka.tools."+class, arguments...)...)
}

func broker(t *testing.T) *harness.Broker {
	t.Helper()
	return harness.StartSubject(t, version, harness.Options{Properties: []string{
		"transaction.state.log.num.partitions=5", "offsets.topic.num.partitions=5",
		"transaction.abort.timed.out.transaction.cleanup.interval.ms=500",
	}})
}

// event is a line that VerifiableProducer or VerifiableConsumer prints.
type event struct {
	Name       string
	Topic      string
	Partition  int32
	Offset     int64
	Key, Value string
	Message    string
	Error      string
	Success    bool
	Offsets    []event
	Partitions []struct {
		Partition                   int32
		Count, MinOffset, MaxOffset int64
	}
}

// events are those that a tool has printed so far, by name.
func events(t *testing.T, s *harness.Service) map[string][]event {
	t.Helper()
	found := map[string][]event{}
	scanner := bufio.NewScanner(strings.NewReader(s.Output()))
	for scanner.Scan() {
		var e event
		// The last line may be half written, and the streams share the file: what is no event is not looked at.
		if json.Unmarshal(scanner.Bytes(), &e) == nil {
			found[e.Name] = append(found[e.Name], e)
		}
	}
	return found
}

// TestProducerAndConsumer lets one write and one read, both by the clock, while the broker goes away and comes back.
func TestProducerAndConsumer(t *testing.T) {
	b := broker(t)
	const partitions, records = 3, 6000
	harness.CreateTopics(t, b, partitions, nil, "t")
	// The producer of the tool does not retry by default; here it may, since the broker is one alone.
	settings := filepath.Join(t.TempDir(), "producer.properties")
	if err := os.WriteFile(settings, []byte("retries=2147483647\ndelivery.timeout.ms=600000\nenable.idempotence=true\nreconnect.backoff.max.ms=200\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	producer := tool(t, "VerifiableProducer", "--bootstrap-server", b.Address, "--topic", "t", "--max-messages", strconv.Itoa(records),
		"--throughput", "500", "--acks", "-1", "--repeating-keys", "50", "--command-config", settings)
	consumer := tool(t, "VerifiableConsumer", "--bootstrap-server", b.Address, "--topic", "t", "--group-id", "g", "--verbose",
		"--session-timeout", "10000", "--reset-policy", "earliest")
	acknowledged := func(n int) {
		t.Helper()
		got := 0
		harness.Until(t, 2*time.Minute, func() bool {
			got = len(events(t, producer)["producer_send_success"])
			return got >= n
		}, func() string { return fmt.Sprintf("%d of %d records are acknowledged", got, n) })
	}
	for round, restart := range []func(){b.Kill, b.Stop, b.Kill} {
		acknowledged((round + 1) * records / 5)
		restart()
		b.Start()
	}
	acknowledged(records)
	if failed := events(t, producer)["producer_send_error"]; len(failed) > 0 {
		t.Errorf("%d records were refused, first %+v", len(failed), failed[0])
	}
	producer.Wait(time.Minute)
	sent := events(t, producer)["producer_send_success"]
	harness.Until(t, 2*time.Minute, func() bool { return len(events(t, consumer)["record_data"]) >= len(sent) }, func() string {
		return fmt.Sprintf("%d of %d records are read", len(events(t, consumer)["record_data"]), len(sent))
	})
	consumer.Stop()
	verifyRead(t, sent, events(t, consumer))
}

// verifyRead expects what was acknowledged, where it was said to be, each partition in order; a record may come again
// only where the commit of its offset had failed.
func verifyRead(t *testing.T, sent []event, seen map[string][]event) {
	t.Helper()
	values, next, committed, repeated := map[string]string{}, map[int32]int64{}, map[int32]int64{}, 0
	for _, e := range seen["record_data"] {
		if e.Offset > next[e.Partition] {
			t.Fatalf("partition %d: offset %d follows offset %d", e.Partition, e.Offset, next[e.Partition]-1)
		}
		if e.Offset < next[e.Partition] {
			repeated++
		}
		next[e.Partition] = e.Offset + 1
		values[fmt.Sprint(e.Partition, "-", e.Offset)] = e.Value
	}
	for _, e := range sent {
		if value := values[fmt.Sprint(e.Partition, "-", e.Offset)]; value != e.Value {
			t.Fatalf("%q was acknowledged at %d-%d, where %q was read", e.Value, e.Partition, e.Offset, value)
		}
	}
	if len(values) != len(sent) {
		t.Errorf("%d records were acknowledged, %d are there", len(sent), len(values))
	}
	failures := 0
	for _, e := range seen["offsets_committed"] {
		if !e.Success {
			failures++
			continue
		}
		for _, o := range e.Offsets {
			if o.Offset < committed[o.Partition] {
				t.Errorf("partition %d: committed offset went from %d to %d", o.Partition, committed[o.Partition], o.Offset)
			}
			committed[o.Partition] = o.Offset
		}
	}
	t.Logf("%d records, %d read again, %d commits failed while the broker was away", len(sent), repeated, failures)
	if repeated > 0 && failures == 0 && len(seen["partitions_revoked"]) == 0 {
		t.Errorf("%d records were read again though no commit failed", repeated)
	}
	if len(seen["offsets_committed"]) == 0 {
		t.Error("no offset was committed")
	}
}

// fill writes n numbers over the partitions of a topic.
func fill(t *testing.T, b *harness.Broker, topic string, partitions int32, n int) {
	t.Helper()
	harness.CreateTopics(t, b, partitions, nil, topic)
	client := harness.Client(t, b, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	var records []*kgo.Record
	for i := range n {
		records = append(records, &kgo.Record{Topic: topic, Partition: int32(i) % partitions, Value: []byte(strconv.Itoa(i))})
	}
	if err := client.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// verifyCopy expects each number below n once in the output.
func verifyCopy(t *testing.T, b *harness.Broker, topic string, n int) {
	t.Helper()
	seen := map[string]int{}
	for _, r := range harness.Read(t, b, topic) {
		seen[string(r.Value)]++
	}
	wrong := 0
	for i := range n {
		if times := seen[strconv.Itoa(i)]; times != 1 {
			wrong++
			if wrong <= 10 {
				t.Errorf("number %d was copied %d times", i, times)
			}
		}
	}
	if wrong > 0 || len(seen) != n {
		t.Errorf("%d numbers of %d are not there once each; %d different values", wrong, n, len(seen))
	}
}

// TestCopiers copies two partitions by a copier each, then by two members of one group, with aborts at random; the
// broker is killed and stopped, and one copier killed and started again with its transactional id.
func TestCopiers(t *testing.T) {
	const partitions, n = 2, 4000
	for _, mode := range []string{"assigned", "group"} {
		t.Run(mode, func(t *testing.T) {
			b := broker(t)
			fill(t, b, "in", partitions, n)
			harness.CreateTopics(t, b, partitions, nil, "out")
			run := func(i int) *harness.Service {
				arguments := []string{"--broker-list", b.Address, "--input-topic", "in", "--input-partition", strconv.Itoa(i), "--output-topic", "out",
					"--transactional-id", fmt.Sprintf("copier-%d", i), "--consumer-group", "copiers", "--transaction-size", "40",
					"--transaction-timeout", "20000", "--enable-random-aborts"}
				if mode == "group" {
					arguments = append(arguments, "--group-mode", "--use-group-metadata")
				}
				return tool(t, "TransactionalMessageCopier", arguments...)
			}
			copiers := []*harness.Service{run(0), run(1)}
			copied := func(records int) {
				t.Helper()
				got := 0
				harness.Until(t, 2*time.Minute, func() bool {
					for i, s := range copiers {
						// A copier ends once the input's end is copied; one that a fault ended starts again, as a supervisor would do.
						if !s.Running() && s.Wait(time.Second) != 0 {
							copiers[i] = run(i)
						}
					}
					got = len(harness.Read(t, b, "out"))
					return got >= records
				}, func() string {
					return fmt.Sprintf("%d of %d records are copied\n%s\n%s", got, records, harness.Tail(copiers[0].OutputFile, 15), harness.Tail(copiers[1].OutputFile, 15))
				})
			}
			copied(n / 8)
			b.Outage(true, 0)
			copied(n / 4)
			copiers[0].Kill()
			copiers[0] = run(0)
			copied(n / 2)
			b.Outage(false, 0)
			copied(n)
			for _, s := range copiers {
				s.Stop()
			}
			verifyCopy(t, b, "out", n)
		})
	}
}
