package metadata

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// encodeAll is the image as the bytes of its snapshot, which are equal for equal images.
func encodeAll(t testing.TB, image *Image, level int16) []byte {
	t.Helper()
	var all []byte
	for _, record := range image.Records(level) {
		version, err := RecordVersion(record, level)
		if err != nil {
			t.Fatal(err)
		}
		all = EncodeRecord(all, record, version)
	}
	return all
}

// fold replays encoded and decoded copies of the records, so that nothing is shared with them.
func fold(t testing.TB, image *Image, records []Record, level int16) *Image {
	t.Helper()
	delta := NewDelta(image)
	for _, record := range records {
		version, err := RecordVersion(record, level)
		if err != nil {
			t.Fatal(err)
		}
		decoded, _, err := DecodeRecord(EncodeRecord(nil, record, version))
		if err != nil {
			t.Fatal(err)
		}
		if err := delta.Replay(decoded); err != nil {
			t.Fatal(err)
		}
	}
	return delta.Apply(image.Offset()+int64(len(records)), image.Epoch())
}

// stream makes records that fit one after the other: it knows what is there.
type stream struct {
	t       *rapid.T
	topics  map[[16]byte]int // partitions
	names   map[string][16]byte
	brokers map[int32]int64
	acls    [][16]byte
	next    byte
}

func newStream(t *rapid.T) *stream {
	return &stream{t: t, topics: make(map[[16]byte]int), names: make(map[string][16]byte), brokers: make(map[int32]int64)}
}

func (s *stream) id() [16]byte {
	s.next++
	return [16]byte{0: byte(rapid.IntRange(0, 255).Draw(s.t, "id")), 14: 1, 15: s.next}
}

func (s *stream) number(from, to int) int { return rapid.IntRange(from, to).Draw(s.t, "number") }
func (s *stream) replicas() []int32 {
	return rapid.SliceOfN(rapid.Int32Range(0, 3), 0, 3).Draw(s.t, "replicas")
}
func (s *stream) maybeReplicas() []int32 {
	if s.number(0, 1) == 0 {
		return nil
	}
	return append([]int32{}, s.replicas()...)
}
func (s *stream) name(of string) string { return fmt.Sprintf("%s%d", of, s.number(0, 5)) }
func (s *stream) tags() []UnknownTag {
	if s.number(0, 4) > 0 {
		return nil
	}
	return []UnknownTag{{Tag: uint32(s.number(100, 103)), Value: []byte{byte(s.number(0, 9))}}}
}

func (s *stream) anyTopic() ([16]byte, bool) {
	if len(s.names) == 0 {
		return [16]byte{}, false
	}
	for range 12 {
		if id, ok := s.names[s.name("t")]; ok {
			return id, true
		}
	}
	return [16]byte{}, false
}

func directories(n int) [][16]byte {
	ids := make([][16]byte, n)
	for i := range ids {
		ids[i] = [16]byte{15: byte(i + 5)}
	}
	return ids
}

// record is the next record; nil if what was drawn does not fit.
func (s *stream) record() Record {
	switch s.number(0, 19) {
	case 0, 1:
		name := s.name("t")
		if _, ok := s.names[name]; ok {
			return nil
		}
		id := s.id()
		s.names[name], s.topics[id] = id, 0
		return &TopicRecord{Name: name, TopicID: id, UnknownTags: s.tags()}
	case 2, 3, 4:
		id, ok := s.anyTopic()
		if !ok {
			return nil
		}
		replicas := s.replicas()
		r := NewPartitionRecord()
		r.TopicID, r.PartitionID, r.Replicas, r.ISR = id, int32(s.number(0, s.topics[id])), replicas, replicas
		r.Leader, r.LeaderEpoch, r.PartitionEpoch, r.Directories = 1, 3, 4, directories(len(replicas))
		r.EligibleLeaderReplicas, r.LastKnownELR, r.UnknownTags = s.maybeReplicas(), s.maybeReplicas(), s.tags()
		r.LeaderRecoveryState = int8(s.number(0, 1))
		if int(r.PartitionID) == s.topics[id] {
			s.topics[id]++
		}
		return r
	case 5, 6, 7:
		id, ok := s.anyTopic()
		if !ok || s.topics[id] == 0 {
			return nil
		}
		r := NewPartitionChangeRecord()
		r.TopicID, r.PartitionID = id, int32(s.number(0, s.topics[id]-1))
		r.ISR, r.AddingReplicas, r.RemovingReplicas = s.maybeReplicas(), s.maybeReplicas(), s.maybeReplicas()
		r.EligibleLeaderReplicas, r.LastKnownELR = s.maybeReplicas(), s.maybeReplicas()
		if s.number(0, 1) == 0 {
			r.Replicas = []int32{1, 2}
			r.Directories = directories(2)
		}
		r.Leader, r.LeaderRecoveryState, r.UnknownTags = int32(s.number(-2, 2)), int8(s.number(-1, 1)), s.tags()
		return r
	case 8:
		id, ok := s.anyTopic()
		if !ok {
			return nil
		}
		for name, other := range s.names {
			if other == id {
				delete(s.names, name)
			}
		}
		delete(s.topics, id)
		return &RemoveTopicRecord{TopicID: id}
	case 9:
		r := &ClearElrRecord{}
		if name := s.name("t"); s.names[name] != [16]byte{} {
			r.TopicName = name
		}
		return r
	}
	return s.other()
}

