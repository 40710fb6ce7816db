package coordinator

import (
	"testing"
	"testing/synctest"
)

// TestBaseSequence: batches that belong to no producer have the sequence that Apache Kafka's coordinators of that kind
// give theirs.
func TestBaseSequence(t *testing.T) {
	for _, sequence := range []int32{0, -1} {
		in(t, nil, func(r *rig, log *memoryLog) {
			r.runtime.options.BaseSequence = sequence
			r.runtime.Start(0, 1, log)
			synctest.Wait()
			r.put("one", "a=1")
			r.expect("one: done")
			if b := log.batches[0]; b.BaseSequence() != sequence || b.ProducerID() != -1 || b.ProducerEpoch() != -1 {
				t.Errorf("the batch has the sequence %d of producer %d, want %d", b.BaseSequence(), b.ProducerID(), sequence)
			}
		})
	}
}
