package differential

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/compat-tests/harness"
)

// now is the time that records carry: recent, so that retention leaves them, and the same for both brokers.
var now = time.Now().UnixMilli()

// testCase is one request in every version that both brokers advertise.
type testCase struct {
	name string
	key  kmsg.Key
	// min and max narrow the versions; 0 for max means the highest advertised.
	min, max int16
	// silent: no answer is expected.
	silent bool
	build  func(s *side, version int16) kmsg.Request
}

// topicID is the id of a topic on this side; a topic that is not there gets one that no broker gave.
func (s *side) topicID(name string) [16]byte {
	if id, ok := s.topicIDs[name]; ok {
		return id
	}
	return madeUp
}

// acceptance is one line of accepted.txt: a difference that stays, and why.
type acceptance struct {
	text    string
	pattern *regexp.Regexp
	used    bool
}

// suite holds both brokers and counts what was compared.
type suite struct {
	sides    [2]*side
	versions map[kmsg.Key][2]int16
	accepted []*acceptance
	requests int
}

func newSuite(t *testing.T) *suite {
	t.Helper()
	// A topic that is not there must stay so; creation on demand has a history of its own in other suites.
	// A busy machine must not make Apache Kafka lose its session and elect anew.
	options := harness.Options{Properties: []string{"auto.create.topics.enable=false", "broker.session.timeout.ms=120000"}}
	s := &suite{sides: [2]*side{
		newSide(t, harness.StartSubject(t, "4.3.1", options)),
		newSide(t, harness.StartKafka(t, "4.3.1", options)),
	}}
	s.readAccepted(t)
	s.readVersions(t)
	return s
}

// readAccepted reads accepted.txt: lines `pattern | reason`, the pattern matching "API v<version> <case> <path>: …".
func (s *suite) readAccepted(t *testing.T) {
	t.Helper()
	file, err := os.Open("accepted.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		line := strings.TrimSpace(scanner.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		pattern, reason, ok := strings.Cut(line, " | ")
		if !ok || strings.TrimSpace(reason) == "" {
			t.Fatalf("accepted.txt: no reason in %q", line)
		}
		s.accepted = append(s.accepted, &acceptance{text: line, pattern: regexp.MustCompile(pattern)})
	}
}

// readVersions asks both brokers what they advertise; the versions to try are those of the subject.
func (s *suite) readVersions(t *testing.T) {
	t.Helper()
	r := kmsg.NewPtrApiVersionsRequest()
	r.Version, r.ClientSoftwareName, r.ClientSoftwareVersion = 3, "differential", "1"
	got, err := s.sides[0].do("", r, false)
	if err != nil || got.closed {
		t.Fatalf("ApiVersions: %+v %v", got, err)
	}
	s.versions = map[kmsg.Key][2]int16{}
	for _, key := range got.response.(*kmsg.ApiVersionsResponse).ApiKeys {
		s.versions[kmsg.Key(key.ApiKey)] = [2]int16{key.MinVersion, key.MaxVersion}
	}
	// Produce is advertised from 0 for the sake of old clients, and served from 3.
	if produce, ok := s.versions[kmsg.Produce]; ok {
		s.versions[kmsg.Produce] = [2]int16{3, produce[1]}
	}
}

// exchange sends one request to both sides and reports where the answers differ.
func (s *suite) exchange(t *testing.T, label, connection string, silent bool, build func(side *side) kmsg.Request) [2]answer {
	t.Helper()
	var answers [2]answer
	var trees [2]any
	for i, side := range s.sides {
		request := build(side)
		var err error
		if answers[i], err = side.do(connection, request, silent); err != nil {
			t.Errorf("%s: %s: %v", label, side.broker.Name, err)
			return answers
		}
		trees[i] = side.tree(answers[i])
	}
	s.requests++
	for _, d := range compare("", trees[0], trees[1]) {
		line := label + " " + d.String()
		if !s.accept(line) {
			t.Error(line)
		}
	}
	return answers
}

