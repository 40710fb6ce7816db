package differential

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// operation is one step of a random history. Names in it are short; a run puts its own prefix before them, so that the
// same history can run many times on the same brokers.
type operation struct {
	text  string
	build func(w *world, side *side) kmsg.Request
	// see keeps what a later operation needs of a side's answer.
	see func(w *world, side *side, response kmsg.Response)
	// settle waits, after a change, until both brokers show it.
	settle func(t *testing.T, w *world)
}

// world is one run of a history.
type world struct {
	suite  *suite
	prefix string
	// tree makes of a side's answer what is compared.
	tree func(s *side, a answer) any
}

func (w *world) name(short string) string { return w.prefix + short }

// kindOfHistory is how the random histories of one kind are drawn and compared.
type kindOfHistory struct {
	draw func(random *rand.Rand, n int) []operation
	tree func(s *side, a answer) any
	// steps is the length of one.
	steps int
}

// mixed are topics, records, offsets and configurations; transactions is what the coordinators of transactions and groups do.
var (
	mixed        = kindOfHistory{drawHistory, (*side).tree, 60}
	transactions = kindOfHistory{drawTransactions, func(s *side, a answer) any { return s.ownIDs(s.tree(a)) }, 50}
)

// drawHistory draws n operations on two topics and one group.
func drawHistory(random *rand.Rand, n int) []operation {
	operations := []operation{createOperation("a", 2), createOperation("b", 1)}
	for len(operations) < n {
		operations = append(operations, drawOperation(random))
	}
	return operations
}

func drawOperation(random *rand.Rand) operation {
	topic := []string{"a", "b"}[random.IntN(2)]
	partition, offset := int32(random.IntN(3)), int64(random.IntN(12)-1)
	switch random.IntN(14) {
	case 0:
		return createOperation(topic, int32(1+random.IntN(3)))
	case 1:
		return deleteOperation(topic)
	case 2:
		return growOperation(topic, int32(1+random.IntN(4)))
	case 3, 4, 5:
		return produceOperation(random, topic, partition, -1)
	case 6, 7:
		return produceOperation(random, topic, partition, int32(random.IntN(5)))
	case 8:
		return fetchOperation(topic, partition, offset)
	case 9:
		return listOperation(topic, partition, []int64{-1, -2, -3, now, now + 5}[random.IntN(5)])
	case 10:
		return commitOperation(topic, partition, offset)
	case 11:
		return committedOperation()
	case 12:
		return configOperation(topic, random.IntN(4))
	default:
		return trimOperation(topic, partition, offset)
	}
}

func createOperation(topic string, partitions int32) operation {
	return operation{
		text: fmt.Sprintf("create %s with %d partitions", topic, partitions),
		build: func(w *world, _ *side) kmsg.Request {
			r := kmsg.NewPtrCreateTopicsRequest()
			r.Version, r.TimeoutMillis = 7, 10000
			t := kmsg.NewCreateTopicsRequestTopic()
			t.Topic, t.NumPartitions, t.ReplicationFactor = w.name(topic), partitions, 1
			r.Topics = append(r.Topics, t)
			return r
		},
		settle: func(t *testing.T, w *world) { w.suite.settle(t, w.name(topic)) },
	}
}

func deleteOperation(topic string) operation {
	return operation{
		text: "delete " + topic,
		build: func(w *world, _ *side) kmsg.Request {
			r := kmsg.NewPtrDeleteTopicsRequest()
			r.Version, r.TimeoutMillis, r.TopicNames = 5, 10000, []string{w.name(topic)}
			return r
		},
		settle: func(t *testing.T, w *world) {
			w.suite.settle(t, w.name(topic))
			// The commits of a deleted topic go a moment later.
			w.suite.agree(t, func(side *side) kmsg.Request { return committedOperation().build(w, side) })
		},
	}
}

func growOperation(topic string, count int32) operation {
	return operation{
		text: fmt.Sprintf("grow %s to %d", topic, count),
		build: func(w *world, side *side) kmsg.Request {
			r := partitions("", w.name(topic), count, nil).build(side, 3).(*kmsg.CreatePartitionsRequest)
			r.Version, r.ValidateOnly = 3, false
			return r
		},
		settle: func(t *testing.T, w *world) { w.suite.settle(t, w.name(topic)) },
	}
}

