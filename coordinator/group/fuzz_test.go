package group

import (
	"testing"
	"time"

	"ottla/coordinator"
	"ottla/protocol/record"
)

// FuzzReplay gives the machine any key and value, twice, and takes them back:
// it does not panic, its invariants hold, and nothing is left. What is written
// again from what was understood is understood in the same way.
func FuzzReplay(f *testing.F) {
	eachRecord(f, func(b record.Batch, r record.Record) { f.Add(r.Key, r.Value, r.Value == nil, b.ProducerID()) })
	f.Add([]byte{0, 2, 0, 1, 'g'}, []byte{0, 4, 0, 0, 0, 0}, false, int64(-1))
	f.Add([]byte{0, 0, 0, 1, 'g', 0, 1, 't', 0, 0, 0, 0}, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, false, int64(-1))
	f.Fuzz(func(t *testing.T, key, value []byte, tombstone bool, producerID int64) {
		if tombstone {
			value = nil
		}
		m := NewMachine(DefaultConfig(), func() time.Time { return time.UnixMilli(0) }, nil, discard{})
		replayed := coordinator.Replayed{Record: coordinator.Record{Key: key, Value: value}, ProducerID: producerID}
		var undos []func()
		for range 2 {
			undo, ok := m.Replay(replayed)
			if !ok && undo != nil {
				t.Fatal("what was not understood can be taken back")
			}
			if undo != nil {
				undos = append(undos, undo)
			}
		}
		for _, g := range m.groups {
			checkInvariants(t, g)
			again, ok := decodeGroup(g.id, groupRecord(g, assignments(g)).Value)
			if !ok || again.state != g.state || again.generation != g.generation || len(again.members) != len(g.members) {
				t.Fatalf("written again, %+v is %+v", g, again)
			}
		}
		m.Loaded()
		for i := len(undos) - 1; i >= 0; i-- {
			undos[i]()
		}
		if len(m.groups) > 0 || len(m.offsets) > 0 || len(m.pending) > 0 {
			t.Fatalf("taken back, there is still %v %v %v", m.groups, m.offsets, m.pending)
		}
	})
}

func assignments(g *classic) map[string][]byte {
	all := map[string][]byte{}
	for _, m := range g.all() {
		all[m.id] = m.assignment
	}
	return all
}
