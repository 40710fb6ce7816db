package spark

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/compat-tests/harness"
)

// suite is one broker and the tools to run jobs against it.
type suite struct {
	broker             *harness.Broker
	client             *kgo.Client
	python, jars, work string
	// stamps is the time of the first record of the topic "stamped", in milliseconds.
	stamps int64
}

func newSuite(t *testing.T) *suite {
	t.Helper()
	folder := harness.Jars(t, "spark-3.4.0", harness.Artifact{Group: "org.apache.spark", Name: "spark-sql-kafka-0-10_2.12", Version: "3.4.0"})
	s := &suite{python: harness.Python(t, "spark-3.4.0", "pyspark==3.4.0"), work: t.TempDir()}
	// Spark itself comes with PySpark; only what the connector adds goes onto the class path.
	for _, pattern := range []string{"spark-sql-kafka-*.jar", "spark-token-provider-kafka-*.jar", "kafka-clients-*.jar", "commons-pool2-*.jar"} {
		found, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s in %s: %v %v", pattern, folder, found, err)
		}
		s.jars += "," + found[0]
	}
	s.jars = s.jars[1:]
	s.broker = harness.StartSubject(t, "4.3.1", harness.Options{})
	var err error
	if s.client, err = kgo.NewClient(kgo.SeedBrokers(s.broker.Address), kgo.RecordPartitioner(kgo.ManualPartitioner())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.Close)
	return s
}