// produceOperation sends one batch; a sequence below 0 is a plain one, else one of an idempotent producer that both brokers
// have never heard of, whose id is the same on both.
func produceOperation(random *rand.Rand, topic string, partition, sequence int32) operation {
	b := batch{values: []string{"x", "y", "z"}[:1+random.IntN(3)], keys: []string{"k"}, time: now + int64(random.IntN(20))}
	if sequence >= 0 {
		b.idempotentFrom, b.producerID, b.epoch, b.sequence = true, 900_000_001, int16(random.IntN(2)), sequence
	}
	raw := b.bytes()
	return operation{
		text: fmt.Sprintf("produce %d records to %s-%d, sequence %d epoch %d", len(b.values), topic, partition, sequence, b.epoch),
		build: func(w *world, side *side) kmsg.Request {
			r := produce("", -1, producePart{w.name(topic), partition, raw}).build(side, 12)
			r.SetVersion(12)
			return r
		},
	}
}

func fetchOperation(topic string, partition int32, offset int64) operation {
	return operation{
		text: fmt.Sprintf("fetch %s-%d from %d", topic, partition, offset),
		build: func(w *world, side *side) kmsg.Request {
			r := fetchCase("", nil, w.name(topic), partition, offset).build(side, 12).(*kmsg.FetchRequest)
			r.Version, r.MaxWaitMillis = 12, 0
			return r
		},
	}
}

func listOperation(topic string, partition int32, timestamp int64) operation {
	return operation{
		text: fmt.Sprintf("list offsets of %s-%d at %s", topic, partition, timeName(timestamp)),
		build: func(w *world, _ *side) kmsg.Request {
			r := kmsg.NewPtrListOffsetsRequest()
			t := kmsg.NewListOffsetsRequestTopic()
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp, p.CurrentLeaderEpoch = partition, timestamp, -1
			t.Topic, t.Partitions = w.name(topic), append(t.Partitions, p)
			r.Version, r.ReplicaID, r.Topics = 7, -1, append(r.Topics, t)
			return r
		},
	}
}

func commitOperation(topic string, partition int32, offset int64) operation {
	return operation{
		text: fmt.Sprintf("commit %d of %s-%d", offset, topic, partition),
		build: func(w *world, _ *side) kmsg.Request {
			r := commitOf(w.name("group"), "", -1, offset).(*kmsg.OffsetCommitRequest)
			r.Topics[0].Topic, r.Topics[0].Partitions[0].Partition = w.name(topic), partition
			return r
		},
	}
}

func committedOperation() operation {
	return operation{text: "fetch the commits", build: func(w *world, _ *side) kmsg.Request {
		r := kmsg.NewPtrOffsetFetchRequest()
		r.Version, r.Group = 7, w.name("group")
		return r
	}}
}

func configOperation(topic string, which int) operation {
	change := []struct{ key, value string }{{"retention.ms", "1234567"}, {"cleanup.policy", "compact"}, {"cleanup.policy", "delete"}, {"max.message.bytes", "70"}}[which]
	return operation{
		text: fmt.Sprintf("set %s=%s of %s", change.key, change.value, topic),
		build: func(w *world, _ *side) kmsg.Request {
			r := kmsg.NewPtrIncrementalAlterConfigsRequest()
			c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
			c.Name, c.Value = change.key, &change.value
			res := kmsg.NewIncrementalAlterConfigsRequestResource()
			res.ResourceType, res.ResourceName, res.Configs = kmsg.ConfigResourceTypeTopic, w.name(topic), append(res.Configs, c)
			r.Version, r.Resources = 1, append(r.Resources, res)
			return r
		},
		// Apache Kafka's broker hears of the change a moment after the controller has answered, its logs after that.
		settle: func(t *testing.T, w *world) {
			w.suite.agree(t, func(*side) kmsg.Request {
				r := kmsg.NewPtrDescribeConfigsRequest()
				res := kmsg.NewDescribeConfigsRequestResource()
				res.ResourceType, res.ResourceName, res.ConfigNames = kmsg.ConfigResourceTypeTopic, w.name(topic), []string{change.key}
				r.Version, r.Resources = 4, append(r.Resources, res)
				return r
			})
			time.Sleep(50 * time.Millisecond)
		},
	}
}