func (s *stream) other() Record {
	switch s.number(0, 13) {
	case 0, 1:
		value := s.name("v")
		r := &ConfigRecord{ResourceType: ResourceTopic, ResourceName: s.name("t"), Name: s.name("k"), Value: &value, UnknownTags: s.tags()}
		if s.number(0, 2) == 0 {
			r.Value, r.UnknownTags = nil, nil
		}
		return r
	case 2:
		return &FeatureLevelRecord{Name: FeatureGroup, FeatureLevel: int16(s.number(0, 1)), UnknownTags: s.tags()}
	case 3, 4:
		user := s.name("u")
		r := &ClientQuotaRecord{Key: s.name("q"), Value: float64(s.number(0, 9)), Remove: s.number(0, 2) == 0, UnknownTags: s.tags()}
		r.Entity = []ClientQuotaRecordEntityData{{EntityType: "user", EntityName: &user}, {EntityType: "client-id"}}
		if s.number(0, 1) == 0 {
			r.Entity[0], r.Entity[1] = r.Entity[1], r.Entity[0]
		}
		return r
	case 5:
		return &ProducerIdsRecord{BrokerID: 1, BrokerEpoch: 5, NextProducerID: int64(s.number(0, 1<<40)), UnknownTags: s.tags()}
	case 6:
		r := &AccessControlEntryRecord{ID: s.id(), ResourceName: s.name("r"), Principal: "User:a", Host: "*", UnknownTags: s.tags()}
		s.acls = append(s.acls, r.ID)
		return r
	case 7:
		if len(s.acls) == 0 {
			return nil
		}
		at := s.number(0, len(s.acls)-1)
		id := s.acls[at]
		s.acls = append(s.acls[:at:at], s.acls[at+1:]...)
		return &RemoveAccessControlEntryRecord{ID: id}
	case 8:
		return &UserScramCredentialRecord{Name: s.name("u"), Mechanism: int8(s.number(1, 2)), Salt: []byte{1}, StoredKey: []byte{}, ServerKey: []byte{2},
			Iterations: 4096, UnknownTags: s.tags()}
	case 9:
		return &RemoveUserScramCredentialRecord{Name: s.name("u"), Mechanism: int8(s.number(1, 2))}
	case 10:
		if s.number(0, 1) == 0 {
			return &RemoveDelegationTokenRecord{TokenID: s.name("token")}
		}
		return &DelegationTokenRecord{Owner: "User:a", Renewers: []string{"User:b"}, TokenID: s.name("token"), UnknownTags: s.tags()}
	case 11:
		return &RegisterControllerRecord{ControllerID: int32(s.number(0, 2)), Features: []RegisterControllerRecordControllerFeature{{Name: "f", MaxSupportedVersion: 3, UnknownTags: s.tags()}}}
	}
	return s.broker()
}

func (s *stream) broker() Record {
	id := int32(s.number(0, 2))
	epoch, registered := s.brokers[id]
	switch kind := s.number(0, 4); {
	case !registered || kind == 0:
		r := NewRegisterBrokerRecord()
		r.BrokerID, r.BrokerEpoch, r.IncarnationID, r.LogDirs = id, int64(s.number(1, 1000)), s.id(), [][16]byte{s.id(), s.id()}
		r.EndPoints = []RegisterBrokerRecordBrokerEndpoint{{Name: "B", Host: "h", Port: 65535, UnknownTags: s.tags()}, {Name: "A"}}
		r.Features = []RegisterBrokerRecordBrokerFeature{{Name: "x", MaxSupportedVersion: 2, UnknownTags: s.tags()}, {Name: "a"}}
		r.UnknownTags = s.tags()
		s.brokers[id] = r.BrokerEpoch
		return r
	case kind == 1:
		delete(s.brokers, id)
		return &UnregisterBrokerRecord{BrokerID: id, BrokerEpoch: epoch}
	case kind == 2:
		return &FenceBrokerRecord{ID: id, Epoch: epoch}
	case kind == 3:
		return &UnfenceBrokerRecord{ID: id, Epoch: epoch}
	}
	r := &BrokerRegistrationChangeRecord{BrokerID: id, BrokerEpoch: epoch, Fenced: int8(s.number(-1, 1)), InControlledShutdown: int8(s.number(0, 1)), UnknownTags: s.tags()}
	if s.number(0, 1) == 0 {
		r.LogDirs = [][16]byte{s.id()}
		r.CordonedLogDirs = [][16]byte{s.id()}
	}
	return r
}

