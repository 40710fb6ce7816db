package powercut

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// administer creates topics, writes into them, changes their configuration and deletes them.
func (w *workload) administer(random *rand.Rand) {
	admin := kadm.NewClient(w.client())
	writer := w.ledger.writer()
	for number := uint64(1); w.ctx.Err() == nil; w.pause(random, 40) {
		var err error
		name := w.choose(random)
		switch n := random.IntN(6); {
		case name == "" || n <= 2:
			err = w.createTopic(admin, random, writer, &number)
		case n <= 4:
			err = w.configure(admin, name)
		default:
			err = w.deleteTopic(admin, name)
		}
		if err != nil {
			w.failed("administer", err)
			return
		}
	}
}

// choose picks one of the topics that were made and are there.
func (w *workload) choose(random *rand.Rand) string {
	var names []string
	w.ledger.change(func() {
		for name, known := range w.ledger.topics {
			if _, fixed := topicPartitions()[name]; !fixed && known.created && !known.deleting {
				names = append(names, name)
			}
		}
	})
	if len(names) == 0 {
		return ""
	}
	return names[random.IntN(len(names))]
}

// createTopic makes a topic and writes a record into each partition.
func (w *workload) createTopic(admin *kadm.Client, random *rand.Rand, writer uint16, number *uint64) error {
	made := &topic{partitions: 1 + random.IntN(3), setting: -1, settingAck: -1}
	var name string
	w.ledger.change(func() {
		if name = w.ledger.free(random); name == "" {
			w.ledger.names++
			name = fmt.Sprint("made-", w.ledger.names)
		}
		w.ledger.topics[name] = made
	})
	if err := w.ledger.create(w.ctx, admin, name, made.partitions); err != nil {
		return err
	}
	// A client of its own: one that knew a deleted topic of that name would first ask for that one.
	c := w.client(kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1), kgo.RecordRetries(0))
	defer c.Close()
	for index := range made.partitions {
		p, id := place{name, int32(index)}, newID(writer, *number)
		*number++
		w.ledger.sending(p, id)
		result := c.ProduceSync(w.ctx, &kgo.Record{Topic: name, Partition: p.partition, Value: id.value()})[0]
		w.told(result.Record, result.Err)
	}
	return nil
}

// free is now and then the name of a topic that was deleted: a new one is to be made by it, in which nothing of the old
// one may be found.
func (l *ledger) free(random *rand.Rand) string {
	if random.IntN(3) > 0 {
		return ""
	}
	for name, known := range l.topics {
		if known.deleted {
			for index := range int32(known.partitions) {
				delete(l.partitions, place{name, index})
			}
			return name
		}
	}
	return ""
}

// create makes a topic that is in the ledger and notes that it was acknowledged.
func (l *ledger) create(ctx context.Context, admin *kadm.Client, name string, partitions int) error {
	answers, err := admin.CreateTopics(ctx, int32(partitions), 1, topicConfig(), name)
	if err == nil {
		err = answers[name].Err
	}
	if err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	l.change(func() { l.topics[name].created, l.topics[name].id = true, answers[name].ID })
	return nil
}

// configure raises retention.ms, far beyond what is ever due.
func (w *workload) configure(admin *kadm.Client, name string) error {
	var next int64
	w.ledger.change(func() {
		known := w.ledger.topics[name]
		known.setting = max(known.setting, 1<<50) + 1
		next = known.setting
	})
	answers, err := admin.AlterTopicConfigs(w.ctx, []kadm.AlterConfig{
		{Op: kadm.SetConfig, Name: "retention.ms", Value: kadm.StringPtr(strconv.FormatInt(next, 10))},
	}, name)
	for _, answer := range answers {
		if err == nil {
			err = answer.Err
		}
	}
	if err != nil {
		return fmt.Errorf("configure %s: %w", name, err)
	}
	w.ledger.change(func() { w.ledger.topics[name].settingAck = next })
	return nil
}

func (w *workload) deleteTopic(admin *kadm.Client, name string) error {
	w.ledger.change(func() { w.ledger.topics[name].deleting = true })
	answers, err := admin.DeleteTopics(w.ctx, name)
	if err == nil {
		err = answers[name].Err
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	w.ledger.change(func() { w.ledger.topics[name].deleted = true })
	return nil
}

// deleteRecords moves the start offsets of one topic up.
func (w *workload) deleteRecords(random *rand.Rand) {
	c := w.client()
	admin := kadm.NewClient(c)
	for ; w.ctx.Err() == nil; w.pause(random, 150) {
		p := place{plainTopic, int32(random.IntN(topicPartitions()[plainTopic]))}
		next := int64(-1)
		w.ledger.change(func() {
			known := w.ledger.at(p)
			for offset := range known.told {
				next = max(next, offset-50-int64(random.IntN(200)))
			}
			if next > known.deletedTo {
				known.deletedTo = next
			} else {
				next = -1
			}
		})
		if next < 0 {
			continue
		}
		offsets := kadm.Offsets{}
		offsets.AddOffset(p.topic, p.partition, next, -1)
		answers, err := admin.DeleteRecords(w.ctx, offsets)
		if err == nil {
			err = answers.Error()
		}
		if err != nil {
			w.failed("delete records", err)
			return
		}
	}
}
