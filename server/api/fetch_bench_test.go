package api

import (
	"context"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// BenchmarkFetchSession has a session of 1000 partitions, of which one has
// something new each time.
func BenchmarkFetchSession(b *testing.B) {
	broker := newDataBroker(&testing.T{})
	const partitions = 1000
	broker.create("plain", partitions, nil)
	all := make([]fetched, partitions)
	for i := range all {
		all[i] = fetched{"plain", int32(i), 0}
	}
	first, err := broker.ask(fetchVersion(12, inSessionOf(0, 0), all...))
	if err != nil {
		b.Fatal(err)
	}
	session := first.(*kmsg.FetchResponse).SessionID
	handler := broker.handlers[kmsg.Fetch]
	batch := values("a").bytes()
	offset := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		clear(batch[:8])
		broker.write("plain", 500, batch)
		body := fetchVersion(12, inSessionOf(session, int32(offset)+1), fetched{"plain", 500, offset})
		offset++
		response, err := handler(broker.connected, &Request{Body: body, ConnectionID: 1, Listener: "PLAINTEXT", Principal: "User:ANONYMOUS"})(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		response.(PartsResponse).Release()
	}
}
