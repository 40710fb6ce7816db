package group

import (
	"reflect"
	"testing"

	"ottla/internal/persisted"
	"ottla/internal/recordgen/recordtest"
)

func TestGoldenRecords(t *testing.T) {
	types := make(map[string]func() recordtest.Record)
	for apiKey := range int16(64) {
		if NewKey(apiKey) == nil {
			continue
		}
		for _, newRecord := range []func(int16) persisted.Record{NewKey, NewValue} {
			types[reflect.TypeOf(newRecord(apiKey)).Elem().Name()] = func() recordtest.Record { return newRecord(apiKey) }
		}
	}
	if len(types) != 2*22 {
		t.Errorf("%d types of records, want %d", len(types), 2*22)
	}
	recordtest.Check(t, "testdata/records.golden", types)
}
