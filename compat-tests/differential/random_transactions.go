package differential

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The names in random histories of transactions: few, so that the steps of one meet those of another.
var (
	ids     = []string{"x", "y", "z"}
	txGroup = []string{"g", "h"}
)

// epoch is a producer id and an epoch as a broker told them.
type epoch struct {
	id    int64
	epoch int16
}

// producerRef names a producer without its numbers, which are each broker's own: what id was told last, or some answers before that, and a
// number that is added to its epoch. Nothing stands for a producer without an id, stranger for one that nobody was told of.
type producerRef struct {
	id                string
	ago               int
	bump              int16
	nothing, stranger bool
}

func (p producerRef) String() string {
	switch {
	case p.nothing:
		return "nobody"
	case p.stranger:
		return fmt.Sprintf("a stranger%+d", p.bump)
	}
	return fmt.Sprintf("%s's producer of %d before%+d", p.id, p.ago, p.bump)
}

// of gives the numbers on one side.
func (p producerRef) of(w *world, side *side) epoch {
	told := side.told(w.name(p.id))
	switch {
	case p.nothing:
		return epoch{-1, -1}
	case p.stranger || len(told) == 0:
		return epoch{strangers + 1, max(p.bump, 0)}
	}
	e := told[max(len(told)-1-p.ago, 0)]
	return epoch{e.id, max(e.epoch+p.bump, 0)}
}

// strangers is where producer ids begin that no broker has given: they are the same on both sides.
const strangers int64 = 900_000_000

func (s *side) told(id string) []epoch {
	told, _ := s.values["told "+id].([]epoch)
	return told
}

// learnProducer keeps what a broker told of an id.
func (s *side) learnProducer(id string, e epoch) {
	if told := s.told(id); len(told) == 0 || told[len(told)-1] != e {
		s.values["told "+id] = append(told[:len(told):len(told)], e)
	}
}

// drawRef mostly draws the producer that an id has now.
func drawRef(random *rand.Rand, id string) producerRef {
	p := producerRef{id: id}
	switch random.IntN(12) {
	case 0:
		p.ago = 1 + random.IntN(3)
	case 1:
		p.bump = -1
	case 2:
		p.bump = 1
	case 3:
		p.id = ids[random.IntN(len(ids))]
	case 4:
		if random.IntN(3) == 0 {
			p.stranger = true
		}
	}
	return p
}

// drawTransactions draws a history of n steps that begins with its topics and producers.
func drawTransactions(random *rand.Rand, n int) []operation {
	operations := []operation{learned(createOperation("a", 2)), learned(createOperation("b", 1))}
	for _, id := range ids {
		operations = append(operations, initOperation(id, int16(random.IntN(6)), producerRef{nothing: true}, 600000))
	}
	for len(operations) < n {
		operations = append(operations, drawTransactional(random))
	}
	return operations
}

