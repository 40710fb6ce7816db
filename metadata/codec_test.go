package metadata

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"ottla/internal/recordgen/recordtest"
)

// typeByName makes a record of the type with that name; nil if it is none of the log's.
func typeByName(name string) Record {
	for apiKey := range int16(64) {
		if r := newRecord(apiKey); r != nil && recordName(r) == name {
			return r
		}
	}
	return nil
}

func TestFrame(t *testing.T) {
	for _, c := range recordtest.Read(t, "testdata/records.golden") {
		record := typeByName(c.Type)
		if record == nil {
			continue
		}
		value := append([]byte{1, byte(record.APIKey()), byte(c.Version)}, c.Bytes...)
		got, version, err := DecodeRecord(value)
		if err != nil || version != c.Version || recordName(got) != c.Type {
			t.Fatalf("%s %d: %T %d %v", c.Type, c.Version, got, version, err)
		}
		if again := EncodeRecord(nil, got, version); !bytes.Equal(again, value) {
			t.Errorf("%s %d: %x, want %x", c.Type, c.Version, again, value)
		}
		if _, _, err := DecodeRecord(append(value, 0)); err == nil {
			t.Errorf("%s %d: a byte behind it was accepted", c.Type, c.Version)
		}
	}
}

// A record that is not known is refused, and the error says which it was.
func TestUnknownRecords(t *testing.T) {
	for input, want := range map[string]string{
		"02020000":       "frame version 2",
		"010600":         "unknown type 6",
		"011d00":         "unknown type 29",
		"01ffff0300":     "unknown type 65535",
		"01ffffffff0f00": "unknown type 4294967295",
		"01020100":       "TopicRecord of version 1: at most 0",
		"010005":         "RegisterBrokerRecord of version 5: at most 4",
		"010003":         "RegisterBrokerRecord: response did not contain enough data",
		"":               "without its frame",
		"01":             "without its frame",
	} {
		b, err := hex.DecodeString(input)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = DecodeRecord(b)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", input, err, want)
		}
		var unknown *UnknownRecordError
		if errors.As(err, &unknown) == strings.Contains(want, "without") {
			t.Logf("%s: %T", input, err)
		}
	}
}

func TestVersionNames(t *testing.T) {
	for level, name := range map[int16]string{7: "3.3-IV3", 13: "3.6-IV1", 17: "3.7-IV2", 21: "3.9-IV0", 25: "4.0-IV3", 30: "4.3-IV0", 6: "", 31: ""} {
		if got := VersionName(level); got != name {
			t.Errorf("VersionName(%d) = %q, want %q", level, got, name)
		}
	}
	for name, level := range map[string]int16{"3.3": 7, "3.7": 19, "4.0.1": 25, "4.2-IV0": 28, "4.3": 30, "3.5-IV0": 9} {
		if got, err := ParseVersion(name); err != nil || got != level {
			t.Errorf("ParseVersion(%q) = %d, %v, want %d", name, got, err, level)
		}
	}
	if _, err := ParseVersion("4.4"); err == nil {
		t.Error("4.4 is known")
	}
}

