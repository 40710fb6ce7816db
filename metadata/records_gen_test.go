package metadata

import (
	"reflect"
	"testing"

	"ottla/internal/recordgen/recordtest"
)

func TestGoldenRecords(t *testing.T) {
	types := map[string]func() recordtest.Record{
		"KRaftVersionRecord":   func() recordtest.Record { return NewKRaftVersionRecord() },
		"LeaderChangeMessage":  func() recordtest.Record { return NewLeaderChangeMessage() },
		"SnapshotFooterRecord": func() recordtest.Record { return NewSnapshotFooterRecord() },
		"SnapshotHeaderRecord": func() recordtest.Record { return NewSnapshotHeaderRecord() },
		"VotersRecord":         func() recordtest.Record { return NewVotersRecord() },
	}
	for apiKey := range int16(64) {
		if record := newRecord(apiKey); record != nil {
			types[reflect.TypeOf(record).Elem().Name()] = func() recordtest.Record { return newRecord(apiKey) }
		}
	}
	if len(types) != 5+26 {
		t.Errorf("%d types of records, want %d", len(types), 5+26)
	}
	recordtest.Check(t, "testdata/records.golden", types)
}
