package powercut

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// inspection is one look at everything after a start.
type inspection struct {
	ctx    context.Context
	client *kgo.Client
	admin  *kadm.Client
	ledger *ledger
	// strict: what was acknowledged must be there; else what was flushed.
	strict bool
	// flushed: the transactions' log is synced, too, so that the next client ends what the last one left open.
	flushed  bool
	promised map[place]partition
	// recoveryPoints and starts are the checkpoints as the power cut left them.
	recoveryPoints, starts map[place]int64
	wrong                  []string
	looked                 int
}

func (i *inspection) say(format string, arguments ...any) {
	i.wrong = append(i.wrong, fmt.Sprintf(format, arguments...))
}

// again tries until it works, for as long as the inspection may take.
func (i *inspection) again(what string, try func() error) bool {
	for {
		err := try()
		if err == nil {
			return true
		}
		select {
		case <-i.ctx.Done():
			i.say("%s: %v", what, err)
			return false
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// run looks at topics, partitions, groups and transactions.
func (i *inspection) run() {
	places := i.topics()
	for p, lies := range i.read(places) {
		i.wrong = append(i.wrong, i.ledger.checkPartition(p, i.promised[p], lies, i.strict, i.recoveryPoints[p], i.starts[p])...)
		i.ledger.foundAt(p, i.promised[p], lies)
		i.looked += len(lies.records)
	}
	i.groups()
	if i.flushed {
		i.transactions()
	}
}

// topics holds the topics against the ledger, and returns the partitions that are to be read.
func (i *inspection) topics() []place {
	var listed kadm.TopicDetails
	var configs kadm.ResourceConfigs
	ok := i.again("list topics", func() (err error) {
		if listed, err = i.admin.ListTopics(i.ctx); err == nil && len(listed) > 0 {
			configs, err = i.admin.DescribeTopicConfigs(i.ctx, listed.Names()...)
		}
		return err
	})
	if !ok {
		return nil
	}
	i.ledger.mutex.Lock()
	defer i.ledger.mutex.Unlock()
	var places []place
	for name := range listed {
		if i.ledger.topics[name] == nil {
			i.say("topic %s is there, and nobody made it", name)
		}
	}
	for name, known := range i.ledger.topics {
		found, there := listed[name]
		switch {
		case there && known.deleted:
			i.say("topic %s is there, its deletion was acknowledged", name)
			continue
		case !there && known.created && !known.deleting:
			i.say("topic %s is gone, its creation was acknowledged", name)
			known.deleting = true
			continue
		case !there:
			known.deleting, known.deleted = true, true // not made at all, or gone: so it stays
			continue
		case len(found.Partitions) != known.partitions || known.created && [16]byte(found.ID) != known.id:
			i.say("topic %s has %d partitions and id %v, %d and %x were acknowledged", name, len(found.Partitions), found.ID, known.partitions, known.id)
		}
		known.created, known.deleting, known.id = true, false, found.ID
		i.setting(name, known, configs)
		for index := range known.partitions {
			places = append(places, place{name, int32(index)})
		}
	}
	return places
}

// setting checks what was last set of a topic's configuration.
func (i *inspection) setting(name string, known *topic, configs kadm.ResourceConfigs) {
	described, err := configs.On(name, nil)
	if err == nil {
		err = described.Err
	}
	if err != nil {
		i.say("configuration of %s: %v", name, err)
		return
	}
	for _, c := range described.Configs {
		value := int64(0)
		if c.Key == "retention.ms" && c.Value != nil {
			value, _ = strconv.ParseInt(*c.Value, 10, 64)
		} else if c.Key == "internal.segment.bytes" && (c.Value == nil || *c.Value != segmentBytes) {
			i.say("topic %s lost its internal.segment.bytes", name)
			continue
		} else {
			continue
		}
		if value < known.settingAck || value > known.setting {
			i.say("retention.ms of %s is %d, %d was acknowledged and %d asked for", name, value, known.settingAck, known.setting)
		}
		known.setting, known.settingAck = value, value
	}
}

// read reads partitions from start to end.
func (i *inspection) read(places []place) map[place]content {
	found, missing := i.bounds(places)
	offsets := map[string]map[int32]kgo.Offset{}
	for p := range missing {
		if offsets[p.topic] == nil {
			offsets[p.topic] = map[int32]kgo.Offset{}
		}
		offsets[p.topic][p.partition] = kgo.NewOffset().At(found[p].start)
	}
	if len(missing) == 0 {
		return found
	}
	address := i.client.OptValue(kgo.SeedBrokers).([]string)[0]
	c := client(address, kgo.ConsumePartitions(offsets), kgo.KeepControlRecords(), kgo.FetchMaxWait(50*time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	defer c.Close()
	for len(missing) > 0 {
		fetches := c.PollFetches(i.ctx)
		fetches.EachError(func(topic string, partition int32, err error) {
			if i.ctx.Err() == nil {
				i.say("%s: read: %v", place{topic, partition}, err)
				delete(missing, place{topic, partition})
			}
		})
		fetches.EachRecord(func(r *kgo.Record) {
			p := place{r.Topic, r.Partition}
			lies := found[p]
			if r.Offset >= lies.end {
				return
			}
			if r.Attrs.IsControl() {
				lies.controls[r.Offset] = true
			} else if id, ok := parseValue(r.Value); ok {
				lies.records[r.Offset] = id
			} else {
				lies.strange = append(lies.strange, r.Offset)
				found[p] = lies
			}
			if r.Offset == lies.end-1 {
				delete(missing, p)
			}
		})
		if i.ctx.Err() != nil {
			for p := range missing {
				i.say("%s: cannot be read to its end %d", p, found[p].end)
			}
			break
		}
	}
	return found
}

// bounds asks for the first and the last offset of each partition; missing are those that hold something.
func (i *inspection) bounds(places []place) (found map[place]content, missing map[place]bool) {
	found, missing = map[place]content{}, map[place]bool{}
	var names []string
	for _, p := range places {
		if !slices.Contains(names, p.topic) {
			names = append(names, p.topic)
		}
	}
	var starts, ends kadm.ListedOffsets
	i.again("list offsets", func() (err error) {
		if starts, err = i.admin.ListStartOffsets(i.ctx, names...); err == nil {
			err = starts.Error()
		}
		if err == nil {
			if ends, err = i.admin.ListEndOffsets(i.ctx, names...); err == nil {
				err = ends.Error()
			}
		}
		return err
	})
	for _, p := range places {
		start, ok := starts.Lookup(p.topic, p.partition)
		end, too := ends.Lookup(p.topic, p.partition)
		if !ok || !too || start.Err != nil || end.Err != nil {
			i.say("%s: no offsets: %v %v", p, start.Err, end.Err)
			continue
		}
		found[p] = content{start: start.Offset, end: end.Offset, records: map[int64]recordID{}, controls: map[int64]bool{}}
		if start.Offset < end.Offset {
			missing[p] = true
		}
	}
	return found, missing
}

// groups holds the committed offsets against the ledger.
func (i *inspection) groups() {
	i.ledger.mutex.Lock()
	known := map[string]counter{}
	for name, c := range i.ledger.groups {
		known[name] = *c
	}
	i.ledger.mutex.Unlock()
	for name, c := range known {
		found := int64(0)
		ok := i.again("offsets of "+name, func() error {
			answers, err := i.admin.FetchOffsets(i.ctx, name)
			if err != nil {
				return err
			}
			if committed, there := answers.Lookup(keptTopic, 0); there {
				found, err = max(committed.At, 0), committed.Err
			}
			return err
		})
		if !ok {
			continue
		}
		if i.strict && found < c.acknowledged || found > c.asked {
			i.say("group %s has committed offset %d, %d was acknowledged and %d asked for", name, found, c.acknowledged, c.asked)
		}
		i.ledger.change(func() { i.ledger.groups[name].acknowledged = found })
	}
}

// transactions ends what the last client left open, reads what is committed, and holds it against the ledger.
func (i *inspection) transactions() {
	address := i.client.OptValue(kgo.SeedBrokers).([]string)[0]
	heir := client(address, kgo.TransactionalID("teller"))
	defer heir.Close()
	settled := i.again("the next client of the transactions", func() error {
		_, _, err := heir.ProducerID(i.ctx)
		return err
	}) && i.again("transactions stay open", func() error {
		stable, err := i.admin.ListCommittedOffsets(i.ctx, moneyTopic)
		if err != nil {
			return err
		}
		ends, err := i.admin.ListEndOffsets(i.ctx, moneyTopic)
		if err != nil {
			return err
		}
		for index := range int32(topicPartitions()[moneyTopic]) {
			at, _ := stable.Lookup(moneyTopic, index)
			end, _ := ends.Lookup(moneyTopic, index)
			if at.Err != nil || end.Err != nil || at.Offset != end.Offset {
				return fmt.Errorf("partition %d is stable up to %d of %d: %v %v", index, at.Offset, end.Offset, at.Err, end.Err)
			}
		}
		return nil
	})
	if settled {
		i.holdTransactions(i.readCommitted(address))
	}
}

// readCommitted gives the records of committed transactions.
func (i *inspection) readCommitted(address string) map[recordID]bool {
	visible := map[recordID]bool{}
	var places []place
	for index := range topicPartitions()[moneyTopic] {
		places = append(places, place{moneyTopic, int32(index)})
	}
	found, missing := i.bounds(places)
	offsets := map[int32]kgo.Offset{}
	for p := range missing {
		offsets[p.partition] = kgo.NewOffset().AtStart()
	}
	c := client(address, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{moneyTopic: offsets}), kgo.KeepControlRecords(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(50*time.Millisecond))
	defer c.Close()
	for len(missing) > 0 && i.ctx.Err() == nil {
		c.PollFetches(i.ctx).EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				id, _ := parseValue(r.Value)
				visible[id] = true
			}
			// The last record is the marker that ended the last transaction.
			if p := (place{r.Topic, r.Partition}); r.Offset == found[p].end-1 {
				delete(missing, p)
			}
		})
	}
	for p := range missing {
		i.say("%s: committed records cannot be read to the end %d", p, found[p].end)
	}
	return visible
}

// holdTransactions demands of each transaction that it is visible as a whole or not at all, as its client was told.
func (i *inspection) holdTransactions(visible map[recordID]bool) {
	i.ledger.mutex.Lock()
	defer i.ledger.mutex.Unlock()
	for n, t := range i.ledger.transactions {
		total, seen := 0, 0
		for _, ids := range t.records {
			for _, id := range ids {
				total++
				if visible[id] {
					seen++
				}
			}
		}
		switch {
		case t.outcome == committed && seen < total:
			i.say("transaction %d was committed, %d of its %d records are there", n, seen, total)
		case t.outcome == aborted && seen > 0:
			i.say("transaction %d was aborted, %d of its %d records can be read", n, seen, total)
		case seen > 0 && seen < total:
			i.say("transaction %d is torn: %d of its %d records are there", n, seen, total)
		}
		if t.outcome = aborted; seen == total {
			t.outcome = committed
		}
	}
}

// readCheckpoint reads a checkpoint of offsets from the disk; what is not there says nothing.
func readCheckpoint(data, name string) map[place]int64 {
	text, err := os.ReadFile(filepath.Join(data, name))
	if err != nil {
		return nil
	}
	offsets := map[place]int64{}
	for _, line := range strings.Split(string(text), "\n") {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		partition, err1 := strconv.ParseInt(fields[1], 10, 32)
		offset, err2 := strconv.ParseInt(fields[2], 10, 64)
		if err1 == nil && err2 == nil {
			offsets[place{fields[0], int32(partition)}] = offset
		}
	}
	return offsets
}