func trimOperation(topic string, partition int32, offset int64) operation {
	return operation{
		text: fmt.Sprintf("delete records of %s-%d before %d", topic, partition, offset),
		build: func(w *world, _ *side) kmsg.Request {
			r := kmsg.NewPtrDeleteRecordsRequest()
			t := kmsg.NewDeleteRecordsRequestTopic()
			p := kmsg.NewDeleteRecordsRequestTopicPartition()
			p.Partition, p.Offset = partition, offset
			t.Topic, t.Partitions = w.name(topic), append(t.Partitions, p)
			r.Version, r.TimeoutMillis, r.Topics = 2, 5000, append(r.Topics, t)
			return r
		},
	}
}

// settle waits until both brokers show the same partitions of a topic and lead them.
func (s *suite) settle(t *testing.T, topic string) {
	t.Helper()
	count := func(side *side) int {
		r := kmsg.NewPtrMetadataRequest()
		item := kmsg.NewMetadataRequestTopic()
		item.Topic = &topic
		r.Version, r.Topics = 9, append(r.Topics, item)
		got, err := side.do("", r, false)
		if err != nil || got.closed {
			t.Fatalf("Metadata on %s: %+v %v", side.broker.Name, got, err)
		}
		return len(got.response.(*kmsg.MetadataResponse).Topics[0].Partitions)
	}
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if n := count(s.sides[0]); n == count(s.sides[1]) {
			for partition := range int32(n) {
				s.awaitLeader(t, topic, partition)
			}
			return
		}
	}
}

// agree asks both sides the same until they answer the same; where they never do, the history will tell.
func (s *suite) agree(t *testing.T, build func(side *side) kmsg.Request) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var trees [2]any
		for i, side := range s.sides {
			got, err := side.do("", build(side), false)
			if err != nil || got.closed {
				t.Fatalf("on %s: %+v %v", side.broker.Name, got, err)
			}
			trees[i] = side.tree(got)
		}
		if len(compare("", trees[0], trees[1])) == 0 {
			return
		}
	}
}

// runHistory runs the operations on both sides and returns the first difference, "" where there is none.
func (s *suite) runHistory(t *testing.T, kind kindOfHistory, prefix string, operations []operation) string {
	t.Helper()
	w := &world{suite: s, prefix: prefix, tree: kind.tree}
	for i, o := range operations {
		var trees [2]any
		for j, side := range s.sides {
			got, err := side.do("", o.build(w, side), false)
			if err != nil {
				return fmt.Sprintf("step %d, %s: %s: %v", i, o.text, side.broker.Name, err)
			}
			if o.see != nil && !got.closed {
				o.see(w, side, got.response)
			}
			trees[j] = w.tree(side, got)
		}
		s.requests++
		for _, d := range compare("", trees[0], trees[1]) {
			if line := fmt.Sprintf("random %s %s", o.text, d); !s.accept(line) {
				return fmt.Sprintf("step %d, %s", i, line)
			}
		}
		if o.settle != nil {
			o.settle(t, w)
		}
	}
	return ""
}

// shorten drops operations as long as the rest still shows a difference.
func (s *suite) shorten(t *testing.T, kind kindOfHistory, prefix string, operations []operation) []operation {
	t.Helper()
	runs := 0
	for chunk := len(operations) / 2; chunk > 0; {
		shorter := false
		for from := 0; from+chunk <= len(operations); from += chunk {
			rest := append(append([]operation(nil), operations[:from]...), operations[from+chunk:]...)
			runs++
			if s.runHistory(t, kind, fmt.Sprintf("%ss%d-", prefix, runs), rest) != "" {
				operations, shorter = rest, true
				break
			}
		}
		if !shorter {
			chunk /= 2
		}
	}
	return operations
}

// texts lists a history for a reader.
func texts(operations []operation) string {
	var lines []string
	for _, o := range operations {
		lines = append(lines, "  "+o.text)
	}
	return strings.Join(lines, "\n")
}
