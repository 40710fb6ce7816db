package differential

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"ottla/compat-tests/harness"
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
		{"AlterConfigs", replaceCases()}, {"Dynamic", dynamicCases()}, {"OtherConfigs", otherConfigCases()}, {"LogDirs", logDirsCases()},
		{"Elections", electionCases()}, {"Quorum", quorumCases()}, {"Features", featureCases()},
	} {
		for _, c := range part.cases {
			t.Run(part.name+"/"+strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) { s.run(t, c) })
		}
	}
	for _, h := range histories() {
		t.Run("History/"+h.name, func(t *testing.T) { h.run(t, s) })
	}
	t.Run("Random", func(t *testing.T) { randomHistories(t, s, mixed, 12) })
	for _, a := range s.accepted {
		if !a.used && os.Getenv("OTTLA_CONTROL") == "" {
			t.Errorf("accepted.txt: this difference did not occur, take it out: %s", a.text)
		}
	}
	t.Logf("%d requests compared, %d accepted differences", s.requests, len(s.accepted))
}

// TestSoakHistories runs random histories for as long as OTTLA_SOAK_MINUTES says.
func TestSoakHistories(t *testing.T) {
	end := time.Now().Add(harness.Soak(t))
	s := newSuite(t)
	s.prepare(t)
	for time.Now().Before(end) && !t.Failed() {
		randomHistories(t, s, mixed, 10)
	}
	t.Logf("%d requests compared", s.requests)
}

// everydaySeed is that of the random histories outside of campaigns, which draw their own: a change that has nothing to do with what an
// unlucky draw finds is not to be held up by it.
const everydaySeed = 304817

// randomHistories runs histories drawn from a seed, which OTTLA_SEED can give. A failing one is cut down before it is told.
func randomHistories(t *testing.T, s *suite, kind kindOfHistory, histories int) {
	t.Helper()
	seed, err := strconv.ParseUint(os.Getenv("OTTLA_SEED"), 10, 64)
	if err != nil && os.Getenv("OTTLA_SOAK_MINUTES") == "" {
		seed = everydaySeed
	} else if err != nil {
		seed = rand.Uint64N(1_000_000)
	}
	t.Logf("OTTLA_SEED=%d", seed)
	for i := range histories {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		operations, prefix := kind.draw(random, kind.steps), fmt.Sprintf("r%d-%d-", seed, i)
		if difference := s.runHistory(t, kind, prefix, operations); difference != "" {
			short := s.shorten(t, kind, prefix, operations)
			t.Fatalf("OTTLA_SEED=%d, history %d: %s\nshortest history that shows a difference:\n%s\n%s", seed, i, difference,
				texts(short), s.runHistory(t, kind, prefix+"again-", short))
		}
	}
}