func drawStream(t *rapid.T) []Record {
	s := newStream(t)
	records := []Record{
		&FeatureLevelRecord{Name: FeatureMetadataVersion, FeatureLevel: MaxVersion},
		&FeatureLevelRecord{Name: FeatureEligibleLeaderReplicas, FeatureLevel: 1},
	}
	for range s.number(0, 120) {
		if r := s.record(); r != nil {
			records = append(records, r)
		}
	}
	return records
}

// One delta over all records, one a record, and several: the same image. A snapshot of it folds into the same image again.
func TestImageDoesNotDependOnSteps(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		records := drawStream(rt)
		whole := fold(t, NewImage("c"), records, MaxVersion)
		single := NewImage("c")
		before := make([][]byte, 0, len(records))
		images := []*Image{}
		for _, record := range records {
			images = append(images, single)
			before = append(before, encodeAll(t, single, MaxVersion))
			single = fold(t, single, []Record{record}, MaxVersion)
		}
		some := NewImage("c")
		for rest := records; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(rt, "step")
			some, rest = fold(t, some, rest[:n], MaxVersion), rest[n:]
		}
		want := encodeAll(t, whole, MaxVersion)
		if !bytes.Equal(encodeAll(t, single, MaxVersion), want) || !bytes.Equal(encodeAll(t, some, MaxVersion), want) {
			rt.Fatal("the image depends on the steps")
		}
		again := fold(t, NewImage("c"), whole.Records(MaxVersion), MaxVersion)
		if !bytes.Equal(encodeAll(t, again, MaxVersion), want) {
			rt.Fatal("a snapshot folds into another image")
		}
		for i, image := range images { // no image changed after the fact
			if !bytes.Equal(encodeAll(t, image, MaxVersion), before[i]) {
				rt.Fatalf("image %d changed", i)
			}
		}
	})
}

// What a delta says changed is what differs between the images.
func TestDeltaKnowsWhatChanged(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		records := drawStream(rt)
		cut := rapid.IntRange(2, len(records)).Draw(rt, "cut")
		old := fold(t, NewImage("c"), records[:cut], MaxVersion)
		delta := NewDelta(old)
		for _, record := range records[cut:] {
			if err := delta.Replay(record); err != nil {
				rt.Fatal(err)
			}
		}
		next := delta.Apply(1, 1)
		changed := make(map[[16]byte]*Topic)
		for _, topic := range delta.ChangedTopics() {
			changed[topic.ID] = topic
		}
		deleted := make(map[[16]byte]bool)
		for _, topic := range delta.DeletedTopics() {
			deleted[topic.ID] = true
		}
		for topic := range old.Topics() {
			if _, ok := next.TopicByID(topic.ID); ok == deleted[topic.ID] {
				rt.Fatalf("topic %s: deleted %v", topic.Name, deleted[topic.ID])
			}
		}
		for topic := range next.Topics() {
			before, _ := old.TopicByID(topic.ID)
			if before != topic && changed[topic.ID] != topic {
				rt.Fatalf("topic %s changed unnoticed", topic.Name)
			}
			for number, p := range topic.Partitions {
				same := before != nil && number < len(before.Partitions) && reflect.DeepEqual(before.Partitions[number], p)
				noticed := false
				for _, n := range delta.ChangedPartitions(topic.ID) {
					noticed = noticed || int(n) == number
				}
				if !same && !noticed {
					rt.Fatalf("partition %s-%d changed unnoticed", topic.Name, number)
				}
			}
		}
	})
}

func TestTreeAgainstMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tr := newTree[int, int](func(a, b int) int { return a - b })
		model := make(map[int]int)
		for i := range rapid.IntRange(0, 300).Draw(rt, "steps") {
			key := rapid.IntRange(0, 80).Draw(rt, "key")
			if rapid.Bool().Draw(rt, "remove") {
				tr = tr.without(key)
				delete(model, key)
			} else {
				tr = tr.with(key, i)
				model[key] = i
			}
		}
		if tr.size != len(model) {
			rt.Fatalf("size %d, want %d", tr.size, len(model))
		}
		last, count := -1, 0
		for key, value := range tr.all() {
			if key <= last || model[key] != value {
				rt.Fatalf("%d after %d: %d, want %d", key, last, value, model[key])
			}
			last = key
			count++
		}
		if count != len(model) || tr.root.depth() > 9 {
			rt.Fatalf("%d keys, depth %d", count, tr.root.depth())
		}
	})
}

