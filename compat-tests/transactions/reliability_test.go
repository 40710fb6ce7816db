package transactions

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"ottla/compat-tests/harness"
)

// TestReliabilityRows names, for each way such a server breaks exactly-once
// (T1–T16), the tests that find it, by package; a row without a test says why.
func TestReliabilityRows(t *testing.T) {
	rows := []struct{ row, class, tests, elsewhere string }{
		{"T1", "a batch that is sent again is refused instead of known", "storage.TestNoBatchWithoutAPass protocol/record.TestSequenceWraps compat-tests/durability.TestKillFiftyTimes compat-tests/differential.TestAnswers", ""},
		{"T2", "an internal error that makes a client write twice", "server/api.FuzzProduceRecords server/api.TestVerdicts replica.TestErrorsHaveAnswers", ""},
		{"T3", "a late request lands in the next transaction", "storage.TestLateBatchCannotReopenATransaction coordinator/transaction.TestEveryEventInEveryState coordinator/transaction.TestLives compat-tests/differential.TestTransactions", ""},
		{"T4", "a transaction that hangs", "storage.TestLateBatchCannotReopenATransaction coordinator/transaction.TestLives compat-tests/transactions.TestAbandonedTransactionTimesOut", ""},
		{"T5", "an acknowledged write of which only memory knew", "coordinator/transaction.TestLives coordinator/transaction.TestLoadFinishesWhatWasPrepared compat-tests/transactions.TestCopyIsExact", ""},
		{"T6", "a record is copied twice after a commit whose answer was lost", "compat-tests/transactions.TestCopyIsExact coordinator/transaction.TestEveryEventInEveryState", ""},
		{"T7", "two markers for one transaction", "coordinator/transaction.TestOldShardWritesNoMarkers coordinator/transaction.TestLateCompletion storage.TestLastStableOffset", ""},
		{"T8", "a producer is forgotten by the time of its data alone", "storage.TestMarkerKeepsItsProducer", ""},
		{"T9", "the producers' state is lost", "storage.TestCrashAtEveryPoint storage.TestTransactionsSurvive storage.TestModel", ""},
		{"T10", "compaction takes a marker before its records", "", "there is no compaction"},
		{"T11", "epochs and sequences that overflow", "coordinator/transaction.TestScripts coordinator/transaction.TestLives protocol/record.TestSequenceWraps", ""},
		{"T12", "a transaction stays prepared", "coordinator/transaction.TestMarkersAreWrittenAgainUntilAllAreThere coordinator/transaction.TestLoadFinishesWhatWasPrepared server.TestDeletedTopicHoldsUpNoTransaction", ""},
		{"T13", "an aborted write is read", "compat-tests/transactions.TestCommitsAndAborts storage.TestLastStableOffset", ""},
		{"T14", "interleaved writes", "", "the protocol allows them"},
		{"T15", "verification breaks compressed batches", "compat-tests/transactions.TestCommitsAndAborts", ""},
		{"T16", "fencing answers wrongly, or counts though it was not written", "coordinator/transaction.TestWritesThatFail coordinator/transaction.TestScripts server/api.TestFencedProducers compat-tests/transactions.TestNewProducerShutsOutTheOld", ""},
	}
	tests := map[string]map[string]bool{}
	for _, r := range rows {
		if (r.tests == "") == (r.elsewhere == "") {
			t.Errorf("%s, %s: tests %q, elsewhere %q", r.row, r.class, r.tests, r.elsewhere)
		}
		for _, name := range strings.Fields(r.tests) {
			folder, test, _ := strings.Cut(name, ".")
			if tests[folder] == nil {
				tests[folder] = testsOf(t, filepath.Join(harness.Root(t), folder))
			}
			if !tests[folder][test] {
				t.Errorf("%s, %s: there is no %s", r.row, r.class, name)
			}
		}
	}
}

func testsOf(t *testing.T, folder string) map[string]bool {
	names, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
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
