package api

import "github.com/twmb/franz-go/pkg/kmsg"

type fetched struct {
	topic     string
	partition int32
	offset    int64
}

func fetchBy(change func(*kmsg.FetchRequest), partitions ...fetched) func(int16, map[string][16]byte) kmsg.Request {
	return func(v int16, ids map[string][16]byte) kmsg.Request {
		r := kmsg.NewPtrFetchRequest()
		r.MaxWaitMillis, r.MinBytes, r.MaxBytes = 100, 1, 1<<20
		for _, one := range partitions {
			topic := kmsg.NewFetchRequestTopic()
			if v < 13 {
				topic.Topic = one.topic
			} else {
				topic.TopicID = idOf(ids, one.topic)
			}
			p := kmsg.NewFetchRequestTopicPartition()
			p.Partition, p.FetchOffset, p.PartitionMaxBytes = one.partition, one.offset, 1<<20
			topic.Partitions = append(topic.Partitions, p)
			r.Topics = append(r.Topics, topic)
		}
		r.SetVersion(v)
		if change != nil {
			change(r)
		}
		return r
	}
}

func fetch(partitions ...fetched) func(int16, map[string][16]byte) kmsg.Request {
	return fetchBy(nil, partitions...)
}

func fetchSteps() []dataStep {
	var steps []dataStep
	add := func(name string, change func(*kmsg.FetchRequest), partitions ...fetched) {
		steps = append(steps, dataStep{name: "fetch " + name, versions: through(4, 18), build: fetchBy(change, partitions...)})
	}
	some := func(name string, change func(*kmsg.FetchRequest), partitions ...fetched) {
		steps = append(steps, dataStep{name: "fetch " + name, versions: []int16{4, 12, 13, 17}, build: fetchBy(change, partitions...)})
	}
	first := func(change func(*kmsg.FetchRequestTopicPartition)) func(*kmsg.FetchRequest) {
		return func(r *kmsg.FetchRequest) { change(&r.Topics[0].Partitions[0]) }
	}
	from := fetched{"plain", 0, 0}
	add("all", nil, from)
	add("within a batch", nil, fetched{"plain", 0, 12})
	add("committed", func(r *kmsg.FetchRequest) { r.IsolationLevel = 1 }, from)
	add("two partitions", nil, from, fetched{"plain", 1, 0}, fetched{"empty", 0, 0})
	add("topics in turn", nil, from, fetched{"empty", 0, 0}, fetched{"plain", 1, 0})
	some("at the end", nil, fetched{"empty", 0, 0})
	some("nothing", nil)
	some("118 from -1", nil, fetched{"plain", 0, -1})
	some("118 beyond the end", nil, fetched{"plain", 0, 100000})
	some("113 partition max bytes -1 at the end", first(func(p *kmsg.FetchRequestTopicPartition) { p.PartitionMaxBytes = -1 }), fetched{"empty", 0, 0})
	some("114 max bytes 0", func(r *kmsg.FetchRequest) { r.MaxBytes, r.MinBytes = 0, 0 }, from)
	some("114 partition max bytes 0", first(func(p *kmsg.FetchRequestTopicPartition) { p.PartitionMaxBytes = 0 }), from)
	some("less than a batch", first(func(p *kmsg.FetchRequestTopicPartition) { p.PartitionMaxBytes = 10 }), fetched{"plain", 1, 0}, from)
	some("a batch and a half", first(func(p *kmsg.FetchRequestTopicPartition) { p.PartitionMaxBytes = 105 }), from)
	some("within the limit of all", func(r *kmsg.FetchRequest) { r.MaxBytes = 150 }, fetched{"plain", 1, 0}, from)
	some("116 max wait -1, min bytes -5", func(r *kmsg.FetchRequest) { r.MaxWaitMillis, r.MinBytes = -1, -5 }, fetched{"empty", 0, 0})
	some("the same partition twice", nil, from, fetched{"plain", 0, 14})
	some("127 an unknown topic", nil, fetched{"not-there", 0, 0})
	some("an unknown partition", nil, fetched{"plain", 9, 0})
	some("an unknown topic and a known one", nil, fetched{"not-there", 0, 0}, from)
	some("119 in a future epoch", first(func(p *kmsg.FetchRequestTopicPartition) { p.CurrentLeaderEpoch = 5 }), from)
	some("in the current epoch", first(func(p *kmsg.FetchRequestTopicPartition) { p.CurrentLeaderEpoch = 0 }), from)
	some("after an epoch", first(func(p *kmsg.FetchRequestTopicPartition) { p.LastFetchedEpoch = 0 }), from)
	some("after an epoch that is not there", first(func(p *kmsg.FetchRequestTopicPartition) { p.LastFetchedEpoch = 4 }), fetched{"plain", 0, 2})
	some("beyond the end of an epoch", first(func(p *kmsg.FetchRequestTopicPartition) { p.LastFetchedEpoch = 0 }), fetched{"plain", 0, 100000})
	some("121 as replica 2", replicaID(2, -1), from)
	some("121 as replica 2 in the epoch", replicaID(2, 0), from)
	some("as a debugger", replicaID(-2, -1), from)
	return steps
}

