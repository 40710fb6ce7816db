package storage

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestReliabilityRows names, for each way such a server loses data (D1–D22), the tests of this package that find it; a row without a
// test says why it is not the log's.
func TestReliabilityRows(t *testing.T) {
	rows := []struct{ row, class, tests, elsewhere string }{
		{"D1", "acknowledged records only in the page cache", "TestCrashAtEveryPoint TestGroupCommit", ""},
		{"D2", "loss on one node becomes loss everywhere", "TestCleanStopAndStart TestEmptyMarkerOfOlderKafkaIsClean", ""},
		{"D3", "a new segment whose directory was never synced", "TestCrashAtEveryPoint TestGoldenTrace", ""},
		{"D4", "a checkpoint that was not synced", "TestCrashAtEveryPoint TestGoldenTrace FuzzTextFiles", ""},
		{"D5", "fsync under the log's lock", "TestGroupCommit", ""},
		{"D6", "fsync fails once, the next one succeeds, data is lost", "TestFailedSyncIsNotTriedAgain TestEachCallFailsOnce", ""},
		{"D7", "half of the last batch on disk", "TestCrashAtEveryPoint TestDamageBelowTheRecoveryPoint", ""},
		{"D8", "damage below the acknowledged end", "TestDamageBelowTheRecoveryPoint TestDamagedLogStaysOfflineAlone", ""},
		{"D9", "damage on one node spreads", "", "needs a second replica"},
		{"D10", "acknowledged before the flush timer", "TestCrashAtEveryPoint TestFlushByTime", ""},
		{"D11", "a crash in recovery taken for a clean stop", "TestCrashAtEveryPoint TestGoldenTrace", ""},
		{"D12", "recovery point moved without a flush", "TestCrashAtEveryPoint TestModel", ""},
		{"D13", "segments deleted while the log closes", "TestConcurrentUse TestCleanStopAndStart", ""},
		{"D14", "files of a compaction half renamed", "TestInterruptedReplacementIsFinished", ""},
		{"D15", "an index is missing or corrupt", "TestDamagedIndexesAreRebuilt TestTransactionsSurvive FuzzIndexes FuzzRecovery", ""},
		{"D16", "offsets given twice after a failed index append", "TestEachCallFailsOnce TestFailedIndexWrite", ""},
		{"D17", "appends with explicit offsets", "TestReplicatedAppend", ""},
		{"D18", "truncation to an empty segment or below the high watermark", "TestTruncateTo", ""},
		{"D19", "the disk is full", "TestEachCallFailsOnce TestNoSpace", ""},
		{"D20", "length before data, reordered files and blocks", "TestCrashAtEveryPoint", ""},
		{"D21", "the clock jumps backwards", "TestClockJumpsBack", ""},
		{"D22", "a node comes back with an empty disk", "", "the broker epoch and the ISR decide"},
	}
	tests := map[string]bool{}
	names, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if f, ok := n.(*ast.FuncDecl); ok {
				tests[f.Name.Name] = true
			}
			return true
		})
	}
	for _, r := range rows {
		if (r.tests == "") == (r.elsewhere == "") {
			t.Errorf("%s, %s: tests %q, elsewhere %q", r.row, r.class, r.tests, r.elsewhere)
		}
		for _, name := range strings.Fields(r.tests) {
			if !tests[name] {
				t.Errorf("%s, %s: there is no %s", r.row, r.class, name)
			}
		}
	}
}
