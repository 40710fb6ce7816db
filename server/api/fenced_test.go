package api

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/coordinator/transaction"
)

// fencing is a coordinator for whom every producer is shut out.
type fencing struct{}

func (fencing) InitProducerID(_ transaction.Init, reply func(transaction.Answer)) {
	reply(transaction.Answer{Failure: kerr.ProducerFenced, ProducerID: -1, Epoch: -1})
}

func (fencing) EndTxn(_ transaction.End, reply func(transaction.Answer)) {
	reply(transaction.Answer{Failure: kerr.ProducerFenced, ProducerID: -1, Epoch: -1})
}

// TestFencedProducers: a client of a version that does not know PRODUCER_FENCED is told INVALID_PRODUCER_EPOCH, which it takes to mean the same.
func TestFencedProducers(t *testing.T) {
	ask := func(handler Handler, body kmsg.Request) kmsg.Response {
		response, err := handler(t.Context(), &Request{Body: body})(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return response.(kmsg.Response)
	}
	want := func(known bool) int16 {
		if known {
			return kerr.ProducerFenced.Code
		}
		return kerr.InvalidProducerEpoch.Code
	}
	id := "x"
	for version := int16(0); version <= 5; version++ {
		init := kmsg.NewPtrInitProducerIDRequest()
		init.Version, init.TransactionalID, init.ProducerID, init.ProducerEpoch = version, &id, -1, -1
		if code := ask(InitProducerID(nil, fencing{}), init).(*kmsg.InitProducerIDResponse).ErrorCode; code != want(version >= 4) {
			t.Errorf("InitProducerId v%d: %v", version, kerr.ErrorForCode(code))
		}
		end := kmsg.NewPtrEndTxnRequest()
		end.Version, end.TransactionalID = version, id
		if code := ask(EndTxn(fencing{}), end).(*kmsg.EndTxnResponse).ErrorCode; code != want(version >= 2) {
			t.Errorf("EndTxn v%d: %v", version, kerr.ErrorForCode(code))
		}
	}
}
