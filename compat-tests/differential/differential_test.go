package differential

import (
	"os"
	"strings"
	"testing"
)

func TestAnswers(t *testing.T) {
	s := newSuite(t)
	s.prepare(t)
	if t.Failed() {
		t.FailNow()
	}
	for _, part := range []struct {
		name  string
		cases []testCase
	}{
		{"ApiVersions", versionCases()}, {"Metadata", metadataCases()}, {"DescribeTopicPartitions", topicPartitionsCases()},
		{"Fetch", fetchCases()}, {"ListOffsets", listOffsetsCases()}, {"OffsetForLeaderEpoch", epochCases()},
		{"InitProducerId", producerCases()}, {"Produce", produceCases()}, {"Configs", configCases()}, {"Topics", otherTopicCases()},
		{"CreateTopics", createTopicsCases()}, {"Groups", groupCases()}, {"DeleteRecords", deleteRecordsCases()},
	} {
		for _, c := range part.cases {
			t.Run(part.name+"/"+strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) { s.run(t, c) })
		}
	}
	for _, h := range histories() {
		t.Run("History/"+h.name, func(t *testing.T) { h.run(t, s) })
	}
	for _, a := range s.accepted {
		if !a.used && os.Getenv("OTTLA_CONTROL") == "" {
			t.Errorf("accepted.txt: this difference did not occur, take it out: %s", a.text)
		}
	}
	t.Logf("%d requests compared, %d accepted differences", s.requests, len(s.accepted))
}
