package api

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
)

// TestAnswersAsApacheKafka plays the scenario and finds what Apache Kafka 4.3.1
// answered to it, except where a step tells why it differs.
func TestAnswersAsApacheKafka(t *testing.T) {
	// In virtual time, since some fetches wait.
	synctest.Test(t, answersAsApacheKafka)
}

func answersAsApacheKafka(t *testing.T) {
	raw, err := os.ReadFile(dataAnswersFile)
	if err != nil {
		t.Fatal(err)
	}
	var want []dataAnswer
	for _, line := range parseJSON(t, raw).([]any) {
		fields := line.(map[string]any)
		version, err := fields["Version"].(json.Number).Int64()
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, dataAnswer{fields["Step"].(string), int16(version), scrubData(fields["Answer"])})
	}
	b := newDataBroker(t)
	ids := map[string][16]byte{}
	for _, topic := range dataTopics() {
		ids[topic.name] = b.create(topic.name, topic.partitions, topic.config)
	}
	b.create("__consumer_offsets", 1, nil)
	got := playData(t, ids, b.ask)
	steps := map[string]dataStep{}
	for _, s := range dataScenario() {
		steps[s.name] = s
	}
	if len(got) != len(want) {
		t.Fatalf("%d answers, Apache Kafka gave %d", len(got), len(want))
	}
	for i := range got {
		step := steps[got[i].Step]
		if got[i].Step != want[i].Step || got[i].Version != want[i].Version {
			t.Fatalf("step %d is %s v%d, in the file it is %s v%d", i, got[i].Step, got[i].Version, want[i].Step, want[i].Version)
		}
		mine, err := json.Marshal(got[i].Answer)
		if err != nil {
			t.Fatal(err)
		}
		if step.differs != "" {
			if code := firstCode(parseJSON(t, mine)); code != int64(step.code) {
				t.Errorf("%s v%d: code %d, want %d, because %s", got[i].Step, got[i].Version, code, step.code, step.differs)
			}
			continue
		}
		if !reflect.DeepEqual(flat(parseJSON(t, mine)), flat(want[i].Answer)) {
			theirs, _ := json.Marshal(want[i].Answer)
			t.Errorf("%s v%d:\nours   %s\nKafka's %s", got[i].Step, got[i].Version, mine, theirs)
		}
	}
}

// firstCode is the error code of the first partition, or of the whole.
func firstCode(answer any) int64 {
	fields, ok := answer.(map[string]any)
	if !ok {
		return 1 << 20
	}
	if topics, ok := fields["Topics"].([]any); ok && len(topics) > 0 {
		partitions := topics[0].(map[string]any)["Partitions"].([]any)
		return firstCode(partitions[0])
	}
	code, _ := fields["ErrorCode"].(json.Number).Int64()
	return code
}

// flat turns an answer into the list of its partitions, each with its topic, and
// what is beside them. Produce's are sorted, since Apache Kafka takes their order
// from a hash table; of Fetch's the unknown ones come last, as there, while here
// they are in their places.
func flat(answer any) any {
	fields, ok := answer.(map[string]any)
	if !ok || fields["Topics"] == nil {
		return answer
	}
	var known, unknown []string
	for _, topic := range fields["Topics"].([]any) {
		topic := topic.(map[string]any)
		partitions, _ := topic["Partitions"].([]any)
		for _, p := range partitions {
			raw, err := json.Marshal(p)
			if err != nil {
				return answer
			}
			text := fmt.Sprint(topic["Topic"], topic["TopicID"], string(raw))
			if code := fmt.Sprint(p.(map[string]any)["ErrorCode"]); code == "3" || code == "100" {
				unknown = append(unknown, text)
			} else {
				known = append(known, text)
			}
			if p.(map[string]any)["BaseOffset"] != nil {
				slices.Sort(known)
			}
		}
	}
	return []any{append(known, unknown...), fields["ErrorCode"], fields["SessionID"], fields["Brokers"]}
}