func TestReplayRefuses(t *testing.T) {
	value := "v"
	base := fold(t, NewImage("c"), []Record{
		&TopicRecord{Name: "a", TopicID: [16]byte{1}},
		&RegisterBrokerRecord{BrokerID: 1, BrokerEpoch: 7},
		&ConfigRecord{ResourceType: ResourceTopic, ResourceName: "a", Name: "k", Value: &value},
	}, MaxVersion)
	for _, record := range []Record{
		&TopicRecord{Name: "a", TopicID: [16]byte{2}},
		&TopicRecord{Name: "b", TopicID: [16]byte{1}},
		&PartitionRecord{TopicID: [16]byte{3}},
		&PartitionRecord{TopicID: [16]byte{1}, PartitionID: 1},
		&PartitionRecord{TopicID: [16]byte{1}, PartitionID: -1},
		&PartitionRecord{TopicID: [16]byte{1}, Replicas: []int32{1}, Directories: [][16]byte{{1}, {2}}},
		&PartitionRecord{TopicID: [16]byte{1}, LeaderRecoveryState: 2},
		&PartitionChangeRecord{TopicID: [16]byte{1}},
		&RemoveTopicRecord{TopicID: [16]byte{3}},
		&ClearElrRecord{TopicName: "b"},
		&FenceBrokerRecord{ID: 2},
		&UnfenceBrokerRecord{ID: 1, Epoch: 8},
		&UnregisterBrokerRecord{BrokerID: 1, BrokerEpoch: 8},
		&BrokerRegistrationChangeRecord{BrokerID: 1, BrokerEpoch: 7, Fenced: 2},
		&BrokerRegistrationChangeRecord{BrokerID: 1, BrokerEpoch: 7, InControlledShutdown: -1},
		&RemoveAccessControlEntryRecord{},
		&FeatureLevelRecord{Name: FeatureMetadataVersion, FeatureLevel: 31},
		&FeatureLevelRecord{Name: FeatureMetadataVersion, FeatureLevel: 6},
		&BeginTransactionRecord{},
	} {
		if err := NewDelta(base).Replay(record); err == nil {
			t.Errorf("%s %+v was replayed", recordName(record), record)
		} else {
			t.Log(err)
		}
	}
}

// A topic deleted and made again under its name in one delta is another topic, without the old one's configuration.
func TestTopicMadeAgain(t *testing.T) {
	value := "v"
	base := fold(t, NewImage("c"), []Record{
		&TopicRecord{Name: "a", TopicID: [16]byte{1}},
		&ConfigRecord{ResourceType: ResourceTopic, ResourceName: "a", Name: "k", Value: &value},
	}, MaxVersion)
	delta := NewDelta(base)
	for _, record := range []Record{&RemoveTopicRecord{TopicID: [16]byte{1}}, &TopicRecord{Name: "a", TopicID: [16]byte{2}}} {
		if err := delta.Replay(record); err != nil {
			t.Fatal(err)
		}
	}
	next := delta.Apply(9, 2)
	topic, ok := next.Topic("a")
	if !ok || topic.ID != [16]byte{2} || next.TopicCount() != 1 {
		t.Fatalf("topic %+v", topic)
	}
	if len(delta.DeletedTopics()) != 1 || delta.DeletedTopics()[0].ID != [16]byte{1} || len(delta.ChangedTopics()) != 1 {
		t.Fatalf("deleted %v, changed %v", delta.DeletedTopics(), delta.ChangedTopics())
	}
	if next.Config(ConfigResource{ResourceTopic, "a"}) != nil || len(delta.ChangedConfigs()) != 1 {
		t.Fatal("the configuration is still there")
	}
	if next.Offset() != 9 || next.Epoch() != 2 || next.ClusterID() != "c" {
		t.Fatal("offset, epoch or cluster id")
	}
}

func BenchmarkCreateTopics(b *testing.B) {
	for _, count := range []int{1000, 10000, 100000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			for b.Loop() {
				image := NewImage("c")
				for n := range count {
					delta := NewDelta(image)
					id := [16]byte{0: byte(n >> 16), 5: byte(n >> 8), 9: byte(n), 15: 1}
					p := NewPartitionRecord()
					p.TopicID, p.PartitionID, p.Replicas, p.ISR, p.Leader = id, 0, []int32{1}, []int32{1}, 1
					for _, record := range []Record{&TopicRecord{Name: fmt.Sprintf("topic-%d", n), TopicID: id}, p} {
						if err := delta.Replay(record); err != nil {
							b.Fatal(err)
						}
					}
					image = delta.Apply(int64(n), 1)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(count), "ns/create")
		})
	}
}
