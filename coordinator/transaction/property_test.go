package transaction

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ottla/coordinator"
)

// pair is what a producer has.
type pair struct {
	producerID int64
	epoch      int16
}

// life is a random history of clients of two transactional ids. Some of them do
// not know that another has taken over, writes fail, markers are late, the machine
// is loaded anew at any moment.
type life struct {
	t       *rapid.T
	b       *bench
	clients [4]pair
	given   map[pair]bool
	newID   int64
}

func (l *life) id(client int) string { return fmt.Sprint("id-", client%2) }

func (l *life) current(id string) pair {
	if t := l.b.machine.transactions[id]; t != nil {
		return pair{t.ProducerID, t.Epoch}
	}
	return pair{None, None}
}

// run runs a client's operation, with a new producer id if it needs one. Only who
// has the transaction's own id and epoch may change anything.
func (l *life) run(client int, takesOver bool, operation func(newID int64) (Answer, coordinator.Result)) Answer {
	before := l.current(l.id(client))
	answer, result := operation(NoNewID)
	if answer.NeedID {
		if len(result.Records) > 0 {
			l.t.Fatal("an operation that needs a producer id wrote")
		}
		l.newID++
		answer, result = operation(l.newID)
		if answer.NeedID {
			l.t.Fatal("two producer ids are not enough")
		}
	}
	text := l.b.answered(answer, result)
	if len(l.b.written) > 0 && !takesOver && before != l.clients[client] {
		l.t.Fatalf("%+v wrote, and the transaction was %+v's", l.clients[client], before)
	}
	if answer.Failure == nil && len(result.Records) > 0 && len(l.b.written) == 0 {
		answer = refused(storeError(nil)) // it could not be written, and the client was told
		if text == "ok" {
			l.t.Fatal("a write that failed was answered with success")
		}
		answer.NeedID = true
	}
	return answer
}

func (l *life) init(client int) {
	request := Init{ID: l.id(client), TimeoutMillis: 5000, ProducerID: None, Epoch: None}
	if l.clients[client].producerID != None && rapid.Bool().Draw(l.t, "resumes") {
		request.ProducerID, request.Epoch = l.clients[client].producerID, l.clients[client].epoch
	}
	answer := l.run(client, true, func(newID int64) (Answer, coordinator.Result) { return l.b.machine.InitProducerID(request, newID) })
	if answer.Failure != nil || answer.NeedID {
		return
	}
	now := pair{answer.ProducerID, answer.Epoch}
	if !request.resumes() && l.given[now] {
		l.t.Fatalf("%+v was given to another client before", now)
	}
	l.given[now], l.clients[client] = true, now
}

func (l *life) end(client int) {
	request := End{
		ID: l.id(client), ProducerID: l.clients[client].producerID, Epoch: l.clients[client].epoch,
		Commit: rapid.Bool().Draw(l.t, "commit"), Version: rapid.SampledFrom([]int16{0, 2}).Draw(l.t, "version"),
	}
	answer := l.run(client, false, func(newID int64) (Answer, coordinator.Result) { return l.b.machine.EndTxn(request, newID) })
	if answer.Failure == nil && !answer.NeedID && answer.ProducerID != None {
		l.clients[client] = pair{answer.ProducerID, answer.Epoch}
		l.given[l.clients[client]] = true
	}
}

func (l *life) step() {
	client := rapid.IntRange(0, 3).Draw(l.t, "client")
	switch rapid.IntRange(0, 9).Draw(l.t, "what") {
	case 0, 1:
		l.init(client)
	case 2, 3, 4:
		partitions := []Partition{{"t", rapid.Int32Range(0, 2).Draw(l.t, "partition")}}
		l.run(client, false, func(int64) (Answer, coordinator.Result) {
			c := l.clients[client]
			failure, result := l.b.machine.AddPartitions(l.id(client), c.producerID, c.epoch, partitions, 2)
			return Answer{Failure: failure}, result
		})
	case 5, 6:
		l.end(client)
	case 7:
		l.b.complete()
	case 8:
		if rapid.Bool().Draw(l.t, "loads") {
			l.b.load()
		} else {
			l.b.failing = true
		}
	case 9:
		l.b.advance(time.Duration(rapid.IntRange(0, 4000).Draw(l.t, "ms")) * time.Millisecond)
	}
}

// TestLives: whatever happens, no transaction stays open for ever, none ends in
// two ways (the moves of the table see to that), nobody writes with what another
// owns, and the log says what the machine says.
func TestLives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &life{t: t, given: map[pair]bool{}, newID: 1000}
		l.b = newBench(t.Fatalf)
		l.b.level = rapid.SampledFrom([]int16{0, 1, 2}).Draw(t, "level")
		for i := range l.clients {
			l.clients[i] = pair{None, None}
		}
		if rapid.Bool().Draw(t, "old") {
			l.b.do(l.b.machine.write(&Transaction{
				ID: "id-0", ProducerID: 1, PreviousProducerID: None, NextProducerID: None, Epoch: maxEpoch - 4, TimeoutMillis: 5000, StartedMillis: None,
			}, nil))
			l.b.load()
			l.clients[0] = pair{1, maxEpoch - 4}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			l.step()
		}
		l.b.failing = false
		for range 3 {
			l.b.advance(6 * time.Second)
			for _, timedOut := range l.b.timedOut {
				l.newID++
				l.b.do(l.b.machine.Abort(timedOut, l.newID))
			}
			l.b.timedOut = nil
			l.b.complete()
		}
		for _, transaction := range l.b.machine.all() {
			if !transaction.State.idle() {
				t.Fatalf("%s hangs", transaction.text())
			}
		}
	})
}

// TestRecordsComeBack: what is written is what is read.
func TestRecordsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		level := rapid.SampledFrom([]int16{0, 1, 2}).Draw(t, "level")
		original := Transaction{
			ID: rapid.String().Draw(t, "id"), ProducerID: rapid.Int64().Draw(t, "pid"), Epoch: rapid.Int16().Draw(t, "epoch"),
			PreviousProducerID: None, NextProducerID: None, TimeoutMillis: rapid.Int32().Draw(t, "timeout"),
			State: State(rapid.Int8Range(0, int8(CompleteAbort)).Draw(t, "state")), StartedMillis: rapid.Int64().Draw(t, "started"), UpdatedMillis: rapid.Int64().Draw(t, "updated"),
		}
		if level > 0 {
			original.PreviousProducerID, original.NextProducerID = rapid.Int64().Draw(t, "previous"), rapid.Int64().Draw(t, "next")
			original.ClientVersion = rapid.Int16Range(0, 2).Draw(t, "client")
		}
		if original.State != Empty {
			for range rapid.IntRange(0, 9).Draw(t, "partitions") {
				original.Partitions = append(original.Partitions, Partition{rapid.StringN(0, 9, 9).Draw(t, "topic"), rapid.Int32Range(0, 3).Draw(t, "index")})
			}
			original.Partitions = sorted(original.Partitions)
		}
		r := encode(&original, level)
		id, ok := decodeKey(r.Key)
		read, readable := decodeValue(id, r.Value)
		if !ok || !readable || read.text() != original.text() {
			t.Fatalf("%+v came back as %+v", original, read)
		}
	})
}
