package transaction

import (
	"testing"

	"ottla/internal/recordgen/recordtest"
)

func TestGoldenRecords(t *testing.T) {
	recordtest.Check(t, "testdata/records.golden", map[string]func() recordtest.Record{
		"TransactionLogKey":   func() recordtest.Record { return NewTransactionLogKey() },
		"TransactionLogValue": func() recordtest.Record { return NewTransactionLogValue() },
	})
}