// learned makes both sides know the ids of the topics once the operation has settled.
func learned(o operation) operation {
	settle := o.settle
	o.settle = func(t *testing.T, w *world) {
		settle(t, w)
		for _, side := range w.suite.sides {
			if err := side.learn(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return o
}

func drawTransactional(random *rand.Rand) operation {
	id, group := ids[random.IntN(len(ids))], txGroup[random.IntN(len(txGroup))]
	ref := drawRef(random, id)
	parts := drawParts(random)
	switch random.IntN(40) {
	case 0, 1:
		return initOperation(id, int16(random.IntN(6)), producerRef{nothing: true}, 600000)
	case 2, 3:
		return initOperation(id, int16(3+random.IntN(3)), ref, []int32{600000, 600000, 700000, 900001, 0}[random.IntN(5)])
	case 4, 5, 6:
		return addOperation(id, int16(random.IntN(4)), ref, parts)
	case 7, 8:
		return addBatchedOperation(random)
	case 9, 10:
		return addOffsetsOperation(id, int16(random.IntN(5)), ref, group)
	case 11, 12, 13, 14:
		return commitInTransactionOperation(random, id, ref, group)
	case 15, 16, 17, 18, 19, 20:
		return endOperation(id, int16(random.IntN(6)), ref, random.IntN(2) == 0)
	case 21, 22, 23, 24, 25, 26, 27:
		return writeOperation(random, id, ref, parts[0])
	case 28:
		ref.bump = min(ref.bump, 0)
		return markerOperation(ref, int16(1+random.IntN(2)), int8(random.IntN(3)), random.IntN(2) == 0, parts)
	case 29:
		return memberOperation(random, group)
	case 30:
		return plainCommitOperation(random, group, parts[0])
	case 31, 32:
		return offsetsOperation(random, group)
	case 33, 34:
		return lookOperation(random, id, ref)
	case 35:
		return producersOperation(parts)
	case 36:
		return deleteGroupOperation(random, group, parts[0])
	default:
		return readOperation(random, parts[0])
	}
}

// part is a partition of a topic of the history.
type part struct {
	topic     string
	partition int32
}

// drawParts draws one to three partitions; some are not there.
func drawParts(random *rand.Rand) []part {
	all := []part{{"a", 0}, {"a", 1}, {"b", 0}}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	all = all[:1+random.IntN(3)]
	if random.IntN(20) == 0 {
		all = append(all, []part{{"a", 7}, {"absent", 0}}[random.IntN(2)])
	}
	return all
}

// byTopic calls add with each topic's partitions, in the order of the parts.
func byTopic(w *world, parts []part, add func(topic string, partitions []int32)) {
	partitions := map[string][]int32{}
	for _, p := range parts {
		partitions[p.topic] = append(partitions[p.topic], p.partition)
	}
	for _, p := range parts {
		if list := partitions[p.topic]; list != nil {
			add(w.name(p.topic), list)
			delete(partitions, p.topic)
		}
	}
}

func initOperation(id string, version int16, ref producerRef, timeout int32) operation {
	return operation{
		text: fmt.Sprintf("init v%d %s as %s, timeout %d", version, id, ref, timeout),
		build: func(w *world, side *side) kmsg.Request {
			r, name, e := kmsg.NewPtrInitProducerIDRequest(), w.name(id), ref.of(w, side)
			r.Version, r.TransactionalID, r.TransactionTimeoutMillis, r.ProducerID, r.ProducerEpoch = version, &name, timeout, e.id, e.epoch
			return r
		},
		see: func(w *world, side *side, response kmsg.Response) {
			if r := response.(*kmsg.InitProducerIDResponse); r.ErrorCode == 0 {
				side.learnProducer(w.name(id), epoch{r.ProducerID, r.ProducerEpoch})
			}
		},
		settle: idle(id),
	}
}

// idle waits until the markers of an id are written on both sides.
func idle(id string) func(t *testing.T, w *world) {
	return func(t *testing.T, w *world) {
		t.Helper()
		h := exactlyOnce{t: t, s: w.suite, id: w.name(id)}
		h.awaitIdle()
	}
}

func endOperation(id string, version int16, ref producerRef, commit bool) operation {
	return operation{
		text: fmt.Sprintf("end v%d %s as %s, commit %t", version, id, ref, commit),
		build: func(w *world, side *side) kmsg.Request {
			r, e := kmsg.NewPtrEndTxnRequest(), ref.of(w, side)
			r.Version, r.TransactionalID, r.ProducerID, r.ProducerEpoch, r.Commit = version, w.name(id), e.id, e.epoch, commit
			return r
		},
		see: func(w *world, side *side, response kmsg.Response) {
			if r := response.(*kmsg.EndTxnResponse); r.ErrorCode == 0 && version >= 5 && r.ProducerID >= 0 {
				side.learnProducer(w.name(id), epoch{r.ProducerID, r.ProducerEpoch})
			}
		},
		settle: idle(id),
	}
}

func addOperation(id string, version int16, ref producerRef, parts []part) operation {
	return operation{
		text: fmt.Sprintf("add v%d %s as %s: %v", version, id, ref, parts),
		build: func(w *world, side *side) kmsg.Request {
			r, e := kmsg.NewPtrAddPartitionsToTxnRequest(), ref.of(w, side)
			r.Version, r.TransactionalID, r.ProducerID, r.ProducerEpoch = version, w.name(id), e.id, e.epoch
			byTopic(w, parts, func(topic string, partitions []int32) {
				r.Topics = append(r.Topics, kmsg.AddPartitionsToTxnRequestTopic{Topic: topic, Partitions: partitions})
			})
			return r
		},
	}
}

// addBatchedOperation is what a broker asks: transactions of several ids at once, to be changed or only verified.
func addBatchedOperation(random *rand.Rand) operation {
	type one struct {
		id     string
		ref    producerRef
		verify bool
		parts  []part
	}
	var all []one
	version := int16(4 + random.IntN(2))
	for _, i := range random.Perm(len(ids))[:1+random.IntN(len(ids))] {
		all = append(all, one{ids[i], drawRef(random, ids[i]), random.IntN(3) > 0, drawParts(random)})
	}
	return operation{
		text: fmt.Sprintf("add v%d %v", version, all),
		build: func(w *world, side *side) kmsg.Request {
			r := kmsg.NewPtrAddPartitionsToTxnRequest()
			r.Version = version
			for _, o := range all {
				t, e := kmsg.NewAddPartitionsToTxnRequestTransaction(), o.ref.of(w, side)
				t.TransactionalID, t.ProducerID, t.ProducerEpoch, t.VerifyOnly = w.name(o.id), e.id, e.epoch, o.verify
				byTopic(w, o.parts, func(topic string, partitions []int32) {
					t.Topics = append(t.Topics, kmsg.AddPartitionsToTxnRequestTransactionTopic{Topic: topic, Partitions: partitions})
				})
				r.Transactions = append(r.Transactions, t)
			}
			return r
		},
	}
}

func addOffsetsOperation(id string, version int16, ref producerRef, group string) operation {
	return operation{
		text: fmt.Sprintf("add offsets v%d %s as %s: %s", version, id, ref, group),
		build: func(w *world, side *side) kmsg.Request {
			r, e := kmsg.NewPtrAddOffsetsToTxnRequest(), ref.of(w, side)
			r.Version, r.TransactionalID, r.ProducerID, r.ProducerEpoch, r.Group = version, w.name(id), e.id, e.epoch, w.name(group)
			return r
		},
	}
}

// writeOperation produces one batch. Its sequence is the next one of its producer and epoch in the partition, or is not.
func writeOperation(random *rand.Rand, id string, ref producerRef, to part) operation {
	version := int16(3 + random.IntN(11))
	count, off := 1+random.IntN(3), []int32{0, 0, 0, 0, 0, 0, -1, -2, 3}[random.IntN(9)]
	attributes, named := transactional, true
	switch random.IntN(12) {
	case 0:
		attributes = 0
		ref.bump = min(ref.bump, 0)
	case 1:
		named = false
	}
	values := []string{"x", "y", "z"}[:count]
	key := func(w *world, e epoch) string {
		return fmt.Sprint("sequence ", w.name(to.topic), to.partition, e.id, " ", e.epoch)
	}
	return operation{
		text: fmt.Sprintf("write v%d %d records to %v for %s as %s, sequence %+d, attributes %d, named %t", version, count, to, id, ref, off, attributes, named),
		build: func(w *world, side *side) kmsg.Request {
			e := ref.of(w, side)
			next, _ := side.values[key(w, e)].(int32)
			b := batch{values: values, attributes: attributes, producerID: e.id, epoch: e.epoch, sequence: max(next+off, 0), idempotentFrom: true}
			r := kmsg.NewPtrProduceRequest()
			r.Version, r.Acks, r.TimeoutMillis = version, -1, 5000
			if name := w.name(id); named {
				r.TransactionID = &name
			}
			topic := kmsg.NewProduceRequestTopic()
			topic.Topic, topic.TopicID = w.name(to.topic), side.topicID(w.name(to.topic))
			topic.Partitions = append(topic.Partitions, kmsg.ProduceRequestTopicPartition{Partition: to.partition, Records: b.bytes()})
			r.Topics = append(r.Topics, topic)
			return r
		},
		see: func(w *world, side *side, response kmsg.Response) {
			e := ref.of(w, side)
			if p := response.(*kmsg.ProduceResponse).Topics[0].Partitions[0]; p.ErrorCode == 0 && off == 0 {
				next, _ := side.values[key(w, e)].(int32)
				side.values[key(w, e)] = next + int32(count)
			}
		},
	}
}

func markerOperation(ref producerRef, version int16, level int8, commit bool, parts []part) operation {
	return operation{
		text: fmt.Sprintf("marker v%d of level %d of %s, commit %t: %v", version, level, ref, commit, parts),
		build: func(w *world, side *side) kmsg.Request {
			r, e := kmsg.NewPtrWriteTxnMarkersRequest(), ref.of(w, side)
			r.Version = version
			m := kmsg.NewWriteTxnMarkersRequestMarker()
			m.ProducerID, m.ProducerEpoch, m.Committed, m.TransactionVersion = e.id, e.epoch, commit, level
			byTopic(w, parts, func(topic string, partitions []int32) {
				m.Topics = append(m.Topics, kmsg.WriteTxnMarkersRequestMarkerTopic{Topic: topic, Partitions: partitions})
			})
			r.Markers = append(r.Markers, m)
			return r
		},
	}
}