// fill makes a topic and writes the records to its partitions in turn.
func (s *suite) fill(t *testing.T, topic string, partitions int32, records []*kgo.Record) {
	t.Helper()
	admin := kadm.NewClient(s.client)
	if _, err := admin.CreateTopic(t.Context(), partitions, 1, nil, topic); err != nil && !strings.Contains(err.Error(), "TOPIC_ALREADY_EXISTS") {
		t.Fatal(err)
	}
	for i, r := range records {
		r.Topic, r.Partition = topic, int32(i)%partitions
	}
	if err := s.client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// run runs jobs in one Spark session and returns what each printed, and everything on standard output.
func (s *suite) run(t *testing.T, jobs ...string) (map[string]json.RawMessage, string) {
	t.Helper()
	arguments := append([]string{"jobs.py", s.broker.Address, s.jars, s.work}, jobs...)
	result := harness.Command{
		Limit: 8 * time.Minute, Environment: []string{"SPARK_LOCAL_IP=127.0.0.1", "PYSPARK_PYTHON=" + s.python,
			fmt.Sprintf("STAMPED_FROM=%d", s.stamps+50_000)},
	}.Run(t, s.python, arguments...)
	if result.Code != 0 {
		t.Fatalf("jobs %v: exit status %d\n%s", jobs, result.Code, result.Output())
	}
	results := map[string]json.RawMessage{}
	for _, line := range strings.Split(result.Stdout, "\n") {
		if words := strings.SplitN(line, " ", 3); len(words) == 3 && words[0] == "RESULT" {
			results[words[1]] = json.RawMessage(words[2])
		}
	}
	return results, result.Stdout
}

// check holds one job's result against what it must be.
func check(t *testing.T, results map[string]json.RawMessage, job string, want any) {
	t.Helper()
	expected, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got, exact any
	if err := json.Unmarshal(results[job], &got); err != nil {
		t.Errorf("%s printed no result: %v", job, err)
		return
	}
	_ = json.Unmarshal(expected, &exact)
	gotText, _ := json.Marshal(got)
	wantText, _ := json.Marshal(exact)
	if string(gotText) != string(wantText) {
		t.Errorf("%s: %s\nwant %s", job, gotText, wantText)
	}
}

func values(format string, from, to int) []*kgo.Record {
	var records []*kgo.Record
	for i := from; i < to; i++ {
		records = append(records, &kgo.Record{Value: fmt.Appendf(nil, format, i)})
	}
	return records
}

func TestSpark(t *testing.T) {
	s := newSuite(t)
	const sentences = 200
	s.fill(t, "sentences", 3, values("kafka counts word-%d", 0, sentences))
	s.fill(t, "written-batch", 2, nil)
	s.fill(t, "written-stream", 2, nil)
	s.fill(t, "resumed", 2, values("value-%d", 0, 100))
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var events []*kgo.Record
	for second := range 60 {
		at := start.Add(time.Duration(second) * time.Second).Format("2006-01-02T15:04:05.000Z")
		events = append(events, &kgo.Record{Value: fmt.Appendf(nil, `{"at":%q,"kind":"k%d"}`, at, second%2)})
	}
	s.fill(t, "events", 1, events)
	// Recent, or retention would take the records by their time.
	s.stamps = time.Now().Add(-time.Hour).UnixMilli()
	var stamped []*kgo.Record
	for i := range 100 {
		stamped = append(stamped, &kgo.Record{
			Value: fmt.Appendf(nil, "s-%d", i), Timestamp: time.UnixMilli(s.stamps + int64(i)*1000),
			Headers: []kgo.RecordHeader{{Key: "n", Value: fmt.Append(nil, i)}},
		})
	}
	s.fill(t, "stamped", 1, stamped)

	results, printed := s.run(t, "to_console", "word_count", "window", "batch", "write_back", "resume")
	check(t, results, "to_console", map[string]int{"rows": sentences})
	for _, i := range []int{0, 57, sentences - 1} {
		if line := fmt.Sprintf("kafka counts word-%d", i); !strings.Contains(printed, line) {
			t.Errorf("the console shows no row %q", line)
		}
	}
	counts := map[string]int{"kafka": sentences, "counts": sentences}
	for i := range sentences {
		counts[fmt.Sprintf("word-%d", i)] = 1
	}
	check(t, results, "word_count", counts)
	// The watermark ends at second 54, so the windows that start at 0, 10, …, 40 are closed, five of each kind.
	var windows [][]any
	for _, from := range []int{0, 10, 20, 30, 40} {
		for _, kind := range []string{"k0", "k1"} {
			windows = append(windows, []any{start.Unix() + int64(from), kind, 5})
		}
	}
	check(t, results, "window", windows)
	var rows [][]any
	for i := 50; i < 100; i++ {
		rows = append(rows, []any{i, fmt.Sprintf("s-%d", i), s.stamps + int64(i)*1000, [][]string{{"n", fmt.Sprint(i)}}})
	}
	check(t, results, "batch", rows)
	check(t, results, "write_back", map[string]int{"rows": sentences})
	s.checkTopic(t, "written-batch", 50, "row-49")
	s.checkTopic(t, "written-stream", sentences, fmt.Sprintf("KAFKA COUNTS WORD-%d", sentences-1))
	checkResumed(t, results["resume"], 100)

	// More records and a new session: the checkpoint tells where to go on. The broker restarts in between, too.
	s.fill(t, "resumed", 2, values("value-%d", 100, 180))
	s.broker.Stop()
	s.broker.Start()
	results, _ = s.run(t, "resume")
	checkResumed(t, results["resume"], 180)
}

// checkTopic reads a topic from its start and expects that many records, one of them with the value.
func (s *suite) checkTopic(t *testing.T, topic string, records int, value string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.broker.Address), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	end := int64(0)
	ends.Each(func(o kadm.ListedOffset) { end += o.Offset })
	if end != int64(records) {
		t.Errorf("%s holds %d records, want %d", topic, end, records)
	}
	found := false
	for seen := int64(0); seen < end; {
		fetches := client.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			seen++
			found = found || string(r.Value) == value
		})
	}
	if !found {
		t.Errorf("%s holds no record %q", topic, value)
	}
}

// checkResumed expects value-0 … value-(n-1), each once.
func checkResumed(t *testing.T, result json.RawMessage, n int) {
	t.Helper()
	var got []string
	if err := json.Unmarshal(result, &got); err != nil {
		t.Fatalf("resume printed %s: %v", result, err)
	}
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf("value-%d", i))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("resumed from the checkpoint: %d values, %d different ones; want %d, each once", len(got), len(slices.Compact(slices.Clone(got))), n)
	}
}
