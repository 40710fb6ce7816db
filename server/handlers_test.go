package server

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/config"
	"ottla/coordinator"
	"ottla/protocol"
	"ottla/storage"
)

// TestDispatch holds the dispatch table and the version table against each
// other, and against what is to be served.
func TestDispatch(t *testing.T) {
	s := &Server{settings: &config.Config{}, groups: &groupShards{}, transactions: &transactionShards{}}
	handlers := s.handlers()
	served := map[protocol.Listeners][]int16{}
	for _, kind := range []protocol.Listeners{protocol.Broker, protocol.Controller} {
		on := servedOn(handlers, kind)
		ranges := advertised(on)
		table := byKey(on)
		for row := range protocol.APIs() {
			key := kmsg.Key(row.Key)
			dispatched := table[row.Key] != nil
			versions, named := ranges[key]
			if dispatched != named {
				t.Errorf("%s: dispatched %v, advertised %v", row.Name, dispatched, named)
			}
			if named && (versions.Min != row.AdvertisedMin || versions.Max != row.Max || !row.Listeners.Has(kind)) {
				t.Errorf("%s: advertised %v on listeners %b, the table has %+v", row.Name, versions, kind, row)
			}
			if named {
				served[kind] = append(served[kind], row.Key)
			}
		}
		if len(ranges) != len(on) {
			t.Errorf("%d APIs are advertised, %d dispatched", len(ranges), len(on))
		}
	}
	if want := []int16{0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 32, 33, 35, 37, 42, 43, 44, 45, 46, 47, 55, 57, 60, 61, 64, 65, 66, 74, 75}; !slices.Equal(served[protocol.Broker], want) {
		t.Errorf("brokers serve %v, want %v", served[protocol.Broker], want)
	}
	if want := []int16{18, 19, 20, 32, 33, 37, 43, 44, 45, 46, 55, 57, 60, 64}; !slices.Equal(served[protocol.Controller], want) {
		t.Errorf("controllers serve %v, want %v", served[protocol.Controller], want)
	}
}

// TestEventLines demands a line of its own for every kind of event.
func TestEventLines(t *testing.T) {
	var lines logLines
	events := newEventLog(zerolog.New(&lines))
	told := map[string]bool{}
	for kind := storage.EventLoadStarted; kind <= storage.EventFlushSlow; kind++ {
		line, ok := storageLine(kind)
		if !ok || line.message == "" {
			t.Errorf("storage event %d has no line", kind)
		}
		told[line.message] = true
		events.storage(storage.Event{Kind: kind, Directory: "d", Log: storage.TopicPartition{Topic: "t", Partition: 3}})
	}
	if _, ok := storageLine(storage.EventFlushSlow + 1); ok {
		t.Error("a kind beyond the last has a line")
	}
	for kind := coordinator.Loading; kind <= coordinator.OutOfSync; kind++ {
		if line := groupLine(kind); strings.Contains(line.message, "event") {
			t.Errorf("group coordinator event %d has no line", kind)
		}
		events.groups(coordinator.Event{Kind: kind})
	}
	begun := time.Now()
	for _, step := range []struct {
		kind  storage.EventKind
		after time.Duration
		due   bool
	}{
		{storage.EventLoadStarted, 0, true},
		{storage.EventLoadProgress, progressEvery - 1, false},
		{storage.EventLoadProgress, progressEvery, true},
		{storage.EventLoadProgress, progressEvery + 1, false},
		{storage.EventLoadProgress, 2 * progressEvery, true},
	} {
		if got := events.due(step.kind, begun.Add(step.after)); got != step.due {
			t.Errorf("kind %d after %v: due %v", step.kind, step.after, got)
		}
	}
	for message := range told {
		if !strings.Contains(lines.String(), message) {
			t.Errorf("%q was not written", message)
		}
	}
}
