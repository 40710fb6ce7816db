package api

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// modelSession is a session as a list of them would have it.
type modelSession struct {
	id         int32
	connection uint64
	size       int
	epoch      int32
	created    time.Time
	used       time.Time
}

// TestSessionCacheAgainstModel opens, resumes, closes and forgets sessions from
// several connections, and finds each time what a plain list would have.
func TestSessionCacheAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots := rapid.IntRange(1, 5).Draw(t, "slots")
		now := time.Unix(1_000_000, 0)
		cache := newFetchSessions(slots, func() time.Time { return now })
		var model []modelSession
		connection := rapid.Uint64Range(1, 2)
		request := func(t *rapid.T) *Request {
			return &Request{ConnectionID: connection.Draw(t, "connection"), Principal: "User:ANONYMOUS"}
		}
		pick := func(t *rapid.T) int {
			if len(model) == 0 {
				t.Skip("no session")
			}
			return rapid.IntRange(0, len(model)-1).Draw(t, "session")
		}
		t.Repeat(map[string]func(*rapid.T){
			"open": func(t *rapid.T) {
				asker, size := request(t), rapid.IntRange(1, 4).Draw(t, "size")
				session := &fetchSession{connection: asker.ConnectionID, principal: asker.Principal, connected: context.Background(), epoch: 1, busy: true, partitions: map[fetchKey]*fetchPartition{}}
				for i := range size {
					session.partitions[fetchKey{partition: int32(i)}] = &fetchPartition{}
				}
				var makeRoom bool
				model, makeRoom = evictFromModel(model, slots, size, now)
				id := cache.create(session)
				if (id != 0) != makeRoom {
					t.Fatalf("session %d, but there is room: %v", id, makeRoom)
				}
				if id != 0 {
					cache.release(session, false)
					model = append(model, modelSession{id, asker.ConnectionID, size, 1, now, now})
				}
			},
			"resume": func(t *rapid.T) {
				m := &model[pick(t)]
				asker, epoch := request(t), m.epoch+rapid.SampledFrom([]int32{0, 0, 0, 1, -1}).Draw(t, "off by")
				session, failure := cache.resume(asker, &kmsg.FetchRequest{Version: 12, SessionID: m.id, SessionEpoch: epoch})
				switch {
				case asker.ConnectionID != m.connection:
					if failure != kerr.FetchSessionIDNotFound {
						t.Fatalf("someone else's session: %v", failure)
					}
				case epoch != m.epoch:
					if failure != kerr.InvalidFetchSessionEpoch {
						t.Fatalf("another epoch: %v", failure)
					}
				case failure != nil:
					t.Fatal(failure)
				default:
					session.epoch = nextSessionEpoch(session.epoch)
					cache.release(session, true)
					m.epoch, m.used = m.epoch+1, now
				}
			},
			"close": func(t *rapid.T) {
				i := pick(t)
				asker := request(t)
				cache.close(asker, model[i].id)
				if asker.ConnectionID == model[i].connection {
					model = append(model[:i:i], model[i+1:]...)
				}
			},
			"wait": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 90).Draw(t, "seconds")) * time.Second)
			},
			"": func(t *rapid.T) {
				if len(cache.sessions) != len(model) {
					t.Fatalf("%d sessions, want %d", len(cache.sessions), len(model))
				}
				for _, m := range model {
					if s := cache.sessions[m.id]; s == nil || s.size != m.size || s.epoch != m.epoch {
						t.Fatalf("session %d is %+v, want %+v", m.id, s, m)
					}
				}
			},
		})
	})
}

// evictFromModel makes room in the way of KIP-227: the stalest if it is stale,
// else the smallest that is old enough, if the new one is larger.
func evictFromModel(model []modelSession, slots, size int, now time.Time) ([]modelSession, bool) {
	if len(model) < slots {
		return model, true
	}
	stale, small := 0, -1
	for i, m := range model {
		if m.used.Before(model[stale].used) || m.used.Equal(model[stale].used) && m.id < model[stale].id {
			stale = i
		}
		old := now.Sub(m.created) > 2*time.Minute
		if old && (small < 0 || m.size < model[small].size || m.size == model[small].size && m.id < model[small].id) {
			small = i
		}
	}
	switch {
	case now.Sub(model[stale].used) > 2*time.Minute:
		return append(model[:stale:stale], model[stale+1:]...), true
	case small >= 0 && model[small].size < size:
		return append(model[:small:small], model[small+1:]...), true
	}
	return model, false
}

// TestSessionsOfEndedConnectionsGo shows that they do not gather.
func TestSessionsOfEndedConnectionsGo(t *testing.T) {
	cache := newFetchSessions(1000, time.Now)
	for i := range 5000 {
		ctx, cancel := context.WithCancel(context.Background())
		session := &fetchSession{connection: uint64(i), connected: ctx, partitions: map[fetchKey]*fetchPartition{{}: {}}, busy: true}
		if cache.create(session) == 0 {
			t.Fatalf("no slot for session %d", i)
		}
		cache.release(session, false)
		cancel()
	}
	if n := len(cache.sessions); n > 2*sessionSweep {
		t.Errorf("%d sessions of ended connections", n)
	}
}

// TestOneConnectionHoldsFewSessions shows that the oldest goes.
func TestOneConnectionHoldsFewSessions(t *testing.T) {
	cache := newFetchSessions(1000, time.Now)
	var ids []int32
	for range 2 * sessionsPerConnection {
		session := &fetchSession{connection: 1, connected: context.Background(), partitions: map[fetchKey]*fetchPartition{{}: {}}, busy: true}
		ids = append(ids, cache.create(session))
		cache.release(session, false)
	}
	for i, id := range ids {
		if kept := cache.sessions[id] != nil; kept != (i >= sessionsPerConnection) {
			t.Errorf("session %d of %d is kept: %v", i, len(ids), kept)
		}
	}
}

// TestSessionsHaveALimit shows that a session which only grows is closed.
func TestSessionsHaveALimit(t *testing.T) {
	b := newDataBroker(t)
	fetcher := newFetcher(FetchOptions{Replicas: b.replicas, SessionSlots: 10})
	fetcher.sessions.largest = 100
	b.handlers[kmsg.Fetch] = fetcher.handle
	ask := func(id, epoch int32, from, to int32) *kmsg.FetchResponse {
		request := fetchVersion(12, inSessionOf(id, epoch))
		topic := kmsg.FetchRequestTopic{Topic: "not-there"}
		for i := from; i < to; i++ {
			p := kmsg.NewFetchRequestTopicPartition()
			p.Partition = i
			topic.Partitions = append(topic.Partitions, p)
		}
		request.Topics = []kmsg.FetchRequestTopic{topic}
		return must[*kmsg.FetchResponse](b, 12, request)
	}
	if id := ask(0, 0, 0, 101).SessionID; id != 0 {
		t.Error("a session that is too large is opened")
	}
	opened := ask(0, 0, 0, 90)
	if opened.SessionID == 0 || ask(opened.SessionID, 1, 90, 100).ErrorCode != 0 {
		t.Error("a session just as large as it may be is refused")
	}
	for epoch := int32(2); epoch < 4; epoch++ {
		if code := ask(opened.SessionID, epoch, 100, 101).ErrorCode; code != kerr.FetchSessionIDNotFound.Code {
			t.Errorf("code %d for one partition too many", code)
		}
	}
}