func (s *suite) accept(line string) bool {
	for _, a := range s.accepted {
		if a.pattern.MatchString(line) {
			a.used = true
			return true
		}
	}
	return false
}

// run runs a case in all its versions.
func (s *suite) run(t *testing.T, c testCase) {
	t.Helper()
	span, ok := s.versions[c.key]
	if !ok {
		t.Fatalf("%s is not advertised", kmsg.NameForKey(int16(c.key)))
	}
	low, high := max(span[0], c.min), span[1]
	if c.max > 0 {
		high = min(high, c.max)
	}
	in := func(version int16) func(side *side) kmsg.Request {
		return func(side *side) kmsg.Request {
			request := c.build(side, version)
			request.SetVersion(version)
			return request
		}
	}
	if c.key == kmsg.DescribeConfigs || c.key == kmsg.ListConfigResources {
		// Apache Kafka's broker hears of a change a moment after the controller has answered.
		s.agree(t, in(high))
	}
	for version := low; version <= high; version++ {
		label := fmt.Sprintf("%s v%d %s", kmsg.NameForKey(int16(c.key)), version, c.name)
		s.exchange(t, label, "", c.silent, in(version))
	}
}

// prepare makes the same topics and records on both sides.
func (s *suite) prepare(t *testing.T) {
	t.Helper()
	type spec struct {
		name       string
		partitions int32
		configs    map[string]string
	}
	for _, topic := range []spec{
		{"alpha", 3, nil}, {"filled", 1, nil}, {"empty", 1, nil}, {"settable", 1, nil},
		{"compacted", 1, map[string]string{"cleanup.policy": "compact"}},
		{"stamped", 1, map[string]string{"message.timestamp.type": "LogAppendTime"}},
		{"narrow", 1, map[string]string{"max.message.bytes": "1000"}},
	} {
		s.exchange(t, "prepare "+topic.name, "", false, func(*side) kmsg.Request {
			r := kmsg.NewPtrCreateTopicsRequest()
			r.Version, r.TimeoutMillis = 7, 10000
			item := kmsg.NewCreateTopicsRequestTopic()
			item.Topic, item.NumPartitions, item.ReplicationFactor = topic.name, topic.partitions, 1
			for key, value := range topic.configs {
				c := kmsg.NewCreateTopicsRequestTopicConfig()
				c.Name, c.Value = key, &value
				item.Configs = append(item.Configs, c)
			}
			r.Topics = append(r.Topics, item)
			return r
		})
	}
	// A coordinator is asked for until it is there, so that both sides have their __consumer_offsets.
	for _, side := range s.sides {
		deadline := time.Now().Add(30 * time.Second)
		for {
			r := kmsg.NewPtrFindCoordinatorRequest()
			r.Version, r.CoordinatorKeys = 4, []string{"simple"}
			got, err := side.do("", r, false)
			if err != nil || got.closed {
				t.Fatalf("FindCoordinator on %s: %+v %v", side.broker.Name, got, err)
			}
			d := kmsg.NewPtrOffsetFetchRequest()
			d.Version, d.Group = 7, "simple"
			probe, err := side.do("", d, false)
			if err != nil || probe.closed {
				t.Fatalf("OffsetFetch on %s: %+v %v", side.broker.Name, probe, err)
			}
			if got.response.(*kmsg.FindCoordinatorResponse).Coordinators[0].ErrorCode == 0 && probe.response.(*kmsg.OffsetFetchResponse).ErrorCode == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s has no coordinator", side.broker.Name)
			}
			time.Sleep(50 * time.Millisecond)
		}
		if err := side.learn(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 4 {
		records := batch{values: []string{fmt.Sprint("a", i), fmt.Sprint("b", i), fmt.Sprint("c", i)}, keys: []string{"k"}, time: now + int64(i)*10}.bytes()
		fill := produce("fill", -1, producePart{"filled", 0, records})
		fill.min, fill.max = 13, 13
		s.run(t, fill)
	}
}
