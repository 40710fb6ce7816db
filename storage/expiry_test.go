package storage

import "testing"

// TestOpenTransactionKeepsItsProducer: however old its records are, a producer is not forgotten while its transaction is open: the marker that ends
// it would find nothing to end, and readers of committed records would be held up for ever.
func TestOpenTransactionKeepsItsProducer(t *testing.T) {
	l := memoryLog(t, smallConfig())
	mustAppend(t, l, testBatch{producerID: 1, transactional: true, timestamps: []int64{1000}}, OriginClient)
	expire := func() []ProducerState {
		l.mu.Lock()
		l.producer.expire(1_000_000, 5000)
		l.mu.Unlock()
		return l.ProducerStates()
	}
	if states := expire(); len(states) != 1 || states[0].CurrentTxnStartOffset != 0 {
		t.Fatalf("with an open transaction: %+v", states)
	}
	mustAppend(t, l, testBatch{producerID: 1, timestamps: []int64{2000}, marker: &endMarker{}}, OriginCoordinator)
	if states := expire(); len(states) != 0 {
		t.Errorf("with none: %+v", states)
	}
}
