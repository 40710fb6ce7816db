package storage

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// row is a way in which such a server loses data, or a file that a recovery reads, and the tests that find it: names of this package, or
// of another one with its folder in front. One without a test says why.
type row struct{ row, class, tests, elsewhere string }

// TestReliabilityRows names, for each way such a server loses data (D1–D22, and those of replication and bad input that are the log's),
// the tests that find it.
func TestReliabilityRows(t *testing.T) {
	checkRows(t, []row{
		{"D1", "acknowledged records only in the page cache",
			"TestCrashAtEveryPoint TestGroupCommit replica.TestAFlushComesBeforeTheCommit compat-tests/powercut.TestPowerCuts compat-tests/powercut.TestLossIsNoticed", ""},
		{"D2", "loss on one node becomes loss everywhere", "TestCleanStopAndStart TestEmptyMarkerOfOlderKafkaIsClean", ""},
		{"D3", "a new segment whose directory was never synced", "TestCrashAtEveryPoint TestGoldenTrace compat-tests/powercut.TestPowerCuts", ""},
		{"D4", "a checkpoint that was not synced",
			"TestCrashAtEveryPoint TestGoldenTrace TestStaleEpochsYieldToTheRecords FuzzTextFiles FuzzDirectory FuzzDerivedFiles compat-tests/powercut.TestPowerCutsWithoutFlush", ""},
		{"D5", "fsync under the log's lock", "TestGroupCommit", ""},
		{"D6", "fsync fails once, the next one succeeds, data is lost",
			"TestFailedSyncIsNotTriedAgain TestEachCallFailsOnce replica.TestAFailedFlushCommitsNothing metadata/quorum.TestFailedSync server.TestDiskFails", ""},
		{"D7", "half of the last batch on disk",
			"TestCrashAtEveryPoint TestDamageBelowTheRecoveryPoint metadata/quorum.TestTornTail compat-tests/powercut.TestPowerCutsWithoutFlush", ""},
		{"D8", "damage below the acknowledged end", "TestDamageBelowTheRecoveryPoint TestDamagedLogStaysOfflineAlone", ""},
		{"D9", "damage on one node spreads", "", "needs a second replica"},
		{"D10", "acknowledged before the flush timer", "TestCrashAtEveryPoint TestFlushByTime compat-tests/powercut.TestPowerCuts", ""},
		{"D11", "a crash in recovery taken for a clean stop", "TestCrashAtEveryPoint TestGoldenTrace compat-tests/powercut.TestPowerCuts", ""},
		{"D12", "recovery point moved without a flush", "TestCrashAtEveryPoint TestModel compat-tests/powercut.TestPowerCutsWithoutFlush", ""},
		{"D13", "segments deleted while the log closes", "TestConcurrentUse TestCleanStopAndStart compat-tests/powercut.TestPowerCuts", ""},
		{"D14", "files of a compaction half renamed", "TestInterruptedReplacementIsFinished", ""},
		{"D15", "an index is missing or corrupt",
			"TestDamagedIndexesAreRebuilt TestTransactionsSurvive FuzzIndexes FuzzRecovery FuzzDerivedFiles compat-tests/durability.TestKillFiftyTimes", ""},
		{"D16", "offsets given twice after a failed index append", "TestEachCallFailsOnce TestFailedIndexWrite", ""},
		{"D17", "appends with explicit offsets", "TestReplicatedAppend", ""},
		{"D18", "truncation to an empty segment or below the high watermark", "TestTruncateTo TestCrashAtEveryPoint", ""},
		{"D19", "the disk is full",
			"TestEachCallFailsOnce TestNoSpace metadata/quorum.TestNoSpace metadata/controller.TestNoSpacePasses server.TestNoSpace", ""},
		{"D20", "length before data, reordered files and blocks", "TestCrashAtEveryPoint TestDeletionsBecomeDurableInOrder compat-tests/powercut.TestPowerCuts", ""},
		{"D21", "the clock jumps backwards", "TestClockJumpsBack", ""},
		{"D22", "a node comes back with an empty disk", "", "the broker epoch and the ISR decide"},

		{"R1", "truncation by the high watermark", "", "no follower truncates here; the epochs that one would ask for: R3"},
		{"R3", "the epochs are not cut with the log", "TestTruncateTo TestModel TestStaleEpochsYieldToTheRecords", ""},
		{"R4", "the high watermark stays above a log that was cut", "TestTruncateTo TestModel", ""},
		{"R10", "committed metadata is lost", "metadata/quorum.TestCrash metadata/quorum.TestLogBehindSnapshot compat-tests/powercut.TestPowerCutsWithoutFlush", ""},
		{"I10", "poison in the coordinators' logs", "coordinator/group.FuzzReplay coordinator/transaction.TestGarbageIsNoTransaction", ""},
		{"G2", "a group's offset visible without its record", "coordinator/group.TestCrashAtEveryRecord compat-tests/powercut.TestPowerCuts", ""},
		{"T9", "the producers' state is lost",
			"TestCrashAtEveryPoint TestRepeatsAfterACrash TestSnapshotBeforeTheFirstSegmentIsStale compat-tests/powercut.TestPowerCuts", ""},
	})
}