func replicaID(id, epoch int32) func(*kmsg.FetchRequest) {
	return func(r *kmsg.FetchRequest) {
		if r.ReplicaID = id; r.Version >= 15 {
			r.ReplicaState.ID = id
		}
		r.Topics[0].Partitions[0].CurrentLeaderEpoch = epoch
	}
}

// lastSession stands for the id of the session that was opened last.
const lastSession int32 = -77

func inSession(epoch int32, forget ...fetched) func(*kmsg.FetchRequest) {
	return inSessionOf(lastSession, epoch, forget...)
}

func inSessionOf(id, epoch int32, forget ...fetched) func(*kmsg.FetchRequest) {
	return func(r *kmsg.FetchRequest) {
		r.SessionID, r.SessionEpoch = id, epoch
		for _, one := range forget {
			topic := kmsg.NewFetchRequestForgottenTopic()
			topic.Topic, topic.Partitions = one.topic, []int32{one.partition}
			r.ForgottenTopics = append(r.ForgottenTopics, topic)
		}
	}
}

// sessionSteps are the stories of sessions, by name and by id.
func sessionSteps() []dataStep {
	var steps []dataStep
	for _, v := range []int16{7, 12, 13, 17} {
		add := func(name string, change func(*kmsg.FetchRequest), partitions ...fetched) {
			steps = append(steps, dataStep{name: "session: " + name, versions: []int16{v}, build: func(v int16, ids map[string][16]byte) kmsg.Request {
				request := fetchBy(change, partitions...)(v, ids).(*kmsg.FetchRequest)
				for i := range request.ForgottenTopics {
					if topic := &request.ForgottenTopics[i]; v >= 13 {
						topic.Topic, topic.TopicID = "", idOf(ids, topic.Topic)
					}
				}
				return request
			}})
		}
		write := func(topic string, partition int32) {
			steps = append(steps, dataStep{name: "session: produce", versions: []int16{9}, build: produce(1, records{topic, partition, values("s").bytes()})})
		}
		add("open", inSessionOf(0, 0), fetched{"plain", 0, 0}, fetched{"plain", 1, 0}, fetched{"empty", 0, 0}, fetched{"not-there", 0, 0})
		add("nothing new but what was not fetched", inSession(1), fetched{"plain", 1, 6})
		add("rotated", inSession(2))
		add("at the ends", inSession(3), fetched{"plain", 0, 10}, fetched{"plain", 1, 5})
		write("plain", 1)
		add("after a write", inSession(4))
		add("123 wrong epoch", inSession(4))
		add("forget", inSession(5, fetched{"plain", 0, 0}, fetched{"not-there", 0, 0}, fetched{"plain", 77, 0}))
		add("add", inSession(6), fetched{"idempotent", 0, 0})
		add("out of range", inSession(7), fetched{"idempotent", 0, 100000})
		add("back in range", inSession(8), fetched{"idempotent", 0, 3})
		add("122 unknown session", inSessionOf(123456789, 5))
		if v >= 13 {
			steps = append(steps, dataStep{name: "124 v12 on a session by id", versions: []int16{12}, build: fetchBy(inSession(9))})
		} else {
			steps = append(steps, dataStep{name: "v13 on a session by name", versions: []int16{13}, build: fetchBy(inSession(9))})
		}
		add("forget all", inSession(9, fetched{"plain", 1, 0}, fetched{"idempotent", 0, 0}, fetched{"empty", 0, 0}))
		add("after all is forgotten", inSession(10))
		add("open again", inSessionOf(0, 0), fetched{"empty", 0, 0})
		add("replace", inSession(0), fetched{"plain", 1, 0})
		add("in the new one", inSession(1))
		add("close", inSession(-1), fetched{"plain", 1, 4})
		add("after close", inSession(2))
		add("open with nothing", inSessionOf(0, 0))
		add("go on with nothing", inSession(1))
	}
	return steps
}