// The versions that Kafka writes at each level, and the levels below which it has no such record.
func TestRecordVersions(t *testing.T) {
	directory := [][16]byte{{1}}
	for _, c := range []struct {
		record Record
		want   string // one character a level from 7 on: the version, or - for none
	}{
		{&RegisterBrokerRecord{}, "122222222233333333333334"},
		{&PartitionRecord{}, "000000000011111122222222"},
		{&PartitionChangeRecord{}, "000000000011111122222222"},
		{&BrokerRegistrationChangeRecord{Fenced: 1}, "000000000000000000000000"},
		{&BrokerRegistrationChangeRecord{InControlledShutdown: 1}, "111111111111111111111111"},
		{&BrokerRegistrationChangeRecord{LogDirs: directory}, "----------22222222222222"},
		{&BrokerRegistrationChangeRecord{CordonedLogDirs: directory}, "-----------------------3"},
		{&TopicRecord{}, "000000000000000000000000"},
		{&UserScramCredentialRecord{}, "----00000000000000000000"},
		{&BeginTransactionRecord{}, "------000000000000000000"},
		{&DelegationTokenRecord{}, "-------00000000000000000"},
		{&RegisterControllerRecord{}, "--------0000000000000000"},
		{&ClearElrRecord{}, "----------------00000000"},
	} {
		var got strings.Builder
		for level := MinVersion; level <= MaxVersion; level++ {
			if version, err := RecordVersion(c.record, level); err != nil {
				got.WriteByte('-')
			} else {
				got.WriteByte('0' + byte(version))
			}
		}
		if got.String() != c.want {
			t.Errorf("%s: %s, want %s", recordName(c.record), got.String(), c.want)
		}
	}
}

// At a lower level a snapshot has what that level knows and nothing of a version above it.
func TestSnapshotAtLowerLevels(t *testing.T) {
	image := fold(t, NewImage("c"), []Record{
		&FeatureLevelRecord{Name: FeatureMetadataVersion, FeatureLevel: MaxVersion},
		&FeatureLevelRecord{Name: FeatureEligibleLeaderReplicas, FeatureLevel: 1},
		&RegisterControllerRecord{ControllerID: 1},
		&TopicRecord{Name: "a", TopicID: [16]byte{1}},
		&PartitionRecord{TopicID: [16]byte{1}, Replicas: []int32{1}, Directories: [][16]byte{{5}}, EligibleLeaderReplicas: []int32{1}},
		&UserScramCredentialRecord{Name: "u", Mechanism: 1},
		&DelegationTokenRecord{TokenID: "t"},
	}, MaxVersion)
	for level := MinVersion; level <= MaxVersion; level++ {
		encoded := encodeAll(t, image, level)
		again := fold(t, NewImage("c"), image.Records(level), level)
		if again.MetadataVersion() != level || !bytes.Equal(encodeAll(t, again, level), encoded) {
			t.Errorf("level %d does not survive a snapshot", level)
		}
		topic, _ := again.Topic("a")
		p := topic.Partitions[0]
		if (p.Directories[0] != [16]byte{}) != (level >= 17) || (len(p.ELR) > 0) != (level >= 23) {
			t.Errorf("level %d: %+v", level, p)
		}
	}
	if err := CheckFeatures(image); err != nil {
		t.Error(err)
	}
}

func TestCheckFeatures(t *testing.T) {
	for _, c := range []struct {
		name  string
		level int16
		want  string
	}{
		{FeatureShare, 1, ""},
		{FeatureShare, 2, "share.version is finalized at level 2"},
		{"new.version", 1, "new.version is finalized at level 1, but is not known"},
	} {
		err := CheckFeatures(fold(t, NewImage("c"), []Record{&FeatureLevelRecord{Name: c.name, FeatureLevel: c.level}}, MaxVersion))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s %d: %v", c.name, c.level, err)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	for _, c := range recordtest.Read(f, "testdata/records.golden") {
		if record := typeByName(c.Type); record != nil {
			f.Add(append([]byte{1, byte(record.APIKey()), byte(c.Version)}, c.Bytes...))
		}
	}
	f.Add([]byte{1, 0, 4, 255, 255, 255, 255, 15})
	f.Fuzz(func(t *testing.T, value []byte) {
		record, version, err := DecodeRecord(value)
		if err != nil {
			return
		}
		again := EncodeRecord(nil, record, version)
		second, version2, err := DecodeRecord(again)
		if err != nil || version2 != version {
			t.Fatalf("encoded again it is refused: %v", err)
		}
		if !bytes.Equal(EncodeRecord(nil, second, version), again) {
			t.Fatal("encoded twice it differs")
		}
		_ = NewDelta(NewImage("c")).Replay(record)
	})
}
