package protocol

import (
	"reflect"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestTableAgainstCodec holds every row against what kmsg knows of the API.
func TestTableAgainstCodec(t *testing.T) {
	last := int16(-1)
	for row := range APIs() {
		if row.Key <= last {
			t.Errorf("%s: key %d follows %d", row.Name, row.Key, last)
		}
		last = row.Key
		if found, ok := Lookup(row.Key); !ok || found != row {
			t.Errorf("Lookup(%d) = %v, %v", row.Key, found, ok)
		}
		request := kmsg.RequestForKey(row.Key)
		if request == nil {
			t.Errorf("%s: kmsg has no key %d", row.Name, row.Key)
			continue
		}
		if name := kmsg.NameForKey(row.Key); !strings.EqualFold(name, row.Name) && !renamed[row.Name] {
			t.Errorf("key %d is %s for kmsg, %s in the table", row.Key, name, row.Name)
		}
		if row.Min < 0 || row.Min > row.Max || row.AdvertisedMin > row.Min || row.Max > request.MaxVersion() {
			t.Errorf("%s: versions %d (advertised %d) to %d, kmsg has up to %d", row.Name, row.Min, row.AdvertisedMin, row.Max, request.MaxVersion())
		}
		for version := row.Min; version <= row.Max; version++ {
			request.SetVersion(version)
			if request.IsFlexible() != row.IsFlexible(version) {
				t.Errorf("%s version %d: flexible is %v for kmsg", row.Name, version, request.IsFlexible())
			}
		}
		if has := hasBytes(reflect.TypeOf(request).Elem()); has != row.Bytes {
			t.Errorf("%s: fields of bytes: %v in kmsg, %v in the table", row.Name, has, row.Bytes)
		}
		if row.Listeners == 0 || row.Cap < capSmall {
			t.Errorf("%s: listeners %b, cap %d", row.Name, row.Listeners, row.Cap)
		}
	}
	if last != MaxKey {
		t.Errorf("the last key is %d, MaxKey %d", last, MaxKey)
	}
}

// renamed are the APIs that kmsg has another name for.
var renamed = map[string]bool{"AlterPartitionReassignments": true, "ListConfigResources": true}

// hasBytes tells whether a request holds a slice of bytes anywhere.
func hasBytes(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Slice:
		return t.Elem().Kind() == reflect.Uint8 || hasBytes(t.Elem())
	case reflect.Pointer, reflect.Array:
		return hasBytes(t.Elem())
	case reflect.Struct:
		if t == reflect.TypeFor[kmsg.Tags]() {
			return false
		}
		for i := range t.NumField() {
			if hasBytes(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}

func TestLookupUnknown(t *testing.T) {
	for _, key := range []int16{-1, -32768, 4, 5, 6, 7, MaxKey + 1, 9999, 32767} {
		if row, ok := Lookup(key); ok {
			t.Errorf("Lookup(%d) = %v", key, row)
		}
	}
}

// TestCapsFitRealRequests encodes requests of the sizes that clients do send,
// and some more.
func TestCapsFitRealRequests(t *testing.T) {
	name := make([]byte, 249)
	for i := range name {
		name[i] = 'a'
	}
	const many = 10_000
	metadata := kmsg.NewPtrMetadataRequest()
	offsets := kmsg.NewPtrOffsetCommitRequest()
	create := kmsg.NewPtrCreateTopicsRequest()
	fetch := kmsg.NewPtrFetchRequest()
	find := kmsg.NewPtrFindCoordinatorRequest()
	sync := kmsg.NewPtrSyncGroupRequest()
	text := string(name)
	assigned := kmsg.NewCreateTopicsRequestTopic()
	assigned.Topic = text
	for i := range many {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = &text
		metadata.Topics = append(metadata.Topics, topic)
		commit := kmsg.NewOffsetCommitRequestTopic()
		commit.Topic = text
		partition := kmsg.NewOffsetCommitRequestTopicPartition()
		partition.Metadata = &text
		commit.Partitions = append(commit.Partitions, partition)
		offsets.Topics = append(offsets.Topics, commit)
		assignment := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		assignment.Partition = int32(i)
		assignment.Replicas = []int32{1, 2, 3, 4, 5}
		assigned.ReplicaAssignment = append(assigned.ReplicaAssignment, assignment)
		fetched := kmsg.NewFetchRequestTopic()
		fetched.Topic = text
		for range 10 {
			fetched.Partitions = append(fetched.Partitions, kmsg.NewFetchRequestTopicPartition())
		}
		fetch.Topics = append(fetch.Topics, fetched)
		find.CoordinatorKeys = append(find.CoordinatorKeys, text)
		member := kmsg.NewSyncGroupRequestGroupAssignment()
		member.MemberID, member.MemberAssignment = text, make([]byte, 2000)
		sync.GroupAssignment = append(sync.GroupAssignment, member)
	}
	create.Topics = append(create.Topics, assigned)
	for _, request := range []kmsg.Request{metadata, offsets, create, fetch, find, sync} {
		row, _ := Lookup(request.Key())
		request.SetVersion(row.Max)
		if request.Key() == 1 {
			request.SetVersion(12) // with names
		}
		if size := len(request.AppendTo(nil)); size > row.Cap {
			t.Errorf("%s of %d bytes, cap %d", row.Name, size, row.Cap)
		} else {
			t.Logf("%s: %d bytes, cap %d", row.Name, size, row.Cap)
		}
	}
}
