package api

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// FuzzProduceRecords sends any bytes for records. Whatever they are, the answer is
// never UNKNOWN_SERVER_ERROR, and the log grows exactly if the answer is 0.
func FuzzProduceRecords(f *testing.F) {
	f.Add(values("a", "b").bytes(), int16(9), int16(-1))
	for _, bad := range badBatches() {
		if len(bad.bytes) < 1000 {
			f.Add(bad.bytes, int16(3), int16(1))
		}
	}
	b := newDataBroker(&testing.T{})
	b.create("plain", 1, nil)
	partition, _ := b.replicas.Partition("plain", 0)
	f.Fuzz(func(t *testing.T, bytes []byte, version, acks int16) {
		version = 3 + (version%10+10)%10
		before := partition.LogEndOffset()
		request := withVersion(version, produce(acks, records{"plain", 0, append([]byte(nil), bytes...)})(version, nil))
		reply := b.handlers[kmsg.Produce](b.connected, &Request{Body: request, Listener: "PLAINTEXT", Received: time.Now()})
		response, err := reply(b.connected)
		grown := partition.LogEndOffset() - before
		if acks == 0 {
			if (err == nil) != (grown > 0) {
				t.Fatalf("error %v, but the log has grown by %d", err, grown)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		answer := response.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
		if answer.ErrorCode == -1 || (answer.ErrorCode == 0) != (grown > 0 || answer.BaseOffset >= 0 && answer.BaseOffset < before) {
			t.Fatalf("%+v, and the log has grown by %d", answer, grown)
		}
	})
}

// FuzzFetch sends any Fetch request that kmsg can decode, over one connection with
// its sessions. The answer is always one that kmsg reads back and writes the same.
func FuzzFetch(f *testing.F) {
	for _, s := range append(fetchSteps(), sessionSteps()...) {
		for _, version := range s.versions {
			request := s.build(version, nil)
			request.SetVersion(version)
			f.Add(request.AppendTo(nil), version)
		}
	}
	b := newDataBroker(&testing.T{})
	b.create("plain", 2, nil)
	b.write("plain", 0, values("a", "b").bytes())
	f.Fuzz(func(t *testing.T, bytes []byte, version int16) {
		version = 4 + (version%15+15)%15
		request := kmsg.NewPtrFetchRequest()
		request.SetVersion(version)
		if request.ReadFrom(bytes) != nil {
			return
		}
		// What waits is tested elsewhere.
		request.MaxWaitMillis = 0
		reply := b.handlers[kmsg.Fetch](b.connected, &Request{Body: request, ConnectionID: 1, Listener: "PLAINTEXT"})
		response, err := reply(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		reread(t, request, response)
	})
}
