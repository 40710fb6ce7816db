package api

import (
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// naiveSession is a fetch session as KIP-227 tells it: a list of partitions, and
// what was said of each last.
type naiveSession struct {
	open  bool
	id    int32
	epoch int32
	list  []naivePartition
}

type naivePartition struct {
	topic     string
	partition int32
	offset    int64
	// toldEnd is the high watermark told last, −1 after an error.
	toldEnd, toldStart int64
}

// naiveAnswer is what is expected of one partition.
type naiveAnswer struct {
	Name       string
	Code       int16
	End, Start int64
	HasRecords bool
}

// TestFetchSessionAgainstModel lets a client add, move and forget partitions,
// among them unknown ones, while records come and go, and expects the very
// partitions, in the very order, that a list would give.
func TestFetchSessionAgainstModel(t *testing.T) {
	b := newDataBroker(t)
	for _, version := range []int16{7, 12, 13, 18} {
		rapid.Check(t, func(t *rapid.T) { sessionAgainstModel(b, t, version) })
	}
}

// sessionWorld is the broker of a run and what the model knows of it.
type sessionWorld struct {
	*dataBroker
	version int16
	ids     map[string][16]byte
	ends    map[string]int64
	starts  map[string]int64
	session naiveSession
}

func sessionAgainstModel(b *dataBroker, t *rapid.T, version int16) {
	w := &sessionWorld{dataBroker: b, version: version, ids: map[string][16]byte{}, ends: map[string]int64{}, starts: map[string]int64{}}
	for _, topic := range []string{"one", "two"} {
		w.ids[topic] = w.create(topic, 2, nil)
	}
	defer func() {
		for _, id := range w.ids {
			w.remove(id)
		}
	}()
	t.Repeat(map[string]func(*rapid.T){
		"write": func(t *rapid.T) {
			topic, partition := drawKnown(t)
			w.write(topic, partition, values("v").bytes())
			w.ends[partitionName(topic, partition)]++
		},
		"delete records": func(t *rapid.T) {
			topic, partition := drawKnown(t)
			where := partitionName(topic, partition)
			start := rapid.Int64Range(w.starts[where], w.ends[where]).Draw(t, "start")
			handle, _ := w.replicas.Partition(topic, partition)
			if _, err := handle.DeleteRecords(start); err != nil {
				t.Fatal(err)
			}
			w.starts[where] = start
		},
		"open":  func(t *rapid.T) { w.open(t) },
		"fetch": func(t *rapid.T) { w.fetch(t) },
		"close": func(t *rapid.T) {
			request := w.request(nil, nil)
			request.SessionID, request.SessionEpoch = w.session.id, -1
			w.exchange(t, request)
			w.session.open = false
		},
	})
}

func partitionName(topic string, partition int32) string { return fmt.Sprint(topic, "-", partition) }

func drawKnown(t *rapid.T) (string, int32) {
	return rapid.SampledFrom([]string{"one", "two"}).Draw(t, "topic"), rapid.Int32Range(0, 1).Draw(t, "partition")
}

// drawAsked makes up what a request asks for: known partitions near their ends,
// and unknown ones.
func (w *sessionWorld) drawAsked(t *rapid.T) []fetched {
	var all []fetched
	for range rapid.IntRange(0, 3).Draw(t, "asked") {
		topic, partition := drawKnown(t)
		offset := w.ends[partitionName(topic, partition)] + rapid.Int64Range(-2, 1).Draw(t, "offset")
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			topic = "not-there"
		case 1:
			partition = 7
		}
		one := fetched{topic, partition, max(offset, 0)}
		if !slices.ContainsFunc(all, func(f fetched) bool { return f.topic == one.topic && f.partition == one.partition }) {
			all = append(all, one)
		}
	}
	return all
}

func (w *sessionWorld) request(asked, forgotten []fetched) *kmsg.FetchRequest {
	request := fetchBy(func(r *kmsg.FetchRequest) { inSessionOf(0, 0, forgotten...)(r) }, asked...)(w.version, w.ids).(*kmsg.FetchRequest)
	request.SetVersion(w.version)
	request.MaxWaitMillis = 0
	for i := range request.ForgottenTopics {
		if topic := &request.ForgottenTopics[i]; w.version >= 13 {
			topic.Topic, topic.TopicID = "", idOf(w.ids, topic.Topic)
		}
	}
	return request
}