// TestRecoveryFilesAreFuzzed names, for each file that a recovery reads, the fuzz targets that change it.
func TestRecoveryFilesAreFuzzed(t *testing.T) {
	checkRows(t, []row{
		{"segment", "records", "FuzzRecovery FuzzOldRecovery protocol/record.FuzzValidate", ""},
		{offsetIndexSuffix, "offset index", "FuzzIndexes FuzzRecovery FuzzDerivedFiles", ""},
		{timeIndexSuffix, "time index", "FuzzIndexes FuzzRecovery FuzzDerivedFiles", ""},
		{txnIndexSuffix, "aborted transactions", "FuzzIndexes FuzzRecovery FuzzDerivedFiles", ""},
		{snapshotSuffix, "producers", "FuzzSnapshot FuzzDerivedFiles", ""},
		{leaderEpochFile, "leader epochs", "FuzzTextFiles FuzzDerivedFiles", ""},
		{partitionMetadataFile, "topic id", "FuzzTextFiles FuzzDerivedFiles", ""},
		{recoveryPointFile, "recovery points", "FuzzTextFiles FuzzDirectory", ""},
		{startOffsetFile, "log start offsets", "FuzzTextFiles FuzzDirectory", ""},
		{highWatermarkFile, "high watermarks", "FuzzTextFiles FuzzDirectory", ""},
		{cleanerOffsetFile, "the cleaner's offsets", "FuzzTextFiles FuzzDirectory", ""},
		{metaPropertiesFile, "identity", "FuzzTextFiles FuzzDirectory", ""},
		{cleanShutdownFile, "clean marker", "FuzzTextFiles FuzzDirectory", ""},
		{bootstrapFile, "feature levels of a format", "metadata/quorum.FuzzSnapshot metadata/quorum.FuzzDirectory", ""},
		{"quorum-state", "election", "metadata/quorum.FuzzState metadata/quorum.FuzzDirectory", ""},
		{"metadata snapshot", "metadata", "metadata/quorum.FuzzSnapshot metadata/quorum.FuzzDirectory metadata.FuzzDecodeRecord", ""},
		{"metadata log", "metadata", "metadata/quorum.FuzzLog metadata/quorum.FuzzDirectory metadata.FuzzDecodeRecord", ""},
		{lockFile, "holds nothing", "", "only its lock counts"},
	})
}

// checkRows demands that each row names tests that exist, or why there is none.
func checkRows(t *testing.T, rows []row) {
	t.Helper()
	known := map[string]map[string]bool{}
	for _, r := range rows {
		if (r.tests == "") == (r.elsewhere == "") {
			t.Errorf("%s, %s: tests %q, elsewhere %q", r.row, r.class, r.tests, r.elsewhere)
		}
		for _, name := range strings.Fields(r.tests) {
			folder, test, ok := strings.Cut(name, ".")
			if !ok {
				folder, test = "storage", name
			}
			if known[folder] == nil {
				known[folder] = testsOf(t, filepath.Join("..", folder))
			}
			if !known[folder][test] {
				t.Errorf("%s, %s: there is no %s", r.row, r.class, name)
			}
		}
	}
}

// testsOf is the names of a package's test functions.
func testsOf(t *testing.T, folder string) map[string]bool {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no tests in %s: %v", folder, err)
	}
	tests := map[string]bool{}
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, declared := range file.Decls {
			if f, ok := declared.(*ast.FuncDecl); ok {
				tests[f.Name.Name] = true
			}
		}
	}
	return tests
}
