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

// FuzzFetch makes fetches out of bytes, six for each partition, over one
// connection with its sessions. The answer is always one that kmsg reads back and
// writes the same.
func FuzzFetch(f *testing.F) {
	f.Add([]byte{0, 0, 0, 100, 255, 255, 0, 1, 0, 100, 0, 0}, int16(8), int32(0), int8(0))
	f.Add([]byte{1, 0, 0, 100, 255, 255, 0, 0, 1, 0, 5, 0, 0, 0, 255, 255, 0, 7}, int16(14), int32(-1), int8(1))
	f.Add([]byte{0, 0, 9, 100, 255, 0}, int16(8), int32(1), int8(0))
	b := newDataBroker(&testing.T{})
	ids := map[string][16]byte{"plain": b.create("plain", 2, nil)}
	b.write("plain", 0, values("a", "b").bytes())
	session, next := int32(0), int32(1)
	f.Fuzz(func(t *testing.T, bytes []byte, version int16, epoch int32, isolation int8) {
		version = 4 + (version%15+15)%15
		var partitions []fetched
		for rest := bytes; len(rest) >= 6; rest = rest[6:] {
			partitions = append(partitions, fetched{[]string{"plain", "not-there"}[rest[0]&1], int32(int8(rest[1])), int64(int8(rest[2]))})
		}
		request := fetchBy(nil, partitions...)(version, ids).(*kmsg.FetchRequest)
		for i := range request.Topics {
			p, from := &request.Topics[i].Partitions[0], bytes[6*i:]
			p.PartitionMaxBytes, p.CurrentLeaderEpoch, p.LastFetchedEpoch = int32(int8(from[3])), int32(int8(from[4])), int32(int8(from[5]))
		}
		// What waits is tested elsewhere.
		request.MaxWaitMillis, request.IsolationLevel = 0, isolation
		request.SessionID, request.SessionEpoch = session, epoch
		if epoch > 0 && epoch%4 != 0 {
			request.SessionEpoch = next
		}
		reply := b.handlers[kmsg.Fetch](b.connected, &Request{Body: request, ConnectionID: 1, Listener: "PLAINTEXT"})
		response, err := reply(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		answer := reread(t, request, response).(*kmsg.FetchResponse)
		switch {
		case answer.ErrorCode != 0:
		case answer.SessionID != session:
			session, next = answer.SessionID, 1
		default:
			next++
		}
	})
}