func (w *sessionWorld) exchange(t *rapid.T, request *kmsg.FetchRequest) *kmsg.FetchResponse {
	response, err := w.ask(request)
	if err != nil {
		t.Fatal(err)
	}
	return response.(*kmsg.FetchResponse)
}

func (w *sessionWorld) open(t *rapid.T) {
	asked := w.drawAsked(t)
	request := w.request(asked, nil)
	request.SessionID = w.session.id
	response := w.exchange(t, request)
	w.session = naiveSession{open: true, id: response.SessionID, epoch: 1}
	w.session.put(asked)
	w.compare(t, response, w.session.answer(w, true))
}

func (w *sessionWorld) fetch(t *rapid.T) {
	asked := w.drawAsked(t)
	var forgotten []fetched
	if rapid.IntRange(0, 3).Draw(t, "forget") == 0 {
		forgotten = w.drawAsked(t)
	}
	request := w.request(asked, forgotten)
	request.SessionID, request.SessionEpoch = w.session.id, max(w.session.epoch, 1)
	response := w.exchange(t, request)
	if !w.session.open {
		if response.ErrorCode != 70 {
			t.Fatalf("code %d without a session", response.ErrorCode)
		}
		return
	}
	w.session.epoch++
	w.session.put(asked)
	w.session.forget(forgotten)
	w.compare(t, response, w.session.answer(w, false))
	if len(w.session.list) == 0 {
		w.session.open = false
		if response.SessionID != 0 {
			t.Fatal("an empty session stays open")
		}
	}
}

func (s *naiveSession) put(asked []fetched) {
	for _, one := range asked {
		i := slices.IndexFunc(s.list, func(p naivePartition) bool { return p.topic == one.topic && p.partition == one.partition })
		if i < 0 {
			s.list = append(s.list, naivePartition{one.topic, one.partition, one.offset, -1, -1})
			continue
		}
		s.list[i].offset = one.offset
	}
}

func (s *naiveSession) forget(forgotten []fetched) {
	for _, one := range forgotten {
		s.list = slices.DeleteFunc(s.list, func(p naivePartition) bool { return p.topic == one.topic && p.partition == one.partition })
	}
}

// answer is what is to be said, all of it or only what is new, and turns the list.
func (s *naiveSession) answer(w *sessionWorld, all bool) []naiveAnswer {
	var said []naiveAnswer
	var stay, turned []naivePartition
	for _, p := range s.list {
		a := naiveAnswer{Name: partitionName(p.topic, p.partition), End: -1, Start: -1}
		end, start := w.ends[a.Name], w.starts[a.Name]
		switch {
		case p.topic == "not-there" && w.version >= 13:
			a.Code = 100
		case p.topic == "not-there" || p.partition == 7:
			a.Code = 3
		case p.offset < start || p.offset > end:
			a.Code = 1
		default:
			a.End, a.Start, a.HasRecords = end, start, p.offset < end
		}
		if all || a.Code != 0 || a.HasRecords || a.End != p.toldEnd || a.Start != p.toldStart {
			said = append(said, a)
			p.toldEnd, p.toldStart = a.End, a.Start
		}
		if a.HasRecords && !all {
			turned = append(turned, p)
		} else {
			stay = append(stay, p)
		}
	}
	s.list = append(stay, turned...)
	return said
}

func (w *sessionWorld) compare(t *rapid.T, response *kmsg.FetchResponse, want []naiveAnswer) {
	if response.ErrorCode != 0 {
		t.Fatalf("code %d", response.ErrorCode)
	}
	names := map[[16]byte]string{{1, 2, 3}: "not-there"}
	for name, id := range w.ids {
		names[id] = name
	}
	var got []naiveAnswer
	for _, topic := range response.Topics {
		name := topic.Topic
		if w.version >= 13 {
			name = names[topic.TopicID]
		}
		for _, p := range topic.Partitions {
			got = append(got, naiveAnswer{partitionName(name, p.Partition), p.ErrorCode, p.HighWatermark, p.LogStartOffset, len(p.RecordBatches) > 0})
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("\ngot  %+v\nwant %+v", got, want)
	}
}
